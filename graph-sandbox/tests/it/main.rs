//! The sandbox through HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

mod app;
mod app_subscriptions;
mod batch;
mod control;
mod crowd;
mod debug_token;
mod docs;
mod faults;
mod ledger;
mod page;
mod page_subscribed_apps;
mod seeds;
mod support;
mod switches;
mod tokens;
mod transport;
mod usage;
