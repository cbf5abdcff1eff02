use serde_json::json;

use super::super::classify;
use super::super::testing::*;
use super::*;

const NEW: &str = "EAABnew0123456789_abc.DEF-x";

fn refusal(code: u32, subcode: u32, message: &str) -> axum::response::Response {
    json(400, &json!({"error": {"code": code, "error_subcode": subcode, "message": message}}))
}

#[tokio::test]
async fn the_pages_of_a_grant_are_listed_with_their_tokens_or_without() {
    let row = json!({"data": [
        {"id": PAGE, "name": "Shop", "tasks": ["MESSAGING", "MODERATE"], "access_token": NEW},
        {"id": 2_200_000_000_000_002_u64, "access_token": "short"},
    ]});
    let graph = Double::answering([json(200, &row), json(200, &row)]).await;
    let pages = graph.client().accounts(V, &app(), &token(), true).await.expect("pages");
    assert_eq!((pages[0].id.as_str(), pages[0].name.as_deref()), (PAGE, Some("Shop")));
    assert_eq!(pages[0].tasks.as_deref(), Some(&["MESSAGING".to_owned(), "MODERATE".to_owned()][..]));
    assert_eq!(pages[0].token.as_ref().expect("a token").expose(), NEW);
    assert_eq!((pages[1].id.as_str(), pages[1].token.is_some()), ("2200000000000002", false));
    assert!(!format!("{pages:?}").contains(NEW));

    graph.client().accounts(V, &app(), &token(), false).await.expect("pages");
    for (seen, fields) in graph.seen().iter().zip(["id,name,tasks,access_token", "id,name,tasks"]) {
        assert_eq!(seen.uri.path(), "/v25.0/me/accounts");
        let query = Seen::parameters(seen.uri.query().expect("a query"));
        assert!(query.contains(&("fields".into(), fields.into())), "{query:?}");
        assert!(query.contains(&("limit".into(), "100".into())), "{query:?}");
        assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
        assert!(!seen.uri.to_string().contains(TOKEN));
    }
}

#[tokio::test]
async fn a_list_of_ten_thousand_pages_is_read_to_its_end() {
    let part = |number: usize| {
        let rows: Vec<_> = (0..100).map(|row| json!({"id": format!("22{number:04}{row:04}")})).collect();
        let next = (number < 99).then_some("https://graph.facebook.com/next");
        json(200, &json!({"data": rows, "paging": {"next": next, "cursors": {"after": number.to_string()}}}))
    };
    let graph = Double::answering((0..100).map(part)).await;
    let pages = graph.client().accounts(V, &app(), &token(), true).await.expect("pages");
    assert_eq!((pages.len(), graph.seen().len()), (10_000, 100));
}

#[tokio::test]
async fn an_exchange_says_who_asks_by_id_and_secret_alone() {
    for (exchange, sixty_days) in [(Exchange::ShortUser, false), (Exchange::SystemUser, true)] {
        let graph = Double::json(&json!({"access_token": NEW, "token_type": "bearer", "expires_in": 5_183_944})).await;
        let new = graph.client().exchange_token(V, &app(), &token(), exchange).await.expect("a token");
        assert_eq!(new.expose(), NEW);
        let seen = graph.only();
        assert_eq!((seen.uri.path(), seen.header("authorization")), ("/v25.0/oauth/access_token", ""));
        let query = Seen::parameters(seen.uri.query().expect("a query"));
        let expected = [
            ("grant_type", "fb_exchange_token"),
            ("client_id", APP_ID),
            ("client_secret", SECRET),
            ("fb_exchange_token", TOKEN),
        ];
        let expected = expected.into_iter().chain(sixty_days.then_some(("set_token_expires_in_60_days", "true")));
        let expected: Vec<(String, String)> = expected.map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(query, expected);
    }
}

#[tokio::test]
async fn the_same_token_again_is_an_answer() {
    for exchange in [Exchange::ShortUser, Exchange::SystemUser] {
        let graph = Double::json(&json!({"access_token": TOKEN, "token_type": "bearer"})).await;
        let same = graph.client().exchange_token(V, &app(), &token(), exchange).await.expect("a token");
        assert_eq!(same.expose(), TOKEN);
    }
}

#[tokio::test]
async fn an_answer_without_a_token_is_no_exchange_and_nothing_secret_is_told() {
    let answers = [
        json!({"access_token": "x"}),
        json!({"token": NEW}),
        json!({"error": {"code": 190, "message": format!("Error validating access token {TOKEN} of {SECRET}")}}),
    ];
    for answer in answers {
        let graph = Double::json(&answer).await;
        let error = graph.client().exchange_token(V, &app(), &token(), Exchange::SystemUser).await.expect_err("none");
        let told = format!("{error} {error:?}");
        assert!(!told.contains(TOKEN) && !told.contains(SECRET) && !told.contains(NEW), "{told}");
    }
}

#[tokio::test]
async fn a_refused_exchange_is_about_the_token_or_makes_the_app_suspect() {
    let rows = [
        (refusal(190, 463, "Session has expired"), "token_ended"),
        (refusal(190, 458, "not authorized"), "token_ended"),
        (refusal(1, 0, "Error validating client secret."), "app_suspect"),
        (refusal(101, 0, "Error validating application."), "app_suspect"),
        (refusal(100, 0, "Param fb_exchange_token must be a user access token"), "request_rejected"),
        (refusal(2, 0, "Service temporarily unavailable"), "no_answer"),
    ];
    for (answer, class) in rows {
        let graph = Double::answering([answer]).await;
        let error = graph.client().exchange_token(V, &app(), &token(), Exchange::SystemUser).await.expect_err(class);
        assert_eq!(classify(&error, Operation::ListAccounts).class(), class);
    }
}

#[tokio::test]
async fn revoking_ends_one_token_and_what_ended_before_is_ended_too() {
    for answer in [json(200, &json!({"success": true})), refusal(190, 466, "The session was invalidated")] {
        let graph = Double::answering([answer]).await;
        graph.client().revoke_token(V, &app(), &token()).await.expect("it is over");
        let seen = graph.only();
        assert_eq!(seen.uri.path(), "/v25.0/oauth/revoke");
        assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
        let query = Seen::parameters(seen.uri.query().expect("a query"));
        assert!(query.contains(&("revoke_token".into(), TOKEN.into())), "{query:?}");
    }
    let graph = Double::answering([refusal(4, 0, "too many calls")]).await;
    let error = graph.client().revoke_token(V, &app(), &token()).await.expect_err("not yet");
    assert!(matches!(&error, GraphError::Fault(fault) if fault.code == 4), "{error:?}");
}

#[tokio::test]
async fn tasks_that_are_null_or_absent_are_not_told() {
    let row = json!({"data": [{"id": "1", "tasks": null}, {"id": "2"}, {"id": "3", "tasks": []}]});
    let graph = Double::json(&row).await;
    let pages = graph.client().accounts(V, &app(), &token(), true).await.expect("pages");
    assert_eq!(pages.into_iter().map(|page| page.tasks).collect::<Vec<_>>(), [None, None, Some(vec![])]);
}

#[test]
fn tasks_of_new_pages_are_the_same_and_full_control_covers_all() {
    let rows: [(&[&str], &[&str]); 8] = [
        (&["MESSAGING", "MODERATE"], &[]),
        (&["PROFILE_PLUS_MESSAGING", "PROFILE_PLUS_MODERATE"], &[]),
        (&["PROFILE_PLUS_FULL_CONTROL"], &[]),
        (&["FULL_CONTROL"], &[]),
        (&["MESSAGING"], &["MODERATE"]),
        (&["PROFILE_PLUS_MESSAGING", "ANALYZE"], &["MODERATE"]),
        (&["PROFILE_PLUS_MANAGE_LEADS"], &["MESSAGING", "MODERATE"]),
        (&[], &["MESSAGING", "MODERATE"]),
    ];
    for (tasks, missing) in rows {
        let told: Vec<String> = tasks.iter().map(|task| (*task).to_owned()).collect();
        assert_eq!(missing_tasks(&told), missing, "{tasks:?}");
    }
}

#[tokio::test]
async fn a_page_is_asked_for_the_token_that_somebody_has_for_it() {
    let node = |more: serde_json::Value| {
        let mut node = json!({"id": PAGE, "name": "Shop"});
        if let (Some(node), Some(more)) = (node.as_object_mut(), more.as_object()) {
            node.extend(more.clone());
        }
        json(200, &node)
    };
    let rows = [
        (node(json!({"access_token": NEW})), Some(NEW)),
        // The page's own token is given again.
        (node(json!({"access_token": TOKEN})), Some(TOKEN)),
        (node(json!({})), None),
        (node(json!({"access_token": null})), None),
        (node(json!({"access_token": "no token"})), None),
    ];
    for (answer, expected) in rows {
        let graph = Double::answering([answer]).await;
        let token = token();
        let reads = [PageRead { page_id: &PAGE.into(), token: &token }];
        let answers = graph.client().page_tokens(V, &app(), &reads).await;
        let page = answers[0].as_ref().expect("an answer");
        assert_eq!(page.token.as_ref().map(Token::expose), expected);
        assert!(!format!("{page:?}").contains(NEW));
        let seen = graph.only();
        assert_eq!(seen.uri.path(), format!("/v25.0/{PAGE}"));
        let query = Seen::parameters(seen.uri.query().expect("a query"));
        assert!(query.contains(&("fields".into(), "id,name,access_token".into())), "{query:?}");
        assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"));
    }
    let graph = Double::json(&json!({"id": "999", "access_token": NEW})).await;
    let token = token();
    let answers = graph.client().page_tokens(V, &app(), &[PageRead { page_id: &PAGE.into(), token: &token }]).await;
    assert!(answers[0].is_err(), "another page's token is none");
}
