//! The file of the queue.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::Database;
use redb::backends::FileBackend;

use super::error::{OpenError, StoreError};
use super::ledger::Ledger;
use super::tables;

const NAME: &str = "events.redb";
/// Nobody else reads what people wrote.
const MODE: u32 = 0o600;

pub(super) fn open(directory: &Path, cache_bytes: usize) -> Result<(Database, Ledger, PathBuf), OpenError> {
    let path = directory.join(NAME);
    let io = |error| OpenError::Io { file: path.clone(), error };
    if !path.try_exists().map_err(io)? {
        create(directory, &path, cache_bytes)?;
    }
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
    // Whatever mode it was given in the meantime.
    file.set_permissions(Permissions::from_mode(MODE)).map_err(io)?;
    let (database, ledger) = open_file(&path, file, cache_bytes)?;
    Ok((database, ledger, path))
}

/// Creates the file under another name: redb refuses one that was half written when the process was killed.
fn create(directory: &Path, path: &Path, cache_bytes: usize) -> Result<(), OpenError> {
    let new = path.with_extension("new");
    let io = |error| OpenError::Io { file: new.clone(), error };
    ignore(io::ErrorKind::NotFound, fs::remove_file(&new)).map_err(io)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(&new).map_err(io)?;
    drop(open_file(&new, file, cache_bytes)?);
    // Unlike a rename, a link never replaces a file that another process created meanwhile.
    ignore(io::ErrorKind::AlreadyExists, fs::hard_link(&new, path)).map_err(io)?;
    fs::remove_file(&new).map_err(io)?;
    // redb makes durable what is in the file, and this that there is one.
    File::open(directory).and_then(|it| it.sync_all()).map_err(io)
}

fn ignore(kind: io::ErrorKind, result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == kind { Ok(()) } else { Err(error) })
}

/// redb checks what it reads, but may panic on a file that was damaged in a way it did not expect.
fn open_file(path: &Path, file: File, cache_bytes: usize) -> Result<(Database, Ledger), OpenError> {
    let opened = catch_unwind(AssertUnwindSafe(|| tables::open(FileBackend::new(file)?, cache_bytes)));
    match opened {
        Ok(opened) => opened.map_err(|error| why(path, error)),
        Err(_) => Err(OpenError::Damaged { file: path.to_owned(), reason: "reading it panicked".to_owned() }),
    }
}

fn why(path: &Path, error: StoreError) -> OpenError {
    let file = path.to_owned();
    match error {
        StoreError::Redb(redb::Error::DatabaseAlreadyOpen) => OpenError::InUse(file),
        StoreError::Redb(redb::Error::Io(error)) if !is_about_content(&error) => OpenError::Io { file, error },
        StoreError::Format(found) => OpenError::Newer { file, found, known: tables::KNOWN_FORMAT },
        StoreError::Redb(_) | StoreError::Malformed(_) | StoreError::Volume(_) => {
            OpenError::Damaged { file, reason: error.to_string() }
        }
    }
}

/// redb reports so what is no database, and what ends too early.
fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
