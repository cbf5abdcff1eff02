//! What holds over time, whatever was answered in between.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::*;
use super::strategies::{observations, statuses};
use crate::api::conditions::{ConditionType, Status, status_of};
use crate::api::{MetaAppStatus, Reason};
use crate::graph::{AppNode, Verdict};
use crate::limits::answer::{Answer, Refusal};
use crate::meta_app::model::{Observed, SecretSeen};

/// The reason for which an answer rejects the credentials, if it does.
fn rejection(node: &Option<Answer<AppNode>>) -> Option<Reason> {
    match node.as_ref()?.as_ref().err()?.verdict {
        Verdict::AppBroken(reason) => Some(Reason::from(reason)),
        _ => None,
    }
}

/// What a plain reading of the rule says: since when the same rejection stands, without an acceptance in between.
#[derive(Default)]
struct Witness {
    since: Option<(Reason, SignedDuration)>,
}

impl Witness {
    fn confirms(&mut self, seen: &Observed, at: SignedDuration) -> bool {
        match (rejection(&seen.asked.node), &seen.asked.node) {
            (Some(reason), _) => {
                let since = self.since.filter(|(known, _)| *known == reason).map_or(at, |(_, since)| since);
                self.since = Some((reason, since));
                at - since >= SignedDuration::from_mins(1)
            }
            (None, Some(Ok(_))) => {
                self.since = None;
                false
            }
            _ => false,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(Observed, SignedDuration)>> {
    let waits = select(vec![1, 20, 59, 60, 61, 3600]).prop_map(SignedDuration::from_secs);
    let present = observations().prop_map(|seen| Observed { secret: SecretSeen::Present, ..seen });
    prop::collection::vec((present, waits), 1..7)
}

fn of(status: &MetaAppStatus, type_: ConditionType) -> Option<Status> {
    status_of(&status.conditions, type_)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_two_rejections_a_minute_apart_turn_the_credentials_false(history in steps()) {
        let (mut previous, mut heard, mut witness) = (MetaAppStatus::default(), Default::default(), Witness::default());
        let mut passed = SignedDuration::ZERO;
        for (mut seen, wait) in history {
            passed += wait;
            seen.suspicions = heard;
            let confirmed = witness.confirms(&seen, passed);
            let scene = Scene { app: meta_app(3), previous: previous.clone(), seen, now: now() + passed };
            let outcome = scene.decide();
            let (before, after) = (of(&previous, ConditionType::CredentialsValid), of(outcome.status(), ConditionType::CredentialsValid));
            if after == Some(Status::False) {
                let kept = before == Some(Status::False);
                prop_assert!(confirmed || kept, "{:#?}", outcome.status());
            }
            if confirmed {
                prop_assert_eq!(after, Some(Status::False));
            }
            (previous, heard) = (outcome.status().clone(), outcome.plan.report.suspicions.clone());
        }
    }

    #[test]
    fn a_refused_write_never_turns_a_verified_webhook_false(
        mut seen in observations(),
        mut previous in statuses(),
        refusal in select(refused_writes()),
        more in any::<bool>(),
    ) {
        // Verified before, and Meta shows the same still.
        let healthy = Scene::healthy();
        previous.conditions.retain(|it| it.type_ != "WebhookSubscribed");
        let verified = healthy.decide();
        let subscribed = verified.status().conditions.iter().filter(|it| it.type_ == "WebhookSubscribed").cloned();
        previous.conditions.extend(subscribed);
        previous.subscription.clone_from(&verified.status().subscription);
        seen.callback_url = healthy.seen.callback_url.clone();
        seen.claim = healthy.seen.claim.clone();
        seen.verify_token = healthy.seen.verify_token;
        (seen.secret, seen.stale) = (SecretSeen::Present, false);
        seen.asked.node = Some(Ok(AppNode { id: APP.to_owned(), name: None }));
        seen.asked.subscriptions = healthy.seen.asked.subscriptions.clone();
        seen.asked.subscribed = Some(Err(refusal));
        let mut app = meta_app(3);
        if more {
            app.spec.webhook.as_mut().unwrap().fields = Some(words(&["messages", "messaging_postbacks", "feed"]));
        }
        let scene = Scene { app, previous, seen, now: now() };
        let outcome = scene.decide();
        prop_assert_eq!(of(outcome.status(), ConditionType::WebhookSubscribed), Some(Status::True), "{:#?}", outcome.status());
        let ready = of(outcome.status(), ConditionType::Ready);
        prop_assert!(!more || ready != Some(Status::True), "{:#?}", outcome.status());
    }
}

/// Everything that Meta may say to a write.
fn refused_writes() -> Vec<Refusal> {
    let errors = [
        (1, "?"),
        (3, "?"),
        (4, "?"),
        (100, "(#100) Invalid parameter"),
        (190, "x"),
        (200, "x"),
        (2200, "x"),
        (2201, "x"),
        (4242, "x"),
        (2635, "x"),
    ];
    errors.map(|(code, text)| fault(code, None, text)).to_vec()
}
