//! With an operator: what a person authorized in the browser takes the place of a token that is about to end.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;
use crate::support::observe::*;
use crate::support::reauthorization::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_about_to_end_is_renewed_by_its_person() -> Result<()> {
    let (env, _operator) = env().await?;
    let grant = grant_is(&env, "True/ExpiresSoon").await?;
    let status = grant.status.context("no status")?;
    let start = status.reauthorize_url.context("no address")?;
    let (before, after) = (format!("https://hooks.example.com/oauth/{}/acme/", env.tenant_a), "/start");
    assert!(start.starts_with(&before) && start.len() == before.len() + 22 + after.len(), "{start}");
    assert_eq!(living(&env).await?, text(ENDING));
    assert_eq!(env.apps().get("acme").await?.status.and_then(|it| it.oauth_redirect_uri).as_deref(), Some(CALLBACK));

    let mut browser = browser(&env).await?;
    let name = format!("{}/acme", env.tenant_a);
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    let grant = grant_is(&env, "True/ReconcileSucceeded").await?;
    let kept = living(&env).await?;
    assert!(kept != text(ENDING) && kept.starts_with("EAA"));
    let after = grant.status.context("no status")?;
    assert_ne!(after.reauthorize_url, Some(start), "the address was used");
    assert!(after.token_fingerprint != status.token_fingerprint && after.expires_at > status.expires_at);
    // The seed is neither written nor judged anew, and no token stays in the inbox.
    assert!(
        shown(&after.conditions).contains(&"SourceTokenAccepted=True/SourceTokenInUse".to_owned()),
        "{:?}",
        after.conditions
    );
    wait_for("the inbox to be empty", PATIENCE, async || {
        let tokens = mail(&env).await?.into_iter().filter(|mail| mail.data.is_some()).count();
        ensure!(tokens == 0, "{tokens} tokens");
        Ok(())
    })
    .await?;
    wait_for("the Event", PATIENCE, async || {
        let told = told(&env, &env.tenant_a, "Normal").await?;
        ensure!(told.contains(&"acme TokenReplaced".to_owned()), "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_browser_is_told_on_the_grant_and_thrown_away() -> Result<()> {
    let (env, _operator) = env().await?;
    let mut browser = browser(&env).await?;
    let name = format!("{}/acme", env.tenant_a);
    let dialog = browser.begin(&name).await?;
    let narrow = [("decision", "continue"), ("person", COLLEAGUE), ("scope", "pages_show_list")];
    let callback = browser.decide(&dialog, &narrow).await?;
    browser.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Permissions are missing")?;
    wait_for("the Event", PATIENCE, async || {
        let told = warnings(&env, &env.tenant_a).await?;
        ensure!(told.contains(&"acme AuthorizationRefused".to_owned()), "{told:?}");
        Ok(())
    })
    .await?;
    wait_for("the refusal to be thrown away", PATIENCE, async || {
        let left = mail(&env).await?;
        ensure!(left.len() == 1, "{left:?}");
        Ok(())
    })
    .await?;
    assert_eq!(living(&env).await?, text(ENDING));
    // That the state was used is known for an hour.
    env.advance(61);
    wait_for("what is old to be thrown away", PATIENCE, async || {
        let left = mail(&env).await?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_waits_until_an_operator_is_there() -> Result<()> {
    let (env, operator) = env().await?;
    operator.stop().await;
    let mut browser = browser(&env).await?;
    let name = format!("{}/acme", env.tenant_a);
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    assert_eq!(living(&env).await?, text(ENDING));
    let _operator = env.operator();
    grant_is(&env, "True/ReconcileSucceeded").await?;
    assert_ne!(living(&env).await?, text(ENDING));
    Ok(())
}
