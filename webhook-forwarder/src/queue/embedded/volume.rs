//! How much room the volume has.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::settings::Reserve;

/// How much the file has for each byte that is stored, at most.
const FILE_FACTOR: u64 = 3;

/// Tells how much room there is.
pub(super) trait Volume: Send + 'static {
    fn space(&self) -> io::Result<Space>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// Of the volume.
    pub(super) size: u64,
    /// Of the volume, for us.
    pub(super) free: u64,
    /// What the store's file occupies. It is sparse, so this is not its length.
    pub(super) occupied: u64,
}

impl Space {
    /// Is there less than is to be left free? `stored` is what the records in the file have in bytes.
    ///
    /// The file rarely shrinks, so room inside of it counts: else a volume that was full once would stay full when everything
    /// is delivered. Pages are not filled wholly, and a commit needs new pages before it frees the old ones: for events of 1 KB in
    /// ten thousand channels the file was seen to occupy 2.6 times what is stored.
    pub(super) fn is_short(self, stored: u64, reserve: Reserve) -> bool {
        let inside = self.occupied.saturating_sub(stored.saturating_mul(FILE_FACTOR));
        let percent = self.size / 100 * u64::from(reserve.percent);
        self.free.saturating_add(inside) < percent.max(reserve.bytes)
    }
}

/// The volume that holds a file.
pub(super) struct VolumeOf(pub(super) PathBuf);

impl Volume for VolumeOf {
    fn space(&self) -> io::Result<Space> {
        let volume = rustix::fs::statvfs(&self.0)?;
        let blocks = std::fs::metadata(&self.0)?.blocks();
        let bytes = |fragments: u64| fragments.saturating_mul(volume.f_frsize);
        Ok(Space { size: bytes(volume.f_blocks), free: bytes(volume.f_bavail), occupied: blocks.saturating_mul(512) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MIB: u64 = 1 << 20;
    const RESERVE: Reserve = Reserve { bytes: 256 * MIB, percent: 5 };

    fn short(free: u64, occupied: u64, stored: u64) -> bool {
        Space { size: 10_000 * MIB, free: free * MIB, occupied: occupied * MIB }.is_short(stored * MIB, RESERVE)
    }

    #[test]
    fn the_greater_reserve_is_left_free() {
        assert!(!short(500, 0, 0));
        assert!(short(499, 0, 0), "five percent");
        let small = Space { size: 1000 * MIB, free: 255 * MIB, occupied: 0 };
        assert!(small.is_short(0, RESERVE), "fifty would be five percent");
        assert!(!Space { free: 256 * MIB, ..small }.is_short(0, RESERVE));
    }

    #[test]
    fn room_inside_the_file_is_room() {
        assert!(short(100, 800, 134));
        assert!(!short(100, 800, 133));
        assert!(short(100, 800, 5000));
    }

    #[test]
    fn a_real_volume_tells_its_space() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 100_000]).unwrap();
        let space = VolumeOf(file.path().to_owned()).space().unwrap();
        assert!(space.size >= space.free && space.free > 0, "{space:?}");
        assert!(VolumeOf("/nowhere/at/all".into()).space().is_err());
    }
}
