//! What authorizes a channel: the page token of a Secret, or one that a grant gives. Only this file and the decision about the
//! authorization know where it comes from.
//!
//! # Channels of a grant
//!
//! A channel with `grantRef` has no token of its own: `meta_grant/page_tokens.rs` holds in memory what the MetaGrant's last
//! check listed, and `facebook_channel/credentials.rs` is the one place that knows the difference. The operator does not ask
//! debug_token for such a channel; the listing is the proof, and `meta_grant/token_witness.rs` asks about the grant's token for
//! a channel that doubts it. The renewal of a grant changes no inputs: the next check uses the token from memory, and the
//! status is amended without a check (`decide/token_status.rs`). Only what changes another condition causes a check
//! (`decide/grant.rs`). Until the first listing after a restart, everything stays as it was. When a page refuses the token,
//! debug_token is asked about the grant's token in the same pass (`meta_grant/token_witness.rs`) before the blame falls on
//! anyone.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::state::FacebookChannels;
use crate::api::conditions::{ConditionType, Status, find};
use crate::api::references::{Purpose, SecretKeyReference};
use crate::api::{CredentialSource, FacebookChannel, MetaApp, MetaGrant, Reason};
use crate::base::ids::{PageId, Uid};
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::controller::dependency::{DependencyError, Told};
use crate::controller::dependents::Dependency;
use crate::facebook_channel::model::{Access, AppSeen, PageGrant, TokenSeen};
use crate::graph::{Token, TokenInfo, TokenKind};
use crate::meta_app::{self, seen};
use crate::{meta_grant, ownership};

/// Where the credential of a channel comes from.
pub enum Source {
    /// Not exactly one is declared.
    Undeclared,
    Secret {
        secret: Key,
        /// Key inside it.
        key: String,
        /// The MetaApp that the token belongs to.
        app: Key,
    },
    Grant {
        /// The MetaGrant.
        grant: Key,
        /// The MetaGrant, if it is there.
        object: Option<Arc<MetaGrant>>,
        page_id: PageId,
    },
}

impl Source {
    /// Where the credential of this channel comes from.
    pub fn of(channels: &FacebookChannels, channel: &FacebookChannel) -> Self {
        let namespace = channel.namespace().unwrap_or_default();
        match channel.spec.credentials.source() {
            None => Self::Undeclared,
            Some(CredentialSource::PageToken(declared)) => {
                let SecretKeyReference { name, key } = &declared.secret_ref;
                let app = seen::key_of(&declared.app_ref, &namespace);
                Self::Secret { secret: Key::new(namespace, name), key: key.clone(), app }
            }
            Some(CredentialSource::Grant(declared)) => {
                let grant = Key::new(namespace, &declared.name);
                let object = channels.grants.get(&grant);
                Self::Grant { grant, object, page_id: PageId::new(&channel.spec.page_id) }
            }
        }
    }

    /// The MetaApp of the channel. That of a grant which is gone is remembered in the claim.
    pub fn app(&self, channels: &FacebookChannels, uid: &Uid) -> Option<Key> {
        match self {
            Self::Undeclared => None,
            Self::Secret { app, .. } => Some(app.clone()),
            Self::Grant { grant, object: Some(object), .. } => {
                Some(seen::key_of(&object.spec.app_ref, &grant.namespace))
            }
            Self::Grant { object: None, page_id, .. } => ownership::app_of(&channels.ownership, page_id, uid),
        }
    }

    /// Whether a person authorizes the grant again in a browser.
    pub fn is_authorized_in_browser(&self, channels: &FacebookChannels) -> bool {
        matches!(self, Self::Grant { .. }) && channels.ctx.policy.gateway_url.is_some()
    }

    /// What the credential depends on.
    pub fn dependencies(&self) -> Vec<Dependency> {
        match self {
            Self::Undeclared => Vec::new(),
            Self::Secret { secret, .. } => vec![Dependency::Secret(secret.clone())],
            Self::Grant { grant, page_id, .. } => {
                let page = Dependency::GrantedPage(grant.clone(), page_id.clone());
                vec![Dependency::MetaGrant(grant.clone()), page]
            }
        }
    }

    /// Looks at the credential. Fingerprints are of this context.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn look(
        &self,
        channels: &FacebookChannels,
        context: &str,
        now: Timestamp,
    ) -> Result<(TokenSeen, Option<Token>), Failure> {
        match self {
            Self::Undeclared => Ok((TokenSeen::NotDeclared, None)),
            Self::Secret { secret, key, .. } => read(channels, secret, key, context).await,
            Self::Grant { object: None, .. } => Ok((TokenSeen::GrantNotFound, None)),
            Self::Grant { grant, object: Some(object), page_id } => Ok(match meta_grant::verdict(object).valid {
                Err(trouble) => (TokenSeen::GrantTrouble { trouble, ended: ended(object) }, None),
                Ok(()) => granted(channels, (grant, object), page_id, context, now),
            }),
        }
    }
}

/// Why the authorization of a grant ended, if it did.
fn ended(grant: &MetaGrant) -> Option<Reason> {
    let conditions = grant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let valid = find(conditions, ConditionType::Valid).filter(|it| it.status == Status::False.as_str())?;
    Reason::parse(&valid.reason).filter(|reason| reason.ends_authorization())
}

async fn read(
    channels: &FacebookChannels,
    secret: &Key,
    key: &str,
    context: &str,
) -> Result<(TokenSeen, Option<Token>), Failure> {
    let Ok(released) = channels.ctx.read(channels.ctx.cluster.secrets.get(secret, Purpose::PageToken)).await?? else {
        return Ok((TokenSeen::NotReleased, None));
    };
    let Some(raw) = released.value(key) else {
        return Ok((TokenSeen::Malformed(released.why_missing(key)), None));
    };
    Ok(match Token::parse(raw) {
        Err(why) => (TokenSeen::Malformed(format!("its key {key} cannot be used: {why}")), None),
        Ok(token) => (TokenSeen::Present { fingerprint: token.fingerprint(context) }, Some(token)),
    })
}

/// What a working grant gives for a page, from memory.
fn granted(
    channels: &FacebookChannels,
    (key, object): (&Key, &MetaGrant),
    page_id: &PageId,
    context: &str,
    now: Timestamp,
) -> (TokenSeen, Option<Token>) {
    let Some(granted) = channels.grants.tokens.get(key).filter(|it| it.uid.is_of(object)) else {
        return (TokenSeen::NotListed, None);
    };
    let ends = [granted.info.expires_at, granted.info.data_access_expires_at];
    if let Some(end) = ends.into_iter().flatten().min().filter(|end| *end <= now) {
        // What has become of it is for the grant to say, once for all of its channels.
        let trouble = DependencyError::Unknown(Told::only(format!("its authorization was due to end at {end}.")));
        return (TokenSeen::GrantTrouble { trouble, ended: None }, None);
    }
    let Some(page) = granted.pages.get(page_id) else {
        // The grant was listed before the page was in use, and without it: what it gives for it is yet to be found out.
        channels.ctx.wakeups.wake(KindName::META_GRANT, key.clone());
        return (TokenSeen::NotListed, None);
    };
    if page.token.is_none() && page.absence().is_none() {
        return (TokenSeen::NotListed, None);
    }
    let token = page.token.clone();
    let grant = PageGrant {
        of_system_user: granted.info.kind == Some(TokenKind::SystemUser),
        info: TokenInfo {
            kind: Some(TokenKind::Page),
            profile_id: Some(page_id.clone()),
            issued_at: None,
            ..granted.info.clone()
        },
        absence: page.absence(),
        tasks: page.tasks.clone(),
        fingerprint: token.as_ref().map(|token| token.fingerprint(context)),
        at: granted.at,
    };
    (TokenSeen::Granted(Box::new(grant)), token)
}

/// What calls on behalf of the channel need, if it is all there and the application works.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn see_access(
    channels: &FacebookChannels,
    object: Option<&MetaApp>,
    app: &AppSeen,
    token: Option<Token>,
) -> Result<Option<Access>, Failure> {
    let (Some(token), Some(object), AppSeen::Found { verdict, .. }) = (token, object, app) else { return Ok(None) };
    if verdict.credentials.is_err() {
        return Ok(None);
    }
    let credentials = meta_app::secrets::find_credentials(&channels.apps, object).await?;
    Ok(credentials.map(|credentials| Access { version: meta_app::facts::version(object), credentials, token }))
}
