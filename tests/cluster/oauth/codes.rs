//! Codes of the login dialog in the wrong hands.

use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::StatusCode;
use serde_json::json;
use testkit::wait_for;

use crate::support::browser::parameter;
use crate::support::env::PATIENCE;
use crate::support::fixtures::fault;
use crate::support::oauth_fixture::*;

const SWITCH: &str = "login_pkce";

#[tokio::test(flavor = "multi_thread")]
async fn people_can_log_in_whatever_meta_makes_of_the_proof_of_a_code() -> Result<()> {
    let fixture = Fixture::new().await?;
    let rows = [("ignored", false, 0), ("enforced", false, 0), ("refused", true, 1), ("refused_at_exchange", false, 1)];
    let mut refused = 0;
    for (position, comes_back, refusals) in rows {
        fixture.env.sandbox.set_switch(SWITCH, position)?;
        let mut browser = fixture.browser();
        let mut dialog = browser.begin(&fixture.grant).await?;
        if comes_back {
            let form = [("decision", "continue"), ("person", PERSON)];
            let callback = browser.decide(&dialog, &form).await?;
            assert!(callback.contains("error=invalid_request"), "{callback}");
            dialog = browser.get(&callback).await?.leads_to()?.parse()?;
            assert!(parameter(dialog.as_str(), "code_challenge").is_err(), "{dialog}");
        }
        let callback = browser.log_in(&dialog, PERSON, &[]).await?;
        browser.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")?;
        refused += refusals;
        assert_eq!(fixture.outcomes("proof_refused"), refused, "{position}");
    }
    assert_eq!(fixture.exchanges(), [200, 200, 200, 400, 200]);
    // A dialog that refuses more than the challenge is not asked for ever.
    let mut browser = fixture.browser();
    let first = browser.begin(&fixture.grant).await?;
    let back = |state: String| format!("/oauth/callback?error=invalid_request&state={state}");
    let again = browser.get(&back(parameter(first.as_str(), "state")?)).await?.leads_to()?;
    let answer = browser.return_with(&back(parameter(&again, "state")?)).await?;
    answer.is(StatusCode::FORBIDDEN, "The application does not work")
}

/// A code of someone who began for one grant, brought by who began for another one of the same application.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_overheard_is_of_no_use_in_anybody_elses_login_where_meta_checks_the_proof() -> Result<()> {
    let fixture = Fixture::new().await?;
    fixture.env.sandbox.set_switch(SWITCH, "enforced")?;
    let (mut person, mut thief) = (fixture.browser(), fixture.browser());
    let dialog = person.begin(&fixture.grant).await?;
    let callback = person.log_in(&dialog, PERSON, &[]).await?;
    let code = parameter(&callback, "code")?;
    let own = parameter(thief.begin(&fixture.other).await?.as_str(), "state")?;
    let answer = thief.return_with(&format!("/oauth/callback?code={code}&state={own}")).await?;
    answer.is(StatusCode::FORBIDDEN, "Facebook did not accept it")?;
    assert!(fixture.told().await?.is_empty());
    assert_eq!(fixture.exchanges(), [400, 400], "neither with the thief's proof nor without one");
    person.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_overheard_waits_at_a_grant_of_others_where_meta_does_not_check_the_proof() -> Result<()> {
    let fixture = Fixture::new().await?;
    let patch = json!({"status": {"grantorId": "6600000000000066"}}).to_string();
    let of_others = ["patch", "mgrant/acme", "-n", &fixture.env.tenant_b, "--subresource=status", "--type=merge", "-p"];
    fixture.env.kubectl().run(&[&of_others[..], &[patch.as_str()]].concat()).await?;
    let dialog = fixture.browser().begin(&fixture.grant).await?;
    wait_for("the gateway to know whose the grant is", PATIENCE, async || {
        let code = parameter(&fixture.browser().log_in(&dialog, PERSON, &[]).await?, "code")?;
        let mut thief = fixture.browser();
        let own = parameter(thief.begin(&fixture.other).await?.as_str(), "state")?;
        let offer = thief.return_with(&format!("/oauth/callback?code={code}&state={own}")).await?;
        anyhow::ensure!(offer.text.contains("You are not among the people who authorized"), "{}", offer.text);
        thief.answer(&offer, "use").await?.is(StatusCode::OK, "You must be accepted first")
    })
    .await?;
    let mail = fixture.mail().await?;
    let mut grantors =
        mail.iter().filter_map(|mail| mail.metadata.annotations.as_ref()?.get("metachannels.io/grantor-id"));
    assert_eq!(grantors.next().map(String::as_str), Some(PERSON), "the operator is told whose it is");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_comes_to_another_browser_is_redeemed_and_thrown_away() -> Result<()> {
    for position in ["ignored", "enforced"] {
        let fixture = Fixture::new().await?;
        fixture.env.sandbox.set_switch(SWITCH, position)?;
        let (mut thief, mut person) = (fixture.browser(), fixture.browser());
        // The person was sent a link of the thief's: its code would fit into the thief's login.
        let dialog = thief.begin(&fixture.other).await?;
        let callback = person.log_in(&dialog, PERSON, &[]).await?;
        person.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Not started in this browser")?;
        fixture.exchanged(&[200]).await?;
        thief.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Facebook did not accept it")?;
        assert!(fixture.told().await?.is_empty());
        // What names no application of ours is not asked about.
        let state = "x".repeat(43);
        for state in [state.clone(), format!("{state}.1"), format!("{state}.9999000099990000")] {
            person.get(&format!("/oauth/callback?code=x&state={state}")).await?;
        }
        assert_eq!(fixture.exchanges(), [200, 400], "{position}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_codes_that_nobody_asked_for_has_few_looked_at_and_keeps_nobody_from_coming_back() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (mut stranger, mut person) = (fixture.browser(), fixture.browser());
    let state = format!("{}.1111000011110000", "x".repeat(43));
    for count in 0..30_usize {
        let answer = stranger.get(&format!("/oauth/callback?code=forged&state={state}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser");
        fixture.exchanged(&vec![400; 20.min(count + 1)]).await?;
    }
    // Also from where the stranger is.
    let offer = person.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_an_answer_takes_tells_nobody_which_applications_there_are() -> Result<()> {
    let fixture = Fixture::new().await?;
    let slow = "{match: {template: '/{version}/oauth/access_token'}, do: {slow: {ms: 8000}}}";
    fixture.env.sandbox.add_fault(fault(slow));
    for app in ["1111000011110000", "9999000099990000"] {
        let asked = Instant::now();
        let state = format!("{}.{app}", "x".repeat(43));
        let answer = fixture.browser().get(&format!("/oauth/callback?code=forged&state={state}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser");
        assert!(asked.elapsed() < Duration::from_secs(4), "{app}: {:?}", asked.elapsed());
    }
    fixture.exchanged(&[400]).await
}
