//! What a claim says once it is adopted.
#![allow(clippy::unwrap_used)]

use super::super::evaluate::tests::{claim, holder, wanted};
use super::*;

#[test]
fn a_claim_is_adopted_without_a_proof_only_as_it_is_and_for_the_same_app() {
    let before = claim().spec;
    let (now, next) = (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1), holder("a", "next", "u2"));
    let without_fields = Wanted { fields: None, ..wanted(next.clone()) };
    let adopted = |wanted: &Wanted, proof| adopted(&before, wanted, proof, now);
    let proven = adopted(&without_fields, Some(ProofMethod::DebugToken)).unwrap();
    assert_eq!((&proven.holder, proven.proof.proven_at), (&next, now));
    assert_eq!(proven.subscribed_fields, ["messages"], "what is not known stays as it was");
    let unproven = adopted(&without_fields, None).unwrap();
    assert_eq!((&unproven.holder, &unproven.proof), (&next, &before.proof));
    for other in ["3", ""] {
        assert_eq!(adopted(&Wanted { app_id: other.to_owned(), ..without_fields.clone() }, None), None);
    }
}

#[test]
fn who_takes_a_claim_gives_it_to_nobody_and_remembers_what_is_left_of_another_app() {
    let (mut before, now) = (claim().spec, Timestamp::UNIX_EPOCH);
    before.transfer_to = Some("b".into());
    let receiver =
        Wanted { app_id: "3".into(), fields: Some(vec!["feed".into()]), ..wanted(holder("b", "shop", "u9")) };
    let taken = |before: &AssetClaimSpec| adopted(before, &receiver, Some(ProofMethod::GrantListing), now).unwrap();
    let spec = taken(&before);
    assert_eq!(
        (&spec.holder, &spec.transfer_to, spec.proof.method),
        (&receiver.holder, &None, ProofMethod::GrantListing)
    );
    assert_eq!((&spec.app_id, &spec.app_ref), (&before.app_id, &before.app_ref));
    assert_eq!(spec.subscribed_fields, ["messages"], "the page is subscribed to that app still");
    before.subscribed_fields.clear();
    let spec = taken(&before);
    assert_eq!((spec.app_id.as_str(), &spec.app_ref), ("3", &receiver.app_ref));
    assert_eq!(spec.subscribed_fields, ["feed"]);
}
