//! Proves that the API server refuses claims for namespaces of others, before any claim is taken.
//!
//! Who owns a page is decided by who may write its claim, and every release may write in the claims namespace. That none takes
//! what another one has, with or without intent, is the work of the policy `claims.metachannels.io`. A claim for a namespace that
//! cannot exist is offered for trial; the policy must refuse it.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use kube::core::Status;

use super::KIND;
use super::look::{self, Offer, Wanted};
use crate::api::conditions::{ConditionType, find};
use crate::api::{AssetKind, ClaimHolder, DeletionPolicy, ProofMethod, Reason};
use crate::engine::failure::kubernetes;
use crate::engine::obstacle::Obstacle;
use crate::engine::refused::{Cause, Verb, Write, WriteRefused, is_missing_right};
use crate::engine::{Context, Failure, Key, KindName};

/// The policy that has to refuse.
const POLICY: &str = "ValidatingAdmissionPolicy 'claims.metachannels.io'";

/// Another one, which refuses all claims outside the namespace that the cluster's administrator chose.
const ELSEWHERE: &str = "ValidatingAdmissionPolicy 'claims-elsewhere.metachannels.io'";

/// No namespace can have this name, so nobody has rights in it but who has them everywhere.
const NOBODYS: &str = "proof.metachannels.io";

/// An id that Meta gives to nothing.
const NO_PAGE: &str = "99999999999999999999";

/// Distances between tries: short while a policy that was just installed may not count yet, then less than a minute.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(45);

/// Tries again for as long as anything keeps the operator from claims, and wakes who waits for them when nothing does.
pub async fn run(ctx: &Context) {
    let mut pause = FIRST;
    while ctx.claims_obstacle.borrow().is_some() && ctx.rest(pause).await {
        pause = (2 * pause).min(LONGEST);
        attempt(ctx).await;
    }
}

/// Tries once, and says what came of it if that is something else than before.
pub async fn attempt(ctx: &Context) {
    let Ok(result) = ctx.read(prove(ctx)).await else { return };
    let found = result.unwrap_or_else(|failure| {
        tracing::warn!(cause = %failure, "whether claims are protected could not be found out");
        // No answer is not an answer: what was known of it stays.
        ctx.claims_obstacle.borrow().clone()
    });
    let before = ctx.claims_obstacle.send_replace(found.clone());
    ctx.metrics.claims_unguarded(found == Some(Obstacle::Unguarded));
    if before == found {
        return;
    }
    let namespace = &ctx.policy.claims_namespace;
    match found {
        None => tracing::info!(namespace, "claims are protected; they may be taken"),
        Some(Obstacle::Unguarded) => tracing::warn!(
            namespace,
            "anybody with a Role there may claim pages for any namespace, so no claim is taken: install chart meta-channel-operator-admin with policies.enabled"
        ),
        Some(obstacle) => tracing::warn!(namespace, ?obstacle, "no claim can be taken"),
    }
    wake_those_who_wait(ctx);
}

/// What keeps the operator from claims, by what the API server says.
async fn prove(ctx: &Context) -> Result<Option<Obstacle>, Failure> {
    // Who may act for every namespace is refused nothing, and has nothing to prove.
    if may_act_everywhere(ctx).await? {
        return Ok(None);
    }
    let wanted = Wanted {
        kind: AssetKind::FacebookPage,
        id: NO_PAGE.to_owned(),
        app_id: NO_PAGE.to_owned(),
        app_ref: None,
        fields: None,
        deletion_policy: DeletionPolicy::Orphan,
        offer: Offer::None,
        former_ended: false,
        holder: ClaimHolder { namespace: NOBODYS.to_owned(), name: "proof".to_owned(), uid: "proof".to_owned() },
    };
    let claim = wanted.claim(ProofMethod::DebugToken, ctx.clock.now());
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let answer = async { Ok(look::api(ctx).create(&trial, &claim).await.map(drop)) };
    match kubernetes("offering a claim for trial", answer).await? {
        Err(kube::Error::Api(status)) => judge(&status, &ctx.policy.claims_namespace)
            .ok_or_else(|| Failure::kubernetes("offering a claim for trial", &kube::Error::Api(status))),
        Err(error) => Err(Failure::kubernetes("offering a claim for trial", &error)),
        Ok(()) => Ok(Some(Obstacle::Unguarded)),
    }
}

/// What a refusal of the trial says: `None` if it says nothing.
fn judge(status: &Status, namespace: &str) -> Option<Option<Obstacle>> {
    let message = &status.message;
    match status.code {
        403 if message.contains(POLICY) => Some(None),
        // A claim of that name was let in before, or claims are looked for in another namespace.
        409 => Some(Some(Obstacle::Unguarded)),
        403 if message.contains(ELSEWHERE) => Some(Some(Obstacle::Unguarded)),
        403 if is_missing_right(status) => Some(Some(Obstacle::Forbidden)),
        404 => Some(Some(Obstacle::NoNamespace)),
        _ if message.contains(POLICY) => None,
        _ => refused(status, namespace).map(Some),
    }
}

/// What else refuses claims, if it is not for want of an answer.
fn refused(status: &Status, namespace: &str) -> Option<Obstacle> {
    let trial = Write::new(Verb::Create, KIND, &Key::new(namespace, "any"));
    let refused = WriteRefused::of(trial, status);
    let seen = match &refused.cause {
        Cause::NoAnswer | Cause::Other(_) => return None,
        _ => format!("The API server refuses all AssetClaims: {}.", refused.why()),
    };
    Some(Obstacle::Refused { seen, next_step: refused.next_step() })
}

/// Whether the operator may write the status of channels in all namespaces, also in one that cannot exist.
async fn may_act_everywhere(ctx: &Context) -> Result<bool, Failure> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some("metachannels.io".to_owned()),
                resource: Some("facebookchannels".to_owned()),
                subresource: Some("status".to_owned()),
                verb: Some("patch".to_owned()),
                namespace: Some(NOBODYS.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(ctx.client.clone());
    let answer = kubernetes("reviewing the operator's rights", reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn wake_those_who_wait(ctx: &Context) {
    let waits = |conditions: &[_], type_| {
        let reason = find(conditions, type_).and_then(|condition| Reason::parse(&condition.reason));
        matches!(reason, Some(Reason::ClaimsUnavailable | Reason::ClaimsUnguarded))
    };
    for channel in ctx.channels.all() {
        if channel.status.as_ref().is_some_and(|status| waits(&status.conditions, ConditionType::Claimed)) {
            ctx.wake(KindName::FacebookChannel, Key::of(&*channel));
        }
    }
    for app in ctx.apps.all() {
        if app.status.as_ref().is_some_and(|status| waits(&status.conditions, ConditionType::WebhookSubscribed)) {
            ctx.wake(KindName::MetaApp, Key::of(&*app));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusal_of_the_policy_is_a_proof() {
        let refused = |policy: &str| {
            format!("assetclaims.metachannels.io \"x\" is forbidden: {policy} with binding 'x' denied request: no")
        };
        let right = "User \"x\" cannot create resource \"assetclaims\" in API group \"metachannels.io\"";
        let naming = "ValidatingAdmissionPolicy 'naming.example.com'";
        let rows = [
            (403, refused(POLICY), Some(None)),
            (403, refused(ELSEWHERE), Some(Some(Obstacle::Unguarded))),
            (403, right.to_owned(), Some(Some(Obstacle::Forbidden))),
            (409, "already exists".to_owned(), Some(Some(Obstacle::Unguarded))),
            (404, "namespaces \"x\" not found".to_owned(), Some(Some(Obstacle::NoNamespace))),
            (422, refused(POLICY), None),
            (500, refused(POLICY), None),
            (429, "too many requests".to_owned(), None),
        ];
        for (code, message, expected) in rows {
            let status = Status::failure(&message, "x").with_code(code);
            assert_eq!(judge(&status, "claims"), expected, "{code} {message}");
        }
        for code in [403, 422] {
            let status = Status::failure(&refused(naming), "x").with_code(code);
            let Some(Some(Obstacle::Refused { seen, next_step })) = judge(&status, "claims") else {
                panic!("{status:?}")
            };
            assert!(seen.contains("naming.example.com denies it") && next_step.contains("that policy"), "{seen}");
        }
    }
}
