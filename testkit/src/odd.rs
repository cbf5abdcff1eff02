//! What no answer of Meta's holds.

use serde_json::{Value, json};

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
