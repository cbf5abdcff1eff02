//! No secret is shown to a browser or in a metric, whatever happens.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use reqwest::StatusCode;

use crate::support::browser::parameter;
use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::oauth_fixture::*;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_shown() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (mut browser, mut stranger) = (fixture.browser(), fixture.browser());
    let mut secrets = vec![APP_SECRET.to_owned()];
    // A refusal that repeats what it was asked with, an authorization that is too narrow, one that does, and a stranger.
    let echo = "{match: {template: '/{version}/oauth/access_token'}, times: 1, do: {graph_error: {code: 100, message: no, echo_token: true}}}";
    fixture.env.sandbox.add_fault(fault(echo));
    for pages in [vec![], vec![PAGE_B], vec![]] {
        let dialog = browser.begin(&fixture.grant).await?;
        let callback = browser.log_in(&dialog, PERSON, &pages).await?;
        secrets.extend([parameter(&callback, "code")?, parameter(&callback, "state")?]);
        secrets.extend(browser.cookies.iter().filter_map(|it| it.rsplit('/').next()).map(str::to_owned));
        let answer = browser.return_with(&callback).await?;
        stranger.return_with(&callback).await?;
        secrets.extend(browser.cookies.iter().filter_map(|it| it.rsplit('/').next()).map(str::to_owned));
        if answer.status == StatusCode::OK {
            browser.answer(&answer, "use").await?.is(StatusCode::OK, "Thank you")?;
        }
    }
    let token = |mail: &Secret| Some(String::from_utf8(mail.data.as_ref()?.get("token")?.0.clone()).unwrap());
    let tokens: Vec<_> = fixture.mail().await?.iter().filter_map(token).collect();
    assert_eq!(tokens.len(), 1);
    secrets.extend(tokens);
    let metrics = fixture.env.gateway_metrics().text();
    let shown = browser.shown.iter().chain(&stranger.shown).chain([&metrics]);
    for text in shown {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
        assert!(!text.contains("EAA"), "a token in {text}");
    }
    // What is told in the cluster holds no secret either, but for the one token.
    for mail in fixture.mail().await? {
        let metadata = serde_json::to_string(&mail.metadata)?;
        assert!(secrets.iter().all(|secret| !metadata.contains(secret.as_str())), "{metadata}");
    }
    Ok(())
}
