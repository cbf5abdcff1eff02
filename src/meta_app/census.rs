//! Counts the channels of each application, for its status.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ChannelCounts, Connection, FacebookChannel};
use crate::engine::sweep::Swept;
use crate::engine::{Context, Key, KindName};
use crate::facebook_channel::FacebookChannelKind;

/// Counts in every period until the shutdown, and wakes the applications whose statuses say something else. That is all a
/// change of channels costs: their own passes wake nobody.
pub async fn run(ctx: Arc<Context>) {
    let period = SignedDuration::try_from(ctx.policy.count_period).unwrap_or(SignedDuration::MAX);
    loop {
        let next = ctx.clock.now().checked_add(period).unwrap_or(Timestamp::MAX);
        if ctx.read(ctx.clock.sleep_until(next)).await.is_err() {
            return;
        }
        let apps: Vec<_> = ctx.apps.iter().flat_map(|store| store.state()).collect();
        let channels = FacebookChannelKind::all(&ctx);
        let counted = count(apps.iter().map(|app| Key::of(&**app)), channels.iter().map(|channel| &**channel));
        let said = |key: &Key| ctx.app(key)?.status.as_ref()?.channels.clone();
        let changed: Vec<_> = counted.iter().filter(|(key, counts)| said(key).as_ref() != Some(counts)).collect();
        let changed: Vec<_> = changed.into_iter().map(|(key, _)| key.clone()).collect();
        ctx.counts.replace(counted);
        changed.into_iter().for_each(|key| ctx.wake(KindName::MetaApp, key));
    }
}

/// How many channels name each of these applications, and in what state they are.
fn count<'a>(
    apps: impl Iterator<Item = Key>,
    channels: impl Iterator<Item = &'a FacebookChannel>,
) -> HashMap<Key, ChannelCounts> {
    let mut counted: HashMap<_, _> = apps.map(|app| (app, ChannelCounts::default())).collect();
    for channel in channels {
        let Some(counts) = counted.get_mut(&FacebookChannelKind::group(channel)) else { continue };
        counts.total += 1;
        match channel.status.as_ref().map(|status| status.connection).unwrap_or_default() {
            Connection::Pending => {}
            Connection::Connected => counts.connected += 1,
            Connection::Expired => counts.expired += 1,
            Connection::Disconnected => counts.disconnected += 1,
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::api::FacebookChannelStatus;

    fn channel(namespace: &str, app: serde_json::Value, connection: Option<Connection>) -> FacebookChannel {
        let spec = json!({
            "pageId": "2200000000000001",
            "credentials": {"pageToken": {"secretRef": {"name": "shop-token"}, "appRef": app}},
            "endpoint": {"direct": {}},
        });
        let mut channel = FacebookChannel::new("shop", serde_json::from_value(spec).unwrap());
        channel.metadata.namespace = Some(namespace.to_owned());
        channel.status = connection.map(|connection| FacebookChannelStatus { connection, ..Default::default() });
        channel
    }

    #[test]
    fn each_app_has_the_channels_that_name_it() {
        use Connection::{Connected, Disconnected, Expired, Pending};
        let there = || json!({"name": "acme", "namespace": "platform"});
        let channels = [
            channel("tenant-a", there(), Some(Connected)),
            channel("tenant-b", there(), Some(Connected)),
            channel("tenant-b", there(), Some(Expired)),
            channel("tenant-b", there(), Some(Disconnected)),
            channel("tenant-b", there(), Some(Pending)),
            channel("tenant-b", there(), None),
            // Without a namespace it is that of the channel.
            channel("platform", json!({"name": "acme"}), Some(Connected)),
            channel("tenant-b", json!({"name": "acme"}), Some(Connected)),
            channel("tenant-b", json!({"name": "missing"}), Some(Connected)),
        ];
        let apps = ["platform", "tenant-a", "tenant-b"].map(|namespace| Key::new(namespace, "acme"));
        let counted = count(apps.clone().into_iter(), channels.iter());
        let counts =
            |total, connected, expired, disconnected| ChannelCounts { total, connected, expired, disconnected };
        assert_eq!(counted[&apps[0]], counts(7, 3, 1, 1));
        assert_eq!(counted[&apps[1]], counts(0, 0, 0, 0), "an app without channels has none");
        assert_eq!(counted[&apps[2]], counts(1, 1, 0, 0));
        assert_eq!(counted.len(), 3, "what is not there is not counted for");
    }
}
