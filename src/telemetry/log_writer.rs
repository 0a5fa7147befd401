//! Where the log is written. A line that cannot be written, as on a full disk, is lost and counted:
//! the shop goes on.

use std::{
    io::{self, Stderr, Write},
    sync::atomic::{AtomicU64, Ordering},
};

/// The lines that were lost so far. A process has one log.
static LOST_LINES: AtomicU64 = AtomicU64::new(0);

/// Returns how many lines of the log could not be written so far.
pub fn lost_lines() -> u64 {
    LOST_LINES.load(Ordering::Relaxed)
}

/// Opens the log of this process.
pub(super) fn standard_error() -> LogWriter<Stderr> {
    LogWriter(io::stderr())
}

/// Each call of `write_all` is a line.
#[derive(Debug)]
pub(super) struct LogWriter<W>(W);

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.0.write_all(line);
        if written.is_err() {
            LOST_LINES.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

    use super::*;
    use crate::telemetry::json_lines;

    /// Accepts so many bytes.
    struct FullDisk(usize);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let accepted = bytes.len().min(self.0);
            self.0 -= accepted;
            Ok(accepted)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Disks;

    impl<'w> MakeWriter<'w> for Disks {
        type Writer = LogWriter<FullDisk>;

        fn make_writer(&'w self) -> Self::Writer {
            LogWriter(FullDisk(7))
        }
    }

    #[test]
    fn a_line_on_a_full_disk_is_counted_and_ends_nothing() {
        let before = lost_lines();
        let subscriber = json_lines(EnvFilter::new("info"), Disks);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("the first of two lines");
            tracing::debug!("a line that is not logged");
            tracing::warn!("the second one");
        });
        assert_eq!(lost_lines() - before, 2);
    }
}
