//! The life of a grant over months, with an operator that may be killed at any time.

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::model::Model;
use super::scene::*;
use crate::graph::TokenInfo;

/// Lets the operator run for so many days.
fn live(model: &mut Model, for_days: i64, mut check: impl FnMut(&Model)) {
    let end = model.now + days(for_days);
    while model.now < end {
        let next = model.pass(None);
        check(model);
        assert!(next > model.now, "a pass never wants the time to stand still");
        model.now = next;
    }
}

#[test]
fn a_year_with_tokens_of_sixty_days_never_leaves_ready() {
    for revoke in [false, true] {
        let mut model = Model::new(json!({"revokeOld": revoke}), system_user(3));
        live(&mut model, 365, |model| {
            assert!(model.ready() && model.told().starts_with("ReconcileSucceeded"), "{}: {}", model.now, model.told());
            assert!(model.lives(model.in_use()));
        });
        assert_eq!(model.minted, 9, "one every forty days");
        assert_eq!(model.revoked.len(), if revoke { 8 } else { 0 }, "what was obtained, and never the source token");
    }
}

#[test]
fn a_persons_token_is_exchanged_once_and_then_only_warned_about() {
    let mut model = Model::new(json!({}), short_user());
    let mut warned = None;
    live(&mut model, 59, |model| {
        assert!(model.ready() && model.lives(model.in_use()), "{}: {}", model.now, model.told());
        if model.told().starts_with("ExpiresSoon") {
            warned.get_or_insert(model.now);
        }
    });
    assert_eq!(model.minted, 1);
    let left = now() + days(60) - warned.unwrap();
    assert_eq!(SignedDuration::try_from(left).unwrap(), days(14));
    live(&mut model, 3, |_| ());
    assert!(model.told().starts_with("TokenExpired"), "{}", model.told());
}

#[test]
fn a_revoked_token_gives_way_to_the_one_before_or_to_the_seed() {
    let mut model = Model::new(json!({}), system_user(3));
    live(&mut model, 38, |_| ());
    let renewed = model.in_use().to_owned();
    assert!(renewed != "seed");
    model.revoked.insert(renewed);
    model.pass(None);
    assert!(model.ready() && model.lives(model.in_use()), "{}", model.told());
    assert_eq!(model.minted, 2, "the source token was taken up again, and was due to be renewed itself");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// However often and wherever it is killed: what the next process begins with works, and the grant is Ready.
    #[test]
    fn an_operator_that_is_killed_anywhere_leaves_a_token_that_works(
        kills in prop::collection::vec(prop::option::weighted(0.5, 0_usize..4), 30),
        revoke in any::<bool>(),
        age in 0_i64..59,
        short in any::<bool>(),
        new_seed_on in 5_i64..300,
    ) {
        let source_token = if short { TokenInfo { user_id: None, ..short_user() } } else { system_user(age) };
        let mut model = Model::new(json!({"revokeOld": revoke}), source_token);
        let mut kills = kills.into_iter();
        let mut tries = 0;
        while tries < 500 && model.now < now() + days(if short { 50 } else { 300 }) {
            tries += 1;
            if !short && model.source_token == "seed" && model.now > now() + days(new_seed_on) {
                let info = TokenInfo { issued_at: Some(model.now), expires_at: Some(model.now + days(60)), ..system_user(0) };
                model.tokens.insert("new-seed".to_owned(), info);
                model.source_token = "new-seed".to_owned();
            }
            model.now = model.pass(kills.next().flatten());
            prop_assert!(model.lives(model.in_use()), "{} at {}", model.in_use(), model.now);
            prop_assert!(!model.revoked.contains("seed") && !model.revoked.contains("new-seed"));
        }
        model.pass(None);
        prop_assert!(model.ready(), "{}", model.told());
    }
}
