//! Tells in its own status of each object that cannot be decoded, beside what the status said before, which nobody here can
//! judge.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::conditions::{Finding, Status};
use crate::api::{FacebookChannel, MetaApp, MetaGrant, Reason};
use crate::base::key::{Key, KindName};
use crate::base::redact::redact;
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::events::on_transition;
use crate::cluster::status::{StatusOf, conditions, with_ready};
use crate::controller::context::Context;

/// How long to wait before what could not be told is tried again.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells of each of them until the shutdown.
pub(super) async fn run(ctx: Arc<Context>) {
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
            let told = match kind {
                KindName::MetaApp => tell::<MetaApp>(&ctx, kind, &key).await,
                KindName::MetaGrant => tell::<MetaGrant>(&ctx, kind, &key).await,
                KindName::FacebookChannel => tell::<FacebookChannel>(&ctx, kind, &key).await,
                // Nobody declares a claim: who needs it says that it cannot be read.
                KindName::AssetClaim => Ok(()),
            };
            if let Err(failure) = told.map_err(|failure| failure.to_string()) {
                if said.as_ref() != Some(&failure) {
                    tracing::warn!(kind = kind.as_str(), object = %key, failure, "an object that cannot be decoded could not be told so");
                }
                left.insert((kind, key), Some(failure));
            }
        }
    }
}

async fn tell<K>(ctx: &Context, kind: KindName, key: &Key) -> Result<(), Failure>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    if !ctx.cluster.undecodable.holds(kind, key) || !ctx.cluster.is_ours(&key.namespace) {
        return Ok(());
    }
    let Some(object) = read::<K>(ctx, key).await? else { return Ok(()) };
    let Some(field) = unreadable::<K>(&object) else { return Ok(()) };
    let generation = object.metadata.generation.unwrap_or_default();
    let finding = finding(&ApiResource::erase::<K>(&()), key, &field, generation);
    say::<K>(ctx, kind, &object, &finding).await
}

fn api<K: Resource<DynamicType = ()>>(ctx: &Context, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(ctx.cluster.client.clone(), namespace, &ApiResource::erase::<K>(&()))
}

/// An object as it is stored.
pub(super) async fn read<K: Resource<DynamicType = ()>>(
    ctx: &Context,
    key: &Key,
) -> Result<Option<DynamicObject>, Failure> {
    // Listing is what the operator may do anyway.
    let named = ListParams::default().fields(&format!("metadata.name={}", key.name));
    Ok(kubernetes("reading an object", api::<K>(ctx, &key.namespace).list(&named)).await?.items.pop())
}

/// Says in the status of an object why nothing is done for it, unless it says so.
pub(super) async fn say<K: Resource<DynamicType = ()>>(
    ctx: &Context,
    kind: KindName,
    object: &DynamicObject,
    finding: &Finding,
) -> Result<(), Failure> {
    let (resource, api) = (ApiResource::erase::<K>(&()), api::<K>(ctx, &object.namespace().unwrap_or_default()));
    let before = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    let status = with_ready(&before, finding, ctx.clock.now());
    if status == before {
        return Ok(());
    }
    let (metrics, kind) = (&ctx.metrics, kind.as_str());
    StatusOf { metrics, kind, api, object }.write(&status).await?;
    for note in on_transition(&conditions(&before), finding, "") {
        ctx.cluster.events.publish_about(&object.object_ref(&resource), &note).await;
    }
    Ok(())
}

/// The field that cannot be read. What serde says about it quotes the value, so only the place is told.
fn unreadable<K: DeserializeOwned>(object: &DynamicObject) -> Option<String> {
    let value = serde_json::to_value(object).ok()?;
    let error = serde_path_to_error::deserialize::<_, K>(value).err()?;
    Some(redact(&error.path().to_string(), &[]))
}

fn finding(resource: &ApiResource, key: &Key, field: &str, generation: i64) -> Finding {
    let ApiResource { kind, plural, .. } = resource;
    let next_step = if field.starts_with("status") {
        format!(
            "The maintainer of this object must have its status written anew: kubectl -n {} patch {plural} {} --subresource=status --type=merge -p '{{\"status\":null}}'.",
            key.namespace, key.name
        )
    } else {
        format!(
            "The maintainer of this object must apply it again as the installed version of {kind} has it, see kubectl explain {plural}.{}.",
            field.split('[').next().unwrap_or(field)
        )
    };
    Finding {
        status: Status::False,
        reason: Reason::InvalidObject,
        seen: format!(
            "The operator cannot read {field} of this object, which another version of {kind} left like this; nothing is done for it, what it holds stays its own, and its other conditions are from before."
        ),
        next_step,
        words: None,
        observed_generation: generation,
    }
}
