//! What the gateway receives, as evidence of who gets a page's conversations.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::{FacebookChannel, InboundEvidence, InboundStatus};
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::sandbox::{RoleNotice, WebhookItem};
use testkit::wait_for;

use crate::receiver::leaves_threads_alone;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::webhook_calls::*;

const PSID: &str = "7700000000000001";
const OTHER_APP: &str = "9999000099990000";
const OTHER_SECRET: &str = "sandbox-other-secret-000000000000000";
const TEXT: &str = "a word between two people";

/// Items that the gateway met so far, of this kind and with this result.
fn items(env: &Env, item: &str, result: &str) -> u64 {
    counter(env, &format!("webhook_items_total{{item=\"{item}\",result=\"{result}\"}}"))
}

/// Makes events happen until the gateway has counted one: it may not know yet who holds the page.
async fn is_counted(env: &Env, item: &str, happen: impl Fn() -> Result<()>) -> Result<()> {
    let before = items(env, item, "counted");
    wait_for("the gateway to count it", PATIENCE, async || {
        happen()?;
        ensure!(items(env, item, "counted") > before, "{}", env.gateway_metrics().text());
        Ok(())
    })
    .await
}

/// A person writes in a thread that is not ours.
fn on_standby(env: &Env) -> Result<()> {
    let at = env.sandbox.now().as_millisecond();
    let item = json!({
        "sender": {"id": PSID}, "recipient": {"id": PAGE_A}, "timestamp": at, "message": {"mid": "m_1", "text": TEXT},
    });
    let item = json!({"page": PAGE_A, "app": APP_ID, "field": "standby", "item": item});
    let dropped = env.sandbox.send_webhook(serde_json::from_value::<WebhookItem>(item)?)?;
    ensure!(dropped.is_none(), "{dropped:?}");
    Ok(())
}

fn role(env: &Env, role: &str) -> Result<()> {
    let notice: RoleNotice = serde_json::from_value(json!({"app": APP_ID, "role": role}))?;
    Ok(env.sandbox.tell_role(PAGE_A, &notice)?)
}

async fn inbound(env: &Env, namespace: &str, name: &str) -> Result<Option<InboundStatus>> {
    Ok(env.channels(namespace).get(name).await?.status.and_then(|status| status.inbound))
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_only_turns_the_condition_and_a_role_turns_it_back() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    let unknown = ["Ready=True/ReconcileSucceeded", "PrimaryReceiver=Unknown/NotVerifiable"];
    env.channel_is(&env.tenant_a, "shop", &unknown).await?;

    is_counted(&env, "standby", || on_standby(&env)).await?;
    // Heard once it is no evidence.
    env.advance(2);
    is_counted(&env, "standby", || on_standby(&env)).await?;
    let cut = [
        "PrimaryReceiver=False/AnotherAppControls",
        "Disconnected=True/NotPrimaryReceiver",
        "Ready=False/NotPrimaryReceiver",
        "Stalled=True",
    ];
    env.channel_is(&env.tenant_a, "shop", &cut).await?;

    env.advance(2);
    is_counted(&env, "role", || role(&env, "primary_receiver")).await?;
    let ours = ["PrimaryReceiver=True/DefaultApp", "Connected=True", "Ready=True/ReconcileSucceeded", "!Stalled"];
    env.channel_is(&env.tenant_a, "shop", &ours).await?;
    env.advance(2);
    is_counted(&env, "role", || role(&env, "secondary_receiver")).await?;
    let channel = env.channel_is(&env.tenant_a, "shop", &cut).await?;

    let text = serde_json::to_string(&channel)?;
    ensure!(!text.contains(TEXT) && !text.contains(PSID), "{text}");
    let managed = channel.metadata.managed_fields.unwrap_or_default();
    let of_gateway = managed.iter().find(|it| it.manager.as_deref() == Some("meta-channel-gateway"));
    let fields = serde_json::to_value(of_gateway.context("the gateway wrote nothing")?)?;
    let fields: Vec<_> = fields["fieldsV1"]["f:status"].as_object().context("no status")?.keys().cloned().collect();
    assert_eq!(fields, ["f:inbound"]);
    leaves_threads_alone(&env)
}

/// An event with a person's message on a page.
fn message(page: &str, at: Timestamp) -> Value {
    let item = json!({
        "sender": {"id": PSID}, "recipient": {"id": page}, "timestamp": at.as_millisecond(),
        "message": {"mid": "m_1", "text": TEXT},
    });
    json!({"id": page, "time": at.as_millisecond(), "messaging": [item]})
}

async fn post(caller: &Caller, path: &str, secret: &str, entries: Value) -> Result<StatusCode> {
    let body = json!({"object": "page", "entry": entries}).to_string();
    caller.post_body(path, &body, Some(&signature(secret, &body))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_for_who_holds_its_page_through_its_application_and_only_once() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_secret(&env.platform, "other-app", "app-secret", "app-secret", OTHER_SECRET).await?;
    let other = env.app_manifest_with("").replace("name: acme,", "name: other,").replace(APP_ID, OTHER_APP);
    env.apply(&other.replace("acme-app", "other-app")).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.put_channel(&env.tenant_b, "support", PAGE_B, TOKEN_B).await?;
    let more = "managementPolicy: Pause";
    env.apply(&env.channel_manifest_with(&env.tenant_a, "unclaimed", PAGE_C, more)).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_b, "support", &["Ready=True"]).await?;
    env.channel_is(&env.tenant_a, "unclaimed", &["Ready=Unknown/Paused"]).await?;
    let (caller, path) = (Caller::new(&env), |app: &str| format!("/webhooks/{}/{app}", env.platform));
    let (acme, of_other) = (path("acme"), path("other"));

    // Two pages in one POST.
    wait_for("both channels to hear of it", PATIENCE, async || {
        let entries = json!([message(PAGE_A, env.now()), message(PAGE_B, env.now())]);
        let status = post(&caller, &acme, APP_SECRET, entries).await?;
        ensure!(status == StatusCode::OK, "{status}");
        for (namespace, name) in [(&env.tenant_a, "shop"), (&env.tenant_b, "support")] {
            let inbound = inbound(&env, namespace, name).await?.with_context(|| name.to_owned())?;
            ensure!((inbound.evidence, inbound.app_id.as_str()) == (InboundEvidence::MessagesReceived, APP_ID));
        }
        Ok(())
    })
    .await?;
    wait_for("the other app to be known", PATIENCE, async || {
        let status = post(&caller, &of_other, OTHER_SECRET, json!([])).await?;
        ensure!(status == StatusCode::OK, "{status}");
        Ok(())
    })
    .await?;

    let counts = || ["counted", "unknown_page", "old"].map(|result| items(&env, "message", result));
    let expect = async |path: &str, secret: &str, entries: Value, expected: [u64; 3]| {
        let before = counts();
        assert_eq!(post(&caller, path, secret, entries.clone()).await?, StatusCode::OK);
        let after = counts();
        let more = [0, 1, 2].map(|index| after[index] - before[index]);
        ensure!(more == expected, "{more:?} instead of {expected:?}: {entries}");
        anyhow::Ok(())
    };
    expect(&of_other, OTHER_SECRET, json!([message(PAGE_A, env.now())]), [0, 1, 0]).await?;
    expect(&acme, APP_SECRET, json!([message(PAGE_C, env.now()), message("2200000000000009", env.now())]), [0, 2, 0])
        .await?;
    let ago = |hours: i64| env.now() - SignedDuration::from_hours(hours);
    expect(&acme, APP_SECRET, json!([message(PAGE_A, ago(25)), message(PAGE_A, ago(-1))]), [0, 0, 2]).await?;
    env.advance(1);
    let body = json!([message(PAGE_A, env.now())]);
    expect(&acme, APP_SECRET, body.clone(), [1, 0, 0]).await?;
    expect(&acme, APP_SECRET, body, [0, 0, 1]).await?;
    ensure!(inbound(&env, &env.tenant_a, "unclaimed").await?.is_none());
    leaves_threads_alone(&env)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_events_showed_goes_with_the_link_and_whoever_takes_the_gateway_over_writes_nothing_else() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    is_counted(&env, "role", || role(&env, "primary_receiver")).await?;
    env.channel_is(&env.tenant_a, "shop", &["PrimaryReceiver=True/DefaultApp"]).await?;

    let gateway: Api<FacebookChannel> = Api::namespaced(env.gateway_account.client.clone(), &env.tenant_a);
    let forged = json!({"status": {"claimName": null, "connection": "Expired"}});
    wait_for("the policy to count", PATIENCE, async || {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let refusal = gateway.patch_status("shop", &params, &Patch::Merge(&forged)).await.err().context("let in")?;
        ensure!(refusal.to_string().contains("may change only status.inbound, not "), "{refusal}");
        Ok(())
    })
    .await?;

    let parted = env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "connection: Disconnected");
    env.apply(&parted).await?;
    env.channel_is(&env.tenant_a, "shop", &["Disconnected=True/DeclaredDisconnected", "Ready=True"]).await?;
    wait_for("the evidence to go", PATIENCE, async || {
        let left = inbound(&env, &env.tenant_a, "shop").await?;
        ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
    .await
}
