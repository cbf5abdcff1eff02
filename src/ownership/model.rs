//! An asset, the object that wants to hold it, and the meaning of its claim for that object.

use jiff::{Timestamp, Unit};

use super::blocked::ClaimsBlocked;
use crate::api::references::NamespacedName;
use crate::api::{AssetClaim, AssetClaimSpec, AssetKind, ClaimHolder, ClaimProof, DeletionPolicy, ProofMethod};

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
    Elsewhere { namespace: String },
    /// Another namespace holds it and gives it to the object's, so that it may be taken.
    Offered {
        /// That other namespace.
        namespace: String,
    },
    /// Claims cannot be read or made.
    Unavailable(ClaimsBlocked),
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
pub struct ClaimObservation {
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
    pub app_id: String,
    /// Its MetaApp, if that is known.
    pub app_ref: Option<NamespacedName>,
    /// Webhook fields that the asset was subscribed to through it.
    pub fields: Vec<String>,
}
