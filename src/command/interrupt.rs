//! Ctrl-C and SIGTERM during a command that has something to clean up.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::CommandError;

/// The exit codes of a shell for a program that a signal ended: 128 plus the signal's number.
const EXIT_INTERRUPTED: u8 = 128 + 2;
const EXIT_TERMINATED: u8 = 128 + 15;

/// Listens for the two signals. The first one cancels [`Interrupt::token`]; the second one ends the
/// process at once.
pub struct Interrupt {
    token: CancellationToken,
    /// 0 before a signal.
    exit_code: Arc<AtomicU8>,
}

impl Interrupt {
    /// Starts to listen.
    pub fn listen() -> Result<Self, CommandError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listening = Self {
            token: CancellationToken::new(),
            exit_code: Arc::default(),
        };
        let (token, exit_code) = (listening.token(), Arc::clone(&listening.exit_code));
        tokio::spawn(async move {
            let first = next(&mut terminate, &mut interrupt).await;
            exit_code.store(first, Ordering::Relaxed);
            token.cancel();
            let second = next(&mut terminate, &mut interrupt).await;
            std::process::exit(second.into());
        });
        Ok(listening)
    }

    /// Returns the token that the first signal cancels.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Returns the exit code for the signal that arrived, or `None` if there was none.
    pub fn exit_code(&self) -> Option<u8> {
        Some(self.exit_code.load(Ordering::Relaxed)).filter(|code| *code > 0)
    }
}

/// Waits for a signal, and returns its exit code.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> u8 {
    tokio::select! {
        _ = terminate.recv() => EXIT_TERMINATED,
        _ = interrupt.recv() => EXIT_INTERRUPTED,
    }
}
