//! The ledger: every Graph request, without its secrets.

mod plain;
mod query;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use plain::{is_plain_word, plain_url, plain_word};
pub(crate) use query::LedgerQuery;
pub use query::{CallCount, LedgerSummary};

use crate::locked::Locked;
use crate::protocol::TokenPlace;
use crate::seed::TokenKind;

/// How many requests the ledger remembers.
const CAPACITY: usize = 200_000;

/// One request to the simulated Graph. Holds no token, proof, secret or verify token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerEntry {
    /// Position in the order of arrival, from 1.
    pub seq: u64,
    /// Number of the batch it is an operation of.
    pub batch: Option<u64>,
    /// When it arrived, by the sandbox's clock.
    pub time: Timestamp,
    /// HTTP method, or the one that the parameter `method` puts in place of POST.
    pub method: String,
    /// Path without query; anything that is neither version, id nor a plain word is `<other>`.
    pub path: String,
    /// Path with its variable parts named; absent if the path leads nowhere.
    pub template: Option<String>,
    /// Version asked for.
    pub version: Option<String>,
    /// Id of the app or page the path is about.
    pub node: Option<String>,
    /// Names in the parameter `fields`.
    pub fields: Vec<String>,
    /// Names in the parameter `subscribed_fields`.
    pub subscribed_fields: Vec<String>,
    /// Other parameters; the value is `<hidden>` where it could be a secret.
    pub params: BTreeMap<String, String>,
    /// The token the request was made with.
    pub token: Option<TokenUse>,
    /// The token `debug_token` was asked about.
    pub inspected: Option<TokenUse>,
    /// State of `appsecret_proof`.
    pub proof: ProofUse,
    /// The verification request that was made to a callback.
    pub callback: Option<CallbackUse>,
    /// Name of the fault that struck.
    pub fault: Option<String>,
    /// HTTP status of the answer; absent if there was none (yet).
    pub status: Option<u16>,
    /// Graph error code of the answer.
    pub code: Option<i64>,
    /// Graph error subcode of the answer.
    pub subcode: Option<i64>,
}

/// A token as the ledger shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// Its kind; absent if the token was not recognized.
    pub kind: Option<TokenKind>,
    /// The app it belongs to.
    pub app: Option<String>,
    /// The page it belongs to.
    pub page: Option<String>,
    /// The person or system user behind it.
    pub user: Option<String>,
    /// Its alias in the seed.
    pub alias: Option<String>,
    /// Where it stood in the request; absent for an inspected token.
    pub place: Option<TokenPlace>,
}

/// State of `appsecret_proof` in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofUse {
    /// Not sent.
    #[default]
    Absent,
    /// Sent, and right for the token and its app.
    Valid,
    /// Sent, and wrong or for an unknown token.
    Invalid,
}

/// A verification request to a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackUse {
    /// The callback, without query.
    pub url: String,
    /// Whether it answered with the challenge.
    pub verified: bool,
    /// HTTP status it answered with.
    pub status: Option<u16>,
}

/// The requests in order of arrival.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Locked<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    /// Shared, so that a reader of thousands does not keep the lock while it copies them.
    entries: VecDeque<Arc<LedgerEntry>>,
}

impl Ledger {
    /// Enters a request that has just arrived; returns its number.
    pub(crate) fn open(&self, mut entry: LedgerEntry) -> u64 {
        let mut inner = self.inner.lock();
        inner.last += 1;
        entry.seq = inner.last;
        if inner.entries.len() == CAPACITY {
            inner.entries.pop_front();
        }
        inner.entries.push_back(Arc::new(entry));
        inner.last
    }

    /// Completes an entry; one that was cleared meanwhile stays cleared.
    pub(crate) fn amend(&self, seq: u64, change: impl FnOnce(&mut LedgerEntry)) {
        let mut inner = self.inner.lock();
        let found = inner.entries.binary_search_by_key(&seq, |entry| entry.seq);
        if let Some(entry) = found.ok().and_then(|index| inner.entries.get_mut(index)) {
            change(Arc::make_mut(entry));
        }
    }

    /// The entries after this number.
    pub(crate) fn since(&self, seq: u64) -> Vec<Arc<LedgerEntry>> {
        let inner = self.inner.lock();
        let start = inner.entries.partition_point(|entry| entry.seq <= seq);
        inner.entries.range(start..).cloned().collect()
    }

    /// The entries a query wants.
    pub(crate) fn find(&self, query: &LedgerQuery) -> Vec<Arc<LedgerEntry>> {
        let mut found = self.since(query.since);
        found.retain(|entry| query.wants(entry));
        found.truncate(query.limit.unwrap_or(usize::MAX));
        found
    }

    /// The entries after this number, in numbers.
    pub(crate) fn summary(&self, since: u64) -> LedgerSummary {
        LedgerSummary::of(self.since(since).iter().map(|entry| &**entry))
    }

    /// Forgets the entries; the numbers go on.
    pub(crate) fn clear(&self) {
        self.inner.lock().entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_clearing() {
        let ledger = Ledger::default();
        let first = ledger.open(LedgerEntry::default());
        ledger.clear();
        let second = ledger.open(LedgerEntry::default());
        ledger.amend(first, |entry| entry.status = Some(500));
        ledger.amend(second, |entry| entry.status = Some(200));
        assert_eq!((first, second), (1, 2));
        let entries = ledger.since(0);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].status, Some(200));
        assert!(ledger.since(2).is_empty());
    }

    #[test]
    fn the_oldest_entries_give_way() {
        let ledger = Ledger::default();
        for _ in 0..CAPACITY + 3 {
            ledger.open(LedgerEntry::default());
        }
        let entries = ledger.since(0);
        assert_eq!(entries.len(), CAPACITY);
        assert_eq!(entries[0].seq, 4);
    }
}
