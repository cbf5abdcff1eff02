//! Webhook objects and the fields they have.

use super::error::GraphError;

/// Objects an app can subscribe to.
const OBJECTS: &[&str] = &[
    "user",
    "page",
    "permissions",
    "payments",
    "instagram",
    "whatsapp_business_account",
    "application",
    "certificate_transparency",
    "ad_account",
    "catalog",
    "video",
];

/// Fields of the object `page`, in Meta's order.
#[rustfmt::skip]
const PAGE_FIELDS: &[&str] = &[
    "affiliation", "attire", "awards", "bio", "birthday", "business_integrity", "call_permission_reply",
    "call_settings_update", "calls", "category", "checkins", "comment_poll_response", "company_overview",
    "conversations", "culinary_team", "current_location", "description", "email", "feature_access_list", "feed",
    "follow", "founded", "general_info", "general_manager", "group_feed", "hometown", "hours", "inbox_labels",
    "invalid_topic_placeholder", "invoice_access_bank_slip_events", "invoice_access_invoice_change",
    "invoice_access_invoice_draft_change", "invoice_access_onboarding_status_active", "leadgen", "leadgen_fat",
    "leadgen_update", "live_videos", "local_delivery", "location", "marketing_message_clicks",
    "marketing_message_deliveries", "marketing_message_delivery_failed", "marketing_message_echoes",
    "marketing_message_reads", "marketing_messages_subscriber_upload_status", "mcom_invoice_change", "members", "mention", "merchant_review",
    "message_context", "message_deliveries", "message_echoes", "message_edits", "message_mention",
    "message_reactions", "message_reads", "message_template_status_update", "messages",
    "messaging_account_linking", "messaging_appointments", "messaging_checkout_updates",
    "messaging_customer_information", "messaging_direct_sends", "messaging_fblogin_account_linking",
    "messaging_feedback", "messaging_game_plays", "messaging_handovers", "messaging_in_thread_lead_form_submit",
    "messaging_integrity", "messaging_optins", "messaging_optouts", "messaging_payments",
    "messaging_policy_enforcement", "messaging_postbacks", "messaging_pre_checkouts", "messaging_referrals",
    "mission", "name", "page_about_story", "page_change_proposal", "page_upcoming_change", "parking",
    "payment_options", "payment_request_update", "personal_info", "personal_interests", "phone", "picture",
    "price_range", "product_review", "products", "public_transit", "publisher_subscriptions", "ratings",
    "registration", "response_feedback", "send_cart", "standby", "story_poll_response", "story_share",
    "user_action", "video_text_question_responses", "videos", "website",
    // Named by the contract's list beyond the generated one.
    "agent_messages", "agent_questions",
];

/// Fields of the object `instagram`.
#[rustfmt::skip]
const INSTAGRAM_FIELDS: &[&str] = &[
    "message_reactions", "messages", "messaging_handover", "messaging_policy_enforcement", "messaging_postbacks",
    "messaging_referral", "messaging_seen", "response_feedback", "standby",
];

/// Fields of the object `whatsapp_business_account`.
#[rustfmt::skip]
const WHATSAPP_FIELDS: &[&str] = &[
    "account_alerts", "account_review_update", "account_update", "business_capability_update", "history",
    "message_template_components_update", "message_template_quality_update", "message_template_status_update",
    "messages", "messaging_handovers", "phone_number_name_update", "phone_number_quality_update", "security",
    "smb_app_state_sync", "smb_message_echoes", "standby", "template_category_update",
];

/// Refuses an object that cannot be subscribed to.
pub(crate) fn check_object(object: &str) -> Result<(), GraphError> {
    if OBJECTS.contains(&object) {
        return Ok(());
    }
    Err(GraphError::not_one_of("object", OBJECTS, object))
}

/// Refuses names the object does not have. One bad name refuses all.
///
/// Of other objects than these three no fields are known here: they take any name.
pub(crate) fn check_names(object: &str, parameter: &str, names: &[String]) -> Result<(), GraphError> {
    let known = match object {
        "page" => PAGE_FIELDS,
        "instagram" => INSTAGRAM_FIELDS,
        "whatsapp_business_account" => WHATSAPP_FIELDS,
        _ => return Ok(()),
    };
    match names.iter().enumerate().find(|(_, name)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((index, name)) => Err(GraphError::not_one_of(&format!("{parameter}[{index}]"), known, name)),
    }
}

/// The field of the object `page` with this name.
pub(crate) fn page_field(name: &str) -> Option<&'static str> {
    PAGE_FIELDS.iter().copied().find(|field| *field == name)
}

/// Whether a page field carries messages and so needs `pages_messaging`.
pub(crate) fn needs_messaging(name: &str) -> bool {
    name.starts_with("message") || name.starts_with("messaging_") || name == "standby"
}
