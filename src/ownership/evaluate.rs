//! The meaning of a claim for someone who wants to hold its asset, and the content that the claim should have: functions of
//! values, with no client in sight.

use kube::ResourceExt;

use super::model::{ClaimObservation, ClaimSeen, FormerApp, Record, Wanted};
use crate::api::{AssetClaim, AssetClaimSpec, AssetKind, ClaimHolder};

pub(super) fn observed(claim: &AssetClaim, wanted: &Wanted, lives: impl Fn(&ClaimHolder) -> bool) -> ClaimObservation {
    let (seen, spec) = (evaluate(claim, &wanted.holder, lives), &claim.spec);
    if !matches!(seen, ClaimSeen::Ours { .. }) {
        return ClaimObservation { claim: seen, record: Record::Current, former: None };
    }
    let other = !wanted.app_id.is_empty() && is_used_through_another(spec, &wanted.app_id) && !wanted.former_ended;
    let former = other.then(|| FormerApp {
        app_id: spec.app_id.clone(),
        app_ref: spec.app_ref.clone(),
        fields: spec.subscribed_fields.clone(),
    });
    ClaimObservation { claim: seen, record: recorded(spec, wanted), former }
}

/// What a claim is for someone who wants to hold the asset.
pub(super) fn evaluate(claim: &AssetClaim, wanted: &ClaimHolder, lives: impl Fn(&ClaimHolder) -> bool) -> ClaimSeen {
    let (holder, releasing) = (&claim.spec.holder, claim.is_being_released());
    let namespace = holder.namespace.clone();
    if namespace != wanted.namespace {
        match claim.spec.transfer_to.as_ref() == Some(&wanted.namespace) {
            true if claim.spec.asset_kind != AssetKind::FacebookPage => ClaimSeen::Elsewhere { namespace },
            true if releasing => ClaimSeen::Releasing,
            true => ClaimSeen::Offered { namespace },
            false => ClaimSeen::Elsewhere { namespace },
        }
    } else if holder.uid == wanted.uid {
        ClaimSeen::Ours { uid: claim.uid().unwrap_or_default() }
    } else if lives(holder) {
        ClaimSeen::Duplicate { name: holder.name.clone() }
    } else if releasing {
        ClaimSeen::Releasing
    } else {
        ClaimSeen::Orphaned { of: holder.uid.clone() }
    }
}

pub(super) fn recorded(spec: &AssetClaimSpec, wanted: &Wanted) -> Record {
    let noted_now = noted(spec, wanted, false);
    if spec.transfer_to.is_some() && noted_now.transfer_to.is_none() {
        Record::GivenAway
    } else if noted_now != *spec {
        Record::Outdated
    } else if noted(spec, wanted, true) != *spec {
        Record::OtherApp
    } else {
        Record::Current
    }
}

/// Whether an asset is still used through another application than this.
pub(super) fn is_used_through_another(spec: &AssetClaimSpec, app_id: &str) -> bool {
    spec.app_id != app_id && !spec.subscribed_fields.is_empty()
}

/// What a holder's own claim has to say. Another application is named only by who proved the asset anew, and only once
/// nothing is left of the use through the one before: nobody else remembers that.
pub(super) fn noted(before: &AssetClaimSpec, wanted: &Wanted, proven: bool) -> AssetClaimSpec {
    let mut spec = before.clone();
    spec.deletion_policy = wanted.deletion_policy;
    spec.transfer_to = wanted.offer.after(before.transfer_to.as_ref());
    if wanted.app_id.is_empty() {
        return spec;
    }
    if spec.app_id != wanted.app_id && wanted.former_ended {
        spec.subscribed_fields.clear();
    }
    let another = spec.app_id != wanted.app_id;
    if another && (!proven || !spec.subscribed_fields.is_empty()) {
        return spec;
    }
    spec.app_id.clone_from(&wanted.app_id);
    if let Some(app_ref) = &wanted.app_ref {
        spec.app_ref = Some(app_ref.clone());
    }
    if let Some(fields) = &wanted.fields {
        spec.subscribed_fields.clone_from(fields);
    }
    spec
}

#[cfg(test)]
pub(super) mod tests;
