//! Messages of the gateway that hold no tokens: they are reported and deleted. Messages that nobody asks for any more are
//! deleted too.

mod trouble;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::inbox::{Envelope, came_at};
use super::model::app_key;
use super::state::MetaGrants;
use crate::api::inbox::{InboxMessage, MessageContent, MessageRefusal};
use crate::base::clock::Moment;
use crate::base::key::Key;
use crate::base::redact::redact;
use crate::cluster::events::Note;
use crate::limits::answer::listed;
use crate::meta_app::seen;
use crate::meta_grant::grantors;

/// The reason of the Event that an authorization in the browser was refused.
pub const REFUSED: &str = "AuthorizationRefused";

/// What a message is called among what is written for a grant: it is a Secret beside its own.
pub const KIND: &str = "mail";

/// How long a message stays that nobody takes. A login may take ten minutes and its confirmation ten more; until then it must
/// be known which states were used.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How often old messages are looked for.
const TIDY: SignedDuration = SignedDuration::from_mins(10);

/// The same where some could not be thrown away.
const RETRY: SignedDuration = SignedDuration::from_secs(45);

/// The shortest time between two walks over all messages, however much comes.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks after the inbox until the shutdown.
pub async fn run(grants: Arc<MetaGrants>) {
    let (mut told, begun) = (HashSet::new(), grants.ctx.clock.running());
    // What keeps messages from being thrown away is logged once.
    let mut known = None;
    loop {
        let all = grants.inbox.all();
        let (mut failed, looked) = (None, grants.ctx.clock.now());
        told.retain(|uid| all.iter().any(|(envelope, _)| envelope.uid().as_ref() == Some(uid)));
        let now = now(&grants, begun);
        let given_up = grantors::given_up(&grants, &all, now);
        for (envelope, message) in all {
            let waits_no_more = envelope.uid().is_some_and(|uid| given_up.contains(&uid));
            if !waits_no_more && !is_done(&grants, &envelope, message.as_ref(), &mut told, now).await {
                continue;
            }
            if let Err(failure) = grants.inbox.discard(&envelope, false).await {
                failed = Some(failure.to_string());
            }
        }
        if let Some(failure) = failed.as_ref().filter(|_| failed != known) {
            tracing::warn!(failure, "an inbox message of the gateway cannot be deleted");
        }
        let pause = if failed.is_some() { RETRY } else { TIDY };
        known = failed;
        tokio::select! {
            () = grants.ctx.shutdown.cancelled() => return,
            () = async {
                grants.inbox.came.notified().await;
                tokio::time::sleep(PAUSE).await;
            } => {}
            () = grants.ctx.clock.sleep_until(looked.later(pause)) => {}
        }
    }
}

/// The time by which a message is old: none is while our clock is in doubt, or for a while at first, before Meta answered anything.
fn now(grants: &MetaGrants, begun: SignedDuration) -> Timestamp {
    let is_first = grants.ctx.clock.running().saturating_sub(begun) < TIDY && !grants.ctx.limits.clock_skew.is_heard();
    if is_first || grants.ctx.limits.clock_skew.is_doubted(&grants.ctx.clock) {
        Timestamp::MIN
    } else {
        grants.ctx.clock.now()
    }
}

/// Whether nobody needs this message any more. A refusal is told before, once.
async fn is_done(
    grants: &MetaGrants,
    envelope: &Envelope,
    message: Option<&InboxMessage>,
    told: &mut HashSet<String>,
    now: Timestamp,
) -> bool {
    let is_old = now.duration_since(came_at(envelope)) > KEPT;
    let Some(message) = message else { return is_old };
    let grant = grants.get(&Key::new(&message.grant.namespace, &message.grant.name));
    let grant = grant.filter(|grant| grant.uid().as_ref() == Some(&message.grant_uid));
    match (&message.content, grant) {
        (content, None) => !outlives_its_grant(content) || is_old,
        (MessageContent::SpentState, _) => is_old,
        // Its grant takes it, as soon as Meta says enough.
        (MessageContent::Token { .. }, Some(_)) => false,
        (MessageContent::Refused(refusal), Some(grant)) => {
            if told.insert(envelope.uid().unwrap_or_default()) {
                let note = Note { warning: true, reason: REFUSED, action: "AuthorizeAgain", text: text(refusal) };
                grants.ctx.cluster.events.publish(&*grant, &note).await;
            }
            true
        }
        // It stays where it is until it is old: meanwhile nobody can put another one of the same name there.
        (MessageContent::AppTrouble { trouble, fact, words }, Some(grant)) => {
            let uid = envelope.uid().unwrap_or_default();
            if !told.contains(&uid)
                && let Ok((_, Some(app))) =
                    seen::look(&grants.apps, Some(&app_key(&grant, &Key::of(&*grant))), &message.grant.namespace).await
            {
                told.insert(uid);
                let note = trouble::note(&app, &Key::of(&*grant), *trouble, (fact, words));
                grants.ctx.cluster.events.publish(&*app, &note).await;
            }
            is_old
        }
    }
}

/// Whether a message stays until it is old though its grant is gone: a used state must stay known, and the watch may not have brought
/// the grant of a token yet. What one grant met with an application has the name of the same trouble with any other, which
/// nobody could tell of meanwhile.
const fn outlives_its_grant(content: &MessageContent) -> bool {
    !matches!(content, MessageContent::AppTrouble { .. })
}

fn text(refusal: &MessageRefusal) -> String {
    let clean = |names: &[String]| listed(&names.iter().map(|name| redact(name, &[])).collect::<Vec<_>>());
    let (why, step) = match refusal {
        MessageRefusal::WrongApp => (
            "its token belongs to another application".to_owned(),
            "The maintainer of the MetaApp must check its app id and secret.".to_owned(),
        ),
        MessageRefusal::ScopesMissing(scopes) => (
            format!("it lacks {}", clean(scopes)),
            "The person must authorize again and leave every permission switched on.".to_owned(),
        ),
        MessageRefusal::PagesMissing(pages) => (
            format!("it does not cover pages that channels use: {}", clean(pages)),
            "The person must authorize again with them selected; or the maintainer of the channels must delete those of pages to be given up."
                .to_owned(),
        ),
    };
    format!("The gateway refused what a person authorized in the browser: {why}. Nothing was stored. {step}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::inbox::AppTrouble;

    #[test]
    fn what_a_grant_met_with_its_application_is_thrown_away_with_it_to_make_room_for_what_others_meet() {
        let trouble = AppTrouble::DialogFailed;
        let trouble = MessageContent::AppTrouble { trouble, fact: "code 1".to_owned(), words: String::new() };
        assert!(!outlives_its_grant(&trouble));
        let token = MessageContent::Token { grantor: None };
        let others = [MessageContent::SpentState, token, MessageContent::Refused(MessageRefusal::WrongApp)];
        assert!(others.iter().all(outlives_its_grant));
    }

    #[test]
    fn a_refusal_is_told_with_its_cause_and_the_next_step() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let rows = [
            (MessageRefusal::WrongApp, "another application", "must check its app id"),
            (MessageRefusal::ScopesMissing(names(&["pages_messaging"])), "lacks pages_messaging.", "every permission"),
            (MessageRefusal::PagesMissing(names(&["22", "23"])), "channels use: 22, 23.", "with them selected"),
        ];
        for (refusal, why, step) in rows {
            let text = text(&refusal);
            assert!(text.contains(why) && text.contains(step), "{text}");
        }
        let forged =
            text(&MessageRefusal::PagesMissing(names(&["EAAB0123456789abcdef0123456789", "https://a.example/?x=y"])));
        assert!(!forged.contains("EAAB") && !forged.contains("x=y"), "{forged}");
    }
}
