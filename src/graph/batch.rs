//! Many reads in one request. A batch may not be had, or leave operations open: what it does not
//! answer is asked alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::{PageNode, PageSubscription};
use super::call::{bad, read_answer};
use super::client::{GraphClient, ROW_FIELDS, app_call, page_call, same_object, unusable};
use super::error::GraphError;
use super::error_codes::classify;
use super::list::{LIST_LIMIT, List};
use super::operation::Operation;
use super::token::{AppCredentials, Token};
use super::usage_headers::{Charged, Headers, VERSION};
use super::verdict::Verdict;
use super::version::Version;
use crate::base::ids::{AppId, PageId};

/// The operations that Graph accepts in one batch, and how many are about one page.
const OPERATIONS: usize = 50;
const PER_PAGE: usize = 2;
/// The pages that are read with one batch. Tokens are bounded, so its body is too.
pub const PAGES_PER_BATCH: usize = OPERATIONS / PER_PAGE;
/// Calls that are made at once for what a batch left open.
const ALONE_AT_ONCE: usize = 4;
/// Not for ever: what was refused may have been refused by mistake.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

/// A page to be read, and the token for it.
#[derive(Clone, Copy, Debug)]
pub struct PageRead<'a> {
    /// Id of the page.
    pub page_id: &'a PageId,
    /// The page token.
    pub token: &'a Token,
}

/// One operation of a batch: a read with a token of its own.
pub(crate) struct Ask<'a> {
    /// What it asks.
    pub(crate) operation: Operation,
    pub(crate) token: &'a Token,
    pub(crate) path: Vec<&'a str>,
    pub(crate) parameters: Vec<(&'static str, &'a str)>,
}

/// What Graph answers about a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageAnswers {
    /// The page.
    pub page: Result<PageNode, GraphError>,
    /// The applications that it is subscribed to.
    pub subscriptions: Result<Vec<PageSubscription>, GraphError>,
}

impl PageAnswers {
    /// The same error about both.
    pub fn both(error: GraphError) -> Self {
        Self { page: Err(error.clone()), subscriptions: Err(error) }
    }
}

/// Where batches were refused as such, by app and version.
#[derive(Default)]
pub(crate) struct RefusedBatches(Mutex<HashMap<(AppId, Version), Instant>>);

impl RefusedBatches {
    fn are_refused(&self, app_id: &AppId, version: Version, now: Instant) -> bool {
        let mut since = self.0.lock();
        since.retain(|_, at| now.duration_since(*at) < REFUSED_FOR);
        since.contains_key(&(app_id.clone(), version))
    }

    fn remember(&self, app_id: &AppId, version: Version, now: Instant) {
        self.0.lock().insert((app_id.clone(), version), now);
    }
}

/// What one operation of a batch came to.
enum Part<T> {
    /// Graph answered it, or refused it.
    Told(Result<T, GraphError>),
    /// It has to be asked alone.
    Open,
}

impl GraphClient {
    /// Reads pages of one app and their subscriptions, at most [`PAGES_PER_BATCH`], in as few requests as Graph allows.
    /// Each page is read with its own token; the answers come in the order of `reads`.
    ///
    /// # Errors
    /// When Graph refuses the batch in a way that says something about the app, or does not answer at all. Nothing was learned about any page then.
    pub async fn pages(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[PageRead<'_>],
    ) -> Result<Vec<PageAnswers>, GraphError> {
        if self.batches.are_refused(&app.app_id, *version, Instant::now()) {
            return Ok(self.alone(version, app, reads).await);
        }
        match self.batch(version, app, reads).await {
            Ok(parts) => Ok(self.complete(version, app, reads, parts).await),
            Err(error) => {
                self.may_ask_alone(version, app, error)?;
                Ok(self.alone(version, app, reads).await)
            }
        }
    }

    /// Makes many reads in batches. What a batch leaves open, and a single one, is asked alone.
    pub(crate) async fn each<T: DeserializeOwned>(
        &self,
        version: &Version,
        app: &AppCredentials,
        asks: &[Ask<'_>],
    ) -> Vec<Result<T, GraphError>> {
        let mut parts = Vec::with_capacity(asks.len());
        for asks in asks.chunks(OPERATIONS) {
            parts.extend(self.parts(version, app, asks).await);
        }
        let answers = parts.into_iter().zip(asks).map(|(part, ask)| async move {
            if let Part::Told(result) = part {
                return result;
            }
            let mut call = page_call(Method::GET, ask.operation, version, app, ask.token, &ask.path);
            call.parameters.extend(&ask.parameters);
            self.transport.send(call).await
        });
        let answers: Vec<_> = answers.collect();
        stream::iter(answers).buffered(ALONE_AT_ONCE).collect().await
    }

    async fn parts<T: DeserializeOwned>(
        &self,
        version: &Version,
        app: &AppCredentials,
        asks: &[Ask<'_>],
    ) -> Vec<Part<T>> {
        let open = || asks.iter().map(|_| Part::Open).collect();
        if asks.len() < 2 || self.batches.are_refused(&app.app_id, *version, Instant::now()) {
            return open();
        }
        let told = |(item, ask): (Option<Item>, &Ask<'_>)| {
            let Some(item) = item else { return Part::Open };
            let result = item.read(&[ask.token.expose(), &app.proof(ask.token), app.secret.expose()]);
            self.transport.batched(ask.operation, &result);
            Part::Told(result)
        };
        match self.operations(version, app, asks).await {
            Ok(items) => items.into_iter().zip(asks).map(told).collect(),
            Err(error) => match self.may_ask_alone(version, app, error) {
                Ok(()) => open(),
                Err(error) => asks.iter().map(|_| Part::Told(Err(error.clone()))).collect(),
            },
        }
    }

    /// Whether to ask alone after a batch that failed as a whole.
    ///
    /// # Errors
    /// The error again, if it says something about the app or Graph does not answer at all.
    fn may_ask_alone(&self, version: &Version, app: &AppCredentials, error: GraphError) -> Result<(), GraphError> {
        match classify(&error, Operation::Batch) {
            // One page that hangs must not hide the others.
            Verdict::NoAnswer if error == GraphError::Timeout => Ok(()),
            Verdict::NoAnswer if !refused_by_status(&error) => Err(error),
            Verdict::Throttled { .. } | Verdict::AppBroken(_) | Verdict::VersionRetired => Err(error),
            _ => {
                tracing::info!(%error, "Graph refuses batches; reading one by one for an hour");
                self.batches.remember(&app.app_id, *version, Instant::now());
                Ok(())
            }
        }
    }

    async fn batch(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[PageRead<'_>],
    ) -> Result<Vec<(Part<PageNode>, Part<Vec<PageSubscription>>)>, GraphError> {
        let fields = self.page_fields(version, app);
        let mut asks = Vec::with_capacity(reads.len() * PER_PAGE);
        for read in reads {
            let (operation, token, parameters) = (Operation::ReadPage, read.token, vec![("fields", fields.as_str())]);
            asks.push(Ask { operation, token, path: vec![read.page_id.as_str()], parameters });
            let (operation, parameters) =
                (Operation::ReadPageSubscriptions, vec![("fields", ROW_FIELDS), ("limit", LIST_LIMIT)]);
            asks.push(Ask { operation, token, path: vec![read.page_id.as_str(), "subscribed_apps"], parameters });
        }
        let items = self.operations(version, app, &asks).await?;
        let parts = items.chunks(PER_PAGE).zip(reads).map(|(items, read)| {
            let proof = app.proof(read.token);
            let secrets = [read.token.expose(), &proof, app.secret.expose()];
            (self.page_part(items[0].as_ref(), read, &secrets), self.rows_part(items[1].as_ref(), &secrets))
        });
        Ok(parts.collect())
    }

    /// Sends one batch; there are as many items as were asked for.
    async fn operations(
        &self,
        version: &Version,
        app: &AppCredentials,
        asks: &[Ask<'_>],
    ) -> Result<Vec<Option<Item>>, GraphError> {
        let proofs: Vec<_> = asks.iter().map(|ask| app.proof(ask.token)).collect();
        let operations = asks.iter().zip(&proofs).map(|(ask, proof)| {
            let credential = [("access_token", ask.token.expose()), ("appsecret_proof", proof.as_str())];
            operation(&ask.path, &[&ask.parameters[..], &credential].concat())
        });
        let body = Value::Array(operations.collect()).to_string();
        // The last segment is empty: the path ends in a slash.
        let mut call = app_call(Method::POST, Operation::Batch, version, app, &[""]);
        call.parameters.extend([("batch", body.as_str()), ("include_headers", "true")]);
        call.secrets.extend(asks.iter().map(|ask| ask.token.expose()));
        // It is its operations that count.
        call.charged = Charged::Unknown;
        call.secrets.extend(proofs.iter().map(String::as_str));
        let items: Vec<Option<Item>> = self.transport.send(call).await?;
        if items.len() != asks.len() {
            return Err(unusable("the batch has another number of answers"));
        }
        for (item, ask) in items.iter().zip(asks) {
            item.iter().for_each(|item| item.tell(*version, app, ask.path[0]));
        }
        Ok(items)
    }

    fn page_part(&self, item: Option<&Item>, read: &PageRead<'_>, secrets: &[&str]) -> Part<PageNode> {
        let Some(item) = item else { return Part::Open };
        let result =
            item.read::<PageNode>(secrets).and_then(|node| same_object(&node.id, read.page_id.as_str()).map(|()| node));
        let verdict = result.as_ref().err().map(|error| classify(error, Operation::ReadPage));
        self.transport.batched(Operation::ReadPage, &result);
        // Asked alone, it is asked once more without the field.
        if matches!(verdict, Some(Verdict::FieldUnknown(Some(_)))) { Part::Open } else { Part::Told(result) }
    }

    fn rows_part(&self, item: Option<&Item>, secrets: &[&str]) -> Part<Vec<PageSubscription>> {
        let Some(item) = item else { return Part::Open };
        let result = item.read::<List<PageSubscription>>(secrets);
        self.transport.batched(Operation::ReadPageSubscriptions, &result);
        match result {
            Ok(list) if !list.is_whole() => Part::Open,
            result => Part::Told(result.map(|list| list.data)),
        }
    }

    /// Asks alone what the batch left open.
    async fn complete(
        &self,
        version: &Version,
        app: &AppCredentials,
        reads: &[PageRead<'_>],
        parts: Vec<(Part<PageNode>, Part<Vec<PageSubscription>>)>,
    ) -> Vec<PageAnswers> {
        let answers = reads.iter().zip(parts).map(|(read, (page, rows))| async move {
            let page = match page {
                Part::Told(result) => result,
                Part::Open => self.page(version, app, read.token, read.page_id).await,
            };
            let subscriptions = match rows {
                Part::Told(result) => result,
                Part::Open => self.page_subscriptions(version, app, read.token, read.page_id).await,
            };
            PageAnswers { page, subscriptions }
        });
        let answers: Vec<_> = answers.collect();
        stream::iter(answers).buffered(ALONE_AT_ONCE).collect().await
    }

    /// Reads pages one by one, in an order of chance. If none of the first is answered, the others are not asked: Meta is
    /// silent as a whole, and the order sees to it that the same pages do not always come last.
    async fn alone(&self, version: &Version, app: &AppCredentials, reads: &[PageRead<'_>]) -> Vec<PageAnswers> {
        let mut order: Vec<_> = reads.iter().enumerate().collect();
        order.shuffle(&mut rand::rng());
        let (answered, silent) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let asked = order.into_iter().map(|(index, read)| async move {
            if answered.load(Ordering::Relaxed) == 0 && silent.load(Ordering::Relaxed) >= ALONE_AT_ONCE {
                return (index, PageAnswers::both(GraphError::Timeout));
            }
            let page = self.page(version, app, read.token, read.page_id).await;
            let nothing = page.as_ref().err().filter(|error| is_silence(error)).cloned();
            let counter = if nothing.is_some() { silent } else { answered };
            counter.fetch_add(1, Ordering::Relaxed);
            let Some(error) = nothing else {
                let subscriptions = self.page_subscriptions(version, app, read.token, read.page_id).await;
                return (index, PageAnswers { page, subscriptions });
            };
            (index, PageAnswers::both(error))
        });
        let asked: Vec<_> = asked.collect();
        let mut answers: Vec<_> = stream::iter(asked).buffer_unordered(ALONE_AT_ONCE).collect().await;
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answers)| answers).collect()
    }
}

fn is_silence(error: &GraphError) -> bool {
    matches!(error, GraphError::Timeout | GraphError::Transport(_))
}

/// Something that does not speak as Graph does refused the request itself, not for the moment.
fn refused_by_status(error: &GraphError) -> bool {
    matches!(error, GraphError::BadAnswer { status: 400..=428 | 430..=499, .. })
}

/// An operation. Its token stands in its URL, which is a part of the request's body: no URL of ours holds one.
fn operation(path: &[&str], parameters: &[(&str, &str)]) -> Value {
    let mut url = Url::parse("https://graph.invalid/").expect("a URL");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url.query_pairs_mut().extend_pairs(parameters);
    let relative = format!("{}?{}", url.path().trim_start_matches('/'), url.query().unwrap_or_default());
    json!({ "method": "GET", "relative_url": relative })
}

/// The answer to an operation.
#[derive(Deserialize)]
struct Item {
    code: u16,
    #[serde(default)]
    headers: Option<Vec<Header>>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

impl Item {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().flatten().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.as_str())
    }

    fn usage(&self) -> Headers<'_> {
        Headers::find(|name| self.header(name))
    }

    /// Tells what it says of its version and of usages. Without any headers it does not say that these are fine.
    fn tell(&self, asked: Version, app: &AppCredentials, page_id: &str) {
        app.meter.tell_version(asked, self.header(VERSION));
        let answered = self.code == 200 && self.headers.is_some();
        app.meter.tell(&self.usage().usages(Charged::Page(page_id), answered));
    }

    fn read<T: DeserializeOwned>(&self, secrets: &[&str]) -> Result<T, GraphError> {
        let status = StatusCode::from_u16(self.code).map_err(|_| unusable("an operation without a status"))?;
        let body = self.body.as_deref().unwrap_or_default();
        let answer = read_answer(status, body.as_bytes(), self.usage().regain_access(), secrets)?;
        // What serde says about a misfit quotes the value.
        serde_json::from_value(answer).map_err(|_| bad(status, "the answer has another shape"))
    }
}

#[cfg(test)]
mod tests;
