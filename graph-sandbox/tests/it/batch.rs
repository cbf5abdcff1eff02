//! Batches and reads of several ids, sections 2.2 and 2.3 of the contract.

use std::time::{Duration, Instant};

use graph_sandbox::{LedgerEntry, ProofUse, TokenPlace};
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::*;

const ROOT: &str = "/v25.0/";

/// Sends a batch as a form with an app token beside it.
async fn batch(api: &Api, operations: Value) -> Answer {
    let url = format!("{}{ROOT}", api.sandbox.url());
    let form = [("batch", operations.to_string()), ("access_token", app_token())];
    Answer::of(api.client.post(url).form(&form).send().await.unwrap()).await
}

fn get(path: &str, alias: &str) -> Value {
    json!({"method": "GET", "relative_url": format!("{path}?access_token={}", token(alias))})
}

/// Code and decoded body of an item.
fn item(answer: &Value, index: usize) -> (u64, Value) {
    let item = &answer[index];
    (item["code"].as_u64().unwrap(), serde_json::from_str(item["body"].as_str().unwrap()).unwrap())
}

#[tokio::test]
async fn operations_answer_in_order_each_with_its_own_token_and_proof() {
    let api = Api::start().await;
    let proof = proof(SECRET, &token("page-a"));
    let row = format!("/{PAGE_A}/subscribed_apps?access_token={}&appsecret_proof={proof}", token("page-a"));
    let answer = batch(
        &api,
        json!([
            get(PAGE_B, "page-b"),
            {"method": "POST", "relative_url": row, "body": "subscribed_fields=feed%2Cstandby"},
            {"method": "get", "relative_url": "v24.0/app"},
            get(PAGE_A, "expired"),
            {"method": "DELETE", "relative_url": format!("{PAGE_B}/subscribed_apps")},
        ]),
    )
    .await
    .ok();
    assert_eq!(answer.as_array().unwrap().len(), 5);
    assert_eq!(item(&answer, 0).1["id"], PAGE_B);
    assert_eq!(item(&answer, 1), (200, json!({"success": true})));
    assert_eq!(item(&answer, 2).1["id"], APP);
    let (code, body) = item(&answer, 3);
    assert_eq!((code, &body["error"]["code"]), (400, &json!(190)));
    assert_eq!(item(&answer, 4).0, 200);
    let header = |index: usize, name: &str| {
        let headers = answer[index]["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).map(|header| header["value"].clone())
    };
    assert_eq!(header(0, "Facebook-Api-Version").unwrap(), "v25.0");
    assert_eq!(header(2, "Facebook-Api-Version").unwrap(), "v24.0");
    assert!(header(3, "Www-Authenticate").unwrap().as_str().unwrap().starts_with("OAuth"));
    assert_eq!(api.page_row(PAGE_A).unwrap(), ["feed", "standby"]);
}

#[tokio::test]
async fn the_ledger_counts_the_request_and_its_operations() {
    let api = Api::start().await;
    batch(&api, json!([get(PAGE_A, "page-a"), {"method": "GET", "relative_url": "app"}])).await.ok();
    let ledger = api.sandbox.ledger();
    let brief = |entry: &LedgerEntry| {
        let place = entry.token.as_ref().and_then(|token| token.place);
        (entry.seq, entry.batch, entry.method.clone(), entry.template.clone().unwrap(), place, entry.status)
    };
    let expected = [
        (1, None, "POST", "/{version}/", TokenPlace::Body),
        (2, Some(1), "GET", "/{version}/{page-id}", TokenPlace::Query),
        (3, Some(1), "GET", "/{version}/{app-id}", TokenPlace::Batch),
    ]
    .map(|(seq, batch, method, template, place)| {
        (seq, batch, method.to_owned(), template.to_owned(), Some(place), Some(200))
    });
    assert_eq!(ledger.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(ledger[0].params["batch"], "<hidden>");
}

#[tokio::test]
async fn batches_come_as_form_json_or_multipart_with_or_without_a_version() {
    let api = Api::start().await;
    let operations = json!([{"method": "GET", "relative_url": "app"}]);
    for path in ["/", "/v25.0", "/v25.0/"] {
        let post = || api.client.post(format!("{}{path}", api.sandbox.url()));
        let multipart = Form::new().text("batch", operations.to_string()).text("access_token", app_token());
        for request in [
            post().form(&[("batch", operations.to_string()), ("access_token", app_token())]),
            post().json(&json!({"batch": operations, "access_token": app_token()})),
            post().json(&json!({"batch": operations.to_string()})).bearer_auth(app_token()),
            post().multipart(multipart),
        ] {
            let answer = Answer::of(request.send().await.unwrap()).await.ok();
            assert_eq!(item(&answer, 0).1["id"], APP, "{path}");
        }
    }
}

#[tokio::test]
async fn headers_can_be_left_out_and_the_token_beside_it_too() {
    let api = Api::start().await;
    let body = json!({"batch": [get(PAGE_A, "page-a"), {"method": "GET", "relative_url": "app"}],
        "include_headers": false});
    let answer = api.client.post(format!("{}{ROOT}", api.sandbox.url())).json(&body).send().await.unwrap();
    let answer = Answer::of(answer).await.ok();
    assert_eq!(answer[0]["code"], 200);
    assert!(answer[0].get("headers").is_none());
    assert_eq!(item(&answer, 1).1["error"]["code"], 2500);
}

#[tokio::test]
async fn a_proof_beside_the_batch_is_for_the_token_beside_it() {
    let api = Api::start().await;
    let query = [("batch", json!([{"method": "GET", "relative_url": "app"}, get(PAGE_A, "page-a")]).to_string())];
    let url = format!("{}{ROOT}", api.sandbox.url());
    let proof = proof(SECRET, &app_token());
    let request = api.client.post(url).query(&query).query(&[("appsecret_proof", &proof)]).bearer_auth(app_token());
    Answer::of(request.send().await.unwrap()).await.ok();
    let proofs: Vec<ProofUse> = api.sandbox.ledger().iter().map(|entry| entry.proof).collect();
    assert_eq!(proofs, [ProofUse::Valid, ProofUse::Valid, ProofUse::Absent]);
}

#[tokio::test]
async fn malformed_batches_are_refused_as_a_whole() {
    let api = Api::start().await;
    let fine = json!({"method": "GET", "relative_url": "app"});
    for operations in [
        json!({"method": "GET", "relative_url": "app"}),
        json!("[broken"),
        json!([fine, 7]),
        json!([fine, null]),
        json!([{"relative_url": "app"}]),
        json!([{"method": "GET"}]),
        json!([{"method": "BREW", "relative_url": "app"}]),
        json!([{"method": "GET", "relative_url": "app", "body": {"a": 1}}]),
        json!([{"method": "GET", "relative_url": "app", "depends_on": "later"}, fine]),
        json!([{"method": "GET", "relative_url": "app", "name": "a"}, {"method": "GET", "relative_url": "app", "name": "a"}]),
        json!(vec![&fine; 51]),
    ] {
        let (status, code, subcode) = batch(&api, operations.clone()).await.refusal();
        assert_eq!((status, code, subcode), (400, 100, None), "{operations}");
    }
    let operations = batch(&api, json!(vec![&fine; 50])).await.ok();
    assert_eq!(operations.as_array().unwrap().len(), 50);
    assert_eq!(batch(&api, json!([])).await.ok(), json!([]));
    let read = api.get(&app_token(), ROOT, &[("batch", "[]")]).await;
    assert_eq!(read.refusal(), (400, 100, None));
}

#[tokio::test]
async fn a_batch_in_a_batch_is_refused() {
    let api = Api::start().await;
    let inner = json!([{"method": "GET", "relative_url": "app"}]).to_string();
    let answer = batch(&api, json!([{"method": "POST", "relative_url": "", "body": format!("batch={inner}")}])).await;
    let (code, body) = item(&answer.ok(), 0);
    assert_eq!((code, &body["error"]["type"]), (400, &json!("GraphBatchException")));
    assert_eq!(api.sandbox.ledger().len(), 2);
}

#[tokio::test]
async fn operations_that_did_not_finish_are_null() {
    let api = Api::start().await;
    for effect in ["hang", "reset", "null"] {
        api.sandbox.clear_faults();
        api.fault(json!({"match": {"page": PAGE_A}, "do": effect}));
        let answer = batch(&api, json!([get(PAGE_A, "page-a"), get(PAGE_B, "page-b")])).await.ok();
        assert_eq!(answer[0], Value::Null, "{effect}");
        assert_eq!(answer[1]["code"], 200, "{effect}");
        let entry =
            &api.sandbox.ledger().into_iter().rev().find(|entry| entry.node.as_deref() == Some(PAGE_A)).unwrap();
        assert_eq!((entry.fault.as_deref(), entry.status), (Some(effect), None));
    }
    // A call of its own cannot be null.
    api.get(&token("page-a"), &format!("{ROOT}{PAGE_A}"), &[]).await.ok();
}

#[tokio::test]
async fn faults_strike_single_operations_or_the_request() {
    let api = Api::start().await;
    let both = || batch(&api, json!([get(PAGE_A, "page-a"), get(PAGE_B, "page-b")]));
    api.fault(json!({"match": {"page": PAGE_B}, "times": 1, "do": {"status": {"code": 503, "body": "busy"}}}));
    let answer = both().await.ok();
    assert_eq!(
        (&answer[0]["code"], &answer[1]["code"], &answer[1]["body"]),
        (&json!(200), &json!(503), &json!("busy"))
    );
    api.fault(json!({"match": {"template": "/{version}/"}, "times": 1, "do": {"graph_error": {"code": 2}}}));
    assert_eq!(both().await.refusal(), (400, 2, None));
    api.fault(json!({"match": {"batched": true}, "do": {"graph_error": {"code": 1}}}));
    let answer = both().await.ok();
    assert_eq!((item(&answer, 0).0, item(&answer, 1).0), (400, 400));
    api.get(&token("page-a"), &format!("{ROOT}{PAGE_A}"), &[]).await.ok();
}

#[tokio::test]
async fn slow_operations_do_not_add_up() {
    let api = Api::start().await;
    api.fault(json!({"match": {"batched": true}, "do": {"slow": {"ms": 2000}}}));
    let begun = Instant::now();
    let answer = batch(&api, json!(vec![get(PAGE_A, "page-a"); 20])).await.ok();
    assert!(answer.as_array().unwrap().iter().all(|item| item["code"] == 200));
    let elapsed = begun.elapsed();
    // One after the other they would take 40 seconds.
    assert!(elapsed >= Duration::from_secs(2) && elapsed < Duration::from_secs(30), "{elapsed:?}");
}

#[tokio::test]
async fn results_of_operations_feed_those_after_them() {
    let api = Api::start().await;
    let page = token("page-a");
    let rows = format!("{PAGE_A}/subscribed_apps?fields=id&access_token={page}");
    let answer = batch(
        &api,
        json!([
            {"method": "GET", "name": "rows", "relative_url": rows, "omit_response_on_success": false},
            {"method": "GET", "name": "own", "relative_url": "app"},
            {"method": "GET", "relative_url": "{result=own:$.id}/permissions?x={result=rows:$.data.*.id}"},
            {"method": "GET", "name": "broken", "relative_url": "nope"},
            {"method": "GET", "relative_url": "app", "depends_on": "broken"},
            {"method": "GET", "relative_url": "app", "omit_response_on_success": true},
        ]),
    )
    .await
    .ok();
    assert_eq!(answer[0]["code"], 200);
    assert_eq!(answer[1], Value::Null, "who is waited for is not shown");
    assert!(item(&answer, 2).1["data"].is_array());
    assert_eq!(answer[3]["code"], 400);
    assert_eq!(answer[4], Value::Null, "what it depends on failed");
    assert_eq!(answer[5], Value::Null);
    let templates: Vec<_> = api.sandbox.ledger().into_iter().filter_map(|entry| entry.template).collect();
    assert_eq!(templates.iter().filter(|template| *template == "/{version}/{app-id}/permissions").count(), 1);
}

#[tokio::test]
async fn several_ids_in_one_read() {
    let api = Api::start().await;
    let ids = format!("{PAGE_A},{PAGE_B}");
    let read = async |ids: &str| api.get(&token("user"), ROOT, &[("ids", ids), ("fields", "name")]).await;
    let both = json!({PAGE_A: {"id": PAGE_A, "name": "Acme Shop"}, PAGE_B: {"id": PAGE_B, "name": "Acme Support"}});
    assert_eq!(read(&ids).await.ok(), both);
    let entry = api.last_entry();
    assert_eq!((entry.template.as_deref(), entry.params["ids"].as_str()), (Some("/{version}/"), ids.as_str()));
    assert_eq!(read(&format!("{ids},{PAGE_C}")).await.refusal(), (400, 100, Some(33)));
    assert_eq!(read(&format!("{ids},nope")).await.refusal(), (400, 803, None));
    assert_eq!(read(",").await.refusal(), (400, 100, None));
    assert_eq!(read(&vec![PAGE_A; 51].join(",")).await.refusal(), (400, 100, None));
    let write = api.post(&token("user"), ROOT, &[("ids", ids.as_str())]).await;
    assert_eq!(write.refusal(), (400, 100, Some(33)));
    api.fault(json!({"match": {"page": PAGE_B}, "do": {"graph_error": {"code": 2}}}));
    assert_eq!(read(&ids).await.refusal(), (400, 2, None));
    // A page token sees its own page only.
    api.sandbox.clear_faults();
    assert_eq!(api.get(&token("page-a"), ROOT, &[("ids", ids.as_str())]).await.refusal(), (400, 100, Some(33)));
}

#[tokio::test]
async fn switches_of_batches_and_reads_of_several_ids() {
    let api = Api::start().await;
    let fine = json!({"method": "GET", "relative_url": "app"});
    api.sandbox.set_switch("batch_over_limit", "code_1").unwrap();
    assert_eq!(batch(&api, json!(vec![&fine; 51])).await.refusal(), (400, 1, None));

    let inspect = json!([{"method": "GET", "relative_url": format!("debug_token?input_token={}", token("page-a"))}]);
    assert_eq!(item(&batch(&api, inspect.clone()).await.ok(), 0).1["data"]["is_valid"], true);
    api.sandbox.set_switch("batch_debug_token", "refused").unwrap();
    assert_eq!(item(&batch(&api, inspect).await.ok(), 0).1["error"]["error_subcode"], 33);
    let alone = [("input_token", &token("page-a")[..])];
    api.get(&app_token(), "/v25.0/debug_token", &alone).await.ok();

    api.sandbox.set_switch("batch_token", "required").unwrap();
    batch(&api, json!([fine])).await.ok();
    let own = [("batch", json!([get(PAGE_A, "page-a")]).to_string())];
    let without = api.client.post(format!("{}{ROOT}", api.sandbox.url())).form(&own).send().await.unwrap();
    assert_eq!(Answer::of(without).await.refusal(), (400, 2500, None));

    let many = [("ids", &vec![PAGE_A; 51].join(",")[..])];
    api.sandbox.set_switch("ids_limit", "none").unwrap();
    api.get(&token("user"), ROOT, &many).await.ok();
    let mixed = format!("{PAGE_A},{PAGE_C},nope");
    api.sandbox.set_switch("ids_partial", "omitted").unwrap();
    let some = api.get(&token("user"), ROOT, &[("ids", &mixed), ("fields", "id")]).await.ok();
    assert_eq!(some, json!({PAGE_A: {"id": PAGE_A}}));
}

#[tokio::test]
async fn hostile_paths_and_growing_results_are_refused() {
    let api = Api::start().await;
    let nested = format!("app?x={{result=a:$[?{}", "(".repeat(100_000)) + "}";
    let mut operations = vec![json!({"method": "GET", "relative_url": "app", "name": "a"})];
    operations.push(json!({"method": "GET", "relative_url": nested}));
    operations.push(json!({"method": "GET", "relative_url": format!("app?x={}", "{result=a:$}".repeat(20_000))}));
    let answer = batch(&api, json!(operations)).await.ok();
    for index in [1, 2] {
        let (code, body) = item(&answer, index);
        assert_eq!((code, &body["error"]["code"]), (400, &json!(100)));
    }
}

#[tokio::test]
async fn an_error_under_status_200_is_no_success() {
    let api = Api::start().await;
    let operations = json!([
        {"method": "GET", "relative_url": "1?suppress_http_code=1", "name": "a", "omit_response_on_success": true},
        {"method": "GET", "relative_url": "app", "depends_on": "a"},
    ]);
    let answer = batch(&api, operations).await.ok();
    let (code, body) = item(&answer, 0);
    assert_eq!(code, 200);
    assert!(body["error"].is_object());
    assert_eq!(answer[1], Value::Null);
}

#[tokio::test]
async fn success_without_effect_strikes_the_first_operation_not_the_batch() {
    let api = Api::start().await;
    let before = api.page_row(PAGE_A);
    api.fault(json!({"times": 1, "do": "success_without_effect"}));
    let row = format!("{PAGE_A}/subscribed_apps?access_token={}", token("page-a"));
    let answer =
        batch(&api, json!([{"method": "POST", "relative_url": row, "body": "subscribed_fields=standby"}])).await;
    assert_eq!(item(&answer.ok(), 0), (200, json!({"success": true})));
    assert_eq!(api.page_row(PAGE_A), before);
}
