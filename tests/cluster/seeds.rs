//! New seeds for a grant: what is adopted, and what is refused.

use anyhow::Result;
use testkit::sandbox::Invalidation;

use crate::granting::*;
use crate::props::*;
use crate::world::*;

const READY: &[&str] = &["Ready=True/Reached", "Valid=True/TokenValid"];

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_seed_is_adopted_and_an_older_a_dead_and_a_foreign_one_are_refused() -> Result<()> {
    let mut foreign = system_token("foreign", 1);
    foreign.app = "9999000099990000".parse()?;
    let world = World::seeded(|seed| {
        add_system_user(seed, "robot", 10);
        seed.tokens.extend([system_token("older", 20), system_token("newer", 5), system_token("dead", 1), foreign]);
    })
    .await?;
    let operator = world.daily();
    world.sandbox.invalidate_token("dead", Invalidation { subcode: Some(466), message: None })?;
    world.put_app().await?;
    world.put_grant(&text("robot"), "{}").await?;
    world.grant_is(&[READY, &["SeedAccepted=True/SeedInUse"]].concat()).await?;

    let refused = [("older", "SeedOlder"), ("dead", "SessionInvalidated"), ("foreign", "WrongApp")];
    for (number, (alias, reason)) in refused.into_iter().enumerate() {
        world.put_seed(&text(alias)).await?;
        let seed = format!("SeedAccepted=False/{reason}");
        let grant = world.grant_is(&[READY, &[&seed, "!Stalled", "!Reconciling"]].concat()).await?;
        let step = grant.status.unwrap().next_step.unwrap();
        assert!(step.contains("acme-grant"), "{alias}: {step}");
        assert_eq!(world.in_use().await?, text("robot"), "{alias}");
        warned(&world, &world.tenant_a, &vec!["acme SeedRefused"; number + 1]).await?;
    }
    quiet(&operator).await?;
    assert_eq!(made_with(&world, "dead"), [], "a dead seed is not used");
    assert_eq!(made_with(&world, "foreign"), [], "nor is another application's");

    world.put_seed(&text("newer")).await?;
    let grant = world.grant_is(&[READY, &["SeedAccepted=True/SeedInUse"]].concat()).await?;
    assert_eq!((world.in_use().await?, grant.status.unwrap().next_step), (text("newer"), None));
    assert!(world.works(&text("robot")).await?, "the former seed is not revoked");
    assert_eq!(world.calls(REVOKE), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_works_takes_the_place_of_a_token_that_ended() -> Result<()> {
    let person = grant_token("alex", "user", PERSON, ", issued_at: -30d, expires_at: +30d");
    let world = World::seeded(|seed| {
        add_system_user(seed, "robot", 10);
        seed.tokens.push(person);
    })
    .await?;
    let operator = world.daily();
    world.put_app().await?;
    world.put_grant(&text("robot"), "{}").await?;
    world.grant_is(READY).await?;
    world.sandbox.invalidate_token("robot", Invalidation { subcode: Some(466), message: None })?;
    advance_and_pass(&world, &operator, DAY, "MetaGrant", 1).await?;
    world.grant_is(&["Ready=False/SessionInvalidated", "Expired=True"]).await?;
    // Older than the one that ended, of another kind, and somebody else's.
    world.put_seed(&text("alex")).await?;
    world.grant_is(READY).await?;
    assert_eq!(world.in_use().await?, text("alex"));
    let events = told(&world, &world.tenant_a, "Normal").await?;
    for reason in ["acme TokenReplaced", "acme GrantorChanged"] {
        assert!(events.contains(&reason.to_owned()), "no {reason} in {events:?}");
    }
    Ok(())
}
