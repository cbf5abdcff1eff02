//! The application's webhook, and what is in the way of it.

use super::super::act::Mutation;
use super::super::observe::VerifyTokenSeen;
use super::Case;
use crate::api::conditions::{ConditionType, Finding, Status};
use crate::api::{AppSubscriptionStatus, ManagementPolicy, Reason};
use crate::claims::ClaimSeen;
use crate::engine::answer::{Refusal, drift_observed, listed, look_again, repair_fight, without_effect};
use crate::engine::repairs::Standing;
use crate::graph::{AppSubscription, Verdict};

impl Case<'_> {
    /// The webhook, and what to do about it.
    pub(super) fn webhook(&self) -> (Finding, Option<Mutation>) {
        let Some(callback_url) = &self.seen.callback_url else {
            let finding = self.found(
                Status::False,
                Reason::CallbackUnknown,
                "There is no callback URL to give to Meta.",
                "Set spec.webhook.callbackUrl, or have the operator started with --gateway-url.",
            );
            return (finding, None);
        };
        if let Some(finding) = self.taken() {
            return (finding, None);
        }
        let asked = &self.seen.asked;
        let rows = match (&asked.node, &asked.subscriptions) {
            (Some(Ok(_)), Some(Ok(rows))) => rows,
            (Some(Ok(_)), Some(Err(refusal))) => {
                return (self.list_refused(ConditionType::WebhookSubscribed, refusal), None);
            }
            _ => return (self.unasked(ConditionType::WebhookSubscribed), None),
        };
        let observed = self.app.spec.management_policy == ManagementPolicy::Observe;
        // Claim and verify token are for writing. Who only looks on needs neither, and must not keep a writer out.
        if let Some((mutation, tried)) = self.preparation().filter(|_| !observed) {
            let finding = self.found(Status::Unknown, Reason::Pending, "The webhook is being prepared.", "");
            return (finding, (!tried).then_some(mutation));
        }
        let row = rows.iter().find(|row| row.object == "page");
        let Some(defect) = self.defect(row, callback_url) else {
            let seen = format!("Meta delivers the declared fields to {callback_url}.");
            return (self.found(Status::True, Reason::FieldsMatch, seen, ""), None);
        };
        if observed && defect.reason != Reason::ForeignCallback {
            let fields = super::super::fields(self.app).join(", ");
            let plan = format!("subscribes the app's webhook with the callback {callback_url} and the fields {fields}");
            return (drift_observed(defect, &plan), None);
        }
        match &asked.subscribed {
            None if self.seen.standing == Standing::Fought && defect.reason != Reason::ForeignCallback => {
                let held = row.map(|row| row.fields.as_slice()).unwrap_or_default();
                (repair_fight(defect, held, &look_again("metaapp", &self.app.metadata)), None)
            }
            None if defect.reason != Reason::ForeignCallback => {
                let mutation =
                    Mutation::Subscribe { callback_url: callback_url.clone(), fields: super::super::fields(self.app) };
                (defect, Some(mutation))
            }
            // A write that was not answered says nothing: the row that was read after it does.
            Some(Err(refusal)) if !refusal.says_nothing() => (self.not_subscribed(refusal, callback_url), None),
            Some(Ok(())) => (without_effect(defect), None),
            _ => (defect, None),
        }
    }

    /// What somebody else holds, so that the subscription at Meta may not be written. It is known without Meta.
    fn taken(&self) -> Option<Finding> {
        let id = &self.app.spec.app_id;
        let (reason, seen, step) = match (&self.seen.claim, self.seen.verify_token) {
            (ClaimSeen::Unavailable(why), _) => {
                return Some(self.found(Status::Unknown, why.reason(), why.seen(), why.next_step()));
            }
            (ClaimSeen::Duplicate { name }, _) => (
                Reason::DuplicateInNamespace,
                format!("MetaApp {name} of this namespace manages the webhook of app {id}."),
                "Remove spec.webhook from one of the two.",
            ),
            (ClaimSeen::Elsewhere { namespace } | ClaimSeen::Offered { namespace }, _) => (
                Reason::ClaimedElsewhere,
                format!("Namespace {namespace} manages the webhook of app {id}."),
                "Remove spec.webhook here; or have that MetaApp deleted and its AssetClaim too, by a cluster administrator.",
            ),
            (_, VerifyTokenSeen::Taken) => {
                let name =
                    super::super::verify_token_secret_name(self.app.metadata.name.as_deref().unwrap_or_default());
                let seen = format!("A Secret {name} exists and was not made by the operator; it is left alone.");
                let namespace = self.app.metadata.namespace.as_deref().unwrap_or_default();
                let step = format!(
                    "Whoever made it must look whether it is still needed, keep a copy under another name if so, and remove it: kubectl -n {namespace} delete secret {name}"
                );
                return Some(self.found(Status::False, Reason::SecretNameTaken, seen, step));
            }
            (ClaimSeen::Releasing, _) => {
                let seen = "The claim on the webhook is being cleaned up.";
                return Some(self.found(Status::Unknown, Reason::Pending, seen, ""));
            }
            (ClaimSeen::Free | ClaimSeen::Orphaned { .. } | ClaimSeen::Ours { .. }, _) => return None,
        };
        Some(self.found(Status::False, reason, seen, step))
    }

    /// What has to be done before the subscription at Meta may be written, and whether it was tried in this pass.
    fn preparation(&self) -> Option<(Mutation, bool)> {
        let asked = &self.seen.asked;
        match (&self.seen.claim, self.seen.verify_token) {
            (ClaimSeen::Free, _) => Some((Mutation::AcquireClaim, asked.claimed)),
            (ClaimSeen::Orphaned { of }, _) => Some((Mutation::AdoptClaim { of: of.clone() }, asked.claimed)),
            (_, VerifyTokenSeen::Missing) => Some((Mutation::CreateVerifyToken, asked.verify_token_made)),
            _ => None,
        }
    }

    /// How the row at Meta differs from what is declared.
    fn defect(&self, row: Option<&AppSubscription>, callback_url: &str) -> Option<Finding> {
        let Some(row) = row else {
            return Some(self.found(
                Status::False,
                Reason::NotSubscribed,
                "The app has no webhook for pages at Meta.",
                "",
            ));
        };
        if row.callback_url != callback_url {
            return Some(self.other_callback(&row.callback_url));
        }
        if !row.active {
            return Some(self.found(
                Status::False,
                Reason::NotSubscribed,
                "Meta has set the app's webhook inactive.",
                "",
            ));
        }
        let missing: Vec<_> =
            super::super::fields(self.app).into_iter().filter(|field| !row.fields.contains(field)).collect();
        let seen = || format!("The app's webhook lacks the fields {}.", listed(&missing));
        (!missing.is_empty()).then(|| self.found(Status::False, Reason::FieldsMissing, seen(), ""))
    }

    /// Another callback than the declared one stands at Meta. Once ours stood there, that is drift like any other. Before, the
    /// app is somebody else's, who would lose its events.
    fn other_callback(&self, found: &str) -> Finding {
        let ours_before = self.previous.subscription.as_ref().is_some_and(|it| it.callback_url.is_some());
        let shown = crate::graph::redact(found, &[]);
        // The URL as it was shown will do: it is all that somebody who reads the message can write down.
        let take_over = self.app.spec.webhook.as_ref().and_then(|it| it.take_over_from.as_deref());
        let take_over = take_over.is_some_and(|named| named == found || named == shown);
        let seen = format!("The app's callback at Meta is {shown}");
        if ours_before || take_over {
            return self.found(Status::False, Reason::NotSubscribed, format!("{seen}."), "");
        }
        let step = "If it may be replaced, set spec.webhook.takeOverFrom to that URL; if not, remove spec.webhook.";
        let seen = format!("{seen}, which this MetaApp never wrote; it is left alone.");
        self.found(Status::False, Reason::ForeignCallback, seen, step)
    }

    fn not_subscribed(&self, refusal: &Refusal, callback_url: &str) -> Finding {
        let fact = &refusal.fact;
        match refusal.verdict {
            Verdict::CallbackFailed { .. } => self.found(
                Status::False,
                Reason::CallbackVerificationFailed,
                format!("Meta could not verify the callback {callback_url} ({fact})."),
                "The operator tries again by itself; whoever runs the gateway must see that Meta can reach it under that URL, with a certificate of a public authority.",
            ),
            _ => self.found(
                Status::False,
                Reason::RequestRejected,
                format!("Meta refused the subscription of the webhook ({fact})."),
                "Whoever maintains this MetaApp must compare spec.webhook with what Meta accepts.",
            ),
        }
    }

    /// The subscription as Meta shows it. Only a callback that is ours is recorded: it is how we know it again.
    pub(super) fn subscription(&self) -> Option<AppSubscriptionStatus> {
        let Some(Ok(rows)) = &self.seen.asked.subscriptions else { return self.previous.subscription.clone() };
        let recorded = self.previous.subscription.as_ref().and_then(|it| it.callback_url.clone());
        let Some(row) = rows.iter().find(|row| row.object == "page") else {
            return recorded.map(|callback_url| AppSubscriptionStatus {
                callback_url: Some(callback_url),
                ..AppSubscriptionStatus::default()
            });
        };
        let ours = Some(&row.callback_url) == self.seen.callback_url.as_ref();
        let mut fields = row.fields.clone();
        fields.sort();
        let callback_url = if ours { Some(row.callback_url.clone()) } else { recorded };
        Some(AppSubscriptionStatus { active: row.active && ours, callback_url, fields })
    }
}
