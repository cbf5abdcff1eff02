//! What is seen of a claim on a page, and what must be done about it.

use jiff::Timestamp;

use crate::api::AssetClaimStatus;
use crate::api::outcome::Class;
use crate::cluster::events::Note;
use crate::limits::answer::Answer;
use crate::meta_app::by_id::{Access, AppState};

/// What was seen of a claim on a page.
#[derive(Debug)]
pub struct Observed {
    /// Whether the holder lives, as the watch shows it.
    pub lives: bool,
    /// Whether this process saw it live and then go.
    pub departed: bool,
    /// The application through which the page is used; asked for only once the holder is gone.
    pub app: AppState,
    /// Whether our clock is not known to agree with Meta's, so that nobody was waited for long enough by it.
    pub clock_doubted: bool,
    /// Before this time it is others' turn, or Meta is left alone.
    pub turn: Option<Timestamp>,
    /// What the API server says of the holder now; asked for only when something is about to be done.
    pub checked: Option<Checked>,
    /// What Meta answered in this pass when the page was to be unsubscribed.
    pub asked: Option<Answer<()>>,
    /// What calls on behalf of the application need, if it is usable.
    pub access: Option<Access>,
}

/// What the API server says of a holder that the watch does not show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Checked {
    /// It lives, though it may be one that cannot be decoded.
    Lives,
    /// It is gone, but this other channel of the namespace declares the page.
    Wanted {
        name: String,
    },
    Gone,
    /// It may not be looked for.
    Forbidden,
}

/// What to do: unsubscribe the page, or report.
pub struct Plan {
    /// Whether to unsubscribe the page before looking again.
    pub release: bool,
    /// What to report otherwise.
    pub report: Report,
}

/// What a pass came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The status to write, if it is another one.
    pub status: Option<AssetClaimStatus>,
    /// When to act again.
    pub then: Then,
    /// An Event to publish.
    pub note: Option<Note>,
}

/// When to act again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// When something changes, and not before.
    Never,
    /// At this time.
    At(Timestamp),
    Class(Class),
}
