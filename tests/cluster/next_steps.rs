//! What someone reads who has to mend something: the likeliest next step, and the full sentence once.

use anyhow::Result;
use base64::Engine;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::FacebookChannelStatus;
use serde_json::json;
use testkit::sandbox::Invalidation;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_channels::regrant;
use crate::support::grant_channels::*;
use crate::support::observe::*;

const USER_TOKEN: &str = "EAAsandbox-user-00000000000000000000";

fn step(status: &FacebookChannelStatus) -> &str {
    status.next_step.as_deref().unwrap_or_default()
}

/// Where it stands where a person authorizes a grant again.
fn start(env: &Env, grant: &str) -> String {
    format!("kubectl -n {} get mgrant {grant} -o jsonpath='{{.status.reauthorizeUrl}}'", env.tenant_a)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_put_a_token_that_cannot_serve_into_the_secret_learns_what_to_put_there() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    let twice = base64::engine::general_purpose::STANDARD.encode(TOKEN_A);
    let truncated = &TOKEN_A[..TOKEN_A.len() - 6];
    let rows = [
        ("user", USER_TOKEN, "WrongTokenType", vec!["me/accounts", "MetaGrant"]),
        ("other", TOKEN_B, "WrongPage", vec![PAGE_A, PAGE_B, "pageId"]),
        ("truncated", truncated, "TokenUnknown", vec!["The token may have been copied incompletely."]),
        ("encoded", twice.as_str(), "TokenUnknown", vec!["The token may have been copied incompletely."]),
    ];
    let channels: Vec<_> = rows.iter().map(|(name, token, ..)| (*name, PAGE_A, *token)).collect();
    env.put_channels(&env.tenant_a, &channels).await?;
    for (name, _, reason, parts) in rows {
        let authorized = format!("Authorized=False/{reason}");
        let cut = [authorized.as_str(), "Stalled=True", "Expired=False", "Disconnected=True"];
        let status = env.channel_is(&env.tenant_a, name, &cut).await?.status.unwrap();
        for part in parts {
            assert!(step(&status).contains(part), "{name}: no {part:?} in {}", step(&status));
        }
        assert!(step(&status).contains(&format!("{name}-token")), "{name}: {}", step(&status));
        assert!(!step(&status).contains("authorize"), "nobody has to log in: {}", step(&status));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_its_label_is_not_called_missing() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let unlabeled = json!({ "metadata": { "labels": { "metachannels.io/purpose": null } } });
    secrets.patch("shop-token", &PatchParams::default(), &Patch::Merge(unlabeled)).await?;
    let status = env.channel_is(&env.tenant_a, "shop", &["Ready=False/SecretUnavailable"]).await?.status.unwrap();
    let message = sentence(&status.conditions).unwrap();
    assert!(message.contains("or it lacks the label metachannels.io/purpose=page-token"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_a_dead_grant_ask_for_what_the_grant_asks_for() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    env.sandbox.invalidate_token("user", Invalidation { subcode: Some(460), message: None })?;
    look_at_grant(&env, "now").await?;
    let grant = grant_is(&env, &["Ready=False/PasswordChanged"]).await?.status.unwrap();
    let asked_for = grant.next_step.unwrap();
    assert!(asked_for.contains(&start(&env, "acme-grant")), "{asked_for}");
    for name in ["shop", "support"] {
        let expected = ["Authorized=False/GrantNotReady", "Expired=True/PasswordChanged"];
        let status = env.channel_is(&env.tenant_a, name, &expected).await?.status.unwrap();
        assert_eq!(step(&status), asked_for, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_left_out_in_the_browser_leads_back_there() -> Result<()> {
    let env = Env::seeded(person_manages_pages).await?;
    let operator = env.operator();
    connected(&env, &operator).await?;
    regrant(&env, &[PAGE_B])?;
    look_at_grant(&env, "once").await?;
    let status = env.channel_is(&env.tenant_a, "shop", &["Ready=False/NotInGrant"]).await?.status.unwrap();
    assert!(step(&status).contains(&start(&env, "acme-grant")), "{}", step(&status));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_grant_without_a_secret_can_begin_in_the_browser() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.apply(&env.grant_manifest("{}")).await?;
    let status = env.grant_is(&["Ready=False/SecretUnavailable"]).await?.status.unwrap();
    let step = status.next_step.unwrap();
    assert!(step.contains(&start(&env, "acme")) && step.contains("kubectl"), "{step}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_work_is_quoted_with_its_next_step() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", "not the secret").await?;
    env.apply(&env.app_manifest()).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let app = env.app_is(&["Ready=False/SecretMalformed"]).await?.status.unwrap();
    let status = env.channel_is(&env.tenant_a, "shop", &["Ready=False/AppNotReady"]).await?.status.unwrap();
    assert_eq!(status.next_step, app.next_step);
    let message = sentence(&status.conditions).unwrap();
    assert!(message.contains("SecretMalformed"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_sentence_stands_once_in_what_kubectl_describes() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.sandbox.invalidate_token("page-a", Invalidation { subcode: Some(460), message: None })?;
    advance_and_pass(&env, &operator, 16, "FacebookChannel", 1).await?;
    let ended = env.channel_is(&env.tenant_a, "shop", &["Expired=True/PasswordChanged"]).await?.status.unwrap();
    warned(&env, &env.tenant_a, &["shop PasswordChanged"]).await?;
    let described = env.kubectl().run(&["-n", &env.tenant_a, "describe", "fbc", "shop"]).await?;
    let described = String::from_utf8(described.stdout)?;
    let sentence = sentence(&ended.conditions).unwrap();
    assert!(sentence.contains("Meta said:"), "{sentence}");
    assert_eq!(described.matches(sentence).count(), 1, "{described}");
    for type_ in ["Ready", "Connected", "Expired", "Stalled"] {
        let condition = ended.conditions.iter().find(|it| it.type_ == type_).unwrap();
        assert_eq!(condition.message, "Authorized is False: its message says why.", "{type_}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_whose_words_vary_for_a_day_is_not_written_again() -> Result<()> {
    const LANGUAGES: [&str; 4] = [
        "An error occurred with id",
        "Ein Fehler mit der Kennung",
        "Une erreur est survenue, identifiant",
        "Se produjo un error con el identificador",
    ];
    let env = Env::seeded(|seed| add_pages(seed, 3)).await?;
    let operator = env.operator();
    env.put_app().await?;
    let channels: Vec<_> =
        (0..3).map(|number| (format!("page-{number}"), page(number), text(&format!("page-{number}")))).collect();
    let channels: Vec<_> =
        channels.iter().map(|(name, page, token)| (name.as_str(), page.as_str(), token.as_str())).collect();
    env.put_channels(&env.tenant_a, &channels).await?;
    for (name, ..) in &channels {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    // An error that is not known, a session that ended, and a page that is not visible.
    let vary = |hour: usize| {
        let words =
            format!("{} {hour:04}/{:016x} at {}", LANGUAGES[hour % LANGUAGES.len()], hour * 7_919_317, env.now());
        env.sandbox.clear_faults();
        for (number, code) in [(0, "code: 424242"), (2, "code: 100, subcode: 33")] {
            let error = format!("{{graph_error: {{{code}, message: '{words}'}}}}");
            env.sandbox.add_fault(fault(&format!("{{match: {{page: {}}}, do: {error}}}", page(number))));
        }
        env.sandbox.invalidate_token("page-1", Invalidation { subcode: Some(460), message: Some(words) })
    };
    // What is kept grows too old, after a day a person has to look, and after two a restriction is told once more.
    for hour in 0..52 {
        vary(hour)?;
        advance_and_sweep(&env, &operator, 60).await?;
    }
    for (name, condition) in
        [("page-0", "PageUsable=Unknown"), ("page-1", "Expired=True"), ("page-2", "PageUsable=False")]
    {
        env.channel_is(&env.tenant_a, name, &[condition]).await?;
    }
    quiet(&operator).await?;
    let (told, looks) = (versions(&env).await?, env.sandbox.ledger().len());
    for hour in 52..76 {
        vary(hour)?;
        advance_and_sweep(&env, &operator, 60).await?;
    }
    quiet(&operator).await?;
    assert!(env.sandbox.ledger().len() > looks + 24, "Meta was asked");
    assert_eq!(versions(&env).await?, told);
    Ok(())
}
