//! Reports each object beyond the limit of its namespace in the object's own status, in addition to what the status said
//! before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::core::{ApiResource, DynamicObject};

use super::kinds::Kinds;
use super::misfits;
use super::registered::AnyKind;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::controller::context::Context;

/// How long to wait between two of them: there may be thousands, and nobody waits for it.
const PACE: Duration = Duration::from_millis(200);

/// How long to wait before what could not be told is tried again.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells of each of them until the shutdown, and in the log of each namespace that has too many.
pub(super) async fn run(kinds: Arc<Kinds>) {
    let ctx = &kinds.ctx;
    let (mut logged, mut is_left) = (BTreeSet::new(), false);
    loop {
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = ctx.cluster.surplus.news() => {}
            () = tokio::time::sleep(PAUSE), if is_left => {}
        }
        logged = log(ctx, &logged);
        let mut left = Vec::new();
        loop {
            let untold: Vec<_> = kinds.declared.iter().flat_map(|kind| untold(ctx, &**kind)).collect();
            if untold.is_empty() {
                break;
            }
            for (kind, key) in untold {
                if let Err(failure) = tell(ctx, kind, &key).await {
                    tracing::warn!(kind = kind.name().as_str(), object = %key, %failure, "the status of an object beyond the limit could not be written");
                    left.push((kind, key));
                }
                if ctx.read(tokio::time::sleep(PACE)).await.is_err() {
                    return;
                }
            }
        }
        is_left = !left.is_empty();
        left.iter().for_each(|(kind, key)| ctx.cluster.surplus.leave_untold(kind.name().as_str(), key));
    }
}

fn untold<'a>(ctx: &Context, kind: &'a dyn AnyKind) -> impl Iterator<Item = (&'a dyn AnyKind, Key)> + use<'a> {
    ctx.cluster.surplus.take_untold(kind.name().as_str()).into_iter().map(move |key| (kind, key))
}

/// Says of which namespaces it is news that they have too many. Those that do.
fn log(ctx: &Context, logged: &BTreeSet<(&'static str, String)>) -> BTreeSet<(&'static str, String)> {
    let mut counts = ctx.cluster.surplus.counts();
    counts.retain(|(_, namespace, _)| ctx.cluster.is_ours(namespace));
    for (kind, namespace, surplus) in &counts {
        if !logged.contains(&(*kind, namespace.clone())) {
            tracing::warn!(
                kind,
                namespace,
                surplus,
                most = ctx.cluster.surplus.most(),
                "a namespace has more objects than --max-objects-per-namespace; the operator does nothing for the newest"
            );
        }
    }
    counts.into_iter().map(|(kind, namespace, _)| (kind, namespace)).collect()
}

async fn tell(ctx: &Context, kind: &dyn AnyKind, key: &Key) -> Result<(), Failure> {
    // Of a namespace that is not ours it is told once it is.
    if !ctx.cluster.is_ours(&key.namespace) {
        return Ok(());
    }
    let resource = kind.resource();
    let Some(object) = misfits::read(ctx, &resource, key).await? else { return Ok(()) };
    // It may have got a place meanwhile.
    if !ctx.cluster.is_surplus(kind.name(), key, object.metadata.uid.as_deref().unwrap_or_default()) {
        return Ok(());
    }
    misfits::say(ctx, kind, &object, &finding(&resource, key, &object, ctx.cluster.surplus.most())).await
}

fn finding(resource: &ApiResource, key: &Key, object: &DynamicObject, most: usize) -> Finding {
    let (namespace, ApiResource { kind, plural, .. }) = (&key.namespace, resource);
    Finding {
        status: Status::False,
        reason: Reason::TooManyObjects,
        seen: format!(
            "Namespace {namespace} has more than {most} objects of kind {kind}, and this is not among the {most} that are managed. The operator does nothing for it; it keeps what it holds, and its other conditions are from before."
        ),
        next_step: format!(
            "The maintainer of namespace {namespace} must delete {plural} that nobody needs, and the oldest one waiting gets its turn automatically; or have the maintainer of the release raise --max-objects-per-namespace."
        ),
        words: None,
        observed_generation: object.metadata.generation.unwrap_or_default(),
    }
}
