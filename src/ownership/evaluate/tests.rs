//! Who may have a claim, and whether it says what it should.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;

use super::*;
use crate::api::references::NamespacedName;
use crate::api::{AssetClaimStatus, DeletionPolicy, ProofMethod};
use crate::ownership::model::Offer;

pub(in crate::ownership) fn wanted(holder: ClaimHolder) -> Wanted {
    Wanted {
        kind: AssetKind::FacebookPage,
        id: "1".into(),
        app_id: "2".into(),
        app_ref: Some(NamespacedName { namespace: "platform".into(), name: "acme".into() }),
        fields: Some(vec!["messages".into()]),
        deletion_policy: DeletionPolicy::Disconnect,
        offer: Offer::None,
        former_ended: false,
        holder,
    }
}

pub(in crate::ownership) fn holder(namespace: &str, name: &str, uid: &str) -> ClaimHolder {
    ClaimHolder { namespace: namespace.into(), name: name.into(), uid: uid.into() }
}

pub(in crate::ownership) fn claim() -> AssetClaim {
    let mut claim = wanted(holder("a", "shop", "u1")).claim(ProofMethod::DebugToken, Timestamp::UNIX_EPOCH);
    claim.metadata.uid = Some("c1".into());
    claim
}

#[test]
fn a_claim_belongs_to_a_namespace_and_is_adopted_only_from_the_dead() {
    let claim = claim();
    let ours = ClaimSeen::Ours { uid: "c1".into() };
    let cases = [
        (holder("a", "shop", "u1"), true, ours),
        (holder("a", "shop", "u2"), false, ClaimSeen::Orphaned { of: "u1".into() }),
        (holder("a", "other", "u3"), true, ClaimSeen::Duplicate { name: "shop".into() }),
        (holder("a", "other", "u3"), false, ClaimSeen::Orphaned { of: "u1".into() }),
        (holder("b", "shop", "u1"), false, ClaimSeen::Elsewhere { namespace: "a".into() }),
    ];
    for (object, lives, expected) in cases {
        assert_eq!(evaluate(&claim, &object, |_| lives), expected, "{object:?}");
    }
}

#[test]
fn nobody_takes_a_claim_over_while_it_is_being_released() {
    let seen = |of: &str, releasing: bool| {
        let mut claim = claim();
        let releasing_since = releasing.then_some(Timestamp::UNIX_EPOCH);
        let claim_uid = claim.metadata.uid.clone();
        let status = AssetClaimStatus { holder_uid: Some(of.into()), claim_uid, releasing_since, ..Default::default() };
        claim.status = Some(status);
        evaluate(&claim, &holder("a", "new", "u2"), |_| false)
    };
    assert_eq!(seen("u1", true), ClaimSeen::Releasing);
    assert_eq!(seen("u1", false), ClaimSeen::Orphaned { of: "u1".into() });
    assert_eq!(seen("u0", true), ClaimSeen::Orphaned { of: "u1".into() }, "that was about an earlier holder");
}

#[test]
fn a_claim_follows_what_is_declared_and_the_app_only_after_proof_and_the_end_of_the_one_before() {
    type Change = fn(&mut Wanted, &mut AssetClaimSpec);
    let platform = |name: &str| Some(NamespacedName { namespace: "b".into(), name: name.into() });
    let cases: [(Change, Record); 13] = [
        (|_, _| (), Record::Current),
        (|it, _| it.deletion_policy = DeletionPolicy::Orphan, Record::Outdated),
        (|it, _| it.offer = Offer::To("b".into()), Record::Outdated),
        (|_, spec| spec.transfer_to = Some("b".into()), Record::GivenAway),
        (|it, _| it.app_ref = None, Record::Current),
        (|it, _| it.app_ref.as_mut().unwrap().name = "moved".into(), Record::Outdated),
        (|it, _| it.fields = Some(vec![]), Record::Outdated),
        (|it, _| it.fields = None, Record::Current),
        // Of the app before nothing is forgotten while the page is subscribed to it.
        (|it, _| it.app_id = "3".into(), Record::Current),
        (|it, spec| (it.app_id, spec.subscribed_fields) = ("3".into(), vec![]), Record::OtherApp),
        (|it, _| (it.app_id, it.former_ended) = ("3".into(), true), Record::Outdated),
        (|it, _| it.app_id = String::new(), Record::Current),
        (|it, _| (it.app_id, it.app_ref, it.fields) = (String::new(), None, Some(vec![])), Record::Current),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let (mut wanted, mut spec) = (wanted(holder("a", "shop", "u1")), claim().spec);
        change(&mut wanted, &mut spec);
        assert_eq!(recorded(&spec, &wanted), expected, "case {number}");
    }
    let next = Wanted {
        app_id: "3".into(),
        app_ref: platform("next"),
        former_ended: true,
        ..wanted(holder("a", "shop", "u1"))
    };
    let unproven = noted(&claim().spec, &next, false);
    assert_eq!((unproven.app_id.as_str(), unproven.subscribed_fields.len()), ("2", 0), "it is ended, and not replaced");
    let proven = noted(&claim().spec, &next, true);
    assert_eq!((proven.app_id.as_str(), &proven.app_ref), ("3", &platform("next")));
    assert_eq!(Some(proven.subscribed_fields), next.fields);
}

#[test]
fn another_app_is_remembered_while_the_page_is_subscribed_to_it() {
    let other = || Wanted { app_id: "3".into(), ..wanted(holder("a", "shop", "u1")) };
    let former = |wanted: &Wanted, claim: &AssetClaim| observed(claim, wanted, |_| true).former.map(|it| it.app_id);
    assert_eq!(former(&wanted(holder("a", "shop", "u1")), &claim()), None);
    assert_eq!(former(&other(), &claim()).as_deref(), Some("2"));
    assert_eq!(former(&Wanted { former_ended: true, ..other() }, &claim()), None);
    assert_eq!(former(&Wanted { app_id: String::new(), ..other() }, &claim()), None, "which one is not known");
    assert_eq!(former(&Wanted { holder: holder("b", "shop", "u2"), ..other() }, &claim()), None, "not ours to end");
    let mut parted = claim();
    parted.spec.subscribed_fields.clear();
    assert_eq!(former(&other(), &parted), None);
}

#[test]
fn a_claim_that_is_given_away_is_to_be_had_there_and_nowhere_else() {
    let mut given = claim();
    given.spec.transfer_to = Some("b".into());
    let (offered, elsewhere) =
        (ClaimSeen::Offered { namespace: "a".into() }, ClaimSeen::Elsewhere { namespace: "a".into() });
    let seen = |claim: &AssetClaim, namespace: &str| evaluate(claim, &holder(namespace, "shop", "u9"), |_| true);
    assert_eq!(seen(&given, "b"), offered);
    assert_eq!(seen(&given, "c"), elsewhere);
    assert_eq!(seen(&claim(), "b"), elsewhere);
    assert_eq!(seen(&given, "a"), ClaimSeen::Duplicate { name: "shop".into() }, "the giver has it still");
    let releasing_since = Some(Timestamp::UNIX_EPOCH);
    let (holder_uid, claim_uid) = (Some("u1".into()), given.metadata.uid.clone());
    given.status = Some(AssetClaimStatus { holder_uid, claim_uid, releasing_since, ..Default::default() });
    assert_eq!(seen(&given, "b"), ClaimSeen::Releasing);
    assert_eq!(seen(&given, "c"), elsewhere);
    given.status = None;
    given.spec.asset_kind = AssetKind::MetaApp;
    assert_eq!(seen(&given, "b"), elsewhere, "a webhook belongs to its app");
}
