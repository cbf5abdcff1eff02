//! Which release a namespace belongs to. Where the operator watches named namespaces, a ConfigMap in each of them names its
//! release: everything in a namespace that is bound to another release, or to none, is ignored as if it were not there. The
//! same applies to a namespace that may not be listed, which does not make the others wait.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::base::unlisted::Unlisted;

/// What has to be listed in a watched namespace besides the kinds: labeled Secrets, and the binding.
pub const SECRETS: &str = "Secret";
pub const BINDING: &str = "ConfigMap";

/// Why a namespace is left alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// No binding says whose it is.
    Unbound,
    /// Its binding names this other release.
    OtherRelease(String),
    /// Something cannot be listed there.
    Unlisted(Unlisted),
}

impl Refusal {
    /// One word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unbound => "Unbound",
            Self::OtherRelease(_) => "OtherRelease",
            Self::Unlisted(why) => why.as_str(),
        }
    }
}

/// What is known of a namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tenure {
    /// Whether it is ours; `None` until everything was listed there.
    pub verdict: Option<Result<(), Refusal>>,
    /// How often that changed: what was missed in between has to be made up for, though the verdict may be the same again.
    pub changes: u64,
}

/// Which release the watched namespaces belong to.
pub struct Namespaces {
    release: String,
    state: RwLock<State>,
    changed: watch::Sender<()>,
}

/// What became of each list; `None` before there is an answer.
type Lists = BTreeMap<&'static str, Option<Result<(), Unlisted>>>;

#[derive(Default)]
struct State {
    /// What was listed, for each watched namespace; "" is all.
    lists: BTreeMap<String, Lists>,
    /// Watched namespaces where everything was listed once, so that an object that is not shown is not there.
    shown: BTreeSet<String>,
    /// The releases that bindings name, by their namespaces.
    releases: BTreeMap<String, String>,
    /// What follows; "" is for all namespaces that are not named.
    tenures: BTreeMap<String, Tenure>,
}

impl Namespaces {
    /// Of the release of this name, with these watched namespaces; one empty name stands for all. Where all are watched, a
    /// namespace without a binding is ours. In each the objects of these kinds have to be listed.
    pub fn new(release: String, scopes: &[String], kinds: impl IntoIterator<Item = &'static str>) -> Self {
        let lists: Lists = kinds.into_iter().chain([SECRETS, BINDING]).map(|list| (list, None)).collect();
        let lists = scopes.iter().map(|scope| (scope.clone(), lists.clone())).collect();
        let mut state = State { lists, ..State::default() };
        state.judge(&release);
        Self { release, state: RwLock::new(state), changed: watch::Sender::default() }
    }

    /// The name of our release.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether a namespace is ours: what lies in others is not there for us.
    pub fn is_ours(&self, namespace: &str) -> bool {
        self.knows_to_be_ours(namespace) == Some(true)
    }

    /// The same; `None` where that is not known, since something cannot be listed there.
    pub fn knows_to_be_ours(&self, namespace: &str) -> Option<bool> {
        let state = self.state.read();
        match state.tenures.get(namespace).or_else(|| state.tenures.get("")).map(|tenure| &tenure.verdict) {
            None | Some(Some(Err(Refusal::Unbound | Refusal::OtherRelease(_)))) => Some(false),
            Some(Some(Ok(()))) => Some(true),
            Some(None | Some(Err(Refusal::Unlisted(_)))) => None,
        }
    }

    /// Whether a watched namespace belongs to nobody, as one that is being deleted does, though its channels were shown once.
    pub fn is_left(&self, namespace: &str) -> bool {
        let state = self.state.read();
        let verdict = state.tenures.get(namespace).and_then(|tenure| tenure.verdict.as_ref());
        state.shown.contains(namespace) && matches!(verdict, Some(Err(Refusal::Unbound | Refusal::Unlisted(_))))
    }

    /// Notes that something was listed in a watched namespace, or cannot be.
    pub fn listed(&self, scope: &str, list: &'static str, outcome: Result<(), Unlisted>) {
        self.change(|state| {
            let Some(lists) = state.lists.get_mut(scope) else { return };
            lists.insert(list, Some(outcome));
            if lists.values().all(|outcome| *outcome == Some(Ok(()))) {
                state.shown.insert(scope.to_owned());
            }
        });
    }

    /// Notes which release the binding of a namespace names; `None` if there is no binding any more.
    pub fn bound(&self, namespace: &str, release: Option<String>) {
        self.change(|state| {
            match release {
                Some(release) => state.releases.insert(namespace.to_owned(), release),
                None => state.releases.remove(namespace),
            };
        });
    }

    /// What is known of each namespace that is named somewhere; "" stands for all others, if they are watched.
    pub fn tenures(&self) -> BTreeMap<String, Tenure> {
        self.state.read().tenures.clone()
    }

    /// Is told when that changes.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write();
        change(&mut state);
        let changed = state.judge(&self.release);
        drop(state);
        if changed {
            self.changed.send_replace(());
        }
    }
}

impl State {
    /// Draws the conclusions; whether there are new ones.
    fn judge(&mut self, release: &str) -> bool {
        let mut named: Vec<_> = self.lists.keys().chain(self.releases.keys()).chain(self.tenures.keys()).collect();
        named.sort_unstable();
        named.dedup();
        let verdicts: Vec<_> = named.into_iter().map(|name| (name.clone(), self.verdict(name, release))).collect();
        let mut changed = false;
        for (namespace, verdict) in verdicts {
            let tenure = self.tenures.entry(namespace).or_default();
            if tenure.verdict != verdict {
                *tenure = Tenure { verdict, changes: tenure.changes + 1 };
                changed = true;
            }
        }
        changed
    }

    fn verdict(&self, namespace: &str, release: &str) -> Option<Result<(), Refusal>> {
        let (scope, lists) = self.lists.get_key_value(namespace).or_else(|| self.lists.get_key_value(""))?;
        if let Some(unlisted) = lists.values().flatten().find_map(|outcome| outcome.err()) {
            return Some(Err(Refusal::Unlisted(unlisted)));
        }
        if lists.values().any(Option::is_none) {
            return None;
        }
        Some(match self.releases.get(namespace) {
            Some(named) if named == release => Ok(()),
            Some(named) => Err(Refusal::OtherRelease(named.clone())),
            None if scope.is_empty() => Ok(()),
            None => Err(Refusal::Unbound),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 3] = ["FacebookChannel", SECRETS, BINDING];

    fn bindings(scopes: &[&str]) -> Namespaces {
        let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Namespaces::new("ops/acme".to_owned(), &scopes, ["FacebookChannel"])
    }

    fn list_all(bindings: &Namespaces, scope: &str) {
        ALL.into_iter().for_each(|list| bindings.listed(scope, list, Ok(())));
    }

    fn bind(bindings: &Namespaces, namespace: &str, release: &str) {
        bindings.bound(namespace, Some(release.to_owned()));
    }

    fn refusal(bindings: &Namespaces, namespace: &str) -> Option<&'static str> {
        bindings.tenures().get(namespace)?.verdict.as_ref()?.as_ref().err().map(Refusal::as_str)
    }

    #[test]
    fn a_named_namespace_is_ours_once_it_is_bound_to_us_and_everything_is_listed() {
        let it = bindings(&["a", "b"]);
        bind(&it, "a", "ops/acme");
        bind(&it, "elsewhere", "ops/acme");
        for list in ALL {
            assert!(!it.is_ours("a"), "before {list:?}");
            it.listed("a", list, Ok(()));
        }
        assert!(it.is_ours("a"));
        assert!(!it.is_ours("b") && refusal(&it, "b").is_none(), "nothing is known of it yet");
        assert!(!it.is_ours("elsewhere"), "it is not watched");
    }

    #[test]
    fn a_named_namespace_is_left_alone_for_a_reason() {
        let it = bindings(&["a"]);
        list_all(&it, "a");
        assert_eq!((it.is_ours("a"), refusal(&it, "a")), (false, Some("Unbound")));
        for other in ["ops/other", "other/acme", "ops/acme2", "", "acme"] {
            bind(&it, "a", other);
            assert_eq!((it.is_ours("a"), refusal(&it, "a")), (false, Some("OtherRelease")), "{other}");
        }
        bind(&it, "a", "ops/acme");
        assert!(it.is_ours("a"));
        it.listed("a", SECRETS, Err(Unlisted::Forbidden));
        assert_eq!((it.is_ours("a"), refusal(&it, "a")), (false, Some("Forbidden")));
        assert_eq!((it.knows_to_be_ours("a"), it.knows_to_be_ours("b")), (None, Some(false)));
        it.listed("a", SECRETS, Err(Unlisted::NotFound));
        assert_eq!((it.is_ours("a"), refusal(&it, "a")), (false, Some("NotFound")));
        it.listed("a", SECRETS, Ok(()));
        assert!(it.is_ours("a") && it.knows_to_be_ours("a") == Some(true));
        it.bound("a", None);
        assert_eq!((it.is_ours("a"), refusal(&it, "a")), (false, Some("Unbound")));
        assert_eq!(it.knows_to_be_ours("a"), Some(false));
    }

    #[test]
    fn a_namespace_is_left_once_it_was_seen_and_belongs_to_nobody() {
        let it = bindings(&["a"]);
        it.listed("a", "FacebookChannel", Err(Unlisted::Forbidden));
        assert!(!it.is_left("a"), "what is there was never seen");
        list_all(&it, "a");
        assert!(it.is_left("a"));
        for (release, expected) in [(Some("ops/acme"), false), (Some("ops/other"), false), (None, true)] {
            it.bound("a", release.map(str::to_owned));
            assert_eq!(it.is_left("a"), expected, "{release:?}");
        }
        it.listed("a", "FacebookChannel", Err(Unlisted::Forbidden));
        assert!(it.is_left("a"));
    }

    #[test]
    fn where_all_namespaces_are_watched_those_without_a_binding_are_ours() {
        let it = bindings(&[""]);
        assert!(!it.is_ours("a"), "nothing is listed yet");
        list_all(&it, "");
        bind(&it, "b", "ops/other");
        bind(&it, "c", "ops/acme");
        assert!(it.is_ours("a") && !it.is_ours("b") && it.is_ours("c"));
        assert_eq!((refusal(&it, ""), refusal(&it, "b")), (None, Some("OtherRelease")));
        it.bound("b", None);
        assert!(it.is_ours("b"));
        it.listed("", "FacebookChannel", Err(Unlisted::Forbidden));
        assert!(!it.is_ours("a") && !it.is_ours("b"));
    }

    #[test]
    fn a_change_that_was_taken_back_is_one_all_the_same_and_a_repetition_is_none() {
        let it = bindings(&["a"]);
        list_all(&it, "a");
        bind(&it, "a", "ops/acme");
        let (before, mut told) = (it.tenures(), it.subscribe());
        bind(&it, "a", "ops/acme");
        list_all(&it, "a");
        assert!(it.tenures() == before && !told.has_changed().expect("it lives"));
        it.bound("a", None);
        bind(&it, "a", "ops/acme");
        let after = it.tenures();
        assert!(told.has_changed().expect("it lives"));
        told.mark_unchanged();
        assert_eq!((&after["a"].verdict, after["a"].changes), (&before["a"].verdict, before["a"].changes + 2));
    }
}
