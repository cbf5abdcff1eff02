//! Who controls a page's conversations: the reads that tell. Nothing here ever takes, passes or
//! releases a thread.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::batch::{Ask, PageRead};
use super::client::GraphClient;
use super::decode::{lenient_id, optional_flag, optional_id, optional_time};
use super::error::GraphError;
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::version::Version;
use crate::base::ids::{AppId, PageId};

/// Id of the page's own inbox, which is an application too.
pub const PAGE_INBOX: &str = "263902037430900";

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
    pub app_id: Option<AppId>,
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
    fn of_page(self, page_id: &PageId) -> Conversation {
        let participants = self.participants.map(|rows| rows.data).unwrap_or_default();
        Conversation {
            person: participants.into_iter().map(|it| it.id).find(|id| id != page_id.as_str()),
            updated_at: self.updated_time.as_deref().and_then(graph_time),
            routed: self.is_owner.is_some(),
        }
    }
}

/// Graph writes `2026-11-20T09:30:00+0000`, without the colon that RFC 3339 wants.
fn graph_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok())
}

/// A thread whose owner is to be read.
#[derive(Clone, Copy, Debug)]
pub struct OwnerRead<'a> {
    /// Id of the page.
    pub page_id: &'a PageId,
    /// The page token.
    pub token: &'a Token,
    /// Page-scoped id of the person.
    pub person: &'a str,
}

/// Parameters of a read of conversations. Neither names nor words are asked for.
fn latest(limit: &str) -> [(&'static str, &str); 3] {
    [("platform", "messenger"), ("fields", "id,is_owner,updated_time,participants"), ("limit", limit)]
}

fn of_page(rows: Rows<ConversationRow>, page_id: &PageId) -> Vec<Conversation> {
    rows.data.into_iter().map(|row| row.of_page(page_id)).collect()
}

fn told(rows: Rows<Value>) -> Option<ThreadOwner> {
    let row: OwnerRow = serde_json::from_value(rows.data.into_iter().next()?).ok()?;
    row.thread_owner.filter(|owner| *owner != ThreadOwner::default())
}

impl GraphClient {
    /// The latest Messenger conversations of each page, at most `limit`: `GET /{page}/conversations`. Meta allows two of these
    /// calls a second for a page. Many pages are read in batches.
    ///
    /// # Errors
    /// Each in its place.
    pub async fn conversations(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[PageRead<'_>],
        limit: u8,
    ) -> Vec<Result<Vec<Conversation>, GraphError>> {
        let limit = limit.to_string();
        let asks: Vec<_> = reads
            .iter()
            .map(|read| {
                let (path, parameters) = (vec![read.page_id.as_str(), "conversations"], latest(&limit).to_vec());
                Ask { operation: Operation::ReadConversations, token: read.token, path, parameters }
            })
            .collect();
        let rows = self.each::<Rows<ConversationRow>>(version, app, &asks).await;
        rows.into_iter().zip(reads).map(|(rows, read)| rows.map(|rows| of_page(rows, read.page_id))).collect()
    }

    /// Who owns each thread: `GET /{page}/thread_owner`; `None` if Graph tells nothing. Many are read in batches.
    ///
    /// # Errors
    /// Each in its place.
    pub async fn thread_owners(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[OwnerRead<'_>],
    ) -> Vec<Result<Option<ThreadOwner>, GraphError>> {
        let asks: Vec<_> = reads
            .iter()
            .map(|read| {
                let (path, parameters) =
                    (vec![read.page_id.as_str(), "thread_owner"], vec![("recipient", read.person)]);
                Ask { operation: Operation::ReadThreadOwner, token: read.token, path, parameters }
            })
            .collect();
        let rows = self.each::<Rows<Value>>(version, app, &asks).await;
        rows.into_iter().map(|rows| rows.map(told)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

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
        let reads = [PageRead { page_id: &PAGE.into(), token: &token() }];
        let found = graph.client().conversations(V, &app(), &reads, 5).await.remove(0).expect("rows");
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
            app_id: app_id.map(AppId::new),
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
            let reads = [OwnerRead { page_id: &PAGE.into(), token: &token(), person: PERSON }];
            let found = graph.client().thread_owners(V, &app(), &reads).await.remove(0).expect("an answer");
            assert_eq!(found, expected, "{data}");
            assert!(graph.seen()[0].uri.query().expect("a query").contains(&format!("recipient={PERSON}")));
        }
    }

    fn other() -> (PageId, Token) {
        ("2200000000000002".into(), Token::parse(b"EAABother-00000000000000000000").expect("well formed"))
    }

    fn item(code: u16, body: &Value) -> Value {
        json!({"code": code, "body": body.to_string()})
    }

    #[tokio::test]
    async fn many_are_read_in_one_request_each_with_its_own_token_and_answered_in_its_place() {
        let conversation = json!({"data": [{"updated_time": "2026-11-20T09:30:00+0000", "is_owner": true,
            "participants": {"data": [{"id": PERSON}]}}]});
        let fault = json!({"error": {"message": "text", "type": "OAuthException", "code": 190}});
        let graph = Double::json(&json!([item(400, &fault), item(200, &conversation)])).await;
        let (page, token, (other_page, other_token)) = (PageId::new(PAGE), token(), other());
        let reads =
            [PageRead { page_id: &page, token: &token }, PageRead { page_id: &other_page, token: &other_token }];
        let found = graph.client().conversations(V, &app(), &reads, 5).await;
        assert!(matches!(&found[0], Err(GraphError::Fault(fault)) if fault.code == 190), "{found:?}");
        assert_eq!(found[1].as_ref().expect("rows")[0].person.as_deref(), Some(PERSON));
        let seen = graph.only();
        assert!(!seen.uri.to_string().contains(token.expose()), "{}", seen.uri);
        let form = Seen::parameters(&seen.body);
        let batch = form.iter().find(|(name, _)| name == "batch").expect("a batch");
        let operations: Vec<Value> = serde_json::from_str(&batch.1).expect("a list");
        for (operation, read) in operations.iter().zip(&reads) {
            let url = operation["relative_url"].as_str().expect("text");
            assert!(url.starts_with(&format!("{}/conversations?platform=messenger", read.page_id)), "{url}");
            assert!(url.contains(read.token.expose()) && url.contains(&app().proof(read.token)));
        }
    }

    #[tokio::test]
    async fn what_a_batch_leaves_open_or_refuses_as_a_whole_is_asked_alone() {
        let owner = json!({"data": [{"thread_owner": {"app_id": "900000000000001"}}]});
        let open = json!([null, item(200, &json!({"data": []}))]);
        for (batch, alone) in [((200, open), 1), ((404, json!({})), 2)] {
            let owner = owner.clone();
            let graph = Double::deciding(move |seen| {
                let (status, body) = if seen.method == "POST" { (batch.0, &batch.1) } else { (200, &owner) };
                Some(json(status, body))
            })
            .await;
            let (token, (other_page, other_token)) = (token(), other());
            let read = |page_id, token| OwnerRead { page_id, token, person: PERSON };
            let found = graph
                .client()
                .thread_owners(V, &app(), &[read(&PAGE.into(), &token), read(&other_page, &other_token)])
                .await;
            let told: Vec<_> = found.iter().map(|it| it.as_ref().expect("an answer").is_some()).collect();
            assert_eq!(told, [true, alone == 2]);
            assert_eq!(graph.seen().iter().filter(|seen| seen.method == "GET").count(), alone);
        }
    }

    #[tokio::test]
    async fn silence_about_a_batch_is_silence_about_each() {
        let graph = Double::deciding(|_| Some(json(500, &json!({})))).await;
        let (token, (other_page, other_token)) = (token(), other());
        let reads =
            [PageRead { page_id: &PAGE.into(), token: &token }, PageRead { page_id: &other_page, token: &other_token }];
        let found = graph.client().conversations(V, &app(), &reads, 5).await;
        assert_eq!((found.len(), found.iter().filter(|it| it.is_err()).count()), (2, 2));
        assert_eq!(graph.seen().len(), 1);
    }
}
