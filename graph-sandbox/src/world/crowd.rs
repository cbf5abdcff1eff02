//! Adding a crowd of pages.

use jiff::Timestamp;

use super::World;
use crate::id::Id;
use crate::seed::{SeedCrowd, SeedError};

/// The most pages a crowd may have; more would only eat memory.
const MOST: u64 = 1_000_000;

impl World {
    /// Adds a crowd.
    pub(crate) fn load_crowd(&mut self, crowd: &SeedCrowd, now: Timestamp) -> Result<(), SeedError> {
        let refused = |problem: &str| SeedError::content("crowd", problem);
        if crowd.pages > MOST {
            return Err(refused("there may be a million pages at most"));
        }
        let first: u64 = crowd.first_page.as_str().parse().map_err(|_| refused("the first id is too large"))?;
        for offset in 0..crowd.pages {
            let number = first.checked_add(offset).ok_or_else(|| refused("the last id is too large"))?;
            let id: Id = number.to_string().parse().map_err(|_| refused("the last id is too large"))?;
            self.add_page(crowd.page(&id), now, "crowd")?;
            self.add_token(crowd.token(id), now, "crowd")?;
        }
        Ok(())
    }
}
