//! Refusals to list, and when they start to count.

use crate::base::unlisted::Unlisted;

/// So many refusals in a row count where something was listed before: an API server that has just started may refuse everything for a
/// moment, and by then some seconds have passed.
const ENOUGH: u32 = 5;

/// Refusals to list since something was shown last.
#[derive(Default)]
pub struct ListRefusals {
    listed: bool,
    last: Option<Unlisted>,
    in_a_row: u32,
}

impl ListRefusals {
    /// Something is shown; whether everything was listed.
    pub fn end(&mut self, listed: bool) {
        *self = Self { listed: self.listed || listed, ..Self::default() };
    }

    /// Whether an interruption is worth a line: what is refused once is refused for long, and tried again and again.
    pub fn is_news(&self, why: Option<Unlisted>) -> bool {
        why.is_none() || why != self.last
    }

    /// Why nothing is listed, once that counts.
    pub fn count(&mut self, why: Option<Unlisted>) -> Option<Unlisted> {
        self.last = why;
        self.in_a_row = if why.is_some() { self.in_a_row + 1 } else { 0 };
        why.filter(|_| !self.listed || self.in_a_row >= ENOUGH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_before_is_not_closed_because_it_is_refused_for_a_moment() {
        let why = Some(Unlisted::Forbidden);
        let mut refusals = ListRefusals::default();
        assert_eq!(refusals.count(why), why, "nothing was ever listed");
        refusals.end(true);
        let counted: Vec<_> = (0..5).map(|_| refusals.count(why)).collect();
        assert_eq!(counted, [None, None, None, None, why]);
        refusals.end(false);
        assert_eq!(refusals.count(why), None);
        assert_eq!((refusals.count(None), refusals.count(why)), (None, None));
    }
}
