//! Why claims are out of reach, and who brings them back.

use super::obstacle::Obstacle;
use super::proof;
use super::state::Ownership;
use crate::api::Reason;

/// Why claims cannot be read or made.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Unavailable {
    /// Namespace of the claims.
    pub namespace: String,
    /// What is in the way.
    pub obstacle: Obstacle,
}

impl Unavailable {
    /// What was seen.
    pub fn seen(&self) -> String {
        let namespace = &self.namespace;
        match &self.obstacle {
            Obstacle::Refused { seen, .. } => seen.clone(),
            Obstacle::Forbidden => format!("The operator may not use AssetClaims in namespace {namespace}."),
            Obstacle::NoNamespace => format!("Namespace {namespace}, where AssetClaims lie, does not exist."),
            Obstacle::Unguarded => format!(
                "In namespace {namespace} the API server lets any release claim pages for any other, so none is claimed."
            ),
            Obstacle::Unproven => format!(
                "The API server has not said yet whether it keeps other releases from claims in namespace {namespace}."
            ),
        }
    }

    /// Who must do what.
    pub fn next_step(&self) -> String {
        let namespace = &self.namespace;
        match &self.obstacle {
            Obstacle::Refused { next_step, .. } => next_step.clone(),
            Obstacle::Forbidden => format!(
                "A cluster administrator must give the operator's ServiceAccount its Role on assetclaims in namespace {namespace}, as chart meta-channel-operator does; the operator tries again by itself."
            ),
            Obstacle::NoNamespace => format!(
                "A cluster administrator must install chart meta-channel-operator-admin or run: kubectl create namespace {namespace}. The operator tries again by itself."
            ),
            Obstacle::Unguarded => format!(
                "A cluster administrator must install chart meta-channel-operator-admin with policies.enabled and claimsNamespace.name {namespace}, or config/admission. The operator tries again by itself."
            ),
            Obstacle::Unproven => "The operator asks again by itself.".to_owned(),
        }
    }

    /// The reason that conditions give.
    pub const fn reason(&self) -> Reason {
        match self.obstacle {
            Obstacle::NoNamespace | Obstacle::Forbidden | Obstacle::Refused { .. } | Obstacle::Unproven => {
                Reason::ClaimsUnavailable
            }
            Obstacle::Unguarded => Reason::ClaimsUnguarded,
        }
    }

    /// What keeps the operator from writing claims at all.
    pub(super) async fn at_present(ownership: &Ownership) -> Option<Self> {
        let obstacle = proof::obstacle(ownership).await?;
        Some(Self { namespace: ownership.ctx.policy.claims_namespace.clone(), obstacle })
    }
}
