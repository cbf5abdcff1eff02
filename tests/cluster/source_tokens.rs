//! New seeds for a grant: what is adopted, and what is refused.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use testkit::sandbox::{Invalidation, PersonChange};
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::observe::*;

const READY: &[&str] = &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid"];

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_seed_is_adopted_and_an_older_a_dead_and_a_foreign_one_are_refused() -> Result<()> {
    let mut foreign = system_token("foreign", 1);
    foreign.app = "9999000099990000".parse()?;
    let env = Env::seeded(|seed| {
        add_system_user(seed, "robot", 10);
        seed.tokens.extend([system_token("older", 20), system_token("newer", 5), system_token("dead", 1), foreign]);
    })
    .await?;
    let operator = env.daily();
    env.sandbox.invalidate_token("dead", Invalidation { subcode: Some(466), message: None })?;
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(&[READY, &["SourceTokenAccepted=True/SourceTokenInUse"]].concat()).await?;

    let refused = [("older", "SourceTokenOlder"), ("dead", "SessionInvalidated"), ("foreign", "WrongApp")];
    for (number, (alias, reason)) in refused.into_iter().enumerate() {
        env.put_seed(&text(alias)).await?;
        let seed = format!("SourceTokenAccepted=False/{reason}");
        let grant = env.grant_is(&[READY, &[&seed, "!Stalled", "!Reconciling"]].concat()).await?;
        let step = grant.status.unwrap().next_step.unwrap();
        assert!(step.contains("acme-grant"), "{alias}: {step}");
        assert_eq!(env.in_use().await?, text("robot"), "{alias}");
        warned(&env, &env.tenant_a, &vec!["acme SourceTokenRefused"; number + 1]).await?;
    }
    quiet(&operator).await?;
    assert_eq!(made_with(&env, "dead"), [], "a dead seed is not used");
    assert_eq!(made_with(&env, "foreign"), [], "nor is another application's");

    env.put_seed(&text("newer")).await?;
    let grant = env.grant_is(&[READY, &["SourceTokenAccepted=True/SourceTokenInUse"]].concat()).await?;
    assert_eq!((env.in_use().await?, grant.status.unwrap().next_step), (text("newer"), None));
    assert!(env.works(&text("robot")).await?, "the former seed is not revoked");
    assert_eq!(env.calls(REVOKE), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_works_takes_the_place_of_a_token_that_ended() -> Result<()> {
    let person = grant_token("alex", "user", PERSON, ", issued_at: -30d, expires_at: +30d");
    let env = Env::seeded(|seed| {
        add_system_user(seed, "robot", 10);
        seed.tokens.push(person);
    })
    .await?;
    let operator = env.daily();
    env.put_app().await?;
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(READY).await?;
    env.sandbox.invalidate_token("robot", Invalidation { subcode: Some(466), message: None })?;
    advance_and_pass(&env, &operator, DAY, "MetaGrant", 1).await?;
    env.grant_is(&["Ready=False/SessionInvalidated", "Expired=True"]).await?;
    // Older than the one that ended, of another kind, and someone else's.
    env.put_seed(&text("alex")).await?;
    env.grant_is(READY).await?;
    assert_eq!(env.in_use().await?, text("alex"));
    quiet(&operator).await?;
    let events = told(&env, &env.tenant_a, "Normal").await?;
    for reason in ["acme TokenReplaced", "acme GrantorChanged"] {
        assert!(events.contains(&reason.to_owned()), "no {reason} in {events:?}");
    }
    Ok(())
}

/// The channels of the pages A and B, by the grant.
async fn put_channels(env: &Env) -> Result<()> {
    let channels = [("shop", PAGE_A), ("support", PAGE_B)];
    let channels = channels.map(|(name, page)| env.granted_manifest(&env.tenant_a, name, page, "acme"));
    env.apply(&channels.join("---\n")).await?;
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_covers_less_than_what_is_in_use_is_refused_until_nobody_uses_it() -> Result<()> {
    let other = "6600000000000002";
    let env = Env::seeded(|seed| {
        seed.people.push(serde_yaml_ng::from_str(&format!("{{id: {other}, name: Billie Second}}")).unwrap());
        let alone = format!("{{{PERSON}: [MODERATE, MESSAGING]}}");
        let both = format!("{{{PERSON}: [MODERATE, MESSAGING], {other}: [MODERATE, MESSAGING]}}");
        for (page, tasks) in seed.pages.iter_mut().zip([alone, both]) {
            page.tasks = serde_yaml_ng::from_str(&tasks).unwrap();
        }
        seed.tokens.push(grant_token("alex", "user", PERSON, ", issued_at: -2d, expires_at: +58d"));
        seed.tokens.push(grant_token("billie", "user", other, ", issued_at: -1d, expires_at: +58d"));
    })
    .await?;
    let operator = env.operator_with(|operator| operator.policy.count_period = std::time::Duration::from_secs(60));
    env.put_app().await?;
    env.put_grant(&text("alex"), "{}").await?;
    put_channels(&env).await?;
    env.put_seed(&text("billie")).await?;
    env.grant_is(&[READY, &["SourceTokenAccepted=Unknown/Pending"]].concat()).await?;
    quiet(&operator).await?;
    env.advance(1);
    let refused = env.grant_is(&[READY, &["SourceTokenAccepted=False/SourceTokenNarrower"]].concat()).await?;
    let message = refused.status.unwrap().next_step.unwrap_or_default();
    assert!(message.contains("delete the channels"), "{message}");
    warned(&env, &env.tenant_a, &["acme SourceTokenRefused"]).await?;
    assert_eq!(env.in_use().await?, text("alex"));
    for name in ["shop", "support"] {
        env.channel_is(&env.tenant_a, name, &["Ready=True"]).await?;
    }

    // The page is given up.
    env.channels(&env.tenant_a).delete("shop", &DeleteParams::default()).await?;
    quiet(&operator).await?;
    env.advance(2);
    let adopted = env.grant_is(&[READY, &["SourceTokenAccepted=True/SourceTokenInUse"]].concat()).await?;
    assert_eq!(env.in_use().await?, text("billie"));
    let status = adopted.status.unwrap();
    assert_eq!((status.channels, status.grantor_id.as_deref()), (Some(1), Some(other)));
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    Ok(())
}

/// The person authorizes again with one page only: Meta takes the other one from every token of that person.
#[tokio::test(flavor = "multi_thread")]
async fn a_seed_from_a_login_with_fewer_pages_is_no_narrower_than_what_meta_left_of_the_grant() -> Result<()> {
    let env = Env::seeded(|seed| {
        seed.tokens.push(grant_token("first", "user", PERSON, ", issued_at: -2d, expires_at: +58d"));
        seed.tokens.push(grant_token("second", "user", PERSON, ", issued_at: -1d, expires_at: +58d"));
        for page in &mut seed.pages {
            page.tasks = serde_yaml_ng::from_str(&format!("{{{PERSON}: [MODERATE, MESSAGING]}}")).unwrap();
        }
    })
    .await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_grant(&text("first"), "{}").await?;
    put_channels(&env).await?;
    let change = format!("regrant: {{app: {APP_ID}, pages: [{PAGE_B}]}}");
    let change: PersonChange = serde_yaml_ng::from_str(&change)?;
    env.sandbox.change_person(PERSON, change)?;
    env.put_seed(&text("second")).await?;
    wait_for("the new seed to be in use", PATIENCE, async || {
        ensure!(env.in_use().await? == text("second"));
        Ok(())
    })
    .await?;
    env.grant_is(&[READY, &["SourceTokenAccepted=True/SourceTokenInUse"]].concat()).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=False/NotInGrant", "Expired=False"]).await?;
    env.channel_is(&env.tenant_a, "support", &["Ready=True"]).await?;
    warned(&env, &env.tenant_a, &["acme GrantShrunk", "shop NotInGrant"]).await?;
    Ok(())
}
