//! Records what Meta's answers report besides their content: usage, the version that answered, and the date.

use std::sync::Arc;

use jiff::Timestamp;

use super::app_usage::UsageTracker;
use super::clock_skew::ClockSkew;
use super::served_version::ServedVersions;
use crate::api::UsageStatus;
use crate::base::clock::Clock;
use crate::base::ids::Uid;
use crate::base::key::Key;
use crate::graph::{Metered, Usage, UsageListener, Version};
use crate::metrics::Metrics;

/// Hears for one application.
pub struct UsageRecorder {
    /// Where it is noted.
    pub budgets: Arc<UsageTracker>,
    /// Where the version that answered is noted.
    pub served: Arc<ServedVersions>,
    /// Where it is noted how far the clocks are apart.
    pub skew: Arc<ClockSkew>,
    /// Where it is shown.
    pub metrics: Metrics,
    /// When it was heard.
    pub clock: Clock,
    /// The MetaApp.
    pub app: Key,
    /// UID of the MetaApp.
    pub uid: Uid,
}

impl UsageListener for UsageRecorder {
    fn heard(&self, usage: &Usage) {
        self.budgets.hear(&self.uid, usage, self.clock.now());
        if usage.of == Metered::App {
            self.metrics.app_usage(&self.app, usage.percent);
        }
    }

    fn served(&self, asked: Version, by: Version) {
        self.served.hear(&self.uid, asked, by);
    }

    fn dated(&self, at: Option<Timestamp>) {
        self.skew.note(&self.clock, at);
    }
}

/// Whether two usages come to the same: their numbers move all the time.
pub fn are_alike(one: Option<&UsageStatus>, other: Option<&UsageStatus>) -> bool {
    let levels = |usage: Option<&UsageStatus>| usage.map(UsageStatus::levels).unwrap_or_default();
    levels(one) == levels(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::app_usage::Budget;

    #[test]
    fn what_is_heard_counts_for_the_app_and_is_shown_for_it_alone_and_by_its_name() {
        let (budgets, metrics, app) =
            (Arc::new(UsageTracker::default()), Metrics::default(), Key::new("platform", "acme"));
        let (clock, uid) = (Clock::System, Uid::new("uid"));
        let (budgets_of, served, skew) = (Arc::clone(&budgets), Arc::default(), Arc::default());
        let ear =
            UsageRecorder { budgets: budgets_of, served, skew, metrics: metrics.clone(), clock, app: app.clone(), uid };
        let hear = |of, percent| ear.heard(&Usage { of, percent, regain_access: None });
        let shown = || metrics.text().lines().find(|line| line.contains("app_usage_percent{")).map(str::to_owned);
        let is_tight = |budget| budgets.are_tight(&[budget], ear.clock.now());
        hear(Metered::Object("2200000000000001".to_owned()), 97);
        assert_eq!((shown(), is_tight(Budget::page(&"uid".into(), &"2200000000000001".into()))), (None, true));
        let gauge = "meta_channel_operator_app_usage_percent{namespace=\"platform\",name=\"acme\"}";
        for (percent, tight) in [(28, false), (96, true), (0, false)] {
            hear(Metered::App, percent);
            assert_eq!((shown(), is_tight(Budget::app(&"uid".into()))), (Some(format!("{gauge} {percent}")), tight));
        }
        assert!(!metrics.text().contains("2200000000000001"), "no label holds an id");
        metrics.forget_app(&app);
        assert_eq!(shown(), None);
    }
}
