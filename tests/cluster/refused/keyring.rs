//! What the gateway has to know, which the operator may not write.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::settings::DEFAULT_KEYRING;
use reqwest::StatusCode;

use super::*;
use crate::support::fixtures::change_app_secret;
use crate::support::webhook_calls::{BODY, Caller, signature};

const NEW: &str = "sandbox-app-secret-1111111111111111";

fn of_the_keyring(world: &World, verb: &'static str, name: &str) -> Target {
    Target { rules: MAILBOX, ..of_secrets(&world.inbox, verb, name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_the_gateway_may_not_be_told_of_is_not_subscribed_and_says_why() -> Result<()> {
    for way in ALL {
        let world = World::new().await?;
        let operator = eager(&world);
        let obstacle = Obstacle::put(&world, way, &of_the_keyring(&world, "create", "")).await?;
        world.put_app().await?;
        let expected = way.conditions("WebhookSubscribed");
        let app = world.app_is(&[&strs(&expected)[..], &["CredentialsValid=True"]].concat()).await?;
        says(way, &app.status.unwrap().conditions)?;
        assert_eq!(world.writes().len(), 0, "Meta would ask for what the gateway does not know");
        stays_quiet(&world, &operator, "Secret").await?;
        obstacle.remove().await?;
        world.advance(1);
        world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        nothing_is_destroyed(&world)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_secret_that_the_gateway_may_not_be_told_disconnects_nobody_and_what_it_signs_is_to_come_again()
-> Result<()> {
    for way in BUT_QUOTA {
        let world = World::new().await?;
        let operator = eager(&world);
        connected(&world, "publishToken: false").await?;
        let obstacle = Obstacle::put(&world, way, &of_the_keyring(&world, "patch", DEFAULT_KEYRING)).await?;
        let both = json!({"stringData": {"app-secret": NEW, "previous-app-secret": APP_SECRET}}).to_string();
        let patch = ["-n", &world.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &both];
        world.kubectl().run(&patch).await?;
        let [_, ready, other] = way.conditions("");
        let standing = [&ready, &other, "WebhookSubscribed=True", "CredentialsValid=True"];
        let app = world.app_is(&standing).await?;
        says(way, &app.status.unwrap().conditions)?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
        is_tried_again(&world, &operator, "Secret").await?;

        // Meta signs with the new one from now on, and the MetaApp says so.
        change_app_secret(&world, NEW)?;
        let look = "metachannels.io/requested-at=now";
        world.kubectl().run(&["-n", &world.platform, "annotate", "mapp", "acme", look]).await?;
        let (caller, path) = (Caller::new(&world), format!("/webhooks/{}/acme", world.platform));
        let answers = async |secret: &str, expected: StatusCode| {
            wait_for(&format!("{secret} to be answered with {expected}"), PATIENCE, async || {
                let status = caller.post(&path, Some(&signature(secret, BODY))).await?;
                ensure!(status == expected, "{status}");
                Ok(())
            })
            .await
        };
        answers(NEW, StatusCode::SERVICE_UNAVAILABLE).await?;
        answers(APP_SECRET, StatusCode::OK).await?;
        world.app_is(&standing).await?;
        obstacle.remove().await?;
        world.advance(1);
        answers(NEW, StatusCode::OK).await?;
        world.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_may_not_be_made_to_forget_is_tried_again_within_a_minute() -> Result<()> {
    let world = World::new().await?;
    let operator = eager(&world);
    world.put_app().await?;
    world.app_is(&["Ready=True"]).await?;
    let obstacle = Obstacle::put(&world, Way::Denied, &of_the_keyring(&world, "patch", DEFAULT_KEYRING)).await?;
    world.kubectl().run(&["-n", &world.platform, "delete", "mapp", "acme"]).await?;
    is_tried_again(&world, &operator, "Secret").await?;
    is_tried_again(&world, &operator, "Secret").await?;
    obstacle.remove().await?;
    world.advance(1);
    let keyring: Api<Secret> = Api::namespaced(world.client.clone(), &world.inbox);
    wait_for("the keyring to be empty", PATIENCE, async || {
        let left = keyring.get(DEFAULT_KEYRING).await?.data.unwrap_or_default().len();
        ensure!(left == 0, "{left} entries");
        Ok(())
    })
    .await
}
