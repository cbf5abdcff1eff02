//! Who holds an asset: looking, acquiring, adopting, and keeping up to date what the claim says.
//!
//! Creating the claim is the lock: of several that try, the API server lets one through. A claim is made only after its
//! holder proved the asset with a credential, and before the first write at Meta.

use jiff::{Timestamp, Unit};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use kube_runtime::reflector::ObjectRef;

use super::unavailable::Unavailable;
use crate::api::references::NamespacedName;
use crate::api::{AssetClaim, AssetClaimSpec, AssetKind, ClaimHolder, ClaimProof, DeletionPolicy, ProofMethod};
use crate::engine::failure::{Failure, kubernetes};
use crate::engine::obstacle::Obstacle;
use crate::engine::{Class, Context, Key};

/// What was seen of a claim, from the point of view of one object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClaimSeen {
    /// Nobody holds the asset.
    Free,
    /// The object holds it.
    Ours {
        /// UID of the claim.
        uid: String,
    },
    /// The object's namespace holds it for an object that is gone, so that it may be adopted.
    Orphaned {
        /// UID of that object.
        of: String,
    },
    /// The object's namespace holds it for an object that is gone, after which it is being cleaned up at this moment.
    Releasing,
    /// Another living object of the namespace holds it.
    Duplicate {
        /// Name of that object.
        name: String,
    },
    /// Another namespace holds it.
    Elsewhere {
        /// That namespace.
        namespace: String,
    },
    /// Claims cannot be read or made.
    Unavailable(Unavailable),
}

/// Whether a claim says what it should.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Record {
    /// It does, or it is not the object's own.
    #[default]
    Current,
    /// It does not: the deletion policy changed, or how the asset is used.
    Outdated,
    /// It does, but for the application: that may be changed only by who proved the asset anew.
    OtherApp,
}

/// An asset and who wants to hold it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Kind of the asset.
    pub kind: AssetKind,
    /// Id of the asset.
    pub id: String,
    /// Application through which it is used; empty if it is not known.
    pub app_id: String,
    /// MetaApp through which it is used; `None` if it is not known.
    pub app_ref: Option<NamespacedName>,
    /// Webhook fields that it is subscribed to; `None` if they are not known.
    pub fields: Option<Vec<String>>,
    /// What becomes of it when the holder is deleted.
    pub deletion_policy: DeletionPolicy,
    /// Who wants to hold it.
    pub holder: ClaimHolder,
}

impl Wanted {
    /// Name of the claim.
    pub fn claim_name(&self) -> String {
        match self.kind {
            AssetKind::FacebookPage => AssetClaim::page_name(&self.id),
            AssetKind::MetaApp => AssetClaim::app_name(&self.id),
        }
    }

    pub(super) fn claim(&self, proof: ProofMethod, now: Timestamp) -> AssetClaim {
        AssetClaim::new(
            &self.claim_name(),
            AssetClaimSpec {
                asset_kind: self.kind,
                asset_id: self.id.clone(),
                app_id: self.app_id.clone(),
                app_ref: self.app_ref.clone(),
                subscribed_fields: self.fields.clone().unwrap_or_default(),
                deletion_policy: self.deletion_policy,
                holder: self.holder.clone(),
                transfer_to: None,
                proof: ClaimProof { method: proof, proven_at: now.round(Unit::Second).unwrap_or(now) },
            },
        )
    }
}

/// Looks who holds an asset, and whether the claim, if it is the object's own, says what it should. `lives` says whether
/// another object of the same namespace still exists.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn look(
    ctx: &Context,
    wanted: &Wanted,
    lives: impl Fn(&ClaimHolder) -> bool,
) -> Result<(ClaimSeen, Record), Failure> {
    let name = wanted.claim_name();
    let reference = ObjectRef::new(&name).within(&ctx.policy.claims_namespace);
    // The store may lag behind what was just created; only a claim that seems to be missing is worth a request.
    let found = match ctx.claims.get(&reference) {
        Some(claim) => Some((*claim).clone()),
        None => match ctx.read(answered(ctx, "reading a claim", api(ctx).get_opt(&name))).await?? {
            Ok(found) => found,
            Err(unavailable) => return Ok((ClaimSeen::Unavailable(unavailable), Record::Current)),
        },
    };
    let Some(claim) = found else { return Ok((ClaimSeen::Free, Record::Current)) };
    let seen = judge(&claim, &wanted.holder, lives);
    let ours = matches!(seen, ClaimSeen::Ours { .. });
    Ok((seen, if ours { recorded(&claim.spec, wanted) } else { Record::Current }))
}

/// The MetaApp through which a holder used its page, as its claim remembers it.
pub fn app_of(ctx: &Context, page_id: &str, holder_uid: &str) -> Option<Key> {
    let reference = ObjectRef::new(&AssetClaim::page_name(page_id)).within(&ctx.policy.claims_namespace);
    let claim = ctx.claims.get(&reference).filter(|claim| claim.spec.holder.uid == holder_uid)?;
    claim.spec.app_ref.as_ref().map(|app| Key::new(&app.namespace, &app.name))
}

fn judge(claim: &AssetClaim, wanted: &ClaimHolder, lives: impl Fn(&ClaimHolder) -> bool) -> ClaimSeen {
    let holder = &claim.spec.holder;
    if holder.namespace != wanted.namespace {
        ClaimSeen::Elsewhere { namespace: holder.namespace.clone() }
    } else if holder.uid == wanted.uid {
        ClaimSeen::Ours { uid: claim.uid().unwrap_or_default() }
    } else if lives(holder) {
        ClaimSeen::Duplicate { name: holder.name.clone() }
    } else if claim.is_being_released() {
        ClaimSeen::Releasing
    } else {
        ClaimSeen::Orphaned { of: holder.uid.clone() }
    }
}

fn recorded(spec: &AssetClaimSpec, wanted: &Wanted) -> Record {
    let fields = wanted.fields.as_ref().is_none_or(|fields| *fields == spec.subscribed_fields);
    let app = wanted.app_ref.is_none() || wanted.app_ref == spec.app_ref;
    if spec.deletion_policy != wanted.deletion_policy || !app || !fields {
        Record::Outdated
    } else if !wanted.app_id.is_empty() && spec.app_id != wanted.app_id {
        Record::OtherApp
    } else {
        Record::Current
    }
}

/// Creates the claim. That somebody else was faster is no error: the next look says who. Says so if claims cannot be made.
///
/// # Errors
/// When the Kubernetes API does not answer.
pub async fn acquire(ctx: &Context, wanted: &Wanted, proof: ProofMethod) -> Result<Option<Unavailable>, Failure> {
    if let Some(why) = Unavailable::at_present(ctx) {
        return Ok(Some(why));
    }
    let claim = wanted.claim(proof, ctx.clock.now());
    match answered(ctx, "creating a claim", api(ctx).create(&PostParams::default(), &claim)).await {
        Err(failure) if failure.class() != Class::Conflict => Err(failure),
        Ok(Err(unavailable)) => Ok(Some(unavailable)),
        _ => Ok(None),
    }
}

/// Takes over a claim of the same namespace from an object that is gone. Without a `proof` it is taken as it is, for the same
/// application. That somebody else of the namespace was faster is no error: the next look says who.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because somebody else changed the claim, or does not answer.
pub async fn adopt(
    ctx: &Context,
    wanted: &Wanted,
    of: &str,
    proof: Option<ProofMethod>,
) -> Result<Option<Unavailable>, Failure> {
    if let Some(why) = Unavailable::at_present(ctx) {
        return Ok(Some(why));
    }
    let name = wanted.claim_name();
    let Some(mut claim) = kubernetes("reading a claim", api(ctx).get_opt(&name)).await? else {
        return match proof {
            Some(proof) => acquire(ctx, wanted, proof).await,
            None => Ok(None),
        };
    };
    // The decision was made on what the watch had brought; what counts is who holds it now.
    let holder = &claim.spec.holder;
    if holder.namespace != wanted.holder.namespace || holder.uid != of || claim.is_being_released() {
        return Ok(None);
    }
    let Some(spec) = adopted(&claim.spec, wanted, proof, ctx.clock.now()) else { return Ok(None) };
    claim.spec = spec;
    kubernetes("adopting a claim", api(ctx).replace(&name, &PostParams::default(), &claim)).await?;
    Ok(None)
}

/// What a claim says once it is adopted; `None` if that takes a proof.
fn adopted(
    before: &AssetClaimSpec,
    wanted: &Wanted,
    proof: Option<ProofMethod>,
    now: Timestamp,
) -> Option<AssetClaimSpec> {
    let fresh = wanted.claim(proof.unwrap_or(before.proof.method), now).spec;
    let fields = wanted.fields.as_ref().unwrap_or(&before.subscribed_fields).clone();
    let spec = AssetClaimSpec { subscribed_fields: fields, ..fresh };
    match proof {
        Some(_) => Some(spec),
        None if spec.app_id == before.app_id => Some(AssetClaimSpec { proof: before.proof.clone(), ..spec }),
        None => None,
    }
}

/// Writes into the object's own claim how the asset is used now, and through which application if that is proven.
///
/// # Errors
/// When the Kubernetes API refuses, for instance because somebody else changed the claim, or does not answer.
pub async fn record(ctx: &Context, wanted: &Wanted, proven: bool) -> Result<(), Failure> {
    // Nothing is lost by that: it stays outdated, and is written once it may be.
    if Unavailable::at_present(ctx).is_some() {
        return Ok(());
    }
    let name = wanted.claim_name();
    let Some(mut claim) = kubernetes("reading a claim", api(ctx).get_opt(&name)).await? else { return Ok(()) };
    if claim.spec.holder.uid != wanted.holder.uid {
        return Ok(());
    }
    claim.spec.deletion_policy = wanted.deletion_policy;
    if let Some(app_ref) = &wanted.app_ref {
        claim.spec.app_ref = Some(app_ref.clone());
    }
    if let Some(fields) = &wanted.fields {
        claim.spec.subscribed_fields.clone_from(fields);
    }
    if proven {
        claim.spec.app_id.clone_from(&wanted.app_id);
    }
    kubernetes("updating a claim", api(ctx).replace(&name, &PostParams::default(), &claim)).await?;
    Ok(())
}

/// Waits for a request about claims. That their namespace is missing or closed is an answer too.
async fn answered<T>(
    ctx: &Context,
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, Unavailable>, Failure> {
    let answer = async {
        match request.await {
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                let namespace = ctx.policy.claims_namespace.clone();
                let obstacle = if status.code == 403 { Obstacle::Forbidden } else { Obstacle::NoNamespace };
                Ok(Err(Unavailable { namespace, obstacle }))
            }
            answer => answer.map(Ok),
        }
    };
    kubernetes(what, answer).await
}

pub(super) fn api(ctx: &Context) -> Api<AssetClaim> {
    Api::namespaced(ctx.client.clone(), &ctx.policy.claims_namespace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::AssetClaimStatus;

    fn wanted(holder: ClaimHolder) -> Wanted {
        Wanted {
            kind: AssetKind::FacebookPage,
            id: "1".into(),
            app_id: "2".into(),
            app_ref: Some(NamespacedName { namespace: "platform".into(), name: "acme".into() }),
            fields: Some(vec!["messages".into()]),
            deletion_policy: DeletionPolicy::Disconnect,
            holder,
        }
    }

    fn holder(namespace: &str, name: &str, uid: &str) -> ClaimHolder {
        ClaimHolder { namespace: namespace.into(), name: name.into(), uid: uid.into() }
    }

    fn claim() -> AssetClaim {
        let mut claim = wanted(holder("a", "shop", "u1")).claim(ProofMethod::DebugToken, Timestamp::UNIX_EPOCH);
        claim.metadata.uid = Some("c1".into());
        claim
    }

    #[test]
    fn a_claim_belongs_to_a_namespace_and_is_adopted_only_from_the_dead() {
        let claim = claim();
        let ours = ClaimSeen::Ours { uid: "c1".into() };
        let cases = [
            (holder("a", "shop", "u1"), true, ours),
            (holder("a", "shop", "u2"), false, ClaimSeen::Orphaned { of: "u1".into() }),
            (holder("a", "other", "u3"), true, ClaimSeen::Duplicate { name: "shop".into() }),
            (holder("a", "other", "u3"), false, ClaimSeen::Orphaned { of: "u1".into() }),
            (holder("b", "shop", "u1"), false, ClaimSeen::Elsewhere { namespace: "a".into() }),
        ];
        for (object, lives, expected) in cases {
            assert_eq!(judge(&claim, &object, |_| lives), expected, "{object:?}");
        }
    }

    #[test]
    fn nobody_takes_a_claim_over_while_it_is_being_released() {
        let seen = |of: &str, releasing: bool| {
            let mut claim = claim();
            let releasing_since = releasing.then_some(Timestamp::UNIX_EPOCH);
            let status = AssetClaimStatus { holder_uid: Some(of.into()), releasing_since, ..Default::default() };
            claim.status = Some(status);
            judge(&claim, &holder("a", "new", "u2"), |_| false)
        };
        assert_eq!(seen("u1", true), ClaimSeen::Releasing);
        assert_eq!(seen("u1", false), ClaimSeen::Orphaned { of: "u1".into() });
        assert_eq!(seen("u0", true), ClaimSeen::Orphaned { of: "u1".into() }, "that was about an earlier holder");
    }

    #[test]
    fn a_claim_follows_what_is_declared_and_the_app_only_after_proof() {
        type Change = fn(&mut Wanted);
        let cases: [(Change, Record); 8] = [
            (|_| (), Record::Current),
            (|it| it.deletion_policy = DeletionPolicy::Orphan, Record::Outdated),
            (|it| it.app_ref = None, Record::Current),
            (|it| it.app_ref = Some(NamespacedName { namespace: "b".into(), name: "acme".into() }), Record::Outdated),
            (|it| it.fields = Some(vec![]), Record::Outdated),
            (|it| it.fields = None, Record::Current),
            (|it| it.app_id = "3".into(), Record::OtherApp),
            (|it| it.app_id = String::new(), Record::Current),
        ];
        for (number, (change, expected)) in cases.into_iter().enumerate() {
            let mut wanted = wanted(holder("a", "shop", "u1"));
            change(&mut wanted);
            assert_eq!(recorded(&claim().spec, &wanted), expected, "case {number}");
        }
    }

    #[test]
    fn a_claim_is_adopted_without_a_proof_only_as_it_is_and_for_the_same_app() {
        let before = claim().spec;
        let (now, next) = (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1), holder("a", "next", "u2"));
        let without_fields = Wanted { fields: None, ..wanted(next.clone()) };
        let adopted = |wanted: &Wanted, proof| adopted(&before, wanted, proof, now);
        let proven = adopted(&without_fields, Some(ProofMethod::DebugToken)).unwrap();
        assert_eq!((&proven.holder, proven.proof.proven_at), (&next, now));
        assert_eq!(proven.subscribed_fields, ["messages"], "what is not known stays as it was");
        let unproven = adopted(&without_fields, None).unwrap();
        assert_eq!((&unproven.holder, &unproven.proof), (&next, &before.proof));
        for other in ["3", ""] {
            assert_eq!(adopted(&Wanted { app_id: other.to_owned(), ..without_fields.clone() }, None), None);
        }
    }
}
