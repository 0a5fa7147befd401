//! Runs that are going on in this process, for those who watch.

mod locks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use uuid::Uuid;

use super::door::Door;
use crate::model::{
    LaneSnapshot, LatencyMs, RunEvent, RunEventKind, RunSnapshot, RunWish, Sample, Verdict,
    lock_queue::LaneLocks, sample,
};

/// Points of a chart that are kept. Beyond, every second one is merged into the next, and sampling slows down by half.
pub const SAMPLES_MAX: usize = 600;

/// One run: its whole story so far, and a bell that rings when it goes on.
#[derive(Debug)]
pub struct LiveRun {
    snapshot: Mutex<RunSnapshot>,
    door: Arc<Door>,
    /// The lane that began last, or the first of those that run together, and when.
    begun: Mutex<Option<(usize, Instant)>>,
    locks: Mutex<Vec<LaneLocks>>,
    bell: watch::Sender<u64>,
}

impl LiveRun {
    /// A run that has just begun.
    pub fn new(snapshot: RunSnapshot) -> Arc<Self> {
        Arc::new(Self {
            locks: Mutex::new(locks::unseen(&snapshot)),
            snapshot: Mutex::new(snapshot),
            door: Arc::new(Door::new()),
            begun: Mutex::new(None),
            bell: watch::Sender::new(0),
        })
    }

    /// The door that its buyers come through.
    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
    }

    /// Has the run do what its leader wishes. Wishes that come too late, or twice, change nothing.
    pub fn follow(&self, wish: RunWish) {
        if !self.door.follow(wish) {
            return;
        }
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut run = self.lock();
        run.state = wish.state();
        run.paused_ms = in_ms(self.door.closed_for());
        let together = run.plan.lanes_together;
        run.events.push(RunEvent {
            lane: begun.map(|(lane, _)| lane).filter(|_| !together),
            elapsed_ms: begun.map_or(0, |(_, at)| in_ms(at.elapsed())),
            kind: wish.into(),
        });
        drop(run);
        self.ring();
    }

    /// Says that a lane's buyers are let go now.
    pub fn lane_began(&self, lane: usize) {
        let together = self.lock().plan.lanes_together;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_none() || !together {
            *begun = Some((lane, Instant::now()));
        }
    }

    /// All so far.
    pub fn snapshot(&self) -> RunSnapshot {
        self.lock().clone()
    }

    /// Attempts that have ended, over all lanes.
    pub fn served(&self) -> u64 {
        self.lock().served()
    }

    /// It changes whenever the snapshot does.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Adds a point to a lane. Returns true when its series was thinned to half.
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

    /// Adds a point, and what it is the first to show.
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
                });
            }
        }
    }

    /// Says what there is to sell on a lane whose turn has come.
    pub fn stocked(&self, lane: usize, stock: i64) {
        self.change(lane, |lane| lane.stock = stock);
    }

    /// Gives a lane its last point and its verdict.
    pub fn judged(&self, lane: usize, last: Sample, verdict: Verdict) {
        self.add(lane, last);
        self.change(lane, |lane| {
            lane.latency_ms = verdict.latency_ms;
            lane.verdict = Some(verdict);
        });
    }

    /// Replaces the story by its end.
    pub fn finish(&self, snapshot: RunSnapshot) {
        *self.lock() = snapshot;
        self.ring();
    }

    fn change<T: Default>(&self, lane: usize, change: impl FnOnce(&mut LaneSnapshot) -> T) -> T {
        let changed = self.lock().lanes.get_mut(lane).map(change);
        self.ring();
        changed.unwrap_or_default()
    }

    fn ring(&self) {
        self.bell
            .send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RunSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The runs of this process, by id.
#[derive(Clone, Debug, Default)]
pub struct LiveRuns(Arc<Mutex<HashMap<Uuid, Arc<LiveRun>>>>);

impl LiveRuns {
    /// The run, if it is going on here.
    pub fn get(&self, id: Uuid) -> Option<Arc<LiveRun>> {
        self.lock().get(&id).cloned()
    }

    /// Shows a run to those who ask.
    pub fn insert(&self, id: Uuid, run: Arc<LiveRun>) {
        self.lock().insert(id, run);
    }

    /// Forgets a run, whose story is stored by now.
    pub fn remove(&self, id: Uuid) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<LiveRun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
