//! Noticing that a transaction was tried again. A deadlock is retried silently, so a test that forbids one has to listen for it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Hears what transactions say of their attempts on this thread. For tests on a runtime of one thread, as `#[tokio::test]` makes them:
/// what a shop does there is done on this thread, and what other tests do is not heard.
pub struct Retries {
    heard: Heard,
    _listening: DefaultGuard,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Retries {
    pub fn listen() -> Self {
        let heard = Heard::default();
        let writer = heard.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("doorbuster::db::txn=debug"))
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            heard,
            _listening: tracing::subscriber::set_default(subscriber),
        }
    }

    /// A line for each transaction that needed more than one attempt.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&heard)
            .lines()
            .filter(|line| line.contains("took several attempts"))
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
