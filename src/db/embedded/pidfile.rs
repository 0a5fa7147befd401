//! The file `postmaster.pid`, in which a running server describes itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::socket;

/// The contents of the file, which may be left over from a server that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    /// The server's process id.
    pub(super) pid: i32,
    /// The port number in the socket's name.
    pub(super) port: u16,
    /// The folder of its socket.
    pub(super) socket_dir: PathBuf,
    /// Whether the server reports that it accepts connections.
    pub(super) ready: bool,
}

impl PidFile {
    /// Returns the file's path in a cluster.
    pub(super) fn path_in(cluster: &Path) -> PathBuf {
        cluster.join("postmaster.pid")
    }

    /// Reads the file; `None` if it is missing or incomplete.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&std::fs::read(Self::path_in(cluster)).ok()?)
    }

    /// Reads only the process id, which even an incomplete file contains.
    pub(super) fn read_pid(cluster: &Path) -> Option<i32> {
        let bytes = std::fs::read(Self::path_in(cluster)).ok()?;
        number(bytes.split(|&byte| byte == b'\n').next()?)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        Some(Self {
            pid: number(lines.first()?)?,
            port: number(lines.get(3)?)?,
            socket_dir: PathBuf::from(OsStr::from_bytes(lines.get(4)?)),
            ready: lines.get(7)?.trim_ascii() == b"ready",
        })
    }

    /// Returns whether the server reports that it is ready and its socket accepts a connection.
    pub(super) fn answers(&self) -> bool {
        self.ready && UnixStream::connect(socket::file_in(&self.socket_dir, self.port)).is_ok()
    }
}

fn number<T: std::str::FromStr>(line: &[u8]) -> Option<T> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_running_server_is_parsed() {
        let text =
            b"4242\n/srv/a/postgres\n1700000000\n5432\n/srv/a/socket\n\n  9437202         4\nready   \n";
        let expected = PidFile {
            pid: 4242,
            port: 5432,
            socket_dir: PathBuf::from("/srv/a/socket"),
            ready: true,
        };
        assert_eq!(PidFile::parse(text), Some(expected));
        assert_eq!(PidFile::parse(b"4242\n/srv/a/postgres\n"), None);
    }
}
