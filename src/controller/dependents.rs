//! The reverse index: which objects to wake when something changes.
//!
//! Each reconcile reports what its object depends on. With 10,000 channels, a changed Secret must not cost a scan of all of
//! them.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::base::ids::PageId;
use crate::base::key::{Key, KindName};

/// Something an object depends on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Dependency {
    Secret(Key),
    MetaApp(Key),
    /// A MetaGrant: whether it works.
    MetaGrant(Key),
    /// What a MetaGrant grants for the page of this id.
    GrantedPage(Key, PageId),
    /// An AssetClaim, by its name.
    Claim(String),
    /// Whether a MetaApp allows this namespace by its labels.
    Allowed(Key, String),
}

/// An object that depends on something.
pub type Dependent = (KindName, Key);

/// Who depends on what.
#[derive(Debug, Default)]
pub struct Dependents(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    dependents: HashMap<Dependency, BTreeSet<Dependent>>,
    dependencies: HashMap<Dependent, Vec<Dependency>>,
}

impl Dependents {
    /// Says what an object depends on, instead of what was said before.
    pub fn set(&self, dependent: &Dependent, dependencies: Vec<Dependency>) {
        let mut maps = self.0.lock();
        if maps.dependencies.get(dependent) == Some(&dependencies) {
            return;
        }
        maps.remove(dependent);
        for dependency in &dependencies {
            maps.dependents.entry(dependency.clone()).or_default().insert(dependent.clone());
        }
        maps.dependencies.insert(dependent.clone(), dependencies);
    }

    /// Forgets an object that is gone, and says what it depended on.
    pub fn forget(&self, dependent: &Dependent) -> Vec<Dependency> {
        self.0.lock().remove(dependent)
    }

    /// The objects that depend on something.
    pub fn dependents(&self, dependency: &Dependency) -> Vec<Dependent> {
        let maps = self.0.lock();
        maps.dependents.get(dependency).map(|all| all.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Maps {
    fn remove(&mut self, dependent: &Dependent) -> Vec<Dependency> {
        let dependencies = self.dependencies.remove(dependent).unwrap_or_default();
        for dependency in &dependencies {
            if let Some(all) = self.dependents.get_mut(dependency) {
                all.remove(dependent);
                if all.is_empty() {
                    self.dependents.remove(dependency);
                }
            }
        }
        dependencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_depends_on_it_now_is_found() {
        let index = Dependents::default();
        let secret = |name: &str| Dependency::Secret(Key::new("a", name));
        let one = (KindName::FACEBOOK_CHANNEL, Key::new("a", "one"));
        let two = (KindName::FACEBOOK_CHANNEL, Key::new("a", "two"));
        index.set(&one, vec![secret("x")]);
        index.set(&two, vec![secret("x"), secret("y")]);
        assert_eq!(index.dependents(&secret("x")), vec![one.clone(), two.clone()]);
        index.set(&one, vec![secret("y")]);
        assert_eq!(index.dependents(&secret("x")), vec![two.clone()]);
        assert_eq!(index.forget(&two), vec![secret("x"), secret("y")]);
        assert_eq!(index.dependents(&secret("x")), vec![]);
        assert_eq!(index.dependents(&secret("y")), vec![one]);
    }
}
