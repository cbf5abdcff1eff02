//! How pressing a check at Meta is. With much of a budget used, what is less pressing is held back earlier, so that the
//! rest is left for what is more.

/// How pressing a look is, the most pressing first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// A person changed something and waits for what comes of it.
    Edit,
    /// An authorization is about to end, or something is being renewed or repaired.
    Urgent,
    /// Never verified, or not as it is now: something it depends on changed.
    Unverified,
    /// It is only time for it.
    Sweep,
}

/// From this share on a budget is tight: what is only due in time comes half as often, and passes stand in line.
pub const TIGHT: u32 = 80;
/// From this share on only edits, what is urgent and the application's own check are let through.
pub const SPARSE: u32 = 95;
/// From this share on the rest is left to edits.
pub const SCARCE: u32 = 98;
/// From this share on Meta throttles: there is silence.
pub const FULL: u32 = 100;

impl Priority {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Edit, Self::Urgent, Self::Unverified, Self::Sweep];

    /// The share of a budget from which on such looks are held back. An edit's are only held back by silence: what was
    /// heard before the last silence does not hold them.
    pub const fn held_from(self) -> Option<u32> {
        match self {
            Self::Edit => None,
            Self::Urgent => Some(SCARCE),
            Self::Unverified | Self::Sweep => Some(SPARSE),
        }
    }

    /// Whether such looks are held back when so much of a budget is used.
    pub fn is_held_at(self, percent: u32) -> bool {
        self.held_from().is_some_and(|from| percent >= from)
    }

    /// The priority as it stands in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Urgent => "urgent",
            Self::Unverified => "unverified",
            Self::Sweep => "sweep",
        }
    }
}

/// What a look is taken for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Occasion {
    /// A person changed the object or its credentials since the last check that was answered.
    pub edited: bool,
    /// Its authorization is about to end.
    pub ending: bool,
    /// Something about it is being repaired.
    pub mending: bool,
    /// What it depends on is not what it was when it was verified.
    pub changed: bool,
}

impl From<Occasion> for Priority {
    fn from(occasion: Occasion) -> Self {
        match occasion {
            Occasion { edited: true, .. } => Self::Edit,
            Occasion { ending: true, .. } | Occasion { mending: true, .. } => Self::Urgent,
            Occasion { changed: true, .. } => Self::Unverified,
            _ => Self::Sweep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_pressing_a_look_is_the_earlier_it_is_held_back() {
        let held = |percent| Priority::ALL.map(|priority| priority.is_held_at(percent));
        let rows = [
            (0, [false, false, false, false]),
            (80, [false, false, false, false]),
            (94, [false, false, false, false]),
            (95, [false, false, true, true]),
            (97, [false, false, true, true]),
            (98, [false, true, true, true]),
            (100, [false, true, true, true]),
        ];
        for (percent, expected) in rows {
            assert_eq!(held(percent), expected, "at {percent} %");
        }
        assert!(Priority::ALL.is_sorted(), "the most pressing is first in line");
    }

    #[test]
    fn the_most_pressing_occasion_counts() {
        let occasion = |edited, ending, mending, changed| Occasion { edited, ending, mending, changed };
        let rows = [
            (occasion(true, true, true, true), Priority::Edit),
            (occasion(true, false, false, true), Priority::Edit),
            (occasion(false, true, false, true), Priority::Urgent),
            (occasion(false, false, true, false), Priority::Urgent),
            (occasion(false, false, false, true), Priority::Unverified),
            (occasion(false, false, false, false), Priority::Sweep),
        ];
        for (occasion, expected) in rows {
            assert_eq!(Priority::from(occasion), expected, "{occasion:?}");
        }
    }
}
