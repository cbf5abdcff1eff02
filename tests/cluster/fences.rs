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
    world: World,
    operator: Running,
    watch: HoldingProxy,
}

impl Former {
    async fn new(safeguards: Safeguards) -> Result<Self> {
        let world = World::seeded(|seed| seed.tokens.push(page_token("next", PAGE_A, ""))).await?;
        let watch = HoldingProxy::new(&world.account.client, Hold::Watch("assetclaims")).await?;
        let operator = world.operator_with(|operator| {
            operator.client = watch.client.clone();
            operator.scopes.retain(|it| *it != world.tenant_b);
            operator.policy.safeguards = safeguards;
        });
        world.put_app().await?;
        world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
        world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
        world.app_is(&["Ready=True"]).await?;
        quiet(&operator).await?;
        Ok(Self { world, operator, watch })
    }

    /// Declares something of the former holder's channel, or of the next one's.
    async fn declare(&self, namespace: &str, name: &str, more: &str) -> Result<()> {
        self.world.apply(&self.world.channel_manifest_with(namespace, name, PAGE_A, more)).await
    }

    /// Holds the watch and has an administrator change a claim, once what was written of it counts no more.
    async fn changes(&self, claim: &str, change: Value) -> Result<()> {
        quiet(&self.operator).await?;
        tokio::time::sleep(FRESH).await;
        self.watch.hold();
        self.world.claims().patch(claim, &PatchParams::default(), &Patch::Merge(&change)).await?;
        Ok(())
    }

    /// The same of one who moves it.
    async fn moves(&self, claim: &str) -> Result<()> {
        self.changes(claim, json!({ "spec": { "holder": { "namespace": self.world.tenant_b } } })).await
    }

    /// The same of the page; another operator's channel has subscribed it then. The ledger is of what comes after that.
    async fn is_succeeded(&self) -> Result<Running> {
        let world = &self.world;
        self.moves(CLAIM).await?;
        let next = world.operator_with(|operator| operator.scopes.retain(|it| *it != world.tenant_a));
        world.put_token(&world.tenant_b, "next", &text("next")).await?;
        self.declare(&world.tenant_b, "next", "subscribedFields: [messages]").await?;
        world.channel_is(&world.tenant_b, "next", &["Ready=True/ReconcileSucceeded"]).await?;
        quiet(&next).await?;
        // What is there beyond what it declares it leaves; someone does not.
        change_row(world, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
        world.sandbox.clear_ledger();
        Ok(next)
    }

    /// Nothing was written at Meta since.
    fn wrote_nothing(&self) {
        assert_eq!((self.world.writes(), row(&self.world, PAGE_A)), (vec![], vec!["messages".to_owned()]));
    }

    /// Has the former holder's operator look at the page, and waits for what it says while its watch still shows the old claim.
    async fn look_of_the_former(&self) -> Result<()> {
        self.world.request_look(&self.world.tenant_a, "shop", "now").await?;
        self.world.channel_is(&self.world.tenant_a, "shop", ELSEWHERE).await.map(drop)
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
    let world = &former.world;
    former.declare(&world.tenant_a, "shop", "connection: Disconnected").await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    let _next = former.is_succeeded().await?;
    former.look_of_the_former().await?;
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    let disconnected = ["Ready=True/ReconcileSucceeded", "Disconnected=True/DeclaredDisconnected"];
    world.channel_is(&world.tenant_a, "shop", &disconnected).await?;

    // Once it is told it says the same, and the claim is not read any more.
    let version = world.channels(&world.tenant_a).get("shop").await?.resource_version();
    former.watch.release();
    advance_and_sweep(world, &former.operator, 16).await?;
    assert_eq!(world.channels(&world.tenant_a).get("shop").await?.resource_version(), version);
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_of_a_former_holder_that_was_not_told_does_not_write_over_the_fields_of_the_next_one() -> Result<()>
{
    let former = Former::new(Safeguards::default()).await?;
    let world = &former.world;
    let _next = former.is_succeeded().await?;
    former.look_of_the_former().await?;
    former.wrote_nothing();
    assert_eq!(former.withheld(), (1.0, 0.0));
    world.channel_is(&world.tenant_a, "shop", &["Ready=False/ClaimedElsewhere", "Stalled=True"]).await?;
    warned(world, &world.tenant_a, &["shop ClaimedElsewhere"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_a_former_holder_that_was_not_told_cuts_the_next_one_off() -> Result<()> {
    let former = Former::new(Safeguards { claim: false, ..Safeguards::default() }).await?;
    let world = &former.world;
    former.declare(&world.tenant_a, "shop", "connection: Disconnected").await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    let _next = former.is_succeeded().await?;
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("the page to be cut off", PATIENCE, async || {
        ensure!(world.requests("DELETE", PAGE_ROWS).len() == 1);
        Ok(())
    })
    .await
}

/// It could be taken at any moment. The offer is nobody's who holds the page, so that it is withdrawn first.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_given_away_without_a_word_is_unsubscribed_only_once_the_offer_is_withdrawn() -> Result<()> {
    let former = Former::new(Safeguards::default()).await?;
    let world = &former.world;
    former.declare(&world.tenant_a, "shop", "connection: Disconnected").await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    former.changes(CLAIM, json!({ "spec": { "transferTo": world.tenant_b } })).await?;
    change_row(world, PAGE_A, APP_ID, Some(&["messages".to_owned()]))?;
    world.sandbox.clear_ledger();
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("the page to be unsubscribed", PATIENCE, async || {
        ensure!(row(world, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "Disconnected=True/DeclaredDisconnected"]).await?;
    assert_eq!((world.writes().len(), former.withheld()), (1, (1.0, 0.0)));
    assert_eq!(world.claims().get(CLAIM).await?.spec.transfer_to, None);
    Ok(())
}

/// The mark that is written into the claim before is refused, as it is over another version.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_moved_is_not_cleaned_up_by_an_operator_that_was_not_told() -> Result<()> {
    let former = Former::new(Safeguards::default()).await?;
    let world = &former.world;
    world.channels(&world.tenant_a).delete("shop", &Default::default()).await?;
    wait_for("the grace to begin", PATIENCE, async || {
        ensure!(world.claims().get(CLAIM).await?.state() == ClaimState::CleanupPending);
        Ok(())
    })
    .await?;
    let _next = former.is_succeeded().await?;
    let before = former.operator.passes("AssetClaim");
    world.advance(2);
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
    let world = &former.world;
    former.moves(&format!("meta-app-{APP_ID}")).await?;
    change_app(world, AppSubscriptionChange { active: Some(false), ..AppSubscriptionChange::default() })?;
    world.sandbox.clear_ledger();
    world.advance(61);
    world.app_is(&["Ready=False/ClaimedElsewhere"]).await?;
    assert_eq!((world.writes(), former.withheld()), (vec![], (1.0, 0.0)));
    Ok(())
}

/// Nothing is turned False by it, and what was put off is made up for.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_does_not_say_who_holds_a_page_nothing_is_written_at_meta() -> Result<()> {
    let world = World::new().await?;
    let way = HoldingProxy::new(&world.account.client, Hold::Claims).await?;
    let operator = world.operator_with(|operator| operator.client = way.client.clone());
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    quiet(&operator).await?;
    tokio::time::sleep(FRESH).await;
    change_row(&world, PAGE_A, APP_ID, None)?;
    world.sandbox.clear_ledger();
    way.hold();
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("the write to be withheld", PATIENCE, async || {
        ensure!(operator.gauge("writes_withheld_total{reason=\"unanswered\"}") >= 1.0);
        Ok(())
    })
    .await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded", "Subscribed=True"]).await?;
    assert_eq!(world.writes(), []);
    way.release();
    world.advance(1);
    wait_for("the repair", PATIENCE, async || {
        ensure!(!row(&world, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    assert_eq!(world.writes().len(), 1);
    Ok(())
}

/// Nothing is turned False by it, and what was put off is made up for.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_was_not_renewed_lately_writes_nothing_at_meta_until_it_is() -> Result<()> {
    let world = World::new().await?;
    let tenure = Tenure::default();
    tenure.renewed();
    let lease = |fresh| Some(Lease { tenure: tenure.clone(), fresh: Duration::from_secs(fresh) });
    let operator = world.operator_with(|operator| operator.lease = lease(600));
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    operator.stop().await;
    world.sandbox.clear_ledger();
    change_row(&world, PAGE_A, APP_ID, None)?;
    let operator = world.operator_with(|operator| operator.lease = lease(0));
    let version = world.channels(&world.tenant_a).get("shop").await?.resource_version();
    world.request_look(&world.tenant_a, "shop", "now").await?;
    wait_for("two tries", PATIENCE, async || {
        ensure!(operator.gauge("writes_withheld_total{reason=\"lease\"}") >= 2.0);
        world.advance(1);
        Ok(())
    })
    .await?;
    assert_eq!(world.writes(), []);
    operator.stop().await;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True/ReconcileSucceeded"]).await?;
    assert_ne!(world.channels(&world.tenant_a).get("shop").await?.resource_version(), version, "it was annotated");

    let operator = world.operator_with(|operator| operator.lease = lease(600));
    wait_for("the repair", PATIENCE, async || {
        ensure!(!row(&world, PAGE_A).is_empty());
        Ok(())
    })
    .await?;
    assert_eq!((world.writes().len(), operator.gauge("writes_withheld_total")), (1, 0.0));
    Ok(())
}
