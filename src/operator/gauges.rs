//! Gauges about objects: the state of every channel and application, read from the stores during a scrape. Nothing is kept for
//! them: they cost nothing between scrapes, are never out of date, and disappear with their objects. A follower has none.

use std::fmt;
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use kube::core::ObjectMeta;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::kinds::Kinds;
use super::registered::Readiness;
use crate::api::conditions::{ConditionType, find};
use crate::api::outcome::Class;
use crate::api::{FacebookChannel, MetaGrant, Reason};
use crate::base::key::{Key, KindName};
use crate::controller::reconciler::Reconciler;

/// What the gauges are read from.
#[derive(Debug)]
pub(super) struct Gauges {
    /// Gone once the operator has ended.
    kinds: Weak<Kinds>,
    /// Since when this instance has led.
    since: Timestamp,
}

impl Gauges {
    /// Gauges about what this context holds; the lease has just been won.
    pub(super) fn of(kinds: &Arc<Kinds>) -> Self {
        Self { kinds: Arc::downgrade(kinds), since: kinds.ctx.clock.now() }
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(kinds) = self.kinds.upgrade() else { return Ok(()) };
        let channels = kinds.ctx.cluster.stores.channels.all();
        let grants = kinds.ctx.cluster.stores.grants.all();
        let ready: Vec<_> = kinds.declared.iter().flat_map(|kind| kind.readiness()).collect();
        let ready = ready.iter().map(sample);
        family(&mut encoder, "ready", "1 if an object is Ready, else 0; the reason says why", ready)?;
        let connections = channels.iter().map(|channel| {
            let connection = channel.status.as_ref().map(|status| status.connection).unwrap_or_default();
            ((object(&channel.metadata), [("connection", connection.as_str())]), 1.0)
        });
        family(&mut encoder, "channel_connection", "1 for the state that a channel is in", connections)?;
        let expires = |grant: &MetaGrant| end(grant.status.as_ref()?.expires.as_ref());
        let ends = grants.iter().filter_map(|grant| Some((object(&grant.metadata), expires(grant)?)));
        family(
            &mut encoder,
            "grant_expiry_timestamp_seconds",
            "Time at which the authorization of a grant ends",
            ends,
        )?;
        let failing = grants.iter().filter_map(|grant| Some((object(&grant.metadata), renewal_failing(grant)?)));
        let help = "1 while the token of a grant cannot be renewed, else 0";
        family(&mut encoder, "grant_renewal_failing", help, failing)?;
        let expires = |channel: &FacebookChannel| end(channel.status.as_ref()?.expires.as_ref());
        let ends = channels.iter().filter_map(|channel| Some((object(&channel.metadata), expires(channel)?)));
        family(
            &mut encoder,
            "channel_expiry_timestamp_seconds",
            "Time at which the authorization of a channel ends",
            ends,
        )?;
        let ages = channels.iter().filter(|channel| is_asked_about(channel)).map(|channel| self.age(&kinds, channel));
        let longest = ([("kind", KindName::FACEBOOK_CHANNEL.as_str())], ages.fold(0.0, f64::max));
        let help = "Age of the oldest answer about any channel that is checked in every period";
        family(&mut encoder, "longest_unverified_seconds", help, [longest])?;
        let tenures = kinds.ctx.cluster.namespaces.tenures();
        let refused = tenures.iter().filter_map(|(namespace, tenure)| {
            let refusal = tenure.verdict.as_ref()?.as_ref().err()?;
            Some(([("namespace", namespace.as_str()), ("reason", refusal.as_str())], 1.0))
        });
        let help = "1 for each watched namespace in which the operator does nothing because it is not bound to this release or cannot be read";
        family(&mut encoder, "namespaces_refused", help, refused)?;
        let surplus = kinds.ctx.cluster.surplus.counts();
        let ours = surplus.iter().filter(|(_, namespace, _)| kinds.ctx.cluster.is_ours(namespace));
        let surplus = ours.map(|(kind, namespace, count)| {
            let count = u32::try_from(*count).unwrap_or(u32::MAX);
            ([("kind", *kind), ("namespace", namespace.as_str())], f64::from(count))
        });
        let help = "Objects of a namespace beyond --max-objects-per-namespace, for which the operator does nothing";
        family(&mut encoder, "surplus_objects", help, surplus)
    }
}

impl Gauges {
    /// How long ago everything was answered that was asked about a channel. What was answered before this instance led is
    /// not known.
    fn age(&self, kinds: &Kinds, channel: &FacebookChannel) -> f64 {
        let uid = channel.metadata.uid.as_deref().unwrap_or_default();
        let answered = kinds.channels.states().answered_at(&Key::of(channel), uid);
        let made = channel.metadata.creation_timestamp.as_ref().map_or(Timestamp::MIN, |made| made.0);
        kinds.ctx.clock.now().duration_since(answered.unwrap_or(self.since.max(made))).as_secs_f64()
    }
}

type Label<'a> = (&'static str, &'a str);
type Pair<'a> = [Label<'a>; 2];

fn object(metadata: &ObjectMeta) -> Pair<'_> {
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    [("namespace", namespace.unwrap_or_default()), ("name", name.unwrap_or_default())]
}

fn sample(of: &Readiness) -> ((Pair<'_>, Pair<'_>), f64) {
    let object = [("namespace", of.of.namespace.as_str()), ("name", of.of.name.as_str())];
    let labels = (object, [("kind", of.kind.as_str()), ("reason", of.reason.as_str())]);
    (labels, if of.ready { 1.0 } else { 0.0 })
}

/// When an authorization ends, or ended.
fn end(expires: Option<&String>) -> Option<f64> {
    let end: Timestamp = expires?.parse().ok()?;
    Some(end.as_duration().as_secs_f64())
}

/// What Renewed says of a grant; nothing where it is not known, as of what is not renewed at all.
fn renewal_failing(grant: &MetaGrant) -> Option<f64> {
    let renewed = find(&grant.status.as_ref()?.conditions, ConditionType::Renewed)?;
    match renewed.status.as_str() {
        "True" => Some(0.0),
        "False" => Some(1.0),
        _ => None,
    }
}

/// Whether Meta is asked about a channel in every period: not about one that is paused, waits for something in the cluster, is
/// known to be broken, or is disconnected as declared.
fn is_asked_about(channel: &FacebookChannel) -> bool {
    let conditions = channel.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let reason = find(conditions, ConditionType::Ready).and_then(|ready| Reason::parse(&ready.reason));
    let class = reason.map_or(Class::Settled, Class::from);
    let seldom = matches!(
        class,
        Class::Paused | Class::Waiting | Class::WithoutEffect | Class::Reauthorize | Class::AppBroken | Class::Terminal
    );
    !seldom && !channel.spec.parts()
}

fn family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
