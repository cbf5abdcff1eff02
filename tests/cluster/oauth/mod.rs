//! Authorizing again in a browser: the gateway against a real API server and the simulated login dialog.

mod attacks;
mod browser;
mod business;
mod canary;
mod codes;
mod endings;
mod refusals;
pub mod renewed;
mod scene;
mod several;
mod steps;
mod strangers;

pub use browser::Browser;
pub use scene::{PERSON, grant_manifest, people};
