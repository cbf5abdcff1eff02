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

async fn declare(world: &World, more: &str) -> Result<()> {
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, more)).await
}

pub(super) async fn connected(world: &World, more: &str) -> Result<()> {
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    declare(world, more).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    world.app_is(&["Ready=True"]).await.map(drop)
}

async fn is_published(world: &World) -> Result<Secret> {
    world
        .channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "TokenPublished=True/SecretSynced"])
        .await?;
    Ok(world.secrets().get(PUBLISHED).await?)
}

fn token(secret: &Secret) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()["token"].0.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_that_may_not_be_published_is_told_and_published_within_a_minute_once_it_may() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    connected(&world, "publishToken: false").await?;
    settled(&world, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "create", "")).await?;
        declare(&world, "publishToken: true").await?;
        let expected = way.conditions("TokenPublished");
        let channel =
            world.channel_is(&world.tenant_a, "shop", &[&strs(&expected)[..], &["Connected=True"]].concat()).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        obstacle.remove().await?;
        world.advance(1);
        is_published(&world).await?;
        if way != Way::Failing {
            // The second of the two policies is another obstacle.
            let times = if way == Way::Denied { 2 } else { 1 };
            told_by_event(&world, &world.tenant_a, "shop", way, times).await?;
        }
        declare(&world, "publishToken: false").await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True", "!TokenPublished"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_that_may_not_be_brought_up_to_date_stays_where_it_is() -> Result<()> {
    let tokens = ["one", "two", "three", "four"].map(|alias| page_token(alias, PAGE_A, ""));
    let world = World::seeded(|seed| seed.tokens.extend(tokens)).await?;
    let operator = eager(&world);
    connected(&world, "publishToken: true").await?;
    let mut before = is_published(&world).await?;
    settled(&world, &operator).await?;
    for (way, alias) in BUT_QUOTA.into_iter().zip(["one", "two", "three", "four"]) {
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "update", PUBLISHED)).await?;
        world.put_token(&world.tenant_a, "shop", &text(alias)).await?;
        let expected = way.conditions("TokenPublished");
        let channel = world.channel_is(&world.tenant_a, "shop", &strs(&expected)).await?;
        let status = channel.status.unwrap();
        says(way, &status.conditions)?;
        assert_eq!(status.published_secret_name.as_deref(), Some(PUBLISHED));
        stays_quiet(&world, &operator, "Secret").await?;
        assert_eq!(world.secrets().get(PUBLISHED).await?, before);
        nothing_is_destroyed(&world)?;
        obstacle.remove().await?;
        world.advance(1);
        let after = is_published(&world).await?;
        assert_eq!((after.uid(), token(&after)), (before.uid(), text(alias)));
        before = after;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_token_that_may_not_be_deleted_is_told_until_it_is_gone() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    connected(&world, "publishToken: true").await?;
    settled(&world, &operator).await?;
    for way in BUT_QUOTA {
        is_published(&world).await?;
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "delete", PUBLISHED)).await?;
        declare(&world, "publishToken: false").await?;
        let [_, ready, other] = way.conditions("");
        let channel = world.channel_is(&world.tenant_a, "shop", &[&ready, &other, "!TokenPublished"]).await?;
        says(way, &channel.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "!TokenPublished"]).await?;
        assert_eq!(world.secrets().get_opt(PUBLISHED).await?, None);
        declare(&world, "publishToken: true").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_may_not_be_made_leaves_everything_else_of_the_app_reported() -> Result<()> {
    let wrong = "wrong-app-secret-00000000000000000000";
    for way in ALL {
        let world = World::new().await?;
        let operator = eager(&world);
        world.put_secret(&world.platform, "acme-app", "app-secret", "app-secret", wrong).await?;
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.platform, "create", "")).await?;
        world.apply(&world.app_manifest()).await?;
        world.app_is(&["Ready=Unknown/Pending"]).await?;
        quiet(&operator).await?;
        world.advance(1);
        world.app_is(&["CredentialsValid=False/SecretMismatch"]).await?;
        // What was wrong is put right, and that is seen though the next thing is refused.
        world.put_secret(&world.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
        let expected = way.conditions("WebhookSubscribed");
        let app = world.app_is(&[&strs(&expected)[..], &["CredentialsValid=True"]].concat()).await?;
        says(way, &app.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        nothing_is_destroyed(&world)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_is_lost_and_may_not_be_made_anew_disconnects_nobody() -> Result<()> {
    let world = World::new().await?;
    let _operator = eager(&world);
    connected(&world, "publishToken: false").await?;
    let obstacle = Obstacle::put(&world, Way::Quota, &of_secrets(&world.platform, "create", "")).await?;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.platform);
    secrets.delete(VERIFY_TOKEN, &DeleteParams::default()).await?;
    let app = world.app_is(&["Ready=False/QuotaExceeded", "WebhookSubscribed=True", "Stalled=True"]).await?;
    says(Way::Quota, &app.status.unwrap().conditions)?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
    obstacle.remove().await?;
    world.advance(1);
    world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    secrets.get(VERIFY_TOKEN).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_grant_that_may_not_be_kept_is_told_and_the_grant_works() -> Result<()> {
    let world = World::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.app_is(&["Ready=True"]).await?;
    world.put_seed(&text("robot")).await?;
    settled(&world, &operator).await?;
    for way in ALL {
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "create", "")).await?;
        world.apply(&world.grant_manifest("{}")).await?;
        let expected = way.conditions("Renewed");
        let grant = world.grant_is(&[&strs(&expected)[..], &["Valid=True"]].concat()).await?;
        says(way, &grant.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
        assert_eq!(world.kept("token").await?, Some(text("robot")));
        nothing_is_destroyed(&world)?;
        world.grants().delete("acme", &DeleteParams::default()).await?;
        world.secrets().delete("metagrant-acme-token", &DeleteParams::default()).await?;
        quiet(&operator).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_could_not_be_kept_is_not_asked_for_until_it_may() -> Result<()> {
    let world = World::seeded(|seed| add_system_user(seed, "robot", 39)).await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.put_grant(&text("robot"), "{}").await?;
    world.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    settled(&world, &operator).await?;
    for (way, way_said) in [(Way::Denied, "False/AdmissionDenied"), (Way::Failing, "Unknown/WriteFailed")] {
        let before = world.secrets().get("metagrant-acme-token").await?;
        let exchanges = world.calls(EXCHANGE).len();
        let obstacle =
            Obstacle::put(&world, way, &of_secrets(&world.tenant_a, "update", "metagrant-acme-token")).await?;
        advance_and_pass(&world, &operator, 2 * DAY, "MetaGrant", 1).await?;
        let grant = world.grant_is(&["Ready=True/ReconcileSucceeded", &format!("Renewed={way_said}")]).await?;
        let conditions = grant.status.unwrap().conditions;
        let renewed = conditions.iter().find(|it| it.type_ == "Renewed").unwrap();
        way.is_told_by(&renewed.message)?;
        told_by_event(&world, &world.tenant_a, "acme", Way::Denied, 1).await?;
        stays_quiet(&world, &operator, "Secret").await?;
        assert_eq!(world.secrets().get("metagrant-acme-token").await?, before);
        assert_eq!(world.calls(EXCHANGE).len(), exchanges, "it would be valid for weeks, and nobody's");
        obstacle.remove().await?;
        world.advance(1);
        world.grant_is(&["Ready=True/ReconcileSucceeded", "Renewed=True"]).await?;
        wait_for("the new token", PATIENCE, async || {
            ensure!(world.secrets().get("metagrant-acme-token").await? != before);
            Ok(())
        })
        .await?;
        assert_eq!(world.calls(EXCHANGE).len(), exchanges + 1);
        nothing_is_destroyed(&world)?;
        // Until two days before it is due again.
        quiet(&operator).await?;
        world.advance(38 * DAY);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_that_was_left_over_and_may_not_be_taken_up_stays_and_disconnects_nobody() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    connected(&world, "publishToken: false").await?;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.platform);
    settled(&world, &operator).await?;
    for way in BUT_QUOTA {
        let before = secrets.get(VERIFY_TOKEN).await?;
        let obstacle = Obstacle::put(&world, way, &of_secrets(&world.platform, "update", VERIFY_TOKEN)).await?;
        // Nothing collects garbage here: the Secret still names the one that is gone.
        world.kubectl().run(&["-n", &world.platform, "delete", "mapp", "acme"]).await?;
        quiet(&operator).await?;
        let calls = world.writes().len();
        world.put_app().await?;
        let [_, ready, other] = way.conditions("");
        let app = world.app_is(&[&ready, &other, "WebhookSubscribed=True/FieldsMatch"]).await?;
        says(way, &app.status.unwrap().conditions)?;
        stays_quiet(&world, &operator, "Secret").await?;
        assert_eq!(secrets.get(VERIFY_TOKEN).await?, before);
        world.channel_is(&world.tenant_a, "shop", &["Connected=True"]).await?;
        obstacle.remove().await?;
        world.advance(1);
        world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        let after = secrets.get(VERIFY_TOKEN).await?;
        assert_eq!((after.uid(), after.data.clone()), (before.uid(), before.data.clone()));
        assert_ne!(after.metadata.owner_references, before.metadata.owner_references);
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        assert_eq!(world.writes().len(), calls, "Meta knows the verify token");
        nothing_is_destroyed(&world)?;
    }
    Ok(())
}
