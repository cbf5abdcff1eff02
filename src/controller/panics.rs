//! A panic in the work on one object is that object's failure, and no other object's.
//!
//! It is a bug of the operator. The hook of the process logs where it happened, without its message, which may quote a value.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use kube::Resource;
use serde_json::json;

use super::foreign_status;
use super::reconciler::{Reconciler, status_of};
use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::base::ids::Uid;
use crate::base::key::{Key, version};
use crate::cluster::status::{conditions, with_ready};

/// The work to its end; `None` if it panicked. What it held is as it left it: locks of ours are not poisoned by it, and what
/// it had not reported is found again.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Says in the status of an object that its pass panicked. What it said otherwise stays.
pub(super) async fn tell<K: Reconciler>(kind: &K, object: &K::Object) {
    let ctx = kind.ctx();
    let key = Key::of(object);
    let generation = object.meta().generation.unwrap_or_default();
    let finding = Finding {
        status: Status::Unknown,
        reason: Reason::InternalError,
        seen: "The operator failed on this object because of its own bug; everything else in this status is from before.".to_owned(),
        next_step: "The operator tries again at its regular times, and at once after a change or a request. The maintainer of the operator must report the line \"panicked\" of its log.".to_owned(),
        words: None,
        observed_generation: generation,
    };
    let before = K::status(object).and_then(|status| serde_json::to_value(status).ok()).unwrap_or_else(|| json!({}));
    let is_told = conditions(&before)
        .iter()
        .any(|it| it.reason == finding.reason.as_str() && it.observed_generation == Some(generation));
    if is_told || !ctx.cluster.is_ours(&key.namespace) {
        return;
    }
    let status = with_ready(&before, &finding, ctx.clock.now());
    match status_of::<K>(ctx, object).write(&status).await {
        Ok(written) => {
            foreign_status::is_ours(kind, &key, &Uid::of(object), version(written.meta()), true);
        }
        Err(failure) => {
            tracing::warn!(kind = K::NAME.as_str(), object = %key, %failure, "a panic could not be reported")
        }
    }
}
