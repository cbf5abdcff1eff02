//! Lends the tokens of a few connected channels, for trying another version of the Graph API before it is used.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::ResourceExt;

use super::credentials::Source;
use super::state::FacebookChannels;
use super::{observe, threads};
use crate::api::{Connection, FacebookChannel, ManagementPolicy};
use crate::base::ids::PageId;
use crate::base::key::Key;
use crate::cluster::error::Failure;
use crate::meta_app::page_reads::{LendsPages, Lent};
use crate::meta_app::seen;

/// How many channels are checked for those whose token is at hand.
const FEW: usize = 5;
/// How many of them lend it.
const LENDERS: usize = 3;

impl LendsPages for FacebookChannels {
    fn lend<'a>(&'a self, app: &'a Key, now: Timestamp) -> BoxFuture<'a, Result<Vec<Lent>, Failure>> {
        lenders(self, app, now).boxed()
    }
}

async fn lenders(channels: &FacebookChannels, app: &Key, now: Timestamp) -> Result<Vec<Lent>, Failure> {
    let mut connected = channels.ctx.cluster.stores.channels.all();
    connected.retain(|channel| lends(channel) && observe::app_key(channels, channel).as_ref() == Some(app));
    // The same ones each time.
    connected.sort_by_key(|channel| Key::of(&**channel));
    let mut lenders = Vec::new();
    for channel in connected.into_iter().take(FEW) {
        match lent(channels, app, &channel, now).await {
            Ok(lent) => lenders.extend(lent),
            // Another one is there for it: no tenant's Secret stops the application.
            Err(Failure::Kubernetes { .. }) => {}
            Err(failure) => return Err(failure),
        }
        if lenders.len() == LENDERS {
            break;
        }
    }
    Ok(lenders)
}

/// Whether a channel is connected, and may be asked about.
fn lends(channel: &FacebookChannel) -> bool {
    let connected = channel.status.as_ref().is_some_and(|status| status.connection == Connection::Connected);
    connected && channel.spec.management_policy != ManagementPolicy::Pause
}

/// The token of a channel, if its namespace may use the application and the token is at hand.
async fn lent(
    channels: &FacebookChannels,
    app: &Key,
    channel: &FacebookChannel,
    now: Timestamp,
) -> Result<Option<Lent>, Failure> {
    let namespace = channel.namespace().unwrap_or_default();
    if seen::look(&channels.apps, Some(app), &namespace).await?.1.is_none() {
        return Ok(None);
    }
    let uid = channel.uid().unwrap_or_default();
    let (seen, token) = Source::of(channels, channel).look(channels, &uid, now).await?;
    let fingerprint = seen.fingerprint().map(ToOwned::to_owned);
    let (page_id, reads_threads) = (PageId::new(&channel.spec.page_id), threads::is_wanted(channel));
    Ok(token.map(|token| Lent { page_id, token, fingerprint, reads_threads }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn channel(connection: &str, policy: &str) -> FacebookChannel {
        let spec = json!({"pageId": "2200000000000001", "managementPolicy": policy, "credentials": {}, "endpoint": {"direct": {}}});
        let mut channel = FacebookChannel::new("shop", serde_json::from_value(spec).unwrap());
        channel.status = Some(serde_json::from_value(json!({"connection": connection})).unwrap());
        channel
    }

    #[test]
    fn only_a_connected_channel_that_may_be_asked_about_lends_its_token() {
        let rows = [
            ("Connected", "Manage", true),
            ("Connected", "Observe", true),
            ("Connected", "Pause", false),
            ("Disconnected", "Manage", false),
        ];
        for (connection, policy, expected) in rows {
            assert_eq!(lends(&channel(connection, policy)), expected, "{connection} {policy}");
        }
    }
}
