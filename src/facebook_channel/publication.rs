//! The Secret in which a page token is published for a bot that calls Graph itself.

use std::collections::BTreeMap;

use super::channel_secret::{ChannelSecretKind, Filling};
use crate::api::references::{Purpose, published};
use crate::api::{FacebookChannel, FacebookChannelStatus};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::AppId;
use crate::controller::pass::Pass;
use crate::facebook_channel::model::{Access, AppSeen};

/// The Secret with the published page token of a channel.
pub const SECRET: ChannelSecretKind = ChannelSecretKind { suffix: "page-token", purpose: Purpose::PublishedPageToken };

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
