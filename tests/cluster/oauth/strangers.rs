//! Who authorizes in the browser and is none of a grant's people: with an operator, for a grant that no channel uses yet.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::{MetaGrant, MetaGrantStatus};
use reqwest::StatusCode;
use serde_json::json;
use testkit::sandbox::Invalidation;
use testkit::wait_for;

use crate::support::browser::Browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;
use crate::support::observe::*;
use crate::support::reauthorization::{self, ENDING, browser, grant_is, living};

fn grants(env: &Env) -> Api<MetaGrant> {
    Api::namespaced(env.client.clone(), &env.tenant_a)
}

async fn status(env: &Env) -> Result<MetaGrantStatus> {
    grants(env).get("acme").await?.status.context("no status")
}

async fn waiting_are(env: &Env, ids: &[&str]) -> Result<MetaGrantStatus> {
    wait_for(&format!("{ids:?} to wait"), PATIENCE, async || {
        let status = status(env).await?;
        ensure!(status.waiting_grantors == ids, "{:?}", status.waiting_grantors);
        Ok(status)
    })
    .await
}

/// Tokens that lie in the inbox.
async fn tokens(env: &Env) -> Result<usize> {
    Ok(reauthorization::mail(env).await?.into_iter().filter(|mail| mail.data.is_some()).count())
}

async fn told_of(env: &Env, reason: &str) -> Result<()> {
    wait_for(&format!("the Event {reason}"), PATIENCE, async || {
        let told = warnings(env, &env.tenant_a).await?;
        ensure!(told.contains(&format!("acme {reason}")), "{told:?}");
        Ok(())
    })
    .await
}

/// Someone with a page of their own, who is let in at Facebook as anybody is.
async fn authorized_by_a_stranger(env: &Env) -> Result<()> {
    let mut stranger = browser(env).await?;
    let offer = stranger.up_to_the_offer(&format!("{}/acme", env.tenant_a), COLLEAGUE, &[]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")?;
    ensure!(offer.text.contains("You are not among the people who authorized"), "{}", offer.text);
    let done = stranger.answer(&offer, "use").await?;
    done.is(StatusCode::OK, "You must be accepted first")?;
    ensure!(done.text.contains(COLLEAGUE) && !done.text.contains(PERSON), "{}", done.text);
    Ok(())
}

async fn accept(env: &Env, ids: &[&str]) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"grantors": ids}}));
    grants(env).patch("acme", &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Authorizes as one of the grant's people.
async fn authorized_by(env: &Env, browser: &mut Browser, person: &str) -> Result<()> {
    let offer = browser.up_to_the_offer(&format!("{}/acme", env.tenant_a), person, &[]).await?;
    ensure!(!offer.text.contains("You are not among the people"), "{}", offer.text);
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")
}

/// The token that the grant uses ends for good.
async fn ended(env: &Env) -> Result<()> {
    env.sandbox.invalidate_token(ENDING, Invalidation { subcode: Some(460), message: None })?;
    let look = json!({"metadata": {"annotations": {"metachannels.io/requested-at": "now"}}});
    grants(env).patch("acme", &PatchParams::default(), &Patch::Merge(look)).await?;
    grant_is(env, "False/PasswordChanged").await.map(|_| ())
}

/// What of a status says whose the grant is and what it gives.
fn gives(status: &MetaGrantStatus) -> impl std::fmt::Debug + PartialEq + use<> {
    let of_token = (status.grantor_id.clone(), status.token_fingerprint.clone(), status.expires_at);
    (of_token, status.pages.clone(), status.page_count, shown(&status.conditions))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_authorizes_for_a_grant_that_no_channel_uses_yet_changes_nothing() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    let before = status(&env).await?;
    assert_eq!((before.grantor_id.as_deref(), before.page_count), (Some(PERSON), Some(3)));
    authorized_by_a_stranger(&env).await?;
    let after = waiting_are(&env, &[COLLEAGUE]).await?;
    assert_eq!(gives(&after), gives(&before));
    assert_eq!(living(&env).await?, text(ENDING));
    told_of(&env, "AuthorizationWaits").await?;
    assert_eq!(tokens(&env).await?, 1, "it waits");

    // The address was used; the former one is as unknown as any other.
    assert_ne!(after.reauthorize_url, before.reauthorize_url);
    let former = before.reauthorize_url.clone().context("no address")?;
    let former = former.trim_start_matches("https://hooks.example.com");
    let mut anybody = browser(&env).await?;
    let answer = anybody.get(former).await?;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, ""));

    // The seed is as good as before.
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.tenant_a);
    secrets.delete("metagrant-acme-token", &DeleteParams::default()).await?;
    wait_for("the seed to be taken again", PATIENCE, async || {
        ensure!(living(&env).await? == text(ENDING));
        Ok(())
    })
    .await?;
    assert_eq!(gives(&status(&env).await?), gives(&before));
    // After a day nothing is left of it.
    env.advance(24 * 60 + 1);
    waiting_are(&env, &[]).await?;
    assert_eq!(tokens(&env).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_not_taken_for_a_token_that_ended_and_the_grants_person_and_a_new_seed_are() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    ended(&env).await?;
    let before = status(&env).await?;
    assert_eq!(before.grantor_id.as_deref(), Some(PERSON));
    authorized_by_a_stranger(&env).await?;
    let after = waiting_are(&env, &[COLLEAGUE]).await?;
    assert_eq!(gives(&after), gives(&before));
    assert_eq!(living(&env).await?, text(ENDING));

    authorized_by(&env, &mut browser(&env).await?, PERSON).await?;
    let mended = grant_is(&env, "True/ReconcileSucceeded").await?.status.context("no status")?;
    assert_eq!((mended.grantor_id.as_deref(), mended.page_count), (Some(PERSON), Some(3)));
    assert_eq!(mended.waiting_grantors, [COLLEAGUE], "what others bring does not push it aside");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_accepted_is_taken_and_never_for_a_token_that_works_and_covers_more() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    authorized_by_a_stranger(&env).await?;
    waiting_are(&env, &[COLLEAGUE]).await?;
    told_of(&env, "AuthorizationWaits").await?;
    let told = notes(&env, &env.tenant_a, "AuthorizationWaits", |_| true).await?;
    let command = format!("{{\"spec\":{{\"grantors\":[\"{PERSON}\",\"{COLLEAGUE}\"]}}}}");
    assert!(told.len() == 1 && told[0].contains(&command), "{told:?}");
    // No channel uses a page, but the token that works covers more of them.
    accept(&env, &[PERSON, COLLEAGUE]).await?;
    told_of(&env, "AuthorizationRefused").await?;
    let status = waiting_are(&env, &[]).await?;
    assert_eq!((status.grantor_id.as_deref(), living(&env).await?), (Some(PERSON), text(ENDING)));

    ended(&env).await?;
    authorized_by(&env, &mut browser(&env).await?, COLLEAGUE).await?;
    let taken = grant_is(&env, "True/ReconcileSucceeded").await?.status.context("no status")?;
    assert_eq!((taken.grantor_id.as_deref(), taken.page_count), (Some(COLLEAGUE), Some(1)));
    // Whoever is declared may authorize also if someone else did last.
    authorized_by(&env, &mut browser(&env).await?, PERSON).await?;
    wait_for("the person's token", PATIENCE, async || {
        let status = self::status(&env).await?;
        ensure!(status.grantor_id.as_deref() == Some(PERSON), "{:?}", status.grantor_id);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_taken_once_its_person_is_accepted() -> Result<()> {
    let (env, _operator) = reauthorization::env().await?;
    ended(&env).await?;
    authorized_by_a_stranger(&env).await?;
    waiting_are(&env, &[COLLEAGUE]).await?;
    accept(&env, &[COLLEAGUE]).await?;
    let taken = grant_is(&env, "True/ReconcileSucceeded").await?.status.context("no status")?;
    assert_eq!(taken.grantor_id.as_deref(), Some(COLLEAGUE));
    assert_eq!(taken.waiting_grantors, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_somebody_throws_away_is_waited_for_no_more() -> Result<()> {
    let (env, operator) = reauthorization::env().await?;
    authorized_by_a_stranger(&env).await?;
    waiting_are(&env, &[COLLEAGUE]).await?;
    quiet(&operator).await?;
    let inbox: Api<Secret> = Api::namespaced(env.client.clone(), &env.inbox);
    for mail in reauthorization::mail(&env).await?.into_iter().filter(|mail| mail.data.is_some()) {
        inbox.delete(&mail.name_any(), &DeleteParams::default()).await?;
    }
    waiting_are(&env, &[]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_grantors_are_numbers_in_strings_and_each_stands_there_once() -> Result<()> {
    let env = Env::seeded(people).await?;
    let manifest = |ids: &str| format!("{}  grantors: {ids}\n", grant_manifest(&env, &env.tenant_a));
    let many = (0..21).map(|n| format!("\"66000000000000{n:02}\"")).collect::<Vec<_>>().join(",");
    for bad in
        ["[alex]", "[6600000000000001]", "[\"066000\"]", "[\"66 \"]", "[\"66000\", \"66000\"]", &format!("[{many}]")]
    {
        let error = format!("{:#}", env.apply(&manifest(bad)).await.expect_err(bad));
        assert!(error.contains("grantors"), "{bad}: {error}");
    }
    env.apply(&manifest("[\"6600000000000001\", \"6600000000000002\"]")).await
}
