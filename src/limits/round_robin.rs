//! Namespaces take turns in rotation, so that thousands of objects in one namespace do not come before the few of another.

use std::collections::{BTreeMap, VecDeque};

/// Who waits, by namespace; each namespace in the order of arrival.
#[derive(Clone, Debug)]
pub struct RoundRobin<T> {
    waiting: BTreeMap<String, VecDeque<T>>,
    /// The namespace that had the last turn.
    last: String,
}

impl<T> Default for RoundRobin<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), last: String::new() }
    }
}

impl<T> RoundRobin<T> {
    /// Joins those of a namespace who wait.
    pub fn join(&mut self, namespace: &str, who: T) {
        self.waiting.entry(namespace.to_owned()).or_default().push_back(who);
    }

    /// Whose turn it is: the first of the namespace that comes after the one before. While others wait, no namespace thus
    /// gets more than every second turn.
    pub fn take(&mut self) -> Option<T> {
        let after = (std::ops::Bound::Excluded(self.last.as_str()), std::ops::Bound::Unbounded);
        let namespace = self.waiting.range::<str, _>(after).chain(&self.waiting).next()?.0.clone();
        let waiting = self.waiting.get_mut(&namespace)?;
        let who = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        }
        self.last = namespace;
        who
    }

    /// Those of a namespace of whom this is true wait no more.
    pub fn leave(&mut self, namespace: &str, is_gone: impl Fn(&T) -> bool) {
        let Some(waiting) = self.waiting.get_mut(namespace) else { return };
        waiting.retain(|who| !is_gone(who));
        if waiting.is_empty() {
            self.waiting.remove(namespace);
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A span of turns in which a namespace got more than half, but for the odd one, though another waited all through it.
/// Each turn: the number of the namespace that had it, and which of them waited after it.
#[cfg(test)]
pub(super) fn unfair<const N: usize>(turns: &[(usize, [bool; N])]) -> Option<&[(usize, [bool; N])]> {
    (0..turns.len()).find_map(|from| {
        let (mut had, mut waited) = ([0; N], [true; N]);
        (from + 1..=turns.len()).find_map(|to| {
            let (who, waiting) = turns[to - 1];
            had[who] += 1;
            waited = std::array::from_fn(|namespace| waited[namespace] && waiting[namespace]);
            let too_many = |namespace: usize| had[namespace] > (to - from).div_ceil(2);
            let in_vain = |namespace: usize| (0..N).any(|other| other != namespace && waited[other]);
            (0..N).any(|namespace| too_many(namespace) && in_vain(namespace)).then(|| &turns[from..to])
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn namespaces_take_turns_and_within_one_the_first_comes_first() {
        let mut turns = RoundRobin::default();
        for (namespace, who) in [("b", 1), ("b", 2), ("b", 3), ("a", 4), ("c", 5), ("a", 6)] {
            turns.join(namespace, who);
        }
        let order: Vec<_> = std::iter::from_fn(|| turns.take()).collect();
        assert_eq!(order, [4, 1, 5, 6, 2, 3]);
        assert!(turns.is_empty());
        // Who was served last does not come first again.
        for (namespace, who) in [("b", 7), ("c", 8), ("c", 9)] {
            turns.join(namespace, who);
        }
        turns.leave("c", |who| *who == 8);
        assert_eq!(turns.take(), Some(9));
        turns.leave("b", |_| true);
        assert!(turns.is_empty());
    }

    /// Someone of a namespace joins, or a turn is taken.
    #[derive(Clone, Debug)]
    enum Step {
        Join(u8, u8),
        Next,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let join = (0..4_u8, 1..20_u8).prop_map(|(namespace, count)| Step::Join(namespace, count));
        prop::collection::vec(prop_oneof![1 => join, 4 => Just(Step::Next)], 1..200)
    }

    #[test]
    fn what_is_unfair_is_seen() {
        let turn = |who| (who, [true, true]);
        assert_eq!(unfair(&[turn(0), turn(1), turn(0), turn(1)]), None);
        assert_eq!(unfair(&[turn(1), turn(0), turn(0), turn(1)]), Some(&[turn(0), turn(0)][..]));
        assert_eq!(unfair(&[(0, [true, false]), (0, [true, false])]), None, "nobody else waits");
    }

    proptest! {
        /// Whenever turns are counted from and to: as long as someone of another namespace waits all the time, no
        /// namespace gets more than half of them, but for the odd one.
        #[test]
        fn no_namespace_gets_more_than_half_of_the_turns_while_another_waits(steps in steps()) {
            let mut turns = RoundRobin::default();
            let mut waiting = [0_u32; 4];
            // Each turn: who took it, and who waited before and after it.
            let mut taken: Vec<(usize, [bool; 4])> = Vec::new();
            for step in steps {
                match step {
                    Step::Join(namespace, count) => {
                        waiting[usize::from(namespace)] += u32::from(count);
                        (0..count).for_each(|_| turns.join(&namespace.to_string(), usize::from(namespace)));
                    }
                    Step::Next => {
                        let Some(namespace) = turns.take() else {
                            prop_assert_eq!(waiting, [0; 4], "someone waits in vain");
                            continue;
                        };
                        waiting[namespace] -= 1;
                        taken.push((namespace, waiting.map(|count| count > 0)));
                    }
                }
            }
            prop_assert_eq!(unfair(&taken), None);
        }
    }
}
