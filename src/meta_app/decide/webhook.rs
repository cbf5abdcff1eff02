//! The application's webhook, and any obstacles to it.

use super::case::Case;
use crate::api::conditions::{ConditionType, Finding, Status, find};
use crate::api::{AppSubscriptionStatus, ManagementPolicy, Reason};
use crate::controller::being_deleted::being_deleted;
use crate::controller::evidence::Matter;
use crate::controller::repair_fight::Fight;
use crate::controller::{being_deleted, repair_fight};
use crate::graph::{AppSubscription, Verdict};
use crate::limits::answer::{Refusal, drift_observed, listed, look_again, without_effect};
use crate::limits::repair_limiter::DriftState;
use crate::meta_app::model::{KeyringSeen, Mutation, VerifyTokenSeen};
use crate::ownership::ClaimSeen;

/// The webhook, as it was found.
pub(super) struct Webhook {
    /// The condition WebhookSubscribed.
    pub(super) finding: Finding,
    /// What was declared and is not reached, while what was verified before still stands.
    pub(super) wishes: Vec<Finding>,
    /// What to do.
    pub(super) mutation: Option<Mutation>,
    /// Whether Meta shows what is declared, but for fields that it does not know.
    pub(super) reached: bool,
}

impl From<Finding> for Webhook {
    fn from(finding: Finding) -> Self {
        Self { finding, wishes: Vec::new(), mutation: None, reached: false }
    }
}

impl Webhook {
    fn doing(self, mutation: Mutation) -> Self {
        Self { mutation: Some(mutation), ..self }
    }
}

impl Case<'_> {
    /// The webhook, and what to do about it. What is missing is written back, and the answer after that decides; where
    /// nothing writes it, it has to be missing twice.
    pub(super) fn webhook(&mut self) -> Webhook {
        let webhook = self.webhook_as_seen();
        let found = &webhook.finding;
        let by_the_row = found.status == Status::False && !found.reason.needs_no_answer();
        let writes = webhook.mutation.is_some() || self.seen.asked.subscribed.is_some();
        let open = found.status != Status::True && !writes;
        match self.absent_of_the_row(by_the_row).filter(|_| open) {
            Some(absent) => {
                let standing = self.heard.hear(Matter::Rows, &absent, self.now);
                self.absent.rows = !standing.is_confirmed();
            }
            // Silence contradicts nothing.
            None if matches!(self.seen.asked.subscriptions, Some(Ok(_))) => self.heard.drop(Matter::Rows),
            None => {}
        }
        if !(self.absent.rows && by_the_row) {
            return webhook;
        }
        let seen = webhook.finding.seen;
        let finding = self.heard_once(ConditionType::WebhookSubscribed, seen, None);
        Webhook { finding, ..webhook }
    }

    /// What one answer does not contain of the row: of what is wanted if the row decides, else of what is recorded. That the
    /// row is inactive or has another callback is told, and not missing.
    fn absent_of_the_row(&self, by_the_row: bool) -> Option<String> {
        let asked = &self.seen.asked;
        let (Some(Ok(_)), Some(Ok(rows))) = (&asked.node, &asked.subscriptions) else { return None };
        let recorded = self.previous.subscription.as_ref();
        let recorded_fields = || recorded.map(|it| it.fields.clone()).unwrap_or_default();
        let wanted = if by_the_row { self.wanted_fields() } else { Vec::new() };
        let expected = if wanted.is_empty() { recorded_fields() } else { wanted };
        let Some(row) = page_row(rows) else {
            return (!expected.is_empty()).then(|| "no row".to_owned());
        };
        let declared = Some(&row.callback_url) == self.seen.callback_url.as_ref();
        let before = Some(&row.callback_url) == recorded.and_then(|it| it.callback_url.as_ref());
        if !row.active || !(declared || before && !by_the_row) {
            return None;
        }
        let missing: Vec<_> = expected.into_iter().filter(|field| !row.fields.contains(field)).collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    fn webhook_as_seen(&self) -> Webhook {
        let Some(callback_url) = &self.seen.callback_url else {
            let step = "Set spec.webhook.callbackUrl, or have the administrator start the operator with --gateway-url.";
            let seen = "There is no callback URL for Meta.";
            return self.found(Status::False, Reason::CallbackNotConfigured, seen, step).into();
        };
        if let Some(finding) = self.taken() {
            return finding.into();
        }
        let asked = &self.seen.asked;
        let rows = match (&asked.node, &asked.subscriptions) {
            (Some(Ok(_)), Some(Ok(rows))) => rows,
            (Some(Ok(_)), Some(Err(refusal))) => return self.keep(ConditionType::WebhookSubscribed, refusal).into(),
            _ => return self.unasked(ConditionType::WebhookSubscribed).into(),
        };
        // Claim and verify token are for writing. Who only looks on needs neither, and must not keep a writer out.
        if let Some((mutation, tried)) = self.preparation().filter(|_| !self.observes()) {
            if self.is_deleted() {
                let unprepared = self.found(Status::False, Reason::Pending, "The webhook is not prepared.", "");
                return being_deleted(unprepared, &self.app.metadata).into();
            }
            let prepared = self.prepared(page_row(rows), callback_url, &mutation);
            return Webhook { mutation: (!tried).then_some(mutation), ..prepared };
        }
        let refused = self.refused_fields();
        let wanted = self.wanted_fields();
        let row = page_row(rows);
        let mut webhook = match self.defect(row, callback_url, &wanted) {
            None => self.subscribed(callback_url, wanted),
            Some(defect) => self.defective(defect, row, callback_url, wanted),
        };
        webhook.wishes.extend(self.left_out(&refused));
        webhook
    }

    /// Whether the MetaApp is being deleted, so that its webhook is subscribed no more.
    fn is_deleted(&self) -> bool {
        being_deleted::is_begun(&self.app.metadata)
    }

    fn observes(&self) -> bool {
        self.app.spec.management_policy == ManagementPolicy::Observe
    }

    /// The row is as declared. Meta may still have to be given the verify token that the gateway has now.
    fn subscribed(&self, callback_url: &str, fields: Vec<String>) -> Webhook {
        let seen = format!("Meta delivers the declared fields to {callback_url}.");
        let finding = self.found(Status::True, Reason::FieldsMatch, seen, "");
        let webhook = Webhook { reached: true, ..finding.into() };
        if !self.knows_another_token() || self.observes() || self.is_deleted() || fields.is_empty() {
            return webhook;
        }
        match &self.seen.asked.subscribed {
            None => webhook.doing(Mutation::Introduce { callback_url: callback_url.to_owned(), fields }),
            Some(Err(refusal)) if !refusal.may_pass() => {
                Webhook { wishes: vec![self.not_subscribed(refusal, callback_url)], ..webhook }
            }
            Some(_) => webhook,
        }
    }

    /// Whether Meta was given another verify token than the one that the gateway has now.
    fn knows_another_token(&self) -> bool {
        let given = self.previous.subscription.as_ref().and_then(|it| it.verify_token_fingerprint.as_ref());
        given.is_some_and(|given| self.seen.verify_token_fingerprint.as_ref().is_some_and(|now| now != given))
    }

    /// The row is not as declared. While it is as it was verified before, what is new is a wish, and undoes nothing.
    fn defective(
        &self,
        defect: Finding,
        row: Option<&AppSubscription>,
        callback_url: &str,
        fields: Vec<String>,
    ) -> Webhook {
        let foreign = defect.reason == Reason::ForeignCallback;
        if self.is_deleted() {
            return being_deleted(defect, &self.app.metadata).into();
        }
        if self.observes() && !foreign {
            let fields = crate::meta_app::facts::declared_fields(self.app).join(", ");
            let plan = format!("subscribes the app's webhook with the callback {callback_url} and the fields {fields}");
            return drift_observed(defect, &plan).into();
        }
        let written = match &self.seen.asked.subscribed {
            None if foreign => return defect.into(),
            None if self.seen.standing == DriftState::Fought => {
                return self.fight(row, |fight| repair_fight::repair_fight(defect, fight)).into();
            }
            // There is nothing left to subscribe to.
            None if fields.is_empty() => self.left_out(&self.refused_fields()).unwrap_or(defect),
            None => {
                let mutation = Mutation::Subscribe { callback_url: callback_url.to_owned(), fields };
                return Webhook::from(defect).doing(mutation);
            }
            Some(Ok(())) if self.is_overwritten(row, callback_url, &fields) && self.as_before(row).is_none() => {
                self.fight(row, |fight| repair_fight::overwritten(defect, fight))
            }
            Some(Ok(())) => without_effect(defect),
            Some(Err(refusal)) if !refusal.may_pass() => self.not_subscribed(refusal, callback_url),
            // A write that was not answered says nothing: the row that was read after it does.
            Some(Err(_)) => defect,
        };
        match self.as_before(row) {
            Some(finding) => Webhook { wishes: vec![written], ..finding.into() },
            None => written.into(),
        }
    }

    /// Whether someone else wrote the row after these fields were written, as it seems: they are someone else's, or the
    /// callback is. Of who did that once nothing else is expected.
    fn is_overwritten(&self, row: Option<&AppSubscription>, callback_url: &str, written: &[String]) -> bool {
        let foreign = row.is_some_and(|row| row.callback_url != callback_url);
        let before = self.seen.asked.before.as_ref().map(|rows| held(page_row(rows)));
        let disputed = repair_fight::is_disputed(find(&self.previous.conditions, ConditionType::WebhookSubscribed));
        foreign || disputed || before.is_some_and(|before| repair_fight::is_foreign(before, written, held(row)))
    }

    /// What is found of a fight over the row.
    fn fight(&self, row: Option<&AppSubscription>, found: impl FnOnce(Fight<'_>) -> Finding) -> Finding {
        let previous = find(&self.previous.conditions, ConditionType::WebhookSubscribed);
        let look_again = look_again("metaapp", &self.app.metadata);
        found(Fight { previous, held: held(row), look_again: &look_again, now: self.now })
    }

    /// The condition as it was, if Meta still shows what was verified then.
    pub(super) fn as_before(&self, row: Option<&AppSubscription>) -> Option<Finding> {
        let (row, before) = (row?, self.previous.subscription.as_ref()?);
        let previous = find(&self.previous.conditions, ConditionType::WebhookSubscribed)?;
        let known = Finding::from_condition(previous, None).filter(|it| it.status != Status::False)?;
        let callback = before.callback_url.as_ref().filter(|_| before.active && row.active)?;
        let verified = crate::meta_app::facts::verified_fields(self.app, Some(before));
        let stands = *callback == row.callback_url && verified.iter().all(|field| row.fields.contains(field));
        if !stands || known.status == Status::True {
            return stands.then_some(known);
        }
        let seen = format!("Meta delivers to {callback}, as verified before.");
        Some(self.found(Status::True, Reason::FieldsMatch, seen, ""))
    }

    /// What someone else holds, so that the subscription at Meta may not be written. It is known without Meta.
    fn taken(&self) -> Option<Finding> {
        let id = &self.app.spec.app_id;
        let (reason, seen, step) = match (&self.seen.claim, self.seen.verify_token) {
            (ClaimSeen::Unavailable(why), _) => {
                return Some(self.found(Status::Unknown, why.reason(), why.seen(), why.next_step()));
            }
            (ClaimSeen::Duplicate { name }, _) => (
                Reason::DuplicateInNamespace,
                format!("MetaApp {name} of this namespace manages the webhook of app {id}."),
                "Remove spec.webhook from one of the two MetaApps.",
            ),
            (ClaimSeen::Elsewhere { namespace } | ClaimSeen::Offered { namespace }, _) => (
                Reason::ClaimedElsewhere,
                format!("Namespace {namespace} manages the webhook of app {id}."),
                "Remove spec.webhook here; or have that MetaApp deleted, and its AssetClaim by a cluster administrator.",
            ),
            (_, VerifyTokenSeen::Taken) => {
                let name = crate::meta_app::facts::verify_token_secret_name(
                    self.app.metadata.name.as_deref().unwrap_or_default(),
                );
                let seen =
                    format!("A Secret {name} exists that the operator did not create; the operator leaves it alone.");
                let namespace = self.app.metadata.namespace.as_deref().unwrap_or_default();
                let step = format!(
                    "The owner of the Secret must check whether it is still needed, keep a copy under another name if so, and remove it: kubectl -n {namespace} delete secret {name}"
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
            (_, VerifyTokenSeen::LeftOver) => Some((Mutation::AdoptVerifyToken, asked.verify_token_made)),
            // Meta asks the gateway for the verify token at once. Here it was tried to tell it.
            _ if self.seen.keyring == KeyringSeen::Outdated => Some((Mutation::TellGateway, true)),
            _ => None,
        }
    }

    /// How the row at Meta differs from what is declared.
    pub(super) fn defect(
        &self,
        row: Option<&AppSubscription>,
        callback_url: &str,
        wanted: &[String],
    ) -> Option<Finding> {
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
        let missing: Vec<_> = wanted.iter().filter(|field| !row.fields.contains(field)).cloned().collect();
        let seen = || format!("The app's webhook lacks the fields {}.", listed(&missing));
        (!missing.is_empty()).then(|| self.found(Status::False, Reason::FieldsMissing, seen(), ""))
    }

    /// Another callback than the declared one stands at Meta. Once ours stood there, that is drift like any other. Before, the
    /// app is someone else's, who would lose its events.
    fn other_callback(&self, found: &str) -> Finding {
        let written = matches!(self.seen.asked.subscribed, Some(Ok(())));
        let ours_before = written || self.previous.subscription.as_ref().is_some_and(|it| it.callback_url.is_some());
        let shown = crate::base::redact::redact(found, &[]);
        // The URL as it was shown will do: it is all that someone who reads the message can write down.
        let take_over = self.app.spec.webhook.as_ref().and_then(|it| it.take_over_from.as_deref());
        let take_over = take_over.is_some_and(|named| named == found || named == shown);
        let seen = format!("The app's callback at Meta is {shown}");
        if ours_before || take_over {
            return self.found(Status::False, Reason::NotSubscribed, format!("{seen}."), "");
        }
        let step = "If it may be replaced, set spec.webhook.takeOverFrom to that URL; if not, remove spec.webhook.";
        let seen = format!("{seen}, which this MetaApp never wrote; the operator leaves it alone.");
        self.found(Status::False, Reason::ForeignCallback, seen, step)
    }

    fn not_subscribed(&self, refusal: &Refusal, callback_url: &str) -> Finding {
        let fact = &refusal.fact;
        let (reason, seen, step) = match refusal.verdict {
            Verdict::CallbackFailed { answered: false } => (
                Reason::CallbackVerificationFailed,
                format!("Meta could not verify the callback {callback_url} ({fact})."),
                "The operator tries again on its own; the maintainer of the gateway must make sure that Meta can reach it under that URL, with a certificate from a public authority.".to_owned(),
            ),
            Verdict::CallbackFailed { answered: true } => (
                Reason::CallbackVerificationFailed,
                format!("Something answers at the callback {callback_url}, but not the gateway: Meta did not get its challenge back ({fact})."),
                "The operator tries again on its own; the maintainer of the gateway must make sure that the Ingress or load balancer routes exactly that path to the gateway's Service, without a login or another page in between.".to_owned(),
            ),
            _ => (
                Reason::RequestRejected,
                format!("Meta refused the subscription of the webhook ({fact})."),
                "The maintainer of this MetaApp must compare spec.webhook with what Meta accepts; an administrator of the app must check its alerts in the App Dashboard.".to_owned(),
            ),
        };
        self.found(Status::False, reason, seen, step).quoting(refusal.quote())
    }

    /// The subscription as Meta shows it, or as before while something was missing once. Only a callback that is ours is recorded: it is how we know it again.
    pub(super) fn subscription(&self) -> Option<AppSubscriptionStatus> {
        let before = self.previous.subscription.clone();
        let Some(Ok(rows)) = &self.seen.asked.subscriptions else { return before };
        let before = before.unwrap_or_default();
        let (now, given) = (&self.seen.verify_token_fingerprint, matches!(self.seen.asked.subscribed, Some(Ok(()))));
        let token = if given { now.clone() } else { before.verify_token_fingerprint.clone() };
        let row = page_row(rows);
        let refused = self.refused_fields();
        if self.absent.rows {
            return self.previous.subscription.clone().map(|before| AppSubscriptionStatus { refused, ..before });
        }
        let Some(row) = row else {
            let known = before.callback_url.is_some() || !refused.is_empty();
            let callback_url = before.callback_url;
            return known.then(|| AppSubscriptionStatus {
                callback_url,
                refused,
                verify_token_fingerprint: token,
                ..AppSubscriptionStatus::default()
            });
        };
        let declared = Some(&row.callback_url) == self.seen.callback_url.as_ref();
        let ours = declared || Some(&row.callback_url) == before.callback_url.as_ref();
        // What Meta was given before fingerprints were kept counts as what is there now.
        let token = token.or_else(|| now.clone().filter(|_| declared));
        let mut fields = row.fields.clone();
        fields.sort();
        // What Meta accepted was there, though someone else wrote over it since.
        let accepted = self.seen.callback_url.clone().filter(|_| declared || given);
        let callback_url = accepted.or(before.callback_url);
        Some(AppSubscriptionStatus {
            active: row.active && ours,
            callback_url,
            fields,
            refused,
            verify_token_fingerprint: token,
        })
    }
}

/// The row of pages: there is at most one for each kind of object.
fn page_row(rows: &[AppSubscription]) -> Option<&AppSubscription> {
    rows.iter().find(|row| row.object == "page")
}

/// The fields of a row, if it is there.
fn held(row: Option<&AppSubscription>) -> &[String] {
    row.map(|row| row.fields.as_slice()).unwrap_or_default()
}
