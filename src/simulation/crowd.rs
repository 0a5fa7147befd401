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
        tokio::select! {
            biased;
            () = self.door.sent_away() => {
                // Before the answer, which is that of a shop that is being cut off. That this buyer has no order then is the doing of whoever
                // ended the run; if there is one after all, the database will say so.
                self.recorder.record(&ask.cut_off(), begin.elapsed(), Attempt::left());
            }
            attempt = answer => self.recorder.record(&ask, begin.elapsed(), attempt),
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
