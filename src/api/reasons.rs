//! Every reason a condition can have. `docs/conditions.md` has a heading for each; a test compares the two.

/// Who has to act before the state can get better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// Nobody: it is well, or nothing is to be done.
    Nobody,
    /// The operator, which tries again on its own or is woken when what it waits for appears.
    Operator,
    /// A person; until then nothing changes on its own.
    Person,
}

/// Reasons that 0.1.0 wrote under other names.
pub const RENAMED: &[(&str, Reason)] = &[
    ("Accepted", Reason::CredentialsAccepted),
    ("Approved", Reason::PermissionsApproved),
    ("CallbackUnknown", Reason::CallbackNotConfigured),
    ("ClaimsUnguarded", Reason::ClaimPolicyMissing),
    ("Held", Reason::ClaimHeld),
    ("Linked", Reason::ConnectionVerified),
    ("NotApproved", Reason::PermissionNotApproved),
    ("NotProven", Reason::CredentialUnverified),
    ("NotReadable", Reason::ReadNotPermitted),
    ("NotUnderstood", Reason::UnrecognizedError),
    ("Offered", Reason::TransferOffered),
    ("Published", Reason::SecretSynced),
    ("Reached", Reason::ReconcileSucceeded),
    ("Resolved", Reason::EndpointResolved),
    ("SecretNotReleased", Reason::SecretUnavailable),
    ("SeedInUse", Reason::SourceTokenInUse),
    ("SeedNarrower", Reason::SourceTokenNarrower),
    ("SeedOlder", Reason::SourceTokenOlder),
    ("ServedAsAnother", Reason::ServedByOtherVersion),
    ("Unpublished", Reason::PageUnpublished),
    ("Unreadable", Reason::AwaitingAuthorization),
    ("Usable", Reason::PageReachable),
    ("VersionNotKnown", Reason::VersionNotInCalendar),
    ("WithoutEffect", Reason::WriteHadNoEffect),
];

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident => $actor:ident,)+) => {
        /// Why a condition has its value, in one word.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Reason { $($(#[$doc])+ $name,)+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)+];

            /// The reason as it stands in a status.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)+ }
            }

            /// The reason that stands in a status, also under the name that 0.1.0 gave it; `None` for one that another
            /// version wrote.
            pub fn parse(text: &str) -> Option<Self> {
                let named = Self::ALL.iter().copied().find(|reason| reason.as_str() == text);
                named.or_else(|| RENAMED.iter().find(|(old, _)| *old == text).map(|(_, reason)| *reason))
            }

            /// Who has to act.
            pub const fn actor(self) -> Actor {
                match self { $(Reason::$name => Actor::$actor,)+ }
            }
        }
    };
}

impl Reason {
    /// Whether it says that the authorization ended, so that a person must authorize again.
    pub const fn ends_authorization(self) -> bool {
        matches!(
            self,
            Self::TokenExpired
                | Self::PasswordChanged
                | Self::AppRemoved
                | Self::SessionInvalidated
                | Self::CheckpointRequired
                | Self::UserInvalid
                | Self::DataAccessExpired
        )
    }
}

impl Reason {
    /// Whether it says that the page was parted from as declared.
    pub const fn is_parting(self) -> bool {
        matches!(self, Self::DeclaredDisconnected | Self::TransferOffered | Self::Transferred)
    }

    /// Whether it says what Meta answered, though that leaves the value open. Silence that follows says less.
    pub const fn was_received(self) -> bool {
        matches!(self, Self::ReadNotPermitted | Self::UnrecognizedError | Self::RefusedByMeta | Self::TokenRefused)
    }

    /// Whether it is found without asking Meta. Such a value is found anew in every pass, so it is never kept from an
    /// earlier one.
    pub const fn needs_no_answer(self) -> bool {
        matches!(
            self,
            Self::AppNotFound
                | Self::NamespaceUnverified
                | Self::AppNotReady
                | Self::AppFieldsMissing
                | Self::GrantNotFound
                | Self::GrantNotReady
                | Self::SecretUnavailable
                | Self::SecretMalformed
                | Self::SecretNameTaken
                | Self::ClaimedElsewhere
                | Self::Transferred
                | Self::DuplicateInNamespace
                | Self::CallbackNotConfigured
        ) || self.is_refused_write()
    }

    /// Whether it says that the API server refuses something that the operator writes. It is tried again on its own.
    pub const fn is_refused_write(self) -> bool {
        matches!(
            self,
            Self::QuotaExceeded | Self::AdmissionDenied | Self::Forbidden | Self::WriteRefused | Self::WriteFailed
        )
    }
}

reasons! {
    /// The declared state is reached and was verified.
    ReconcileSucceeded => Nobody,
    /// The declared state is reached, and the authorization ends within 14 days.
    ExpiresSoon => Nobody,
    /// The page is linked.
    ConnectionVerified => Nobody,
    /// The authorization has not ended.
    NotExpired => Nobody,
    /// This namespace holds the claim.
    ClaimHeld => Nobody,
    /// The holder of the claim is gone and cleaned up after; the asset stays reserved for its namespace.
    Tombstone => Nobody,
    /// The token is valid and is what was declared.
    TokenValid => Nobody,
    /// The page can be used for messaging.
    PageReachable => Nobody,
    /// The subscription holds every declared field.
    FieldsMatch => Nobody,
    /// Our application is the default app of the page, as far as it can be measured.
    DefaultApp => Nobody,
    /// A person attested that our application is the default app.
    Attested => Nobody,
    /// Staff answers in the page's inbox.
    HandedToInbox => Nobody,
    /// It is not checked, as declared.
    NotRequired => Nobody,
    /// The endpoint is resolvable.
    EndpointResolved => Nobody,
    /// The page token lies in the Secret that is meant for it.
    SecretSynced => Nobody,
    /// Meta accepted the application's credentials.
    CredentialsAccepted => Nobody,
    /// Meta approved every required permission.
    PermissionsApproved => Nobody,
    /// Meta serves the version of the Graph API, and its end is not near.
    VersionServed => Nobody,
    /// The version of the Graph API is not in the calendar, and answers do not say which one gave them.
    VersionNotInCalendar => Nobody,
    /// The token in use comes from the source token that is declared.
    SourceTokenInUse => Nobody,
    /// The token does not end soon, or is renewed before it does.
    UpToDate => Nobody,
    /// The token ends and cannot be renewed without a person.
    NotRenewable => Nobody,
    /// The channel is declared Disconnected.
    DeclaredDisconnected => Nobody,
    /// The page is disconnected and given to another namespace, which has not taken it yet.
    TransferOffered => Nobody,
    /// The namespace that the page was given to holds it.
    Transferred => Nobody,
    /// The object is declared to be left alone.
    Paused => Nobody,
    /// Meta shows it only to who has a permission that is not required.
    ReadNotPermitted => Nobody,

    /// Nothing is known yet.
    Pending => Operator,
    /// Meta has not answered for too long.
    GraphUnavailable => Operator,
    /// Meta limits how often it may be asked.
    RateLimited => Operator,
    /// Meta refuses, for a reason that the operator does not know.
    UnrecognizedError => Operator,
    /// The credential has not been proven yet, so nothing is claimed.
    CredentialUnverified => Operator,
    /// The namespace of the claims is missing or closed to the operator.
    ClaimsUnavailable => Operator,
    /// The API server would let any release claim pages for any other, so none is claimed.
    ClaimPolicyMissing => Operator,
    /// The holder of the claim is not there, and nobody saw it go: it is waited for.
    AwaitingHolder => Operator,
    /// The holder of the claim is gone; what it left at Meta is being cleaned up.
    CleanupPending => Operator,
    /// It cannot be read without a working authorization and the claim.
    AwaitingAuthorization => Operator,
    /// The referenced MetaApp does not exist, or does not allow this namespace.
    AppNotFound => Operator,
    /// Whether the referenced MetaApp allows this namespace is not known.
    NamespaceUnverified => Operator,
    /// The MetaApp is not usable; its own conditions say why.
    AppNotReady => Operator,
    /// Whether the MetaApp is usable is not known.
    AppUnverified => Operator,
    /// The referenced MetaGrant does not exist.
    GrantNotFound => Operator,
    /// The MetaGrant is not usable; its own conditions say why.
    GrantNotReady => Operator,
    /// What the MetaGrant gives is not known.
    GrantUnverified => Operator,
    /// The Secret does not exist or is not released by its purpose label.
    SecretUnavailable => Operator,
    /// The Service of the endpoint does not exist, or does not have the port.
    ServiceNotFound => Operator,
    /// The subscription lacks declared fields.
    FieldsMissing => Operator,
    /// The page or the application is not subscribed.
    NotSubscribed => Operator,
    /// The page is subscribed although the channel is declared Disconnected.
    StillSubscribed => Operator,
    /// Meta accepted a write and does not show all of it.
    WriteHadNoEffect => Operator,
    /// Meta accepted a write and shows what someone else wrote since.
    Overwritten => Operator,
    /// Meta could not verify the callback.
    CallbackVerificationFailed => Operator,
    /// Nothing tells which application is the default app of the page.
    NotVerifiable => Operator,
    /// The page may not send for a while.
    SendBlocked => Operator,
    /// The API server could not write what the operator wanted written.
    WriteFailed => Operator,

    /// The token reached its end.
    TokenExpired => Person,
    /// The person changed the password, or Facebook ended the session for security.
    PasswordChanged => Person,
    /// The person removed the application.
    AppRemoved => Person,
    /// The session behind the token was ended.
    SessionInvalidated => Person,
    /// The person must pass a checkpoint at facebook.com.
    CheckpointRequired => Person,
    /// The person's account is unconfirmed or invalid.
    UserInvalid => Person,
    /// Access to the person's data ended.
    DataAccessExpired => Person,
    /// The person lost the role on the page.
    RoleLost => Person,
    /// The page is not part of the grant.
    NotInGrant => Person,
    /// A permission is missing.
    ScopeMissing => Person,
    /// The page is listed without a token: it is reached through a business only.
    BusinessManagementMissing => Person,
    /// The token belongs to another application.
    WrongApp => Person,
    /// The token belongs to another page.
    WrongPage => Person,
    /// The token is not a page token.
    WrongTokenType => Person,
    /// Meta does not know the token: it was not copied as it is.
    TokenUnknown => Person,
    /// The content of the Secret cannot be a token or an app secret.
    SecretMalformed => Person,
    /// A Secret of the name we would create exists and is not ours.
    SecretNameTaken => Person,
    /// A ResourceQuota leaves no room for what the operator has to write.
    QuotaExceeded => Person,
    /// An admission policy or webhook denies what the operator has to write.
    AdmissionDenied => Person,
    /// The operator lacks a right in the cluster.
    Forbidden => Person,
    /// The API server refuses what the operator has to write, for another reason.
    WriteRefused => Person,
    /// Meta refuses to hand out another token.
    RenewalRefused => Person,
    /// The source token was issued before the token in use.
    SourceTokenOlder => Person,
    /// The source token does not cover pages that channels use.
    SourceTokenNarrower => Person,
    /// Another namespace holds the asset.
    ClaimedElsewhere => Person,
    /// Another object of this namespace holds the asset.
    DuplicateInNamespace => Person,
    /// The holder of the claim is gone, and what it left at Meta cannot be cleaned up.
    LeftBehind => Person,
    /// The page does not exist or cannot be seen.
    NotVisible => Person,
    /// The page is not published.
    PageUnpublished => Person,
    /// Another application controls the page's conversations.
    AnotherAppControls => Person,
    /// The page has no default app.
    NoDefaultApp => Person,
    /// What is known of the primary receiver is not what the channel demands.
    NotPrimaryReceiver => Person,
    /// Meta restricted the page.
    Restricted => Person,
    /// Meta rejected the application's credentials.
    AppCredentialsRejected => Person,
    /// The app secret is not the one that Meta has.
    SecretMismatch => Person,
    /// Meta blocked the application.
    AppBlocked => Person,
    /// Meta did not approve a required permission.
    PermissionNotApproved => Person,
    /// Someone else changes it back again and again.
    RepairFight => Person,
    /// The application has a callback, and never had that of this MetaApp.
    ForeignCallback => Person,
    /// The application's webhook lacks fields that the channel declares.
    AppFieldsMissing => Person,
    /// Cleaning up after the holder of the claim was forbidden by an annotation.
    CleanupForbidden => Person,
    /// What is declared is not there, and the object is being deleted, so that nothing is done for it any more.
    BeingDeleted => Person,
    /// What Meta shows differs from what is declared, and the object is only to be observed.
    DriftObserved => Person,
    /// There is no callback URL to subscribe.
    CallbackNotConfigured => Person,
    /// The endpoint needs a gateway, and none is configured.
    GatewayNotInstalled => Person,
    /// The gateway of this release does not forward events.
    ForwardingUnavailable => Person,
    /// The gateway sends nothing to this endpoint.
    EndpointNotAllowed => Person,
    /// The object is not valid; it predates a rule of its kind.
    InvalidSpec => Person,
    /// The operator failed over the object by a fault of its own.
    InternalError => Operator,
    /// The namespace has more objects of this kind than the release manages there.
    TooManyObjects => Person,
    /// The object cannot be decoded by this version of the operator.
    InvalidObject => Person,
    /// Meta retired the version of the Graph API.
    GraphVersionRetired => Person,
    /// Meta does not know this version of the Graph API, or not yet.
    GraphVersionUnknown => Person,
    /// Meta refuses something in this version of the Graph API that it answers in the one in use.
    GraphVersionUnusable => Person,
    /// The version of the Graph API in use is about to end.
    VersionEnding => Person,
    /// The version of the Graph API in use is over by Meta's calendar.
    VersionEnded => Person,
    /// Another version of the Graph API answers than was asked.
    ServedByOtherVersion => Person,
    /// Meta knows the token and refuses it for this page.
    TokenRefused => Person,
    /// Meta has refused for a day, for a reason that the operator does not know.
    RefusedByMeta => Person,
    /// The page has another id now.
    PageMigrated => Person,
    /// Meta refuses to subscribe the page, though the permission is there.
    SubscriptionRefused => Person,
    /// Meta does not know a webhook field that is declared.
    FieldRefused => Person,
    /// Meta refused a request in a way that only a change of the operator or the declaration can mend.
    RequestRejected => Person,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_0_1_0_wrote_is_read_and_is_no_reason_of_today() {
        for (old, reason) in RENAMED {
            assert_eq!(Reason::parse(old), Some(*reason));
            assert!(Reason::ALL.iter().all(|it| it.as_str() != *old), "{old} has two meanings");
        }
    }
}
