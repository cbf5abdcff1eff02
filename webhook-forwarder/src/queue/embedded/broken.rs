//! Whether the store failed. Once it did, it stays so: what the disk holds is not known any more, and a second try to write
//! it could succeed without the first one's pages.

use tokio::sync::watch;

use crate::queue::QueueError;

#[derive(Clone)]
pub(super) struct Broken(watch::Sender<Option<String>>);

impl Broken {
    pub(super) fn not_yet() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The first reason stays: later ones follow from it.
    pub(super) fn set(&self, reason: &str) {
        self.0.send_if_modified(|it| {
            let first = it.is_none();
            it.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    pub(super) fn check(&self) -> Result<(), QueueError> {
        match &*self.0.borrow() {
            Some(reason) => Err(QueueError::Broken(reason.clone())),
            None => Ok(()),
        }
    }

    /// Ends when the store breaks.
    pub(super) async fn wait(&self) -> String {
        let mut reasons = self.0.subscribe();
        // The sender is held by `self`, so there is an answer or none yet.
        let reason = reasons.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
        reason.unwrap_or_default()
    }
}
