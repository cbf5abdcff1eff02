//! The simulated calls, and the nodes they are about.

use crate::id::Id;

/// The simulated calls with their paths, and the edges that lead to them.
macro_rules! routes {
    (
        calls { $($call:ident = $call_path:literal)+ }
        edges { $($edge:ident = $node:ident $name:literal)+ }
    ) => {
        /// A node or edge that is simulated.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Route { $($call,)+ $($edge,)+ }

        impl Route {
            /// The path with its variable parts named, as ledger and faults use it.
            pub(crate) fn template(self) -> &'static str {
                match self {
                    $(Self::$call => $call_path,)+
                    $(Self::$edge => concat!("/{version}/", node_name!($node), "/", $name),)+
                }
            }
        }

        impl Node {
            /// The call that an edge of this node means.
            pub(crate) fn edge(&self, edge: &str) -> Option<Route> {
                match (self, edge) {
                    $((Self::$node(_), $name) => Some(Route::$edge),)+
                    _ => None,
                }
            }
        }
    };
}

/// What a node is called in a template.
macro_rules! node_name {
    (App) => {
        "{app-id}"
    };
    (Page) => {
        "{page-id}"
    };
    (Actor) => {
        "{user-id}"
    };
    (Business) => {
        "{business-id}"
    };
    (Conversation) => {
        "{conversation-id}"
    };
}

routes! {
    calls {
        Batch = "/{version}/"
        Ids = "/{version}/"
        LoginDialog = "/{version}/dialog/oauth"
        OauthAccessToken = "/{version}/oauth/access_token"
        OauthRevoke = "/{version}/oauth/revoke"
        DebugToken = "/{version}/debug_token"
        App = "/{version}/{app-id}"
        Page = "/{version}/{page-id}"
        Actor = "/{version}/{user-id}"
        Business = "/{version}/{business-id}"
        Conversation = "/{version}/{conversation-id}"
        Message = "/{version}/{message-id}"
        Profile = "/{version}/{psid}"
        Persona = "/{version}/{persona-id}"
        ActorPermission = "/{version}/{user-id}/permissions/{permission}"
    }
    edges {
        AppPermissions = App "permissions"
        AppRoles = App "roles"
        AppSubscriptions = App "subscriptions"
        PageSubscribedApps = Page "subscribed_apps"
        PageRoles = Page "roles"
        PageConversations = Page "conversations"
        PageMessages = Page "messages"
        PageMessageAttachments = Page "message_attachments"
        PagePersonas = Page "personas"
        ConversationMessages = Conversation "messages"
        PageMessengerProfile = Page "messenger_profile"
        PageThreadOwner = Page "thread_owner"
        PageSecondaryReceivers = Page "secondary_receivers"
        PassThreadControl = Page "pass_thread_control"
        TakeThreadControl = Page "take_thread_control"
        ReleaseThreadControl = Page "release_thread_control"
        RequestThreadControl = Page "request_thread_control"
        ExtendThreadControl = Page "extend_thread_control"
        ActorAccounts = Actor "accounts"
        ActorPermissions = Actor "permissions"
        SystemUserAccessTokens = Actor "access_tokens"
        SystemUserApplications = Actor "applications"
        BusinessSystemUserAccessTokens = Business "system_user_access_tokens"
    }
}

impl Route {
    /// Whether it is about messages, which have a limit of their own.
    pub(crate) fn is_messaging(self) -> bool {
        matches!(
            self,
            Self::PageConversations
                | Self::PageMessages
                | Self::PageMessageAttachments
                | Self::PagePersonas
                | Self::Conversation
                | Self::ConversationMessages
                | Self::Message
                | Self::Profile
                | Self::Persona
                | Self::PageMessengerProfile
                | Self::PageThreadOwner
                | Self::PageSecondaryReceivers
                | Self::PassThreadControl
                | Self::TakeThreadControl
                | Self::ReleaseThreadControl
                | Self::RequestThreadControl
                | Self::ExtendThreadControl
        )
    }

    /// Whether a call can be made without any token, since it brings other credentials.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::LoginDialog | Self::OauthAccessToken | Self::OauthRevoke)
    }
}

/// The node a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// The path names no node.
    Root,
    App(Id),
    Page(Id),
    /// A person or a system user.
    Actor(Id),
    Business(Id),
    Conversation(OfPage),
    Message(OfPage),
    /// A person by their id at the page.
    Person(OfPage),
    Persona(OfPage),
}

/// Something that only the tokens of its page lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfPage {
    pub(crate) page: Id,
    pub(crate) id: String,
}

impl Node {
    /// The id in the path.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Root => None,
            Self::App(id) | Self::Page(id) | Self::Actor(id) | Self::Business(id) => Some(id.as_str()),
            Self::Conversation(own) | Self::Message(own) | Self::Person(own) | Self::Persona(own) => Some(&own.id),
        }
    }

    /// The page in the path, or the one that what is in the path belongs to.
    pub(crate) fn page(&self) -> Option<&Id> {
        match self {
            Self::Page(id) => Some(id),
            Self::Conversation(own) | Self::Message(own) | Self::Person(own) | Self::Persona(own) => Some(&own.page),
            Self::Root | Self::App(_) | Self::Actor(_) | Self::Business(_) => None,
        }
    }
}
