//! Why the store is not opened, and why it broke.

use std::io;
use std::path::PathBuf;

use super::record::Malformed;

/// Why the store is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process uses the queue's file {0}: only one may")]
    InUse(PathBuf),
    #[error("the queue's file {file} is damaged or no queue at all: {reason}")]
    Damaged { file: PathBuf, reason: String },
    #[error("a later version wrote the queue's file {file}: its format is {found}, this version knows {known}")]
    Newer { file: PathBuf, found: u64, known: u64 },
    #[error("the queue's file {file} cannot be opened: {error}")]
    Io { file: PathBuf, error: io::Error },
}

/// What goes wrong in the open store. Nothing of it is tried again: what the disk holds is not known any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{0}")]
    Redb(redb::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("its format is {0}")]
    Format(u64),
    #[error("the space of the volume is not known: {0}")]
    Volume(io::Error),
}

/// redb has an error for each kind of call.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        })*
    };
}

from_redb!(CommitError, DatabaseError, StorageError, TableError, TransactionError);
