//! Obstacles that keep the operator from claims, and who must remove them.

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

use crate::api::Reason;

/// Why claims cannot be taken or changed.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum BlockedBy {
    /// Their namespace does not exist.
    NoNamespace,
    /// The operator has no rights there.
    Forbidden,
    /// The API server would let anybody write claims for any namespace.
    Unguarded,
    /// The API server refuses them for another reason.
    Refused {
        /// What was seen.
        seen: String,
        /// Who must do what.
        next_step: String,
    },
    /// The API server has not said yet whether it would.
    #[default]
    Unproven,
}

/// Why claims cannot be read or made.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ClaimsBlocked {
    /// Namespace of the claims.
    pub namespace: String,
    /// What is in the way.
    pub by: BlockedBy,
}

impl ClaimsBlocked {
    /// What was seen.
    pub fn seen(&self) -> String {
        let namespace = &self.namespace;
        match &self.by {
            BlockedBy::Refused { seen, .. } => seen.clone(),
            BlockedBy::Forbidden => format!("The operator may not use AssetClaims in namespace {namespace}."),
            BlockedBy::NoNamespace => format!("Namespace {namespace}, the namespace for AssetClaims, does not exist."),
            BlockedBy::Unguarded => format!(
                "In namespace {namespace} the API server lets any release claim pages for any other, so the operator claims none."
            ),
            BlockedBy::Unproven => format!(
                "The API server has not said yet whether it protects claims in namespace {namespace} from other releases."
            ),
        }
    }

    /// Who must do what.
    pub fn next_step(&self) -> String {
        let namespace = &self.namespace;
        match &self.by {
            BlockedBy::Refused { next_step, .. } => next_step.clone(),
            BlockedBy::Forbidden => format!(
                "A cluster administrator must give the operator's ServiceAccount its Role on assetclaims in namespace {namespace}, as chart meta-channel-operator does; the operator tries again on its own."
            ),
            BlockedBy::NoNamespace => format!(
                "A cluster administrator must install chart meta-channel-operator-admin or run: kubectl create namespace {namespace}. The operator tries again on its own."
            ),
            BlockedBy::Unguarded => format!(
                "A cluster administrator must install chart meta-channel-operator-admin with policies.enabled and claimsNamespace.name {namespace}, or config/admission. The operator tries again on its own."
            ),
            BlockedBy::Unproven => "The operator asks again on its own.".to_owned(),
        }
    }

    /// The reason that conditions give.
    pub const fn reason(&self) -> Reason {
        match self.by {
            BlockedBy::NoNamespace | BlockedBy::Forbidden | BlockedBy::Refused { .. } | BlockedBy::Unproven => {
                Reason::ClaimsUnavailable
            }
            BlockedBy::Unguarded => Reason::ClaimPolicyMissing,
        }
    }
}

/// What is known of the protection of claims.
#[derive(Debug)]
pub struct AdmissionCheck {
    /// What keeps the operator from writing claims, as far as it is about all of them.
    blocked_by: RwLock<Option<BlockedBy>>,
    /// When the API server said so.
    asked_at: Mutex<Option<Timestamp>>,
}

impl Default for AdmissionCheck {
    fn default() -> Self {
        Self { blocked_by: RwLock::new(Some(BlockedBy::default())), asked_at: Mutex::default() }
    }
}

impl AdmissionCheck {
    /// What keeps the operator from writing claims, as far as is known.
    pub fn blocked_by(&self) -> Option<BlockedBy> {
        self.blocked_by.read().clone()
    }

    /// Takes note of what was found, and says what was known before.
    pub fn note(&self, found: Option<BlockedBy>) -> Option<BlockedBy> {
        std::mem::replace(&mut *self.blocked_by.write(), found)
    }

    /// When the API server was asked last. Who asks holds it meanwhile, so that one asks at a time.
    pub async fn turn(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.asked_at.lock().await
    }
}
