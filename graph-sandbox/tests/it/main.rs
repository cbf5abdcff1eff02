//! The sandbox through HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

mod app;
mod app_subscriptions;
mod control;
mod conversation_events;
mod conversations;
mod deauthorize;
mod debug_token;
mod deliveries;
mod desk;
mod docs;
mod failing_callbacks;
mod faults;
mod ledger;
mod messaging_errors;
mod page;
mod page_subscribed_apps;
mod receiver;
mod seeds;
mod support;
mod switches;
mod thread_control;
mod tokens;
mod transport;
