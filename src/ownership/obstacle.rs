//! What keeps the operator from writing claims.

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

/// Why claims cannot be taken or changed.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum Obstacle {
    /// Their namespace does not exist.
    NoNamespace,
    /// The operator has no rights there.
    Forbidden,
    /// The API server would let anybody write claims for any namespace.
    Unguarded,
    /// The API server refuses them for another reason.
    Refused {
        /// What was seen.
        seen: String,
        /// Who must do what.
        next_step: String,
    },
    /// The API server has not said yet whether it would.
    #[default]
    Unproven,
}

/// What is known of the protection of claims.
#[derive(Debug)]
pub struct Proof {
    /// What keeps the operator from writing claims, as far as it is about all of them.
    obstacle: RwLock<Option<Obstacle>>,
    /// When the API server said so.
    asked_at: Mutex<Option<Timestamp>>,
}

impl Default for Proof {
    fn default() -> Self {
        Self { obstacle: RwLock::new(Some(Obstacle::default())), asked_at: Mutex::default() }
    }
}

impl Proof {
    /// What keeps the operator from writing claims, as far as is known.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle.read().clone()
    }

    /// Takes note of what was found, and says what was known before.
    pub fn note(&self, found: Option<Obstacle>) -> Option<Obstacle> {
        std::mem::replace(&mut *self.obstacle.write(), found)
    }

    /// When the API server was asked last. Who asks holds it meanwhile, so that one asks at a time.
    pub async fn turn(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.asked_at.lock().await
    }
}
