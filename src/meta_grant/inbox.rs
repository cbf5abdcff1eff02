//! The inbox of the operator: what the gateway left for it, watched as metadata.
//!
//! The namespace is the release's own. Nobody else may write there, so the sender is certain; the content is verified all the
//! same.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Config;
use tokio::sync::Notify;

use crate::api::PURPOSE_LABEL;
use crate::api::inbox::{INBOX_TOKEN_KEY, INBOX_TYPE, InboxMessage, MessageContent};
use crate::api::references::Purpose;
use crate::base::ids::Uid;
use crate::base::key::{Key, KindName};
use crate::cluster::error;
use crate::cluster::error::{Failure, kubernetes};
use crate::cluster::secrets::KIND;
use crate::cluster::watch;
use crate::cluster::watch::Change;
use crate::cluster::write_refused::{Verb, Write};
use crate::controller::context::Context;
use crate::graph::Token;
use crate::metrics::Metrics;

/// The metadata of a message.
pub type Envelope = PartialObjectMeta<Secret>;

/// The inbox of the release.
pub struct Inbox {
    api: Api<Secret>,
    store: Store<Envelope>,
    metrics: Metrics,
    /// Told when something came.
    pub(crate) came: Notify,
}

impl Inbox {
    /// The inbox in a namespace, to be filled by [`watch`].
    pub fn new(client: &Client, namespace: &str, metrics: &Metrics) -> (Self, Writer<Envelope>) {
        let (store, writer) = reflector::store();
        let (api, metrics) = (Api::namespaced(client.clone(), namespace), metrics.clone());
        (Self { api, store, metrics, came: Notify::new() }, writer)
    }

    /// Everything that is there, and what it says; `None` if that is nothing we know.
    pub fn all(&self) -> Vec<(Arc<Envelope>, Option<InboxMessage>)> {
        let all = self.store.state().into_iter();
        all.map(|envelope| (Arc::clone(&envelope), InboxMessage::read(envelope.annotations()))).collect()
    }

    /// Tokens for a grant and whose they are, the newest first.
    pub fn tokens(&self, grant: &Key, uid: &Uid) -> Vec<(Arc<Envelope>, Option<String>)> {
        let grantor = |message: InboxMessage| match message {
            InboxMessage { content: MessageContent::Token { grantor }, .. } => Some(grantor),
            _ => None,
        };
        let is_for = |message: &InboxMessage| is_about(message, grant) && message.grant_uid == uid.as_str();
        let messages =
            self.all().into_iter().filter_map(|(envelope, message)| Some((envelope, message.filter(is_for)?)));
        let mut tokens: Vec<_> =
            messages.filter_map(|(envelope, message)| Some((envelope, grantor(message)?))).collect();
        tokens.sort_by_key(|(envelope, _)| newest_first(envelope));
        tokens
    }

    /// The token in a message, if it is still there and holds one.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn open(&self, envelope: &Envelope) -> Result<Option<Token>, Failure> {
        let Some(secret) = kubernetes("reading an inbox message", self.api.get_opt(&envelope.name_any())).await? else {
            return Ok(None);
        };
        let ours = secret.type_.as_deref() == Some(INBOX_TYPE);
        let raw = secret.data.and_then(|mut data| data.remove(INBOX_TOKEN_KEY)).filter(|_| ours);
        Ok(raw.and_then(|raw| Token::parse(&raw.0).ok()))
    }

    /// Throws a message away. That it is gone is success too. As a `trial` it is only asked whether it may be thrown away.
    ///
    /// # Errors
    /// When the Kubernetes API refuses or does not answer.
    pub async fn discard(&self, envelope: &Envelope, trial: bool) -> Result<(), Failure> {
        let preconditions = Some(Preconditions { uid: envelope.uid(), resource_version: None });
        let params = DeleteParams { preconditions, dry_run: trial, ..DeleteParams::default() };
        let deletion = async {
            match self.api.delete(&envelope.name_any(), &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
                result => result.map(|_| ()),
            }
        };
        let write = Write::new(Verb::Delete, KIND, &Key::of(envelope));
        error::write(&self.metrics, write, deletion).await
    }
}

/// Whether a message is about a grant of this name.
fn is_about(message: &InboxMessage, grant: &Key) -> bool {
    message.grant.namespace == grant.namespace && message.grant.name == grant.name
}

/// When a message came.
pub fn came_at(envelope: &Envelope) -> Timestamp {
    envelope.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |at| at.0)
}

/// By what messages are sorted, so that what came last is first.
pub fn newest_first(envelope: &Envelope) -> Reverse<(Timestamp, String)> {
    Reverse((came_at(envelope), envelope.name_any()))
}

/// Keeps the inbox filled, and wakes the grants that tokens came for, or that have no more to wait for one that is gone.
pub async fn watch(ctx: &Context, inbox: &Inbox, writer: Writer<Envelope>) {
    let all: Api<Envelope> = Api::namespaced(ctx.cluster.client.clone(), &ctx.policy.inbox_namespace);
    let labeled = Config::default().labels(&format!("{PURPOSE_LABEL}={}", Purpose::GrantInbox.as_str()));
    let wake = |grant: &Key| ctx.wakeups.wake(KindName::META_GRANT, grant.clone());
    // The grants that tokens are for: of what is gone nothing but its name is told.
    let mut tokens = HashMap::new();
    let report = |change: Change<'_, Envelope>| match change {
        Change::Applied(envelope) => {
            let is_token = |mail: &InboxMessage| matches!(mail.content, MessageContent::Token { .. });
            if let Some(mail) = InboxMessage::read(envelope.annotations()).filter(is_token) {
                let grant = Key::new(mail.grant.namespace, mail.grant.name);
                wake(&grant);
                tokens.insert(Key::of(envelope), grant);
            }
            inbox.came.notify_one();
        }
        Change::Deleted(envelope) => {
            tokens.remove(envelope).iter().for_each(wake);
        }
        _ => {}
    };
    watch::run_metadata(all, labeled, writer, &ctx.metrics, |_| (), report).await;
}
