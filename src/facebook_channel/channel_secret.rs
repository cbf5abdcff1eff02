//! A Secret beside a channel that the operator fills: how it is found, written and deleted. What is in it is said by who uses this.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};

use super::state::FacebookChannels;
use crate::api::outcome::Class;
use crate::api::references::Purpose;
use crate::api::{FacebookChannel, FacebookChannelStatus, PURPOSE_LABEL};
use crate::base::key::Key;
use crate::cluster::error;
use crate::cluster::error::Failure;
use crate::cluster::write_refused::{Cause, Verb, Write};
use crate::controller::being_deleted;
use crate::controller::managed_secrets::{CONTENT, holds, is_of_predecessor, own_secret};
use crate::controller::pass::Pass;
use crate::facebook_channel::model::{Content, SecretSeen};

pub use crate::cluster::secrets::KIND;

/// Whose Secret it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    Channel,
    /// A channel of the same name that is gone: there is one of a name at a time.
    Predecessor,
    Other,
}

/// Which of the Secrets of a channel.
pub struct ChannelSecretKind {
    /// How its name ends.
    pub suffix: &'static str,
    pub purpose: Purpose,
}

impl ChannelSecretKind {
    /// Its name, for a channel of this name.
    pub fn name(&self, channel: &str) -> String {
        format!("facebookchannel-{channel}-{}", self.suffix)
    }

    /// Its namespace and name.
    pub fn key(&self, channel: &Key) -> Key {
        Key::new(&channel.namespace, self.name(&channel.name))
    }

    /// That of a channel.
    pub fn of<'a>(
        &self,
        channels: &'a FacebookChannels,
        channel: &'a FacebookChannel,
        pass: &'a Pass<FacebookChannelStatus>,
    ) -> ChannelSecret<'a> {
        ChannelSecret { channels, channel, pass, key: self.key(&pass.key), purpose: self.purpose }
    }
}

/// A Secret of a channel.
pub struct ChannelSecret<'a> {
    channels: &'a FacebookChannels,
    channel: &'a FacebookChannel,
    pass: &'a Pass<FacebookChannelStatus>,
    key: Key,
    purpose: Purpose,
}

/// What it is to hold. It is never shown: no `Debug`.
pub struct Filling {
    pub data: Vec<(&'static str, String)>,
    /// What the data is made of.
    pub fingerprint: String,
    /// What else its metadata says.
    pub annotations: BTreeMap<String, String>,
}

impl ChannelSecret<'_> {
    /// Looks at it; `wanted` says whether it should be there, `filling` what it should hold, as far as that is known. `tried` says
    /// that it was written in this very pass, which the watch may not have brought yet.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn look(&self, wanted: bool, filling: Option<&Filling>, tried: bool) -> Result<SecretSeen, Failure> {
        let secret = if self.was_written(tried) { None } else { self.metadata(wanted).await? };
        self.judge(secret, filling, tried).await
    }

    /// Whether what was written in this very pass is known to be there.
    fn was_written(&self, tried: bool) -> bool {
        tried && self.channels.published.holds(&self.key)
    }

    /// The same of one whose metadata is known.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn judge(
        &self,
        secret: Option<ObjectMeta>,
        filling: Option<&Filling>,
        tried: bool,
    ) -> Result<SecretSeen, Failure> {
        if self.was_written(tried) {
            return Ok(SecretSeen::Ours(Content::Current));
        }
        let Some(secret) = secret else { return Ok(SecretSeen::Missing) };
        Ok(match self.owner(&secret).await? {
            Owner::Channel => {
                let (content, touched) = self.channels.published.compare(&self.key, &secret);
                // What cannot be told is left as it is.
                let current = filling.is_none_or(|filling| content.as_ref() == Some(&filling.fingerprint));
                // After what was done in this very pass the watch may show what was there before.
                let current = current && (tried || self.is_sound(filling).await?);
                SecretSeen::Ours(match (current && self.is_labeled(&secret), touched) {
                    (false, _) => Content::Outdated,
                    (true, true) => Content::Touched,
                    (true, false) => Content::Current,
                })
            }
            // Who is being deleted leaves it behind, if it is orphaned.
            Owner::Predecessor if being_deleted::is_begun(&self.channel.metadata) => SecretSeen::Ours(Content::Current),
            Owner::Predecessor => SecretSeen::Leftover,
            Owner::Other => SecretSeen::Taken,
        })
    }

    /// Its metadata. What is left of better times is labeled, so that the watch shows it.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    pub async fn metadata(&self, wanted: bool) -> Result<Option<ObjectMeta>, Failure> {
        let ctx = &self.channels.ctx;
        match wanted {
            true => ctx.read(ctx.cluster.secrets.metadata(&self.key)).await?,
            false => Ok(ctx.cluster.secrets.watched(&self.key)),
        }
    }

    async fn owner(&self, secret: &ObjectMeta) -> Result<Owner, Failure> {
        let uid = &self.pass.uid;
        if secret.owner_references.iter().flatten().any(|owner| owner.uid == uid.as_str()) {
            return Ok(Owner::Channel);
        }
        let ctx = &self.channels.ctx;
        let former = is_of_predecessor::<FacebookChannel>(ctx, secret, self.purpose, &self.pass.key, uid).await?;
        Ok(if former { Owner::Predecessor } else { Owner::Other })
    }

    /// Whether it holds what its metadata says. Of one that another process wrote that is not known: it is looked into once, in the
    /// channel's slot, so that a start does not have all of them read.
    async fn is_sound(&self, filling: Option<&Filling>) -> Result<bool, Failure> {
        let written = &self.channels.published;
        match (written.is_sound(&self.key), filling) {
            (Some(sound), _) => Ok(sound),
            (None, Some(filling)) if self.pass.due => {
                let sound = holds(&self.channels.ctx, &self.key, &filling.data).await?;
                written.looked_into(&self.key, sound);
                Ok(sound)
            }
            (None, _) => Ok(true),
        }
    }

    fn is_labeled(&self, secret: &ObjectMeta) -> bool {
        let purpose = secret.labels.as_ref().and_then(|labels| labels.get(PURPOSE_LABEL));
        purpose.is_some_and(|purpose| purpose == self.purpose.as_str())
    }

    /// Writes it, if the name is free or it is ours. If it is not, the next look says so.
    ///
    /// # Errors
    /// When the Kubernetes API refuses, for instance because someone else changed the Secret, or does not answer.
    pub async fn write(&self, filling: Filling) -> Result<(), Failure> {
        let mut secret = own_secret(self.channel, self.key.name.clone(), self.purpose, filling.data);
        let annotations = secret.metadata.annotations.get_or_insert_default();
        annotations.insert(CONTENT.to_owned(), filling.fingerprint);
        annotations.extend(filling.annotations);
        let ctx = &self.channels.ctx;
        let written = match ctx.read(ctx.cluster.secrets.full_metadata(&self.key)).await?? {
            None => self.create(&secret, &PostParams::default()).await,
            Some(old) if self.owner(&old).await? != Owner::Other => {
                match self.rewrite(&secret, old.clone()).await {
                    // Someone made it immutable, or anew with another type.
                    Err(Failure::Refused(refused)) if refused.cause == Cause::Immutable => {
                        self.try_out(secret.clone()).await?;
                        self.delete_seen(old).await?;
                        self.create(&secret, &PostParams::default()).await
                    }
                    written => written.map(Some),
                }
            }
            Some(_) => return Ok(()),
        };
        if let Some(written) = written? {
            self.channels.published.note(&self.key, &written.metadata);
        }
        Ok(())
    }

    /// Deletes the Secret that was made for this channel or an earlier one of its name: the very one that was checked.
    ///
    /// # Errors
    /// When the Kubernetes API refuses, for instance because someone else changed the Secret, or does not answer.
    pub async fn delete(&self) -> Result<(), Failure> {
        let Some(secret) = self.metadata(true).await? else { return Ok(()) };
        match self.owner(&secret).await? {
            Owner::Other => Ok(()),
            Owner::Channel | Owner::Predecessor => self.delete_seen(secret).await,
        }
    }

    /// Creates it; `None` if someone else was faster to take the name.
    async fn create(&self, secret: &Secret, params: &PostParams) -> Result<Option<Secret>, Failure> {
        match self.send(Verb::Create, self.api().create(params, secret)).await {
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
        self.send(Verb::Update, self.api().replace(&self.key.name, &PostParams::default(), &secret)).await
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
    async fn delete_seen(&self, old: ObjectMeta) -> Result<(), Failure> {
        let seen = Preconditions { uid: old.uid, resource_version: old.resource_version };
        let params = DeleteParams { preconditions: Some(seen), ..DeleteParams::default() };
        let api = self.api();
        let deletion = async {
            match api.delete(&self.key.name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                answer => answer.map(drop),
            }
        };
        self.send(Verb::Delete, deletion).await?;
        self.channels.published.forget(&self.key);
        Ok(())
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.channels.ctx.cluster.client.clone(), &self.key.namespace)
    }

    async fn send<T>(&self, verb: Verb, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        error::write(&self.channels.ctx.metrics, Write::new(verb, KIND, &self.key), request).await
    }
}
