//! Which limit a call counts against, and how Graph reports it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::asked::Asked;
use crate::auth::{Caller, Known, recognize};
use crate::core::Core;
use crate::faults::UsageReport;
use crate::id::Id;
use crate::protocol::{GraphError, Node, Route};
use crate::seed::TokenKind;
use crate::switches::{PageUsageHeader, PageUsageType};
use crate::usage::{Meter, Share, UsageKind};
use crate::world::{Token, World};

const APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");
const PAGE_USAGE: HeaderName = HeaderName::from_static("x-page-usage");
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
    /// The header of older releases is sent, too.
    tells_page_usage: bool,
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
        if bill.tells_page_usage {
            headers.insert(PAGE_USAGE, as_value(&platform_usage(share.percent)));
        }
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
    let known = recognize(world, text.expose_secret()).ok()?;
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
    recognize(world, text.expose_secret()).ok().map(|known| known.app_id().clone())
}

impl Bill {
    fn new(world: &World, app: &Id, token: Option<&Token>, destination: Option<(Route, &Node)>) -> Self {
        let page_in_path = destination.and_then(|(_, node)| node.page());
        let about_page = page_in_path.is_some();
        let Some(token) = token else {
            return Self { meter: Meter::App(app.clone()), person: None, about_page, tells_page_usage: false };
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
        let (meter, person) = match asset {
            Some(asset) => (Meter::Page(asset.clone(), kind), None),
            None => (Meter::App(app.clone()), token.user.clone().map(Meter::User)),
        };
        let present = world.switches.page_usage_header == PageUsageHeader::Present;
        Self { tells_page_usage: present && asset.is_some(), meter, person, about_page }
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

    /// The header that reports a usage of someone's choice.
    pub(super) fn reported(&self, report: &UsageReport) -> (HeaderName, HeaderValue) {
        let meter = match (&self.meter, report.kind) {
            (Meter::Page(page, _), Some(kind)) => Meter::Page(page.clone(), kind),
            (meter, _) => meter.clone(),
        };
        self.header(meter, Share { percent: report.percent, minutes: report.minutes, exceeded: false })
    }

    fn header(&self, meter: Meter, Share { percent, minutes, .. }: Share) -> (HeaderName, HeaderValue) {
        let mut usage = platform_usage(percent);
        match meter {
            Meter::App(_) | Meter::User(_) => (APP_USAGE, as_value(&usage)),
            Meter::Page(page, kind) => {
                usage["type"] = json!(kind);
                usage["estimated_time_to_regain_access"] = minutes.into();
                (BUSINESS_USAGE, as_value(&json!({page.as_str(): [usage]})))
            }
        }
    }
}

/// Time is not simulated; it is always a fraction of the calls.
fn platform_usage(percent: u64) -> Value {
    json!({"call_count": percent, "total_time": percent / 2, "total_cputime": percent / 4})
}

fn as_value(usage: &Value) -> HeaderValue {
    HeaderValue::try_from(usage.to_string()).unwrap_or(HeaderValue::from_static("{}"))
}
