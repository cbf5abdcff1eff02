//! Values of the fields of the page node.

use serde_json::{Value, json};

use super::call::Call;
use super::date_format;
use crate::switches::{RoutingFeatureFlag, Switches};
use crate::world::Page;

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
