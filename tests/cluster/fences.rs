//! Nothing is written at Meta on what was true a while ago: operators whose watch of claims lags while a claim moves to someone else.
//!
//! No operator takes part in an election here, so that claims alone let a write through.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use meta_channel_operator::api::ClaimState;
use meta_channel_operator::cluster::leader::Lease;
use meta_channel_operator::cluster::leader::Tenure;
use meta_channel_operator::controller::safeguards::Safeguards;
use meta_channel_operator::ownership::freshness::FRESH;
use serde_json::{Value, json};
use testkit::sandbox::AppSubscriptionChange;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::holding_proxy::{Hold, HoldingProxy};
use crate::support::observe::*;
use crate::support::subscriptions::{change_app, change_row, row};

const CLAIM: &str = "facebook-page-2200000000000001";
const ELSEWHERE: &[&str] = &["Claimed=False/ClaimedElsewhere"];

/// A channel that holds a page, and its operator, whose watch of claims can be held.
struct Former {
    env: Env,
    operator: Running,
    watch: HoldingProxy,
}

impl Former {
    async fn new(safeguards: Safeguards) -> Result<Self> {
        let env = Env::seeded(|seed| seed.tokens.push(page_token("next", PAGE_A, ""))).await?;
        let watch = HoldingProxy::new(&env.account.client, Hold::Watch("assetclaims")).await?;
        let operator = env.operator_with(|operator| {
            operator.client = watch.client.clone();
            operator.scopes.retain(|it| *it != env.tenant_b);
            operator.policy.safeguards = safeguards;
        });
        env.put_app().await?;
        env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        env.app_is(&["Ready=True"]).await?;
        quiet(&operator).await?;
        Ok(Self { env, operator, watch })
    }

    /// Declares something of the former holder's channel, or of the next one's.
    async fn declare(&self, namespace: &str, name: &str, more: &str) -> Result<()> {
        self.env.apply(&self.env.channel_manifest_with(namespace, name, PAGE_A, more)).await
    }

    /// Holds the watch and has an administrator change a claim, once what was written of it counts no more.
    async fn changes(&self, claim: &str, change: Value) -> Result<()> {
        quiet(&self.operator).await?;
        tokio::time::sleep(FRESH).await;
        self.watch.hold();
        self.env.claims().patch(claim, &PatchParams::default(), &Patch::Merge(&change)).await?;
        Ok(())
    }

    /// The same of one who moves it.
    async fn moves(&self, claim: &str) -> Result<()> {
        self.changes(claim, json!({ "spec": { "holder": { "namespace": self.env.tenant_b } } })).await
    }

    /// The same of the page; another operator's channel has subscribed it then. The ledger is of what comes after that.
    async fn is_succeeded(&self) -> Result<Running> {
        let env = &self.env;
        self.moves(CLAIM).await?;
        let next = env.operator_with(|operator| operator.scopes.retain(|it| *it != env.tenant_a));
        env.put_token(&env.tenant_b, "next", &text("next")).await?;
        self.declare(&env.tenant_b, "next", "subscribedFields: [messages]").await?;
        env.channel_is(&env.tenant_b, "next", &["Ready=True/ReconcileSucceeded"]).await?;
        quiet(&next).await?;
        // What is there beyond what it declares it leaves; someone does not.
        change_row(env, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
        env.sandbox.clear_ledger();
        Ok(next)
    }

    /// Nothing was written at Meta since.
    fn wrote_nothing(&self) {
        assert_eq!((self.env.writes(), row(&self.env, PAGE_A)), (vec![], vec!["messages".to_owned()]));
    }

    /// Has the former holder's operator look at the page, and waits for what it says while its watch still shows the old claim.
    async fn look_of_the_former(&self) -> Result<()> {
        self.env.request_look(&self.env.tenant_a, "shop", "now").await?;
        self.env.channel_is(&self.env.tenant_a, "shop", ELSEWHERE).await.map(drop)
    }

    /// Writes that were withheld because of a claim, and for other reasons.
    fn withheld(&self) -> (f64, f64) {
        let claim = self.operator.gauge("writes_withheld_total{reason=\"claim\"}");
        (claim, self.operator.gauge("writes_withheld_total") - claim)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_of_a_former_holder_that_was_not_told_does_not_unsubscribe_the_page_of_the_next_one() -> Result<()>
{
    let former = Former::new(Safeguards::default()).await?;
    let env = &former.env;
    former.declare(&env.tenant_a, "shop", "connection: Disconnected").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    let _next = former.is_succeeded().await?;
    former.look_of_the_former().await?;
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    let disconnected = ["Ready=True/ReconcileSucceeded", "Disconnected=True/DeclaredDisconnected"];
    env.channel_is(&env.tenant_a, "shop", &disconnected).await?;

    // Once it is told it says the same, and the claim is not read any more.
    let version = env.channels(&env.tenant_a).get("shop").await?.resource_version();
    former.watch.release();
    advance_and_sweep(env, &former.operator, 16).await?;
    assert_eq!(env.channels(&env.tenant_a).get("shop").await?.resource_version(), version);
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_of_a_former_holder_that_was_not_told_does_not_write_over_the_fields_of_the_next_one() -> Result<()>
{
    let former = Former::new(Safeguards::default()).await?;
    let env = &former.env;
    let _next = former.is_succeeded().await?;
    former.look_of_the_former().await?;
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/ClaimedElsewhere", "Stalled=True"]).await?;
    warned(env, &env.tenant_a, &["shop ClaimedElsewhere"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_a_former_holder_that_was_not_told_cuts_the_next_one_off() -> Result<()> {
    let former = Former::new(Safeguards { claim: false, ..Safeguards::default() }).await?;
    let env = &former.env;
    former.declare(&env.tenant_a, "shop", "connection: Disconnected").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    let _next = former.is_succeeded().await?;
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("the page to be cut off", PATIENCE, async || {
        ensure!(env.requests("DELETE", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await
}

/// It could be taken at any moment. The offer is nobody's who holds the page, so that it is withdrawn first.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_given_away_without_a_word_is_unsubscribed_only_once_the_offer_is_withdrawn() -> Result<()> {
    let former = Former::new(Safeguards::default()).await?;
    let env = &former.env;
    former.declare(&env.tenant_a, "shop", "connection: Disconnected").await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    former.changes(CLAIM, json!({ "spec": { "transferTo": env.tenant_b } })).await?;
    change_row(env, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
    env.sandbox.clear_ledger();
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("the page to be unsubscribed", PATIENCE, async || {
        ensure!(row(env, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    assert_eq!((env.writes().len(), former.withheld()), (1, (1.0, 0.0)));
    assert_eq!(env.claims().get(CLAIM).await?.spec.transfer_to, None);
    Ok(())
}

/// The mark that is written into the claim before is refused, as it is over another version.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_moved_is_not_cleaned_up_by_an_operator_that_was_not_told() -> Result<()> {
    let former = Former::new(Safeguards::default()).await?;
    let env = &former.env;
    env.channels(&env.tenant_a).delete("shop", &Default::default()).await?;
    wait_for("the grace to begin", PATIENCE, async || {
        ensure!(env.claims().get(CLAIM).await?.state() == ClaimState::CleanupPending);
        Ok(())
    })
    .await?;
    let _next = former.is_succeeded().await?;
    let before = former.operator.passes("AssetClaim");
    env.advance(2);
    wait_for("a try", PATIENCE, async || {
        ensure!(former.operator.passes("AssetClaim") > before);
        Ok(())
    })
    .await?;
    former.wrote_nothing();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_of_an_app_whose_claim_moved_is_not_written_by_an_operator_that_was_not_told() -> Result<()> {
    let former = Former::new(Safeguards::default()).await?;
    let env = &former.env;
    former.moves(&format!("meta-app-{APP_ID}")).await?;
    change_app(env, AppSubscriptionChange { active: Some(false), ..AppSubscriptionChange::default() })?;
    env.sandbox.clear_ledger();
    env.advance(61);
    env.app_is(&["Ready=False/ClaimedElsewhere"]).await?;
    assert_eq!((env.writes(), former.withheld()), (vec![], (1.0, 0.0)));
    Ok(())
}

/// Nothing is turned False by it, and what was put off is made up for.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_does_not_say_who_holds_a_page_nothing_is_written_at_meta() -> Result<()> {
    let env = Env::new().await?;
    let way = HoldingProxy::new(&env.account.client, Hold::Claims).await?;
    let operator = env.operator_with(|operator| operator.client = way.client.clone());
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    quiet(&operator).await?;
    tokio::time::sleep(FRESH).await;
    change_row(&env, PAGE_A, APP_ID, None)?;
    env.sandbox.clear_ledger();
    way.hold();
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("the write to be withheld", PATIENCE, async || {
        ensure!(operator.gauge("writes_withheld_total{reason=\"unanswered\"}") >= 1.0);
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Subscribed=True"]).await?;
    assert_eq!(env.writes(), []);
    way.release();
    env.advance(1);
    wait_for("the repair", PATIENCE, async || {
        ensure!(!row(&env, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    assert_eq!(env.writes().len(), 1);
    Ok(())
}

/// Nothing is turned False by it, and what was put off is made up for.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_was_not_renewed_lately_writes_nothing_at_meta_until_it_is() -> Result<()> {
    let env = Env::new().await?;
    let tenure = Tenure::default();
    tenure.renewed();
    let lease = |fresh| Some(Lease { tenure: tenure.clone(), fresh: Duration::from_secs(fresh) });
    let operator = env.operator_with(|operator| operator.lease = lease(600));
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    operator.stop().await;
    env.sandbox.clear_ledger();
    change_row(&env, PAGE_A, APP_ID, None)?;
    let operator = env.operator_with(|operator| operator.lease = lease(0));
    let version = env.channels(&env.tenant_a).get("shop").await?.resource_version();
    env.request_look(&env.tenant_a, "shop", "now").await?;
    wait_for("two tries", PATIENCE, async || {
        ensure!(operator.gauge("writes_withheld_total{reason=\"lease\"}") >= 2.0);
        env.advance(1);
        Ok(())
    })
    .await?;
    assert_eq!(env.writes(), []);
    operator.stop().await;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    assert_ne!(env.channels(&env.tenant_a).get("shop").await?.resource_version(), version, "it was annotated");

    let operator = env.operator_with(|operator| operator.lease = lease(600));
    wait_for("the repair", PATIENCE, async || {
        ensure!(!row(&env, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    assert_eq!((env.writes().len(), operator.gauge("writes_withheld_total")), (1, 0.0));
    Ok(())
}
