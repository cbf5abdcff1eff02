//! Secrets that may not be written: those that are published, verify tokens, and the tokens of grants.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use testkit::wait_for;

use super::*;
use crate::support::grant_fixtures::*;

const PUBLISHED: &str = "facebookchannel-shop-page-token";
const VERIFY_TOKEN: &str = "metaapp-acme-verify-token";

async fn declare(env: &Env, more: &str) -> Result<()> {
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, more)).await
}

pub(super) async fn connected(env: &Env, more: &str) -> Result<()> {
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    declare(env, more).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    env.app_is(&["Ready=True"]).await.map(drop)
}

async fn is_published(env: &Env) -> Result<Secret> {
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True/SecretSynced"])
        .await?;
    Ok(env.secrets().get(PUBLISHED).await?)
}

fn token(secret: &Secret) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()["token"].0.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_that_may_not_be_published_is_told_and_published_within_a_minute_once_it_may() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    connected(&env, "publishToken: false").await?;
    settled(&env, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "create", "")).await?;
        declare(&env, "publishToken: true").await?;
        let expected = way.conditions("TokenPublished");
        let channel =
            env.channel_is(&env.tenant_a, "shop", &[&strs(&expected)[..], &["Connected=True"]].concat()).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        obstacle.remove().await?;
        env.advance(1);
        is_published(&env).await?;
        if way != Way::Failing {
            // The second of the two policies is another obstacle.
            let times = if way == Way::Denied { 2 } else { 1 };
            told_by_event(&env, &env.tenant_a, "shop", way, times).await?;
        }
        declare(&env, "publishToken: false").await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True", "!TokenPublished"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_that_may_not_be_brought_up_to_date_stays_where_it_is() -> Result<()> {
    let tokens = ["one", "two", "three", "four"].map(|alias| page_token(alias, PAGE_A, ""));
    let env = Env::seeded(|seed| seed.tokens.extend(tokens)).await?;
    let operator = eager(&env);
    connected(&env, "publishToken: true").await?;
    let mut before = is_published(&env).await?;
    settled(&env, &operator).await?;
    for (way, alias) in BUT_QUOTA.into_iter().zip(["one", "two", "three", "four"]) {
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "update", PUBLISHED)).await?;
        env.put_token(&env.tenant_a, "shop", &text(alias)).await?;
        let expected = way.conditions("TokenPublished");
        let channel = env.channel_is(&env.tenant_a, "shop", &strs(&expected)).await?;
        let status = channel.status.unwrap();
        says(way, &status.conditions)?;
        assert_eq!(status.published_secret_name.as_deref(), Some(PUBLISHED));
        stays_quiet(&env, &operator, "Secret").await?;
        assert_eq!(env.secrets().get(PUBLISHED).await?, before);
        nothing_is_destroyed(&env)?;
        obstacle.remove().await?;
        env.advance(1);
        let after = is_published(&env).await?;
        assert_eq!((after.uid(), token(&after)), (before.uid(), text(alias)));
        before = after;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_that_may_not_be_deleted_is_told_until_it_is_gone() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    connected(&env, "publishToken: true").await?;
    settled(&env, &operator).await?;
    for way in BUT_QUOTA {
        is_published(&env).await?;
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "delete", PUBLISHED)).await?;
        declare(&env, "publishToken: false").await?;
        let [_, ready, other] = way.conditions("");
        let channel = env.channel_is(&env.tenant_a, "shop", &[&ready, &other, "!TokenPublished"]).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!TokenPublished"]).await?;
        assert_eq!(env.secrets().get_opt(PUBLISHED).await?, None);
        declare(&env, "publishToken: true").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_may_not_be_made_leaves_everything_else_of_the_app_reported() -> Result<()> {
    let wrong = "wrong-app-secret-00000000000000000000";
    for way in ALL {
        let env = Env::new().await?;
        let operator = eager(&env);
        env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", wrong).await?;
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.platform, "create", "")).await?;
        env.apply(&env.app_manifest()).await?;
        env.app_is(&["Ready=Unknown/Pending"]).await?;
        quiet(&operator).await?;
        env.advance(1);
        env.app_is(&["CredentialsValid=False/SecretMismatch"]).await?;
        // What was wrong is put right, and that is seen though the next thing is refused.
        env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
        let expected = way.conditions("WebhookSubscribed");
        let app = env.app_is(&[&strs(&expected)[..], &["CredentialsValid=True"]].concat()).await?;
        says(way, &app.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        nothing_is_destroyed(&env)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_is_lost_and_may_not_be_made_anew_disconnects_nobody() -> Result<()> {
    let env = Env::new().await?;
    let _operator = eager(&env);
    connected(&env, "publishToken: false").await?;
    let obstacle = Obstacle::put(&env, Way::Quota, &of_secrets(&env.platform, "create", "")).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    secrets.delete(VERIFY_TOKEN, &DeleteParams::default()).await?;
    let app = env.app_is(&["Ready=False/QuotaExceeded", "WebhookSubscribed=True", "Stalled=True"]).await?;
    says(Way::Quota, &app.status.unwrap().conditions)?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    obstacle.remove().await?;
    env.advance(1);
    env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    secrets.get(VERIFY_TOKEN).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_grant_that_may_not_be_kept_is_told_and_the_grant_works() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_seed(&text("robot")).await?;
    settled(&env, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "create", "")).await?;
        env.apply(&env.grant_manifest("{}")).await?;
        let expected = way.conditions("Renewed");
        let grant = env.grant_is(&[&strs(&expected)[..], &["Valid=True"]].concat()).await?;
        says(way, &grant.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
        assert_eq!(env.kept("token").await?, Some(text("robot")));
        nothing_is_destroyed(&env)?;
        env.grants().delete("acme", &DeleteParams::default()).await?;
        env.secrets().delete("metagrant-acme-token", &DeleteParams::default()).await?;
        quiet(&operator).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_could_not_be_kept_is_not_asked_for_until_it_may() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    settled(&env, &operator).await?;
    for (way, way_said) in [(Way::Denied, "False/AdmissionDenied"), (Way::Failing, "Unknown/WriteFailed")] {
        let before = env.secrets().get("metagrant-acme-token").await?;
        let exchanges = env.calls(EXCHANGE).len();
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.tenant_a, "update", "metagrant-acme-token")).await?;
        advance_and_pass(&env, &operator, 2 * DAY, "MetaGrant", 1).await?;
        let grant = env.grant_is(&["Ready=True/ReconcileSucceeded", &format!("Renewed={way_said}")]).await?;
        let conditions = grant.status.unwrap().conditions;
        let renewed = conditions.iter().find(|it| it.type_ == "Renewed").unwrap();
        way.is_told_by(&renewed.message)?;
        told_by_event(&env, &env.tenant_a, "acme", Way::Denied, 1).await?;
        stays_quiet(&env, &operator, "Secret").await?;
        assert_eq!(env.secrets().get("metagrant-acme-token").await?, before);
        assert_eq!(env.calls(EXCHANGE).len(), exchanges, "it would be valid for weeks, and nobody's");
        obstacle.remove().await?;
        env.advance(1);
        env.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
        wait_for("the new token", PATIENCE, async || {
            ensure!(env.secrets().get("metagrant-acme-token").await? != before);
            Ok(())
        })
        .await?;
        assert_eq!(env.calls(EXCHANGE).len(), exchanges + 1);
        nothing_is_destroyed(&env)?;
        // Until two days before it is due again.
        quiet(&operator).await?;
        env.advance(38 * DAY);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_was_left_over_and_may_not_be_taken_up_stays_and_disconnects_nobody() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    connected(&env, "publishToken: false").await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    settled(&env, &operator).await?;
    for way in BUT_QUOTA {
        let before = secrets.get(VERIFY_TOKEN).await?;
        let obstacle = Obstacle::put(&env, way, &of_secrets(&env.platform, "update", VERIFY_TOKEN)).await?;
        // Nothing collects garbage here: the Secret still names the one that is gone.
        env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
        quiet(&operator).await?;
        let calls = env.writes().len();
        env.put_app().await?;
        let [_, ready, other] = way.conditions("");
        let app = env.app_is(&[&ready, &other, "WebhookSubscribed=True/FieldsMatch"]).await?;
        says(way, &app.status.unwrap().conditions)?;
        stays_quiet(&env, &operator, "Secret").await?;
        assert_eq!(secrets.get(VERIFY_TOKEN).await?, before);
        env.channel_is(&env.tenant_a, "shop", &["Connected=True"]).await?;
        obstacle.remove().await?;
        env.advance(1);
        env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        let after = secrets.get(VERIFY_TOKEN).await?;
        assert_eq!((after.uid(), after.data.clone()), (before.uid(), before.data.clone()));
        assert_ne!(after.metadata.owner_references, before.metadata.owner_references);
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        assert_eq!(env.writes().len(), calls, "Meta knows the verify token");
        nothing_is_destroyed(&env)?;
    }
    Ok(())
}
