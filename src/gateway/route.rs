//! Where the events of one channel go, as its object says.

use reqwest::Url;
use sha2::{Digest, Sha256};
use webhook_forwarder::address::Reach;
use webhook_forwarder::delivery::{Endpoint, SigningKey};
use webhook_forwarder::event::{ChannelId, EventKind};

use crate::api::{FacebookChannel, ServiceReference};
use crate::base::ids::Uid;
use crate::base::signing_key::ForwardingKey;

/// The most events that one request carries while there is a backlog.
const MOST: usize = 16;

/// Where the events of a channel go, and which.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) struct Route {
    pub(in crate::gateway) channel: ChannelId,
    uid: Uid,
    target: Target,
    /// Which of its keys the bot was told; `None` while it was told none.
    key_generation: Option<i64>,
    standby: bool,
    changes: bool,
    cloud_events: bool,
    max_events: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    External(String),
    Service { namespace: String, service: ServiceReference },
}

impl Route {
    /// The route of a channel whose events are forwarded.
    pub(in crate::gateway) fn of(channel: &FacebookChannel) -> Option<Self> {
        let endpoint = &channel.spec.endpoint;
        endpoint.kind().filter(|kind| kind.is_forwarded())?;
        let target = match (&endpoint.external, endpoint.service()) {
            (Some(external), _) => Target::External(external.url.clone()),
            (None, service) => {
                let namespace = channel.metadata.namespace.clone()?;
                Target::Service { namespace, service: service?.clone() }
            }
        };
        let delivery = endpoint.delivery.clone().unwrap_or_default();
        let uid = Uid::of(channel);
        Some(Self {
            channel: id_of(&uid),
            uid,
            target,
            key_generation: channel.status.as_ref().and_then(|status| status.endpoint.as_ref()?.key_generation),
            standby: delivery.standby,
            changes: delivery.changes,
            cloud_events: delivery.cloud_events,
            max_events: usize::try_from(delivery.max_events).unwrap_or(1).clamp(1, MOST),
        })
    }

    /// Whether events of this kind are forwarded.
    pub(in crate::gateway) fn wants(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Messaging => true,
            EventKind::Standby => self.standby,
            EventKind::Change => self.changes,
        }
    }

    /// The endpoint, once the bot was told the key; keys are made of this one.
    pub(in crate::gateway) fn endpoint(&self, made_of: &ForwardingKey, cluster_domain: &str) -> Option<Endpoint> {
        let (url, reach) = match &self.target {
            Target::External(url) => (url.clone(), Reach::External),
            Target::Service { namespace, service: ServiceReference { name, port, path } } => {
                // With a dot at its end the name is whole, and no other is tried.
                (format!("http://{name}.{namespace}.svc.{cluster_domain}.:{port}{path}"), Reach::Service)
            }
        };
        let key = made_of.of_endpoint(self.uid.as_str(), self.key_generation?);
        Some(Endpoint {
            url: Url::parse(&url).ok()?,
            reach,
            key: SigningKey::new(&key),
            max_batch: self.max_events,
            cloud_events: self.cloud_events,
        })
    }
}

/// UIDs are as long as the API server makes them.
fn id_of(uid: &Uid) -> ChannelId {
    let hash: [u8; 32] = Sha256::digest(uid.as_str()).into();
    ChannelId(hash.into_iter().take(16).fold(0, |id, byte| id << 8 | u128::from(byte)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn channel(uid: &str, endpoint: Value, status: Value) -> FacebookChannel {
        serde_json::from_value(json!({
            "metadata": {"name": "shop", "namespace": "tenant-a", "uid": uid},
            "spec": {"pageId": "2200000000000001", "credentials": {"grantRef": {"name": "acme"}}, "endpoint": endpoint},
            "status": status,
        }))
        .unwrap()
    }

    fn key() -> ForwardingKey {
        ForwardingKey::parse("07".repeat(32).as_bytes()).unwrap()
    }

    fn told() -> Value {
        json!({"endpoint": {"kind": "External", "keyGeneration": 1}})
    }

    #[test]
    fn an_endpoint_is_the_declared_url_or_the_service_of_the_channels_own_namespace() {
        let external = channel("u", json!({"external": {"url": "https://bot.example.com/hook?a=b"}}), told());
        let external = Route::of(&external).unwrap().endpoint(&key(), "cluster.local").unwrap();
        assert_eq!((external.url.as_str(), external.reach), ("https://bot.example.com/hook?a=b", Reach::External));
        for kind in ["bot", "chat"] {
            let service = json!({kind: {"serviceRef": {"name": "shop-bot", "port": 8080, "path": "/hook"}}});
            let service =
                Route::of(&channel("u", service, told())).unwrap().endpoint(&key(), "example.internal").unwrap();
            let url = "http://shop-bot.tenant-a.svc.example.internal.:8080/hook";
            assert_eq!((service.url.as_str(), service.reach), (url, Reach::Service));
        }
        assert_eq!(Route::of(&channel("u", json!({"direct": {}}), told())), None);
        assert_eq!(Route::of(&channel("u", json!({}), told())), None);
    }

    #[test]
    fn nothing_is_sent_before_the_bot_was_told_the_key() {
        let endpoint = json!({"external": {"url": "https://bot.example.com/"}});
        let untold = Route::of(&channel("u", endpoint, json!({"endpoint": {"kind": "External"}}))).unwrap();
        assert!(untold.endpoint(&key(), "cluster.local").is_none());
    }

    #[test]
    fn channels_are_told_apart_by_their_uids() {
        let id = |uid: &str| id_of(&uid.into());
        assert_eq!(id("u1"), id("u1"));
        assert_ne!(id("u1"), id("u2"));
    }

    #[test]
    fn standby_and_changes_are_forwarded_where_that_is_declared() {
        let wants = |delivery: Value| {
            let endpoint = json!({"external": {"url": "https://bot.example.com/"}, "delivery": delivery});
            let route = Route::of(&channel("u", endpoint, told())).unwrap();
            [EventKind::Messaging, EventKind::Standby, EventKind::Change].map(|kind| route.wants(kind))
        };
        assert_eq!(wants(json!({})), [true, false, false]);
        assert_eq!(wants(json!({"standby": true})), [true, true, false]);
        assert_eq!(wants(json!({"changes": true})), [true, false, true]);
    }
}
