//! The sandbox through HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

mod app;
mod app_subscriptions;
mod control;
mod deauthorize;
mod debug_token;
mod deliveries;
mod docs;
mod failing_callbacks;
mod faults;
mod ledger;
mod page;
mod page_subscribed_apps;
mod receiver;
mod seeds;
mod support;
mod switches;
mod tokens;
mod transport;
