//! The gateway: Meta's challenge, signatures of events, and one answer for everything unknown.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::webhook_calls::*;

const OTHER_SECRET: &str = "sandbox-other-secret-000000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_challenge_of_a_known_app_is_answered() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let (caller, token) = (Caller::new(&env), verify_token(&env).await?);
    assert!(token.len() >= 32, "{} characters", token.len());
    // Meta asked when the operator subscribed the app.
    assert_eq!(counter(&env, "webhook_challenges_total{result=\"valid\"}"), 1);
    // It asks again if that was before the gateway knew the verify token.
    let invalid = counter(&env, "webhook_challenges_total{result=\"invalid\"}");

    let path = format!("/webhooks/{}/acme", env.platform);
    let query = |mode: &str, token: &str| format!("?hub.mode={mode}&hub.verify_token={token}&hub.challenge=1158201444");
    let right = query("subscribe", &token);
    assert_eq!(caller.get(&format!("{path}{right}")).await?, (StatusCode::OK, "1158201444".to_owned()));
    for wrong in [query("unsubscribe", &token), query("subscribe", "wrong"), query("subscribe", ""), String::new()] {
        let (status, text) = caller.get(&format!("{path}{wrong}")).await?;
        assert_eq!((status, text.as_str()), (StatusCode::FORBIDDEN, ""), "{wrong}");
    }
    assert_eq!(counter(&env, "webhook_challenges_total{result=\"valid\"}"), 2);
    assert_eq!(counter(&env, "webhook_challenges_total{result=\"invalid\"}"), invalid + 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_unknown_gets_the_same_answer() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    let (caller, token) = (Caller::new(&env), verify_token(&env).await?);
    let query = format!("?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
    let known = format!("/webhooks/{}/acme", env.platform);
    assert_eq!(caller.get(&format!("{known}{query}")).await?.0, StatusCode::OK);
    // Of an application that is not there everything is as wrong as a token and a signature of one that is.
    let not_there = [
        format!("/webhooks/{}/acme", env.tenant_a),
        format!("/webhooks/{}/other", env.platform),
        format!("/webhooks/{}/%ff", env.platform),
        format!("/webhooks/{}/acme%2F", env.platform),
    ];
    let wrong_token = caller.get(&format!("{known}?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1")).await?;
    assert_eq!(wrong_token, (StatusCode::FORBIDDEN, String::new()));
    for path in not_there {
        assert_eq!(caller.get(&format!("{path}{query}")).await?, wrong_token, "GET {path}");
        for signature in [Some(signature(APP_SECRET, BODY)), Some("sha256=x".to_owned()), None] {
            let wrong = caller.post(&known, Some(&"0".repeat(64))).await?;
            assert_eq!(caller.post(&path, signature.as_deref()).await?, wrong, "POST {path}");
        }
    }
    let unknown = [
        format!("{known}/"),
        format!("{known}/more"),
        format!("/webhooks/{}", env.platform),
        "/webhooks".to_owned(),
        "/".to_owned(),
        "/metrics".to_owned(),
        "/healthz".to_owned(),
    ];
    for path in unknown {
        let (status, text) = caller.get(&format!("{path}{query}")).await?;
        assert_eq!((status, text.as_str()), (StatusCode::NOT_FOUND, ""), "GET {path}");
        let posted = caller.post(&path, Some(&signature(APP_SECRET, BODY))).await?;
        assert_eq!(posted, StatusCode::NOT_FOUND, "POST {path}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(caller.status(method, &known).await?, StatusCode::NOT_FOUND, "{method}");
    }

    // An app that is deleted is unknown from then on, and its counters go with it.
    let of_it = format!("webhook_signatures_total{{namespace=\"{}\",name=\"acme\"", env.platform);
    assert_eq!(env.gateway_metrics().text().matches(&of_it).count(), 3);
    env.kubectl().run(&["-n", &env.platform, "delete", "mapp", "acme"]).await?;
    wait_for("the gateway to forget the app", PATIENCE, async || {
        let status = caller.post(&known, Some(&signature(APP_SECRET, BODY))).await?;
        ensure!(status == StatusCode::FORBIDDEN, "{status}");
        Ok(())
    })
    .await?;
    assert_eq!(caller.get(&format!("{known}{query}")).await?.0, StatusCode::FORBIDDEN);
    wait_for("the counters to be forgotten", PATIENCE, async || {
        let left = env.gateway_metrics().text().matches(&of_it).count();
        ensure!(left == 0, "{left}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_signature_by_a_secret_of_this_app_is_accepted() -> Result<()> {
    const NEW: &str = "sandbox-app-secret-1111111111111111";
    let env = Env::new().await?;
    // Another app with a secret of its own; neither has a webhook at Meta, for which no operator is needed.
    env.apply(&env.app_manifest()).await?;
    let other = env.app_manifest().replace("name: acme,", "name: other,").replace(APP_ID, "9999000099990000");
    env.apply(&other.replace("acme-app", "other-app")).await?;
    env.tell_gateway(&env.platform, &[("app-secret", APP_SECRET)]).await?;
    env.tell_gateway_of(&env.platform, "other", &[("app-secret", OTHER_SECRET)]).await?;
    let caller = Caller::new(&env);
    let path = |name: &str| format!("/webhooks/{}/{name}", env.platform);
    let accepted = async |name: &str, secret: &str| {
        wait_for("the signature to be accepted", PATIENCE, async || {
            let status = caller.post(&path(name), Some(&signature(secret, BODY))).await?;
            ensure!(status == StatusCode::OK, "{status}");
            Ok(())
        })
        .await
    };
    accepted("acme", APP_SECRET).await?;
    accepted("other", OTHER_SECRET).await?;
    let invalid = || signatures(&env, "acme", "none");
    let before = (invalid(), signatures(&env, "other", "none"));
    let right = signature(APP_SECRET, BODY);
    let wrong = [
        Some(signature(OTHER_SECRET, BODY)),
        Some(signature(APP_SECRET, "{}")),
        Some(signature("", BODY)),
        Some(right.replace("sha256=", "sha1=")),
        Some(right[..right.len() - 2].to_owned()),
        Some(String::new()),
        None,
    ];
    for signature in &wrong {
        assert_eq!(caller.post(&path("acme"), signature.as_deref()).await?, StatusCode::FORBIDDEN, "{signature:?}");
    }
    assert_eq!(caller.post(&path("other"), Some(&right)).await?, StatusCode::FORBIDDEN);
    assert_eq!(invalid() - before.0, wrong.len() as u64);
    assert_eq!(signatures(&env, "other", "none") - before.1, 1);

    // No request reads the API server.
    let asked = env.gateway_account.asked();
    let valid = signatures(&env, "acme", "app-secret");
    for _ in 0..100 {
        assert_eq!(caller.post(&path("acme"), Some(&right)).await?, StatusCode::OK);
    }
    assert_eq!(signatures(&env, "acme", "app-secret"), valid + 100);
    assert_eq!(signatures(&env, "acme", "previous-app-secret"), 0, "shown before there is one");
    assert_eq!(env.gateway_account.asked(), asked);

    // During a rotation both secrets count, afterwards the new one only.
    let both = [("app-secret", NEW), ("previous-app-secret", APP_SECRET)];
    env.tell_gateway(&env.platform, &both).await?;
    accepted("acme", NEW).await?;
    let by = || ["app-secret", "previous-app-secret"].map(|entry| signatures(&env, "acme", entry));
    let [current, former] = by();
    accepted("acme", APP_SECRET).await?;
    accepted("acme", NEW).await?;
    assert_eq!(by(), [current + 1, former + 1]);
    env.tell_gateway(&env.platform, &both[..1]).await?;
    wait_for("the former secret to be refused", PATIENCE, async || {
        let status = caller.post(&path("acme"), Some(&right)).await?;
        ensure!(status == StatusCode::FORBIDDEN, "{status}");
        Ok(())
    })
    .await?;
    accepted("acme", NEW).await?;

    // Where no Secret is released any more none is used.
    env.tell_gateway(&env.platform, &[]).await?;
    wait_for("the Secret to be refused", PATIENCE, async || {
        let status = caller.post(&path("acme"), Some(&signature(NEW, BODY))).await?;
        ensure!(status == StatusCode::FORBIDDEN, "{status}");
        Ok(())
    })
    .await
}
