//! Tables of the decision: a healthy scene, and one variation a row.
#![allow(clippy::unwrap_used)]

mod absent;
mod credentials;
mod histories;
mod kept;
mod permissions;
mod policies;
mod properties;
mod requested;
mod rotation;
mod scene;
mod strategies;
mod supported;
mod usage;
mod version;
mod webhook;
mod wishes;
