//! Detects retried transactions. A deadlock is retried without an error, so a test that forbids
//! deadlocks has to read the log.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Captures the log of transaction attempts on this thread. It is meant for tests on a
/// single-threaded runtime, which is the default of `#[tokio::test]`: the shop runs on this thread,
/// and other tests do not.
pub struct RetryLog {
    buffer: LogBuffer,
    _subscriber: DefaultGuard,
}

#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl RetryLog {
    pub fn capture() -> Self {
        let buffer = LogBuffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("doorbuster::db::txn=debug"))
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            buffer,
            _subscriber: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Returns a line for each transaction that needed more than one attempt.
    pub fn lines(&self) -> Vec<String> {
        let buffer = self.buffer.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&buffer)
            .lines()
            .filter(|line| line.contains("took several attempts"))
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
