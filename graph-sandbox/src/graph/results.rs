//! Results of operations in the operations after them: `{result=NAME:$.data.*.id}`.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::request::GraphRequest;

const OPENING: &str = "{result=";

/// Names of the operations whose results this one uses.
pub(super) fn named_in(request: &GraphRequest) -> Vec<String> {
    let texts = request.segments.iter().map(String::as_str).chain(request.params.iter().map(|(_, value)| value));
    texts.flat_map(references).map(|(name, _)| name.to_owned()).collect()
}

/// Puts the results in.
pub(super) fn fill_in(request: &mut GraphRequest, answers: &BTreeMap<String, &Value>) {
    if answers.is_empty() {
        return;
    }
    for segment in &mut request.segments {
        *segment = filled(segment, answers);
    }
    request.params.change(|value| filled(value, answers));
}

/// What stands between `{result=` and `}`, cut at the colon.
fn references(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(OPENING).skip(1).filter_map(|rest| rest.split_once('}')?.0.split_once(':'))
}

fn filled(text: &str, answers: &BTreeMap<String, &Value>) -> String {
    let mut parts = text.split(OPENING);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let found = part.split_once('}').and_then(|(reference, rest)| {
            let (name, path) = reference.split_once(':')?;
            Some((look_up(answers.get(name)?, path), rest))
        });
        match found {
            Some((value, rest)) => result.extend([&value, rest]),
            None => result.extend([OPENING, part]),
        }
    }
    result
}

/// The values at a path, separated by commas; nothing for a path that is none.
fn look_up(answer: &Value, path: &str) -> String {
    let Ok(path) = JsonPath::parse(path) else {
        return String::new();
    };
    let texts = path.query(answer).all().into_iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_put_in_by_path() {
        let answer = json!({"data": [{"id": "1"}, {"id": "2"}], "n": 3});
        let answers = BTreeMap::from([("first".to_owned(), &answer)]);
        for (text, expected) in [
            ("ids={result=first:$.data.*.id}&x", "ids=1,2&x"),
            ("{result=first:$.n}{result=first:$.data[1].id}", "32"),
            ("{result=first:$.none}|{result=first:nonsense(}", "|"),
            ("{result=other:$.n} {result= {result=first", "{result=other:$.n} {result= {result=first"),
        ] {
            assert_eq!(filled(text, &answers), expected);
        }
        assert_eq!(references("a{result=b:c}d{result=e}{result=f:g").collect::<Vec<_>>(), [("b", "c")]);
    }
}
