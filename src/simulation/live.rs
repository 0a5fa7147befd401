//! The runs in progress in this process, with live snapshots for the pages that watch them.

mod locks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::arrival_gate::ArrivalGate;
use crate::{
    feed::ChangeSet,
    model::{
        LaneSnapshot, LatencyMs, RunCommand, RunEvent, RunEventKind, RunSnapshot, RunState, Sample,
        Verdict, lock_queue::LaneLocks, run_label::RunLabel, sample,
    },
};

/// The largest number of samples kept for a lane. At this number, every second sample is merged
/// into the next one, and the sampling interval doubles.
pub const SAMPLES_MAX: usize = 600;

/// One run: its snapshot so far, and a channel that signals each change.
#[derive(Debug)]
pub struct LiveRun {
    snapshot: Mutex<RunSnapshot>,
    gate: Arc<ArrivalGate>,
    /// The lane that started last, or the first of the lanes that run together, and its start.
    current_lane: Mutex<Option<(usize, Instant)>>,
    locks: Mutex<Vec<LaneLocks>>,
    changes: watch::Sender<u64>,
    /// Notified when another process has stored a command.
    command_stored: Notify,
}

impl LiveRun {
    /// A run that has just started.
    pub fn new(snapshot: RunSnapshot) -> Arc<Self> {
        Arc::new(Self {
            locks: Mutex::new(locks::initial(&snapshot)),
            snapshot: Mutex::new(snapshot),
            gate: Arc::new(ArrivalGate::new()),
            current_lane: Mutex::new(None),
            changes: watch::Sender::new(0),
            command_stored: Notify::new(),
        })
    }

    /// Returns the gate that the run's buyers pass.
    pub fn arrival_gate(&self) -> Arc<ArrivalGate> {
        Arc::clone(&self.gate)
    }

    /// Applies a command to the run. A repeated command, or one that comes too late, changes
    /// nothing.
    pub fn apply_command(&self, command: RunCommand) {
        if !self.gate.apply(command) {
            return;
        }
        self.record_event(command.into(), None, |run| {
            run.state = command.state();
            run.paused_ms = in_ms(self.gate.closed_for());
        });
    }

    /// Records that a server that the run had started has ended before the run.
    pub fn record_server_end(&self, server: u32) {
        self.record_event(RunEventKind::ServerEnded, Some(server), |_| {});
    }

    /// Adds an event that happens now, together with `change`.
    fn record_event(
        &self,
        kind: RunEventKind,
        server: Option<u32>,
        change: impl FnOnce(&mut RunSnapshot),
    ) {
        let current_lane = *self
            .current_lane
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut run = self.lock();
        change(&mut run);
        let together = run.plan.lanes_together;
        run.events.push(RunEvent {
            lane: current_lane.map(|(lane, _)| lane).filter(|_| !together),
            elapsed_ms: current_lane.map_or(0, |(_, at)| in_ms(at.elapsed())),
            kind,
            server,
        });
        drop(run);
        self.notify();
    }

    /// Returns when a notice says that a command for the run was stored.
    pub async fn command_noticed(&self) {
        self.command_stored.notified().await;
    }

    /// Records that the buyers of a lane start now.
    pub fn start_lane(&self, lane: usize) {
        let together = self.lock().plan.lanes_together;
        let mut current_lane = self
            .current_lane
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if current_lane.is_none() || !together {
            *current_lane = Some((lane, Instant::now()));
        }
    }

    /// Aborts the run for `reason`, which completes “The run was cut off:”, and returns when it has
    /// ended with its verdict.
    pub async fn cut_off(&self, reason: &str) {
        let mut changes = self.subscribe();
        self.lock().failure = Some(reason.to_owned());
        self.apply_command(RunCommand::Abort);
        while !self.snapshot().state.is_over() {
            // Not reached: the run owns the sender.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns a copy of the snapshot.
    pub fn snapshot(&self) -> RunSnapshot {
        self.lock().clone()
    }

    /// Returns the number of attempts that have ended, over all lanes.
    pub fn served(&self) -> u64 {
        self.lock().served()
    }

    /// Returns the samples of each lane that are later than `after`, in milliseconds since its
    /// start.
    pub fn samples_after(&self, after: &[Option<u64>]) -> Vec<Vec<Sample>> {
        let run = self.lock();
        let lanes = run.lanes.iter().zip(after);
        let lanes = lanes.map(|(lane, after)| {
            let samples = lane.samples.iter().copied();
            samples
                .filter(|sample| after.is_none_or(|after| sample.elapsed_ms > after))
                .collect()
        });
        lanes.collect()
    }

    /// Returns a receiver that is notified of each change of the snapshot.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Adds a sample to a lane. Returns true if its series was thinned to half.
    pub fn push(&self, lane: usize, sample: Sample, latency_ms: LatencyMs) -> bool {
        self.add(lane, sample);
        self.change(lane, |lane| {
            lane.latency_ms = latency_ms;
            let full = lane.samples.len() >= SAMPLES_MAX;
            if full {
                sample::thin(&mut lane.samples);
            }
            full
        })
    }

    /// Adds a sample, and the events that it is the first to show.
    fn add(&self, index: usize, sample: Sample) {
        let mut run = self.lock();
        let each = run.plan.quantities.max().get();
        let Some(lane) = run.lanes.get_mut(index) else {
            return;
        };
        let shown = |sample: &Sample| {
            let sold = i64::try_from(sample.units_sold(each)).unwrap_or(i64::MAX);
            [
                (RunEventKind::SoldOut, sample.remaining <= 0),
                (RunEventKind::Oversold, sold > lane.stock),
            ]
        };
        let before = shown(&lane.last());
        let now = shown(&sample);
        lane.samples.push(sample);
        for ((kind, now), (_, before)) in now.into_iter().zip(before) {
            if now && !before {
                run.events.push(RunEvent {
                    lane: Some(index),
                    elapsed_ms: sample.elapsed_ms,
                    kind,
                    server: None,
                });
            }
        }
    }

    /// Sets the stock with which a lane starts.
    pub fn set_stock(&self, lane: usize, stock: i64) {
        self.change(lane, |lane| lane.stock = stock);
    }

    /// Gives the run another name and another note.
    pub fn rename(&self, label: RunLabel) {
        let mut run = self.lock();
        run.name = label.name.unwrap_or_else(|| run.plan.title());
        run.note = label.note.unwrap_or_default();
        drop(run);
        self.notify();
    }

    /// Adds the last sample and the verdict of a lane.
    pub fn record_verdict(&self, lane: usize, last: Sample, verdict: Verdict) {
        self.add(lane, last);
        self.change(lane, |lane| {
            lane.latency_ms = verdict.latency_ms;
            lane.verdict = Some(verdict);
        });
    }

    /// Replaces the snapshot by the final one.
    pub fn finish(&self, snapshot: RunSnapshot) {
        *self.lock() = snapshot;
        self.notify();
    }

    fn change<T: Default>(&self, lane: usize, change: impl FnOnce(&mut LaneSnapshot) -> T) -> T {
        let changed = self.lock().lanes.get_mut(lane).map(change);
        self.notify();
        changed.unwrap_or_default()
    }

    fn notify(&self) {
        self.changes
            .send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RunSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The runs in progress in this process, by id.
#[derive(Clone, Debug, Default)]
pub struct LiveRuns(Arc<Mutex<HashMap<Uuid, Arc<LiveRun>>>>);

impl LiveRuns {
    /// Returns the run if it is in progress in this process.
    pub fn get(&self, id: Uuid) -> Option<Arc<LiveRun>> {
        self.lock().get(&id).cloned()
    }

    /// Lets the runs for which a notice names a command read it.
    pub fn notice(&self, changes: &ChangeSet) {
        for (id, run) in self.lock().iter() {
            if changes.has_run_command(*id) {
                run.command_stored.notify_one();
            }
        }
    }

    /// Aborts every run for `reason`. Returns when all of them have ended and are stored, or after
    /// `patience`.
    pub async fn cut_off(&self, reason: &str, patience: Duration) {
        let runs: Vec<_> = self.lock().values().cloned().collect();
        let ends = runs.iter().map(|run| run.cut_off(reason));
        let ended = tokio::time::timeout(patience, futures::future::join_all(ends));
        if ended.await.is_err() {
            tracing::warn!("a simulation did not end in time; another server counts its orders");
        }
    }

    /// Adds a run for as long as the registration lives.
    pub fn register(&self, id: Uuid, run: Arc<LiveRun>) -> LiveRegistration {
        self.lock().insert(id, Arc::clone(&run));
        LiveRegistration {
            runs: self.clone(),
            id,
            run,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<LiveRun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a run among the runs in progress until it is dropped. If the run has not ended by then,
/// because its task panicked or was dropped, its pages show that it failed.
#[derive(Debug)]
pub struct LiveRegistration {
    runs: LiveRuns,
    id: Uuid,
    run: Arc<LiveRun>,
}

impl Drop for LiveRegistration {
    fn drop(&mut self) {
        self.runs.lock().remove(&self.id);
        let mut last = self.run.snapshot();
        if !last.state.is_over() {
            last.state = RunState::Failed;
            last.failure = Some("its task ended early".to_owned());
            self.run.finish(last);
        }
    }
}
