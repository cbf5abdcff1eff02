//! The Secret with the key that the gateway signs requests to the endpoint of a channel with. A person gives it to the bot, which
//! takes it for the secret of its app. Whoever deletes the Secret gets another key.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::api::ObjectMeta;

use super::channel_secret::{ChannelSecretKind, Filling};
use super::state::FacebookChannels;
use crate::api::references::{Purpose, endpoint};
use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::base::fingerprint::Fingerprint;
use crate::base::signing_key::ForwardingKey;
use crate::cluster::error::Failure;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::EndpointKeySeen;

/// Under which name its writes are noted: the other Secret of a channel has its own.
pub const WRITE: &str = "endpoint key";

/// Annotation with the generation of the key.
const GENERATION: &str = "metachannels.io/key-generation";

/// The Secret with the key of a channel.
pub const SECRET: ChannelSecretKind = ChannelSecretKind { suffix: "endpoint-key", purpose: Purpose::EndpointKey };

/// Looks at it. `tried` says that it was written in this very pass.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    channels: &FacebookChannels,
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    tried: bool,
) -> Result<EndpointKeySeen, Failure> {
    let wanted = is_wanted(channels, channel);
    let secret = SECRET.of(channels, channel, pass);
    let known = pass.previous.endpoint.as_ref().and_then(|endpoint| endpoint.key_generation);
    let metadata = secret.metadata(wanted).await?;
    let generation = generation(metadata.as_ref(), known);
    let made_of = channels.apps.keyring.forwarding_key();
    let filling = made_of.as_ref().map(|key| filling(key, pass, generation));
    let secret = secret.judge(metadata, filling.as_ref(), tried).await?;
    Ok(EndpointKeySeen { secret, generation, can_be_made: made_of.is_some() })
}

/// Whether requests are to be signed for this channel.
fn is_wanted(channels: &FacebookChannels, channel: &FacebookChannel) -> bool {
    channels.ctx.policy.forwards() && channel.spec.endpoint.kind().is_some_and(|kind| kind.is_forwarded())
}

/// The generation of the key: what its Secret says, or the one after the last if that was deleted.
fn generation(secret: Option<&ObjectMeta>, known: Option<i64>) -> i64 {
    let said = |secret: &ObjectMeta| secret.annotations.as_ref()?.get(GENERATION)?.parse().ok();
    match secret {
        Some(secret) => said(secret).or(known).unwrap_or(1),
        None => known.map_or(1, |known| known.saturating_add(1)),
    }
}

/// What the Secret holds.
pub fn filling(made_of: &ForwardingKey, pass: &Pass<FacebookChannelStatus>, generation: i64) -> Filling {
    let key = made_of.of_endpoint(pass.uid.as_str(), generation);
    // Standard Webhooks has the bytes of the key in Base64.
    let standard = format!("whsec_{}", BASE64_STANDARD.encode(&key));
    let fingerprint = Fingerprint::new(&pass.uid).add("key", &key).finish();
    Filling {
        data: vec![(endpoint::APP_SECRET_KEY, key), (endpoint::STANDARD_WEBHOOKS_KEY, standard)],
        fingerprint,
        annotations: BTreeMap::from([(GENERATION.to_owned(), generation.to_string())]),
    }
}
