//! Who handles the traffic: whether that is known, and the key that the gateway signs events with.

use serde_json::{Value, json};

use super::scene::*;
use crate::api::conditions::ConditionType::{Connected, EndpointReady, Ready};
use crate::api::{EndpointKind, EndpointStatus, ManagementPolicy};
use crate::facebook_channel::decide::decide;
use crate::facebook_channel::model::Content::{Current, Outdated, Touched};
use crate::facebook_channel::model::SecretSeen::{self, Leftover, Missing, Ours, Taken};
use crate::facebook_channel::model::{GatewaySeen, Mutation, ServiceSeen};

const NAME: &str = "facebookchannel-shop-endpoint-key";

fn external(url: &str) -> Value {
    json!({ "external": { "url": url } })
}

fn service(kind: &str) -> Value {
    json!({ kind: { "serviceRef": { "name": "bot", "port": 80 } } })
}

/// A connected channel with this endpoint, behind a gateway, and the Secret with its key.
fn forwarded(endpoint: Value, secret: SecretSeen, change: impl FnOnce(&mut Scene)) -> Scene {
    Scene::with(|scene| {
        scene.channel.spec.endpoint = serde_json::from_value(endpoint).unwrap();
        scene.seen.gateway = GatewaySeen::Forwarding;
        scene.seen.endpoint.key.secret = secret;
        change(scene);
    })
}

#[test]
fn an_endpoint_is_ready_once_it_is_known_and_the_gateway_can_sign_for_it() {
    let two = json!({"direct": {}, "external": {"url": "https://x.example/"}});
    let no_gateway: fn(&mut Scene) = |scene| scene.seen.gateway = GatewaySeen::NotInstalled;
    let without_forwarding = |scene: &mut Scene| scene.seen.gateway = GatewaySeen::WithoutForwarding;
    let seen = |service: ServiceSeen| move |scene: &mut Scene| scene.seen.endpoint.service = service;
    type Change = Box<dyn FnOnce(&mut Scene)>;
    let rows: Vec<(Value, SecretSeen, Change, &str)> = vec![
        (json!({"direct": {}}), Missing, Box::new(no_gateway), "True/EndpointResolved"),
        (external("https://x.example/"), Missing, Box::new(no_gateway), "False/GatewayNotInstalled"),
        (service("bot"), Missing, Box::new(no_gateway), "False/GatewayNotInstalled"),
        (service("chat"), Ours(Current), Box::new(no_gateway), "False/GatewayNotInstalled"),
        (service("bot"), Ours(Current), Box::new(without_forwarding), "False/ForwardingUnavailable"),
        (external("https://x.example/"), Ours(Current), Box::new(|_| ()), "True/EndpointResolved"),
        (service("bot"), Ours(Current), Box::new(seen(ServiceSeen::Found)), "True/EndpointResolved"),
        (service("chat"), Ours(Current), Box::new(seen(ServiceSeen::Found)), "True/EndpointResolved"),
        (service("bot"), Ours(Current), Box::new(seen(ServiceSeen::NotFound)), "False/ServiceNotFound"),
        (service("bot"), Ours(Current), Box::new(seen(ServiceSeen::NoSuchPort)), "False/ServiceNotFound"),
        (service("bot"), Ours(Current), Box::new(seen(ServiceSeen::ExternalName)), "False/EndpointNotAllowed"),
        (external("https://10.0.0.1/"), Ours(Current), Box::new(|_| ()), "False/EndpointNotAllowed"),
        (external("https://2130706433/"), Ours(Current), Box::new(|_| ()), "False/EndpointNotAllowed"),
        (external("https://me:pass@x.example/"), Ours(Current), Box::new(|_| ()), "False/EndpointNotAllowed"),
        (external("https://"), Ours(Current), Box::new(|_| ()), "False/EndpointNotAllowed"),
        (external("https://x.example/"), Taken, Box::new(|_| ()), "False/SecretNameTaken"),
        (two, Missing, Box::new(|_| ()), "False/InvalidSpec"),
        (json!({}), Missing, Box::new(|_| ()), "False/InvalidSpec"),
    ];
    for (endpoint, secret, change, expected) in rows {
        let outcome = forwarded(endpoint, secret, change).decide();
        // The link to Meta stands, whoever handles the traffic.
        outcome.shows(&[(EndpointReady, expected), (Connected, "True/ConnectionVerified")]);
        match expected.strip_prefix("False/") {
            Some("ServiceNotFound") => outcome.reconciling("False/ServiceNotFound"),
            Some(reason) => outcome.stalled(reason),
            None => outcome.shows(&[(Ready, "True/ReconcileSucceeded")]),
        }
    }
}

#[test]
fn the_key_is_written_while_events_are_forwarded_and_deleted_when_the_app_handles_them_itself() {
    use Mutation::{DeleteEndpointKey as Delete, WriteEndpointKey as Write};
    let (outside, direct) = (external("https://x.example/"), json!({"direct": {}}));
    let observed: fn(&mut Scene) = |scene| scene.channel.spec.management_policy = ManagementPolicy::Observe;
    type Row<'a> = (&'a Value, SecretSeen, fn(&mut Scene), Option<Mutation>);
    let rows: [Row<'_>; 17] = [
        (&outside, Missing, |_| (), Some(Write)),
        (&outside, Leftover, |_| (), Some(Write)),
        (&outside, Ours(Outdated), |_| (), Some(Write)),
        (&outside, Ours(Touched), |_| (), Some(Write)),
        (&outside, Ours(Current), |_| (), None),
        (&outside, Taken, |_| (), None),
        (&outside, Missing, |scene| scene.seen.gateway = GatewaySeen::NotInstalled, None),
        (&outside, Missing, |scene| scene.seen.gateway = GatewaySeen::WithoutForwarding, None),
        (&outside, Missing, |scene| scene.seen.asked.endpoint_key = true, None),
        (&outside, Missing, observed, None),
        (&outside, Ours(Outdated), observed, None),
        (&direct, Missing, |_| (), None),
        (&direct, Ours(Current), |_| (), Some(Delete)),
        (&direct, Leftover, |_| (), Some(Delete)),
        (&direct, Taken, |_| (), None),
        (&direct, Ours(Current), observed, None),
        (&direct, Ours(Current), |scene| scene.seen.asked.endpoint_key = true, None),
    ];
    for (endpoint, secret, change, expected) in rows {
        let outcome = forwarded(endpoint.clone(), secret, change).decide();
        assert_eq!(outcome.plan.mutation, expected, "{endpoint} {secret:?}");
    }
}

#[test]
fn while_the_key_is_not_there_the_channel_says_what_it_waits_for() {
    let outside = || external("https://x.example/");
    let written = forwarded(outside(), Missing, |scene| scene.seen.asked.endpoint_key = true).decide();
    written.shows(&[(EndpointReady, "Unknown/Pending")]);
    assert!(written.message(EndpointReady).contains(NAME), "{}", written.message(EndpointReady));
    let observed = forwarded(outside(), Missing, |scene| {
        scene.channel.spec.management_policy = ManagementPolicy::Observe;
    });
    observed.decide().shows(&[(EndpointReady, "False/DriftObserved")]);
}

#[test]
fn a_key_that_was_deleted_is_written_again_without_a_check_at_meta_and_the_gateway_is_told_which_it_is() {
    let connected = forwarded(external("https://x.example/"), Ours(Current), |_| ()).decide();
    let endpoint = connected.status().endpoint.clone();
    let expected =
        EndpointStatus { kind: EndpointKind::External, secret_name: Some(NAME.to_owned()), key_generation: Some(1) };
    assert_eq!(endpoint, Some(expected));

    let mut scene = forwarded(external("https://x.example/"), Missing, |scene| scene.seen.look = false);
    scene.previous = connected.status().clone();
    scene.seen.endpoint.key.generation = 2;
    let deleted = decide(&scene.channel, &scene.previous, &scene.seen, scene.now).unwrap();
    assert_eq!(deleted.mutation, Some(Mutation::WriteEndpointKey));

    scene.seen.endpoint.key.secret = Ours(Current);
    scene.seen.asked.endpoint_key = true;
    let again = decide(&scene.channel, &scene.previous, &scene.seen, scene.now).unwrap();
    assert_eq!(again.mutation, None);
    assert_eq!(again.report.status.endpoint.unwrap().key_generation, Some(2));
    assert_eq!(again.report.status.conditions, scene.previous.conditions);

    scene.previous.endpoint.as_mut().unwrap().key_generation = Some(2);
    scene.seen.asked.endpoint_key = false;
    assert!(decide(&scene.channel, &scene.previous, &scene.seen, scene.now).is_none(), "nothing is left to do");
}

#[test]
fn the_generation_of_the_key_outlives_the_time_in_which_the_app_handles_the_traffic() {
    let mut scene = forwarded(json!({"direct": {}}), Missing, |_| ());
    scene.previous.endpoint = Some(EndpointStatus {
        kind: EndpointKind::External,
        secret_name: Some(NAME.to_owned()),
        key_generation: Some(3),
    });
    let expected = EndpointStatus { kind: EndpointKind::Direct, secret_name: None, key_generation: Some(3) };
    assert_eq!(scene.decide().status().endpoint, Some(expected));
}
