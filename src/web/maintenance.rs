//! Background maintenance of a server process: sweeps expired holds, reconciles the gates in Redis,
//! writes queued orders, sends events, resolves payments, exchanges notices with the other servers,
//! fails abandoned runs, deletes old data, records the figures of *Health* and verifies who may
//! read them.

pub mod abandoned_runs;
pub mod events;
pub mod health;
pub mod memory;
mod notices;
pub mod old_data;
mod payments;
mod queue;
pub mod readers;
pub mod rounds;
mod stock;
mod stock_gates;
pub mod supervisor;

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::supervisor::supervise;
use super::{AppState, audits};
use crate::shop;

/// Starts all maintenance tasks of a server. They end when the server stops, and are aborted when
/// the handles are dropped.
pub fn start(state: &AppState) -> Vec<AbortOnDropHandle<()>> {
    vec![
        spawn("the stock watch", state, |state, shutdown| {
            state.stock_watch.clone().run(state.shop.clone(), shutdown)
        }),
        spawn("the watch of stored runs", state, |state, shutdown| {
            state.stored_runs.clone().run(state.shop.clone(), shutdown)
        }),
        spawn("the receiver of notices", state, notices::receive),
        // It ends with its handle: the requests of a shutdown change something too.
        spawn("the sender of notices", state, |state, _| {
            shop::notices::send(state.shop.db().clone(), state.shop.feed().clone())
        }),
        spawn("the maintenance of stock", state, |state, shutdown| {
            stock::maintain_stock(state, shutdown)
        }),
        spawn("the reconciliation of gates", state, |state, shutdown| {
            stock_gates::reconcile(state.shop.clone(), shutdown)
        }),
        spawn("the consumer of the queue", state, |state, shutdown| {
            queue::consume(state.shop.clone(), shutdown)
        }),
        spawn("the sender of events", state, |state, shutdown| {
            events::send(state.shop.clone(), shutdown)
        }),
        spawn("the resolution of payments", state, |state, shutdown| {
            payments::resolve_payments(state.shop.clone(), shutdown)
        }),
        spawn("the continuous audit", state, |state, shutdown| {
            audits::check_changes(state.audit_db.clone(), shutdown)
        }),
        spawn("the full audit", state, |state, shutdown| {
            let gate = state.shop.gate().cloned();
            audits::check_history_daily(state.audit_db.clone(), gate, state.audit_hour, shutdown)
        }),
        spawn("the check for abandoned runs", state, abandoned_runs::fail),
        spawn("the deletion of old data", state, old_data::delete),
        spawn("the clean-up of memory", state, memory::forget),
        spawn("the figures of health", state, health::observe),
        spawn("the verification of sessions", state, readers::verify),
    ]
}

/// Spawns a task that is restarted if it panics.
fn spawn<F>(
    name: &'static str,
    state: &AppState,
    task: impl Fn(AppState, CancellationToken) -> F + Send + Sync + 'static,
) -> AbortOnDropHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (state, shutdown) = (state.clone(), state.shutdown.clone());
    let stop = shutdown.clone();
    let supervised = supervise(name, stop, move || task(state.clone(), shutdown.clone()));
    AbortOnDropHandle::new(tokio::spawn(supervised))
}
