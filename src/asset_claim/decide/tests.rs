//! What becomes of a claim whose channel is gone, row by row.
#![allow(clippy::unwrap_used)]

mod properties;
mod restored;
mod table;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::model::{Observed, Plan};
use super::decide;
use crate::api::conditions::{ConditionType, find};
use crate::api::{AssetClaim, AssetClaimStatus, ClaimState};
use crate::meta_app::by_id::AppState;
use crate::testing::{APP, PAGE, invariants, now};

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// The claim of channel shop of tenant-a, in this state since the channel went so many seconds ago.
fn claim(state: ClaimState, gone: i64) -> AssetClaim {
    let spec = json!({
        "assetKind": "FacebookPage", "assetId": PAGE, "appId": APP,
        "appRef": {"namespace": "platform", "name": "acme"},
        "subscribedFields": ["messages", "standby"],
        "holder": {"namespace": "tenant-a", "name": "shop", "uid": "u1"},
        "proof": {"method": "DebugToken", "provenAt": "2026-01-01T00:00:00Z"},
    });
    let mut claim = AssetClaim::new(&AssetClaim::page_name(PAGE), serde_json::from_value(spec).unwrap());
    claim.metadata.generation = Some(1);
    if state != ClaimState::Held {
        claim.status = Some(AssetClaimStatus {
            state,
            holder_uid: Some("u1".to_owned()),
            gone_since: Some(ago(gone)),
            ..AssetClaimStatus::default()
        });
    }
    claim
}

/// The channel was seen to go, and the application can be used.
fn gone() -> Observed {
    let (turn, checked, asked, access) = (None, None, None, None);
    Observed { lives: false, departed: true, app: AppState::Ready, clock_doubted: false, turn, checked, asked, access }
}

/// The channel is not there, and nobody saw it go.
fn missing() -> Observed {
    Observed { departed: false, ..gone() }
}

fn decided(claim: &AssetClaim, seen: &Observed) -> Plan {
    let plan = decide(claim, seen, now());
    if let Some(status) = &plan.report.status {
        let conditions = claim.status.as_ref().map(|it| it.conditions.clone()).unwrap_or_default();
        let generation = claim.metadata.generation.unwrap();
        // A claim has no next step of its own: its message has it.
        invariants::check(&conditions, &status.conditions, Some("in the message"), generation, now());
        assert_eq!(status.releasing_since, None, "what is written at the end of a pass leaves nobody waiting");
        assert_eq!(status.left_at_meta.is_some(), status.state == ClaimState::LeftBehind);
    }
    plan
}

/// State and reason in the status to be written, if there is one.
fn shown(plan: &Plan) -> Option<(ClaimState, String)> {
    let status = plan.report.status.as_ref()?;
    Some((status.state, find(&status.conditions, ConditionType::Ready).unwrap().reason.clone()))
}

fn message(plan: &Plan) -> String {
    let status = plan.report.status.as_ref().unwrap();
    find(&status.conditions, ConditionType::Ready).unwrap().message.clone()
}
