//! The continuous audit as a server process runs it, on a thread of its own: the processor time of
//! the thread is the audit's part in the server.

use std::{path::PathBuf, thread::JoinHandle, time::Duration};

use doorbuster::{
    db::{Db, PoolSettings},
    shop::audit::continuous,
};
use tokio::{sync::oneshot, time::MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Failure,
    database::{Database, check_clean},
    processor_time,
};

/// The interval of the rounds in a server process.
pub const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// A running audit; it ends when this is dropped.
#[derive(Debug)]
pub struct AuditThread {
    /// The `stat` file of the thread.
    pub stat: PathBuf,
    running: DropGuard,
    thread: JoinHandle<Result<(), Failure>>,
}

impl AuditThread {
    /// Starts the audit of a database.
    pub async fn start(database: &Database) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let (report, reported) = oneshot::channel();
        let (url, stopped) = (database.url.clone(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || run(&url, &stopped, report))?;
        let running = stop.drop_guard();
        Ok(Self {
            stat: reported.await??,
            running,
            thread,
        })
    }

    /// Ends the audit after its round.
    ///
    /// # Errors
    /// If a round failed or found a violation.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.running);
        let thread = self.thread;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
        ended.map_err(|_| "the audit panicked")?
    }
}

fn run(
    url: &str,
    stopped: &CancellationToken,
    report: oneshot::Sender<std::io::Result<PathBuf>>,
) -> Result<(), Failure> {
    if report.send(processor_time::of_this_thread()).is_err() {
        return Ok(());
    }
    // Everything runs on this thread, also the tasks of its transactions.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(audit(url, stopped))
}

async fn audit(url: &str, stopped: &CancellationToken) -> Result<(), Failure> {
    let db = Db::connect(url, PoolSettings::AUDIT).await?;
    let mut ticks = tokio::time::interval(ROUND_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped.cancelled() => break,
            _ = ticks.tick() => {}
        }
        while let Some(round) = continuous::run_round(&db).await? {
            check_clean(&round.report)?;
            if !round.has_more {
                break;
            }
        }
    }
    db.close().await;
    Ok(())
}
