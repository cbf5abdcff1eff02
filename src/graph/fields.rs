//! The webhook fields of a page. What Meta says of a field decides; this list only helps people who mistype one.

/// The fields of the webhook object `page`, in the order of the alphabet: those that Meta's Business SDK names as
/// `SubscribedFields` of a page (<https://github.com/facebook/facebook-nodejs-business-sdk/blob/main/src/objects/page.js>) in any of
/// the versions of the Graph API that are served, and what the documentation of Messenger webhooks adds.
#[rustfmt::skip]
pub const PAGE_FIELDS: &[&str] = &[
    "affiliation", "agent_messages", "agent_questions", "attire", "awards", "bio", "birthday", "business_integrity",
    "call_permission_reply", "call_settings_update", "calls", "category", "checkins", "comment_poll_response",
    "company_overview", "conversations", "culinary_team", "current_location", "description", "email",
    "feature_access_list", "feed", "follow", "founded", "general_info", "general_manager", "group_feed", "hometown",
    "hours", "inbox_labels", "invoice_access_bank_slip_events", "invoice_access_invoice_change",
    "invoice_access_invoice_draft_change", "invoice_access_onboarding_status_active", "leadgen", "leadgen_fat",
    "live_videos", "local_delivery", "location", "marketing_message_delivery_failed", "marketing_message_echoes",
    "marketing_messages_subscriber_upload_status", "mcom_invoice_change", "members", "mention", "merchant_review",
    "message_context", "message_deliveries", "message_echoes", "message_edits", "message_mention",
    "message_reactions", "message_reads", "message_template_status_update", "messages", "messaging_account_linking",
    "messaging_appointments", "messaging_checkout_updates", "messaging_customer_information",
    "messaging_direct_sends", "messaging_fblogin_account_linking", "messaging_feedback", "messaging_game_plays",
    "messaging_handovers", "messaging_in_thread_lead_form_submit", "messaging_integrity", "messaging_optins",
    "messaging_optouts", "messaging_payments", "messaging_policy_enforcement", "messaging_postbacks",
    "messaging_pre_checkouts", "messaging_referrals", "mission", "name", "otp_verification", "page_about_story",
    "page_change_proposal", "page_upcoming_change", "parking", "payment_options", "payment_request_update",
    "personal_info", "personal_interests", "phone", "picture", "price_range", "product_review", "products",
    "public_transit", "publisher_subscriptions", "ratings", "registration", "response_feedback", "send_cart",
    "standby", "story_poll_response", "story_share", "user_action", "video_text_question_responses", "videos",
    "website",
];

/// Whether pages are known to have a webhook field of this name.
#[must_use]
pub fn is_known_field(name: &str) -> bool {
    PAGE_FIELDS.binary_search(&name).is_ok()
}

/// The field that is most likely meant by a name that Meta does not know, if one is near.
#[must_use]
pub fn nearest_field(name: &str) -> Option<&'static str> {
    let distance = |field: &&'static str| strsim::damerau_levenshtein(name, field);
    let nearest = PAGE_FIELDS.iter().copied().min_by_key(distance)?;
    // One slip in five letters is a typing error; more is another word.
    let slips = (name.len() / 5).clamp(1, 4);
    (distance(&nearest) <= slips).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_holds_what_is_subscribed_by_default() {
        assert!(PAGE_FIELDS.is_sorted_by(|one, next| one < next));
        for field in crate::api::DEFAULT_FIELDS {
            assert!(is_known_field(field), "{field}");
        }
        assert!(!is_known_field("mesage_reads"));
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
            ("message_delivery", Some("message_deliveries")),
            ("deliveries", None),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(nearest_field(name), expected, "{name}");
        }
        for field in PAGE_FIELDS {
            assert_eq!(nearest_field(field), Some(*field));
        }
    }
}
