//! Declarations that are refused: webhook fields that Meta does not know, which are left out, and preparations for the webhook
//! that the API server refuses. Everything else continues.

use super::super::verify_token;
use super::case::Case;
use super::webhook::Webhook;
use crate::api::Reason;
use crate::api::WebhookObject::Page;
use crate::api::conditions::{ConditionType, Finding, Quote, Status, find};
use crate::graph::AppSubscription;
use crate::limits::answer::listed;
use crate::meta_app::model::{KEYRING, Mutation};
use crate::ownership;

impl Case<'_> {
    /// The declared fields that Meta does not know: those of this pass, and those that were refused before while what is
    /// declared is the same and nobody asked for a look.
    pub(super) fn refused_fields(&self) -> Vec<String> {
        let known = self.previous.subscription.as_ref().map(|it| it.refused.as_slice()).unwrap_or_default();
        let inputs = self.previous.inputs.as_ref();
        let same = self.previous.observed_generation == self.generation
            && inputs.is_none_or(|inputs| *inputs == self.seen.inputs);
        let remembered: &[String] = if same { known } else { &[] };
        let is_refused = |field: &String| remembered.contains(field) || self.seen.asked.refused.contains(field);
        crate::meta_app::facts::declared_fields(self.app).into_iter().filter(is_refused).collect()
    }

    /// The declared fields, without those that Meta does not know.
    pub(super) fn wanted_fields(&self) -> Vec<String> {
        let refused = self.refused_fields();
        crate::meta_app::facts::declared_fields(self.app).into_iter().filter(|field| !refused.contains(field)).collect()
    }

    /// That declared fields were left out, with the names that are likely to be meant.
    pub(super) fn left_out(&self, refused: &[String]) -> Option<Finding> {
        if refused.is_empty() {
            return None;
        }
        let fields = if refused.len() == 1 { "field" } else { "fields" };
        let seen = format!("Meta does not know the webhook {fields} {}; the others are subscribed.", listed(refused));
        let corrected = listed(&Page.corrected(refused));
        let step = format!("The maintainer of this MetaApp must correct in spec.webhook.fields: {corrected}.");
        let words = self.seen.asked.refused_words.clone().or_else(|| self.words_of_before());
        Some(self.found(Status::False, Reason::FieldRefused, seen, step).quoting(words))
    }

    /// What Meta said when the field was refused; it is not asked again to hear it once more.
    fn words_of_before(&self) -> Option<Quote> {
        let before = [ConditionType::Ready, ConditionType::WebhookSubscribed].into_iter();
        let before = before.filter_map(|type_| Finding::from_condition(find(&self.previous.conditions, type_)?, None));
        before.filter(|it| it.reason == Reason::FieldRefused).find_map(|it| it.words)
    }

    /// What is said while something is prepared for the webhook. If the API server refuses it, what Meta still shows as it was
    /// verified stands, and what it shows as it is declared: a MetaApp that was applied again verified nothing yet.
    pub(super) fn prepared(&self, row: Option<&AppSubscription>, callback_url: &str, mutation: &Mutation) -> Webhook {
        let kind = match mutation {
            Mutation::AcquireClaim | Mutation::AdoptClaim { .. } => ownership::KIND,
            Mutation::TellGateway => KEYRING,
            _ => verify_token::KIND,
        };
        let refused = self.seen.asked.writes.refusal(kind).map(|refused| refused.finding(self.generation));
        match (refused, self.as_before(row).or_else(|| self.as_declared(row, callback_url))) {
            (None, _) => self.found(Status::Unknown, Reason::Pending, "The webhook is being prepared.", "").into(),
            (Some(refused), None) => refused.into(),
            (Some(refused), Some(standing)) => Webhook { wishes: vec![refused], ..standing.into() },
        }
    }

    /// That the gateway could not be told what there is, unless the webhook says so.
    pub(super) fn gateway_untold(&self, webhook: Option<&Webhook>) -> Option<Finding> {
        let refused = self.seen.asked.writes.refusal(KEYRING)?.finding(self.generation);
        let told = webhook.is_some_and(|it| it.finding == refused || it.wishes.contains(&refused));
        (!told).then_some(refused)
    }

    /// That Meta shows what is declared.
    fn as_declared(&self, row: Option<&AppSubscription>, callback_url: &str) -> Option<Finding> {
        let seen = || format!("Meta delivers the declared fields to {callback_url}.");
        let defect = self.defect(row, callback_url, &self.wanted_fields());
        defect.is_none().then(|| self.found(Status::True, Reason::FieldsMatch, seen(), ""))
    }
}
