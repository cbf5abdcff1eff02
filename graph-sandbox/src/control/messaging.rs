//! Control calls: customers who write, staff who answer, routing.

use std::sync::Arc;

use axum::Router;

use crate::core::Core;

/// The routes, below `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
}
