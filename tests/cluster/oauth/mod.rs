//! Authorising again in a browser: the gateway against a real API server and the simulated login dialog.

mod attacks;
mod browser;
mod canary;
mod refusals;
mod renewed;
mod scene;
mod steps;
