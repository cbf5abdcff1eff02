//! Results of operations in the operations after them: `{result=NAME:$.data.*.id}`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::protocol::{GraphError, GraphRequest};

const OPENING: &str = "{result=";

/// How many bytes results may add to one operation. Without an end, operations that use each
/// other's results would double them again and again.
const MOST_TEXT: usize = 64 * 1024;
/// How many values the paths of one operation may pass.
const MOST_VISITS: usize = 100_000;

/// Names of the operations whose results this one uses.
pub(super) fn named_in(request: &GraphRequest) -> Vec<String> {
    let texts = request.segments.iter().map(String::as_str).chain(request.params.iter().map(|(_, value)| value));
    texts.flat_map(references).map(|(name, _)| name.to_owned()).collect()
}

/// Puts the results in.
pub(super) fn fill_in(request: &mut GraphRequest, answers: &BTreeMap<String, &Value>) -> Result<(), GraphError> {
    if answers.is_empty() {
        return Ok(());
    }
    let mut filling = Filling { answers, text: MOST_TEXT, visits: MOST_VISITS };
    for segment in &mut request.segments {
        *segment = filling.fill(segment)?;
    }
    request.params.try_change(|value| filling.fill(value))
}

/// What stands between `{result=` and `}`, cut at the colon.
fn references(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(OPENING).skip(1).filter_map(|rest| rest.split_once('}')?.0.split_once(':'))
}

/// The answers at hand, and what one operation may still take of them.
struct Filling<'a> {
    answers: &'a BTreeMap<String, &'a Value>,
    text: usize,
    visits: usize,
}

impl<'a> Filling<'a> {
    fn fill(&mut self, text: &str) -> Result<String, GraphError> {
        let mut parts = text.split(OPENING);
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let found = part.split_once('}').and_then(|(reference, rest)| {
                let (name, path) = reference.split_once(':')?;
                Some((*self.answers.get(name)?, path, rest))
            });
            match found {
                Some((answer, path, rest)) => {
                    self.look_up(&mut result, answer, path)?;
                    result.push_str(rest);
                }
                None => result.extend([OPENING, part]),
            }
        }
        Ok(result)
    }

    /// Writes the values at a path, separated by commas.
    fn look_up(&mut self, result: &mut String, answer: &'a Value, path: &str) -> Result<(), GraphError> {
        let steps = parse(path).ok_or_else(|| refused("A result is named by a path that is not supported"))?;
        let mut found = vec![answer];
        for step in &steps {
            let mut next = Vec::new();
            for value in found {
                self.take(value, step, &mut next)?;
            }
            found = next;
        }
        for (index, value) in found.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let written;
            let text = match value {
                Value::String(text) => text,
                other => {
                    written = other.to_string();
                    &written
                }
            };
            let left = self.text.checked_sub(comma.len() + text.len());
            self.text = left.ok_or_else(|| refused("The results an operation uses are too long"))?;
            result.extend([comma, text]);
        }
        Ok(())
    }

    fn take(&mut self, value: &'a Value, step: &Step<'_>, found: &mut Vec<&'a Value>) -> Result<(), GraphError> {
        self.visit()?;
        match step {
            Step::Member(name) => found.extend(value.get(name)),
            Step::Item(index) => found.extend(value.get(index)),
            Step::All => {
                for child in children(value) {
                    self.visit()?;
                    found.push(child);
                }
            }
            Step::Below(name) => {
                found.extend(value.get(name));
                for child in children(value) {
                    // Answers are parsed JSON, whose depth has an end.
                    self.take(child, step, found)?;
                }
            }
        }
        Ok(())
    }

    fn visit(&mut self) -> Result<(), GraphError> {
        let left = self.visits.checked_sub(1);
        self.visits = left.ok_or_else(|| refused("The results an operation uses are too many"))?;
        Ok(())
    }
}

fn refused(problem: &str) -> GraphError {
    GraphError::batch(100, problem)
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'p> {
    /// `.name` or `['name']`
    Member(&'p str),
    /// `[n]`
    Item(usize),
    /// `.*` or `[*]`
    All,
    /// `..name`
    Below(&'p str),
}

/// The steps of a path: the part of JSONPath that Meta documents.
fn parse(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(below) = rest.strip_prefix("..") {
            let (name, rest) = name(below)?;
            (Step::Below(name), rest)
        } else if let Some(rest) = rest.strip_prefix(".*") {
            (Step::All, rest)
        } else if let Some(member) = rest.strip_prefix('.') {
            let (name, rest) = name(member)?;
            (Step::Member(name), rest)
        } else {
            bracketed(rest.strip_prefix('[')?)?
        };
        steps.push(step);
    }
    Some(steps)
}

fn name(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(name, _)| !name.is_empty())
}

fn bracketed(text: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = text.strip_prefix("*]") {
        return Some((Step::All, rest));
    }
    for (opening, closing) in [('\'', "']"), ('"', "\"]")] {
        if let Some(quoted) = text.strip_prefix(opening) {
            let (name, rest) = quoted.split_once(closing)?;
            return Some((Step::Member(name), rest));
        }
    }
    let (index, rest) = text.split_once(']')?;
    let digits = index.bytes().all(|byte| byte.is_ascii_digit());
    Some((Step::Item(index.parse().ok().filter(|_| digits)?), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str, answer: &Value) -> Result<String, GraphError> {
        let answers = BTreeMap::from([("first".to_owned(), answer)]);
        Filling { answers: &answers, text: MOST_TEXT, visits: MOST_VISITS }.fill(text)
    }

    #[test]
    fn results_are_put_in_by_path() {
        let answer = json!({"data": [{"id": "1"}, {"id": "2", "sub": {"id": "3"}}], "n": 3, "a b": true});
        for (text, expected) in [
            ("ids={result=first:$.data.*.id}&x", "ids=1,2&x"),
            ("{result=first:$.n}{result=first:$.data[1].id}", "32"),
            ("{result=first:$['data'][*]['id']} {result=first:$[\"a b\"]}", "1,2 true"),
            ("{result=first:$..id}", "1,2,3"),
            ("{result=first:$.data[0]}", r#"{"id":"1"}"#),
            ("{result=first:$.none}|{result=first:$.data[7]}|{result=first:$.n.*}", "||"),
            ("{result=other:$.n} {result= {result=first", "{result=other:$.n} {result= {result=first"),
        ] {
            assert_eq!(filled(text, &answer).unwrap(), expected);
        }
        assert_eq!(references("a{result=b:c}d{result=e}{result=f:g").collect::<Vec<_>>(), [("b", "c")]);
    }

    #[test]
    fn other_paths_are_refused() {
        let deep = format!("$[?{}", "(".repeat(200_000));
        for path in
            ["", "n", "$n", "$.", "$..", "$..*", "$[", "$[]", "$[-1]", "$[+1]", "$['n", "$[1:2]", "$[?@.a]", &deep]
        {
            assert_eq!(filled(&format!("{{result=first:{path}}}"), &json!({})).unwrap_err().code, 100);
        }
    }

    #[test]
    fn results_have_an_end() {
        let half = json!("x".repeat(MOST_TEXT / 2));
        assert!(filled(&"{result=first:$}".repeat(2), &half).is_ok());
        assert_eq!(filled(&"{result=first:$}".repeat(3), &half).unwrap_err().code, 100);
        let nested = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
        let path = format!("{{result=first:${}}}", "..a".repeat(20));
        assert_eq!(filled(&path, &nested).unwrap_err().code, 100);
    }
}
