//! What everything stands on: times, keys, identities, fingerprints, and the one door for foreign text. Imports nothing else of this crate.

pub mod clock;
pub mod fingerprint;
pub mod ids;
pub mod key;
pub mod priority;
pub mod redact;
pub mod schedule;
pub mod signing_key;
pub mod unlisted;
pub mod watch_health;
pub mod withheld;
