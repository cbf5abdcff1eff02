//! How often someone may come back with a code. Each one that is checked costs an exchange at Meta and some objects in the
//! inbox, whether it is a code or not. So it is bounded, separately for each client: nobody uses up the turns of others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::limits::token_bucket::TokenBucket;
use crate::server::connections::peer;

/// So many times at once, and then once in this time.
const BURST: i32 = 20;
const EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Clients that are told apart. If there are more who came often, only what is checked together is bounded.
const MOST: usize = 10_000;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// How often clients came back of late.
pub(super) struct Returning {
    /// Proxies of ours that a request passes, each of which adds whom it got it from.
    proxies: usize,
    clients: Mutex<HashMap<IpAddr, TokenBucket>>,
}

impl Returning {
    pub(super) fn new(proxies: u8) -> Self {
        Self { proxies: proxies.into(), clients: Mutex::default() }
    }

    /// Whether someone may come back now.
    pub(super) fn admits(&self, address: SocketAddr, headers: &HeaderMap, now: Timestamp) -> bool {
        let client = peer(self.client(address.ip(), headers));
        let mut clients = self.clients.lock();
        // A full bucket is as good as none.
        clients.retain(|_, bucket| !bucket.is_full(now));
        if clients.len() >= MOST && !clients.contains_key(&client) {
            return true;
        }
        clients.entry(client).or_insert_with(|| TokenBucket::full(now)).take(now, BURST, EVERY).is_ok()
    }

    /// Whom the outermost of our proxies got a request from. What stands before that, the client wrote itself.
    fn client(&self, address: IpAddr, headers: &HeaderMap) -> IpAddr {
        let texts = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
        let named: Vec<_> = texts.flat_map(|text| text.split(',')).map(str::trim).collect();
        let at = |proxies: usize| named.len().checked_sub(proxies).and_then(|at| named.get(at));
        let named = Some(self.proxies).filter(|proxies| *proxies > 0).and_then(at);
        named.and_then(|text| parse(text)).unwrap_or(address)
    }
}

/// An address, as some proxies write it also with a port.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PEER: &str = "10.0.0.1:4444";

    fn forwarded(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (FORWARDED_FOR.parse().unwrap(), line.parse().unwrap())).collect()
    }

    #[test]
    fn the_client_is_whom_the_outermost_of_our_proxies_names() {
        let rows: [(u8, &[&str], &str); 9] = [
            (0, &["192.0.2.1"], "10.0.0.1"),
            (1, &[], "10.0.0.1"),
            (1, &["192.0.2.1"], "192.0.2.1"),
            (1, &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (1, &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            (1, &["192.0.2.1:80"], "192.0.2.1"),
            (1, &["[2001:db8::1]:80"], "2001:db8::1"),
            (2, &["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (2, &["192.0.2.1"], "10.0.0.1"),
        ];
        for (proxies, lines, expected) in rows {
            let it = Returning::new(proxies);
            let found = it.client(PEER.parse::<SocketAddr>().unwrap().ip(), &forwarded(lines));
            assert_eq!(found.to_string(), expected, "{proxies} {lines:?}");
        }
    }

    #[test]
    fn who_comes_back_often_waits_and_nobody_else() {
        let (it, now) = (Returning::new(1), Timestamp::UNIX_EPOCH);
        let admits = |client: &str, now| it.admits(PEER.parse().unwrap(), &forwarded(&[client]), now);
        assert!((0..BURST).all(|_| admits("192.0.2.1", now)));
        assert!(!admits("192.0.2.1", now) && admits("192.0.2.2", now));
        assert!(admits("192.0.2.1", now + EVERY) && !admits("192.0.2.1", now + EVERY));
        assert!((0..BURST).all(|n| admits(&format!("2001:db8::{n}"), now)));
        assert!(!admits("2001:db8::ffff", now), "they have all of it to themselves");
    }

    #[test]
    fn a_crowd_fills_no_memory_and_keeps_nobody_out() {
        let (it, now) = (Returning::new(1), Timestamp::UNIX_EPOCH);
        for n in 0..2 * MOST {
            let client = format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255);
            assert!(it.admits(PEER.parse().unwrap(), &forwarded(&[&client]), now));
        }
        assert_eq!(it.clients.lock().len(), MOST);
    }
}
