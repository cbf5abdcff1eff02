//! Every reason a condition can have. `docs/conditions.md` has a heading for each; a test compares the two.

/// Who has to act before the state can get better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// Nobody: it is well, or nothing is to be done.
    Nobody,
    /// The operator, which tries again by itself or is woken when what it waits for appears.
    Operator,
    /// A person; until then nothing changes by itself.
    Person,
}

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

            /// The reason that stands in a status; `None` for one that another version wrote.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }

            /// Who has to act.
            pub const fn actor(self) -> Actor {
                match self { $(Reason::$name => Actor::$actor,)+ }
            }
        }
    };
}

impl Reason {
    /// Whether it says that the authorisation ended, so that a person must authorise again.
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
        matches!(self, Self::DeclaredDisconnected | Self::Offered | Self::Transferred)
    }

    /// Whether it says what Meta answered, though that leaves the value open. Silence that follows says less.
    pub const fn was_received(self) -> bool {
        matches!(self, Self::NotReadable | Self::NotUnderstood | Self::RefusedByMeta | Self::TokenRefused)
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
                | Self::SecretNotReleased
                | Self::SecretMalformed
                | Self::SecretNameTaken
                | Self::ClaimedElsewhere
                | Self::Transferred
                | Self::DuplicateInNamespace
                | Self::CallbackUnknown
        ) || self.is_refused_write()
    }

    /// Whether it says that the API server refuses something that the operator writes. It is tried again by itself.
    pub const fn is_refused_write(self) -> bool {
        matches!(
            self,
            Self::QuotaExceeded | Self::AdmissionDenied | Self::Forbidden | Self::WriteRefused | Self::WriteFailed
        )
    }
}

reasons! {
    /// The declared state is reached and was verified.
    Reached => Nobody,
    /// The declared state is reached, and the authorisation ends within 14 days.
    ExpiresSoon => Nobody,
    /// The page is linked.
    Linked => Nobody,
    /// The authorisation has not ended.
    NotExpired => Nobody,
    /// This namespace holds the claim.
    Held => Nobody,
    /// The holder of the claim is gone and cleaned up after; the asset stays reserved for its namespace.
    Tombstone => Nobody,
    /// The token is valid and is what was declared.
    TokenValid => Nobody,
    /// The page can be used for messaging.
    Usable => Nobody,
    /// The subscription holds every declared field.
    FieldsMatch => Nobody,
    /// Our application is the default app of the page, as far as it can be measured.
    DefaultApp => Nobody,
    /// A person attested that our application is the default app.
    Attested => Nobody,
    /// Staff answers in the page's inbox.
    HandedToInbox => Nobody,
    /// It is not looked at, as declared.
    NotRequired => Nobody,
    /// The endpoint is resolvable.
    Resolved => Nobody,
    /// The page token lies in the Secret that is meant for it.
    Published => Nobody,
    /// Meta accepted the application's credentials.
    Accepted => Nobody,
    /// Meta approved every required permission.
    Approved => Nobody,
    /// Meta serves the version of the Graph API, and its end is not near.
    VersionServed => Nobody,
    /// The version of the Graph API is not in the calendar, and answers do not say which one gave them.
    VersionNotKnown => Nobody,
    /// The token in use comes from the seed that is declared.
    SeedInUse => Nobody,
    /// The token does not end soon, or is renewed before it does.
    UpToDate => Nobody,
    /// The token ends and cannot be renewed without a person.
    NotRenewable => Nobody,
    /// The channel is declared Disconnected.
    DeclaredDisconnected => Nobody,
    /// The page is disconnected and given to another namespace, which has not taken it yet.
    Offered => Nobody,
    /// The namespace that the page was given to holds it.
    Transferred => Nobody,
    /// The object is declared to be left alone.
    Paused => Nobody,
    /// Meta shows it only to who has a permission that is not required.
    NotReadable => Nobody,

    /// Nothing is known yet.
    Pending => Operator,
    /// Meta has not answered for too long.
    GraphUnavailable => Operator,
    /// Meta limits how often it may be asked.
    RateLimited => Operator,
    /// Meta refuses, for a reason that the operator does not know.
    NotUnderstood => Operator,
    /// The credential has not been proven yet, so nothing is claimed.
    NotProven => Operator,
    /// The namespace of the claims is missing or closed to the operator.
    ClaimsUnavailable => Operator,
    /// The API server would let any release claim pages for any other, so none is claimed.
    ClaimsUnguarded => Operator,
    /// The holder of the claim is not there, and nobody saw it go: it is waited for.
    AwaitingHolder => Operator,
    /// The holder of the claim is gone; what it left at Meta is being cleaned up.
    CleanupPending => Operator,
    /// It cannot be read without a working authorisation and the claim.
    Unreadable => Operator,
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
    SecretNotReleased => Operator,
    /// The subscription lacks declared fields.
    FieldsMissing => Operator,
    /// The page or the application is not subscribed.
    NotSubscribed => Operator,
    /// The page is subscribed although the channel is declared Disconnected.
    StillSubscribed => Operator,
    /// Meta accepted a write and does not show all of it.
    WithoutEffect => Operator,
    /// Meta accepted a write and shows what somebody else wrote since.
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
    /// The seed was issued before the token in use.
    SeedOlder => Person,
    /// The seed does not cover pages that channels use.
    SeedNarrower => Person,
    /// Another namespace holds the asset.
    ClaimedElsewhere => Person,
    /// Another object of this namespace holds the asset.
    DuplicateInNamespace => Person,
    /// The holder of the claim is gone, and what it left at Meta cannot be cleaned up.
    LeftBehind => Person,
    /// The page does not exist or cannot be seen.
    NotVisible => Person,
    /// The page is not published.
    Unpublished => Person,
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
    NotApproved => Person,
    /// Somebody else changes it back again and again.
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
    CallbackUnknown => Person,
    /// The endpoint needs a gateway, and none is configured.
    GatewayNotInstalled => Person,
    /// The gateway of this version does not forward events.
    ForwardingUnavailable => Person,
    /// The object is not valid; it predates a rule of its kind.
    InvalidSpec => Person,
    /// The operator failed over the object by a fault of its own.
    InternalError => Operator,
    /// The namespace has more objects of this kind than the release looks after there.
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
    ServedAsAnother => Person,
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
