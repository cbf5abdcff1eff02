//! Faults: rules that make chosen calls go wrong.

mod edit;
mod effect;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use edit::Edit;
pub use effect::{CallbackAnswer, FaultEffect, FaultError, ForeignWrite, OneOrMore, Throttling, UsageReport};

use crate::id::Id;
use crate::locked::Locked;
use crate::protocol::Route;

/// A rule: which calls, how often, and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls; an empty match is every Graph call.
    #[serde(default, rename = "match")]
    pub matching: FaultMatch,
    /// How many calls it strikes; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How many matching calls pass before it strikes.
    #[serde(default)]
    pub after: u64,
    /// How long it is in force, by the sandbox's clock; without it, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<SignedDuration>,
    /// What happens.
    #[serde(rename = "do", with = "serde_yaml_ng::with::singleton_map")]
    pub effect: FaultEffect,
}

/// Which calls a fault is about. Everything given must be true of the call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultMatch {
    /// HTTP method, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path template, for example `/{version}/{page-id}/subscribed_apps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// App in the path, or of the token used or inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Id>,
    /// Page in the path, or of the token used or inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Id>,
    /// Alias of the token used or inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Person or system user in the path, or of the token used or inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Version in the path, for example `v25.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A name among `fields` or `subscribed_fields`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A parameter that the call has, for example `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Only calls that ask for more rows than this; without `limit` a call asks for 25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_above: Option<u64>,
    /// Only operations of batches, or only requests of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batched: Option<bool>,
}

impl Fault {
    /// A rule that strikes every matching call.
    pub fn new(matching: FaultMatch, effect: FaultEffect) -> Self {
        Self { matching, times: None, after: 0, lasts: None, effect }
    }
}

/// A fault in force, with its number and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActiveFault {
    /// Number, for removing it.
    pub id: u64,
    /// How many calls matched so far.
    pub matched: u64,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The rule.
    #[serde(flatten)]
    pub fault: Fault,
}

impl ActiveFault {
    /// Whether the rule is about this call: some effects make sense for certain calls only.
    fn covers(&self, subject: &Subject) -> bool {
        let fits = match self.fault.effect {
            FaultEffect::Null => subject.batched,
            FaultEffect::Overwrite(_) => subject.writes_subscription(),
            // A batch itself changes nothing: its operations do.
            FaultEffect::SuccessWithoutEffect => !subject.is_several(),
            FaultEffect::Callback(_) => subject.is(Route::AppSubscriptions) && subject.method == "POST",
            FaultEffect::SendBack(_) => subject.is(Route::LoginDialog),
            _ => true,
        };
        let in_force = self.until.is_none_or(|end| subject.time < end);
        fits && in_force && self.fault.matching.covers(subject)
    }

    /// Counts a matching call; whether it strikes.
    fn strikes(&mut self) -> bool {
        self.matched = self.matched.saturating_add(1);
        let nth = self.matched.saturating_sub(self.fault.after);
        nth > 0 && self.fault.times.is_none_or(|times| nth <= times)
    }
}

/// What a call looks like to the fault rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) method: String,
    pub(crate) template: Option<&'static str>,
    pub(crate) apps: Vec<Id>,
    pub(crate) pages: Vec<Id>,
    pub(crate) aliases: Vec<String>,
    pub(crate) users: Vec<Id>,
    pub(crate) version: Option<String>,
    pub(crate) fields: Vec<String>,
    pub(crate) parameters: Vec<String>,
    /// How many rows it asks for.
    pub(crate) limit: u64,
    pub(crate) time: Timestamp,
    /// Whether it is an operation of a batch.
    pub(crate) batched: bool,
}

impl Subject {
    fn is(&self, route: Route) -> bool {
        self.template == Some(route.template())
    }

    /// Whether it is a request of several calls.
    fn is_several(&self) -> bool {
        self.is(Route::Batch)
    }

    /// Whether it changes a webhook subscription.
    fn writes_subscription(&self) -> bool {
        let edge = self.is(Route::AppSubscriptions) || self.is(Route::PageSubscribedApps);
        edge && (self.method == "POST" || self.method == "DELETE")
    }
}

impl FaultMatch {
    fn covers(&self, subject: &Subject) -> bool {
        fn among<T: PartialEq>(wanted: &Option<T>, found: &[T]) -> bool {
            wanted.as_ref().is_none_or(|wanted| found.contains(wanted))
        }
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&subject.method))
            && self.template.as_ref().is_none_or(|template| Some(template.as_str()) == subject.template)
            && among(&self.app, &subject.apps)
            && among(&self.page, &subject.pages)
            && among(&self.alias, &subject.aliases)
            && among(&self.user, &subject.users)
            && (self.version.is_none() || self.version == subject.version)
            && among(&self.field, &subject.fields)
            && among(&self.parameter, &subject.parameters)
            && self.limit_above.is_none_or(|limit| subject.limit > limit)
            && self.batched.is_none_or(|batched| batched == subject.batched)
    }
}

/// The faults in force.
#[derive(Default)]
pub(crate) struct Faults {
    inner: Locked<Inner>,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    active: Vec<ActiveFault>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault, now: Timestamp) -> u64 {
        // What would last beyond all time needs no end.
        let until = fault.lasts.and_then(|span| now.checked_add(span).ok());
        let mut inner = self.inner.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        inner.active.push(ActiveFault { id, matched: 0, until, fault });
        id
    }

    pub(crate) fn list(&self) -> Vec<ActiveFault> {
        self.inner.lock().active.clone()
    }

    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut inner = self.inner.lock();
        let before = inner.active.len();
        inner.active.retain(|fault| fault.id != id);
        inner.active.len() < before
    }

    pub(crate) fn clear(&self) {
        self.inner.lock().active.clear();
    }

    /// The fault that strikes this call: the first in order; later rules do not count the call.
    pub(crate) fn strike(&self, subject: &Subject) -> Option<FaultEffect> {
        self.inner
            .lock()
            .active
            .iter_mut()
            .find_map(|active| (active.covers(subject) && active.strikes()).then(|| active.fault.effect.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_page(page: &str) -> Subject {
        Subject { method: "GET".into(), pages: vec![page.parse().unwrap()], ..Subject::default() }
    }

    fn add(faults: &Faults, yaml: &str) -> u64 {
        faults.add(serde_yaml_ng::from_str(yaml).unwrap(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn after_and_times_choose_the_calls() {
        let faults = Faults::default();
        add(&faults, "{after: 1, times: 2, do: hang}");
        let struck: Vec<bool> = (0..5).map(|_| faults.strike(&get_page("2200000000000001")).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
    }

    #[test]
    fn everything_given_must_match() {
        let faults = Faults::default();
        add(&faults, "{match: {method: get, page: 2200000000000001}, do: {slow: {ms: 5}}}");
        assert!(faults.strike(&get_page("2200000000000002")).is_none());
        let post = Subject { method: "POST".into(), ..get_page("2200000000000001") };
        assert!(faults.strike(&post).is_none());
        assert_eq!(faults.strike(&get_page("2200000000000001")), Some(FaultEffect::Slow { ms: 5 }));
    }

    #[test]
    fn some_effects_strike_certain_calls_only() {
        let faults = Faults::default();
        add(&faults, "{do: 'null'}");
        assert!(faults.strike(&get_page("2200000000000001")).is_none());
        let operation = Subject { batched: true, ..get_page("2200000000000001") };
        assert_eq!(faults.strike(&operation), Some(FaultEffect::Null));
        faults.clear();
        add(&faults, "{do: {overwrite: {fields: []}}}");
        let template = Some(Route::AppSubscriptions.template());
        let read = Subject { method: "GET".into(), template, ..Subject::default() };
        assert!(faults.strike(&read).is_none());
        assert!(faults.strike(&Subject { method: "POST".into(), ..read }).is_some());
        assert!(faults.strike(&Subject { method: "POST".into(), ..get_page("2200000000000001") }).is_none());
    }

    #[test]
    fn callbacks_and_logins_are_struck_where_they_happen() {
        let strikes = |effect: &str, method: &str, route: Route| {
            let faults = Faults::default();
            add(&faults, &format!("{{do: {effect}}}"));
            let template = Some(route.template());
            faults.strike(&Subject { method: method.into(), template, ..Subject::default() }).is_some()
        };
        let callback = "{callback: {status: 403}}";
        assert!(strikes(callback, "POST", Route::AppSubscriptions));
        assert!(!strikes(callback, "GET", Route::AppSubscriptions) && !strikes(callback, "POST", Route::PageMessages));
        let back = "{send_back: {error: server_error}}";
        assert!(strikes(back, "GET", Route::LoginDialog) && !strikes(back, "GET", Route::OauthAccessToken));
    }

    #[test]
    fn rules_may_be_for_operations_of_batches_only() {
        let faults = Faults::default();
        add(&faults, "{match: {batched: true}, do: hang}");
        let alone = get_page("2200000000000001");
        assert!(faults.strike(&alone).is_none());
        assert!(faults.strike(&Subject { batched: true, ..alone }).is_some());
    }

    #[test]
    fn calls_are_chosen_by_what_they_ask_for() {
        let listing = Subject {
            users: vec!["6600000000000001".parse().unwrap()],
            version: Some("v25.0".into()),
            fields: vec!["id".into(), "tasks".into()],
            parameters: vec!["after".into(), "limit".into()],
            limit: 100,
            ..Subject::default()
        };
        let strikes = |rule: &str| {
            let faults = Faults::default();
            add(&faults, &format!("{{match: {rule}, do: hang}}"));
            faults.strike(&listing).is_some()
        };
        for rule in
            ["{user: 6600000000000001, version: v25.0}", "{field: tasks, parameter: after}", "{limit_above: 99}"]
        {
            assert!(strikes(rule), "{rule}");
        }
        let others = [
            "{user: 6600000000000002}",
            "{version: v26.0}",
            "{field: name}",
            "{parameter: before}",
            "{limit_above: 100}",
        ];
        for rule in others {
            assert!(!strikes(rule), "{rule}");
        }
    }

    #[test]
    fn a_rule_may_end_by_the_clock() {
        let faults = Faults::default();
        add(&faults, "{lasts: 10m, do: hang}");
        let after = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let strikes = |minutes| faults.strike(&Subject { time: after(minutes), ..Subject::default() }).is_some();
        assert!(strikes(0) && strikes(9) && !strikes(10));
        assert_eq!(faults.list()[0].until, Some(after(10)));
    }

    #[test]
    fn a_spent_rule_lets_the_next_one_strike() {
        let faults = Faults::default();
        add(&faults, "{times: 1, do: hang}");
        let second = add(&faults, "{do: reset}");
        assert_eq!(faults.strike(&get_page("2200000000000001")), Some(FaultEffect::Hang));
        assert_eq!(faults.strike(&get_page("2200000000000001")), Some(FaultEffect::Reset));
        assert!(faults.remove(second) && !faults.remove(second));
        assert_eq!(faults.strike(&get_page("2200000000000001")), None);
    }
}
