//! People, system users and the businesses they belong to.

use crate::id::Id;
use crate::seed::VerificationStatus;

/// A person or a system user.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) kind: ActorKind,
}

/// Which of the two it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActorKind {
    Person,
    SystemUser {
        /// Where it belongs; a seed may leave it open.
        business: Option<Id>,
    },
}

/// A business portfolio.
#[derive(Clone, Debug)]
pub(crate) struct Business {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) verification_status: VerificationStatus,
}
