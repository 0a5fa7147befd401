//! The lock that decides which process owns a data folder's server.
//!
//! It is a `flock`, because the kernel releases it when its holder exits, however it exits: if the
//! lock is free, the former owner has exited. The process id inside the file only informs people
//! and identifies the owner's server.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::EmbeddedError;

const FILE_NAME: &str = "owner.lock";

/// The right to run the data folder's server, held until it is dropped.
#[derive(Debug)]
pub(super) struct OwnerLock {
    /// Closing it releases the lock. The standard library opens files close-on-exec, so the server
    /// never inherits it.
    file: File,
}

impl OwnerLock {
    /// Removes the process id from the file, so that no other process attaches to a server that is
    /// about to end. The lock stays held.
    pub(super) fn clear_pid(&self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!("could not empty the lock file: {error}");
        }
    }

    /// Writes the process id into the file, so that other processes attach to the server.
    pub(super) fn write_pid(&self) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }
}

/// The result of an attempt to take the lock.
pub(super) enum LockAttempt {
    /// This process now holds the lock.
    Acquired(OwnerLock),
    /// Another running process holds it; its id, unless it has not written it yet.
    HeldBy(Option<i32>),
}

/// Tries to take the lock without waiting.
pub(super) fn try_acquire(data_dir: &Path) -> Result<LockAttempt, EmbeddedError> {
    let path = data_dir.join(FILE_NAME);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .map_err(EmbeddedError::io("open the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => {
            let lock = OwnerLock { file };
            lock.write_pid()
                .map_err(EmbeddedError::io("write the lock file", &path))?;
            Ok(LockAttempt::Acquired(lock))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.read_to_string(&mut text);
            Ok(LockAttempt::HeldBy(
                read.ok().and_then(|_| text.trim().parse().ok()),
            ))
        }
        Err(TryLockError::Error(source)) => Err(EmbeddedError::io("lock the file", &path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_reads_the_owners_pid_and_gets_the_lock_when_it_is_free() {
        let folder = std::env::temp_dir().join(format!("owner-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let first = try_acquire(&folder).expect("the first attempt");
        assert!(matches!(first, LockAttempt::Acquired(_)));
        let own_pid = i32::try_from(std::process::id()).ok();
        assert!(
            matches!(try_acquire(&folder), Ok(LockAttempt::HeldBy(pid)) if pid == own_pid && pid.is_some())
        );
        drop(first);
        assert!(matches!(try_acquire(&folder), Ok(LockAttempt::Acquired(_))));
        std::fs::remove_dir_all(&folder).expect("the folder goes away");
    }
}
