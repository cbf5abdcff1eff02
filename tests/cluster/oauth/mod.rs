//! Authorizing again in a browser: the gateway against a real API server and the simulated login dialog.

mod attacks;
mod business;
mod canary;
mod codes;
mod endings;
mod refusals;
mod renewed;
mod several;
mod steps;
mod strangers;
