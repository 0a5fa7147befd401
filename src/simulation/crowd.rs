//! The buyers of a lane: a task each, which does what the schedule says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Barrier, watch},
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    buyer::{Attempt, Order, Storefront},
    door::Door,
    recorder::{Recorder, Unsettled},
    schedule::{Ask, Schedule},
    store::OpenedLane,
    waterfall::WaterfallRecorder,
};
use crate::model::RunWish;

/// The buyers of one lane, and where they buy what.
pub struct Crowd {
    pub run: Uuid,
    pub lane: OpenedLane,
    pub rounds: u32,
    pub schedule: Arc<Schedule>,
    pub storefront: Arc<dyn Storefront>,
    pub recorder: Arc<Recorder>,
    pub door: Arc<Door>,
    pub waterfall: Arc<WaterfallRecorder>,
}

/// The moment from which a lane's times count.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    /// For how long the door had been closed by then.
    closed_before: Duration,
}

impl Crowd {
    /// One task a buyer, in the order in which they stand at the door, all held back until the last of every lane at `start_line`
    /// stands ready. Returns the time from the start signal to the last answer.
    pub async fn let_go(self, start_line: &Barrier) -> Duration {
        let crowd = Arc::new(self);
        let (go, ready) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for (place, buyer) in crowd.schedule.queue().iter().enumerate() {
            tasks.spawn(attend(Arc::clone(&crowd), place, *buyer, ready.clone()));
        }
        start_line.wait().await;
        let at = Instant::now();
        go.send_replace(Some(Start {
            at,
            closed_before: crowd.door.closed_for(),
        }));
        tasks.join_all().await;
        at.elapsed()
    }

    /// Returns false once nobody is let in any more.
    async fn attempt(&self, start: Start, place: usize, buyer: u32, round: u32) -> bool {
        let Some(begin) = self.enter(start, place, round).await else {
            return false;
        };
        let ask = self.schedule.ask(buyer, round);
        let _inside = self.recorder.enter();
        let buy = self.storefront.buy(self.order(&ask));
        let answer = self.waterfall.follow(&ask, (start.at, begin), buy);
        let answer = tokio::select! {
            biased;
            () = self.door.sent_away() => None,
            attempt = answer => Some(attempt),
        };
        match answer {
            // The news of an abort reaches the buyers one after the other, so the wish itself is looked at: who hears of it late may have been
            // answered already, by a shop that was being cut off.
            Some(attempt) if self.door.wish() != RunWish::Abort => {
                self.recorder.record(&ask, begin.elapsed(), attempt);
            }
            // That this buyer has no order is the doing of whoever ended the run; if there is one after all, the database will say so.
            _ => self
                .recorder
                .record(&ask.cut_off(), begin.elapsed(), Attempt::left()),
        }
        true
    }

    /// Returns the moment from which the attempt's latency counts: the one that was intended, if there is one, however late the buyer
    /// comes to it. None once nobody is let in any more.
    async fn enter(&self, start: Start, place: usize, round: u32) -> Option<Instant> {
        if let Some(after) = self.schedule.intended(place, round) {
            return self.door.enter(start.at + after, start.closed_before).await;
        }
        let due = Instant::now() + self.schedule.pause(place, round);
        self.door.enter(due, self.door.closed_for()).await?;
        Some(Instant::now())
    }

    fn order(&self, ask: &Ask) -> Order {
        Order {
            product_id: self.lane.product_id,
            quantity: ask.quantity,
            key: key(self.run, self.lane.id, ask.buyer, ask.round),
            lane_id: self.lane.id,
            fault: ask.fault,
            patience: ask.patience,
        }
    }
}

async fn attend(
    crowd: Arc<Crowd>,
    place: usize,
    buyer: u32,
    mut ready: watch::Receiver<Option<Start>>,
) {
    // The sender outlives the buyers; if it were gone, nobody would wait for them any more.
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

/// The idempotency key of an open attempt.
pub fn key_of(run: Uuid, lane_id: i64, open: &Unsettled) -> String {
    key(run, lane_id, open.buyer, open.round)
}

fn key(run: Uuid, lane_id: i64, buyer: u32, round: u32) -> String {
    format!("{run}:{lane_id}:{buyer}:{round}")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        model::{SimulationPlan, StrategyKey, sample::Failure},
        simulation::buyer::{AttemptResult, Pool, Taken},
    };

    /// A shop that is cut off while it is being asked, and answers before anybody has heard of the abort.
    struct CutOffMidway(Arc<Door>);

    #[async_trait]
    impl Storefront for CutOffMidway {
        async fn buy(&self, _order: Order) -> Attempt {
            self.0.follow(RunWish::Abort);
            Attempt {
                result: AttemptResult::Failed(Failure::NoConnection, "cut off".to_owned()),
                taken: Taken::default(),
            }
        }

        fn in_line(&self, _product_id: i64) -> Option<u64> {
            None
        }

        fn pool(&self) -> Pool {
            Pool { in_use: 0, size: 1 }
        }
    }

    #[tokio::test]
    async fn who_is_answered_by_a_shop_that_is_being_cut_off_did_not_go_without() {
        let plan = SimulationPlan {
            buyers: 1,
            ..SimulationPlan::preset()
        };
        let (door, recorder) = (Arc::new(Door::new()), Arc::new(Recorder::new()));
        let crowd = Crowd {
            run: Uuid::nil(),
            lane: OpenedLane {
                id: 1,
                strategy: StrategyKey::RowLock,
                product_id: 1,
                product_name: "Lamp".to_owned(),
            },
            rounds: 1,
            schedule: Arc::new(Schedule::of(Arc::new(plan))),
            storefront: Arc::new(CutOffMidway(Arc::clone(&door))),
            recorder: Arc::clone(&recorder),
            door,
            waterfall: Arc::new(WaterfallRecorder::new(true)),
        };
        crowd.let_go(&Barrier::new(1)).await;
        recorder.settle(|_| false);
        assert_eq!(recorder.counts().cut_off, 1);
        assert!(recorder.went_without().is_empty());
    }
}
