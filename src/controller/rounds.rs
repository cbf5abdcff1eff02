//! The loop of a pass: observe, decide, act, repeated until nothing is left to do now. It is written once, here, and it always
//! ends.

use jiff::Timestamp;

use super::pass::{Pass, Report};
use super::reconciler::{Next, Reconciler};
use crate::cluster::error::Failure;

/// A pass makes few changes, each a round of its own. One that is not through after so many goes in a circle: it would hold
/// its permit for ever, and write at Meta each time around.
pub const MOST: usize = 16;

/// What is done once a report was written.
type Then<K> = Box<dyn FnOnce(&K) + Send>;

/// What one round of a pass came to.
pub enum Round<K: InRounds> {
    /// Something was done: check again, with what was asked so far.
    Again(K::Asked),
    /// There was nothing to look at.
    Unchanged,
    /// There was nothing to look at, but there is something else to say.
    Amend(K::Status),
    /// The same, but it is time for a look not later than this.
    AmendUntil(K::Status, Timestamp),
    /// Nothing is left to do now.
    Report(Report<K::Status>),
    /// The same, and something follows from it for others.
    ReportThen(Report<K::Status>, Then<K>),
}

/// A kind whose passes go in rounds.
pub trait InRounds: Reconciler + Sized {
    /// What was asked and done in a pass.
    type Asked: Default + Send;

    /// Observes and decides; performs the one mutation that was decided, if any.
    ///
    /// # Errors
    /// When the Kubernetes API does not answer.
    fn round(
        &self,
        object: &Self::Object,
        pass: &Pass<Self::Status>,
        asked: Self::Asked,
    ) -> impl Future<Output = Result<Round<Self>, Failure>> + Send;
}

/// A whole pass over an object.
///
/// # Errors
/// When the Kubernetes API does not answer, or the pass does not end.
pub async fn pass<K: InRounds>(kind: &K, object: &K::Object) -> Result<Next, Failure> {
    let pass = Pass::begin(kind, object);
    let mut asked = K::Asked::default();
    for _ in 0..MOST {
        match kind.round(object, &pass, asked).await? {
            Round::Again(so_far) => asked = so_far,
            Round::Unchanged if pass.owes_a_status() => {
                let owed = pass.previous.clone();
                return pass.amend(kind, object, owed).await;
            }
            Round::Unchanged => return Ok(pass.unchanged(kind)),
            Round::Amend(status) => return pass.amend(kind, object, status).await,
            Round::AmendUntil(status, until) => return pass.sooner(until).amend(kind, object, status).await,
            Round::Report(report) => return pass.report(kind, object, report).await,
            Round::ReportThen(report, then) => {
                let next = pass.report(kind, object, report).await?;
                then(kind);
                return Ok(next);
            }
        }
    }
    Err(Failure::Circle)
}
