//! The gateway's side of the inbox: it creates, and may do nothing else.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use sha2::{Digest, Sha256};

use super::flow::{AppFailure, Flow, ID, Refusal};
use super::grants::Grant;
use crate::api::inbox::{INBOX_TOKEN_KEY, INBOX_TYPE, InboxMessage, MessageContent, MessageRefusal};
use crate::api::references::NamespacedName;
use crate::cluster::error::Failure;
use crate::cluster::error::kubernetes;
use crate::graph::Token;

/// The Secrets of the release's namespace.
pub(super) struct Inbox(pub(super) Api<Secret>);

impl Inbox {
    /// Notes that a state was used.
    ///
    /// # Errors
    /// When it was used before, or that cannot be told.
    pub(super) async fn spend(&self, grant: &Grant, flow: &Flow) -> Result<(), Refusal> {
        if self.create(grant, flow.id(), MessageContent::SpentState, None).await? { Ok(()) } else { Err(Refusal::Used) }
    }

    /// Hands a token over. Once is enough: whoever clicks twice hands over the same authorization.
    ///
    /// # Errors
    /// When it could not be stored.
    pub(super) async fn hand_over(
        &self,
        grant: &Grant,
        flow: &Flow,
        grantor: &str,
        token: &Token,
    ) -> Result<(), Refusal> {
        let content = MessageContent::Token { grantor: Some(grantor.to_owned()) };
        self.create(grant, flow.id(), content, Some(token)).await.map(|_| ())
    }

    /// Tells why a person was refused, for those who manage the grant or its application. A courtesy: the person knows
    /// already. Of an application's trouble there is one inbox message at a time, whoever meets it and however often.
    pub(super) async fn report(&self, grant: &Grant, flow: &Flow, refusal: &Refusal) {
        let refusal = match refusal {
            Refusal::WrongApp => MessageRefusal::WrongApp,
            Refusal::ScopesMissing(scopes) => MessageRefusal::ScopesMissing(scopes.clone()),
            Refusal::PagesMissing(pages, _) => MessageRefusal::PagesMissing(pages.clone()),
            Refusal::App(AppFailure { trouble, fact, words }) => {
                let (trouble, fact, words) = (*trouble, fact.clone(), words.clone());
                let id = hex::encode(Sha256::digest(grant.app().to_string()));
                let content = MessageContent::AppTrouble { trouble, fact, words };
                let _ = self.create(grant, id.get(..ID).unwrap_or_default(), content, None).await;
                return;
            }
            _ => return,
        };
        // What went wrong was logged.
        let _ = self.create(grant, flow.id(), MessageContent::Refused(refusal), None).await;
    }

    /// Whether it was there before no more: of all who create one of this name, one succeeds.
    async fn create(
        &self,
        grant: &Grant,
        id: &str,
        content: MessageContent,
        token: Option<&Token>,
    ) -> Result<bool, Refusal> {
        let key = grant.key();
        let grant_uid = grant.uid().to_owned();
        let mail =
            InboxMessage { grant: NamespacedName { namespace: key.namespace, name: key.name }, grant_uid, content };
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(mail.name(id)),
                labels: Some(InboxMessage::labels()),
                annotations: Some(mail.annotations()),
                ..ObjectMeta::default()
            },
            data: token.map(|token| {
                BTreeMap::from([(INBOX_TOKEN_KEY.to_owned(), ByteString(token.expose().as_bytes().to_vec()))])
            }),
            immutable: Some(true),
            type_: Some(INBOX_TYPE.to_owned()),
            ..Secret::default()
        };
        match kubernetes("putting a message into the inbox", self.0.create(&PostParams::default(), &secret)).await {
            Ok(_) => Ok(true),
            Err(Failure::Kubernetes { conflict: true, .. }) => Ok(false),
            Err(failure) => {
                tracing::warn!(%failure, "the inbox cannot be used");
                Err(Refusal::Unreachable)
            }
        }
    }
}
