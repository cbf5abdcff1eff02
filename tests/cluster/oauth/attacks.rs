//! What someone with bad intentions may try; in no case is anything stored.

use anyhow::Result;
use kube::ResourceExt;
use reqwest::StatusCode;

use crate::support::browser::{Browser, flow, outcome, parameter};
use crate::support::oauth_fixture::*;

const FOREIGN: &str = "Not started in this browser";

/// Nothing was stored, and the browser is led away from what it brought.
async fn nothing_came_of_it(fixture: &Fixture, outcome: &str) -> Result<()> {
    assert!(fixture.mail().await?.is_empty());
    assert_eq!(fixture.outcomes(outcome), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_state_is_refused() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let (code, state) = (parameter(&callback, "code")?, parameter(&callback, "state")?);
    let other = fixture.browser().begin(&fixture.grant).await?;
    let wrong = [String::new(), "x".repeat(43), state[..42].to_owned(), format!("{state}0")];
    for (number, forged) in (1..).zip(&wrong) {
        let answer = browser.get(&format!("/oauth/callback?code={code}&state={forged}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser", "{forged}");
        assert_eq!(fixture.outcomes("forged"), number, "{forged}");
    }
    for malformed in ["", "?code=x", "?state=", "?code=a&code=b&state=x", &format!("?state={state}&state={state}")] {
        let answer = browser.get(&format!("/oauth/callback{malformed}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser", "{malformed}");
    }
    browser.get("/oauth/other-browser").await?.is(StatusCode::FORBIDDEN, FOREIGN)?;
    assert!(fixture.mail().await?.is_empty());
    assert_eq!(fixture.exchanges(), [0_u16; 0]);
    // The right one still serves: nobody can spoil what another browser began.
    browser.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")?;
    // Whoever brings a code with the state of something else has used it up.
    for forged in [state.to_lowercase(), parameter(other.as_str(), "state")?] {
        let code = parameter(&browser.log_in(&dialog, PERSON, &[]).await?, "code")?;
        let answer = browser.get(&format!("/oauth/callback?code={code}&state={forged}")).await?;
        assert_eq!(answer.leads_to()?, "/oauth/other-browser");
    }
    fixture.exchanged(&[200, 200, 200]).await?;
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_state_is_refused_even_with_a_fresh_code_and_the_old_cookie() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let begun = browser.cookies.clone();
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    browser.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")?;
    // Going back or reloading shows the same offer, and exchanges nothing.
    browser.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")?;
    assert_eq!(fixture.exchanges(), [200]);
    let fresh = browser.log_in(&dialog, PERSON, &[]).await?;
    assert_ne!(parameter(&fresh, "code")?, parameter(&callback, "code")?);
    for replayed in [callback, fresh] {
        browser.cookies = begun.clone();
        browser.return_with(&replayed).await?.is(StatusCode::FORBIDDEN, "Used before")?;
    }
    assert_eq!(fixture.exchanges(), [200]);
    assert_eq!(fixture.outcomes("used"), 2);
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_comes_back_many_times_at_once_serves_once() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let mut attempts = Vec::new();
    for _ in 0..5 {
        let mut other = fixture.browser();
        other.cookies = browser.cookies.clone();
        let callback = browser.log_in(&dialog, PERSON, &[]).await?;
        attempts.push(async move { other.return_with(&callback).await });
    }
    let answers = futures::future::try_join_all(attempts).await?;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
    assert_eq!(fixture.exchanges(), [200]);
    assert_eq!(fixture.outcomes("used"), 4);
    Ok(())
}

/// Someone began, and sends the address of the login dialog to a person who may authorize.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_was_sent_somebody_elses_link_gives_nothing_away() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (mut attacker, mut victim) = (fixture.browser(), fixture.browser());
    let dialog = attacker.begin(&fixture.grant).await?;
    let callback = victim.log_in(&dialog, PERSON, &[]).await?;
    let answer = victim.return_with(&callback).await?;
    answer.is(StatusCode::FORBIDDEN, FOREIGN)?;
    assert!(answer.text.contains("If someone sent you this link, do not continue"));
    nothing_came_of_it(&fixture, "foreign_browser").await?;
    // Also if the victim has something of its own under way.
    let own = victim.begin(&fixture.grant).await?;
    assert_eq!(victim.get(&callback).await?.leads_to()?, "/oauth/other-browser");
    let callback = victim.log_in(&own, PERSON, &[]).await?;
    victim.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")?;
    attacker.get(&outcome(&dialog)?).await?.is(StatusCode::OK, "Authorize again")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_good_for_ten_minutes() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    fixture.env.advance(10);
    browser.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Too late")?;
    assert_eq!(fixture.exchanges(), [0_u16; 0]);
    nothing_came_of_it(&fixture, "expired").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_good_for_ten_minutes() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    fixture.env.advance(10);
    browser.answer(&offer, "use").await?.is(StatusCode::FORBIDDEN, "Too late")?;
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_for_one_tenant_is_worth_nothing_to_another() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (mut browser, mut other) = (fixture.browser(), fixture.browser());
    let dialog = browser.begin(&fixture.grant).await?;
    other.begin(&fixture.other).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let fresh = browser.log_in(&dialog, PERSON, &[]).await?;
    // The other tenant's cookie with this state, and this tenant's cookie under the other's name.
    assert_eq!(other.get(&callback).await?.leads_to()?, "/oauth/other-browser");
    let moved = |cookies: &[String]| cookies.iter().map(|it| it.replace(&fixture.grant, &fixture.other)).collect();
    other.cookies = moved(&browser.cookies);
    assert_eq!(other.get(&callback).await?.leads_to()?, "/oauth/other-browser");
    assert!(fixture.mail().await?.is_empty());
    // An offer cannot be moved to another grant either.
    let offer = browser.return_with(&fresh).await?;
    other.cookies = moved(&browser.cookies);
    let form = [("flow", flow(&offer)?), ("decision", "use")];
    other.click("/oauth/confirm", &form).await?.is(StatusCode::FORBIDDEN, FOREIGN)?;
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_decides_about_nothing_but_what_it_showed() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let first = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    let second = browser.up_to_the_offer(&fixture.other, PERSON, &[]).await?;
    let elsewhere = fixture.browser().up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    let wrong = [vec![("flow", flow(&elsewhere)?), ("decision", "use")], vec![("decision", "use")], vec![]];
    for form in wrong {
        browser.click("/oauth/confirm", &form).await?.is(StatusCode::FORBIDDEN, FOREIGN)?;
    }
    assert!(fixture.told().await?.is_empty());
    browser.answer(&second, "use").await?.is(StatusCode::OK, "Thank you")?;
    let told = fixture.mail().await?;
    let token = told.iter().find(|mail| mail.data.is_some()).map(|mail| mail.annotations().clone()).unwrap_or_default();
    assert_eq!(token["metachannels.io/grant-namespace"], fixture.env.tenant_b);
    // The other one still stands.
    browser.answer(&first, "drop").await?.is(StatusCode::FORBIDDEN, "Not used")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clicks_on_our_own_pages_count() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let page = start(&fixture.grant);
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    let form = [("flow", flow(&offer)?), ("decision", "use")];
    for site in [None, Some("cross-site"), Some("same-site"), Some("none"), Some("")] {
        browser.post(&page, &[], site).await?.is(StatusCode::FORBIDDEN, "Not from this page")?;
        browser.post("/oauth/confirm", &form, site).await?.is(StatusCode::FORBIDDEN, "Not from this page")?;
    }
    assert_eq!(fixture.outcomes("cross_site"), 10);
    assert_eq!(fixture.outcomes("begun"), 1);
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_browser_that_says_no_site_our_origin_counts_and_no_other() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let page = start(&fixture.grant);
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    let form = [("flow", flow(&offer)?), ("decision", "use")];
    let ours = ("origin", "https://hooks.example.com");
    let wrong: [&[(&str, &str)]; 7] = [
        &[("origin", "https://hooks.example.com.evil.example")],
        &[("origin", "http://hooks.example.com")],
        &[("origin", "https://hooks.example.com:8443")],
        &[("origin", "null")],
        &[ours, ours],
        &[ours, ("sec-fetch-site", "cross-site")],
        &[ours, ("sec-fetch-site", "same-site")],
    ];
    for headers in wrong {
        for (path, form) in [(page.as_str(), &[][..]), ("/oauth/confirm", &form)] {
            let answer = browser.post_with(path, form, headers).await?;
            answer.is(StatusCode::FORBIDDEN, "Not from this page")?;
            assert!(answer.text.contains("another site"), "{headers:?}: {}", answer.text);
        }
    }
    let silent = browser.post_with(&page, &[], &[]).await?;
    assert!(silent.text.contains("does not say where this click came from"), "{}", silent.text);
    assert_eq!(fixture.outcomes("begun"), 1);
    assert!(fixture.told().await?.is_empty());
    assert!(browser.post_with(&page, &[], &[ours]).await?.leads_to()?.contains("/dialog/oauth?"));
    let done = browser.post_with("/oauth/confirm", &form, &[ours]).await?.leads_to()?;
    browser.get(&done).await?.is(StatusCode::OK, "Thank you")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_application_is_refused() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let code = browser.code_of_another_app(&dialog, PERSON).await?;
    let state = parameter(dialog.as_str(), "state")?;
    let answer = browser.return_with(&format!("/oauth/callback?code={code}&state={state}")).await?;
    answer.is(StatusCode::FORBIDDEN, "Facebook did not accept it")?;
    assert_eq!(fixture.exchanges(), [400]);
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

/// Comes back with what is no code: the path that the browser is led to.
async fn come_back_forged(browser: &mut Browser, grant: &str) -> Result<String> {
    let dialog = browser.begin(grant).await?;
    let state = parameter(dialog.as_str(), "state")?;
    browser.get(&format!("/oauth/callback?code=forged&state={state}")).await?.leads_to()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_and_comes_back_all_the_time_keeps_nobody_else_from_authorizing() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut stranger = fixture.browser();
    stranger.client_address = Some("203.0.113.9".to_owned());
    // Beginning costs nothing, however often.
    for _ in 0..50 {
        stranger.begin(&fixture.grant).await?;
    }
    stranger.cookies.clear();
    for _ in 0..20 {
        let path = come_back_forged(&mut stranger, &fixture.grant).await?;
        stranger.get(&path).await?.is(StatusCode::FORBIDDEN, "Facebook did not accept it")?;
    }
    for _ in 0..5 {
        let path = come_back_forged(&mut stranger, &fixture.grant).await?;
        stranger.get(&path).await?.is(StatusCode::FORBIDDEN, "No answer")?;
    }
    assert_eq!(fixture.exchanges(), [400; 20], "Meta is not asked any more");
    assert_eq!(fixture.outcomes("too_many"), 5);
    // An address that the stranger invents is not the one that the proxy adds.
    stranger.client_address = Some("198.51.100.1, 203.0.113.9".to_owned());
    let path = come_back_forged(&mut stranger, &fixture.grant).await?;
    stranger.get(&path).await?.is(StatusCode::FORBIDDEN, "No answer")?;

    let mut person = fixture.browser();
    person.client_address = Some("198.51.100.7".to_owned());
    let dialog = person.begin(&fixture.grant).await?;
    let back = person.log_in(&dialog, PERSON, &[]).await?;
    person.return_with(&back).await?.is(StatusCode::OK, "Use this authorization?")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_unknown_gets_the_same_answer_here_too() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let unknown = [
        "/oauth".to_owned(),
        "/oauth/".to_owned(),
        // A grant that is there, without its address and with a guessed one, and one that is not.
        format!("/oauth/{}/start", fixture.grant),
        start(&fixture.grant).replace("YS1y", "YS1x"),
        start(&format!("{}-x", fixture.grant)),
        start(&format!("{}/acme", fixture.env.platform)),
        format!("/oauth/{}", fixture.grant),
        format!("/oauth/{}/", fixture.grant),
        format!("{}/", start(&fixture.grant)),
        start(&fixture.grant).replace("/start", "/stop"),
        start(&format!("{}/%ff", fixture.env.tenant_a)),
        format!("/oauth/{}/%ff/start", fixture.grant),
        "/oauth/callback/more".to_owned(),
    ];
    for path in unknown {
        let answers = [browser.get(&path).await?, browser.click(&path, &[]).await?];
        for answer in answers {
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, ""), "{path}");
        }
    }
    for path in ["/oauth/callback", "/oauth/other-browser"] {
        assert_eq!(browser.click(path, &[]).await?.status, StatusCode::NOT_FOUND, "POST {path}");
    }
    Ok(())
}
