//! Why a write at Meta was not sent.

/// Why a write at Meta was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Withheld {
    /// The claim is not what was decided by.
    #[error("a fresh read shows that the claim no longer belongs to the object, or was given away")]
    Claim,
    /// What the claim says could not be found out in time.
    #[error("the claim could not be read again in time")]
    Unanswered,
    /// Someone else may lead by now.
    #[error("the Lease was not renewed lately, so another replica may be the leader")]
    Lease,
}

impl Withheld {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claim, Self::Unanswered, Self::Lease];

    /// The reason as it stands in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Unanswered => "unanswered",
            Self::Lease => "lease",
        }
    }
}
