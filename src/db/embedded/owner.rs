//! The lock that says which process owns a data folder's server.
//!
//! A `flock` is used because the kernel drops it when its holder dies, however
//! it dies: a lock found free means that the former owner is gone. The process
//! id inside the file is only for people and for recognising the owner's server.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::EmbeddedError;

const FILE_NAME: &str = "owner.lock";

/// The right to run the data folder's server, held until dropped.
#[derive(Debug)]
pub(super) struct OwnerLock {
    /// Closing it releases the lock. The standard library opens files
    /// close-on-exec, so the server never inherits it.
    file: File,
}

impl OwnerLock {
    /// Takes the process id back, so that nobody attaches to a server that is
    /// about to end. The lock stays held.
    pub(super) fn withdraw(&self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!("could not empty the lock file: {error}");
        }
    }
}

/// The answer to a try for the lock.
pub(super) enum Attempt {
    /// The lock is ours.
    Taken(OwnerLock),
    /// Another living process has it; its id, unless it has yet to write it.
    HeldBy(Option<i32>),
}

/// Tries for the lock without waiting.
pub(super) fn try_take(data_dir: &Path) -> Result<Attempt, EmbeddedError> {
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
            write_pid(&mut file).map_err(EmbeddedError::io("write the lock file", &path))?;
            Ok(Attempt::Taken(OwnerLock { file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.read_to_string(&mut text);
            Ok(Attempt::HeldBy(
                read.ok().and_then(|_| text.trim().parse().ok()),
            ))
        }
        Err(TryLockError::Error(source)) => Err(EmbeddedError::io("lock the file", &path)(source)),
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_learns_the_owner_and_gets_the_lock_once_it_is_free() {
        let folder = std::env::temp_dir().join(format!("owner-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let first = try_take(&folder).expect("the first try");
        assert!(matches!(first, Attempt::Taken(_)));
        let own_pid = i32::try_from(std::process::id()).ok();
        assert!(
            matches!(try_take(&folder), Ok(Attempt::HeldBy(pid)) if pid == own_pid && pid.is_some())
        );
        drop(first);
        assert!(matches!(try_take(&folder), Ok(Attempt::Taken(_))));
        std::fs::remove_dir_all(&folder).expect("the folder goes away");
    }
}
