//! Usage headers: how much of its limits Graph says is used, and how long it wants to be left alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use super::decode::integer;
use super::version::Version;
use crate::base::redact::is_id;

/// Which version answered.
pub(crate) const VERSION: &str = "facebook-api-version";
const APP_USAGE: &str = "x-app-usage";
const PAGE_USAGE: &str = "x-page-usage";
const BUSINESS_USAGE: &str = "x-business-use-case-usage";
/// Any of them makes Graph throttle when it reaches 100.
const SHARES: [&str; 3] = ["call_count", "total_time", "total_cputime"];
/// Objects that one answer tells of, at most. Meta names the one that the call was about.
const MOST_OBJECTS: usize = 50;
/// Documented blocks last hours; a nonsensical number must not silence a page for a year.
const LONGEST_BLOCK: u64 = 24 * 60;

/// What calls are counted for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Metered {
    /// The application.
    App,
    /// A page, or another business object, by its id.
    Object(String),
}

/// How much of a limit is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Usage {
    /// What is counted for.
    pub of: Metered,
    /// Percent of what is allowed in an hour. Nought also when Graph does not mention it, which it does not while few
    /// calls were made.
    pub percent: u32,
    /// How long until calls are let through again, if Graph says so.
    pub regain_access: Option<Duration>,
}

/// Told what Graph's answers say beside what was asked: how much of the limits of an application is used, which version
/// answered, and when.
pub trait UsageListener: Send + Sync {
    /// Graph said how much is used.
    fn heard(&self, usage: &Usage);

    /// Graph said which version answered a call of the version that was asked.
    fn served(&self, asked: Version, by: Version);

    /// Graph answered, and said what time it is, if it did.
    fn dated(&self, at: Option<Timestamp>);
}

/// Who is told what Graph's answers say of an application; by default nobody.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<dyn UsageListener>>);

impl Meter {
    /// Tells this listener.
    pub fn new(listener: Arc<dyn UsageListener>) -> Self {
        Self(Some(listener))
    }

    pub(crate) fn tell(&self, usages: &[Usage]) {
        if let Some(listener) = &self.0 {
            usages.iter().for_each(|usage| listener.heard(usage));
        }
    }

    /// Tells which version answered, by the header of the answer. Nonsense says nothing.
    pub(crate) fn tell_version(&self, asked: Version, header: Option<&str>) {
        if let (Some(listener), Some(by)) = (&self.0, header.and_then(|text| text.parse().ok())) {
            listener.served(asked, by);
        }
    }

    /// Tells what time it is at Graph, by the header of the answer. Nonsense says nothing.
    pub(crate) fn tell_date(&self, header: Option<&str>) {
        if let Some(listener) = &self.0 {
            listener.dated(header.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok()));
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Meter(listening)" } else { "Meter(nobody)" })
    }
}

/// What a call counts for, as far as that is known before Graph says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Charged<'a> {
    /// The application: it is made with the app's own token.
    App,
    /// This page: it is made with a token of it.
    Page(&'a str),
    /// That is for Graph to say.
    Unknown,
}

/// The usage headers of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers<'a> {
    app: Option<&'a str>,
    page: Option<&'a str>,
    business: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// Finds them among the headers of an answer, by their names in lower case.
    pub(crate) fn find(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self { app: header(APP_USAGE), page: header(PAGE_USAGE), business: header(BUSINESS_USAGE) }
    }

    /// The longest wait for access. Absent or nought means that Graph does not say.
    pub(crate) fn regain_access(&self) -> Option<Duration> {
        business(self.business?).into_iter().filter_map(|usage| usage.regain_access).max()
    }

    /// What the answer to a call says of usages. `answered` if it was what was asked for: then what it counts for and does
    /// not mention is fine. Nonsense says nothing.
    pub(crate) fn usages(&self, charged: Charged<'_>, answered: bool) -> Vec<Usage> {
        let nought = |of| Usage { of, percent: 0, regain_access: None };
        let mut usages = self.business.map(business).unwrap_or_default();
        if let Charged::Page(id) = charged {
            let of = Metered::Object(id.to_owned());
            let own = usages.iter().find(|usage| usage.of == of).cloned();
            // What is counted for something else slows this page as well: the call about it was counted there.
            let counted = own.or_else(|| usages.iter().max_by_key(|usage| usage.percent).cloned());
            let page = self.page.and_then(|text| Some(Usage { percent: share(&parsed(text)?)?, ..nought(of.clone()) }));
            let unmentioned = (answered && self.page.is_none() && self.business.is_none()).then(|| nought(of.clone()));
            usages.retain(|usage| usage.of != of);
            let worst = counted.into_iter().chain(page).max_by_key(|usage| usage.percent).or(unmentioned);
            usages.extend(worst.map(|usage| Usage { of, ..usage }));
        }
        usages.extend(match self.app {
            Some(text) => {
                parsed(text).and_then(|row| share(&row)).map(|percent| Usage { percent, ..nought(Metered::App) })
            }
            None => (answered && charged == Charged::App).then(|| nought(Metered::App)),
        });
        usages
    }
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The largest share of a row: it is the one that throttles first.
fn share(row: &Value) -> Option<u32> {
    SHARES.iter().filter_map(|name| u32::try_from(integer(row.get(name)?)?).ok()).max()
}

/// The objects of `X-Business-Use-Case-Usage`, each with the worst of its rows.
fn business(text: &str) -> Vec<Usage> {
    let Some(Value::Object(objects)) = parsed(text) else { return Vec::new() };
    let objects = objects.into_iter().filter(|(id, _)| is_id(id)).take(MOST_OBJECTS);
    let usages = objects.filter_map(|(id, rows)| {
        let rows = rows.as_array()?;
        let percent = rows.iter().filter_map(share).max();
        let regain_access = rows.iter().filter_map(regain_access).max();
        // A row may tell how long to wait and no share.
        let percent = percent.or(regain_access.map(|_| 0))?;
        Some(Usage { of: Metered::Object(id), percent, regain_access })
    });
    usages.collect()
}

fn regain_access(row: &Value) -> Option<Duration> {
    let minutes = integer(row.get("estimated_time_to_regain_access")?)?;
    let minutes = u64::try_from(minutes).ok().filter(|minutes| *minutes > 0)?;
    Some(Duration::from_secs(minutes.min(LONGEST_BLOCK) * 60))
}

#[cfg(test)]
mod tests;
