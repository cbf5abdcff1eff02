//! The Secret in which a page token is published for a bot that calls Graph itself.

use std::collections::BTreeMap;

use super::channel_secret::{ChannelSecret, Filling};
use super::state::FacebookChannels;
use crate::api::references::{Purpose, published};
use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::AppId;
use crate::base::key::Key;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::{Access, AppSeen};

/// Name of the Secret with the published page token.
pub fn secret_name(channel: &str) -> String {
    format!("facebookchannel-{channel}-page-token")
}

/// The Secret with the published page token of a channel.
pub fn secret_key(channel: &Key) -> Key {
    Key::new(&channel.namespace, secret_name(&channel.name))
}

/// The Secret of a channel.
pub fn secret<'a>(
    channels: &'a FacebookChannels,
    channel: &'a FacebookChannel,
    pass: &'a Pass<FacebookChannelStatus>,
) -> ChannelSecret<'a> {
    ChannelSecret { channels, channel, pass, key: secret_key(&pass.key), purpose: Purpose::PublishedPageToken }
}

/// What is published.
pub fn filling(
    channel: &FacebookChannel,
    pass: &Pass<FacebookChannelStatus>,
    app: &AppSeen,
    access: &Access,
) -> Filling {
    let app_id = app.id().map(AppId::as_str).unwrap_or_default();
    let data = vec![
        (published::TOKEN_KEY, access.token.expose().to_owned()),
        (published::PAGE_ID_KEY, channel.spec.page_id.clone()),
        (published::APP_ID_KEY, app_id.to_owned()),
        (published::GRAPH_VERSION_KEY, access.version.to_string()),
    ];
    let fingerprint = Fingerprint::new(&pass.uid)
        .add("token", access.token.fingerprint(pass.uid.as_str()))
        .add("page", &channel.spec.page_id)
        .add("app", app.id())
        .add("version", access.version)
        .finish();
    Filling { data, fingerprint, annotations: BTreeMap::new() }
}
