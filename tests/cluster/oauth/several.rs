//! Several reauthorizations under way in one browser, and cookies of others beside ours.

use anyhow::Result;
use kube::ResourceExt;
use reqwest::StatusCode;

use crate::support::oauth_fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_in_two_tabs_comes_back_right_in_any_order() -> Result<()> {
    for first_comes_first in [true, false] {
        let fixture = Fixture::new().await?;
        let mut browser = fixture.browser();
        let first = browser.begin(&fixture.grant).await?;
        let second = browser.begin(&fixture.other).await?;
        let (grants, dialogs) = ([&fixture.grant, &fixture.other], [first, second]);
        let order = if first_comes_first { [0, 1] } else { [1, 0] };
        let mut offers = Vec::new();
        for tab in order {
            let callback = browser.log_in(&dialogs[tab], PERSON, &[]).await?;
            let offer = browser.return_with(&callback).await?;
            offer.is(StatusCode::OK, "Use this authorization?")?;
            assert!(offer.text.contains(grants[tab]) && !offer.text.contains(grants[1 - tab]), "{}", offer.text);
            offers.push(offer);
        }
        for offer in &offers {
            browser.answer(offer, "use").await?.is(StatusCode::OK, "Thank you")?;
        }
        let mail = fixture.mail().await?;
        let mut to: Vec<_> = mail.iter().filter(|it| it.data.is_some()).map(|it| it.annotations().clone()).collect();
        to.sort_by_key(|it| it["metachannels.io/grant-namespace"].clone());
        let namespaces: Vec<_> = to.iter().map(|it| it["metachannels.io/grant-namespace"].as_str()).collect();
        assert_eq!(namespaces, [&fixture.env.tenant_a, &fixture.env.tenant_b]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_of_one_grant_that_come_back_at_once_do_not_hinder_each_other() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let mut tabs = Vec::new();
    for _ in 0..3 {
        let dialog = browser.begin(&fixture.grant).await?;
        tabs.push(browser.log_in(&dialog, PERSON, &[]).await?);
    }
    let begun = browser.cookies.clone();
    let attempts = tabs.into_iter().map(|callback| {
        let mut tab = fixture.browser();
        tab.cookies.clone_from(&begun);
        async move { tab.return_with(&callback).await }
    });
    for offer in futures::future::try_join_all(attempts).await? {
        offer.is(StatusCode::OK, "Use this authorization?")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_keeps_a_bounded_number_and_the_first_gives_way() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut browser = fixture.browser();
    let first = browser.begin(&fixture.grant).await?;
    let second = browser.begin(&fixture.grant).await?;
    for _ in 0..7 {
        browser.begin(&fixture.other).await?;
        let header = browser.cookies.join("; ").len();
        assert!(browser.cookies.len() <= 8 && header <= 6 * 1024, "{} cookies, {header} bytes", browser.cookies.len());
    }
    assert_eq!(browser.cookies.len(), 8);
    let callback = browser.log_in(&first, PERSON, &[]).await?;
    browser.return_with(&callback).await?.is(StatusCode::FORBIDDEN, "Not started in this browser")?;
    let callback = browser.log_in(&second, PERSON, &[]).await?;
    browser.return_with(&callback).await?.is(StatusCode::OK, "Use this authorization?")
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_other_sites_on_the_host_do_not_matter() -> Result<()> {
    let fixture = Fixture::new().await?;
    for foreign in ["name=café", "\u{1f36a}=\u{1f36a}", "=; ;;", "broken", "__Host-meta-channels=old", "q=\"a b\""] {
        let mut browser = fixture.browser();
        let dialog = browser.begin(&fixture.other).await?;
        let callback = browser.log_in(&dialog, PERSON, &[]).await?;
        browser.cookies.insert(0, foreign.to_owned());
        browser.cookies.push(foreign.to_owned());
        let offer = browser.return_with(&callback).await?;
        offer.is(StatusCode::OK, "Use this authorization?")?;
        fixture.env.advance(1);
    }
    Ok(())
}
