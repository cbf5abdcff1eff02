//! Whether a page that should be disconnected or given away is known to be disconnected, and what the claim says about it
//! meanwhile.

use super::model::{AppSeen, Asked};
use crate::api::conditions::{ConditionType, Status, find};
use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy, Reason};
use crate::graph::PageSubscription;
use crate::ownership::Offer;

/// Our application's row at the page, if it has one; `None` if that was not seen.
pub fn row<'a>(app: &AppSeen, asked: &'a Asked) -> Option<Option<&'a PageSubscription>> {
    let (Some(Ok(rows)), AppSeen::Found { app_id, .. }) = (&asked.subscriptions, app) else { return None };
    Some(rows.iter().find(|row| &row.id == app_id))
}

/// Whether the page is not subscribed any more: what is seen counts, then Meta's word in this pass, then what is remembered
/// of it since the declaration changed last. What an earlier declaration came to does not count: the page may have been
/// subscribed in between.
pub fn is_parted(channel: &FacebookChannel, previous: &FacebookChannelStatus, app: &AppSeen, asked: &Asked) -> bool {
    let remembered = find(&previous.conditions, ConditionType::Subscribed).is_some_and(|it| {
        it.status == Status::False.as_str()
            && Reason::parse(&it.reason).is_some_and(Reason::is_parting)
            && it.observed_generation == channel.metadata.generation
    });
    match row(app, asked) {
        Some(row) => row.is_none(),
        None => matches!(asked.unsubscribed, Some(Ok(()))) || remembered,
    }
}

/// The fields that the claim has to name: those that stay subscribed when the channel is deleted. `None` leaves what it names:
/// what a page still holds that is to be disconnected is what was declared before.
pub fn claimed_fields(
    channel: &FacebookChannel,
    previous: &FacebookChannelStatus,
    app: &AppSeen,
    asked: &Asked,
) -> Option<Vec<String>> {
    if channel.spec.parts() {
        return is_parted(channel, previous, app, asked).then(Vec::new);
    }
    // What the application was not seen to deliver yet is not subscribed to either.
    let of_app = if let AppSeen::Found { fields, .. } = app { Some(fields.clone()) } else { None };
    let of_app = of_app.filter(|fields| !fields.is_empty());
    channel.spec.subscribed_fields.clone().or(of_app)
}

/// The namespace that the page is given to, if it can be given there.
pub fn receiver(channel: &FacebookChannel) -> Option<&String> {
    channel.spec.transfer_to.as_ref().filter(|to| channel.metadata.namespace.as_ref() != Some(*to))
}

/// To whom the claim has to be given away: to nobody before the page was parted from. An offer that stands is withdrawn
/// before the subscription is ended once more, or else that of whoever took the page meanwhile might be ended.
pub fn offer(channel: &FacebookChannel, previous: &FacebookChannelStatus, app: &AppSeen, asked: &Asked) -> Offer {
    let Some(to) = receiver(channel).cloned() else { return Offer::None };
    if channel.spec.management_policy == ManagementPolicy::Pause {
        Offer::Kept(to)
    } else if is_parted(channel, previous, app, asked) {
        Offer::To(to)
    } else {
        Offer::None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::limits::answer::{Held, Refusal};
    use crate::meta_app::facts::{Verdict, WebhookVerdict};
    use crate::testing::APP;

    fn channel(connection: &str) -> FacebookChannel {
        let spec = json!({
            "pageId": "2200000000000001",
            "credentials": {"pageToken": {"secretRef": {"name": "x"}, "appRef": {"name": "acme"}}},
            "endpoint": {"direct": {}},
            "connection": connection,
        });
        let mut channel = FacebookChannel::new("shop", serde_json::from_value(spec).unwrap());
        channel.metadata.generation = Some(2);
        channel
    }

    fn app() -> AppSeen {
        AppSeen::Found {
            app_id: APP.into(),
            fields: vec!["messages".to_owned()],
            awaited: Vec::new(),
            required: Vec::new(),
            verdict: Box::new(Verdict {
                observed_generation: 1,
                credentials: Ok(()),
                webhook: WebhookVerdict::NotManaged,
            }),
        }
    }

    /// A status that says this of the subscription, since this generation.
    fn status(reason: &str, generation: i64) -> FacebookChannelStatus {
        let condition = json!({
            "type": "Subscribed", "status": "False", "reason": reason, "message": "x", "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json!({ "conditions": [condition] })).unwrap()
    }

    #[test]
    fn the_claim_names_no_field_of_a_page_that_was_parted_from() {
        let rows = |app: &str| {
            let row = PageSubscription { id: app.into(), name: None, subscribed_fields: vec!["feed".to_owned()] };
            Asked { subscriptions: Some(Ok(vec![row])), ..Asked::default() }
        };
        let ended = || Asked { unsubscribed: Some(Ok(())), ..Asked::default() };
        let held = Err(Refusal::held(Held::Limit(jiff::Timestamp::UNIX_EPOCH)));
        let refused = Asked { unsubscribed: Some(held), ..Asked::default() };
        let (parted, before) = (status("DeclaredDisconnected", 2), status("DeclaredDisconnected", 1));
        let unknown = FacebookChannelStatus::default();
        let rows = [
            ("its row is gone", rows("9999000099990000"), &unknown, true),
            ("its row is there, whatever Meta said", Asked { unsubscribed: Some(Ok(())), ..rows(APP) }, &parted, false),
            ("Meta said so", ended(), &unknown, true),
            ("Meta did not answer", refused, &unknown, false),
            ("it is remembered", Asked::default(), &parted, true),
            ("it is remembered of an earlier declaration", Asked::default(), &before, false),
            ("nothing is known", Asked::default(), &unknown, false),
        ];
        for (name, asked, previous, parted) in rows {
            let fields = claimed_fields(&channel("Disconnected"), previous, &app(), &asked);
            assert_eq!(fields, parted.then(Vec::new), "{name}");
            let fields = claimed_fields(&channel("Connected"), previous, &app(), &asked);
            assert_eq!(fields, Some(vec!["messages".to_owned()]), "{name}");
        }
    }
}
