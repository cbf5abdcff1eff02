//! Why a write at Meta was not sent.

/// Why a write at Meta was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Withheld {
    /// The claim is not what was decided by.
    #[error("the claim, read anew, is not the object's any more, or given away")]
    Claim,
    /// What the claim says could not be found out in time.
    #[error("the claim could not be read anew in time")]
    Unanswered,
    /// Someone else may lead by now.
    #[error("the Lease was not renewed lately, so that another replica may lead")]
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
