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

async fn claim_is(env: &Env, state: ClaimState, reason: &str) -> Result<AssetClaim> {
    wait_for(&format!("the claim to be {}", state.as_str()), PATIENCE, async || {
        let claim = env.claims().get(CLAIM).await?;
        let conditions = claim.status.as_ref().context("no status")?.conditions.clone();
        ensure!(claim.state() == state, "{:?}", claim.status);
        ensure!(conditions.iter().any(|it| it.type_ == "Ready" && it.reason == reason), "{conditions:?}");
        Ok(claim)
    })
    .await
}

fn unsubscriptions(env: &Env) -> usize {
    env.requests("DELETE", PAGE_ROWS).len()
}

/// A connected channel that was deleted while no operator ran, and a new operator.
async fn missing(env: &Env) -> Result<Running> {
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    operator.stop().await;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    Ok(env.operator())
}

async fn annotate(env: &Env, value: Option<&str>) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { "metachannels.io/cleanup": value } } });
    env.claims().patch(CLAIM, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_nobody_saw_go_is_waited_for_a_day() -> Result<()> {
    let env = Env::new().await?;
    let operator = missing(&env).await?;
    let claim = claim_is(&env, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    let since = claim.status.unwrap().awaited_since;
    env.advance(12 * 60);
    // The wait goes on in the next process.
    operator.stop().await;
    let operator = env.operator();
    env.advance(11 * 60 + 50);
    wait_for("a pass over the claim", PATIENCE, async || {
        ensure!(operator.passes("AssetClaim") > 0);
        Ok(())
    })
    .await?;
    quiet(&operator).await?;
    let claim = claim_is(&env, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    assert_eq!((claim.status.unwrap().awaited_since, unsubscriptions(&env)), (since, 0));
    env.advance(11);
    claim_is(&env, ClaimState::CleanupPending, "CleanupPending").await?;
    assert_eq!(unsubscriptions(&env), 0);
    env.advance(2);
    claim_is(&env, ClaimState::Tombstone, "Tombstone").await?;
    assert_eq!(unsubscriptions(&env), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_the_wait_for_a_channel_or_forbids_that_its_page_is_unsubscribed() -> Result<()> {
    let env = Env::new().await?;
    let operator = missing(&env).await?;
    claim_is(&env, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    annotate(&env, Some("never")).await?;
    claim_is(&env, ClaimState::AwaitingHolder, "CleanupForbidden").await?;
    env.advance(3 * 24 * 60);
    quiet(&operator).await?;
    claim_is(&env, ClaimState::AwaitingHolder, "CleanupForbidden").await?;
    assert_eq!(unsubscriptions(&env), 0);
    // It comes back, and what was said of the one before is not said of it.
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    let claim = claim_is(&env, ClaimState::Held, "ClaimHeld").await?;
    assert!(!claim.annotations().contains_key("metachannels.io/cleanup"));

    operator.stop().await;
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    let _operator = env.operator();
    claim_is(&env, ClaimState::AwaitingHolder, "AwaitingHolder").await?;
    annotate(&env, Some("now")).await?;
    claim_is(&env, ClaimState::CleanupPending, "CleanupPending").await?;
    env.advance(2);
    claim_is(&env, ClaimState::Tombstone, "Tombstone").await?;
    assert_eq!(unsubscriptions(&env), 1);
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
    let env = Env::on(plane, name, |_| ()).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_token(&env.tenant_a, "shop", TOKEN_A).await?;
    env.apply(&env.channel_manifest_with(&env.tenant_a, "shop", PAGE_A, "publishToken: true")).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    operator.stop().await;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    let published = secrets.get("facebookchannel-shop-page-token").await?;

    let directory = tempfile::tempdir()?;
    let run = async |script: &str| {
        let kubectl = env.kubectl();
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
    env.sandbox.clear_ledger();
    let kinds = "metaapps,metagrants,facebookchannels,assetclaims,secrets";
    run(&format!("for n in platform tenant-a meta-channels; do kubectl -n $n delete {kinds} --all; done")).await?;
    let operator = env.operator();
    run(restore).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "TokenPublished=True"]).await?;
    env.app_is(&["Ready=True"]).await?;
    quiet(&operator).await?;
    let again = secrets.get("facebookchannel-shop-page-token").await?;
    assert_eq!((again.data, again.type_), (published.data, published.type_));
    assert_eq!((unsubscriptions(&env), env.writes()), (0, vec![]));
    let (shown, _) = run(show).await?;
    assert!(shown.contains("shop") && shown.contains(PAGE_A), "{shown}");
    // Once more, over what is there: it is left alone.
    let version = env.claims().get(CLAIM).await?.resource_version();
    run(restore).await?;
    assert_eq!(env.claims().get(CLAIM).await?.resource_version(), version);
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
    fn api(&self, env: &Env) -> Api<DynamicObject> {
        Api::namespaced_with(env.client.clone(), &self.namespace, &self.kind)
    }

    fn is_claims(&self) -> bool {
        self.kind.kind == "AssetClaim"
    }

    /// As a backup keeps them: nothing that the API server gives.
    async fn backed_up(env: &Env, kind: ApiResource, namespace: &str) -> Result<Self> {
        let mut part = Self { kind, namespace: namespace.to_owned(), objects: Vec::new() };
        let of_ours = if part.kind.kind == "Secret" { "metachannels.io/purpose" } else { "" };
        part.objects = part.api(env).list(&ListParams::default().labels(of_ours)).await?.items;
        for object in &mut part.objects {
            let metadata = &mut object.metadata;
            (metadata.uid, metadata.resource_version, metadata.creation_timestamp) = (None, None, None);
            (metadata.generation, metadata.managed_fields) = (None, None);
        }
        Ok(part)
    }

    async fn lose(&self, env: &Env) -> Result<()> {
        let all = (DeleteParams::default(), ListParams::default());
        self.api(env).delete_collection(&all.0, &all.1).await?;
        Ok(())
    }

    async fn restore(&self, env: &Env, story: &Story) -> Result<()> {
        let api = self.api(env);
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
    let env = Env::seeded(|seed| add_pages(seed, CHANNELS)).await?;
    let operator = env.operator();
    env.put_app().await?;
    let mut manifests = Vec::new();
    for number in 0..CHANNELS {
        let (namespace, name) = (namespace(&env, number), format!("channel-{number}"));
        env.put_token(namespace, &name, &text(&format!("page-{number}"))).await?;
        let more = if number.is_multiple_of(10) { "publishToken: true" } else { "deletionPolicy: Disconnect" };
        manifests.push(env.channel_manifest_with(namespace, &name, &page(number), more));
    }
    env.apply(&manifests.join("---\n")).await?;
    all_ready(&env).await?;
    quiet(&operator).await?;
    operator.stop().await;

    let mut parts = vec![Part::backed_up(&env, ApiResource::erase::<AssetClaim>(&()), &env.claims).await?];
    parts.push(Part::backed_up(&env, ApiResource::erase::<MetaApp>(&()), &env.platform).await?);
    for namespace in env.scopes() {
        parts.push(Part::backed_up(&env, ApiResource::erase::<Secret>(&()), &namespace).await?);
        parts.push(Part::backed_up(&env, ApiResource::erase::<FacebookChannel>(&()), &namespace).await?);
    }
    let count = std::env::var("RESTORES").ok().and_then(|count| count.parse().ok()).unwrap_or(RESTORES);
    for number in 0..count {
        let story = if number == 0 { Story::worst(&parts) } else { Story::of(number, &parts) };
        try_join_all(parts.iter().map(|part| part.lose(&env))).await?;
        env.sandbox.clear_ledger();
        restored(&env, &parts, &story).await.with_context(|| format!("restore {number}: {story:?}"))?;
    }
    Ok(())
}

fn namespace(env: &Env, number: usize) -> &str {
    if number.is_multiple_of(2) { &env.tenant_a } else { &env.tenant_b }
}

async fn restored(env: &Env, parts: &[Part], story: &Story) -> Result<()> {
    let mut operator = None;
    for (at, part) in story.order.iter().map(|part| &parts[*part]).enumerate() {
        if at == story.start {
            operator = Some(env.operator());
        }
        env.advance(story.pauses[at]);
        // Whoever looks meanwhile has looked.
        if let Some(operator) = &operator {
            quiet(operator).await?;
        }
        if story.claims || !part.is_claims() {
            part.restore(env, story).await?;
        }
    }
    let operator = operator.unwrap_or_else(|| env.operator());
    all_ready(env).await?;
    quiet(&operator).await?;
    env.advance(2);
    quiet(&operator).await?;
    all_ready(env).await?;
    ensure!(unsubscriptions(env) == 0, "{} pages were cut off", unsubscriptions(env));
    let pages = env.sandbox.state().pages;
    for number in 0..CHANNELS {
        ensure!(pages[&page(number)].subscriptions.contains_key(APP_ID), "page {number} is not subscribed");
        let claim = env.claims().get(&format!("facebook-page-{}", page(number))).await?;
        let channel = env.channels(namespace(env, number)).get(&format!("channel-{number}")).await?;
        ensure!(Some(&claim.spec.holder.uid) == channel.metadata.uid.as_ref(), "{:?}", claim.spec);
    }
    operator.stop().await;
    Ok(())
}

/// Waits until everything is ready, and known to be so as it is now.
async fn all_ready(env: &Env) -> Result<()> {
    env.app_is(&["Ready=True", "!Stalled"]).await?;
    wait_for("every channel to be ready", PATIENCE, async || {
        for namespace in [&env.tenant_a, &env.tenant_b] {
            let channels = env.channels(namespace).list(&ListParams::default()).await?.items;
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
