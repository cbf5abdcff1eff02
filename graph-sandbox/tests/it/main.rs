//! The sandbox through HTTP, as its users see it.
#![allow(clippy::unwrap_used)]

mod accounts;
mod app;
mod app_subscriptions;
mod control;
mod debug_token;
mod docs;
mod error_table;
mod faults;
mod invariants;
mod ledger;
mod lineage;
mod login_dialog;
mod oauth;
mod page;
mod page_subscribed_apps;
mod people;
mod properties;
mod seeds;
mod support;
mod switches;
mod system_users;
mod tokens;
mod transport;
