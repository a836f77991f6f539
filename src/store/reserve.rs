//! The reserve: a file that only takes room, for the time when others have filled the disk to its last byte. It is given up piece by piece
//! to the writes that must not fail then: deletions, changes of a status. With room again it is made whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of the whole reserve, which has four pieces.
const WHOLE: u64 = 8 << 20;
const PIECE: u64 = WHOLE / 4;
/// A commit begins with so much room at least, where the reserve can give it.
const NEEDED: u64 = 1 << 20;
/// Room beyond the reserve with which it is made.
const BEYOND: u64 = 8 << 20;

/// The file, and what is known of it.
pub(super) struct Reserve {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There was no room for it when the directory was opened, or files may not be so long: nothing follows from that.
    Missing,
    /// So many bytes of it are left.
    Left(u64),
}

impl Reserve {
    /// Takes what a former process left of it.
    pub fn open(path: PathBuf) -> Self {
        let left = std::fs::metadata(&path).map_or(0, |file| file.len());
        let state = if left == 0 { State::Missing } else { State::Left(left.min(WHOLE)) };
        Self { path, state: Mutex::new(state) }
    }

    /// Gives up a piece if a commit would find too little room.
    pub fn lend(&self, free_bytes: u64) {
        if free_bytes >= NEEDED {
            return;
        }
        let mut state = self.lock();
        let State::Left(left @ 1..) = *state else { return };
        let rest = left.saturating_sub(PIECE);
        let shorter = File::options().write(true).open(&self.path).and_then(|file| file.set_len(rest));
        match shorter {
            Ok(()) => {
                *state = State::Left(rest);
                tracing::warn!(left = rest, "the disk is full: the data directory lives on its reserve");
            }
            Err(error) => tracing::error!(%error, "the disk is full, and the reserve cannot be given up"),
        }
    }

    /// Makes it whole where there is room; says whether a part of it is given up.
    pub fn mend(&self, free_bytes: u64) -> bool {
        let mut state = self.lock();
        let left = match *state {
            State::Left(WHOLE) => return false,
            State::Left(left) => left,
            State::Missing => 0,
        };
        if free_bytes >= WHOLE - left + BEYOND {
            match self.fill() {
                Ok(()) => *state = State::Left(WHOLE),
                Err(error) => tracing::debug!(%error, "the reserve cannot be made"),
            }
        }
        !matches!(*state, State::Missing | State::Left(WHOLE))
    }

    fn fill(&self) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, WHOLE).is_ok() {
            return Ok(());
        }
        // A file system that gives no room ahead.
        let filled = (0..WHOLE / PIECE).try_for_each(|_| file.write_all(&vec![0; PIECE as usize]));
        if filled.is_err() {
            file.set_len(0)?;
        }
        filled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_piece_by_piece_and_made_whole_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        let length = || std::fs::metadata(&path).map_or(0, |file| file.len());
        let reserve = Reserve::open(path.clone());
        reserve.lend(0);
        assert!(!reserve.mend(1 << 20), "what was never there is not missed");
        assert!(!reserve.mend(1 << 30));
        assert_eq!(length(), WHOLE);
        reserve.lend(NEEDED);
        assert_eq!(length(), WHOLE);
        for pieces in (0..4).rev() {
            reserve.lend(0);
            assert_eq!(length(), pieces * PIECE);
            assert!(reserve.mend(0), "while a part is missing the disk counts as full");
        }
        reserve.lend(0);
        let next = Reserve::open(path.clone());
        assert!(!next.mend(BEYOND), "too little room to make it");
        assert!(!reserve.mend(WHOLE + BEYOND));
        assert_eq!(length(), WHOLE);
    }
}
