//! Facebook Login for Business: a configuration says what people are asked for, and may give a token of a system user.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::api::MetaGrant;
use reqwest::StatusCode;
use testkit::sandbox::Seed;
use testkit::wait_for;

use crate::support::browser::{Browser, parameter};
use crate::support::env::*;
use crate::support::oauth_fixture::*;
use crate::support::observe::*;
use crate::support::reauthorization;

const ROBOT: &str = "6600000000000009";
const OF_ROBOT: &str = "8800000000000001";
const OF_PERSON: &str = "8800000000000002";
const NARROW: &str = "8800000000000003";

fn configurations(seed: &mut Seed) {
    people(seed);
    if seed.system_users.iter().all(|it| it.id != *ROBOT) {
        seed.system_users.push(serde_yaml_ng::from_str(&format!("{{id: {ROBOT}, name: Robot}}")).unwrap());
    }
    let all = format!(
        "{{{OF_ROBOT}: {{scopes: [{SCOPES}], system_user: {ROBOT}}}, {OF_PERSON}: [{SCOPES}], {NARROW}: [pages_show_list]}}"
    );
    seed.apps[0].login_configurations = serde_yaml_ng::from_str(&all).unwrap();
    for page in &mut seed.pages {
        let tasks = "[MODERATE, MESSAGING, MANAGE]";
        let all = format!("{{{PERSON}: {tasks}, {ROBOT}: {tasks}, {COLLEAGUE}: [MODERATE, MESSAGING]}}");
        page.tasks = Some(serde_yaml_ng::from_str(&all).unwrap());
    }
}

/// A grant without a token, whose application asks by a configuration, once the gateway knows it.
async fn env(config_id: &str) -> Result<(Env, Running, Browser)> {
    let env = Env::seeded(configurations).await?;
    let operator = env.operator();
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with(&format!("login: {{configId: \"{config_id}\"}}"))).await?;
    env.app_is(&["Ready=True"]).await?;
    env.apply(&grant_manifest(&env, &env.tenant_a)).await?;
    let browser = reauthorization::browser(&env).await?;
    Ok((env, operator, browser))
}

async fn grant_is(env: &Env, expected: &[&str]) -> Result<MetaGrant> {
    let grants: Api<MetaGrant> = Api::namespaced(env.client.clone(), &env.tenant_a);
    wait_for(&format!("the grant to be {expected:?}"), PATIENCE, async || {
        let grant = grants.get("acme").await?;
        let shown = shown(&grant.status.as_ref().context("no status")?.conditions);
        ensure!(expected.iter().all(|it| shown.iter().any(|shown| shown == it)), "{shown:?}");
        Ok(grant)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_takes_the_place_of_scopes_and_its_system_users_token_is_taken() -> Result<()> {
    let (env, _operator, mut browser) = env(OF_ROBOT).await?;
    let name = format!("{}/acme", env.tenant_a);
    let dialog = browser.begin(&name).await?;
    assert_eq!(parameter(dialog.as_str(), "config_id")?, OF_ROBOT);
    assert_eq!(parameter(dialog.as_str(), "override_default_response_type")?, "true");
    assert_eq!(parameter(dialog.as_str(), "response_type")?, "code");
    assert!(parameter(dialog.as_str(), "scope").is_err() && parameter(dialog.as_str(), "auth_type").is_err());
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let offer = browser.return_with(&callback).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    assert!(env.requests("GET", "/{version}/oauth/access_token").is_empty(), "there is nothing to make longer");
    let grant = grant_is(&env, &["Ready=True/ReconcileSucceeded", "Renewed=True/UpToDate"]).await?;
    assert_eq!(grant.status.context("no status")?.token_type.as_deref(), Some("SYSTEM_USER"));

    // It may be authorized again the same way.
    let first = living(&env).await?;
    wait_for("the gateway to know", PATIENCE, async || {
        let path = browser.start(&name).await?;
        browser.get(&path).await?.is(StatusCode::OK, "Authorize again")
    })
    .await?;
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    wait_for("the new token", PATIENCE, async || {
        ensure!(living(&env).await? != first);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_token_does_not_take_the_place_of_a_system_users_that_works() -> Result<()> {
    let (env, _operator, mut browser) = env(OF_ROBOT).await?;
    let name = format!("{}/acme", env.tenant_a);
    let offer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    grant_is(&env, &["Ready=True/ReconcileSucceeded"]).await?;
    env.apply(&env.app_manifest_with(&format!("login: {{configId: \"{OF_PERSON}\"}}"))).await?;
    wait_for("the other configuration", PATIENCE, async || {
        let dialog = browser.begin(&name).await?;
        env.advance(1);
        ensure!(parameter(dialog.as_str(), "config_id")? == OF_PERSON);
        Ok(())
    })
    .await?;
    let answer = browser.up_to_the_offer(&name, PERSON, &[]).await?;
    answer.is(StatusCode::FORBIDDEN, "Nothing to do for you")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_lacks_permissions_is_told_on_the_metaapp() -> Result<()> {
    let (env, _operator, mut browser) = env(NARROW).await?;
    // Someone who never authorized more.
    let answer = browser.up_to_the_offer(&format!("{}/acme", env.tenant_a), COLLEAGUE, &[]).await?;
    answer.is(StatusCode::FORBIDDEN, "The application does not work")?;
    assert!(answer.text.contains("pages_messaging"), "{}", answer.text);
    wait_for("the Event", PATIENCE, async || {
        let told = warnings(&env, &env.platform).await?;
        ensure!(told == ["acme LoginFailed"], "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_channels_are_on_the_start_page_before_anybody_authorized() -> Result<()> {
    let env = Env::seeded(people).await?;
    env.put_app().await?;
    env.apply(&grant_manifest(&env, &env.tenant_a)).await?;
    let channel = format!(
        "apiVersion: metachannels.io/v1alpha1\nkind: FacebookChannel\nmetadata: {{name: shop, namespace: {}}}\nspec:\n  pageId: \"{PAGE_A}\"\n  credentials: {{grantRef: {{name: acme}}}}\n  endpoint: {{direct: {{}}}}\n",
        env.tenant_a
    );
    env.apply(&channel).await?;
    let _operator = env.operator_with(|operator| operator.policy.count_period = std::time::Duration::from_secs(60));
    let mut browser = reauthorization::browser(&env).await?;
    let name = format!("{}/acme", env.tenant_a);
    let shows = async |browser: &mut Browser, page: &str| {
        let path = browser.start(&name).await?;
        let answer = browser.get(&path).await?;
        ensure!(answer.text.contains(page) && !answer.text.contains("None yet"), "{}", answer.text);
        Ok(())
    };
    wait_for("the page", PATIENCE, async || shows(&mut browser, PAGE_A).await).await?;
    // One that comes later follows.
    env.apply(&channel.replace("name: shop", "name: support").replace(PAGE_A, PAGE_B)).await?;
    wait_for("the other page", PATIENCE, async || {
        env.advance(2);
        shows(&mut browser, PAGE_B).await
    })
    .await?;
    // What is covered of them is said before it is agreed to.
    let offer = browser.up_to_the_offer(&name, PERSON, &[PAGE_A]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    let (covered, missing) = offer.text.split_once("still missing").context("nothing is missing")?;
    assert!(covered.contains(PAGE_A) && !covered.contains(PAGE_B) && missing.contains(PAGE_B), "{}", offer.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_configuration_is_a_number_in_a_string() -> Result<()> {
    let env = Env::seeded(people).await?;
    for bad in ["\"\"", "x", "\"12\"", "\"0123456789\"", "8800000000000001", "\"8800000000000001 \""] {
        let refused = env.apply(&env.app_manifest_with(&format!("login: {{configId: {bad}}}"))).await;
        let error = format!("{:#}", refused.expect_err(bad));
        assert!(error.contains("configId"), "{bad}: {error}");
    }
    env.apply(&env.app_manifest_with("login: {configId: \"8800000000000001\"}")).await?;
    env.apply(&env.app_manifest_with("login: {}")).await
}

async fn living(env: &Env) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let secret = secrets.get("metagrant-acme-token").await?;
    Ok(String::from_utf8(secret.data.context("no data")?["token"].0.clone())?)
}
