//! Proves that the API server refuses claims for the namespaces of others, before the operator takes any claim, and again every
//! ten minutes.
//!
//! Whoever may write the claim of a page decides who owns the page, and every release may write in the claims namespace. The
//! policy `claims.metachannels.io` prevents one release from taking what another one has, with or without intent. The proof is
//! a dry run: a claim for a namespace that cannot exist, and the change of an existing claim to that namespace. The policy must
//! refuse both.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::core::Status;
use kube::{Api, ResourceExt};

use super::blocked::{BlockedBy, ClaimsBlocked};
use super::model::{Offer, Wanted};
use super::state::Ownership;
use super::store::{KIND, api};
use crate::api::conditions::{ConditionType, find};
use crate::api::{AssetClaim, AssetKind, ClaimHolder, DeletionPolicy, ProofMethod, Reason};
use crate::base::clock::Moment;
use crate::base::key::{Key, KindName};
use crate::cluster::error::Failure;
use crate::cluster::error::kubernetes;
use crate::cluster::events::Note;
use crate::cluster::secret_guard::PERIOD;
use crate::cluster::write_refused::{Cause, Verb, Write, WriteRefused, is_missing_right};

/// The policy that has to refuse.
const POLICY: &str = "ValidatingAdmissionPolicy 'claims.metachannels.io'";

/// Another one, which refuses all claims outside the namespace that the cluster's administrator chose.
const ELSEWHERE: &str = "ValidatingAdmissionPolicy 'claims-elsewhere.metachannels.io'";

/// No namespace can have this name, so nobody has rights in it but who has them everywhere.
const NOBODYS: &str = "proof.metachannels.io";

/// An id that Meta gives to nothing.
const NO_PAGE: &str = "99999999999999999999";

/// What is done, for the log.
const WHAT: &str = "trying to create a claim (dry run)";

/// Distances between tries: short while a policy that was just installed may not count yet, then less than a minute.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(45);

/// How old a proof may be by which a claim is taken, when the API server gives no answer.
const LONGEST_VALID: SignedDuration = SignedDuration::from_hours(1);

/// Proves it anew for as long as the operator runs: soon while anything keeps it from claims or no answer comes, else every ten
/// minutes.
pub async fn run(ownership: &Ownership) {
    let mut proven = ownership.admission_check.blocked_by().is_none();
    let mut pause = FIRST;
    while ownership.ctx.rest(if proven { PERIOD.unsigned_abs() } else { pause }).await {
        pause = if proven { FIRST } else { (2 * pause).min(LONGEST) };
        if proven && !ownership.ctx.policy.safeguards.proofs {
            return;
        }
        proven = attempt(ownership).await && ownership.admission_check.blocked_by().is_none();
    }
}

/// What keeps the operator from writing claims at all.
pub(super) async fn blocked(ownership: &Ownership) -> Option<ClaimsBlocked> {
    let by = blocked_by(ownership).await?;
    Some(ClaimsBlocked { namespace: ownership.ctx.policy.claims_namespace.clone(), by })
}

/// What keeps the operator from claims at present. A proof that is too old is none: it is renewed first.
async fn blocked_by(ownership: &Ownership) -> Option<BlockedBy> {
    let oldest = || ownership.ctx.clock.now().earlier(LONGEST_VALID);
    let is_old = |asked_at: &Option<Timestamp>| {
        asked_at.is_none_or(|at| ownership.ctx.policy.safeguards.proofs && at < oldest())
    };
    if ownership.admission_check.blocked_by().is_none() {
        let mut asked_at = ownership.admission_check.turn().await;
        // Whoever had the turn before may have found out that there is no answer.
        if ownership.admission_check.blocked_by().is_none() && is_old(&asked_at) && !ask(ownership, &mut asked_at).await
        {
            note(ownership, Found::Blocked(BlockedBy::Unproven));
        }
    }
    ownership.admission_check.blocked_by()
}

/// Tries once, and says what came of it if that is something else than before; `false` if there was no answer.
pub async fn attempt(ownership: &Ownership) -> bool {
    ask(ownership, &mut *ownership.admission_check.turn().await).await
}

async fn ask(ownership: &Ownership, asked_at: &mut Option<Timestamp>) -> bool {
    // On the heap: whoever takes a claim would carry it along.
    match ownership.ctx.read(Box::pin(prove(ownership))).await {
        Ok(Ok(found)) => {
            *asked_at = Some(ownership.ctx.clock.now());
            note(ownership, found);
            return true;
        }
        // No answer is not an answer: what was known of it stays.
        Ok(Err(failure)) => {
            tracing::warn!(cause = %failure, "the operator could not find out whether claims are protected")
        }
        Err(_) => {}
    }
    false
}

fn note(ownership: &Ownership, found: Found) {
    let blocked = found.blocked();
    let before = ownership.admission_check.note(blocked.cloned());
    ownership.ctx.metrics.claims_unguarded(blocked == Some(&BlockedBy::Unguarded));
    if before.as_ref() == blocked {
        return;
    }
    let namespace = &ownership.ctx.policy.claims_namespace;
    match found {
        Found::Protected => {
            tracing::info!(namespace, policy = POLICY, "claims are protected; the operator may claim assets")
        }
        Found::Unrestricted => tracing::info!(
            namespace,
            "the operator may claim assets, since it may act for every namespace; whether a policy protects claims from others was not found out"
        ),
        Found::Blocked(by @ BlockedBy::Unguarded) => {
            tracing::warn!(
                namespace,
                "anyone with a Role there may claim pages for any namespace, so the operator claims none: install chart meta-channel-operator-admin with policies.enabled"
            );
            publish(ownership, &ClaimsBlocked { namespace: namespace.clone(), by });
        }
        Found::Blocked(by) => tracing::warn!(namespace, obstacle = ?by, "the operator cannot claim anything"),
    }
    wake_those_who_wait(ownership);
}

/// Says it with an Event about the namespace of the claims, whose administrator has to act. Nobody waits for it.
fn publish(ownership: &Ownership, why: &ClaimsBlocked) {
    let text = format!("{} {}", why.seen(), why.next_step());
    let note = Note { warning: true, reason: why.reason().as_str(), action: "Claim", text };
    // Events about a namespace lie in it.
    let namespace = Key::new(&why.namespace, &why.namespace);
    ownership.ctx.cluster.events.publish_soon("v1", "Namespace", &namespace, note);
}

/// What was found of how claims are protected.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    /// The policy refuses claims for the namespaces of others.
    Protected,
    /// This operator may act for every namespace, so that no claim of its own is refused, and nothing shows what is refused to others.
    Unrestricted,
    /// This keeps the operator from claims.
    Blocked(BlockedBy),
}

impl Found {
    const fn blocked(&self) -> Option<&BlockedBy> {
        match self {
            Self::Protected | Self::Unrestricted => None,
            Self::Blocked(by) => Some(by),
        }
    }
}

/// What the API server says of claims for the namespaces of others.
async fn prove(ownership: &Ownership) -> Result<Found, Failure> {
    // Who may act for every namespace is refused nothing, and has nothing to prove.
    if may_act_everywhere(ownership).await? {
        return Ok(Found::Unrestricted);
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
    let claim = wanted.claim(ProofMethod::DebugToken, ownership.ctx.clock.now());
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let answer = async { Ok(api(ownership).create(&trial, &claim).await.map(drop)) };
    match kubernetes(WHAT, answer).await? {
        Err(kube::Error::Api(status)) => match evaluate(&status, &ownership.ctx.policy.claims_namespace) {
            Some(Found::Protected) => may_take_another(ownership, &trial).await,
            Some(found) => Ok(found),
            None => Err(Failure::kubernetes(WHAT, &kube::Error::Api(status))),
        },
        Err(error) => Err(Failure::kubernetes(WHAT, &error)),
        Ok(()) => Ok(Found::Blocked(BlockedBy::Unguarded)),
    }
}

/// Whether a claim that exists could be given to a namespace of nobody, by whom claims for it are refused. Where there is none, or it
/// was changed meanwhile, there is nothing to see.
async fn may_take_another(ownership: &Ownership, trial: &PostParams) -> Result<Found, Failure> {
    let Some(found) = ownership.ctx.cluster.stores.claims.find(|_| true) else { return Ok(Found::Protected) };
    let mut claim = AssetClaim::clone(&found);
    NOBODYS.clone_into(&mut claim.spec.holder.namespace);
    let answer = async { Ok(api(ownership).replace(&found.name_any(), trial, &claim).await.map(drop)) };
    let let_in = kubernetes(WHAT, answer).await?.is_ok();
    Ok(if let_in { Found::Blocked(BlockedBy::Unguarded) } else { Found::Protected })
}

/// What a refusal of the trial says: `None` if it says nothing.
fn evaluate(status: &Status, namespace: &str) -> Option<Found> {
    let message = &status.message;
    let by = match status.code {
        403 if message.contains(POLICY) => return Some(Found::Protected),
        // A claim of that name was let in before, or claims are looked for in another namespace.
        409 => BlockedBy::Unguarded,
        403 if message.contains(ELSEWHERE) => BlockedBy::Unguarded,
        403 if is_missing_right(status) => BlockedBy::Forbidden,
        404 => BlockedBy::NoNamespace,
        _ if message.contains(POLICY) => return None,
        _ => refused(status, namespace)?,
    };
    Some(Found::Blocked(by))
}

/// What else refuses claims, if it is not for want of an answer.
fn refused(status: &Status, namespace: &str) -> Option<BlockedBy> {
    let trial = Write::new(Verb::Create, KIND, &Key::new(namespace, "any"));
    let refused = WriteRefused::of(trial, status);
    let seen = match &refused.cause {
        Cause::NoAnswer | Cause::Other(_) => return None,
        _ => format!("The API server refuses all AssetClaims: {}.", refused.why()),
    };
    Some(BlockedBy::Refused { seen, next_step: refused.next_step() })
}

/// Whether the operator may write the status of channels in all namespaces, also in one that cannot exist.
async fn may_act_everywhere(ownership: &Ownership) -> Result<bool, Failure> {
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
    let reviews: Api<SelfSubjectAccessReview> = Api::all(ownership.ctx.cluster.client.clone());
    let answer = kubernetes("reviewing the operator's rights", reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn wake_those_who_wait(ownership: &Ownership) {
    let waits = |conditions: &[_], type_| {
        let reason = find(conditions, type_).and_then(|condition| Reason::parse(&condition.reason));
        matches!(reason, Some(Reason::ClaimsUnavailable | Reason::ClaimPolicyMissing))
    };
    for channel in ownership.ctx.cluster.stores.channels.all() {
        let waits = |type_| channel.status.as_ref().is_some_and(|status| waits(&status.conditions, type_));
        // Who holds the page may wait for that the claim says something else of it.
        if waits(ConditionType::Claimed) || waits(ConditionType::Ready) {
            ownership.ctx.wakeups.wake(KindName::FACEBOOK_CHANNEL, Key::of(&*channel));
        }
    }
    for app in ownership.ctx.cluster.stores.apps.all() {
        if app.status.as_ref().is_some_and(|status| waits(&status.conditions, ConditionType::WebhookSubscribed)) {
            ownership.ctx.wakeups.wake(KindName::META_APP, Key::of(&*app));
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
            (403, refused(POLICY), Some(Found::Protected)),
            (403, refused(ELSEWHERE), Some(Found::Blocked(BlockedBy::Unguarded))),
            (403, right.to_owned(), Some(Found::Blocked(BlockedBy::Forbidden))),
            (409, "already exists".to_owned(), Some(Found::Blocked(BlockedBy::Unguarded))),
            (404, "namespaces \"x\" not found".to_owned(), Some(Found::Blocked(BlockedBy::NoNamespace))),
            (422, refused(POLICY), None),
            (500, refused(POLICY), None),
            (429, "too many requests".to_owned(), None),
        ];
        for (code, message, expected) in rows {
            let status = Status::failure(&message, "x").with_code(code);
            assert_eq!(evaluate(&status, "claims"), expected, "{code} {message}");
        }
        for code in [403, 422] {
            let status = Status::failure(&refused(naming), "x").with_code(code);
            let Some(Found::Blocked(BlockedBy::Refused { seen, next_step })) = evaluate(&status, "claims") else {
                panic!("{status:?}")
            };
            assert!(seen.contains("naming.example.com denies it") && next_step.contains("that policy"), "{seen}");
        }
    }
}
