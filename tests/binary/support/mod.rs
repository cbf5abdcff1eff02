//! What the tests share: the environment, the processes, and readers of what they say.

pub mod canary_secrets;
pub mod env;
pub mod leak_search;
pub mod many_pages;
pub mod memory;
pub mod metric_families;
pub mod openmetrics;
pub mod server;
pub mod undecodable;
