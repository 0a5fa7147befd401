//! The buyers of a lane: a task each, which does what the schedule says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Barrier, watch},
    task::JoinSet,
    time::{sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    buyer::{Order, Storefront},
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
    pub waterfall: Arc<WaterfallRecorder>,
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
        let begin = Instant::now();
        go.send_replace(Some(begin));
        tasks.join_all().await;
        begin.elapsed()
    }

    async fn attempt(&self, begin: Instant, place: usize, buyer: u32, round: u32) {
        let start = self.wait_for_start(begin, place, round).await;
        let ask = self.schedule.ask(buyer, round);
        let buy = self.storefront.buy(self.order(&ask));
        let attempt = self.waterfall.follow(&ask, (begin, start), buy).await;
        self.recorder.record(&ask, start.elapsed(), attempt);
    }

    /// Returns the moment from which the attempt's latency counts: the one that was intended, if there is one, however late the buyer
    /// comes to it.
    async fn wait_for_start(&self, begin: Instant, place: usize, round: u32) -> Instant {
        if let Some(after) = self.schedule.intended(place, round) {
            sleep_until((begin + after).into()).await;
            return begin + after;
        }
        let pause = self.schedule.pause(place, round);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        Instant::now()
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
    mut ready: watch::Receiver<Option<Instant>>,
) {
    // The sender outlives the buyers; if it were gone, nobody would wait for them any more.
    let Some(begin) = ready
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|go| *go)
    else {
        return;
    };
    for round in 0..crowd.rounds {
        crowd.attempt(begin, place, buyer, round).await;
    }
}

/// The idempotency key of an open attempt.
pub fn key_of(run: Uuid, lane_id: i64, open: &Unsettled) -> String {
    key(run, lane_id, open.buyer, open.round)
}

fn key(run: Uuid, lane_id: i64, buyer: u32, round: u32) -> String {
    format!("{run}:{lane_id}:{buyer}:{round}")
}
