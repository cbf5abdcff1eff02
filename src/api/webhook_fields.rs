//! The webhook fields that Meta is known to have: one table for the operator, the policy that warns of a mistyped name, and
//! the tests of the simulator. What Meta says of a field decides; the table only helps people who mistype one.

/// What a webhook is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebhookObject {
    /// A page, the only one that is subscribed so far.
    Page,
    /// A professional account of Instagram that is linked to a page.
    Instagram,
    /// A WhatsApp Business Account.
    WhatsappBusinessAccount,
}

/// One webhook field. Versions of the Graph API are told by their first number: 25 is v25.0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WebhookField {
    /// What it is a field of.
    pub object: WebhookObject,
    /// Its name.
    pub name: &'static str,
    /// The first version that is known to have it; `None`: it is older than what is known of versions.
    pub since: Option<u16>,
    /// The last version that is known to have it; `None`: it is not known to end.
    pub until: Option<u16>,
}

/// Fields of one object that came and went together.
struct Row {
    object: WebhookObject,
    since: Option<u16>,
    until: Option<u16>,
    names: &'static [&'static str],
}

use WebhookObject::{Instagram, Page, WhatsappBusinessAccount};

/// Sources. Pages: what Meta's Business SDK names as `SubscribedFields` of a page, and since and until which of its releases
/// (<https://github.com/facebook/facebook-nodejs-business-sdk/commits/main/src/objects/page.js>); of what an SDK first named
/// between two releases, the version of the earlier one. Instagram: the fields that a page's link delivers, by
/// <https://developers.facebook.com/docs/messenger-platform/instagram/features/webhook>. WhatsApp:
/// <https://developers.facebook.com/docs/graph-api/webhooks/reference/whatsapp-business-account>. Neither page names versions.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { object: Page, since: None, until: None, names: &[
        "affiliation", "attire", "awards", "bio", "birthday", "category", "checkins", "company_overview",
        "conversations", "culinary_team", "current_location", "description", "email", "feature_access_list", "feed",
        "founded", "general_info", "general_manager", "group_feed", "hometown", "hours", "inbox_labels",
        "invoice_access_bank_slip_events", "invoice_access_invoice_change", "invoice_access_invoice_draft_change",
        "invoice_access_onboarding_status_active", "leadgen", "leadgen_fat", "live_videos", "local_delivery",
        "location", "mcom_invoice_change", "members", "mention", "merchant_review", "message_context",
        "message_deliveries", "message_echoes", "message_mention", "message_reactions", "message_reads", "messages",
        "messaging_account_linking", "messaging_appointments", "messaging_checkout_updates",
        "messaging_customer_information", "messaging_direct_sends", "messaging_fblogin_account_linking",
        "messaging_feedback", "messaging_game_plays", "messaging_handovers", "messaging_optins", "messaging_optouts",
        "messaging_payments", "messaging_policy_enforcement", "messaging_postbacks", "messaging_pre_checkouts",
        "messaging_referrals", "mission", "name", "page_about_story", "page_change_proposal", "page_upcoming_change",
        "parking", "payment_options", "personal_info", "personal_interests", "phone", "picture", "price_range",
        "product_review", "products", "public_transit", "publisher_subscriptions", "ratings", "registration",
        "send_cart", "standby", "user_action", "video_text_question_responses", "videos", "website",
    ] },
    Row { object: Page, since: Some(18), until: None, names: &[
        "messaging_in_thread_lead_form_submit",
    ] },
    Row { object: Page, since: Some(19), until: None, names: &[
        "calls", "message_edits", "payment_request_update", "response_feedback",
    ] },
    Row { object: Page, since: Some(20), until: None, names: &[
        "call_permission_reply", "messaging_integrity",
    ] },
    Row { object: Page, since: Some(22), until: None, names: &[
        "marketing_message_delivery_failed", "message_template_status_update",
    ] },
    Row { object: Page, since: Some(23), until: None, names: &[
        "business_integrity", "call_settings_update", "comment_poll_response", "follow", "marketing_message_echoes",
        "marketing_messages_subscriber_upload_status", "story_poll_response", "story_share",
    ] },
    Row { object: Page, since: Some(25), until: None, names: &[
        "agent_messages", "agent_questions", "leadgen_update", "marketing_message_clicks",
        "marketing_message_deliveries", "marketing_message_reads",
    ] },
    Row { object: Page, since: Some(18), until: Some(21), names: &[
        "otp_verification",
    ] },
    Row { object: Instagram, since: None, until: None, names: &[
        "message_reactions", "messages", "messaging_handover", "messaging_policy_enforcement", "messaging_postbacks",
        "messaging_referral", "messaging_seen", "response_feedback", "standby",
    ] },
    Row { object: WhatsappBusinessAccount, since: None, until: None, names: &[
        "account_alerts", "account_review_update", "account_update", "business_capability_update", "history",
        "message_template_components_update", "message_template_quality_update", "message_template_status_update",
        "messages", "messaging_handovers", "phone_number_name_update", "phone_number_quality_update", "security",
        "smb_app_state_sync", "smb_message_echoes", "standby", "template_category_update",
    ] },
];

/// All fields, those of an object in the order of the alphabet.
pub fn webhook_fields() -> Vec<WebhookField> {
    let of_row = |row: &'static Row| {
        let Row { object, since, until, names } = row;
        names.iter().map(|name| WebhookField { object: *object, name, since: *since, until: *until })
    };
    let mut fields: Vec<_> = ROWS.iter().flat_map(of_row).collect();
    fields.sort_by_key(|field| (field.object as u8, field.name));
    fields
}

/// How alike two names have to be for one to be taken for the other, in percent.
pub const ALIKE: usize = 50;

impl WebhookObject {
    /// The object as Meta names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Page => "page",
            Instagram => "instagram",
            WhatsappBusinessAccount => "whatsapp_business_account",
        }
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        ROWS.iter().filter(move |row| row.object == self).flat_map(|row| row.names).copied()
    }

    /// The fields that are to be left out of a subscription that was refused: a known one that Meta names; else all that are not
    /// known. Meta names one at a time, and those that it will not know either would cost a refusal each.
    pub fn refused(self, named: Option<&str>, tried: &[String]) -> Vec<String> {
        let known = named.filter(|name| self.has(name) && tried.iter().any(|field| field == name));
        let is_refused = |field: &&String| known.map_or_else(|| !self.has(field), |name| field.as_str() == name);
        tried.iter().filter(is_refused).cloned().collect()
    }

    /// Whether it is known to have a field of this name, in any version.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The field that is most likely meant by a name that Meta does not know, if one is near.
    #[must_use]
    pub fn nearest(self, name: &str) -> Option<&'static str> {
        // Of two that are equally near the first of the alphabet, as in the policy.
        let nearest = self.names().max_by_key(|known| (likeness(name, known), std::cmp::Reverse(*known)))?;
        (likeness(name, nearest) >= ALIKE).then_some(nearest)
    }

    /// Names that Meta does not know, each with the one that is likely meant.
    #[must_use]
    pub fn corrected(self, names: &[String]) -> Vec<String> {
        let correct = |name: &String| match self.nearest(name) {
            Some(near) => format!("{name} (did you mean {near}?)"),
            None => name.clone(),
        };
        names.iter().map(correct).collect()
    }
}

/// How alike a name is to one that is known, in percent: how many pairs of neighboring letters they share (the coefficient of
/// Dice). A letter too many, too few, doubled, wrong or in the wrong place costs few pairs in any word, a wrong prefix or
/// ending not many more. An edit distance would tell a little better, but no policy of the API server can compute one, and
/// both are to say the same.
fn likeness(name: &str, known: &str) -> usize {
    let (name, known) = (format!("^{name}$"), format!("^{known}$"));
    let is_shared = |pair: &&[u8]| known.as_bytes().windows(2).any(|other| other == *pair);
    let shared = name.as_bytes().windows(2).filter(is_shared).count();
    200 * shared / (name.len() + known.len() - 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_field_stands_twice_and_the_defaults_are_known() {
        let fields = webhook_fields();
        let names: HashSet<_> = fields.iter().map(|field| (field.object.as_str(), field.name)).collect();
        assert_eq!(names.len(), fields.len());
        for field in crate::api::DEFAULT_FIELDS {
            assert!(Page.has(field), "{field}");
        }
        assert!(!Page.has("mesage_reads"));
        // Each object has names of its own.
        assert!(!Page.has("messaging_seen") && Instagram.has("messaging_seen"));
        assert!(!Page.has("account_update") && WhatsappBusinessAccount.has("account_update"));
        assert!(fields.iter().all(|it| it.until.is_none_or(|until| it.since.is_none_or(|since| since <= until))));
    }

    #[test]
    fn with_one_unknown_field_that_is_refused_all_unknown_ones_are_left_out() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let tried = words(&["messages", "mesage_reads", "brand_new"]);
        let rows: [(Option<&str>, &[&str]); 5] = [
            (Some("mesage_reads"), &["mesage_reads", "brand_new"]),
            (Some("brand_new"), &["mesage_reads", "brand_new"]),
            (Some("messages"), &["messages"]),
            // It names none of ours.
            (Some("feed"), &["mesage_reads", "brand_new"]),
            (None, &["mesage_reads", "brand_new"]),
        ];
        for (named, expected) in rows {
            assert_eq!(Page.refused(named, &tried), words(expected), "{named:?}");
        }
        assert!(Page.refused(None, &words(&["messages"])).is_empty());
    }

    #[test]
    fn a_mistyped_name_leads_to_the_one_that_is_meant() {
        let rows = [
            ("mesage_reads", Some("message_reads")),
            ("messages_reads", Some("message_reads")),
            ("message_read", Some("message_reads")),
            ("mesages", Some("messages")),
            ("messgaes", Some("messages")),
            ("messaging_handover", Some("messaging_handovers")),
            ("message_postbacks", Some("messaging_postbacks")),
            ("message_optin", Some("messaging_optins")),
            ("messaging_reads", Some("message_reads")),
            ("postbacks", Some("messaging_postbacks")),
            ("message_delivery", Some("message_deliveries")),
            ("deliveries", Some("message_deliveries")),
            ("fed", Some("feed")),
            ("something_else_altogether", None),
            ("whatsapp", None),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(Page.nearest(name), expected, "{name}");
        }
        assert_eq!(Instagram.nearest("messaging_handovers"), Some("messaging_handover"));
        for field in webhook_fields() {
            assert_eq!(field.object.nearest(field.name), Some(field.name));
        }
    }

    /// A letter missing, doubled, wrong, or changed with its neighbor, anywhere in a name.
    fn slips(name: &str) -> impl Iterator<Item = String> {
        (0..name.len()).flat_map(move |at| {
            let (before, letter, after) = (&name[..at], &name[at..=at], &name[at + 1..]);
            let swapped = after.get(..1).map(|next| format!("{before}{next}{letter}{}", &after[1..]));
            let others = ["", "x", "e"].map(|other| format!("{before}{other}{after}"));
            others.into_iter().chain([format!("{before}{letter}{letter}{after}")]).chain(swapped)
        })
    }

    #[tokio::test]
    async fn the_simulator_knows_the_same_fields() {
        use graph_sandbox::{Options, Sandbox, Seed};

        crate::install_crypto_provider();
        let seed =
            Seed::from_yaml("apps: [{id: '1111000011110000', name: Acme, secret: placeholder-app-secret}]").unwrap();
        let sandbox = Sandbox::start(seed, Options::default()).await.unwrap();
        let (url, token) = (sandbox.url(), "1111000011110000|placeholder-app-secret");
        for object in [Page, Instagram, WhatsappBusinessAccount] {
            let form = [
                ("object", object.as_str()),
                ("fields", "nothing_of_the_kind"),
                ("verify_token", "placeholder"),
                ("callback_url", "https://hooks.example.com/"),
            ];
            let call = reqwest::Client::new().post(format!("{url}/v25.0/1111000011110000/subscriptions"));
            let answer = call.bearer_auth(token).form(&form).send().await.unwrap().text().await.unwrap();
            let listed = answer.split_once('{').and_then(|(_, rest)| rest.split_once("must be one of {")).unwrap().1;
            // One that Meta's list has and nobody can subscribe to.
            let listed = listed.split_once('}').unwrap().0.split(", ").filter(|it| *it != "invalid_topic_placeholder");
            let mut listed: Vec<_> = listed.collect();
            listed.sort_unstable();
            let fields = webhook_fields();
            let living = fields.iter().filter(|field| field.object == object && field.until.is_none());
            assert_eq!(listed, living.map(|field| field.name).collect::<Vec<_>>(), "{object:?}");
        }
    }

    #[test]
    fn every_slip_of_the_fingers_leads_back() {
        let (mut count, mut astray) = (0, Vec::new());
        for known in Page.names().filter(|name| name.len() > 4) {
            for slip in slips(known).filter(|slip| !Page.has(slip)).step_by(4) {
                count += 1;
                if Page.nearest(&slip) != Some(known) {
                    astray.push(slip);
                }
            }
        }
        assert!(count > 1000 && astray.len() * 200 < count, "{} of {count}: {astray:?}", astray.len());
    }
}
