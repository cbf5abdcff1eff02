//! What no answer of Meta's holds.

use serde_json::{Value, json};

/// Members of the answers about a page, by their templates and the objects that they stand in.
pub const ODD_MEMBERS: [(&str, &str, &[&str]); 5] = [
    (
        "/{version}/debug_token",
        "/data",
        &[
            "expires_at",
            "data_access_expires_at",
            "issued_at",
            "app_id",
            "type",
            "is_valid",
            "scopes",
            "granular_scopes",
            "user_id",
            "profile_id",
            "error",
        ],
    ),
    ("/{version}/{page-id}", "", &["id", "name", "is_published", "tasks", "error"]),
    ("/{version}/{page-id}/subscribed_apps", "", &["data", "paging", "error"]),
    ("/{version}/{page-id}/subscribed_apps", "/data/*", &["id", "subscribed_fields", "name"]),
    ("/{version}/{page-id}/subscribed_apps", "/paging", &["cursors", "next"]),
];

/// Numbers, texts and lists that Meta never gives, to take the place of what it gives.
pub fn odd_values() -> Vec<Value> {
    let mut values: Vec<_> = [-377_705_023_201_i64, -1, 0, 2_147_483_648, 253_402_207_200, i64::MAX, i64::MIN]
        .into_iter()
        .flat_map(|number| [json!(number), json!(number.to_string())])
        .collect();
    values.extend([json!(1.5), json!(1e300), json!("soon"), json!(null), json!(true), json!({}), json!([])]);
    values.extend([json!("x".repeat(1 << 20)), json!("\u{202e}\u{2066}evil\0\u{7}"), json!("")]);
    values.extend([json!(vec!["9"; 10_000]), json!(vec![json!({ "id": "9" }); 10_000]), json!([null, [[]]])]);
    values
}
