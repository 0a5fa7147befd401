//! Runs that are going on in this process, for those who watch.

mod locks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use uuid::Uuid;

use crate::model::{LaneSnapshot, LatencyMs, RunSnapshot, Sample, Verdict, lock_queue::LaneLocks};

/// Points of a chart that are kept. Beyond, every second one is dropped and sampling slows down by half.
pub const SAMPLES_MAX: usize = 600;

/// One run: its whole story so far, and a bell that rings when it goes on.
#[derive(Debug)]
pub struct LiveRun {
    snapshot: Mutex<RunSnapshot>,
    locks: Mutex<Vec<LaneLocks>>,
    bell: watch::Sender<u64>,
}

impl LiveRun {
    /// A run that has just begun.
    pub fn new(snapshot: RunSnapshot) -> Arc<Self> {
        Arc::new(Self {
            locks: Mutex::new(locks::unseen(&snapshot)),
            snapshot: Mutex::new(snapshot),
            bell: watch::Sender::new(0),
        })
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
        self.change(lane, |lane| {
            lane.latency_ms = latency_ms;
            lane.samples.push(sample);
            let full = lane.samples.len() >= SAMPLES_MAX;
            if full {
                thin(&mut lane.samples);
            }
            full
        })
    }

    /// Says what there is to sell on a lane whose turn has come.
    pub fn stocked(&self, lane: usize, stock: i64) {
        self.change(lane, |lane| lane.stock = stock);
    }

    /// Gives a lane its last point and its verdict.
    pub fn judged(&self, lane: usize, last: Sample, verdict: Verdict) {
        self.change(lane, |lane| {
            lane.samples.push(last);
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

/// Drops every second point, never the last.
fn thin(samples: &mut Vec<Sample>) {
    let keep_parity = (samples.len() + 1) % 2;
    let mut index = 0;
    samples.retain(|_| {
        index += 1;
        index % 2 == 1 - keep_parity
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_last_point() {
        for len in [2_u64, 3, 8, 9] {
            let mut samples: Vec<Sample> = (0..len)
                .map(|elapsed_ms| Sample {
                    elapsed_ms,
                    ..Sample::default()
                })
                .collect();
            thin(&mut samples);
            assert_eq!(
                samples.last().map(|sample| sample.elapsed_ms),
                Some(len - 1)
            );
            assert!(samples.len() as u64 <= len.div_ceil(2));
        }
    }
}
