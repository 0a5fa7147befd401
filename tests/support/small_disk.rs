//! A disk of its own for a database server, which a test can fill: a file system in memory, which
//! only root can mount.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::Uid;

/// Several times what an empty server needs.
const SIZE_MB: u32 = 500;
/// The pieces in which it is filled: the last ones fill what the first ones leave.
const PIECES_BYTES: [usize; 3] = [1 << 20, 1 << 12, 1];

/// Unmounted when it is dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts it at an empty folder.
    ///
    /// # Errors
    /// Why this machine does not allow that.
    pub fn mount(folder: &Path) -> Result<Self, String> {
        if !Uid::effective().is_root() {
            return Err("only root can mount a small disk".to_owned());
        }
        let size = format!("size={SIZE_MB}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output();
        let mounted = mounted.map_err(|error| format!("mount: {error}"))?;
        if mounted.status.success() {
            let folder = folder.to_owned();
            return Ok(Self { folder });
        }
        let message = String::from_utf8_lossy(&mounted.stderr);
        Err(format!("no small disk can be mounted: {}", message.trim()))
    }

    /// Returns the file that takes all room.
    pub fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that is ending may still have files open.
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.folder.display());
        }
    }
}

/// Fills the disk: this file gets all the room that is left.
pub fn fill(filler: &Path) {
    let file = OpenOptions::new().create(true).append(true).open(filler);
    let Ok(mut file) = file else {
        return;
    };
    for bytes in PIECES_BYTES {
        let piece = vec![0; bytes];
        while file.write_all(&piece).is_ok() {}
    }
}
