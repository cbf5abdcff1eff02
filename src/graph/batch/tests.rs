use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::testing::*;
use super::*;
use crate::graph::{EndReason, Metered, ThrottleScope};

fn page_id(number: usize) -> String {
    format!("22000000000{number:05}")
}

fn token_of(number: usize) -> Token {
    Token::parse(format!("EAABpage{number}-0000000000000000").as_bytes()).expect("well formed")
}

/// Pages to be read; each has a token of its own.
struct Pages(Vec<(PageId, Token)>);

impl Pages {
    fn new(count: usize) -> Self {
        Self((0..count).map(|number| (page_id(number).into(), token_of(number))).collect())
    }

    async fn read(&self, client: &GraphClient) -> Result<Vec<PageAnswers>, GraphError> {
        client.pages(V, &app(), &self.reads()).await
    }

    fn reads(&self) -> Vec<PageRead<'_>> {
        self.0.iter().map(|(page_id, token)| PageRead { page_id, token }).collect()
    }
}

fn item(code: u16, body: &Value) -> Value {
    json!({"code": code, "headers": [{"name": "Content-Type", "value": "application/json"}], "body": body.to_string()})
}

fn node(number: usize) -> Value {
    json!({"id": page_id(number), "name": format!("Page {number}"), "is_published": true})
}

fn rows() -> Value {
    json!({"data": [{"id": APP_ID, "subscribed_fields": ["messages"]}]})
}

fn fault(code: u32) -> Value {
    json!({"error": {"message": "text", "type": "OAuthException", "code": code}})
}

fn is_batch(seen: &Seen) -> bool {
    seen.method == Method::POST
}

/// Answers a page or its rows, as a request of its own.
fn alone(seen: &Seen) -> Response {
    let path = seen.uri.path();
    if path.ends_with("subscribed_apps") {
        return json(200, &rows());
    }
    json(200, &json!({"id": path.rsplit('/').next(), "name": "alone"}))
}

/// Answers batches like this and everything else as usual.
async fn batches(answer: impl Fn() -> Option<Response> + Clone + Send + Sync + 'static) -> Double {
    Double::deciding(move |seen| if is_batch(seen) { answer() } else { Some(alone(seen)) }).await
}

fn sent(double: &Double) -> (usize, usize) {
    let (batches, others): (Vec<_>, Vec<_>) = double.seen().into_iter().partition(is_batch);
    (batches.len(), others.len())
}

fn names(answers: &[PageAnswers]) -> Vec<&str> {
    answers.iter().filter_map(|it| it.page.as_ref().ok()?.name.as_deref()).collect()
}

#[tokio::test]
async fn each_operation_has_its_own_token_and_proof_and_none_stands_in_a_url_of_ours() {
    let answer = json!([item(200, &node(0)), item(200, &rows()), item(200, &node(1)), item(200, &rows())]);
    let graph = Double::json(&answer).await;
    let answers = Pages::new(2).read(&graph.client()).await.expect("answers");
    assert_eq!(names(&answers), ["Page 0", "Page 1"]);
    assert!(answers.iter().all(|it| it.subscriptions.as_ref().expect("rows")[0].id.as_str() == APP_ID));

    let seen = graph.only();
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("POST", "/v25.0/"));
    assert_eq!(seen.header("authorization"), format!("Bearer {APP_ID}|{SECRET}"));
    let form = Seen::parameters(&seen.body);
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((value("include_headers"), value("appsecret_proof")), (Some("true"), Some(APP_PROOF)));
    let operations: Vec<Value> = serde_json::from_str(value("batch").expect("a batch")).expect("a list");
    for (index, operation) in operations.iter().enumerate() {
        let (number, edge) = (index / 2, ["", "/subscribed_apps"][index % 2]);
        let (path, query) = operation["relative_url"].as_str().expect("text").split_once('?').expect("a query");
        assert_eq!((operation["method"].as_str(), path), (Some("GET"), &*format!("{}{edge}", page_id(number))));
        let query = Seen::parameters(query);
        let token = token_of(number);
        assert!(query.contains(&("access_token".to_owned(), token.expose().to_owned())), "{query:?}");
        assert!(query.contains(&("appsecret_proof".to_owned(), app().proof(&token))), "{query:?}");
    }
}

#[tokio::test]
async fn a_refused_operation_is_an_error_of_its_page_alone() {
    let usage = json!({"2200": [{"type": "pages", "estimated_time_to_regain_access": 7}]}).to_string();
    let mut limited = item(400, &fault(32));
    limited["headers"] = json!([{"name": "X-Business-Use-Case-Usage", "value": usage}]);
    let answer = json!([
        item(400, &fault(190)), item(200, &rows()),
        limited, {"code": 200, "body": "{\"data\": ["},
        item(200, &node(3)), item(200, &rows()),
    ]);
    let graph = Double::json(&answer).await;
    let answers = Pages::new(3).read(&graph.client()).await.expect("answers");
    let verdict = |error: &GraphError| classify(error, Operation::ReadPage);
    let page = |index: usize| verdict(answers[index].page.as_ref().expect_err("an error"));
    assert_eq!(page(0), Verdict::TokenEnded(EndReason::SessionInvalidated));
    assert!(answers[0].subscriptions.is_ok());
    let until_hint = Some(Duration::from_secs(7 * 60));
    assert_eq!(page(1), Verdict::Throttled { until_hint, scope: ThrottleScope::Token });
    assert_eq!(verdict(answers[1].subscriptions.as_ref().expect_err("an error")), Verdict::NoAnswer);
    // The answer is about another page than was asked for.
    assert_eq!(page(2), Verdict::Refused);
}

#[tokio::test]
async fn each_operation_tells_of_the_usage_of_its_own_page() {
    let with = |status, body: &Value, name: &str, usage: &Value| {
        let mut item = item(status, body);
        item["headers"] = json!([{"name": "X-Other", "value": "1"}, {"name": name, "value": usage.to_string()}]);
        item
    };
    let mut bare = item(200, &node(2));
    bare.as_object_mut().expect("an object").remove("headers");
    let answer = json!([
        with(200, &node(0), "X-Business-Use-Case-Usage", &json!({page_id(0): [{"total_cputime": 97}]})),
        with(200, &rows(), "X-App-Usage", &json!({"call_count": 96})),
        with(400, &fault(32), "X-Business-Use-Case-Usage", &json!({page_id(1): [{"call_count": 100}]})),
        item(400, &fault(32)),
        bare,
        null,
    ]);
    let page = |number, percent| (Metered::Object(page_id(number)), percent);
    // What was left open was asked alone.
    let inner = [page(0, 97), page(0, 0), (Metered::App, 96), page(1, 100), page(2, 0)];
    for outer in [Some("{\"call_count\":95}"), None] {
        let answer = answer.clone();
        let graph = batches(move || {
            let mut answer = json(200, &answer);
            let usage = outer.map(axum::http::HeaderValue::from_static);
            answer.headers_mut().extend(usage.map(|usage| (axum::http::HeaderName::from_static("x-app-usage"), usage)));
            Some(answer)
        })
        .await;
        let (pages, (app, heard)) = (Pages::new(3), Heard::of_app());
        let reads: Vec<_> = pages.0.iter().map(|(page_id, token)| PageRead { page_id, token }).collect();
        graph.client().pages(V, &app, &reads).await.expect("answers");
        // The batch itself counts for nothing: that it does not mention the app does not mean that all is fine.
        let expected: Vec<_> = outer.map(|_| (Metered::App, 95)).into_iter().chain(inner.clone()).collect();
        assert_eq!(heard.take(), expected);
    }
}

#[tokio::test]
async fn what_a_batch_leaves_open_is_asked_alone() {
    let field = json!({"error": {"code": 100, "message": "(#100) Tried accessing nonexisting field (is_published)"}});
    let more = json!({"data": [], "paging": {"next": "https://graph.facebook.com/?access_token=x", "cursors": {"after": "a"}}});
    let answer =
        json!([null, item(200, &rows()), item(200, &node(1)), item(200, &more), item(400, &field), item(200, &rows())]);
    let graph = batches(move || Some(json(200, &answer))).await;
    let answers = Pages::new(3).read(&graph.client()).await.expect("answers");
    assert_eq!(names(&answers), ["alone", "Page 1", "alone"]);
    assert!(answers.iter().all(|it| it.subscriptions.as_ref().expect("rows").len() == 1));
    assert_eq!(sent(&graph), (1, 3));
}

#[tokio::test]
async fn a_batch_that_hangs_does_not_hide_its_pages_nor_a_page_the_others() {
    let hanging = page_id(2);
    let graph =
        Double::deciding(move |seen| (!is_batch(seen) && !seen.uri.path().contains(&hanging)).then(|| alone(seen)))
            .await;
    let answers = Pages::new(8).read(&impatient_client(&graph.url)).await.expect("answers");
    let silent: Vec<_> = (0..8).filter(|index| answers[*index] == PageAnswers::both(GraphError::Timeout)).collect();
    assert_eq!(silent, [2]);
}

#[tokio::test]
async fn where_nothing_answers_not_every_page_is_asked_in_vain() {
    let graph = Double::deciding(|_| None).await;
    let answers = Pages::new(PAGES_PER_BATCH).read(&impatient_client(&graph.url)).await.expect("answers");
    assert!(answers.iter().all(|it| *it == PageAnswers::both(GraphError::Timeout)));
    let (batches, alone) = sent(&graph);
    // While the last of the first ones is waited for, others may have begun.
    assert!(batches == 1 && (ALONE_AT_ONCE..2 * ALONE_AT_ONCE).contains(&alone), "{alone} of {PAGES_PER_BATCH}");
}

#[tokio::test]
async fn a_batch_without_an_answer_says_nothing_about_any_page() {
    let rows = [
        (503, json!({}), Verdict::NoAnswer),
        (400, json!({"error": {"code": 2, "message": "down"}}), Verdict::NoAnswer),
        (200, json!([null]), Verdict::NoAnswer),
        (200, json!([{"code": "x"}, null]), Verdict::NoAnswer),
        (400, fault(4), Verdict::Throttled { until_hint: None, scope: ThrottleScope::App }),
        (400, fault(101), Verdict::AppBroken(crate::graph::AppReason::AppCredentialsRejected)),
    ];
    for (status, answer, verdict) in rows {
        let graph = Double::answering([json(status, &answer)]).await;
        let error = Pages::new(1).read(&graph.client()).await.expect_err("nothing was learned");
        assert_eq!(classify(&error, Operation::Batch), verdict, "{answer}");
        assert_eq!(graph.seen().len(), 1, "{answer}: nothing else is asked");
    }
}

#[tokio::test]
async fn where_batches_are_refused_pages_are_read_one_by_one_from_then_on() {
    for refusal in [|| json(400, &fault(100)), || (StatusCode::NOT_FOUND, "no such path").into_response()] {
        let graph = batches(move || Some(refusal())).await;
        let (client, pages) = (graph.client(), Pages::new(3));
        for expected in [(1, 6), (1, 12)] {
            let answers = pages.read(&client).await.expect("answers");
            assert_eq!(names(&answers), ["alone"; 3]);
            let ids: Vec<_> = answers.iter().filter_map(|it| Some(it.page.as_ref().ok()?.id.clone())).collect();
            assert_eq!(ids, [page_id(0), page_id(1), page_id(2)], "in the order of the question");
            assert_eq!(sent(&graph), expected);
        }
    }
}

#[test]
fn a_refusal_of_batches_is_forgotten_after_an_hour_and_concerns_one_app() {
    let (refused, now) = (RefusedBatches::default(), Instant::now());
    refused.remember(&"1".into(), Version::DEFAULT, now);
    let after =
        |app: &str, seconds| refused.are_refused(&app.into(), Version::DEFAULT, now + Duration::from_secs(seconds));
    assert!(after("1", 0) && !after("2", 0));
    assert!(after("1", 3599));
    assert!(!after("1", 3600));
}

#[tokio::test]
async fn no_error_of_a_batch_shows_a_token_or_a_proof() {
    let (token, proof) = (token_of(1), app().proof(&token_of(1)));
    let text = format!("Malformed {} {proof} {}", token.expose(), SECRET);
    let quoting = json!({"error": {"code": 190, "message": text, "type": text, "fbtrace_id": text}});
    let answer = json!([item(200, &node(0)), item(200, &rows()), item(400, &quoting), {"code": 200, "body": text}]);
    let mut shown = String::new();
    for (status, answer) in [(200, answer), (400, json!({"error": {"code": 4, "message": text}}))] {
        let graph = Double::answering([json(status, &answer)]).await;
        shown += &format!("{:?}", Pages::new(2).read(&graph.client()).await);
    }
    for secret in [token.expose(), &proof, SECRET] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn every_answer_tells_which_version_gave_it_also_within_a_batch() {
    let answer = |version: &'static str| {
        let mut items = vec![item(200, &node(0)), item(200, &rows())];
        for item in &mut items {
            item["headers"] = json!([{"name": "Facebook-Api-Version", "value": version}]);
        }
        items
    };
    let told = |by: &str| (V.to_string(), by.to_owned());
    for (version, expected) in [("v26.0", vec![told("v26.0"), told("v26.0")]), ("nonsense", vec![])] {
        let (pages, (app, heard)) = (Pages::new(1), Heard::of_app());
        let graph = Double::json(&Value::Array(answer(version))).await;
        let reads = pages.reads();
        graph.client().pages(V, &app, &reads).await.expect("answers");
        assert_eq!(heard.take_versions(), expected);
    }
    let (app, heard) = Heard::of_app();
    let graph = Double::deciding(|_| {
        let refused = (StatusCode::BAD_REQUEST, [("facebook-api-version", "v22.0")], fault(190).to_string());
        Some(refused.into_response())
    })
    .await;
    graph.client().app(V, &app).await.expect_err("a refusal");
    assert_eq!(heard.take_versions(), [told("v22.0")]);
}
