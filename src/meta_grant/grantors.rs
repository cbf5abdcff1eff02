//! Whose authorizations a grant accepts from the browser: those of its people. Anyone with an account at Facebook can log in to
//! an application that is live; what others bring waits for a while, and the operator does not even ask Meta about it.
//!
//! Anyone who may write the source token's Secret decides whose token it holds, so a source token is accepted regardless of its
//! owner.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::inbox::{Envelope, came_at, newest_first};
use super::state::MetaGrants;
use crate::api::inbox::{InboxMessage, MessageContent};
use crate::api::{MetaGrant, MetaGrantStatus};
use crate::base::key::Key;
use crate::controller::pass::Pass;

/// How long what someone else brought waits to be accepted.
const WAITS: SignedDuration = SignedDuration::from_hours(24);

/// How many people wait at once.
const MOST: usize = 5;

/// Whether someone is one of a grant's people: one of those declared or, where nobody is, the first grantor, as far as one is
/// known.
pub fn admits(declared: &[String], first: Option<&str>, grantor: Option<&str>) -> bool {
    match (declared, first) {
        ([], None) => true,
        ([], Some(first)) => grantor == Some(first),
        (declared, _) => grantor.is_some_and(|grantor| declared.iter().any(|id| id == grantor)),
    }
}

/// Whose token in the inbox waits, if it does. What does not say whose it is has to be asked about.
pub fn waiting<'a>(
    grant: &MetaGrant,
    status: Option<&MetaGrantStatus>,
    grantor: &'a Option<String>,
) -> Option<&'a str> {
    let first = status.and_then(|status| status.grantor_id.as_deref());
    grantor.as_deref().filter(|grantor| !admits(&grant.spec.grantors, first, Some(grantor)))
}

/// Tokens in the inbox, the newest first: those that are to be evaluated, and the ids of those whose wait.
pub fn sorted(
    grants: &MetaGrants,
    grant: &MetaGrant,
    pass: &Pass<MetaGrantStatus>,
) -> (Vec<Arc<Envelope>>, Vec<String>) {
    let (mut judged, mut ids) = (Vec::new(), BTreeSet::new());
    for (envelope, grantor) in grants.inbox.tokens(&pass.key, &pass.uid) {
        match waiting(grant, Some(&pass.previous), &grantor) {
            Some(id) if ids.len() < MOST => drop(ids.insert(id.to_owned())),
            Some(_) => {}
            None => judged.push(envelope),
        }
    }
    (judged, ids.into_iter().collect())
}

/// Whether someone waits of whom that was not told yet.
pub fn is_one_new(waiting: &[String], told: &MetaGrantStatus) -> bool {
    waiting.iter().any(|id| !told.waiting_grantors.contains(id))
}

/// What waits and is not kept any longer, by its UID: it is old, the same person came again, or others did since whom there is
/// room for.
pub fn given_up(grants: &MetaGrants, all: &[(Arc<Envelope>, Option<InboxMessage>)], now: Timestamp) -> HashSet<String> {
    let waits = |message: &InboxMessage| {
        let MessageContent::Token { grantor } = &message.content else { return None };
        let key = Key::new(&message.grant.namespace, &message.grant.name);
        let grant = grants.get(&key).filter(|grant| grant.uid().as_ref() == Some(&message.grant_uid))?;
        let id = waiting(&grant, grant.status.as_ref(), grantor)?.to_owned();
        Some((key, id))
    };
    let mut messages: Vec<_> =
        all.iter().filter_map(|(envelope, message)| Some((envelope, waits(message.as_ref()?)?))).collect();
    messages.sort_by_key(|(envelope, _)| newest_first(envelope));
    let mut kept: HashMap<Key, HashSet<String>> = HashMap::new();
    let is_given_up = |(envelope, (key, id)): (&Arc<Envelope>, (Key, String))| {
        let people = kept.entry(key).or_default();
        let is_old = now.duration_since(came_at(envelope)) > WAITS;
        let stays = !is_old && people.len() < MOST && people.insert(id);
        if stays { None } else { envelope.uid() }
    };
    messages.into_iter().filter_map(is_given_up).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_those_declared_or_else_the_first_one() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let rows: [(&[&str], _, _, bool); 9] = [
            (&[], None, Some("66"), true),
            (&[], None, None, true),
            (&[], Some("66"), Some("66"), true),
            (&[], Some("66"), Some("67"), false),
            (&[], Some("66"), None, false),
            (&["67", "68"], Some("66"), Some("67"), true),
            (&["67", "68"], Some("66"), Some("66"), false),
            (&["67"], None, Some("66"), false),
            (&["67"], None, None, false),
        ];
        for (declared, first, grantor, expected) in rows {
            assert_eq!(admits(&ids(declared), first, grantor), expected, "{declared:?} {first:?} {grantor:?}");
        }
    }
}
