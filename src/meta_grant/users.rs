//! Who relies on a grant.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{CredentialSource, FacebookChannel};
use crate::engine::sweep::Swept;
use crate::engine::{Context, Key, KindName};
use crate::facebook_channel::FacebookChannelKind;

/// The channels that rely on a grant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Users {
    /// How many there are.
    pub channels: usize,
    /// Ids of their pages.
    pub pages: BTreeSet<String>,
}

/// Who relies on a grant now.
pub fn of(ctx: &Context, grant: &Key) -> Users {
    let channels = FacebookChannelKind::all(ctx);
    let relying = channels.iter().filter(|channel| grant_of(channel).as_ref() == Some(grant));
    let pages: Vec<_> = relying.map(|channel| channel.spec.page_id.clone()).collect();
    Users { channels: pages.len(), pages: pages.into_iter().collect() }
}

/// Counts in every period until the shutdown, and wakes the grants whose statuses say something else, so that they follow at
/// a bounded rate, however many channels come and go.
pub async fn run(ctx: Arc<Context>) {
    while ctx.rest(ctx.policy.count_period).await {
        let channels = FacebookChannelKind::all(&ctx);
        let counted = count(channels.iter().filter_map(|channel| grant_of(channel)));
        for grant in ctx.grant_objects.all() {
            let key = Key::of(&*grant);
            let said = grant.status.as_ref().map(|status| status.channels);
            // One that was not looked at yet counts when it is.
            if said.is_some_and(|said| said != counted.get(&key).copied().unwrap_or_default()) {
                ctx.wake(KindName::MetaGrant, key);
            }
        }
    }
}

/// How many of these channels rely on each grant.
fn count(grants: impl Iterator<Item = Key>) -> HashMap<Key, i64> {
    let mut counted = HashMap::new();
    for grant in grants {
        *counted.entry(grant).or_default() += 1;
    }
    counted
}

/// The grant that a channel relies on, if it does.
fn grant_of(channel: &FacebookChannel) -> Option<Key> {
    let Some(CredentialSource::Grant(grant)) = channel.spec.credentials.source() else { return None };
    Some(Key::new(channel.namespace().unwrap_or_default(), &grant.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn channel(namespace: &str, credentials: &serde_json::Value) -> FacebookChannel {
        let spec = json!({"pageId": "2200000000000001", "credentials": credentials, "endpoint": {"direct": {}}});
        let mut channel = FacebookChannel::new("shop", serde_json::from_value(spec).unwrap());
        channel.metadata.namespace = Some(namespace.to_owned());
        channel
    }

    #[test]
    fn a_grant_is_relied_on_by_channels_of_its_own_namespace() {
        let by_grant = json!({"grantRef": {"name": "acme"}});
        let by_token = json!({"pageToken": {"secretRef": {"name": "x"}, "appRef": {"name": "acme"}}});
        let channels =
            [channel("a", &by_grant), channel("a", &by_grant), channel("b", &by_grant), channel("a", &by_token)];
        let counted = count(channels.iter().filter_map(grant_of));
        assert_eq!(counted, HashMap::from([(Key::new("a", "acme"), 2), (Key::new("b", "acme"), 1)]));
    }
}
