//! The sandbox through HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

mod accounts;
mod app;
mod app_subscriptions;
mod batch;
mod control;
mod conversation_events;
mod conversations;
mod crowd;
mod deauthorize;
mod debug_token;
mod deliveries;
mod desk;
mod docs;
mod error_table;
mod failing_callbacks;
mod faults;
mod invariants;
mod ledger;
mod lineage;
mod login_dialog;
mod messaging_errors;
mod oauth;
mod page;
mod page_subscribed_apps;
mod people;
mod properties;
mod receiver;
mod seeds;
mod support;
mod switches;
mod system_users;
mod thread_control;
mod tokens;
mod transport;
mod usage;
