//! Codes that come to a browser that did not ask for them. Each is redeemed and discarded, so that nobody who sees it
//! afterwards, for example in a log, can use it; but anyone can bring something that looks like a code.
//!
//! The answer does not wait for this: the time that Meta takes would reveal which applications exist. So it is bounded here, in
//! number and in rate, separately for each client and for each application.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::returning::Returning;
use crate::base::ids::AppId;
use crate::limits::token_bucket::TokenBucket;

/// Codes that Meta is asked about at once.
const MOST: usize = 4;

/// So many of one application at once, whoever brings them, and then once in this time.
const BURST: i32 = 40;
const EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What was brought of late.
pub(super) struct UnsolicitedCodes {
    turns: Arc<Semaphore>,
    clients: Returning,
    /// By the id of the application; of those that there are.
    apps: Mutex<HashMap<AppId, TokenBucket>>,
}

impl UnsolicitedCodes {
    pub(super) fn new(proxies: u8) -> Self {
        Self { turns: Arc::new(Semaphore::new(MOST)), clients: Returning::new(proxies), apps: Mutex::default() }
    }

    /// A turn for a code of this application, if it may be asked about now. It takes none from those who began.
    pub(super) fn admit(
        &self,
        address: SocketAddr,
        headers: &HeaderMap,
        app: &AppId,
        now: Timestamp,
    ) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        (self.clients.admits(address, headers, now) && self.admits_app(app, now)).then_some(turn)
    }

    fn admits_app(&self, app: &AppId, now: Timestamp) -> bool {
        let mut apps = self.apps.lock();
        // A full bucket is as good as none.
        apps.retain(|_, bucket| !bucket.is_full(now));
        apps.entry(app.clone()).or_insert_with(|| TokenBucket::full(now)).take(now, BURST, EVERY).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_crowd_brings_an_application_few_codes_and_takes_no_other_ones_turn() {
        let (unsolicited, now) = (UnsolicitedCodes::new(1), Timestamp::UNIX_EPOCH);
        let admit = |client: i32, app: &str, now| {
            let headers = [("x-forwarded-for".parse().unwrap(), format!("192.0.2.{client}").parse().unwrap())];
            unsolicited.admit("10.0.0.1:4444".parse().unwrap(), &headers.into_iter().collect(), &app.into(), now)
        };
        assert!((0..BURST).all(|client| admit(client, "1", now).is_some()));
        assert!(admit(100, "1", now).is_none() && admit(101, "2", now).is_some());
        assert!(admit(102, "1", now + EVERY).is_some() && admit(103, "1", now + EVERY).is_none());
        unsolicited.admits_app(&"3".into(), now + EVERY * (2 * BURST));
        assert_eq!(unsolicited.apps.lock().len(), 1, "what is full again is forgotten");

        let later = now + EVERY * (4 * BURST);
        let turns: Vec<_> = (0..4).filter_map(|client| admit(client, "1", later)).collect();
        assert!(turns.len() == MOST && admit(200, "2", later).is_none(), "no more are asked about at once");
        drop(turns);
        assert!(admit(200, "2", later).is_some());
    }
}
