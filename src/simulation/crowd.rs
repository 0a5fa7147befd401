//! The simulated buyers of a lane. Each buyer is a task that follows the schedule.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Barrier, watch},
    task::JoinSet,
};

use super::{
    arrival_gate::ArrivalGate,
    buyer::{Attempt, AttemptRequest, Storefront},
    recorder::{Recorder, UnresolvedAttempt},
    run_secret::RunSecret,
    run_task::{self, TaskPanic},
    schedule::{PlannedAttempt, Schedule},
    store::OpenedLane,
    waterfall::WaterfallRecorder,
};
use crate::{
    model::{RunCommand, ShopError},
    shop::idempotency::Key,
};

/// The name of a buyer's task in errors.
const BUYER: &str = "a simulated buyer";

/// The buyers of one lane, and everything that they use.
pub struct Crowd {
    pub secret: RunSecret,
    pub lane: OpenedLane,
    pub rounds: u32,
    pub schedule: Arc<Schedule>,
    pub storefront: Arc<dyn Storefront>,
    pub recorder: Arc<Recorder>,
    pub gate: Arc<ArrivalGate>,
    pub waterfall: Arc<WaterfallRecorder>,
}

/// The moment at which a lane starts. All its times count from here.
#[derive(Clone, Copy, Debug)]
struct StartSignal {
    at: Instant,
    /// How long the arrival gate had been closed before that moment.
    closed_before: Duration,
}

impl Crowd {
    /// Spawns one task per buyer, in arrival order, and starts them all when every lane at
    /// `start_line` is ready. Returns the time from the start signal to the last answer.
    ///
    /// # Errors
    /// [`TaskPanic`] if a buyer panicked. The other buyers are aborted then: without one of them,
    /// the run proves nothing.
    pub async fn run(self, start_line: &Barrier) -> Result<Duration, TaskPanic> {
        let crowd = Arc::new(self);
        let (go, ready) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for (place, buyer) in crowd.schedule.queue().iter().enumerate() {
            let run = run_buyer(Arc::clone(&crowd), place, *buyer, ready.clone());
            tasks.spawn(run_task::catch(BUYER, run));
        }
        start_line.wait().await;
        let at = Instant::now();
        go.send_replace(Some(StartSignal {
            at,
            closed_before: crowd.gate.closed_for(),
        }));
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            // A buyer's task is never cancelled, and its panics are caught.
            if let Ok(Err(panic)) = ended
                && outcome.is_ok()
            {
                tracing::error!(lane = crowd.lane.id, strategy = %crowd.lane.strategy, %panic, "a run is aborted");
                crowd.gate.apply(RunCommand::Abort);
                outcome = Err(panic);
            }
        }
        outcome.map(|()| at.elapsed())
    }

    /// Makes one attempt. Returns false if the arrival gate is closed for good.
    async fn attempt(&self, start: StartSignal, place: usize, buyer: u32, round: u32) -> bool {
        let Some(begin) = self.enter(start, place, round).await else {
            return false;
        };
        let planned = self.schedule.attempt(buyer, round);
        let _guard = self.recorder.begin_attempt();
        let buy = self.storefront.buy(self.request(&planned));
        let answer = self.waterfall.trace(&planned, (start.at, begin), buy);
        let answer = tokio::select! {
            biased;
            () = self.gate.aborted() => None,
            attempt = answer => Some(attempt),
        };
        match answer {
            // Buyers receive the abort one after the other, so the command itself is checked: the
            // shop may have answered a late buyer already, from a session that was being ended.
            Some(attempt) if self.gate.command() != RunCommand::Abort => {
                self.recorder.record(&planned, begin.elapsed(), attempt);
            }
            // The abort is the reason why this buyer has no order. If there is one after all, the
            // database will show it.
            _ => self
                .recorder
                .record(&planned.cut_off(), begin.elapsed(), Attempt::abandoned()),
        }
        true
    }

    /// Waits until the attempt may start. Returns the moment from which its latency counts: the
    /// planned arrival if there is one, even if the buyer starts later. Returns `None` if the
    /// arrival gate is closed for good.
    async fn enter(&self, start: StartSignal, place: usize, round: u32) -> Option<Instant> {
        if let Some(after) = self.schedule.intended(place, round) {
            return self.gate.enter(start.at + after, start.closed_before).await;
        }
        let due = Instant::now() + self.schedule.pause(place, round);
        self.gate.enter(due, self.gate.closed_for()).await?;
        Some(Instant::now())
    }

    fn request(&self, planned: &PlannedAttempt) -> AttemptRequest {
        AttemptRequest {
            buyer: planned.buyer,
            product_id: self.lane.product_id,
            quantity: planned.quantity,
            key: self.secret.key(self.lane.id, planned.buyer, planned.round),
            lane_id: self.lane.id,
            fault: planned.fault,
            patience: planned.patience,
        }
    }
}

async fn run_buyer(
    crowd: Arc<Crowd>,
    place: usize,
    buyer: u32,
    mut ready: watch::Receiver<Option<StartSignal>>,
) {
    // The sender outlives the buyers. If it were dropped, the lane would be over.
    let Some(start) = ready
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|go| *go)
    else {
        return;
    };
    for round in 0..crowd.rounds {
        if !crowd.attempt(start, place, buyer, round).await {
            return;
        }
    }
}

/// Returns the name under which the shop stores the answer to an unresolved attempt.
///
/// # Errors
/// [`ShopError::IdempotencyKeyInvalid`], which no derived key is.
pub fn stored_key_of(
    secret: &RunSecret,
    lane_id: i64,
    attempt: &UnresolvedAttempt,
) -> Result<String, ShopError> {
    let key = secret.key(lane_id, attempt.buyer, attempt.round);
    Ok(Key::of_buyer(&key)?.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        model::{SimulationPlan, StrategyKey, sample::FailureKind},
        simulation::buyer::{AttemptCost, AttemptResult, Pool},
    };

    fn crowd(buyers: u32, storefront: Arc<dyn Storefront>, gate: &Arc<ArrivalGate>) -> Crowd {
        let plan = SimulationPlan {
            buyers,
            ..SimulationPlan::preset()
        };
        Crowd {
            secret: RunSecret::random(),
            lane: OpenedLane {
                id: 1,
                strategy: StrategyKey::RowLock,
                writers: None,
                product_id: 1,
                product_name: "Lamp".to_owned(),
            },
            rounds: 1,
            schedule: Arc::new(Schedule::of(Arc::new(plan))),
            storefront,
            recorder: Arc::new(Recorder::new()),
            gate: Arc::clone(gate),
            waterfall: Arc::new(WaterfallRecorder::new(true)),
        }
    }

    /// A storefront whose run is aborted during the request, and which answers before the buyer
    /// receives the abort.
    struct AbortedMidway(Arc<ArrivalGate>);

    #[async_trait]
    impl Storefront for AbortedMidway {
        async fn buy(&self, _request: AttemptRequest) -> Attempt {
            self.0.apply(RunCommand::Abort);
            Attempt {
                result: AttemptResult::Failed(FailureKind::NoConnection, "cut off".to_owned()),
                cost: AttemptCost::default(),
            }
        }

        fn queue_length(&self, _product_id: i64) -> Option<u64> {
            None
        }

        fn pool(&self) -> Pool {
            Pool { in_use: 0, size: 1 }
        }
    }

    #[tokio::test]
    async fn an_attempt_during_an_abort_is_cut_off_and_not_unfulfilled() {
        let gate = Arc::new(ArrivalGate::new());
        let crowd = crowd(1, Arc::new(AbortedMidway(Arc::clone(&gate))), &gate);
        let recorder = Arc::clone(&crowd.recorder);
        let ended = crowd.run(&Barrier::new(1)).await;
        assert!(ended.is_ok());
        recorder.resolve(|_| false);
        assert_eq!(recorder.counts().cut_off, 1);
        assert!(recorder.unfulfilled().is_empty());
    }

    /// A storefront that panics for one of the buyers once all of them have asked. The others get
    /// no answer before the run is aborted.
    struct Panics(Barrier);

    #[async_trait]
    impl Storefront for Panics {
        async fn buy(&self, _request: AttemptRequest) -> Attempt {
            let all = self.0.wait().await;
            assert!(!all.is_leader(), "one buyer");
            std::future::pending().await
        }

        fn queue_length(&self, _product_id: i64) -> Option<u64> {
            None
        }

        fn pool(&self) -> Pool {
            Pool { in_use: 0, size: 1 }
        }
    }

    #[tokio::test]
    async fn a_buyer_who_panics_ends_the_crowd_with_an_error() {
        let gate = Arc::new(ArrivalGate::new());
        let crowd = crowd(5, Arc::new(Panics(Barrier::new(5))), &gate);
        let recorder = Arc::clone(&crowd.recorder);
        let panic = crowd.run(&Barrier::new(1)).await.err();
        assert_eq!(
            panic.map(|panic| panic.to_string()).as_deref(),
            Some("a simulated buyer panicked: one buyer")
        );
        recorder.resolve(|_| false);
        assert_eq!(recorder.counts().cut_off, 4, "the others were aborted");
    }
}
