//! The steps as they are meant.

use anyhow::{Context, Result};
use kube::ResourceExt;
use reqwest::StatusCode;

use crate::support::browser::Browser;
use crate::support::browser::{outcome, parameter};
use crate::support::env::*;
use crate::support::fixtures::fault;
use crate::support::oauth_fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_start_page_is_constant_and_begins_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let path = start(&fixture.grant);
    let first = browser.get(&path).await?;
    first.is(StatusCode::OK, "Authorize again")?;
    for part in [&fixture.grant, "Acme Shop", PAGE_A, PAGE_B] {
        assert!(first.text.contains(part), "{part}: {}", first.text);
    }
    assert!(!first.text.contains("Not in use"), "{}", first.text);
    let again = browser.get(&path).await?;
    assert_eq!(first.text, again.text);
    assert!(browser.cookies.is_empty());
    assert!(fixture.mail().await?.is_empty());
    assert!(fixture.env.sandbox.ledger().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_a_browser_is_kept_to_itself() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let path = start(&fixture.grant);
    let answers = [
        browser.get(&path).await?,
        browser.get("/oauth/confirm").await?,
        browser.get("/oauth/other-browser").await?,
        browser.get("/oauth/callback?code=x&state=y").await?,
        browser.post(&path, &[], Some("cross-site")).await?,
        browser.click(&path, &[]).await?,
        browser.click("/oauth/confirm", &[]).await?,
    ];
    for answer in answers {
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("cache-control"), Some("no-store"));
        // With a form, browsers say where it comes from only if that may be told to us.
        let to_us = if answer.text.is_empty() { "no-referrer" } else { "same-origin" };
        assert_eq!(header("referrer-policy"), Some(to_us));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("x-frame-options"), Some("DENY"));
        if !answer.text.is_empty() {
            let policy = header("content-security-policy").context("a policy")?;
            let form_action = format!("form-action 'self' {};", fixture.env.sandbox.url());
            for part in ["default-src 'none';", "style-src 'sha256-", &form_action, "frame-ancestors 'none';"] {
                assert!(policy.contains(part), "{part}: {policy}");
            }
            assert!(!answer.text.contains("<script") && answer.text.contains("name=\"viewport\""));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_leads_to_the_login_dialog_with_a_state_that_the_cookie_is_bound_to() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let answer = browser.click(&start(&fixture.grant), &[]).await?;
    let to = answer.leads_to()?;
    assert!(to.starts_with(&format!("{}/v25.0/dialog/oauth?", fixture.env.sandbox.url())), "{to}");
    assert_eq!(parameter(&to, "client_id")?, "1111000011110000");
    assert_eq!(parameter(&to, "redirect_uri")?, CALLBACK);
    assert_eq!(parameter(&to, "response_type")?, "code");
    assert_eq!(parameter(&to, "scope")?, format!("{SCOPES},business_management"));
    assert_eq!(parameter(&to, "auth_type")?, "rerequest");
    let state = parameter(&to, "state")?;
    // It ends with the id of the application, which is no secret.
    assert_eq!(state.split_once('.').map(|(random, app)| (random.len(), app)), Some((43, "1111000011110000")));
    assert_eq!(
        (parameter(&to, "code_challenge")?.len(), parameter(&to, "code_challenge_method")?),
        (43, "S256".into())
    );
    let cookie = answer.headers["set-cookie"].to_str()?;
    assert!(cookie.starts_with("__Host-") && !cookie.contains(&state), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600"), "{cookie}");
    let other = fixture.browser().begin(&fixture.grant).await?;
    assert_ne!(parameter(other.as_str(), "state")?, state);
    assert!(fixture.mail().await?.is_empty(), "a click leaves nothing in the cluster");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_person_agrees_to_is_handed_to_the_operator() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let away = browser.get(&callback).await?;
    assert_eq!(away.leads_to()?, outcome(&dialog)?, "neither code nor state stays in the address");
    let offer = browser.get(&away.leads_to()?).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    for part in ["Alex Grantor", &fixture.grant, "Acme Shop", PAGE_B, "Acme Outlet"] {
        assert!(offer.text.contains(part), "{part}: {}", offer.text);
    }
    assert!(fixture.told().await?.is_empty(), "nothing is stored before the person agrees");

    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    let mail = fixture.mail().await?;
    let mut tokens = mail.iter().filter(|mail| mail.annotations()["metachannels.io/message"] == "Token");
    let token = tokens.next().context("no token")?;
    assert!(tokens.next().is_none());
    assert_eq!(token.type_.as_deref(), Some("metachannels.io/grant-inbox"));
    assert_eq!(token.labels()["metachannels.io/purpose"], "grant-inbox");
    assert_eq!(token.annotations()["metachannels.io/grant-namespace"], fixture.env.tenant_a);
    assert_eq!(token.annotations()["metachannels.io/grant-name"], "acme");
    assert!(!token.annotations()["metachannels.io/grant-uid"].is_empty());
    let bytes = &token.data.as_ref().context("no data")?["token"];
    assert!(bytes.0.starts_with(b"EAA"));
    // A code brings a token for an hour or two; it was exchanged for one that lives for weeks.
    assert_eq!(fixture.exchanges(), [200]);
    assert_eq!(fixture.env.requests("GET", "/{version}/oauth/access_token").len(), 1);
    assert_eq!(["begun", "offered", "confirmed"].map(|outcome| fixture.outcomes(outcome)), [1, 1, 1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_empty_when_the_person_comes_back_is_no_refusal_while_the_pages_give_tokens() -> Result<()> {
    let fixture = Fixture::new().await?;
    fixture.env.sandbox.preset("listing-empty", &[])?;
    let offer = fixture.browser().up_to_the_offer(&fixture.grant, PERSON, &[PAGE_A, PAGE_B]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    // What Meta leaves open is offered, and judged by the operator.
    let silent = "{match: {template: '/{version}/{page-id}'}, do: {status: {code: 503}}}";
    fixture.env.sandbox.add_fault(fault(silent));
    let offer = fixture.browser().up_to_the_offer(&fixture.grant, PERSON, &[PAGE_A, PAGE_B]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    assert_eq!(fixture.told().await?, [""; 0]);
    // What was not selected stays missing, whatever the pages say.
    let less = fixture.browser().up_to_the_offer(&fixture.grant, PERSON, &[PAGE_B]).await?;
    less.is(StatusCode::FORBIDDEN, "Pages are missing")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_goes_on_where_one_began() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (_replica, url) = fixture.env.replica().await?;
    let mut browser = fixture.browser();
    let first = std::mem::replace(&mut browser.base, url);
    // The replica has to know the grant too.
    testkit::wait_for("the replica", PATIENCE, async || {
        let mut other = Browser::new(&browser.base);
        other.get(&start(&fixture.grant)).await?.is(StatusCode::OK, "Authorize again")
    })
    .await?;
    let second = std::mem::replace(&mut browser.base, first.clone());
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let begun = browser.cookies.clone();
    browser.base = second;
    let offer = browser.return_with(&callback).await?;
    browser.base = first;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    // The state is used up for all of them.
    browser.cookies = begun;
    let fresh = browser.log_in(&dialog, PERSON, &[]).await?;
    browser.return_with(&fresh).await?.is(StatusCode::FORBIDDEN, "Used before")?;
    assert_eq!(fixture.told().await?, ["Token"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_changes_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    let cookies = browser.cookies.clone();
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    browser.answer(&offer, "drop").await?.is(StatusCode::OK, "Thank you")?;
    browser.cookies = cookies;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    assert_eq!(fixture.told().await?, ["Token"]);
    Ok(())
}
