//! What the gateway left that may not be thrown away.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use meta_channel_operator::api::inbox::INBOX_TYPE;
use reqwest::StatusCode;
use testkit::wait_for;

use super::*;
use crate::support::oauth_fixture::PERSON;
use crate::support::reauthorization;

/// A Secret that the obstacle is tried out on. It is of the type of mail, and says nothing.
const PROBE: &str = "probe";

/// How many tokens lie in the inbox.
async fn tokens(inbox: &Api<Secret>) -> Result<usize> {
    let all = inbox.list(&ListParams::default()).await?;
    Ok(all.iter().filter(|mail| mail.type_.as_deref() == Some(INBOX_TYPE) && mail.data.is_some()).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_taken_up_and_may_not_be_thrown_away_is_told_and_goes_once_it_may() -> Result<()> {
    for way in BUT_QUOTA {
        let (env, operator) = reauthorization::env().await?;
        env.account.is_refused_on_purpose();
        let inbox: Api<Secret> = Api::namespaced(env.client.clone(), &env.inbox);
        let metadata = ObjectMeta { name: Some(PROBE.to_owned()), ..ObjectMeta::default() };
        inbox
            .create(
                &PostParams::default(),
                &Secret { metadata, type_: Some(INBOX_TYPE.to_owned()), ..Secret::default() },
            )
            .await?;
        let target = Target { rules: MAILBOX, ..of_secrets(&env.inbox, "delete", PROBE) };
        let obstacle = Obstacle::put(&env, way, &target).await?;

        let mut browser = reauthorization::browser(&env).await?;
        let offer = browser.up_to_the_offer(&format!("{}/acme", env.tenant_a), PERSON, &[]).await?;
        browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
        env.grant_is(&["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"]).await?;
        if way != Way::Failing {
            told_by_event(&env, &env.tenant_a, "acme", way, 1).await?;
        }
        let kept = env.kept("token").await?;
        is_tried_again(&env, &operator, "Secret").await?;
        assert_eq!(env.kept("token").await?, kept);
        assert_eq!(tokens(&inbox).await?, 1);
        obstacle.remove().await?;
        env.advance(1);
        wait_for("the inbox to be empty", PATIENCE, async || {
            let left = tokens(&inbox).await?;
            ensure!(left == 0, "{left} tokens");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
