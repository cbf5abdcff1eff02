//! Counts the channels of each application, for its status.

use std::collections::HashMap;
use std::sync::Arc;

use super::kinds::Kinds;
use crate::api::{ChannelCounts, Connection};
use crate::base::key::{Key, KindName};
use crate::meta_app::allowed::Answers;

/// Counts in every period until the shutdown, and wakes the applications whose statuses say something else. That is all a
/// change of channels costs: their own passes wake nobody.
pub(super) async fn run(kinds: Arc<Kinds>) {
    let (ctx, stores) = (&kinds.ctx, &kinds.ctx.cluster.stores);
    while ctx.rest(ctx.policy.count_period).await {
        let (apps, mut answers) = (stores.apps.all(), Answers::new(&kinds.apps));
        let channels = kinds.declared.iter().flat_map(|kind| kind.channels());
        // Who merely names an application is none of its channels.
        let channels = channels.filter(|it| answers.allowed(&it.app, &it.namespace)).map(|it| (it.app, it.connection));
        let counted = count(apps.iter().map(|app| Key::of(&**app)), channels);
        let said = |key: &Key| {
            let app = kinds.apps.get(key)?;
            let status = app.status.as_ref().filter(|status| status.observed_generation >= 0)?;
            Some(status.channels.clone())
        };
        for key in kinds.apps.counts.replace(counted, said) {
            ctx.wakeups.wake(KindName::META_APP, key);
        }
    }
}

/// How many channels each of these applications has, and in what state they are.
fn count(
    apps: impl Iterator<Item = Key>,
    channels: impl Iterator<Item = (Key, Connection)>,
) -> HashMap<Key, ChannelCounts> {
    let mut counted: HashMap<_, _> = apps.map(|app| (app, ChannelCounts::default())).collect();
    for (app, connection) in channels {
        let Some(counts) = counted.get_mut(&app) else { continue };
        counts.total += 1;
        match connection {
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
    use super::*;

    #[test]
    fn each_app_has_the_channels_that_are_connected_through_it() {
        use Connection::{Connected, Disconnected, Expired, Pending};
        let acme = |namespace: &str| Key::new(namespace, "acme");
        let channels = [
            (acme("platform"), Connected),
            (acme("platform"), Connected),
            (acme("platform"), Expired),
            (acme("platform"), Disconnected),
            (acme("platform"), Pending),
            (acme("tenant-b"), Connected),
            (Key::new("tenant-b", "missing"), Connected),
        ];
        let apps = ["platform", "tenant-a", "tenant-b"].map(acme);
        let counted = count(apps.clone().into_iter(), channels.into_iter());
        let counts =
            |total, connected, expired, disconnected| ChannelCounts { total, connected, expired, disconnected };
        assert_eq!(counted[&apps[0]], counts(5, 2, 1, 1));
        assert_eq!(counted[&apps[1]], counts(0, 0, 0, 0), "an app without channels has none");
        assert_eq!(counted[&apps[2]], counts(1, 1, 0, 0));
        assert_eq!(counted.len(), 3, "what is not there is not counted for");
    }
}
