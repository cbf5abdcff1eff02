//! Who holds an asset, from the point of view of one object, and whether its own claim says what it should.

use jiff::{Timestamp, Unit};
use kube::{Api, ResourceExt};

use super::fence::stored;
use super::obstacle::Obstacle;
use super::state::Ownership;
use super::unavailable::Unavailable;
use crate::api::references::NamespacedName;
use crate::api::{AssetClaim, AssetClaimSpec, AssetKind, ClaimHolder, ClaimProof, DeletionPolicy, ProofMethod};
use crate::base::key::Key;
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::write_refused::is_missing_right;

/// What was seen of a claim, from the point of view of one object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClaimSeen {
    /// Nobody holds the asset.
    Free,
    /// The object holds it.
    Ours {
        /// UID of the claim.
        uid: String,
    },
    /// The object's namespace holds it for an object that is gone, so that it may be adopted.
    Orphaned {
        /// UID of that object.
        of: String,
    },
    /// It may be had, but the object that held it is gone, and it is being cleaned up after that one at this moment.
    Releasing,
    /// Another living object of the namespace holds it.
    Duplicate {
        /// Name of that object.
        name: String,
    },
    /// Another namespace holds it.
    Elsewhere {
        /// That namespace.
        namespace: String,
    },
    /// Another namespace holds it and gives it to the object's, so that it may be taken.
    Offered {
        /// That other namespace.
        namespace: String,
    },
    /// Claims cannot be read or made.
    Unavailable(Unavailable),
}

/// Whether a claim says what it should.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Record {
    /// It does, or it is not the object's own.
    #[default]
    Current,
    /// It does not: the deletion policy changed, or to whom the asset is given, or how it is used.
    Outdated,
    /// It gives the asset away, and should not. Nothing is written at Meta before that is withdrawn.
    GivenAway,
    /// It does, but for the application: that may be changed only by who proved the asset anew.
    OtherApp,
}

/// To whom a claim is given away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Offer {
    /// To nobody.
    #[default]
    None,
    /// To this namespace, if that was said already.
    Kept(String),
    /// To this namespace.
    To(String),
}

impl Offer {
    /// What the claim says of it after it said this.
    pub fn after(&self, before: Option<&String>) -> Option<String> {
        match self {
            Self::None => None,
            Self::Kept(namespace) => before.filter(|before| *before == namespace).cloned(),
            Self::To(namespace) => Some(namespace.clone()),
        }
    }
}

/// An asset and who wants to hold it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Kind of the asset.
    pub kind: AssetKind,
    /// Id of the asset.
    pub id: String,
    /// Application through which it is used; empty if it is not known.
    pub app_id: String,
    /// MetaApp through which it is used; `None` if it is not known.
    pub app_ref: Option<NamespacedName>,
    /// Webhook fields that it is subscribed to; `None` if they are not known.
    pub fields: Option<Vec<String>>,
    /// What becomes of it when the holder is deleted.
    pub deletion_policy: DeletionPolicy,
    /// To whom it is given away.
    pub offer: Offer,
    /// Whether nothing is left of its use through the application that the claim names, if that is another one.
    pub former_ended: bool,
    /// Who wants to hold it.
    pub holder: ClaimHolder,
}

impl Wanted {
    /// Name of the claim.
    pub fn claim_name(&self) -> String {
        match self.kind {
            AssetKind::FacebookPage => AssetClaim::page_name(&self.id),
            AssetKind::MetaApp => AssetClaim::app_name(&self.id),
        }
    }

    pub(super) fn claim(&self, proof: ProofMethod, now: Timestamp) -> AssetClaim {
        AssetClaim::new(
            &self.claim_name(),
            AssetClaimSpec {
                asset_kind: self.kind,
                asset_id: self.id.clone(),
                app_id: self.app_id.clone(),
                app_ref: self.app_ref.clone(),
                subscribed_fields: self.fields.clone().unwrap_or_default(),
                deletion_policy: self.deletion_policy,
                holder: self.holder.clone(),
                transfer_to: None,
                proof: ClaimProof { method: proof, proven_at: now.round(Unit::Second).unwrap_or(now) },
            },
        )
    }
}

/// A claim from the point of view of one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// Who holds it.
    pub claim: ClaimSeen,
    /// Whether it says what it should, if it is the object's own.
    pub record: Record,
    /// Another application through which the asset was used before and still is, if the claim is the object's own.
    pub former: Option<FormerApp>,
}

/// An application through which an asset was used before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormerApp {
    /// Its id.
    pub app_id: String,
    /// Its MetaApp, if that is known.
    pub app_ref: Option<NamespacedName>,
    /// Webhook fields that the asset was subscribed to through it.
    pub fields: Vec<String>,
}

/// Looks who holds an asset, and whether the claim, if it is the object's own, says what it should. `lives` says whether
/// another object of the same namespace still exists.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    ownership: &Ownership,
    wanted: &Wanted,
    lives: impl Fn(&ClaimHolder) -> bool,
) -> Result<Look, Failure> {
    let name = wanted.claim_name();
    // The store may lag behind what was just created; only a claim that seems to be missing, or to be outdated, is worth a request.
    let found = match stored(ownership, &name) {
        Some(claim) => Ok(Some((*claim).clone())),
        None => ownership.ctx.read(answered(ownership, "reading a claim", api(ownership).get_opt(&name))).await??,
    };
    Ok(match found {
        Ok(Some(claim)) => looked(&claim, wanted, lives),
        Ok(None) => Look { claim: ClaimSeen::Free, record: Record::Current, former: None },
        Err(why) => Look { claim: ClaimSeen::Unavailable(why), record: Record::Current, former: None },
    })
}

/// Whether the claim says what it should after more was learned, if it is the object's own and the watch has brought it.
pub fn look_again(ownership: &Ownership, wanted: &Wanted) -> Option<Record> {
    let claim = stored(ownership, &wanted.claim_name())?;
    (claim.spec.holder.uid == wanted.holder.uid).then(|| recorded(&claim.spec, wanted))
}

fn looked(claim: &AssetClaim, wanted: &Wanted, lives: impl Fn(&ClaimHolder) -> bool) -> Look {
    let (seen, spec) = (judge(claim, &wanted.holder, lives), &claim.spec);
    if !matches!(seen, ClaimSeen::Ours { .. }) {
        return Look { claim: seen, record: Record::Current, former: None };
    }
    let other = !wanted.app_id.is_empty() && is_used_through_another(spec, &wanted.app_id) && !wanted.former_ended;
    let former = other.then(|| FormerApp {
        app_id: spec.app_id.clone(),
        app_ref: spec.app_ref.clone(),
        fields: spec.subscribed_fields.clone(),
    });
    Look { claim: seen, record: recorded(spec, wanted), former }
}

/// The MetaApp through which a holder used its page, as its claim remembers it.
pub fn app_of(ownership: &Ownership, page_id: &str, holder_uid: &str) -> Option<Key> {
    let claim =
        stored(ownership, &AssetClaim::page_name(page_id)).filter(|claim| claim.spec.holder.uid == holder_uid)?;
    claim.spec.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
}

/// What a claim is for somebody who wants to hold the asset.
pub(super) fn judge(claim: &AssetClaim, wanted: &ClaimHolder, lives: impl Fn(&ClaimHolder) -> bool) -> ClaimSeen {
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

fn recorded(spec: &AssetClaimSpec, wanted: &Wanted) -> Record {
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

/// Waits for a read of claims. That their namespace is missing or closed is an answer too.
async fn answered<T>(
    ownership: &Ownership,
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, Unavailable>, Failure> {
    let answer = async {
        match request.await {
            Err(kube::Error::Api(status)) if status.code == 404 || is_missing_right(&status) => {
                let namespace = ownership.ctx.policy.claims_namespace.clone();
                let obstacle = if status.code == 404 { Obstacle::NoNamespace } else { Obstacle::Forbidden };
                Ok(Err(Unavailable { namespace, obstacle }))
            }
            answer => answer.map(Ok),
        }
    };
    kubernetes(what, answer).await
}

/// The API of the claims.
pub fn api(ownership: &Ownership) -> Api<AssetClaim> {
    Api::namespaced(ownership.ctx.cluster.client.clone(), &ownership.ctx.policy.claims_namespace)
}

#[cfg(test)]
pub(super) mod tests;
