//! Looking into a sandbox and changing it.

mod conversations;
mod deauthorize;
mod deliveries;
mod error;
mod ops;
mod people;
mod view;

pub use conversations::{CustomerMessage, ReceiverRole, RoleNotice, RoutingChange, ThreadAct, ThreadChange, Written};
pub use deauthorize::Deauthorization;
pub use deliveries::{SigningChange, WebhookItem};
pub use error::ControlError;
pub use ops::{AppChange, PageChange};
pub use people::{Authorize, BusinessChange, GrantView, PersonChange, Regrant};
pub use view::{AppSubscriptionView, AppView, PageView, RoutingView, StateView, ThreadView, TokenView};
