//! Lists that come in pages.

use serde_json::json;

use super::super::testing::*;
use super::*;

fn list(next: Option<&str>, after: Option<&str>, id: &str) -> axum::response::Response {
    json(
        200,
        &json!({"data": [{"id": id, "subscribed_fields": []}],
        "paging": {"next": next, "cursors": {"before": "b", "after": after}}}),
    )
}

#[tokio::test]
async fn a_list_is_read_to_its_end_without_following_next() {
    let elsewhere = Double::answering([]).await;
    let next = format!("{}/v25.0/x?access_token={TOKEN}&after=two", elsewhere.url);
    let graph = Double::answering([list(Some(&next), Some("two"), "1"), list(None, Some("end"), "2")]).await;
    let rows = graph.client().page_subscriptions(V, &app(), &token(), &PAGE.into()).await.expect("rows");
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert!(elsewhere.seen().is_empty());
    let second = Seen::parameters(graph.seen()[1].uri.query().expect("a query"));
    assert!(second.contains(&("after".into(), "two".into())), "{second:?}");
    assert!(!graph.seen()[1].uri.to_string().contains(TOKEN));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_no_answer() {
    let next = Some("https://graph.facebook.com/next");
    let rows = [
        (vec![list(next, None, "1")], "the list does not continue"),
        (vec![list(next, Some("a"), "1"), list(next, Some("a"), "2")], "the list does not continue"),
        ((0..30).map(|n| list(next, Some(&n.to_string()), "1")).collect(), "the list does not end"),
    ];
    for (answers, what) in rows {
        let graph = Double::answering(answers).await;
        let error = graph.client().page_subscriptions(V, &app(), &token(), &PAGE.into()).await.expect_err(what);
        assert_eq!(error, GraphError::BadAnswer { status: 200, what });
        assert!(graph.seen().len() <= 20);
    }
}

/// The answer with this `paging`.
fn paged(id: &str, paging: serde_json::Value) -> axum::response::Response {
    json(200, &json!({"data": [{"id": id}], "paging": paging}))
}

fn refusal(status: u16, code: u32, message: &str) -> axum::response::Response {
    json(status, &json!({"error": {"code": code, "message": message}}))
}

/// What was asked for of the list, request by request.
fn asked(graph: &Double, name: &str) -> Vec<String> {
    let value = |seen: &Seen| {
        let query = Seen::parameters(seen.uri.query().unwrap_or_default());
        query.into_iter().find(|(it, _)| it == name).map(|(_, value)| value).unwrap_or_default()
    };
    graph.seen().iter().map(value).collect()
}

async fn ids(graph: &Double) -> Result<Vec<String>, GraphError> {
    let rows = graph.client().accounts(V, &app(), &token(), true).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[tokio::test]
async fn what_is_null_is_absent() {
    for paging in [
        json!(null),
        json!({}),
        json!({"cursors": null}),
        json!({"next": null, "cursors": {"after": null}}),
        json!({"next": null, "cursors": null, "previous": null}),
    ] {
        let graph = Double::answering([paged("1", paging)]).await;
        assert_eq!(ids(&graph).await.expect("rows"), ["1"]);
    }
}

#[tokio::test]
async fn a_list_without_cursors_goes_on_where_its_next_page_says_and_takes_nothing_secret_from_there() {
    let other = "EAABanotherToken0123456789";
    for (place, name, value) in [
        ("offset=25", "offset", "25"),
        ("__paging_token=enc_a&until=7", "__paging_token", "enc_a"),
        ("after=x", "after", "x"),
    ] {
        let elsewhere = Double::answering([]).await;
        let next = format!(
            "{}/v25.0/x?access_token={other}&appsecret_proof=p&fields=about&limit=1&client_secret=s&{place}",
            elsewhere.url
        );
        let graph =
            Double::answering([paged("1", json!({"next": next, "cursors": null})), paged("2", json!(null))]).await;
        assert_eq!(ids(&graph).await.expect("rows"), ["1", "2"], "{place}");
        assert_eq!(asked(&graph, name), ["", value]);
        assert_eq!((asked(&graph, "limit"), elsewhere.seen().len()), (vec!["100".to_owned(); 2], 0));
        let second = graph.seen()[1].uri.to_string();
        assert!(!second.contains(other) && !second.contains("client_secret") && !second.contains("about"), "{second}");
    }
    let pointless = json!({"next": "https://graph.facebook.com/x?limit=25"});
    let graph = Double::answering([paged("1", pointless)]).await;
    ids(&graph).await.expect_err("it does not continue");
}

#[tokio::test]
async fn a_refusal_in_the_middle_begins_the_list_anew_once() {
    let first = || list(Some("https://graph.facebook.com/next"), Some("two"), "1");
    let refused = || refusal(400, 100, "(#100) Invalid cursors values");
    let graph = Double::answering([first(), refused(), first(), paged("2", json!(null))]).await;
    assert_eq!(ids(&graph).await.expect("rows"), ["1", "2"]);
    assert_eq!(asked(&graph, "after"), ["", "two", "", "two"]);
    let graph = Double::answering([first(), refused(), first(), refused()]).await;
    assert!(matches!(ids(&graph).await, Err(GraphError::Fault(fault)) if fault.code == 100));
    // On the first page there is nothing to begin anew, and what is no refusal is not taken for one.
    let graph = Double::answering([refused()]).await;
    ids(&graph).await.expect_err("refused");
    let graph = Double::answering([first(), refusal(500, 2, "later")]).await;
    ids(&graph).await.expect_err("no answer");
    assert_eq!(graph.seen().len(), 2);
}

#[tokio::test]
async fn when_it_is_too_much_for_meta_fewer_rows_are_asked_for_down_to_ten() {
    let much = || refusal(500, 1, "Please reduce the amount of data you're asking for, then retry your request");
    let next = || list(Some("https://graph.facebook.com/next"), Some("two"), "1");
    let graph = Double::answering([much(), next(), much(), paged("2", json!(null))]).await;
    assert_eq!(ids(&graph).await.expect("rows"), ["1", "2"]);
    assert_eq!(asked(&graph, "limit"), ["100", "50", "50", "25"], "a smaller one stays");
    assert_eq!(asked(&graph, "after"), ["", "", "two", "two"]);
    let graph = Double::answering((0..4).map(|_| much())).await;
    let error = ids(&graph).await.expect_err("still too much");
    assert_eq!(asked(&graph, "limit"), ["100", "50", "25", "10"]);
    assert!(error.to_string().contains("asked for 10 rows at a time"), "{error}");
    assert_eq!(classify(&error, Operation::ListAccounts), Verdict::NoAnswer);
}
