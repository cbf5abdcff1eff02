//! The Secret in which a page token is published for a bot that calls Graph itself.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};

use super::state::FacebookChannels;
use crate::api::outcome::Class;
use crate::api::references::{Purpose, published};
use crate::api::{FacebookChannel, FacebookChannelStatus, PURPOSE_LABEL};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::AppId;
use crate::base::key::Key;
use crate::cluster::error;
use crate::cluster::error::Failure;
use crate::facebook_channel::model::{Access, AppSeen, Content, PublicationSeen};

pub use crate::cluster::secrets::KIND;
use crate::cluster::write_refused::{Cause, Verb, Write};
use crate::controller::being_deleted;
use crate::controller::managed_secrets::{CONTENT, holds, is_of_predecessor, own_secret};
use crate::controller::pass::Pass;

/// Name of the Secret with the published page token.
pub fn secret_name(channel: &str) -> String {
    format!("facebookchannel-{channel}-page-token")
}

/// The Secret with the published page token of a channel.
pub fn secret_key(channel: &Key) -> Key {
    Key::new(&channel.namespace, secret_name(&channel.name))
}

/// Looks at the Secret of a channel. `access` tells what is to be published; `tried` says that this was done in this very
/// pass, which the watch may not have brought yet.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: Option<&Access>,
    tried: bool,
) -> Result<PublicationSeen, Failure> {
    let key = secret_key(&pass.key);
    if tried && channels.published.holds(&key) {
        return Ok(PublicationSeen::Ours(Content::Current));
    }
    let found = match channel.spec.publish_token {
        true => channels.ctx.read(channels.ctx.cluster.secrets.metadata(&key)).await??,
        // What is left of better times is labeled, so that the watch shows it.
        false => channels.ctx.cluster.secrets.watched(&key),
    };
    let Some(secret) = found else { return Ok(PublicationSeen::Missing) };
    Ok(match owner(channels, &secret, pass).await? {
        Owner::Channel => {
            let (content, touched) = channels.published.compare(&key, &secret);
            // What cannot be told is left as it is.
            let current = access.is_none_or(|access| content == Some(fingerprint(channel, pass, app, access)));
            // After what was done in this very pass the watch may show what was there before.
            let current = current && (tried || is_sound(channels, channel, pass, app, access).await?);
            PublicationSeen::Ours(match (current && is_released(&secret), touched) {
                (false, _) => Content::Outdated,
                (true, true) => Content::Touched,
                (true, false) => Content::Current,
            })
        }
        // Who is being deleted leaves it behind, if it is orphaned.
        Owner::Predecessor if being_deleted::is_begun(&channel.metadata) => PublicationSeen::Ours(Content::Current),
        Owner::Predecessor => PublicationSeen::Leftover,
        Owner::Other => PublicationSeen::Taken,
    })
}

/// Whose Secret it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    Channel,
    /// A channel of the same name that is gone: there is one of a name at a time.
    Predecessor,
    Other,
}

async fn owner(
    channels: &FacebookChannels,
    secret: &ObjectMeta,
    pass: &Pass<FacebookChannelStatus>,
) -> Result<Owner, Failure> {
    if secret.owner_references.iter().flatten().any(|owner| owner.uid == pass.uid.as_str()) {
        return Ok(Owner::Channel);
    }
    let purpose = Purpose::PublishedPageToken;
    let former = is_of_predecessor::<FacebookChannel>(&channels.ctx, secret, purpose, &pass.key, &pass.uid).await?;
    Ok(if former { Owner::Predecessor } else { Owner::Other })
}

/// Whether the Secret holds what its metadata says. Of one that another process wrote that is not known: it is looked into once, in
/// the channel's slot, so that a start does not have all of them read.
async fn is_sound(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: Option<&Access>,
) -> Result<bool, Failure> {
    let key = secret_key(&pass.key);
    match (channels.published.is_sound(&key), access) {
        (Some(sound), _) => Ok(sound),
        (None, Some(access)) if pass.due => {
            let sound = holds(&channels.ctx, &key, &content(channel, app, access)).await?;
            channels.published.looked_into(&key, sound);
            Ok(sound)
        }
        (None, _) => Ok(true),
    }
}

/// What is published.
fn content(channel: &FacebookChannel, app: &AppSeen, access: &Access) -> [(&'static str, String); 4] {
    [
        (published::TOKEN_KEY, access.token.expose().to_owned()),
        (published::PAGE_ID_KEY, channel.spec.page_id.clone()),
        (published::APP_ID_KEY, app.id().map(AppId::as_str).unwrap_or_default().to_owned()),
        (published::GRAPH_VERSION_KEY, access.version.to_string()),
    ]
}

fn is_released(secret: &ObjectMeta) -> bool {
    let purpose = secret.labels.as_ref().and_then(|labels| labels.get(PURPOSE_LABEL));
    purpose.is_some_and(|purpose| purpose == Purpose::PublishedPageToken.as_str())
}

fn fingerprint(
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: &Access,
) -> String {
    Fingerprint::new(&pass.uid)
        .add("token", access.token.fingerprint(pass.uid.as_str()))
        .add("page", &channel.spec.page_id)
        .add("app", app.id())
        .add("version", access.version)
        .finish()
}

/// Writes the Secret, if the name is free or the Secret is ours. If it is not, the next look says so.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the Secret, or does not answer.
pub async fn publish(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: &Access,
) -> Result<(), Failure> {
    let key = secret_key(&pass.key);
    let data = content(channel, app, access);
    let mut secret = own_secret(channel, key.name.clone(), Purpose::PublishedPageToken, data);
    let annotation = (CONTENT.to_owned(), fingerprint(channel, pass, app, access));
    secret.metadata.annotations.get_or_insert_default().extend([annotation]);
    let writes = Writes { channels, key: &key };
    let written = match channels.ctx.read(channels.ctx.cluster.secrets.full_metadata(&key)).await?? {
        None => writes.create(&secret, &PostParams::default()).await,
        Some(old) if owner(channels, &old, pass).await? != Owner::Other => {
            match writes.rewrite(&secret, old.clone()).await {
                // Someone made it immutable, or anew with another type.
                Err(Failure::Refused(refused)) if refused.cause == Cause::Immutable => {
                    writes.try_out(secret.clone()).await?;
                    writes.delete(old).await?;
                    writes.create(&secret, &PostParams::default()).await
                }
                written => written.map(Some),
            }
        }
        Some(_) => return Ok(()),
    };
    if let Some(written) = written? {
        channels.published.note(&key, &written.metadata);
    }
    Ok(())
}

/// Deletes the Secret that was made for this channel or an earlier one of its name: the very one that was checked.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because someone else changed the Secret, or does not answer.
pub async fn withdraw(channels: &FacebookChannels, pass: &Pass<FacebookChannelStatus>) -> Result<(), Failure> {
    let key = secret_key(&pass.key);
    let Some(secret) = channels.ctx.read(channels.ctx.cluster.secrets.metadata(&key)).await?? else { return Ok(()) };
    match owner(channels, &secret, pass).await? {
        Owner::Other => Ok(()),
        Owner::Channel | Owner::Predecessor => Writes { channels, key: &key }.delete(secret).await,
    }
}

/// Writes of the Secret of a channel.
struct Writes<'a> {
    channels: &'a FacebookChannels,
    key: &'a Key,
}

impl Writes<'_> {
    /// Creates it; `None` if someone else was faster to take the name.
    async fn create(&self, secret: &Secret, params: &PostParams) -> Result<Option<Secret>, Failure> {
        match self.write(Verb::Create, self.api().create(params, secret)).await {
            Err(failure) if failure.class() == Class::Conflict => Ok(None),
            created => created.map(Some),
        }
    }

    /// Writes over the one with this metadata. Whatever else stands there is someone's; of the content everything is ours.
    async fn rewrite(&self, secret: &Secret, old: ObjectMeta) -> Result<Secret, Failure> {
        let mut secret = secret.clone();
        let ours = std::mem::replace(&mut secret.metadata, old);
        secret.metadata.labels.get_or_insert_default().extend(ours.labels.unwrap_or_default());
        secret.metadata.annotations.get_or_insert_default().extend(ours.annotations.unwrap_or_default());
        // That of a channel before, which a restore brought along.
        secret.metadata.owner_references = ours.owner_references;
        self.write(Verb::Update, self.api().replace(&self.key.name, &PostParams::default(), &secret)).await
    }

    /// Asks whether a Secret would be let in, before the one in its place is deleted: what is refused afterwards would be lost.
    ///
    /// Under its own name the answer would be that it exists, so that it is offered under one that the API server makes of it.
    /// Rights, quotas and policies see the same Secret otherwise, of the same type, labels, owner and beginning of the name, and
    /// a quota has to hold one more than after the exchange.
    async fn try_out(&self, mut secret: Secret) -> Result<(), Failure> {
        secret.metadata.generate_name = secret.metadata.name.take().map(|name| format!("{name}-"));
        self.create(&secret, &PostParams { dry_run: true, ..PostParams::default() }).await.map(drop)
    }

    /// Deletes the very one that was checked.
    async fn delete(&self, old: ObjectMeta) -> Result<(), Failure> {
        let seen = Preconditions { uid: old.uid, resource_version: old.resource_version };
        let params = DeleteParams { preconditions: Some(seen), ..DeleteParams::default() };
        let api = self.api();
        let deletion = async {
            match api.delete(&self.key.name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                answer => answer.map(drop),
            }
        };
        self.write(Verb::Delete, deletion).await?;
        self.channels.published.forget(self.key);
        Ok(())
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.channels.ctx.cluster.client.clone(), &self.key.namespace)
    }

    async fn write<T>(&self, verb: Verb, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        error::write(&self.channels.ctx.metrics, Write::new(verb, KIND, self.key), request).await
    }
}
