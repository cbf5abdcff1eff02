//! Authorising again in a browser: the gateway against a real API server and the simulated login dialog.

mod attacks;
mod browser;
mod business;
mod canary;
mod endings;
mod refusals;
pub mod renewed;
mod scene;
mod several;
mod steps;

pub use browser::Browser;
pub use scene::{PERSON, grant_manifest, people};
