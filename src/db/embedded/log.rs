//! The server's log file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;

const TOO_LONG: u64 = 10 * 1024 * 1024;
const QUOTED_BYTES: u64 = 4096;
const QUOTED_LINES: usize = 12;

/// The log of one run of the server.
#[derive(Debug, Clone)]
pub(super) struct ServerLog {
    path: PathBuf,
    /// Where the part of this run begins, so that older messages are not quoted.
    begin: u64,
}

impl ServerLog {
    /// Opens the log for a new run. A long log is renamed first.
    pub(super) fn open(data_dir: &Path) -> Result<(Self, File), EmbeddedError> {
        let path = data_dir.join("postgres.log");
        let length = std::fs::symlink_metadata(&path).map_or(0, |meta| meta.len());
        if length > TOO_LONG {
            let old = data_dir.join("postgres.log.1");
            std::fs::rename(&path, &old).map_err(EmbeddedError::io("rename the log", &path))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(EmbeddedError::io("open the log", &path))?;
        let begin = file.metadata().map_or(0, |meta| meta.len());
        Ok((Self { path, begin }, file))
    }

    /// Returns the path of the log file.
    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Returns the last lines of this run, to quote them in a message.
    pub(super) fn tail(&self) -> String {
        match self.read_tail() {
            Ok(text) if text.trim().is_empty() => "(empty)".to_owned(),
            Ok(text) => last_lines(&text, QUOTED_LINES),
            Err(error) if error.kind() == ErrorKind::NotFound => "(empty)".to_owned(),
            Err(error) => format!("(it could not be read: {error})"),
        }
    }

    fn read_tail(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let from = self.begin.max(end.saturating_sub(QUOTED_BYTES));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(QUOTED_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Joins the last `count` non-blank lines into one.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_quoted() {
        assert_eq!(last_lines("a\n\n b \nc\n", 2), "b | c");
        assert_eq!(last_lines("", 2), "");
    }
}
