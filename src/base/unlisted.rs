//! Why the objects of a namespace cannot be listed.

/// Why something cannot be listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unlisted {
    /// It is not allowed.
    Forbidden,
    /// The API server does not know it.
    NotFound,
}

impl Unlisted {
    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
        }
    }
}
