//! Lists that come in pages.

use serde_json::json;

use super::super::testing::*;
use super::*;

const V: &Version = &Version::DEFAULT;

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
    let rows = graph.client().page_subscriptions(V, &app(), &token(), PAGE).await.expect("rows");
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
        let error = graph.client().page_subscriptions(V, &app(), &token(), PAGE).await.expect_err(what);
        assert_eq!(error, GraphError::BadAnswer { status: 200, what });
        assert!(graph.seen().len() <= 20);
    }
}
