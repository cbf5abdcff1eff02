//! Who relies on a grant.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube::ResourceExt;

use super::model::{GrantDependents, SourceTokenSeen, TokenSecretSeen};
use super::state::MetaGrants;
use crate::api::conditions::{ConditionType, find};
use crate::api::reasons::Actor;
use crate::api::{CredentialSource, FacebookChannel, Reason};
use crate::base::ids::PageId;
use crate::base::key::{Key, KindName};

/// Who relies on a grant now.
pub fn of(grants: &MetaGrants, grant: &Key) -> GrantDependents {
    let channels = grants.ctx.cluster.stores.channels.all();
    let relying: Vec<_> = channels.iter().filter(|channel| grant_of(channel).as_ref() == Some(grant)).collect();
    let pages: Vec<_> = relying.iter().map(|channel| PageId::new(&channel.spec.page_id)).collect();
    let broken = relying.iter().filter(|it| is_broken(it)).map(|channel| PageId::new(&channel.spec.page_id)).collect();
    let told = !pages.is_empty() || grants.counts.of(grant).is_some();
    let channels = told.then(|| i64::try_from(pages.len()).unwrap_or(i64::MAX));
    GrantDependents { channels, pages: pages.into_iter().collect(), broken }
}

/// The pages in use, if a source token is evaluated by them that is another one than that of the token in use.
pub fn evaluated_by<'a>(
    source_token: &SourceTokenSeen,
    token_secret: &TokenSecretSeen,
    dependents: &'a GrantDependents,
) -> Option<&'a BTreeSet<PageId>> {
    let (SourceTokenSeen::Present { fingerprint }, TokenSecretSeen::Present { source_token, .. }) =
        (source_token, token_secret)
    else {
        return None;
    };
    (source_token != fingerprint).then_some(&dependents.pages)
}

/// Counts in every period until the shutdown, and wakes the grants whose statuses say something else, so that they follow at
/// a bounded rate, however many channels come and go.
pub async fn run(grants: Arc<MetaGrants>) {
    while grants.ctx.rest(grants.ctx.policy.count_period).await {
        let stores = &grants.ctx.cluster.stores;
        let (channels, all) = (stores.channels.all(), stores.grants.all());
        let counted = count(all.iter().map(|grant| Key::of(&**grant)), channels.iter().filter_map(|it| grant_of(it)));
        let said = |key: &Key| {
            let grant = grants.get(key)?;
            let status = grant.status.as_ref().filter(|status| status.observed_generation >= 0)?;
            Some(status.channels)
        };
        for key in grants.counts.replace(counted, said) {
            grants.ctx.wakeups.wake(KindName::META_GRANT, key);
        }
    }
}

/// How many channels rely on each of these grants; `named` are those that channels name.
fn count(grants: impl Iterator<Item = Key>, named: impl Iterator<Item = Key>) -> HashMap<Key, i64> {
    let mut counted: HashMap<_, _> = grants.map(|grant| (grant, 0)).collect();
    for grant in named {
        let Some(count) = counted.get_mut(&grant) else { continue };
        *count += 1;
    }
    counted
}

/// Whether a channel lacks what the grant is to give it, or is refused with it, and says so of itself.
pub fn is_broken(channel: &FacebookChannel) -> bool {
    let conditions = channel.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let reason = find(conditions, ConditionType::Authorized).and_then(|it| Reason::parse(&it.reason));
    reason.is_some_and(|reason| reason.actor() == Actor::Person)
}

/// The grant that a channel relies on, if it does.
pub fn grant_of(channel: &FacebookChannel) -> Option<Key> {
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
    fn a_channel_is_broken_that_says_so_of_itself_and_not_of_its_grant() {
        let rows = [
            ("False", "RoleLost", true),
            ("False", "NotInGrant", true),
            ("False", "PasswordChanged", true),
            ("Unknown", "TokenRefused", true),
            ("True", "TokenValid", false),
            ("False", "GrantNotReady", false),
            ("Unknown", "GrantNotReady", false),
            ("Unknown", "GraphUnavailable", false),
        ];
        for (status, reason, expected) in rows {
            let mut channel = channel("a", &json!({"grantRef": {"name": "acme"}}));
            assert!(!is_broken(&channel), "nothing is known");
            let authorized = json!({
                "type": "Authorized", "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-03-01T12:00:00Z",
            });
            let status = json!({"observedGeneration": 1, "conditions": [authorized]});
            channel.status = Some(serde_json::from_value(status).unwrap());
            assert_eq!(is_broken(&channel), expected, "{reason}");
        }
    }

    #[test]
    fn a_grant_is_relied_on_by_channels_of_its_own_namespace() {
        let by_grant = json!({"grantRef": {"name": "acme"}});
        let by_token = json!({"pageToken": {"secretRef": {"name": "x"}, "appRef": {"name": "acme"}}});
        let channels =
            [channel("a", &by_grant), channel("a", &by_grant), channel("b", &by_grant), channel("a", &by_token)];
        let keys = ["a", "b", "c"].map(|namespace| Key::new(namespace, "acme"));
        let counted = |grants: &[Key]| count(grants.iter().cloned(), channels.iter().filter_map(grant_of));
        assert_eq!(counted(&keys), keys.iter().cloned().zip([2, 1, 0]).collect());
        assert_eq!(counted(&keys[1..2]).len(), 1, "what is not there is not counted for");
    }
}
