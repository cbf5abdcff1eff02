//! Reports each object that cannot be decoded in the object's own status, in addition to what the status said before, which
//! nobody here can judge.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::kinds::Kinds;
use super::registered::AnyKind;
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::base::key::{Key, KindName};
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::events::on_transition;
use crate::cluster::status::{StatusOf, conditions, with_ready};
use crate::controller::context::Context;

/// How long to wait before what could not be told is tried again.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells of each of them until the shutdown.
pub(super) async fn run(kinds: Arc<Kinds>) {
    let ctx = &kinds.ctx;
    // With what was said last of why they could not be told.
    let mut left: HashMap<(KindName, Key), Option<String>> = HashMap::new();
    loop {
        let more = !left.is_empty();
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = ctx.cluster.undecodable.news() => {}
            true = ctx.rest(PAUSE), if more => {}
        }
        for name in ctx.cluster.undecodable.take_untold() {
            left.entry(name).or_default();
        }
        for ((kind, key), said) in std::mem::take(&mut left) {
            // Nobody declares a claim: who needs it says that it cannot be read.
            let Some(of) = kinds.declared.iter().find(|of| of.name() == kind) else { continue };
            let told = tell(ctx, &**of, &key).await;
            if let Err(failure) = told.map_err(|failure| failure.to_string()) {
                if said.as_ref() != Some(&failure) {
                    tracing::warn!(kind = kind.as_str(), object = %key, failure, "the status of an object that cannot be decoded could not be written");
                }
                left.insert((kind, key), Some(failure));
            }
        }
    }
}

async fn tell(ctx: &Context, kind: &dyn AnyKind, key: &Key) -> Result<(), Failure> {
    if !ctx.cluster.undecodable.holds(kind.name(), key) || !ctx.cluster.is_ours(&key.namespace) {
        return Ok(());
    }
    let resource = kind.resource();
    let Some(object) = read(ctx, &resource, key).await? else { return Ok(()) };
    let Some(field) = kind.unreadable(&object) else { return Ok(()) };
    let generation = object.metadata.generation.unwrap_or_default();
    say(ctx, kind, &object, &finding(&resource, key, &field, generation)).await
}

fn api(ctx: &Context, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(ctx.cluster.client.clone(), namespace, resource)
}

/// An object as it is stored.
pub(super) async fn read(ctx: &Context, resource: &ApiResource, key: &Key) -> Result<Option<DynamicObject>, Failure> {
    // Listing is what the operator may do anyway.
    let named = ListParams::default().fields(&format!("metadata.name={}", key.name));
    Ok(kubernetes("reading an object", api(ctx, resource, &key.namespace).list(&named)).await?.items.pop())
}

/// Says in the status of an object why nothing is done for it, unless it says so.
pub(super) async fn say(
    ctx: &Context,
    kind: &dyn AnyKind,
    object: &DynamicObject,
    finding: &Finding,
) -> Result<(), Failure> {
    let resource = kind.resource();
    let api = api(ctx, &resource, &object.namespace().unwrap_or_default());
    let before = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    let status = with_ready(&before, finding, ctx.clock.now());
    if status == before {
        return Ok(());
    }
    let (metrics, kind) = (&ctx.metrics, kind.name().as_str());
    StatusOf { metrics, kind, api, object }.write(&status).await?;
    for note in on_transition(&conditions(&before), finding, "") {
        ctx.cluster.events.publish_about(&object.object_ref(&resource), &note).await;
    }
    Ok(())
}

fn finding(resource: &ApiResource, key: &Key, field: &str, generation: i64) -> Finding {
    let ApiResource { kind, plural, .. } = resource;
    let next_step = if field.starts_with("status") {
        format!(
            "The maintainer of this object must have its status rewritten: kubectl -n {} patch {plural} {} --subresource=status --type=merge -p '{{\"status\":null}}'.",
            key.namespace, key.name
        )
    } else {
        format!(
            "The maintainer of this object must apply it again in the form of the installed version of {kind}, see kubectl explain {plural}.{}.",
            field.split('[').next().unwrap_or(field)
        )
    };
    Finding {
        status: Status::False,
        reason: Reason::InvalidObject,
        seen: format!(
            "The operator cannot read {field} of this object, which another version of {kind} wrote. The operator does nothing for the object; it keeps what it holds, and its other conditions are from before."
        ),
        next_step,
        words: None,
        observed_generation: generation,
    }
}
