//! Looking into a sandbox and changing it: typed operations, and the HTTP API over them.

mod conversations;
mod deliveries;
mod http;
mod index;
mod messaging;
mod ops;
mod people;
mod presets;
#[cfg(test)]
mod tests;
mod usage;
mod view;

pub use conversations::{CustomerMessage, ReceiverRole, RoleNotice, RoutingChange, ThreadAct, ThreadChange, Written};
pub use deliveries::{SigningChange, WebhookItem};
pub(crate) use http::router;
pub use ops::{AppChange, AppSubscriptionChange, ControlError, PageChange, PageSubscriptionChange};
pub(crate) use ops::{drift_app, drift_page};
pub use people::{Authorise, BusinessChange, GrantView, PersonChange, Regrant};
pub use view::{AppSubscriptionView, AppView, PageView, RoutingView, StateView, ThreadView, TokenView};
