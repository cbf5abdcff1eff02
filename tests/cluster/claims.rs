//! One page, one owner: who gets a claim, who does not, and who takes it over.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use meta_channel_operator::api::AssetClaim;
use testkit::sandbox::LedgerEntry;
use testkit::wait_for;

use crate::support::env::*;
use crate::support::fixtures::*;
use crate::support::grant_fixtures::{ACCOUNTS, PERSON, grant_token};
use crate::support::observe::*;
use crate::support::release_binding::{bind_all, put_another_app};

fn claim_name(page: &str) -> String {
    format!("facebook-page-{page}")
}

/// Deletes a channel and waits until it is gone.
async fn delete(env: &Env, namespace: &str, name: &str) -> Result<()> {
    env.channels(namespace).delete(name, &DeleteParams::default()).await?;
    wait_for("the channel to be gone", PATIENCE, async || {
        ensure!(env.channels(namespace).get_opt(name).await?.is_none());
        Ok(())
    })
    .await
}

async fn holder(env: &Env, page: &str) -> Result<AssetClaim> {
    let name = claim_name(page);
    env.claims().get_opt(&name).await?.with_context(|| format!("there is no claim {name}"))
}

/// Everybody who held the claim on a page since this version of the list of claims.
async fn holders_since(env: &Env, page: &str, version: &str) -> Result<BTreeSet<String>> {
    let only = WatchParams::default().fields(&format!("metadata.name={}", claim_name(page))).timeout(2);
    let events: Vec<_> = env.claims().watch(&only, version).await?.boxed().try_collect().await?;
    let holders = events.into_iter().map(|event| match event {
        WatchEvent::Added(claim) | WatchEvent::Modified(claim) | WatchEvent::Deleted(claim) => {
            Ok(format!("{}/{}", claim.spec.holder.namespace, claim.spec.holder.name))
        }
        other => anyhow::bail!("the history of the claims is not complete: {other:?}"),
    });
    holders.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_namespace_is_refused_and_never_touched() -> Result<()> {
    let env = Env::seeded(|seed| seed.tokens.push(page_token("rival", PAGE_A, ""))).await?;
    let operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True"]).await?;
    env.put_channel(&env.tenant_b, "copy", PAGE_A, &text("rival")).await?;
    let refused = [
        "Ready=False/ClaimedElsewhere",
        "Claimed=False/ClaimedElsewhere",
        "Stalled=True",
        "!Reconciling",
        "Authorized=True",
        "Connected=False",
        "Expired=False",
        "Disconnected=True/ClaimedElsewhere",
        "Subscribed=Unknown",
    ];
    let copy = env.channel_is(&env.tenant_b, "copy", &refused).await?;
    let status = copy.status.clone().unwrap();
    assert_eq!(status.claim_name, None);
    let message = &status.conditions.iter().find(|it| it.type_ == "Claimed").unwrap().message;
    assert!(message.contains(&env.tenant_a) && message.contains("Delete this channel"), "{message}");

    // Neither a slot nor the end of the other's channel changes that: the claim outlives it.
    advance_and_pass(&env, &operator, 125, "FacebookChannel", 2).await?;
    delete(&env, &env.tenant_a, "shop").await?;
    env.request_look(&env.tenant_b, "copy", "now").await?;
    // The first and the requested one: a slot in between asks nothing about a token that is known to be good.
    wait_for("two looks at the token", PATIENCE, async || {
        ensure!(made_about(&env, "rival").len() >= 2);
        Ok(())
    })
    .await?;
    env.channel_is(&env.tenant_b, "copy", &refused).await?;
    assert!(made_about(&env, "rival").iter().all(|it| it.template.as_deref() == Some("/{version}/debug_token")));
    assert_eq!(made_with(&env, "rival"), []);
    assert_eq!(holder(&env, PAGE_A).await?.spec.holder.namespace, env.tenant_a);
    warned(&env, &env.tenant_b, &["copy ClaimedElsewhere"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_cover_the_page_gets_no_claim_though_it_comes_first() -> Result<()> {
    let limited = "{scope: pages_messaging, target_ids: [2200000000000002]}";
    let narrow = page_token("narrow", PAGE_A, &format!(", granular_scopes: [{limited}]"));
    let env = Env::seeded(|seed| seed.tokens.push(narrow)).await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channels(&env.tenant_b, &[("wrong", PAGE_A, TOKEN_B), ("narrow", PAGE_A, &text("narrow"))]).await?;
    env.channel_is(&env.tenant_b, "wrong", &["Authorized=False/WrongPage", "Claimed=Unknown/CredentialUnverified"])
        .await?;
    env.channel_is(&env.tenant_b, "narrow", &["Authorized=False/NotInGrant", "Claimed=Unknown/CredentialUnverified"])
        .await?;
    assert_eq!(env.claims().get_opt(&claim_name(PAGE_A)).await?, None);
    env.put_channel(&env.tenant_a, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(&env.tenant_a, "shop", &["Ready=True", "Claimed=True"]).await?;
    assert_eq!(holder(&env, PAGE_A).await?.spec.holder.namespace, env.tenant_a);
    assert_eq!(made_with(&env, "narrow").len() + made_with(&env, "page-b").len(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_channels_in_a_namespace_one_holds_the_page_and_one_succeeds_it() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    let namespace = &env.tenant_a;
    env.put_channel(namespace, "first", PAGE_A, TOKEN_A).await?;
    env.channel_is(namespace, "first", &["Ready=True"]).await?;
    let later = ["second", "third", "fourth", "fifth"];
    env.put_channels(namespace, &later.map(|name| (name, PAGE_A, TOKEN_A))).await?;
    for name in later {
        let channel = env
            .channel_is(namespace, name, &["Ready=False/DuplicateInNamespace", "Stalled=True", "Disconnected=True"])
            .await?;
        let message = sentence(&channel.status.unwrap().conditions).unwrap().to_owned();
        assert!(message.contains("FacebookChannel first"), "{message}");
    }

    let mut living = later.to_vec();
    let mut holding = "first".to_owned();
    for succession in 1.. {
        delete(&env, namespace, &holding).await?;
        living.retain(|name| **name != holding);
        if living.is_empty() {
            break;
        }
        let claim = wait_for("a successor", PATIENCE, async || {
            let claim = holder(&env, PAGE_A).await?;
            ensure!(claim.spec.holder.name != holding);
            Ok(claim)
        })
        .await?;
        holding = claim.spec.holder.name.clone();
        env.channel_is(namespace, &holding, &["Ready=True", "Claimed=True"]).await?;
        for name in living.iter().filter(|name| **name != holding) {
            // It may still name the one before.
            wait_for(&format!("{name} to name {holding}"), PATIENCE, async || {
                let channel = env.channel_is(namespace, name, &["Ready=False/DuplicateInNamespace"]).await?;
                let message = sentence(&channel.status.unwrap().conditions).unwrap().to_owned();
                ensure!(message.contains(&format!("FacebookChannel {holding} ")), "{message}");
                Ok(())
            })
            .await?;
        }
        // It changed hands once: no two of those who waited took it from one another.
        assert_eq!(holder(&env, PAGE_A).await?.metadata.generation, Some(1 + succession));
    }
    // The page was subscribed all the time, so there was one write only.
    assert_eq!(env.requests("POST", PAGE_ROWS).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_deleted_and_made_anew_gets_its_page_back() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    let namespace = &env.tenant_a;
    env.put_channel(namespace, "shop", PAGE_A, TOKEN_A).await?;
    env.channel_is(namespace, "shop", &["Ready=True"]).await?;
    let claim = holder(&env, PAGE_A).await?;
    let mut last = "shop";
    for name in ["boutique", "boutique"] {
        delete(&env, namespace, last).await?;
        env.put_channel(namespace, name, PAGE_A, TOKEN_A).await?;
        let channel = env.channel_is(namespace, name, &["Ready=True"]).await?;
        let adopted = holder(&env, PAGE_A).await?;
        assert_eq!(adopted.uid(), claim.uid(), "the claim was kept, not made anew");
        assert_eq!(Some(&adopted.spec.holder.uid), channel.uid().as_ref());
        assert_eq!(adopted.spec.holder.name, name);
        last = name;
    }
    warned(&env, namespace, &[""; 0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_channels_at_once_under_two_operators_exactly_one_gets_the_page() -> Result<()> {
    crowd(6, &["one", "two"], false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_namespaces_of_two_releases_exactly_one_gets_the_page() -> Result<()> {
    crowd(20, &["one"], true).await
}

/// Has so many namespaces declare page A at once, each by channels of these names and with a token of its own, under two
/// operators. They are of one release and watch all of it, or each of a release with half of the namespaces and a MetaApp of its own.
async fn crowd(count: usize, names: &[&str], apart: bool) -> Result<()> {
    let env = Env::seeded(|seed| {
        seed.tokens.extend((0..count).map(|number| page_token(&format!("tenant-{number}"), PAGE_A, "")));
    })
    .await?;
    let tenants: Vec<_> = (0..count).map(|number| format!("{}-{number}", env.tenant_a)).collect();
    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    for name in &tenants {
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
    }
    bind_all(&env.client, &tenants, &env.release).await?;
    env.put_app().await?;
    let (ours, theirs) = if apart { tenants.split_at(count / 2) } else { (&tenants[..], &tenants[..]) };
    let home = if apart { &env.tenant_b } else { &env.platform };
    if apart {
        put_another_app(&env, home).await?;
    }
    let mut manifests = Vec::new();
    for (number, namespace) in tenants.iter().enumerate() {
        for name in names {
            env.put_token(namespace, name, &text(&format!("tenant-{number}"))).await?;
            let manifest = env.channel_manifest(namespace, name, PAGE_A);
            manifests.push(if ours.contains(namespace) { manifest } else { manifest.replace(&env.platform, home) });
        }
    }
    env.apply(&manifests.join("---\n")).await?;
    let unclaimed = env.claims().list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    // Both begin with everything there, so that all channels of both try at the same time.
    let _operators = [(ours, &env.platform), (theirs, home)].map(|(tenants, home)| {
        env.operator_with(|operator| {
            operator.client = env.client.clone();
            operator.instance = format!("of {}", tenants[0]);
            operator.scopes = tenants.iter().chain([home]).cloned().collect();
        })
    });

    let outcomes = wait_for("an outcome for each", PATIENCE, async || {
        let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for namespace in &tenants {
            for channel in env.channels(namespace).list(&Default::default()).await? {
                let conditions = channel.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
                let ready = shown(conditions).into_iter().next().unwrap_or_default();
                let settled = [
                    "Ready=True/ReconcileSucceeded",
                    "Ready=False/ClaimedElsewhere",
                    "Ready=False/DuplicateInNamespace",
                ];
                ensure!(settled.contains(&ready.as_str()), "{namespace} {} is {ready}", channel.name_any());
                outcomes.entry(ready).or_default().push(format!("{namespace}/{}", channel.name_any()));
            }
        }
        Ok(outcomes)
    })
    .await?;
    let winner = &outcomes["Ready=True/ReconcileSucceeded"];
    let claim = holder(&env, PAGE_A).await?;
    assert_eq!(winner, &[format!("{}/{}", claim.spec.holder.namespace, claim.spec.holder.name)]);
    let others = |reason: &str| outcomes.get(&format!("Ready=False/{reason}")).map_or(0, Vec::len);
    assert_eq!(others("DuplicateInNamespace"), names.len() - 1);
    assert_eq!(others("ClaimedElsewhere"), (count - 1) * names.len());
    let holders = holders_since(&env, PAGE_A, &unclaimed).await?;
    assert_eq!(holders, winner.iter().cloned().collect(), "nobody took it from someone else");
    for (number, namespace) in tenants.iter().enumerate() {
        let used = !made_with(&env, &format!("tenant-{number}")).is_empty();
        assert_eq!(used, *namespace == claim.spec.holder.namespace, "{namespace}");
    }
    let alias = |it: LedgerEntry| it.token.and_then(|it| it.alias);
    let subscribers: BTreeSet<_> = env.requests("POST", PAGE_ROWS).into_iter().map(alias).collect();
    assert_eq!(subscribers.len(), 1, "{subscribers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_refused_grant_only_what_it_covers_is_asked_and_nothing_about_the_page() -> Result<()> {
    let env = Env::seeded(|seed| {
        seed.tokens.push(page_token("rival", PAGE_A, ""));
        seed.tokens.push(grant_token("grant", "user", PERSON, ", issued_at: -1d, expires_at: +59d"));
    })
    .await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.put_channel(&env.tenant_b, "shop", PAGE_A, &text("rival")).await?;
    env.channel_is(&env.tenant_b, "shop", &["Ready=True"]).await?;
    env.sandbox.clear_ledger();
    env.put_grant(&text("grant"), "{}").await?;
    let channel = env.channel_manifest(&env.tenant_a, "copy", PAGE_A);
    let (head, tail) = channel.split_once("    pageToken:").unwrap();
    let tail = tail.split_once("  endpoint:").unwrap().1;
    env.apply(&format!("{head}    grantRef: {{name: acme}}\n  endpoint:{tail}")).await?;
    env.channel_is(&env.tenant_a, "copy", &["Ready=False/ClaimedElsewhere", "Authorized=True"]).await?;
    env.request_look(&env.tenant_a, "copy", "now").await?;
    env.grant_is(&["Ready=True"]).await?;
    let templates = |requests: Vec<LedgerEntry>| {
        let templates = requests.into_iter().filter_map(|it| it.template);
        templates.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(templates(made_about(&env, "grant")), ["/{version}/debug_token"]);
    assert_eq!(templates(made_with(&env, "grant")), [ACCOUNTS]);
    assert_eq!(env.writes(), []);
    // Everything else was made by the holder, or with the app token alone.
    let about_pages = env.sandbox.ledger().into_iter().filter(|it| it.path.contains(PAGE_A));
    let strangers: Vec<_> = about_pages
        .filter(|it| it.token.as_ref().and_then(|it| it.alias.as_deref()) != Some("rival"))
        .map(|it| it.path)
        .collect();
    assert_eq!(strangers, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_apps_with_one_id_the_second_manages_the_webhook_once_the_first_gave_it_up() -> Result<()> {
    let env = Env::new().await?;
    let _operator = env.operator();
    env.put_app().await?;
    env.app_is(&["Ready=True"]).await?;
    // A gateway that is not told of the app in time has the first try refused.
    env.sandbox.clear_ledger();
    let twin = |more: &str| env.app_manifest_with(more).replace("name: acme,", "name: twin,");
    let twin_is = async |expected: &str| {
        wait_for(&format!("twin to be {expected}"), PATIENCE, async || {
            let conditions = env.apps().get("twin").await?.status.context("no status")?.conditions;
            ensure!(shown(&conditions).first().is_some_and(|it| it == expected), "{:?}", shown(&conditions));
            Ok(sentence(&conditions).context("no conditions")?.to_owned())
        })
        .await
    };
    env.apply(&twin("webhook: {}")).await?;
    let message = twin_is("Ready=False/DuplicateInNamespace").await?;
    assert!(message.contains("MetaApp acme") && message.contains("Remove spec.webhook"), "{message}");
    assert_eq!(env.requests("POST", APP_ROWS).len(), 0);

    // As the message says. The callback at Meta is still the first one's, so it is not simply replaced.
    env.apply(&env.app_manifest_with("audience: Everyone")).await?;
    let message = twin_is("Ready=False/ForeignCallback").await?;
    let found = format!("https://hooks.example.com/webhooks/{}/acme", env.platform);
    assert!(message.contains(&found), "{message}");
    env.apply(&twin(&format!("webhook: {{takeOverFrom: '{found}'}}"))).await?;
    twin_is("Ready=True/ReconcileSucceeded").await?;
    assert_eq!(env.requests("POST", APP_ROWS).len(), 1);
    env.app_is(&["Ready=True"]).await?;
    Ok(())
}
