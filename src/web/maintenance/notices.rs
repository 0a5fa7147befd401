//! Receives the notices of what the servers and commands of the database have changed, and passes
//! them on to everything that pages follow.
//!
//! A notice can get lost, and a connection that receives none looks like one that works: behind a
//! pooler in transaction mode, or after the network has failed. So the server sends itself a probe
//! every few seconds. While its probes arrive, rows are read only when a notice names them, and
//! every three seconds; otherwise they are polled.

use std::time::Duration;

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    db::{
        Db,
        notices::{self, Listener},
    },
    feed::{ChangeSet, Feed},
    web::AppState,
};

/// The time between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);
/// How long a probe may take to arrive.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// The pause after a probe that could not be sent.
const PROBE_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The text of a probe begins so; the name of its server follows.
const PROBE: &str = "probe ";
/// The longest pause before the first new connection. Each pause is a random part of its maximum,
/// so that the servers of a restarted database do not return at once.
const PAUSE_FIRST_MAX: Duration = Duration::from_millis(100);
/// The longest pause before a further one.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Receives notices until the server stops.
pub async fn receive(state: AppState, shutdown: CancellationToken) {
    let mut log = BreakLog::default();
    let mut pause_max = PAUSE_FIRST_MAX;
    loop {
        let reason = tokio::select! {
            () = shutdown.cancelled() => return,
            reason = receive_until_broken(&state) => reason,
        };
        let had_worked = state.shop.feed().set_receives_notices(false);
        if had_worked {
            pause_max = PAUSE_FIRST_MAX;
        }
        log.record(&reason, had_worked);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(pause_max.mul_f64(rand::random())) => {}
        }
        pause_max = (pause_max * 2).min(PAUSE_MAX);
    }
}

/// Why no notices arrive.
#[derive(Debug, thiserror::Error)]
enum Break {
    #[error("{0}")]
    Unreachable(#[from] crate::db::ConnectError),
    #[error("the connection was lost")]
    Lost,
    #[error(
        "a probe did not arrive; behind a pooler in transaction mode, set DATABASE_DIRECT_URL to the database itself"
    )]
    Silent,
}

/// Logs each break once, however often the connection is tried.
#[derive(Debug, Default)]
struct BreakLog {
    is_reported: bool,
}

impl BreakLog {
    fn record(&mut self, reason: &Break, had_worked: bool) {
        if had_worked {
            self.is_reported = false;
        }
        if !self.is_reported {
            tracing::warn!(%reason, "no notices of other servers arrive; their changes are polled meanwhile");
            self.is_reported = true;
        }
    }
}

async fn receive_until_broken(state: &AppState) -> Break {
    let mut listener = match Listener::connect(&state.notices_url).await {
        Ok(listener) => listener,
        Err(error) => return error.into(),
    };
    let probe = format!("{PROBE}{:032x}", rand::random::<u128>());
    let arrived = Notify::new();
    let receive = async {
        while let Some(text) = listener.receive().await {
            if text == probe {
                arrived.notify_one();
            } else if !text.starts_with(PROBE) {
                pass_on(state, &ChangeSet::parse(&text));
            }
        }
        Break::Lost
    };
    tokio::select! {
        reason = receive => reason,
        reason = send_probes(state.shop.db(), state.shop.feed(), &probe, &arrived) => reason,
    }
}

/// Passes a notice on to everything that pages of this server follow.
fn pass_on(state: &AppState, changes: &ChangeSet) {
    state.stock_watch.notice(changes);
    state.shop.orders().notice(changes);
    state.stored_runs.notice(changes);
    state.engine.runs().notice(changes);
}

/// Sends probes until one does not arrive in time, and records whether they do.
async fn send_probes(db: &Db, feed: &Feed, probe: &str, arrived: &Notify) -> Break {
    loop {
        if let Err(error) = notices::send(db, probe).await {
            tracing::debug!(%error, "could not send a probe");
            feed.set_receives_notices(false);
            sleep(PROBE_RETRY_PAUSE).await;
            continue;
        }
        let sent = Instant::now();
        if timeout(PROBE_MAX, arrived.notified()).await.is_err() {
            return Break::Silent;
        }
        if feed.set_receives_notices(true) {
            tracing::info!("notices of other servers arrive");
        }
        tokio::time::sleep_until(sent + PROBE_INTERVAL).await;
    }
}
