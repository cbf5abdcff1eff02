//! What the gateway counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::ResultLabel;
use crate::api::references::{APP_SECRET_KEY, PREVIOUS_APP_SECRET_KEY};
use crate::base::key::Key;
use crate::base::unlisted::Unlisted;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RefusalLabels {
    namespace: String,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SignatureLabels {
    namespace: String,
    name: String,
    entry: &'static str,
    result: &'static str,
}

impl SignatureLabels {
    /// A signature that was made with this entry of the Secret, or with none.
    fn new(app: &Key, entry: Option<&'static str>) -> Self {
        let result = if entry.is_some() { "valid" } else { "invalid" };
        let (namespace, name) = (app.namespace.clone(), app.name.clone());
        Self { namespace, name, entry: entry.unwrap_or("none"), result }
    }

    /// All that there can be of an application.
    fn all(app: &Key) -> impl Iterator<Item = Self> {
        [Some(APP_SECRET_KEY), Some(PREVIOUS_APP_SECRET_KEY), None].into_iter().map(|entry| Self::new(app, entry))
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ItemLabels {
    item: &'static str,
    result: &'static str,
}

/// What came of an item of a signed event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ItemResult {
    /// It counts as evidence of the primary receiver.
    Counted,
    /// It is not newer than what is known, or too old, or of a time to come.
    Old,
    /// No channel of the application holds the page.
    UnknownPage,
    /// It tells nothing of the primary receiver.
    NotEvidence,
    /// Its shape is not known.
    NotParsed,
}

impl ItemResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Old => "old",
            Self::UnknownPage => "unknown_page",
            Self::NotEvidence => "not_evidence",
            Self::NotParsed => "not_parsed",
        }
    }
}

/// The counters of the gateway.
#[derive(Clone, Default)]
pub struct Gateway {
    signatures: Family<SignatureLabels, Counter>,
    challenges: Family<ResultLabel, Counter>,
    items: Family<ItemLabels, Counter>,
    reauthorizations: Family<OutcomeLabel, Counter>,
    unread: Family<RefusalLabels, Gauge>,
}

impl Gateway {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_signatures",
            "Signatures of webhook events checked, by MetaApp and the entry of its Secret that made them",
            self.signatures.clone(),
        );
        registry.register("webhook_challenges", "Verification requests answered", self.challenges.clone());
        registry.register(
            "webhook_items",
            "Items of signed webhook events, by what they are and whether they count as evidence of the primary receiver",
            self.items.clone(),
        );
        registry.register(
            "reauthorizations",
            "Steps of authorizing again in a browser, by result",
            self.reauthorizations.clone(),
        );
        // Of an operator its own gauges tell this, for more reasons.
        registry.register(
            "namespaces_refused",
            "1 for each watched namespace in which something cannot be read, so the gateway answers nothing new about it",
            self.unread.clone(),
        );
        let signs = ["message", "standby", "inbox", "role"].into_iter().flat_map(|item| {
            [ItemResult::Counted, ItemResult::Old, ItemResult::UnknownPage].map(|result| (item, result))
        });
        for (item, result) in signs.chain([("other", ItemResult::NotEvidence), ("unknown", ItemResult::NotParsed)]) {
            drop(self.items.get_or_create(&ItemLabels { item, result: result.as_str() }));
        }
        for result in ["valid", "invalid"] {
            drop(self.challenges.get_or_create(&ResultLabel { result }));
        }
    }

    /// Counts a checked signature of a webhook event for an application: made with this entry of its Secret, or with none.
    pub fn signature(&self, app: &Key, entry: Option<&'static str>) {
        self.signatures.get_or_create(&SignatureLabels::new(app, entry)).inc();
    }

    /// Shows the signatures of an application before there are any: of a series that begins with 1, nobody sees the increase.
    pub fn expect_signatures(&self, app: &Key) {
        for labels in SignatureLabels::all(app) {
            drop(self.signatures.get_or_create(&labels));
        }
    }

    /// Forgets the signatures of an application that is gone.
    pub fn forget_signatures(&self, app: &Key) {
        for labels in SignatureLabels::all(app) {
            self.signatures.remove(&labels);
        }
    }

    /// Shows why something cannot be listed in a watched namespace, if that is so.
    pub fn namespace_unread(&self, namespace: &str, reason: Option<&'static str>) {
        for known in [Unlisted::Forbidden, Unlisted::NotFound].map(Unlisted::as_str) {
            let labels = RefusalLabels { namespace: namespace.to_owned(), reason: known };
            if reason == Some(known) {
                self.unread.get_or_create(&labels).set(1);
            } else {
                self.unread.remove(&labels);
            }
        }
    }

    /// Counts an answered verification request.
    pub fn challenge(&self, valid: bool) {
        let result = if valid { "valid" } else { "invalid" };
        self.challenges.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts an item of a signed event.
    pub fn webhook_item(&self, item: &'static str, result: ItemResult) {
        self.items.get_or_create(&ItemLabels { item, result: result.as_str() }).inc();
    }

    /// Counts a step of authorizing again in a browser.
    pub fn reauthorization(&self, outcome: &'static str) {
        self.reauthorizations.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
