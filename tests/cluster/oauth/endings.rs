//! What a login ends with that no person can mend: the page says so, and the maintainer of the application is told.

use anyhow::{Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use reqwest::StatusCode;
use testkit::wait_for;

use crate::support::browser::parameter;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;
use crate::support::observe::*;
use crate::support::reauthorization;

/// What the Warning Events on the MetaApp of this reason say.
async fn login_failed(env: &Env) -> Result<Vec<String>> {
    let of_app = |event: &Event| {
        let is_app = event.regarding.as_ref().is_some_and(|it| it.kind.as_deref() == Some("MetaApp"));
        is_app && event.type_.as_deref() == Some("Warning")
    };
    notes(env, &env.platform, "LoginFailed", of_app).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_login_dialog_brings_instead_of_a_code_is_told_for_what_it_is() -> Result<()> {
    let fixture = Fixture::new().await?;
    let rows = [
        (
            "error=access_denied&error_code=200&error_reason=user_denied",
            "You did not agree at Facebook",
            "declined",
            "",
        ),
        ("error=server_error&error_description=x", "No answer", "dialog_unavailable", "DialogUnavailable"),
        ("error=temporarily_unavailable", "No answer", "dialog_unavailable", ""),
        ("error_code=1349126&error_message=x", "The application does not work", "dialog_failed", "DialogFailed"),
        (
            "error_code=1349048&error_message=x",
            "The application does not work",
            "redirect_uri_refused",
            "RedirectUriBlocked",
        ),
        ("error=invalid_scope", "The application does not work", "dialog_failed", ""),
        ("", "No answer", "empty", ""),
    ];
    let mut told = Vec::new();
    for (query, title, outcome, mail) in rows {
        let mut browser = fixture.browser();
        let before = fixture.outcomes(outcome);
        let state = parameter(browser.begin(&fixture.grant).await?.as_str(), "state")?;
        let answer = browser.return_with(&format!("/oauth/callback?state={state}&{query}")).await?;
        answer.is(StatusCode::FORBIDDEN, title)?;
        assert!(answer.text.contains("Start again") || answer.text.contains("start again"), "{}", answer.text);
        assert_eq!(fixture.outcomes(outcome), before + 1, "{query}");
        // Of one trouble of an application there is one inbox message, however often it is met.
        told.extend(Some(mail).filter(|mail| !mail.is_empty()).map(str::to_owned));
        let mut found = fixture.told().await?;
        found.sort();
        told.sort();
        assert_eq!(found, told, "{query}");
    }
    assert_eq!(fixture.exchanges(), [0_u16; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_to_happen_at_meta_ends_as_it_should() -> Result<()> {
    let fixture = Fixture::new().await?;
    let broken = "The application does not work";
    let rows = [
        ("login-error-1349048", broken, "should send you back"),
        ("login-server-error", "No answer", "server_error"),
        ("login-temporarily-unavailable", "No answer", "temporarily_unavailable"),
        ("code-exchange-redirect-uri-not-registered", broken, "should send you back"),
        ("code-exchange-redirect-uri-differs", broken, "should send you back"),
    ];
    for (preset, title, words) in rows {
        fixture.env.sandbox.clear_faults();
        fixture.env.sandbox.preset(preset, &[])?;
        let answer = fixture.browser().up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
        answer.is(StatusCode::FORBIDDEN, title)?;
        assert!(answer.text.contains(words), "{preset}: {}", answer.text);
    }
    let mut told = fixture.told().await?;
    told.sort();
    assert_eq!(told, ["DialogUnavailable", "RedirectUriBlocked", "RedirectUriRefused"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_what_was_not_begun() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let state = parameter(browser.begin(&fixture.grant).await?.as_str(), "state")?;
    let error = "error_code=1349048&error_message=x";
    let mut stranger = fixture.browser();
    for (browser, state) in [(&mut stranger, state.as_str()), (&mut browser, "x")] {
        let answer = browser.get(&format!("/oauth/callback?state={state}&{error}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser");
    }
    assert!(fixture.mail().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_answers_to_the_code_is_told_for_what_it_is() -> Result<()> {
    let fixture = Fixture::new().await?;
    let error = |code: &str| format!("graph_error: {{code: {code}, message: Because.}}");
    let broken = "The application does not work";
    let rows = [
        (error("191"), broken, "should send you back", Some("RedirectUriRefused")),
        (error("100, subcode: 36008"), broken, "should send you back", None),
        (error("101"), broken, "credentials of the application", Some("CredentialsRejected")),
        ("graph_error: {code: 200, message: API access blocked.}".to_owned(), broken, "blocked", Some("AppBlocked")),
        ("graph_error: {code: 3, message: No capability}".to_owned(), broken, "people with a role", Some("NotLive")),
        (error("5555"), broken, "for a reason unknown to this page", Some("RefusedByMeta")),
        (error("4"), "No answer", "no more requests", None),
        (error("2"), "No answer", "no usable answer", None),
        (error("100, subcode: 36009"), "Facebook did not accept it", "used before", None),
        (error("190, subcode: 459"), "Facebook wants something from you first", "facebook.com", None),
    ];
    let mut told: Vec<String> = Vec::new();
    for (effect, title, words, mail) in rows {
        let place = "{template: '/{version}/oauth/access_token'}";
        fixture.env.sandbox.add_fault(fault(&format!("{{match: {place}, times: 1, do: {{{effect}}}}}")));
        let answer = fixture.browser().up_to_the_offer(&fixture.other, PERSON, &[]).await?;
        answer.is(StatusCode::FORBIDDEN, title)?;
        assert!(answer.text.contains(words), "{effect}: {}", answer.text);
        told.extend(mail.map(str::to_owned));
        let mut found = fixture.told().await?;
        found.sort();
        told.sort();
        assert_eq!(found, told, "{effect}");
        fixture.env.advance(1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_that_meta_refuses_is_told_once_on_the_metaapp() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    let name = format!("{}/acme", env.tenant_a);
    for _ in 0..3 {
        let mut browser = reauthorization::browser(&env).await?;
        let dialog = browser.begin(&name).await?;
        let callback = browser.log_in(&dialog, PERSON, &[]).await?;
        let refused = "{match: {template: '/{version}/oauth/access_token'}, times: 1, do: {graph_error: {code: 191, message: Cannot load URL, echo_token: true}}}";
        env.sandbox.add_fault(fault(refused));
        let answer = browser.return_with(&callback).await?;
        answer.is(StatusCode::FORBIDDEN, "The application does not work")?;
        wait_for("the Event", PATIENCE, async || {
            let told = login_failed(&env).await?;
            ensure!(told.len() == 1, "{told:?}");
            ensure!(
                told[0].contains("status.oauthRedirectUri of this MetaApp, https://hooks.example.com/oauth/callback"),
                "{told:?}"
            );
            ensure!(told[0].contains(&name) && told[0].contains("(code 191)"), "{told:?}");
            ensure!(told[0].contains("Meta said: Cannot load URL"), "{told:?}");
            ensure!(!told[0].contains(APP_SECRET) && !told[0].contains(&parameter(&callback, "code")?), "{told:?}");
            Ok(())
        })
        .await?;
    }
    // The one inbox message stays for an hour; then the same trouble is told again.
    let mail = || async {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(env.client.clone(), &env.inbox);
        let all = secrets.list(&Default::default()).await?.items;
        let names = all.into_iter().filter_map(|it| it.metadata.name).filter(|name| name.starts_with("grant-app-"));
        anyhow::Ok(names.collect::<Vec<_>>())
    };
    assert_eq!(mail().await?.len(), 1);
    env.advance(61);
    wait_for("what is old to be thrown away", PATIENCE, async || {
        ensure!(mail().await?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_a_browser_brings_are_told_as_such() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    let mut browser = reauthorization::browser(&env).await?;
    let state = parameter(browser.begin(&format!("{}/acme", env.tenant_a)).await?.as_str(), "state")?;
    let query = format!("state={state}&error_code=1349126&error_message=App+Not+Setup:+EAAB0123456789abcdef0123456789");
    browser
        .return_with(&format!("/oauth/callback?{query}"))
        .await?
        .is(StatusCode::FORBIDDEN, "The application does not work")?;
    wait_for("the Event", PATIENCE, async || {
        let told = login_failed(&env).await?;
        ensure!(told.len() == 1 && told[0].contains("(code 1349126)"), "{told:?}");
        ensure!(told[0].contains("which may not be from Meta: App Not Setup: [redacted]"), "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_meta_gives_back_as_it_is_is_handed_over_and_told_not_to_be_renewable() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    env.sandbox.preset("exchange-gives-same-token", &[])?;
    let mut browser = reauthorization::browser(&env).await?;
    let offer = browser.up_to_the_offer(&format!("{}/acme", env.tenant_a), PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    let grants: Api<meta_channel_operator::api::MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for("the condition", PATIENCE, async || {
        let status = grants.get("acme").await?.status.unwrap_or_default();
        let shown = shown(&status.conditions);
        ensure!(shown.contains(&"Renewed=False/NotRenewable".to_owned()), "{shown:?}");
        ensure!(shown.contains(&"Valid=True/TokenValid".to_owned()), "{shown:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_seed_that_meta_gives_back_is_kept_and_asked_about_once() -> Result<()> {
    let short = |seed: &mut testkit::sandbox::Seed| {
        people(seed);
        let (text, expiry) = (text("short"), "expires_at: +1h");
        let yaml = format!(
            "{{alias: short, token: {text}, kind: user, app: {APP_ID}, user: {PERSON}, scopes: [{SCOPES}], {expiry}}}"
        );
        seed.tokens.push(serde_yaml_ng::from_str(&yaml).unwrap());
    };
    let env = Env::seeded(short).await?;
    env.sandbox.preset("exchange-gives-same-token", &[])?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_secret(&env.tenant_a, "acme-grant", "grant-token", "token", &text("short")).await?;
    env.apply(&grant_manifest(&env, &env.tenant_a)).await?;
    let grants: Api<meta_channel_operator::api::MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for("the condition", PATIENCE, async || {
        let status = grants.get("acme").await?.status.unwrap_or_default();
        let shown = shown(&status.conditions);
        ensure!(shown.contains(&"Renewed=False/NotRenewable".to_owned()), "{shown:?}");
        ensure!(shown.contains(&"SourceTokenAccepted=True/SourceTokenInUse".to_owned()), "{shown:?}");
        ensure!(status.living_secret_name.is_some(), "it is kept");
        Ok(())
    })
    .await?;
    assert_eq!(env.requests("GET", "/{version}/oauth/access_token").len(), 1);
    Ok(())
}
