//! What is known about the watched namespaces. One that cannot be listed does not make the others wait, and what is asked about
//! it meanwhile is not known to be wrong.

use std::collections::BTreeMap;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::base::unlisted::Unlisted;
use crate::cluster::watch::Change;
use crate::metrics::Metrics;

/// What is listed in a watched namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum List {
    /// MetaApps.
    Apps,
    /// MetaGrants.
    Grants,
}

/// How many there are.
const LISTS: usize = 2;

/// What came of listing; `None` before there was an answer.
type Lists = [Option<Result<(), Unlisted>>; LISTS];

/// The watched namespaces; one empty name stands for all.
pub(super) struct WatchedNamespaces {
    lists: RwLock<BTreeMap<String, Lists>>,
    changed: watch::Sender<()>,
    metrics: Metrics,
}

impl WatchedNamespaces {
    pub(super) fn new(namespaces: &[String], metrics: Metrics) -> Self {
        let lists = namespaces.iter().map(|namespace| (namespace.clone(), Lists::default())).collect();
        Self { lists: RwLock::new(lists), changed: watch::Sender::default(), metrics }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lists.read().keys().cloned().collect()
    }

    /// Notes whether something is listed in a watched namespace.
    pub(super) fn note<K>(&self, namespace: &str, list: List, change: &Change<'_, K>) {
        let outcome = match change {
            Change::Listed => Ok(()),
            Change::Unlisted(why) => Err(*why),
            _ => return,
        };
        let mut all = self.lists.write();
        if let Some(lists) = all.get_mut(namespace) {
            lists[list as usize] = Some(outcome);
            self.metrics.gateway().namespace_unread(namespace, refusal(lists).map(Unlisted::as_str));
        }
        drop(all);
        self.changed.send_replace(());
    }

    /// Whether it is known what there is of this in a namespace: then what is not there does not exist. Of a namespace that is
    /// not watched nothing exists.
    pub(super) fn knows(&self, namespace: &str, list: List) -> bool {
        let all = self.lists.read();
        let lists = all.get(namespace).or_else(|| all.get(""));
        lists.is_none_or(|lists| lists[list as usize] == Some(Ok(())))
    }

    /// Waits until this holds of what came of listing in all watched namespaces.
    pub(super) async fn wait_until(&self, holds: impl Fn(&BTreeMap<String, Lists>) -> bool) {
        let mut changes = self.changed.subscribe();
        while !holds(&self.lists.read()) {
            // Lives as long as this does.
            let _ = changes.changed().await;
        }
    }
}

/// Whether there was an answer about everything. Where nothing at all can be listed nothing can be answered: that is waited
/// for too.
pub(super) fn are_settled(all: &BTreeMap<String, Lists>) -> bool {
    all.values().flatten().all(Option::is_some) && is_one_listed(all)
}

/// Whether everything is listed in one of them.
pub(super) fn is_one_listed(all: &BTreeMap<String, Lists>) -> bool {
    all.values().any(is_listed)
}

/// Whether everything is listed in all of them.
pub(super) fn are_listed(all: &BTreeMap<String, Lists>) -> bool {
    all.values().all(is_listed)
}

fn is_listed(lists: &Lists) -> bool {
    lists.iter().all(|outcome| *outcome == Some(Ok(())))
}

/// Why something cannot be listed, if that is so.
fn refusal(lists: &Lists) -> Option<Unlisted> {
    lists.iter().flatten().find_map(|outcome| outcome.err())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [List; LISTS] = [List::Apps, List::Grants];

    fn namespaces(names: &[&str]) -> WatchedNamespaces {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        WatchedNamespaces::new(&names, Metrics::default())
    }

    fn list(it: &WatchedNamespaces, namespace: &str) {
        ALL.into_iter().for_each(|list| it.note::<()>(namespace, list, &Change::Listed));
    }

    fn refuse(it: &WatchedNamespaces, namespace: &str) {
        ALL.into_iter().for_each(|list| it.note::<()>(namespace, list, &Change::Unlisted(Unlisted::Forbidden)));
    }

    fn holds(it: &WatchedNamespaces, what: impl Fn(&BTreeMap<String, Lists>) -> bool) -> bool {
        what(&it.lists.read())
    }

    #[test]
    fn what_is_not_there_exists_not_once_everything_is_listed() {
        for (watched, asked) in [("a", "a"), ("", "a"), ("", "b")] {
            let it = namespaces(&[watched]);
            assert!(!it.knows(asked, List::Apps), "nothing is listed yet");
            it.note::<()>(watched, List::Apps, &Change::Listed);
            assert!(it.knows(asked, List::Apps) && !it.knows(asked, List::Grants));
            refuse(&it, watched);
            assert!(!it.knows(asked, List::Apps), "it may have changed since");
            list(&it, watched);
            assert!(it.knows(asked, List::Apps));
        }
        assert!(namespaces(&["a"]).knows("b", List::Apps), "it is not watched");
    }

    #[test]
    fn who_cannot_be_listed_is_waited_for_by_nobody_unless_it_is_all_of_them() {
        let it = namespaces(&["a", "b"]);
        refuse(&it, "a");
        assert!(!holds(&it, are_settled) && !holds(&it, is_one_listed), "b may be listed yet");
        list(&it, "b");
        assert!(holds(&it, are_settled) && holds(&it, is_one_listed) && !holds(&it, are_listed));
        list(&it, "a");
        assert!(holds(&it, are_settled) && holds(&it, are_listed));
        let it = namespaces(&["a", "b"]);
        list(&it, "a");
        assert!(!holds(&it, are_settled), "nothing is known of b");
        assert!(holds(&it, is_one_listed));
        let it = namespaces(&["a", "b"]);
        refuse(&it, "a");
        refuse(&it, "b");
        assert!(!holds(&it, are_settled), "nothing can be answered");
    }
}
