//! Fields of the page node: their names, and what reading them takes.

use crate::switches::PageFieldsScope;

/// A field of the page node and what reading it takes.
struct PageField {
    name: &'static str,
    scope: Scope,
    /// Whether a seed sets it; the others follow from the rest of the state.
    settable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// `pages_show_list` is enough.
    Basic,
    /// Basic, unless the switch `page_fields_scope` is strict.
    Channel,
    /// `pages_read_engagement`.
    Engagement,
    /// `business_management`.
    Business,
}

const fn computed(name: &'static str, scope: Scope) -> PageField {
    PageField { name, scope, settable: false }
}

const fn settable(name: &'static str, scope: Scope) -> PageField {
    PageField { name, scope, settable: true }
}

const FIELDS: &[PageField] = &[
    computed("id", Scope::Basic),
    computed("name", Scope::Basic),
    computed("access_token", Scope::Basic),
    computed("is_published", Scope::Channel),
    computed("is_webhooks_subscribed", Scope::Channel),
    computed("has_added_app", Scope::Channel),
    settable("link", Scope::Channel),
    settable("username", Scope::Channel),
    settable("picture", Scope::Channel),
    settable("fan_count", Scope::Engagement),
    settable("followers_count", Scope::Engagement),
    settable("category", Scope::Channel),
    settable("has_transitioned_to_new_page_experience", Scope::Channel),
    settable("is_messenger_platform_bot", Scope::Channel),
    settable("messaging_feature_status", Scope::Channel),
    settable("is_owned", Scope::Channel),
    settable("instagram_business_account", Scope::Engagement),
    settable("connected_instagram_account", Scope::Engagement),
    settable("user_access_expire_time", Scope::Engagement),
    settable("verification_status", Scope::Engagement),
    settable("unread_message_count", Scope::Engagement),
    settable("business", Scope::Business),
    settable("owner_business", Scope::Business),
];

/// Fields without `fields`.
pub(crate) const DEFAULT: &[&str] = &["name", "id"];

/// Whether a seed may set this field.
pub(crate) fn is_settable(name: &str) -> bool {
    FIELDS.iter().any(|field| field.settable && field.name == name)
}

/// Whether the page node has this field.
pub(crate) fn exists(name: &str) -> bool {
    FIELDS.iter().any(|field| field.name == name)
}

/// The scope this field needs beyond `pages_show_list`.
pub(crate) fn extra_scope(name: &str, switch: PageFieldsScope) -> Option<&'static str> {
    let field = FIELDS.iter().find(|field| field.name == name)?;
    match field.scope {
        Scope::Business => Some("business_management"),
        Scope::Engagement => Some("pages_read_engagement"),
        Scope::Channel if switch == PageFieldsScope::Strict => Some("pages_read_engagement"),
        Scope::Channel | Scope::Basic => None,
    }
}
