//! With an operator: what a person authorized in the browser takes the place of a token that is about to end.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use meta_channel_operator::api::inbox::INBOX_TYPE;
use reqwest::StatusCode;
use testkit::sandbox::Seed;
use testkit::wait_for;

use super::browser::Browser;
use super::scene::*;
use crate::props::*;
use crate::world::*;

/// Alias of the token that the grant begins with. It lives for another five days.
pub const ENDING: &str = "ending";

fn ending(seed: &mut Seed) {
    people(seed);
    let text = text(ENDING);
    let yaml = format!(
        "{{alias: {ENDING}, token: {text}, kind: user, app: {APP_ID}, user: {PERSON}, scopes: [{SCOPES}], issued_at: -55d, expires_at: +5d}}"
    );
    seed.tokens.push(serde_yaml_ng::from_str(&yaml).unwrap());
}

/// A grant that the operator manages.
pub async fn world() -> Result<(World, Running)> {
    let world = World::seeded(ending).await?;
    let operator = world.operator();
    world.put_app().await?;
    world.app_is(&["Ready=True"]).await?;
    world.put_secret(&world.tenant_a, "acme-grant", "grant-token", "token", &text(ENDING)).await?;
    world.apply(&grant_manifest(&world, &world.tenant_a)).await?;
    grant_is(&world, "True/ExpiresSoon").await?;
    Ok((world, operator))
}

pub async fn grant_is(world: &World, ready: &str) -> Result<MetaGrant> {
    let grants: Api<MetaGrant> = Api::namespaced(world.client.clone(), &world.tenant_a);
    wait_for(&format!("the grant to be {ready}"), PATIENCE, async || {
        let grant = grants.get("acme").await?;
        let shown = shown(&grant.status.as_ref().context("no status")?.conditions);
        ensure!(shown.contains(&format!("Ready={ready}")), "{shown:?}");
        Ok(grant)
    })
    .await
}

pub async fn living(world: &World) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    let secret = secrets.get("metagrant-acme-token").await?;
    Ok(String::from_utf8(secret.data.context("no data")?["token"].0.clone())?)
}

pub async fn mail(world: &World) -> Result<Vec<Secret>> {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.inbox);
    let all = secrets.list(&Default::default()).await?;
    Ok(all.into_iter().filter(|it| it.type_.as_deref() == Some(INBOX_TYPE)).collect())
}

/// The browser of a person, once the gateway knows the grant.
pub async fn browser(world: &World) -> Result<Browser> {
    let mut browser = Browser::new(&world.sandbox.resolve()["hooks.example.com"]);
    browser.cluster = Some(world.client.clone());
    let name = format!("{}/acme", world.tenant_a);
    wait_for("the start page", PATIENCE, async || {
        let path = browser.start(&name).await?;
        browser.get(&path).await?.is(StatusCode::OK, "Authorize again")
    })
    .await?;
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_about_to_end_is_renewed_by_its_person() -> Result<()> {
    let (world, _operator) = world().await?;
    let grant = grant_is(&world, "True/ExpiresSoon").await?;
    let status = grant.status.context("no status")?;
    let start = status.reauthorize_url.context("no address")?;
    let (before, after) = (format!("https://hooks.example.com/oauth/{}/acme/", world.tenant_a), "/start");
    assert!(start.starts_with(&before) && start.len() == before.len() + 22 + after.len(), "{start}");
    assert_eq!(living(&world).await?, text(ENDING));
    assert_eq!(world.apps().get("acme").await?.status.and_then(|it| it.oauth_redirect_uri).as_deref(), Some(CALLBACK));

    let mut browser = browser(&world).await?;
    let name = format!("{}/acme", world.tenant_a);
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    let grant = grant_is(&world, "True/ReconcileSucceeded").await?;
    let kept = living(&world).await?;
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
        let tokens = mail(&world).await?.into_iter().filter(|mail| mail.data.is_some()).count();
        ensure!(tokens == 0, "{tokens} tokens");
        Ok(())
    })
    .await?;
    wait_for("the Event", PATIENCE, async || {
        let told = told(&world, &world.tenant_a, "Normal").await?;
        ensure!(told.contains(&"acme TokenReplaced".to_owned()), "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_browser_is_told_on_the_grant_and_thrown_away() -> Result<()> {
    let (world, _operator) = world().await?;
    let mut browser = browser(&world).await?;
    let name = format!("{}/acme", world.tenant_a);
    let dialog = browser.begin(&name).await?;
    let narrow = [("decision", "continue"), ("person", COLLEAGUE), ("scope", "pages_show_list")];
    let callback = browser.decide(&dialog, &narrow).await?;
    browser.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Permissions are missing")?;
    wait_for("the Event", PATIENCE, async || {
        let told = warnings(&world, &world.tenant_a).await?;
        ensure!(told.contains(&"acme AuthorizationRefused".to_owned()), "{told:?}");
        Ok(())
    })
    .await?;
    wait_for("the refusal to be thrown away", PATIENCE, async || {
        let left = mail(&world).await?;
        ensure!(left.len() == 1, "{left:?}");
        Ok(())
    })
    .await?;
    assert_eq!(living(&world).await?, text(ENDING));
    // That the state was used is known for an hour.
    world.advance(61);
    wait_for("what is old to be thrown away", PATIENCE, async || {
        let left = mail(&world).await?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_waits_until_an_operator_is_there() -> Result<()> {
    let (world, operator) = world().await?;
    operator.stop().await;
    let mut browser = browser(&world).await?;
    let name = format!("{}/acme", world.tenant_a);
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    assert_eq!(living(&world).await?, text(ENDING));
    let _operator = world.operator();
    grant_is(&world, "True/ReconcileSucceeded").await?;
    assert_ne!(living(&world).await?, text(ENDING));
    Ok(())
}
