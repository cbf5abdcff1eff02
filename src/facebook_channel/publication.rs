//! The Secret in which a page token is published for a bot that calls Graph itself.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};

use super::observe::{Access, AppSeen};
use crate::api::references::{Purpose, published};
use crate::api::{FacebookChannel, FacebookChannelStatus, ManagementPolicy, PURPOSE_LABEL};
use crate::engine::failure::kubernetes;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::own_secrets::{CONTENT, is_left_over, own_secret};
use crate::engine::pass::Pass;
use crate::engine::{Class, Context, Failure, Key};

/// What was seen of the Secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PublicationSeen {
    /// There is none of that name.
    Missing,
    /// It was made for this channel.
    Ours(Content),
    /// It was made for an earlier channel of this name, and has not been collected yet.
    Leftover,
    /// Somebody else made it.
    Taken,
}

impl PublicationSeen {
    /// Whether it is not as declared, and nothing may be done about it.
    pub fn is_in_the_way(self, channel: &FacebookChannel) -> bool {
        let observed = channel.spec.management_policy == ManagementPolicy::Observe;
        channel.spec.publish_token && (self == Self::Taken || observed && self != Self::Ours(Content::Current))
    }
}

/// What the Secret holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// What is to be published.
    Current,
    /// Something else: another token, or none that may be told.
    Outdated,
    /// What is to be published, but somebody changed the Secret since it was written.
    Touched,
}

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
    ctx: &Context,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: Option<&Access>,
    tried: bool,
) -> Result<PublicationSeen, Failure> {
    let key = secret_key(&pass.key);
    if tried && ctx.published.holds(&key) {
        return Ok(PublicationSeen::Ours(Content::Current));
    }
    let found = match channel.spec.publish_token {
        true => ctx.read(ctx.secrets.metadata(&key)).await??,
        // What is left of better times is labelled, so that the watch shows it.
        false => ctx.secrets.watched(&key),
    };
    let Some(secret) = found else { return Ok(PublicationSeen::Missing) };
    Ok(match owner(&secret, pass) {
        Owner::Channel => {
            let (content, touched) = ctx.published.compare(&key, &secret);
            // What cannot be told is left as it is.
            let current = access.is_none_or(|access| content == Some(fingerprint(channel, pass, app, access)));
            PublicationSeen::Ours(match (current && is_released(&secret), touched) {
                (false, _) => Content::Outdated,
                (true, true) => Content::Touched,
                (true, false) => Content::Current,
            })
        }
        // Who is being deleted leaves it behind, if it is orphaned.
        Owner::Predecessor if channel.metadata.deletion_timestamp.is_some() => PublicationSeen::Ours(Content::Current),
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

fn owner(secret: &ObjectMeta, pass: &Pass<FacebookChannelStatus>) -> Owner {
    let owners = secret.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|owner| owner.uid == pass.uid) {
        Owner::Channel
    } else if is_released(secret) && is_left_over::<FacebookChannel>(secret, &pass.key, &pass.uid) {
        Owner::Predecessor
    } else {
        Owner::Other
    }
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
        .add("token", access.token.fingerprint(&pass.uid))
        .add("page", &channel.spec.page_id)
        .add("app", app.id())
        .add("version", access.version)
        .finish()
}

/// Writes the Secret, if the name is free or the Secret is ours. If it is not, the next look says so.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because somebody else changed the Secret, or does not answer.
pub async fn publish(
    ctx: &Context,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: &Access,
) -> Result<(), Failure> {
    let key = secret_key(&pass.key);
    let data = [
        (published::TOKEN_KEY, access.token.expose().to_owned()),
        (published::PAGE_ID_KEY, channel.spec.page_id.clone()),
        (published::APP_ID_KEY, app.id().unwrap_or_default().to_owned()),
        (published::GRAPH_VERSION_KEY, access.version.to_string()),
    ];
    let mut secret = own_secret(channel, key.name.clone(), Purpose::PublishedPageToken, data);
    let annotation = (CONTENT.to_owned(), fingerprint(channel, pass, app, access));
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let params = PostParams::default();
    let written = match ctx.read(ctx.secrets.full_metadata(&key)).await?? {
        None => {
            secret.metadata.annotations.get_or_insert_default().extend([annotation]);
            match kubernetes("creating a published Secret", api.create(&params, &secret)).await {
                // Somebody else was faster to take the name.
                Err(failure) if failure.class() == Class::Conflict => return Ok(()),
                created => created?,
            }
        }
        Some(old) if owner(&old, pass) == Owner::Channel => {
            // Whatever else stands in the metadata is somebody's; of the content everything is ours.
            let labels = secret.metadata.labels.take().unwrap_or_default();
            secret.metadata = old;
            secret.metadata.labels.get_or_insert_default().extend(labels);
            secret.metadata.annotations.get_or_insert_default().extend([annotation]);
            let rewriting = async {
                match api.replace(&key.name, &params, &secret).await {
                    Err(kube::Error::Api(status)) if status.code == 422 => Ok(None),
                    answer => answer.map(Some),
                }
            };
            match kubernetes("rewriting a published Secret", rewriting).await? {
                Some(written) => written,
                // Somebody made it immutable, or anew with another type. That it is gone wakes the channel.
                None => return withdraw(ctx, pass).await,
            }
        }
        Some(_) => return Ok(()),
    };
    ctx.published.note(&key, &written.metadata);
    Ok(())
}

/// Deletes the Secret that was made for this channel or an earlier one of its name: the very one that was looked at.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because somebody else changed the Secret, or does not answer.
pub async fn withdraw(ctx: &Context, pass: &Pass<FacebookChannelStatus>) -> Result<(), Failure> {
    let key = secret_key(&pass.key);
    let Some(secret) = ctx.read(ctx.secrets.metadata(&key)).await?? else { return Ok(()) };
    if owner(&secret, pass) == Owner::Other {
        return Ok(());
    }
    let seen = Preconditions { uid: secret.uid, resource_version: secret.resource_version };
    let params = DeleteParams { preconditions: Some(seen), ..DeleteParams::default() };
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let deletion = async {
        match api.delete(&key.name, &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => answer.map(drop),
        }
    };
    kubernetes("deleting a published Secret", deletion).await?;
    ctx.published.forget(&key);
    Ok(())
}
