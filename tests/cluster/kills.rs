//! An operator that is killed after any of its writes, at Meta or in the cluster, leaves a token that works.

use anyhow::{Result, ensure};
use meta_channel_operator::api::MetaGrant;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::*;
use crate::support::kill_after::killed;
use crate::support::observe::*;

const READY: &[&str] =
    &["Ready=True/ReconcileSucceeded", "Valid=True/TokenValid", "SourceTokenAccepted=True/SourceTokenInUse"];

/// Whether the status is about the token that is kept.
async fn is_told(env: &Env, than: &MetaGrant) -> Result<bool> {
    let grant = env.grants().get("acme").await?;
    let told = |grant: &MetaGrant| grant.status.as_ref().and_then(|status| status.token_fingerprint.clone());
    Ok(told(&grant).is_some() && told(&grant) != told(than))
}

/// Has every write of a renewal be the last one of an operator, one after the other; in the end none of them is.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_is_cut_off_after_any_write_is_made_up_for() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("audience: Everyone")).await?;
    let operator = env.daily();
    env.put_grant(&text("robot"), "{}").await?;
    env.grant_is(READY).await?;
    quiet(&operator).await?;
    operator.stop().await;
    let mut cut_off = Vec::new();
    for writes in 1.. {
        assert!(writes < 10, "a renewal is no more than some writes: {cut_off:?}");
        env.advance(41 * DAY);
        let before = env.grants().get("acme").await?;
        let in_use = env.in_use().await?;
        let burnt = killed(&env, writes, async |env| is_told(env, &before).await).await?;
        let left = env.in_use().await?;
        assert!(env.works(&left).await?, "killed after write {writes}");

        let operator = env.daily();
        let grant = wait_for("the renewal", PATIENCE, async || {
            ensure!(is_told(&env, &before).await?);
            env.grant_is(READY).await
        })
        .await?;
        quiet(&operator).await?;
        operator.stop().await;
        let renewed = env.in_use().await?;
        assert!(renewed != in_use && env.works(&renewed).await?, "after write {writes}: {grant:?}");
        if !burnt {
            break;
        }
        cut_off.push(left != in_use);
    }
    assert!(cut_off.contains(&false) && cut_off.contains(&true), "before and after the token was kept: {cut_off:?}");
    Ok(())
}

/// The same for the first token of a new grant, which is exchanged before it is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_is_cut_off_after_any_write_is_made_up_for() -> Result<()> {
    for writes in 1.. {
        assert!(writes < 10, "a beginning is no more than some writes");
        let short = grant_token("alex", "user", PERSON, ", expires_at: +1h");
        let env = Env::seeded(|seed| seed.tokens.push(short)).await?;
        env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
        env.apply(&env.app_manifest_with("audience: Everyone")).await?;
        let operator = env.daily();
        env.app_is(&["Ready=True"]).await?;
        quiet(&operator).await?;
        operator.stop().await;
        env.put_grant(&text("alex"), "{}").await?;
        let fresh = env.grants().get("acme").await?;
        let burnt = killed(&env, writes, async |env| is_told(env, &fresh).await).await?;
        assert!(env.works(&env.in_use().await?).await?, "killed after write {writes}");
        let operator = env.daily();
        env.grant_is(READY).await?;
        quiet(&operator).await?;
        let kept = env.kept("token").await?.unwrap();
        assert!(kept != text("alex") && env.works(&kept).await?, "killed after write {writes}");
        if !burnt {
            break;
        }
    }
    Ok(())
}

/// The same for the end of a token that another one took the place of.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_cut_off_after_any_write_is_made_up_for() -> Result<()> {
    let env = Env::seeded(|seed| add_system_user(seed, "robot", 10)).await?;
    env.put_secret(&env.platform, "acme-app", "app-secret", "app-secret", APP_SECRET).await?;
    env.apply(&env.app_manifest_with("audience: Everyone")).await?;
    let operator = env.daily();
    env.put_grant(&text("robot"), "{revokeOld: true}").await?;
    env.grant_is(READY).await?;
    advance_and_pass(&env, &operator, 31 * DAY, "MetaGrant", 1).await?;
    operator.stop().await;
    for writes in 1.. {
        assert!(writes < 10, "a revocation is no more than some writes");
        // The token in use is one that was obtained, and gives way to another one.
        env.advance(41 * DAY);
        let old = env.in_use().await?;
        let operator = env.daily();
        wait_for("the renewal", PATIENCE, async || {
            ensure!(env.in_use().await? != old);
            Ok(())
        })
        .await?;
        env.grant_is(READY).await?;
        quiet(&operator).await?;
        operator.stop().await;
        env.advance(DAY + 1);
        let gone = async |env: &Env| Ok(env.kept("previous-token").await?.is_none());
        let burnt = killed(&env, writes, gone).await?;
        let in_use = env.in_use().await?;
        assert!(in_use != old && env.works(&in_use).await?, "killed after write {writes}");
        let operator = env.daily();
        wait_for("the end of the former token", PATIENCE, async || {
            ensure!(!env.works(&old).await? && env.kept("previous-token").await?.is_none());
            Ok(())
        })
        .await?;
        env.grant_is(READY).await?;
        quiet(&operator).await?;
        operator.stop().await;
        if !burnt {
            break;
        }
    }
    Ok(())
}
