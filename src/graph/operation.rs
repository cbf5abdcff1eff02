//! The calls we make, by what they ask or change. Each says with whose token it is made, so that no place has to.

use super::error_codes::Caller;

macro_rules! operations {
    ($($(#[$doc:meta])+ $name:ident => $caller:ident, $template:literal,)+) => {
        /// A call, by what it asks or changes.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Operation { $($(#[$doc])+ $name,)+ }

        impl Operation {
            /// All operations.
            pub const ALL: &'static [Operation] = &[$(Operation::$name,)+];

            /// On whose behalf it is made.
            #[must_use]
            pub const fn caller(self) -> Caller {
                match self { $(Self::$name => Caller::$caller,)+ }
            }

            /// Method and path as logs and metrics show them.
            #[must_use]
            pub const fn template(self) -> &'static str {
                match self { $(Self::$name => $template,)+ }
            }
        }
    };
}

operations! {
    /// The application, with its own token.
    ReadApp => AppToken, "GET /{app}",
    /// The application's permissions.
    ReadAppPermissions => AppToken, "GET /{app}/permissions",
    /// The application's webhooks.
    ReadAppSubscriptions => AppToken, "GET /{app}/subscriptions",
    /// Subscribes the application's webhook.
    SubscribeApp => AppToken, "POST /{app}/subscriptions",
    /// What a token is.
    DebugToken => AppToken, "GET /debug_token",
    /// Many reads in one request. What is said of it as a whole is said of the application.
    Batch => AppToken, "POST / (batch)",
    /// Whose token it is.
    ReadMe => PageToken, "GET /me",
    /// The page.
    ReadPage => PageToken, "GET /{page}",
    /// The token that a person or system user has for a page.
    ReadPageToken => PageToken, "GET /{page} (token)",
    /// The applications that a page is subscribed to.
    ReadPageSubscriptions => PageToken, "GET /{page}/subscribed_apps",
    /// The latest conversations of a page.
    ReadConversations => PageToken, "GET /{page}/conversations",
    /// Who controls a conversation.
    ReadThreadOwner => PageToken, "GET /{page}/thread_owner",
    /// Subscribes a page.
    SubscribePage => PageToken, "POST /{page}/subscribed_apps",
    /// Ends the subscription of a page, with the application's token.
    UnsubscribePage => AppToken, "DELETE /{page}/subscribed_apps",
    /// The pages that a person or system user may act for.
    ListAccounts => PageToken, "GET /me/accounts",
    /// Another token for one.
    ExchangeToken => PageToken, "GET /oauth/access_token",
    /// A token for the code of the login dialog.
    RedeemCode => AppToken, "POST /oauth/access_token",
    /// Ends a token.
    RevokeToken => PageToken, "GET /oauth/revoke",
}
