//! What the tests share: the environment, fixtures, and ways to look at what came of them.

pub mod admission_policies;
pub mod browser;
pub mod controllers;
pub mod env;
pub mod fixtures;
pub mod gateways;
pub mod grant_channels;
pub mod grant_fixtures;
pub mod holding_proxy;
pub mod keyring;
pub mod kill_after;
pub mod many_channels;
pub mod oauth_fixture;
pub mod observe;
pub mod reauthorization;
pub mod record;
pub mod release_binding;
pub mod schedule;
pub mod service_accounts;
pub mod status_judge;
pub mod subscriptions;
pub mod webhook_calls;
pub mod write_obstacles;
