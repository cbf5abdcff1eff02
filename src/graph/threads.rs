//! Who controls a page's conversations: the reads that tell (graph-api §6.2). Nothing here ever takes, passes or
//! releases a thread.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::client::{GraphClient, page_call};
use super::decode::{lenient_id, optional_flag, optional_id, optional_time};
use super::error::GraphError;
use super::token::{AppCredentials, Token};
use super::version::Version;

/// A conversation of a page, without what was said and without names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conversation {
    /// Page-scoped id of the person; `None` if Graph does not tell.
    pub person: Option<String>,
    /// When it went on last; `None` if Graph does not tell.
    pub updated_at: Option<Timestamp>,
    /// Whether Graph says who owns it, which it does only while conversation routing is on.
    pub routed: bool,
}

/// What Graph tells about the owner of a thread; nothing of an idle one, or to an app that may not know.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct ThreadOwner {
    /// The owning app; absent although there is an owner when the asking app is neither owner nor default app.
    #[serde(default, deserialize_with = "optional_id")]
    pub app_id: Option<String>,
    /// When its control ends.
    #[serde(default, deserialize_with = "optional_time")]
    pub expiration: Option<Timestamp>,
}

/// A thread, as far as it tells who is the primary receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Thread {
    /// When it went on last.
    pub updated_at: Option<Timestamp>,
    /// Whether Graph says who owns it, which it does only while conversation routing is on.
    pub routed: bool,
    /// Its owner, as far as Graph tells.
    pub owner: Option<ThreadOwner>,
}

#[derive(Deserialize)]
struct Rows<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct ConversationRow {
    #[serde(default)]
    updated_time: Option<String>,
    #[serde(default, deserialize_with = "optional_flag")]
    is_owner: Option<bool>,
    #[serde(default)]
    participants: Option<Rows<Participant>>,
}

#[derive(Deserialize)]
struct Participant {
    #[serde(deserialize_with = "lenient_id")]
    id: String,
}

#[derive(Deserialize)]
struct OwnerRow {
    thread_owner: Option<ThreadOwner>,
}

impl ConversationRow {
    fn of_page(self, page_id: &str) -> Conversation {
        let participants = self.participants.map(|rows| rows.data).unwrap_or_default();
        Conversation {
            person: participants.into_iter().map(|it| it.id).find(|id| id != page_id),
            updated_at: self.updated_time.as_deref().and_then(graph_time),
            routed: self.is_owner.is_some(),
        }
    }
}

/// Graph writes `2026-11-20T09:30:00+0000`, without the colon that RFC 3339 wants.
fn graph_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok())
}

impl GraphClient {
    /// The page's latest Messenger conversations, at most `limit`: `GET /{page}/conversations`. Meta allows two of these
    /// calls a second for a page.
    ///
    /// # Errors
    /// The caller is [`super::Caller::PageToken`].
    pub async fn conversations(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &str,
        limit: u8,
    ) -> Result<Vec<Conversation>, GraphError> {
        let (path, limit) = ([page_id, "conversations"], limit.to_string());
        let mut call = page_call(Method::GET, "GET /{page}/conversations", version, app, token, &path);
        call.parameters.extend([
            ("platform", "messenger"),
            ("fields", "id,is_owner,updated_time,participants"),
            ("limit", &limit),
        ]);
        let rows: Rows<ConversationRow> = self.transport.send(call).await?;
        Ok(rows.data.into_iter().map(|row| row.of_page(page_id)).collect())
    }

    /// Who owns the thread with a person: `GET /{page}/thread_owner`; `None` if Graph tells nothing.
    ///
    /// # Errors
    /// The caller is [`super::Caller::PageToken`].
    pub async fn thread_owner(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &str,
        person: &str,
    ) -> Result<Option<ThreadOwner>, GraphError> {
        let path = [page_id, "thread_owner"];
        let mut call = page_call(Method::GET, "GET /{page}/thread_owner", version, app, token, &path);
        call.parameters.push(("recipient", person));
        let rows: Rows<Value> = self.transport.send(call).await?;
        let first = rows.data.into_iter().next();
        let row: Option<OwnerRow> = first.and_then(|row| serde_json::from_value(row).ok());
        Ok(row.and_then(|row| row.thread_owner).filter(|owner| *owner != ThreadOwner::default()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    const V: &Version = &Version::DEFAULT;
    const PERSON: &str = "7700000000000001";

    #[tokio::test]
    async fn conversations_are_read_without_names_or_words() {
        let row = |owner: Value, time: &str| {
            json!({"id": "t_1", "is_owner": owner, "updated_time": time,
                "participants": {"data": [{"id": PAGE, "name": "Shop"}, {"id": PERSON, "name": "Kim", "email": "x"}]}})
        };
        let mut silent = row(json!(true), "2026-11-20T09:30:00+0000");
        silent.as_object_mut().expect("an object").remove("is_owner");
        let rows = [row(json!(true), "2026-11-20T09:30:00+0000"), row(json!("false"), "nonsense"), silent, json!({})];
        let graph = Double::json(&json!({"data": rows})).await;
        let found = graph.client().conversations(V, &app(), &token(), PAGE, 5).await.expect("rows");
        let time: Timestamp = "2026-11-20T09:30:00Z".parse().expect("a time");
        let conversation = |updated_at, routed| Conversation { person: Some(PERSON.to_owned()), updated_at, routed };
        let nothing = Conversation { person: None, updated_at: None, routed: false };
        let expected =
            [conversation(Some(time), true), conversation(None, true), conversation(Some(time), false), nothing];
        assert_eq!(found, expected);
        let asked = Seen::parameters(graph.seen()[0].uri.query().expect("a query"));
        for parameter in [("platform", "messenger"), ("limit", "5")] {
            assert!(asked.contains(&(parameter.0.into(), parameter.1.into())), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn the_owner_of_a_thread_may_be_told_hidden_or_not_there() {
        let owner = |app_id: Option<&str>, seconds: Option<i64>| ThreadOwner {
            app_id: app_id.map(str::to_owned),
            expiration: seconds.map(|seconds| Timestamp::from_second(seconds).expect("a time")),
        };
        let cases = [
            (
                json!([{"thread_owner": {"app_id": 900_000_000_000_001_u64, "expiration": 1_790_086_400}}]),
                Some(owner(Some("900000000000001"), Some(1_790_086_400))),
            ),
            (json!([{"thread_owner": {"app_id": "900000000000001"}}]), Some(owner(Some("900000000000001"), None))),
            (json!([{"thread_owner": {"expiration": "1790086400"}}]), Some(owner(None, Some(1_790_086_400)))),
            (json!([{"thread_owner": {}}]), None),
            (json!([{}]), None),
            (json!([]), None),
        ];
        for (data, expected) in cases {
            let graph = Double::json(&json!({"data": data})).await;
            let found = graph.client().thread_owner(V, &app(), &token(), PAGE, PERSON).await.expect("an answer");
            assert_eq!(found, expected, "{data}");
            assert!(graph.seen()[0].uri.query().expect("a query").contains(&format!("recipient={PERSON}")));
        }
    }
}
