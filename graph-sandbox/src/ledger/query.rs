//! Choosing among the ledger's entries, and counting them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerEntry;

/// Which entries are wanted. Everything given must be true of the entry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LedgerQuery {
    /// Only those after this number.
    pub(crate) since: u64,
    pub(crate) template: Option<String>,
    /// In any case.
    pub(crate) method: Option<String>,
    pub(crate) status: Option<u16>,
    /// Operations of this batch.
    pub(crate) batch: Option<u64>,
    pub(crate) node: Option<String>,
    /// The first so many.
    pub(crate) limit: Option<usize>,
}

impl LedgerQuery {
    pub(crate) fn wants(&self, entry: &LedgerEntry) -> bool {
        self.template.as_ref().is_none_or(|template| entry.template.as_ref() == Some(template))
            && self.method.as_ref().is_none_or(|method| entry.method.eq_ignore_ascii_case(method))
            && self.status.is_none_or(|status| entry.status == Some(status))
            && self.batch.is_none_or(|batch| entry.batch == Some(batch))
            && self.node.as_ref().is_none_or(|node| entry.node.as_ref() == Some(node))
    }
}

/// The ledger in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LedgerSummary {
    /// HTTP requests.
    pub requests: u64,
    /// Operations of batches, which came inside these.
    pub operations: u64,
    /// Both together by what was asked and what came of it.
    pub calls: Vec<CallCount>,
}

/// How many calls were alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// Path with its variable parts named; absent if the path leads nowhere.
    pub template: Option<String>,
    /// Method.
    pub method: String,
    /// HTTP status; absent if there was no answer (yet).
    pub status: Option<u16>,
    /// Graph error code.
    pub code: Option<i64>,
    /// How many.
    pub count: u64,
}

impl LedgerSummary {
    /// Sums entries up.
    pub(crate) fn of<'e>(entries: impl IntoIterator<Item = &'e LedgerEntry>) -> Self {
        let mut summary = Self::default();
        let mut counts = BTreeMap::new();
        for entry in entries {
            match entry.batch {
                None => summary.requests += 1,
                Some(_) => summary.operations += 1,
            }
            let key = (entry.template.as_deref(), entry.method.as_str(), entry.status, entry.code);
            *counts.entry(key).or_insert(0) += 1;
        }
        let row = |((template, method, status, code), count): ((Option<&str>, &str, _, _), u64)| CallCount {
            template: template.map(str::to_owned),
            method: method.to_owned(),
            status,
            code,
            count,
        };
        summary.calls = counts.into_iter().map(row).collect();
        summary
    }
}
