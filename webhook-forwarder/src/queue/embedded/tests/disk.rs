//! A disk in memory. It loses power at a chosen sync, and then what was not synced before; or it hangs.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::StorageBackend;

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<(Mutex<State>, Condvar)>);

pub(super) struct Hanging(Disk);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.state().hangs = false;
        self.0.0.1.notify_all();
    }
}

#[derive(Debug, Default)]
struct State {
    /// What survives.
    durable: Vec<u8>,
    /// What is read.
    current: Vec<u8>,
    /// What makes the second of the first.
    unsynced: Vec<Write>,
    syncs: u64,
    lose_power_at: Option<u64>,
    is_off: bool,
    hangs: bool,
    hanging: usize,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Sector { offset: usize, bytes: Vec<u8> },
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Sector { offset, bytes } => {
                let end = offset + bytes.len();
                image.resize(image.len().max(end), 0);
                image[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    /// The sync with this number does not happen, and nothing after it.
    pub(super) fn lose_power_at(&self, sync: u64) {
        self.state().lose_power_at = Some(sync);
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// As long as this is held, syncs do not end.
    pub(super) fn hang(&self) -> Hanging {
        self.state().hangs = true;
        Hanging(self.clone())
    }

    /// Waits until a sync hangs.
    pub(super) fn await_hanging(&self) {
        let state = self.0.1.wait_while(self.state(), |it| it.hanging == 0).unwrap();
        drop(state);
    }

    /// The disk when the power is back: with what was synced, and those of the later writes that are chosen.
    pub(super) fn after_power_loss(&self, mut written: impl FnMut() -> bool) -> Self {
        let state = self.state();
        let mut image = state.durable.clone();
        for write in state.unsynced.iter().filter(|_| written()) {
            write.apply(&mut image);
        }
        Self(Arc::new((
            Mutex::new(State { durable: image.clone(), current: image, ..State::default() }),
            Condvar::new(),
        )))
    }

    fn on(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.is_off { Err(io::Error::other("the power is off")) } else { Ok(state) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.on()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let state = self.on()?;
        let bytes = state.current.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.on()?;
        let write = Write::Length(usize::try_from(len).unwrap());
        write.apply(&mut state.current);
        state.unsynced.push(write);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.on()?;
        state.hanging += 1;
        self.0.1.notify_all();
        state = self.0.1.wait_while(state, |it| it.hangs).unwrap();
        state.hanging -= 1;
        state.syncs += 1;
        if state.lose_power_at == Some(state.syncs) {
            state.is_off = true;
            return Err(io::Error::other("the power goes off"));
        }
        let unsynced = std::mem::take(&mut state.unsynced);
        for write in unsynced {
            write.apply(&mut state.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.on()?;
        let mut offset = usize::try_from(offset).unwrap();
        let mut data = data;
        while !data.is_empty() {
            let (sector, rest) = data.split_at(data.len().min(SECTOR - offset % SECTOR));
            let write = Write::Sector { offset, bytes: sector.to_vec() };
            write.apply(&mut state.current);
            state.unsynced.push(write);
            offset += sector.len();
            data = rest;
        }
        Ok(())
    }
}
