//! Objects that are being deleted but stay for now because someone put a finalizer on them. The operator creates nothing more
//! for them, at Meta or in the cluster; what they have stays until they are gone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::Reason;
use crate::api::conditions::{Finding, Status};
use crate::limits::answer::listed;

/// Whether an object is being deleted.
pub const fn is_begun(object: &ObjectMeta) -> bool {
    object.deletion_timestamp.is_some()
}

/// What is found when something is not as declared and the object is being deleted.
pub fn being_deleted(defect: Finding, object: &ObjectMeta) -> Finding {
    let finalizers = object.finalizers.as_deref().unwrap_or_default();
    let seen = format!("{} The object is being deleted, so the operator creates nothing more for it.", defect.seen);
    let next_step = format!(
        "The owner of the finalizers {} on the object must have them removed; then it is gone.",
        listed(finalizers)
    );
    Finding { status: Status::False, reason: Reason::BeingDeleted, seen, next_step, ..defect }
}
