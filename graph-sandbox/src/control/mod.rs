//! Looking into a sandbox and changing it: typed operations, and the HTTP API over them.

mod deliveries;
mod http;
mod messaging;
mod ops;
mod people;
mod usage;
mod view;

pub(crate) use http::router;
pub use ops::{AppChange, AppSubscriptionChange, ControlError, PageChange, PageSubscriptionChange};
pub(crate) use ops::{drift_app, drift_page};
pub use view::{AppSubscriptionView, AppView, PageView, StateView, TokenView};
