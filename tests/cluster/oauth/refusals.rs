//! What does not do, and what the person is told.

use anyhow::Result;
use kube::ResourceExt;
use reqwest::StatusCode;
use testkit::wait_for;

use crate::support::browser;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_without_a_page_in_use_is_refused_by_name() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let answer = browser.up_to_the_offer(&fixture.grant, PERSON, &[PAGE_B, PAGE_C]).await?;
    answer.is(StatusCode::FORBIDDEN, "Pages are missing")?;
    assert!(answer.text.contains("Acme Shop") && answer.text.contains(PAGE_A), "{}", answer.text);
    assert!(!answer.text.contains(PAGE_B), "what is covered is not missing: {}", answer.text);
    assert_eq!(fixture.told().await?, ["PagesMissing"]);
    let mail = fixture.mail().await?;
    let told = mail.iter().find(|mail| mail.annotations().contains_key("metachannels.io/missing"));
    assert_eq!(told.map(|mail| mail.annotations()["metachannels.io/missing"].as_str()), Some(PAGE_A));
    assert!(mail.iter().all(|mail| mail.data.is_none()), "no token is stored");
    // Someone without a role on the page cannot help.
    let answer = fixture.browser().up_to_the_offer(&fixture.grant, COLLEAGUE, &[]).await?;
    answer.is(StatusCode::FORBIDDEN, "Pages are missing")?;
    // With all of them it goes.
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[PAGE_A, PAGE_B]).await?;
    offer.is(StatusCode::OK, "Use this authorization?")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_grant_lost_before_is_asked_for_and_may_stay_lost() -> Result<()> {
    let fixture = Fixture::new().await?;
    let lost = "{\"status\":{\"missingPages\":[{\"id\":\"2200000000000003\",\"name\":\"Lost Outlet\"}]}}";
    let patch =
        ["patch", "metagrant/acme", "-n", &fixture.env.tenant_b, "--subresource=status", "--type=merge", "-p", lost];
    fixture.env.kubectl().run(&patch).await?;
    let mut browser = fixture.browser();
    let path = start(&fixture.other);
    wait_for("the lost page on the start page", PATIENCE, async || {
        let text = browser.get(&path).await?.text;
        anyhow::ensure!(text.contains("Lost Outlet"), "{text}");
        Ok(())
    })
    .await?;
    let without = browser.up_to_the_offer(&fixture.other, PERSON, &[PAGE_B]).await?;
    without.is(StatusCode::OK, "Use this authorization?")?;
    assert!(without.text.contains("still missing") && without.text.contains("Lost Outlet"), "{}", without.text);
    let with = browser.up_to_the_offer(&fixture.other, PERSON, &[PAGE_B, PAGE_C]).await?;
    with.is(StatusCode::OK, "Use this authorization?")?;
    assert!(!with.text.contains("still missing"), "{}", with.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_permissions_are_named() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.other).await?;
    let narrow = [("decision", "continue"), ("person", COLLEAGUE), ("scope", "pages_show_list")];
    let callback = browser.decide(&dialog, &narrow).await?;
    let answer = browser.return_with(&callback).await?;
    answer.is(StatusCode::FORBIDDEN, "Permissions are missing")?;
    for (scope, told) in [("pages_manage_metadata", true), ("pages_messaging", true), ("pages_show_list", false)] {
        assert_eq!(answer.text.contains(scope), told, "{scope}: {}", answer.text);
    }
    assert_eq!(fixture.told().await?, ["ScopesMissing"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_say_no_twice() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.decide(&dialog, &[("decision", "cancel")]).await?;
    assert!(callback.contains("error=access_denied"), "{callback}");
    browser.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "You did not agree at Facebook")?;
    assert_eq!(fixture.exchanges(), [0_u16; 0]);

    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    browser.answer(&offer, "drop").await?.is(StatusCode::FORBIDDEN, "Not used")?;
    // Not even a second look brings it back.
    browser.answer(&offer, "use").await?.is(StatusCode::FORBIDDEN, "Not used")?;
    assert!(fixture.told().await?.is_empty());
    assert_eq!(["declined", "canceled"].map(|outcome| fixture.outcomes(outcome)), [1, 1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_does_not_answer_the_person_may_try_again() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let silent =
        "{match: {template: '/{version}/oauth/access_token'}, times: 1, do: {status: {code: 503, body: busy}}}";
    fixture.env.sandbox.add_fault(fault(silent));
    let answer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    answer.is(StatusCode::FORBIDDEN, "No answer")?;
    assert!(answer.text.contains(&format!("action=\"{}\"", start(&fixture.grant))), "{}", answer.text);

    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    fixture.env.sandbox.add_fault(fault(silent));
    let form = [("flow", browser::flow(&offer)?), ("decision", "use")];
    let answer = browser.click("/oauth/confirm", &form).await?;
    answer.is(StatusCode::SERVICE_UNAVAILABLE, "No answer")?;
    assert!(fixture.told().await?.is_empty());
    browser.answer(&offer, "use").await?.is(StatusCode::OK, "Thank you")?;
    assert_eq!(fixture.told().await?, ["Token"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_meta_refuses_is_not_blamed_on_the_person() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let dialog = browser.begin(&fixture.grant).await?;
    let callback = browser.log_in(&dialog, PERSON, &[]).await?;
    let page = browser::outcome(&dialog)?;
    let (platform, new) = (&fixture.env.platform, "x".repeat(32));
    fixture.env.tell_gateway(platform, &[("app-secret", &new)]).await?;
    // What was sealed with the former secret does not open any more; with it beside the new one it does.
    wait_for("the new secret", PATIENCE, async || {
        anyhow::ensure!(browser.get(&page).await?.status == StatusCode::FORBIDDEN);
        Ok(())
    })
    .await?;
    fixture.env.tell_gateway(platform, &[("app-secret", &new), ("previous-app-secret", APP_SECRET)]).await?;
    wait_for("the former secret to count", PATIENCE, async || {
        anyhow::ensure!(browser.get(&page).await?.status == StatusCode::OK);
        Ok(())
    })
    .await?;
    let answer = browser.return_with(&callback).await?;
    answer.is(StatusCode::FORBIDDEN, "The application does not work")?;
    assert!(answer.text.contains("credentials of the application"), "{}", answer.text);
    assert_eq!(fixture.told().await?, ["CredentialsRejected"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_is_shown_as_text() -> Result<()> {
    let page = |seed: &mut testkit::sandbox::Seed| {
        people(seed);
        seed.pages[2].name = MARKUP.to_owned();
    };
    let fixture = Fixture::seeded(page).await?;
    let mut browser = fixture.browser();
    let (bold, italic) = ("&lt;b onclick=&quot;x&quot;&gt;", "Acme &lt;i&gt;Messaging");
    let start = browser.get(&start(&fixture.grant)).await?;
    // A page in use by name, the application.
    assert!(start.text.contains(bold) && start.text.contains(italic), "{}", start.text);
    let offer = browser.up_to_the_offer(&fixture.grant, PERSON, &[]).await?;
    assert_eq!(offer.text.matches(bold).count(), 2, "a page in use and another one: {}", offer.text);
    let stranger = fixture.browser().up_to_the_offer(&fixture.other, COLLEAGUE, &[]).await?;
    assert_eq!(stranger.text.matches(bold).count(), 2, "the person and a page in use: {}", stranger.text);
    for page in [start, offer, stranger] {
        assert!(!page.text.contains("<b") || !page.text.contains("<b onclick"), "{}", page.text);
        assert!(!page.text.contains("<i>"), "{}", page.text);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_not_asked_for_a_system_users_grant() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let offer = browser.up_to_the_offer(&fixture.other, PERSON, &[]).await?;
    let kind = "{\"status\":{\"tokenType\":\"SYSTEM_USER\"}}";
    let patch =
        ["patch", "metagrant/acme", "-n", &fixture.env.tenant_b, "--subresource=status", "--type=merge", "-p", kind];
    fixture.env.kubectl().run(&patch).await?;
    let path = start(&fixture.other);
    wait_for("the start page", PATIENCE, async || {
        browser.get(&path).await?.is(StatusCode::OK, "Nothing to do for you")
    })
    .await?;
    browser.click(&path, &[]).await?.is(StatusCode::OK, "Nothing to do for you")?;
    let form = [("flow", browser::flow(&offer)?), ("decision", "use")];
    browser.click("/oauth/confirm", &form).await?.is(StatusCode::FORBIDDEN, "Not started in this browser")?;
    assert!(fixture.told().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_application_is_not_there_cannot_be_begun() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    fixture.env.kubectl().run(&["-n", &fixture.env.platform, "delete", "mapp", "acme"]).await?;
    let path = start(&fixture.grant);
    wait_for("the gateway to forget the app", PATIENCE, async || {
        browser.get(&path).await?.is(StatusCode::SERVICE_UNAVAILABLE, "Not possible now")
    })
    .await?;
    browser.click(&path, &[]).await?.is(StatusCode::SERVICE_UNAVAILABLE, "Not possible now")
}
