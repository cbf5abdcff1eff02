//! A cluster that is restored from a backup: whatever comes back in whatever order, nobody's page is cut off.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::{AssetClaim, ClaimState, FacebookChannel, MetaApp};
use serde_json::json;
use testkit::{ControlPlane, wait_for};

use crate::support::admission_policies;
use crate::support::env;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::observe::*;

const CLAIM: &str = "facebook-page-2200000000000001";

async fn claim_is(world: &World, state: ClaimState, reason: &str) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = world.claims().get(CLAIM).await?;
        let conditions = claim.status.as_ref().context("no status")?.conditions.clone();
        ensure!(claim.state() == state, "{:?}", claim.status);
        ensure!(conditions.iter().any(|it| it.type_ == "Ready" && it.reason == reason), "{conditions:?}");
        Ok(claim)
    })
    .await
}

fn unsubscriptions(world: &World) -> usize {
    world.requests("DELETE", PAGE_ROWS).len()
}

/// A connected channel that was deleted while no operator ran, and a new operator.
async fn missing(world: &World) -> Result<Running> {
    let operator = world.operator();
    world.put_app().await?;
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    operator.stop().await;
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    Ok(world.operator())
}

async fn annotate(world: &World, value: Option<&str>) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/cleanup": value } } });
    world.claims().patch(CLAIM, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_nobody_saw_go_is_waited_for_a_day() -> Result<()> {
    let world = World::new().await?;
    let operator = missing(&world).await?;
    let claim = claim_is(&world, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    let since = claim.status.unwrap().awaited_since;
    world.advance(12 * 60);
    // The wait goes on in the next process.
    operator.stop().await;
    let operator = world.operator();
    world.advance(11 * 60 + 50);
    wait_for("a pass over the claim", PATIENCE, async || {
        ensure!(operator.passes("AssetClaim") > 0);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let claim = claim_is(&world, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    assert_eq!((claim.status.unwrap().awaited_since, unsubscriptions(&world)), (since, 0));
    world.advance(11);
    claim_is(&world, ClaimState::CleanupPending, "CleanupPending").await?;
    assert_eq!(unsubscriptions(&world), 0);
    world.advance(2);
    claim_is(&world, ClaimState::Tombstone, "Tombstone").await?;
    assert_eq!(unsubscriptions(&world), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_the_wait_for_a_channel_or_forbids_that_its_page_is_unsubscribed() -> Result<()> {
    let world = World::new().await?;
    let operator = missing(&world).await?;
    claim_is(&world, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    annotate(&world, Some("never")).await?;
    claim_is(&world, ClaimState::AwaitingHolder, "CleanupForbidden").await?;
    world.advance(3 * 24 * 60);
    quiet(&operator).await?;
    claim_is(&world, ClaimState::AwaitingHolder, "CleanupForbidden").await?;
    assert_eq!(unsubscriptions(&world), 0);
    // It comes back, and what was said of the one before is not said of it.
    world.put_channel(&world.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True"]).await?;
    let claim = claim_is(&world, ClaimState::Held, "ClaimHeld").await?;
    assert!(!claim.annotations().contains_key("metachannels.io/cleanup"));

    operator.stop().await;
    world.channels(&world.tenant_a).delete("shop", &DeleteParams::default()).await?;
    let _operator = world.operator();
    claim_is(&world, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    annotate(&world, Some("now")).await?;
    claim_is(&world, ClaimState::CleanupPending, "CleanupPending").await?;
    world.advance(2);
    claim_is(&world, ClaimState::Tombstone, "Tombstone").await?;
    assert_eq!(unsubscriptions(&world), 1);
    Ok(())
}

/// The shell commands of the page about backups, in their order.
fn commands() -> Vec<String> {
    let page = include_str!("../../docs/backup.md");
    let blocks = page.split("```sh\n").skip(1);
    blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_about_backups_bring_everything_back() -> Result<()> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await?));
    admission_policies::prepare(plane).await?;
    let name = |role: &str| if role == "claims" { "meta-channels" } else { role }.to_owned();
    let world = World::on(plane, name, |_| ()).await?;
    let operator = world.operator();
    world.put_app().await?;
    world.put_token(&world.tenant_a, "shop", TOKEN_A).await?;
    world.apply(&world.channel_manifest_with(&world.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    operator.stop().await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.tenant_a);
    let published = secrets.get("facebookchannel-shop-page-token").await?;

    let directory = tempfile::tempdir()?;
    let run = async |script: &str| {
        let kubectl = world.kubectl();
        let kubectl = kubectl.program().parent().context("a directory")?;
        let path = format!("{}:{}", kubectl.display(), std::env::var("PATH")?);
        let mut shell = tokio::process::Command::new("sh");
        let shell = shell.args(["-ec", script]).current_dir(directory.path()).env("PATH", path);
        let output = shell.env("KUBECONFIG", plane.kubeconfig()).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{script}: {said}");
        anyhow::Ok((String::from_utf8_lossy(&output.stdout).into_owned(), said))
    };
    let [back_up, restore, show, ..] = &commands()[..] else { anyhow::bail!("too few commands") };
    run(back_up).await?;
    world.sandbox.clear_ledger();
    let kinds = "metaapps,metagrants,facebookchannels,assetclaims,secrets";
    run(&format!("for n in platform tenant-a meta-channels; do kubectl -n $n delete {kinds} --all; done")).await?;
    let operator = world.operator();
    run(restore).await?;
    world.channel_is(&world.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    world.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let again = secrets.get("facebookchannel-shop-page-token").await?;
    assert_eq!((again.data, again.type_), (published.data, published.type_));
    assert_eq!((unsubscriptions(&world), world.writes()), (0, vec![]));
    let (shown, _) = run(show).await?;
    assert!(shown.contains("shop") && shown.contains(PAGE_A), "{shown}");
    // Once more, over what is there: it is left alone.
    let version = world.claims().get(CLAIM).await?.resource_version();
    run(restore).await?;
    assert_eq!(world.claims().get(CLAIM).await?.resource_version(), version);
    Ok(())
}

/// Channels of the cluster that is restored, over two namespaces.
const CHANNELS: usize = 50;

/// Restores in the default run; `RESTORES` asks for others.
const RESTORES: u64 = 5;

/// What comes back together: objects of one kind in one namespace.
struct Part {
    kind: ApiResource,
    namespace: String,
    objects: Vec<DynamicObject>,
}

impl Part {
    fn api(&self, world: &World) -> Api<DynamicObject> {
        Api::namespaced_with(world.client.clone(), &self.namespace, &self.kind)
    }

    fn is_claims(&self) -> bool {
        self.kind.kind == "AssetClaim"
    }

    /// As a backup keeps them: nothing that the API server gives.
    async fn backed_up(world: &World, kind: ApiResource, namespace: &str) -> Result<Self> {
        let mut part = Self { kind, namespace: namespace.to_owned(), objects: Vec::new() };
        let of_ours = if part.kind.kind == "Secret" { "metachannels.io/purpose" } else { "" };
        part.objects = part.api(world).list(&ListParams::default().labels(of_ours)).await?.items;
        for object in &mut part.objects {
            let metadata = &mut object.metadata;
            (metadata.uid, metadata.resource_version, metadata.creation_timestamp) = (None, None, None);
            (metadata.generation, metadata.managed_fields) = (None, None);
        }
        Ok(part)
    }

    async fn lose(&self, world: &World) -> Result<()> {
        let all = (DeleteParams::default(), ListParams::default());
        self.api(world).delete_collection(&all.0, &all.1).await?;
        Ok(())
    }

    async fn restore(&self, world: &World, story: &Story) -> Result<()> {
        let api = self.api(world);
        try_join_all(self.objects.iter().map(async |object| {
            let mut object = object.clone();
            if !story.owners {
                object.metadata.owner_references = None;
            }
            let status = object.data.as_object_mut().and_then(|it| it.remove("status"));
            let name = object.name_any();
            match api.create(&PostParams::default(), &object).await {
                // Whatever is there is left alone, as by tools for backups.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                created => drop(created.with_context(|| format!("restore {name}"))?),
            }
            if let Some(status) = status.filter(|_| story.status) {
                let status = json!({ "status": status });
                api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }
}

/// How a restore goes.
#[derive(Debug)]
struct Story {
    /// The parts in their order.
    order: Vec<usize>,
    /// Minutes before each of them.
    pauses: Vec<i64>,
    /// Before which of them the operator starts; as many as there are: after all.
    start: usize,
    status: bool,
    claims: bool,
    owners: bool,
}

impl Story {
    /// Claims first, and everything else half an hour later each, under an operator that runs.
    fn worst(parts: &[Part]) -> Self {
        let mut order: Vec<_> = (0..parts.len()).collect();
        order.sort_by_key(|part| !parts[*part].is_claims());
        let pauses = vec![30; parts.len()];
        Self { order, pauses, start: 0, status: false, claims: true, owners: false }
    }

    fn of(number: u64, parts: &[Part]) -> Self {
        let mut state = number;
        let mut pick = |count: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % count
        };
        let mut order: Vec<_> = (0..parts.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, pick(last + 1));
        }
        let pauses = order.iter().map(|_| [0, 1, 30][pick(3)]).collect();
        let start = pick(order.len() + 1);
        Self { order, pauses, start, status: pick(2) == 0, claims: pick(4) > 0, owners: pick(2) == 0 }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_in_any_order_cuts_off_no_page_and_everything_is_ready_again() -> Result<()> {
    let world = World::seeded(|seed| add_pages(seed, CHANNELS)).await?;
    let operator = world.operator();
    world.put_app().await?;
    let mut manifests = Vec::new();
    for number in 0..CHANNELS {
        let (namespace, name) = (namespace(&world, number), format!("channel-{number}"));
        world.put_token(namespace, &name, &text(&format!("page-{number}"))).await?;
        let more = if number.is_multiple_of(10) { "publishToken: true" } else { "deletionPolicy: Disconnect" };
        manifests.push(world.channel_manifest_with(namespace, &name, &page(number), more));
    }
    world.apply(&manifests.join("---\n")).await?;
    all_ready(&world).await?;
    quiet(&operator).await?;
    operator.stop().await;

    let mut parts = vec![Part::backed_up(&world, ApiResource::erase::<AssetClaim>(&()), &world.claims).await?];
    parts.push(Part::backed_up(&world, ApiResource::erase::<MetaApp>(&()), &world.platform).await?);
    for namespace in world.scopes() {
        parts.push(Part::backed_up(&world, ApiResource::erase::<Secret>(&()), &namespace).await?);
        parts.push(Part::backed_up(&world, ApiResource::erase::<FacebookChannel>(&()), &namespace).await?);
    }
    let count = std::env::var("RESTORES").ok().and_then(|count| count.parse().ok()).unwrap_or(RESTORES);
    for number in 0..count {
        let story = if number == 0 { Story::worst(&parts) } else { Story::of(number, &parts) };
        try_join_all(parts.iter().map(|part| part.lose(&world))).await?;
        world.sandbox.clear_ledger();
        restored(&world, &parts, &story).await.with_context(|| format!("restore {number}: {story:?}"))?;
    }
    Ok(())
}

fn namespace(world: &World, number: usize) -> &str {
    if number.is_multiple_of(2) { &world.tenant_a } else { &world.tenant_b }
}

async fn restored(world: &World, parts: &[Part], story: &Story) -> Result<()> {
    let mut operator = None;
    for (at, part) in story.order.iter().map(|part| &parts[*part]).enumerate() {
        if at == story.start {
            operator = Some(world.operator());
        }
        world.advance(story.pauses[at]);
        // Whoever looks meanwhile has looked.
        if let Some(operator) = &operator {
            quiet(operator).await?;
        }
        if story.claims || !part.is_claims() {
            part.restore(world, story).await?;
        }
    }
    let operator = operator.unwrap_or_else(|| world.operator());
    all_ready(world).await?;
    quiet(&operator).await?;
    world.advance(2);
    quiet(&operator).await?;
    all_ready(world).await?;
    ensure!(unsubscriptions(world) == 0, "{} pages were cut off", unsubscriptions(world));
    let pages = world.sandbox.state().pages;
    for number in 0..CHANNELS {
        ensure!(pages[&page(number)].subscriptions.contains_key(APP_ID), "page {number} is not subscribed");
        let claim = world.claims().get(&format!("facebook-page-{}", page(number))).await?;
        let channel = world.channels(namespace(world, number)).get(&format!("channel-{number}")).await?;
        ensure!(Some(&claim.spec.holder.uid) == channel.metadata.uid.as_ref(), "{:?}", claim.spec);
    }
    operator.stop().await;
    Ok(())
}

/// Waits until everything is ready, and known to be so as it is now.
async fn all_ready(world: &World) -> Result<()> {
    world.app_is(&["Ready=True", "!Stalled"]).await?;
    wait_for("every channel to be ready", PATIENCE, async || {
        for namespace in [&world.tenant_a, &world.tenant_b] {
            let channels = world.channels(namespace).list(&ListParams::default()).await?.items;
            ensure!(channels.len() == CHANNELS / 2, "{}", channels.len());
            for channel in channels {
                let status = channel.status.as_ref().context("no status")?;
                ensure!(Some(status.observed_generation) == channel.metadata.generation);
                missing_in(&channel, &["Ready=True/ReconcileSucceeded", "Claimed=True/ClaimHeld"])?;
                if channel.spec.publish_token {
                    missing_in(&channel, &["TokenPublished=True"])?;
                }
            }
        }
        Ok(())
    })
    .await
}

fn missing_in(channel: &FacebookChannel, expected: &[&str]) -> Result<()> {
    let conditions = &channel.status.as_ref().context("no status")?.conditions;
    env::missing(conditions, expected).with_context(|| channel.name_any())
}
