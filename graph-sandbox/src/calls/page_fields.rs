//! Fields of the page node.

use serde_json::{Value, json};

use super::{Call, date_format};
use crate::switches::{PageFieldsScope, RoutingFeatureFlag, Switches};
use crate::world::Page;

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

/// The value of a field other than `access_token`; absent if it has none.
pub(super) fn value(call: &Call, page: &Page, switches: &Switches, name: &str) -> Option<Value> {
    let set = page.fields.get(name).cloned();
    match name {
        "id" => Some(page.id.as_str().into()),
        "name" => Some(page.name.as_str().into()),
        "is_published" => Some(page.published.into()),
        "is_webhooks_subscribed" => Some((!page.subscriptions.is_empty()).into()),
        "has_added_app" => Some(page.subscriptions.contains_key(call.caller.app()).into()),
        "link" => set.or_else(|| Some(json!(format!("https://www.facebook.com/{}", page.id)))),
        "has_transitioned_to_new_page_experience" => set.or_else(|| Some(true.into())),
        "messaging_feature_status" => set.or_else(|| Some(feature_status(page, switches))),
        "fan_count" | "followers_count" => set.or_else(|| Some(0.into())),
        "picture" => set.or_else(|| Some(picture(page))),
        "user_access_expire_time" => set.map(|time| date_format::again(call, time)),
        _ => set,
    }
}

/// The shape of a profile picture; nobody serves the URL.
fn picture(page: &Page) -> Value {
    let url = format!("https://scontent.example.com/{}.jpg", page.id);
    json!({"data": {"height": 50, "is_silhouette": false, "url": url, "width": 50}})
}

/// Which flag means routing no source says; neither names an app.
fn feature_status(page: &Page, switches: &Switches) -> Value {
    let routing = page.messaging.default_app.is_some();
    let (hop_v2, msgr_multi_app) = match switches.routing_feature_flag {
        RoutingFeatureFlag::HopV2 => (routing, page.subscriptions.len() > 1),
        RoutingFeatureFlag::MsgrMultiApp => (false, routing),
    };
    json!({"hop_v2": hop_v2, "msgr_multi_app": msgr_multi_app, "ig_multi_app": false})
}
