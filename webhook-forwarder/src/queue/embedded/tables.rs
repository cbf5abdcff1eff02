//! The tables in the file, and what is read from them when it is opened.

use redb::{Builder, Database, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};

use super::error::StoreError;
use super::ledger::{Channel, Ledger};

/// Channel and sequence: the events of a channel stand in their order, next to each other.
pub(super) type EventKey = (u128, u64);

/// Events that are to be delivered, with their attempts.
pub(super) const EVENTS: TableDefinition<EventKey, &[u8]> = TableDefinition::new("events");
/// Events that are not to be delivered any more.
pub(super) const DEAD: TableDefinition<EventKey, &[u8]> = TableDefinition::new("dead_letters");
/// How much each channel has. A channel that has nothing has no row.
pub(super) const CHANNELS: TableDefinition<u128, &[u8]> = TableDefinition::new("channels");
/// Numbers of the whole store.
pub(super) const STATE: TableDefinition<&str, u64> = TableDefinition::new("state");

const FORMAT: &str = "format";
/// Raised if an older version must not open the file.
pub(super) const KNOWN_FORMAT: u64 = 1;
const NEXT_SEQUENCE: &str = "next_sequence";

pub(super) fn open(backend: impl StorageBackend, cache_bytes: usize) -> Result<(Database, Ledger), StoreError> {
    let database = Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)?;
    let transaction = begin(&database)?;
    let (ledger, is_new) = load(&transaction)?;
    if is_new {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok((database, ledger))
}

/// A transaction that is durable once it is committed. After a crash, the file is opened without being read as a whole.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// What the channels have, and whether the file is new.
fn load(transaction: &WriteTransaction) -> Result<(Ledger, bool), StoreError> {
    let mut state = transaction.open_table(STATE)?;
    let format = state.get(FORMAT)?.map(|it| it.value());
    match format {
        Some(KNOWN_FORMAT) => {}
        Some(other) => return Err(StoreError::Format(other)),
        None => {
            state.insert(FORMAT, KNOWN_FORMAT)?;
            transaction.open_table(EVENTS)?;
            transaction.open_table(DEAD)?;
        }
    }
    let mut ledger = Ledger::new(state.get(NEXT_SEQUENCE)?.map_or(1, |it| it.value()));
    for row in transaction.open_table(CHANNELS)?.iter()? {
        let (channel, stored) = row?;
        ledger.restore(channel.value(), Channel::decode(stored.value())?);
    }
    Ok((ledger, format.is_none()))
}

/// Writes what the ledger tells of these channels.
pub(super) fn save(
    transaction: &WriteTransaction,
    ledger: &Ledger,
    touched: impl IntoIterator<Item = u128>,
) -> Result<(), StoreError> {
    let mut channels = transaction.open_table(CHANNELS)?;
    for channel in touched {
        match ledger.stored(channel) {
            Some(stored) => channels.insert(channel, stored.encode().as_slice())?,
            None => channels.remove(channel)?,
        };
    }
    let mut state = transaction.open_table(STATE)?;
    if state.get(NEXT_SEQUENCE)?.is_none_or(|it| it.value() != ledger.next_sequence) {
        state.insert(NEXT_SEQUENCE, ledger.next_sequence)?;
    }
    Ok(())
}
