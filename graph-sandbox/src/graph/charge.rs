//! Which limit a call counts against, and how Graph reports it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

use super::Asked;
use super::auth::{Caller, Known, recognise};
use super::error::GraphError;
use super::route::{Node, Route};
use crate::core::Core;
use crate::faults::UsageReport;
use crate::id::Id;
use crate::seed::TokenKind;
use crate::switches::PageUsageType;
use crate::usage::{Meter, Share, UsageKind};
use crate::world::{Token, World};

const APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");
const BUSINESS_USAGE: HeaderName = HeaderName::from_static("x-business-use-case-usage");

/// A call to be counted.
pub(super) struct Billed<'a> {
    pub(super) caller: &'a Caller,
    pub(super) route: Route,
    pub(super) node: &'a Node,
}

/// The meters a call runs on.
pub(super) struct Bill {
    /// The one Graph reports.
    meter: Meter,
    /// The person's own, which Graph keeps to itself.
    person: Option<Meter>,
    about_page: bool,
}

/// Counts a call. The usage is reported from the first whole percent on.
pub(super) fn charge(
    core: &Core,
    billed: Billed<'_>,
    now: Timestamp,
    headers: &mut HeaderMap,
) -> Result<(), GraphError> {
    let bill = {
        let world = core.world.lock();
        let token = match billed.caller {
            Caller::App(_) => None,
            Caller::Issued(token) => Some(&**token),
        };
        Bill::new(&world, billed.caller.app(), token, Some((billed.route, billed.node)))
    };
    let share = core.usage.charge(&bill.meter, now);
    if share.percent > 0 {
        let (name, value) = bill.header(bill.meter.clone(), share);
        headers.insert(name, value);
    }
    if share.exceeded {
        return Err(GraphError::throttled(bill.code()));
    }
    match &bill.person {
        Some(person) if core.usage.charge(person, now).exceeded => Err(GraphError::throttled(17)),
        _ => Ok(()),
    }
}

/// The meters of a request whose token is known at least.
pub(super) fn bill_of_request(world: &World, asked: &Asked) -> Option<Bill> {
    let (text, _) = asked.request.token.as_ref()?;
    let known = recognise(world, text.expose_secret()).ok()?;
    let token = match known {
        Known::App(_) => None,
        Known::Issued(token) => Some(token),
    };
    let destination = asked.destination.as_ref().ok().map(|(route, node)| (*route, node));
    Some(Bill::new(world, known.app_id(), token, destination))
}

/// The app a request is made for.
pub(super) fn app_of_request(world: &World, asked: &Asked) -> Option<Id> {
    let (text, _) = asked.request.token.as_ref()?;
    recognise(world, text.expose_secret()).ok().map(|known| known.app_id().clone())
}

impl Bill {
    fn new(world: &World, app: &Id, token: Option<&Token>, destination: Option<(Route, &Node)>) -> Self {
        let page_in_path = match destination {
            Some((_, Node::Page(page))) => Some(page),
            _ => None,
        };
        let about_page = page_in_path.is_some();
        let Some(token) = token else {
            return Self { meter: Meter::App(app.clone()), person: None, about_page };
        };
        let kind = match (destination, world.switches.page_usage_type) {
            (Some((route, _)), _) if route.is_messaging() => UsageKind::Messenger,
            (_, PageUsageType::Pages) => UsageKind::Pages,
            (_, PageUsageType::Messenger) => UsageKind::Messenger,
        };
        let asset = match token.kind {
            TokenKind::Page => token.page.as_ref(),
            TokenKind::SystemUser => page_in_path.or(token.user.as_ref()),
            TokenKind::App | TokenKind::User => None,
        };
        match asset {
            Some(asset) => Self { meter: Meter::Page(asset.clone(), kind), person: None, about_page },
            None => Self { meter: Meter::App(app.clone()), person: token.user.clone().map(Meter::User), about_page },
        }
    }

    /// Code of the error when the limit is met.
    pub(super) fn code(&self) -> i64 {
        match &self.meter {
            Meter::App(_) if self.about_page => 32,
            Meter::App(_) => 4,
            Meter::User(_) => 17,
            Meter::Page(_, UsageKind::Pages) => 80_001,
            Meter::Page(_, UsageKind::Messenger) => 80_006,
        }
    }

    /// The header that reports a usage of somebody's choice.
    pub(super) fn reported(&self, report: &UsageReport) -> (HeaderName, HeaderValue) {
        let meter = match (&self.meter, report.kind) {
            (Meter::Page(page, _), Some(kind)) => Meter::Page(page.clone(), kind),
            (meter, _) => meter.clone(),
        };
        self.header(meter, Share { percent: report.percent, minutes: report.minutes, exceeded: false })
    }

    fn header(&self, meter: Meter, Share { percent, minutes, .. }: Share) -> (HeaderName, HeaderValue) {
        // Time is not simulated; it is always a fraction of the calls.
        let (time, cpu) = (percent / 2, percent / 4);
        let (name, value) = match meter {
            Meter::App(_) | Meter::User(_) => {
                (APP_USAGE, json!({"call_count": percent, "total_time": time, "total_cputime": cpu}))
            }
            Meter::Page(page, kind) => {
                let row = json!({"type": kind, "call_count": percent, "total_cputime": cpu, "total_time": time,
                    "estimated_time_to_regain_access": minutes});
                (BUSINESS_USAGE, json!({page.as_str(): [row]}))
            }
        };
        let value = HeaderValue::try_from(value.to_string());
        (name, value.unwrap_or(HeaderValue::from_static("{}")))
    }
}
