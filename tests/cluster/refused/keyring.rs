//! What the gateway has to know, which the operator may not write.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use meta_channel_operator::settings::DEFAULT_KEYRING;
use reqwest::StatusCode;

use super::*;
use crate::support::fixtures::change_app_secret;
use crate::support::webhook_calls::{BODY, Caller, signature};

const NEW: &str = "sandbox-app-secret-1111111111111111";

fn of_the_keyring(env: &Env, verb: &'static str, name: &str) -> Target {
    Target { rules: MAILBOX, ..of_secrets(&env.inbox, verb, name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_the_gateway_may_not_be_told_of_is_not_subscribed_and_says_why() -> Result<()> {
    for way in ALL {
        let env = Env::new().await?;
        let operator = eager(&env);
        let obstacle = Obstacle::put(&env, way, &of_the_keyring(&env, "create", "")).await?;
        env.put_app().await?;
        let expected = way.conditions("WebhookSubscribed");
        let app = env.app_is(&[&strs(&expected)[..], &["CredentialsValid=True"]].concat()).await?;
        says(way, &app.status.unwrap().conditions)?;
        assert_eq!(env.writes().len(), 0, "Meta would ask for what the gateway does not know");
        stays_quiet(&env, &operator, "Secret").await?;
        obstacle.remove().await?;
        env.advance(1);
        env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
        nothing_is_destroyed(&env)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_secret_that_the_gateway_may_not_be_told_disconnects_nobody_and_what_it_signs_is_to_come_again()
-> Result<()> {
    for way in BUT_QUOTA {
        let env = Env::new().await?;
        let operator = eager(&env);
        connected(&env, "publishToken: false").await?;
        let obstacle = Obstacle::put(&env, way, &of_the_keyring(&env, "patch", DEFAULT_KEYRING)).await?;
        let both = json!({"stringData": {"app-secret": NEW, "previous-app-secret": APP_SECRET}}).to_string();
        let patch = ["-n", &env.platform, "patch", "secret", "acme-app", "--type=merge", "-p", &both];
        env.kubectl().run(&patch).await?;
        let [_, ready, other] = way.conditions("");
        let standing = [&ready, &other, "WebhookSubscribed=True", "CredentialsValid=True"];
        let app = env.app_is(&standing).await?;
        says(way, &app.status.unwrap().conditions)?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Connected=True"]).await?;
        is_tried_again(&env, &operator, "Secret").await?;

        // Meta signs with the new one from now on, and the MetaApp says so.
        change_app_secret(&env, NEW)?;
        let look = "metachannels.io/requested-at=now";
        env.kubectl().run(&["-n", &env.platform, "annotate", "mapp", "acme", look]).await?;
        let (caller, path) = (Caller::new(&env), format!("/webhooks/{}/acme", env.platform));
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
        env.app_is(&standing).await?;
        obstacle.remove().await?;
        env.advance(1);
        answers(NEW, StatusCode::OK).await?;
        env.app_is(&["Ready=True", "WebhookSubscribed=True"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_may_not_be_made_to_forget_is_tried_again_within_a_minute() -> Result<()> {
    let env = Env::new().await?;
    let operator = eager(&env);
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let obstacle = Obstacle::put(&env, Way::Denied, &of_the_keyring(&env, "patch", DEFAULT_KEYRING)).await?;
    env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
    is_tried_again(&env, &operator, "Secret").await?;
    is_tried_again(&env, &operator, "Secret").await?;
    obstacle.remove().await?;
    env.advance(1);
    let keyring: Api<Secret> = Api::namespaced(env.client.clone(), &env.inbox);
    wait_for("the keyring to be empty", PATIENCE, async || {
        let left = keyring.get(DEFAULT_KEYRING).await?.data.unwrap_or_default().len();
        ensure!(left == 0, "{left} entries");
        Ok(())
    })
    .await
}
