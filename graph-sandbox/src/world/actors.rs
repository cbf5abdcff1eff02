//! People, system users and the businesses they belong to.

use crate::id::Id;
use crate::seed::VerificationStatus;

/// A person or a system user.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) kind: ActorKind,
    pub(crate) trouble: Trouble,
}

/// What keeps a person's tokens from working until the person does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The person must follow instructions at Meta's own site.
    pub(crate) checkpoint: bool,
    /// The person has not confirmed the account.
    pub(crate) unconfirmed: bool,
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
