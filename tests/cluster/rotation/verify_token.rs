//! The verify token is replaced.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use reqwest::StatusCode;
use testkit::wait_for;

use super::*;
use crate::support::webhook_calls::verify_token;

/// Whether the gateway answers Meta's challenge with this verify token.
async fn answers(env: &Env, token: &str) -> Result<bool> {
    let query = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
    let (status, _) = Caller::new(env).get(&format!("/webhooks/{}/acme?{query}", env.platform)).await?;
    Ok(status == StatusCode::OK)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_token_is_replaced_over_restarts_of_gateway_and_operator() -> Result<()> {
    let env = Env::new().await?;
    let operator = env.operator();
    connected(&env).await?;
    let steady = Steady::watch(&env);
    let old = verify_token(&env).await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.platform);
    let remove = async || secrets.delete("metaapp-acme-verify-token", &DeleteParams::default()).await;
    // Deleted while no operator is there, by someone who restarts the gateway too.
    operator.stop().await;
    remove().await?;
    let (_replica, url) = env.replica().await?;
    env.sandbox.set_resolve([("hooks.example.com".to_owned(), url)].into())?;
    wait_for("the new gateway to know the application", PATIENCE, async || {
        ensure!(answers(&env, &old).await?, "Meta still knows the old one");
        Ok(())
    })
    .await?;
    // Meta cannot be given the new one, and the operator ends once more.
    let effect = "{graph_error: {code: 2, is_transient: true}}";
    env.sandbox.add_fault(fault(&format!("{{match: {{template: '{APP_ROWS}', method: POST}}, do: {effect}}}")));
    let operator = env.operator();
    let new = wait_for("the new verify token to be answered", PATIENCE, async || {
        let new = verify_token(&env).await?;
        ensure!(new != old && answers(&env, &new).await?, "not yet");
        Ok(new)
    })
    .await?;
    awake(&operator).await?;
    ensure!(answers(&env, &old).await?, "Meta still knows the old one");
    operator.stop().await;
    env.sandbox.clear_faults();
    env.sandbox.clear_ledger();
    let operator = env.operator();
    wait_for("Meta to be given the new one", PATIENCE, async || {
        ensure!(!answers(&env, &old).await?, "the old one is still answered");
        Ok(())
    })
    .await?;
    ensure!(answers(&env, &new).await?);
    awake(&operator).await?;
    // Once, and never again.
    operator.stop().await;
    let operator = env.operator();
    awake(&operator).await?;
    assert_eq!(env.requests("POST", APP_ROWS).len(), 1);
    steady.holds();
    Ok(())
}
