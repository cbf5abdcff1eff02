//! The calls we make, one function each.

use std::sync::Arc;
use std::time::Instant;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answers::{AppNode, AppPermission, AppSubscription, PageNode, PageSubscription, TokenInfo};
use super::batch::RefusedBatches;
use super::call::{Call, CallObserver, GraphOptions, GraphSetupError, Transport};
use super::decode::flag;
use super::error::{GraphError, GraphFault};
use super::error_codes::classify;
use super::flight::Flights;
use super::operation::Operation;
use super::refused::{Fields, RefusedFields};
use super::signs::Sign;
use super::token::{AppCredentials, Token};
use super::usage_headers::Charged;
use super::verdict::Verdict;
use super::version::Version;
use crate::base::ids::PageId;

pub(super) const ROW_FIELDS: &str = "id,name,subscribed_fields";
const PAGE_FIELDS: Fields = Fields { required: &["id"], optional: &["name", "is_published"] };
/// Pages of a list that are read at most.
const LIST_PAGES: usize = 20;

/// Which token is asked about, and how: version, and fingerprints of secret and token.
type Debugged = (Version, String, String);

/// Speaks to Graph. Clones share connections.
#[derive(Clone)]
pub struct GraphClient {
    pub(super) transport: Arc<Transport>,
    refused: Arc<RefusedFields>,
    pub(super) batches: Arc<RefusedBatches>,
    debugging: Arc<Flights<Debugged, Result<TokenInfo, GraphError>>>,
}

impl GraphClient {
    /// A client; needs an installed rustls provider.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(options: GraphOptions, observer: Arc<dyn CallObserver>) -> Result<Self, GraphSetupError> {
        let transport = Arc::new(Transport::new(options, observer)?);
        Ok(Self { transport, refused: Arc::default(), batches: Arc::default(), debugging: Arc::default() })
    }

    /// What a token is: `GET /debug_token`. A token that is not valid is an answer, not an error. However many ask about
    /// a token at the same time, Graph is asked once.
    ///
    /// # Errors
    /// If there is no answer about the token.
    pub async fn debug_token(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
    ) -> Result<TokenInfo, GraphError> {
        let context = format!("single-flight/{}", app.app_id);
        let key = (*version, app.secret.fingerprint(&context), token.fingerprint(&context));
        self.debugging.join(key, self.debug_token_once(version, app, token)).await
    }

    async fn debug_token_once(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
    ) -> Result<TokenInfo, GraphError> {
        let mut call = app_call(Method::GET, Operation::DebugToken, version, app, &["debug_token"]);
        // Meta demands it as a parameter. The URL is never logged.
        call.parameters.push(("input_token", token.expose()));
        call.secrets.push(token.expose());
        let answer: DebugAnswer = self.transport.send(call).await?;
        let secrets = [token.expose(), app.secret.expose()];
        let error = answer.data.error.and_then(|error| GraphFault::of_envelope(&error, 200, &secrets));
        Ok(TokenInfo { error, ..answer.data.info })
    }

    /// The app, which proves the app's credentials: `GET /{app}`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn app(&self, version: &Version, app: &AppCredentials) -> Result<AppNode, GraphError> {
        let path = [app.app_id.as_str()];
        let mut call = app_call(Method::GET, Operation::ReadApp, version, app, &path);
        call.parameters.push(("fields", "id,name"));
        let node: AppNode = self.transport.send(call).await?;
        same_object(&node.id, app.app_id.as_str())?;
        Ok(node)
    }

    /// The app's permissions and their review: `GET /{app}/permissions`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn app_permissions(
        &self,
        version: &Version,
        app: &AppCredentials,
    ) -> Result<Vec<AppPermission>, GraphError> {
        let path = [app.app_id.as_str(), "permissions"];
        self.rows(|| app_call(Method::GET, Operation::ReadAppPermissions, version, app, &path)).await
    }

    /// What the app gets events about: `GET /{app}/subscriptions`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn app_subscriptions(
        &self,
        version: &Version,
        app: &AppCredentials,
    ) -> Result<Vec<AppSubscription>, GraphError> {
        let path = [app.app_id.as_str(), "subscriptions"];
        self.rows(|| app_call(Method::GET, Operation::ReadAppSubscriptions, version, app, &path)).await
    }

    /// Subscribes the app to events about pages: `POST /{app}/subscriptions`. Meta asks the callback
    /// before it answers. Success is a promise: read back what came of it.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn subscribe_app(
        &self,
        version: &Version,
        app: &AppCredentials,
        callback_url: &str,
        verify_token: &SecretString,
        fields: &[String],
    ) -> Result<(), GraphError> {
        let fields = fields.join(",");
        let path = [app.app_id.as_str(), "subscriptions"];
        let mut call = app_call(Method::POST, Operation::SubscribeApp, version, app, &path);
        call.parameters.extend([
            ("object", "page"),
            ("callback_url", callback_url),
            ("verify_token", verify_token.expose_secret()),
            ("fields", &fields),
        ]);
        call.secrets.push(verify_token.expose_secret());
        succeeded(&self.transport.send(call).await?)
    }

    /// The page: `GET /{page}`. A field that Graph refuses is left out for a day, and asked once more without.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn page(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &PageId,
    ) -> Result<PageNode, GraphError> {
        let mut result = self.page_once(version, app, token, page_id).await;
        if self.left_out(&result, version, app) {
            result = self.page_once(version, app, token, page_id).await;
            self.left_out(&result, version, app);
        }
        let node = result?;
        same_object(&node.id, page_id.as_str())?;
        Ok(node)
    }

    async fn page_once(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &PageId,
    ) -> Result<PageNode, GraphError> {
        let fields = self.page_fields(version, app);
        let path = [page_id.as_str()];
        let mut call = page_call(Method::GET, Operation::ReadPage, version, app, token, &path);
        call.parameters.push(("fields", &fields));
        self.transport.send(call).await
    }

    /// The fields of a page that Graph has not refused lately.
    pub(super) fn page_fields(&self, version: &Version, app: &AppCredentials) -> String {
        self.refused.without_refused(&PAGE_FIELDS, &app.app_id, *version, Instant::now())
    }

    /// Whether the page was refused for an optional field, which is left out from now on.
    fn left_out(&self, result: &Result<PageNode, GraphError>, version: &Version, app: &AppCredentials) -> bool {
        let verdict = result.as_ref().err().map(|error| classify(error, Operation::ReadPage));
        let Some(Verdict::FieldUnknown(Some(name))) = verdict else {
            return false;
        };
        self.refused.remember(&PAGE_FIELDS, &name, &app.app_id, *version, Instant::now())
    }

    /// The apps subscribed to the page: `GET /{page}/subscribed_apps`.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn page_subscriptions(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &PageId,
    ) -> Result<Vec<PageSubscription>, GraphError> {
        let path = [page_id.as_str(), "subscribed_apps"];
        self.rows(|| {
            let mut call = page_call(Method::GET, Operation::ReadPageSubscriptions, version, app, token, &path);
            call.parameters.push(("fields", ROW_FIELDS));
            call
        })
        .await
    }

    /// Subscribes the app to the page: `POST /{page}/subscribed_apps`. Success is a promise: read back what
    /// came of it.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn subscribe_page(
        &self,
        version: &Version,
        app: &AppCredentials,
        token: &Token,
        page_id: &PageId,
        fields: &[String],
    ) -> Result<(), GraphError> {
        let fields = fields.join(",");
        let path = [page_id.as_str(), "subscribed_apps"];
        let operation = Operation::SubscribePage;
        let mut call = page_call(Method::POST, operation, version, app, token, &path);
        call.parameters.push(("subscribed_fields", &fields));
        succeeded(&self.transport.send(call).await?)
    }

    /// Ends the subscription of the app to the page, with the app token: `DELETE /{page}/subscribed_apps`. It needs no
    /// token of the page, so that it works after that one ended. That there is nothing to end is success too.
    ///
    /// # Errors
    /// If there is no usable answer.
    pub async fn unsubscribe_page(
        &self,
        version: &Version,
        credentials: &AppCredentials,
        page_id: &PageId,
    ) -> Result<(), GraphError> {
        let path = [page_id.as_str(), "subscribed_apps"];
        let call = app_call(Method::DELETE, Operation::UnsubscribePage, version, credentials, &path);
        match self.transport.send(call).await {
            Err(GraphError::Fault(fault)) if nothing_to_end(&fault) => Ok(()),
            answer => succeeded(&answer?),
        }
    }

    async fn rows<'a, T: DeserializeOwned>(&self, call: impl Fn() -> Call<'a>) -> Result<Vec<T>, GraphError> {
        self.rows_of(LIST_PAGES, call).await
    }
}

#[derive(Deserialize)]
struct DebugAnswer {
    data: DebugData,
}

#[derive(Deserialize)]
struct DebugData {
    #[serde(flatten)]
    info: TokenInfo,
    error: Option<Value>,
}

pub(super) fn app_call<'a>(
    method: Method,
    operation: Operation,
    version: &Version,
    app: &'a AppCredentials,
    path: &'a [&'a str],
) -> Call<'a> {
    let (version, token, open, charged) = (*version, None, false, Charged::App);
    Call { method, operation, version, path, parameters: vec![], app, token, open, secrets: vec![], charged }
}

pub(super) fn page_call<'a>(
    method: Method,
    operation: Operation,
    version: &Version,
    app: &'a AppCredentials,
    token: &'a Token,
    path: &'a [&'a str],
) -> Call<'a> {
    let charged = path.first().map_or(Charged::Unknown, |page| Charged::Page(page));
    Call { token: Some(token), charged, ..app_call(method, operation, version, app, path) }
}

/// A write answers `{"success": true}`, `{"success": "true"}` or `true`.
pub(super) fn succeeded(answer: &Value) -> Result<(), GraphError> {
    match flag(answer.get("success").unwrap_or(answer)) {
        Some(true) => Ok(()),
        _ => Err(unusable("the write was not confirmed")),
    }
}

/// Whether a subscription that was to be ended is not there: the page is gone or never knew the app.
fn nothing_to_end(fault: &GraphFault) -> bool {
    let absent = fault.code == 100 && fault.subcode == Some(33) || fault.signs.sign == Some(Sign::NotSubscribed);
    absent && !fault.is_transient
}

pub(super) fn same_object(answered: &str, asked: &str) -> Result<(), GraphError> {
    if answered == asked { Ok(()) } else { Err(GraphError::OtherObject) }
}

/// An answer with status 200 that cannot be used.
pub(super) fn unusable(what: &'static str) -> GraphError {
    GraphError::BadAnswer { status: 200, what }
}

#[cfg(test)]
mod tests;
