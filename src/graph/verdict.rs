//! The vocabulary of consequences: verdicts, and their reasons as conditions name them.

use std::time::Duration;

/// What an error means, by what has to happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was learned. Everything keeps its value.
    NoAnswer,
    /// Too many calls. Everything keeps its value.
    Throttled {
        /// How long, if Graph said so.
        until_hint: Option<Duration>,
        /// What must stay silent.
        scope: ThrottleScope,
    },
    /// The authorization ended; a person must authorize again.
    TokenEnded(EndReason),
    /// The token may live, but it does not reach the page or the call.
    AccessCut(CutReason),
    /// It looks like the app, but was said on behalf of a page: one call with the app token decides.
    AppSuspect,
    /// The app itself cannot be used.
    AppBroken(AppReason),
    /// The app has not been approved for this: evidence, no proof.
    ApprovalMissing(ApprovalReason),
    /// The page cannot be used.
    PageFault(PageReason),
    /// A sign of who controls conversations: evidence, no proof.
    Routing(RoutingSign),
    /// The callback did not answer Meta's challenge.
    CallbackFailed {
        /// Whether something answered, but not with the challenge.
        answered: bool,
    },
    /// The address that the login dialog sends people back to is not one of the app's, or not that of the dialog.
    RedirectUriRefused,
    /// This version of the API is over.
    VersionRetired,
    /// A field we asked for does not exist (any more), or is hidden from the app.
    FieldUnknown(Option<String>),
    /// It concerns one message or one recipient.
    NotChannelHealth,
    /// Our request is wrong; repeating it is useless.
    RequestRejected,
    /// Meta refused, and the table does not know why. It was received, so it is no outage.
    Refused,
}

impl Verdict {
    /// The outcome class, for metrics.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Throttled { .. } => "throttled",
            Self::TokenEnded(_) => "token_ended",
            Self::AccessCut(_) => "access_cut",
            Self::AppSuspect => "app_suspect",
            Self::AppBroken(_) => "app_broken",
            Self::ApprovalMissing(_) => "approval_missing",
            Self::PageFault(_) => "page_fault",
            Self::Routing(_) => "routing",
            Self::CallbackFailed { .. } => "callback_failed",
            Self::RedirectUriRefused => "redirect_uri_refused",
            Self::VersionRetired => "version_retired",
            Self::FieldUnknown(_) => "field_unknown",
            Self::NotChannelHealth => "not_channel_health",
            Self::RequestRejected => "request_rejected",
            Self::Refused => "refused",
        }
    }
}

/// What a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleScope {
    /// The app and everything that depends on it.
    App,
    /// Calls with this token.
    Token,
    /// Calls about this page, account or number.
    Page,
}

/// Declares reasons with their names in conditions.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$case_doc])* $case),+ }

        impl $name {
            /// The reason as it stands in a condition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => stringify!($case)),+ }
            }
        }
    };
}

reasons! {
    /// Why an authorization ended.
    EndReason {
        /// Its time was over.
        TokenExpired,
        /// The person changed the password, or Facebook ended the session for security reasons.
        PasswordChanged,
        /// The person removed the app.
        AppRemoved,
        /// Logged out, revoked, or unreadable.
        SessionInvalidated,
        /// The person must first clear a checkpoint at facebook.com.
        CheckpointRequired,
        /// The person's account is unconfirmed or not valid.
        UserInvalid,
        /// 90 days without the person using the app.
        DataAccessExpired,
    }
}

/// Why a token does not reach the page or the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutReason {
    /// The grantor no longer has a fitting role on the page.
    RoleLost,
    /// The page is not, or no longer, part of the grant.
    NotInGrant,
    /// A permission is missing or was withdrawn.
    ScopeMissing {
        /// Its name, if the text names exactly one.
        scope: Option<String>,
    },
    /// The token belongs to another app.
    WrongApp,
}

impl CutReason {
    /// The reason as it stands in a condition.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::RoleLost => "RoleLost",
            Self::NotInGrant => "NotInGrant",
            Self::ScopeMissing { .. } => "ScopeMissing",
            Self::WrongApp => "WrongApp",
        }
    }
}

reasons! {
    /// Why an app cannot be used.
    AppReason {
        /// Deleted, wrong id, or stale credentials.
        AppCredentialsRejected,
        /// The secret is not, or no longer, that of the app.
        SecretMismatch,
        /// Meta restricted or deactivated the app.
        AppBlocked,
    }
}

reasons! {
    /// What the app has not been approved for.
    ApprovalReason {
        /// The app lacks a capability or product.
        CapabilityMissing,
        /// Only people with a role on the app are served.
        RoleHoldersOnly,
    }
}

reasons! {
    /// Why a page cannot be used.
    PageReason {
        /// Deleted, or not visible to this token.
        NotVisible,
        /// The page may not send for now.
        SendBlocked,
        /// Meta restricts the page, or waits for its owner.
        Restricted,
        /// The page has another id now.
        Migrated,
    }
}

reasons! {
    /// What a refusal tells about who controls conversations.
    RoutingSign {
        /// Another app controls this thread.
        AnotherAppControls,
        /// We do not own this thread.
        NotThreadOwner,
        /// We are no receiver of this page (older pages).
        NotReceiver,
        /// The page has no default app.
        NoDefaultApp,
    }
}
