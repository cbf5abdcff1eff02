//! Lists that come in pages (developers.facebook.com/docs/graph-api/results): where one goes on, how much is asked for at once, and when it is begun anew.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use reqwest::Url;

use super::call::Call;
use super::client::{GraphClient, unusable};
use super::error::{GraphError, GraphFault};
use super::error_codes::classify;
use super::operation::Operation;
use super::signs::Sign;
use super::verdict::Verdict;

/// Rows per page of a list.
pub(super) const LIST_LIMIT: &str = "100";
/// The same, and how many are asked for when Meta finds that too much.
const LIMITS: [(&str, usize); 4] = [(LIST_LIMIT, 100), ("50", 50), ("25", 25), ("10", 10)];

/// What stands in the URL of the next page and is never sent on: what is secret, and what we say ourselves.
const OWN: [&str; 6] = ["access_token", "appsecret_proof", "input_token", "client_secret", "fields", "limit"];
/// The longest parameter of another page that is sent on.
const LONGEST: usize = 1024;

/// Where a list goes on: the parameters of its next page.
type Place = Vec<(String, String)>;

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default, deserialize_with = "null_is_default")]
    paging: Paging,
}

impl<T> List<T> {
    /// Whether nothing of it is left to read.
    pub(super) fn is_whole(&self) -> bool {
        self.paging.next.is_none()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paging {
    next: Option<Value>,
    #[serde(deserialize_with = "null_is_default")]
    cursors: Cursors,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cursors {
    after: Option<String>,
}

impl Paging {
    /// The parameters of the next page: the cursor, or else whatever the URL of the next page says. That URL itself holds the
    /// token and may lead anywhere, so it is never called.
    fn place(&self) -> Place {
        if let Some(after) = &self.cursors.after {
            return vec![("after".to_owned(), after.clone())];
        }
        let Some(url) = self.next.as_ref().and_then(Value::as_str).and_then(|next| Url::parse(next).ok()) else {
            return Place::new();
        };
        let is_plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let pairs = url.query_pairs().filter(|(name, value)| {
            is_plain(name) && !OWN.contains(&name.as_ref()) && !value.is_empty() && value.len() <= LONGEST
        });
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(source: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

impl GraphClient {
    /// All rows of a list of so many pages at most. A part of them would be worse than none: what is not listed counts as
    /// absent. What is refused in the middle is begun anew once: the place may be what is refused.
    pub(super) async fn rows_of<'a, T: DeserializeOwned>(
        &self,
        pages: usize,
        call: impl Fn() -> Call<'a>,
    ) -> Result<Vec<T>, GraphError> {
        let mut reading = Reading { rows: Vec::new(), place: Place::new(), limit: 0, left: pages * LIMITS[0].1 };
        let mut anew = false;
        loop {
            let operation = call().operation;
            match self.part(&mut reading, &call).await {
                Ok(true) => return Ok(reading.rows),
                Ok(false) => {}
                Err(error) if too_much(&error) && reading.limit + 1 < LIMITS.len() => reading.limit += 1,
                Err(error) if !anew && !reading.place.is_empty() && is_refusal(&error, operation) => {
                    anew = true;
                    reading = Reading { rows: Vec::new(), place: Place::new(), ..reading };
                }
                Err(error) => return Err(told(error, LIMITS[reading.limit].1)),
            }
        }
    }

    /// Reads the next part of a list; whether it was the last one.
    async fn part<'a, T: DeserializeOwned>(
        &self,
        reading: &mut Reading<T>,
        call: &impl Fn() -> Call<'a>,
    ) -> Result<bool, GraphError> {
        let (text, size) = LIMITS[reading.limit];
        reading.left = reading.left.checked_sub(size).ok_or(unusable("the list does not end"))?;
        let place = reading.place.clone();
        let list: List<T> = {
            let mut call: Call<'_> = call();
            call.parameters.push(("limit", text));
            call.parameters.extend(place.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            self.transport.send(call).await?
        };
        let whole = list.is_whole();
        let next = list.paging.place();
        reading.rows.extend(list.data);
        if whole {
            return Ok(true);
        }
        if next.is_empty() || next == reading.place {
            return Err(unusable("the list does not continue"));
        }
        reading.place = next;
        Ok(false)
    }
}

/// A list as far as it was read.
struct Reading<T> {
    rows: Vec<T>,
    place: Place,
    /// Which of the limits is used; a smaller one stays for the rest of the list.
    limit: usize,
    /// How many rows may still be asked for.
    left: usize,
}

/// Whether Meta wants to be asked for fewer rows at once.
fn too_much(error: &GraphError) -> bool {
    matches!(error, GraphError::Fault(fault) if fault.signs.sign == Some(Sign::TooMuchData))
}

/// Whether Meta refused: not for now, and not because it is asked too often.
fn is_refusal(error: &GraphError, operation: Operation) -> bool {
    !matches!(classify(error, operation), Verdict::NoAnswer | Verdict::Throttled { .. })
}

/// The error of a list, with what was tried.
fn told(error: GraphError, size: usize) -> GraphError {
    match error {
        GraphError::Fault(fault) if fault.signs.sign == Some(Sign::TooMuchData) => {
            let message = format!("{} (asked for {size} rows at a time)", fault.message);
            GraphFault { message, ..*fault }.into()
        }
        error => error,
    }
}

#[cfg(test)]
mod tests;
