//! What Graph calls and their HTTP have in common: requests, answers, errors, versions and names.

pub(crate) mod app_fields;
mod error;
pub(crate) mod fields;
mod multipart;
pub(crate) mod page_fields;
mod params;
mod reply;
mod request;
mod route;
mod version;
pub(crate) mod webhook_fields;

pub(crate) use error::GraphError;
pub use error::UserWords;
pub(crate) use params::Params;
pub(crate) use reply::{Effect, Reply};
pub use request::TokenPlace;
pub(crate) use request::{GraphRequest, Operation, read_as_get, read_method};
pub(crate) use route::{Node, OfPage, Route};
pub(crate) use version::Version;
pub use version::graph_versions;
