//! Control calls: webhook events and how they fare.

use std::sync::Arc;

use axum::Router;

use crate::core::Core;

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
}
