//! The queue of `redis-stream`: a stream in Redis with one group of consumers.
//!
//! An order is accepted by one script, which appends it and remembers its text, its place and its
//! idempotency key. A consumer takes entries in batches, writes them to the database, and
//! acknowledges them after the commit. An entry that its consumer has had for too long is claimed
//! by another one. So an entry may be written to the database several times, and the database
//! decides each order once: see [`super::queue_outcome`].
//!
//! An order leaves the queue when it is decided, or as a dead letter. Acknowledged entries are kept
//! for an hour, for the audit. See docs/decisions/0049-a-queue-that-forgets-no-order.md, and 0057
//! for what a key promises.

mod losses;
mod recent_offers;
mod scripts;

pub use recent_offers::RecentOffers;

use std::time::{Duration, Instant};

use uuid::Uuid;

use self::scripts::{
    ACCEPT, ACKNOWLEDGE, ACKNOWLEDGED, BURY, DEAD_LETTERS, DISCARD, KNOWN, PLACE, REVIVE, STATE,
    TAKE, TRIM, WAITING,
};
use super::{
    gate::{RecentRefusal, RedisClock, StockGate},
    queued_order::QueuedOrder,
};
use crate::redis::Unavailable;

/// The most orders that may wait. Further orders are rejected.
pub const WAITING_MAX: usize = 100_000;
/// The most entries that a consumer takes at once.
pub const BATCH_MAX: usize = 1_024;
/// An entry that its consumer has had for this long is claimed. A batch takes some milliseconds.
pub const CLAIM_AFTER: Duration = Duration::from_secs(2);
/// How long acknowledged entries are kept, and the keys of their orders.
pub const KEPT: Duration = Duration::from_secs(3_600);
/// The group of all consumers.
const GROUP: &str = "writers";

/// The queue of one shop.
#[derive(Clone, Debug)]
pub struct OrderQueue(StockGate);

/// The answer of the queue to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is in the queue, behind so many orders.
    Accepted { ahead: u64 },
    /// Its key was accepted before, for the order with this id.
    Known(Uuid),
    /// Its key was accepted before, for another request.
    KeyReused,
    /// The row has just refused as many units; `None` if it cannot be dated.
    Refused(Option<RecentRefusal>),
    /// Too many orders wait.
    Full,
}

/// An entry that a consumer has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id in the stream.
    pub id: String,
    /// How often it was taken.
    pub deliveries: u32,
    /// The order as JSON.
    pub text: String,
}

impl Entry {
    /// Reads the order; `None` if the entry contains none.
    pub fn order(&self) -> Option<QueuedOrder> {
        serde_json::from_str(&self.text).ok()
    }
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It waits behind so many orders, as far as is known.
    Waiting { ahead: u64 },
    /// It could not be written, and waits for the administrator.
    DeadLetter,
    /// It is not in the queue.
    Absent,
}

/// The queue as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    pub waiting: u64,
    /// Those that a consumer has.
    pub taken: u64,
    pub dead_letters: u64,
    /// The entries of the stream, with those that are acknowledged and kept.
    pub entries: u64,
    /// The age of the oldest order that waits.
    pub oldest: Duration,
    /// Entries that Redis had lost, and that were written again.
    pub restored: u64,
}

/// An entry that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: String,
    /// The order; `None` if it cannot be read.
    pub order: Option<QueuedOrder>,
    pub reason: String,
    pub deliveries: u32,
}

/// An acknowledged entry: its order, and whether its key may be used again, because it was refused.
#[derive(Clone, Debug)]
pub struct Acknowledged<'a> {
    pub entry_id: &'a str,
    pub order: &'a QueuedOrder,
    pub frees_key: bool,
}

impl OrderQueue {
    /// The queue that shares the connection and the namespace of these gates.
    pub fn beside(gate: &StockGate) -> Self {
        Self(gate.clone())
    }

    /// Appends an order, unless its key was accepted before. If `asks_gate`, it is refused if the
    /// gate shows that the row has just rejected as many units.
    ///
    /// # Errors
    /// [`Unavailable`]: the order may be in the queue nevertheless.
    pub async fn accept(
        &self,
        order: &QueuedOrder,
        asks_gate: bool,
    ) -> Result<Acceptance, Unavailable> {
        let [stream, counters, _, waiting] = self.0.keys().of_queue();
        let [of_order, of_key] = self.keys_of(order);
        let [gate, _, refusal, _] = self.0.keys().of_gate(order.product_id);
        let keys = [stream, counters, waiting, of_order, of_key, gate, refusal];
        let arguments = [
            order.order_id.to_string(),
            order.quantity.get().to_string(),
            order.fingerprint().to_owned(),
            text_of(order),
            WAITING_MAX.to_string(),
            i32::from(asks_gate).to_string(),
        ];
        let sent = Instant::now();
        let answer: Vec<String> = self.0.redis().run(&ACCEPT, &keys, &arguments).await?;
        let parts: Vec<&str> = answer.iter().map(String::as_str).collect();
        Ok(match parts.as_slice() {
            ["accepted", ahead] => Acceptance::Accepted {
                ahead: ahead.parse().unwrap_or(0),
            },
            ["known", id, fingerprint] => known(order, id, fingerprint),
            ["refused", available, version, age_ms] => Acceptance::Refused(RecentRefusal::aged(
                available.parse().unwrap_or(0),
                version.parse().unwrap_or(0),
                sent,
                Duration::from_millis(age_ms.parse().unwrap_or(u64::MAX)),
            )),
            _ => Acceptance::Full,
        })
    }

    /// Reads whether the key of an order was accepted before: [`Acceptance::Known`] or
    /// [`Acceptance::KeyReused`]. `None` if it was not, or if its order was refused.
    pub async fn look_up(&self, order: &QueuedOrder) -> Result<Option<Acceptance>, Unavailable> {
        let [_, of_key] = self.keys_of(order);
        let answer: Vec<String> = self.0.redis().run(&KNOWN, &[of_key], &[]).await?;
        Ok(match answer.as_slice() {
            [id, fingerprint] => Some(known(order, id, fingerprint)),
            _ => None,
        })
    }

    /// Takes entries for a consumer; with those of other consumers that have had them for too long,
    /// if `claims`. Returns them with the clock of Redis.
    pub async fn take(
        &self,
        consumer: &str,
        claims: bool,
    ) -> Result<(Vec<Entry>, RedisClock), Unavailable> {
        let claim_after = if claims { CLAIM_AFTER } else { Duration::ZERO };
        let arguments = [
            GROUP.to_owned(),
            consumer.to_owned(),
            BATCH_MAX.to_string(),
            claim_after.as_millis().to_string(),
        ];
        let keys = [self.stream()];
        let answer: (i64, Vec<Vec<String>>) = self.0.redis().run(&TAKE, &keys, &arguments).await?;
        let (ms, taken) = answer;
        let clock = RedisClock::of_answer(ms);
        let entry = |parts: Vec<String>| {
            let [id, deliveries, text]: [String; 3] = parts.try_into().ok()?;
            Some(Entry {
                id,
                deliveries: deliveries.parse().unwrap_or(1),
                text,
            })
        };
        Ok((taken.into_iter().filter_map(entry).collect(), clock))
    }

    /// Acknowledges entries whose orders are decided and committed. Returns how many orders waited
    /// until now: one that was restored has several entries.
    pub async fn acknowledge(&self, decided: &[Acknowledged<'_>]) -> Result<u64, Unavailable> {
        let [stream, counters, _, waiting] = self.0.keys().of_queue();
        let mut keys = vec![stream, counters, waiting];
        let mut arguments = vec![GROUP.to_owned(), KEPT.as_millis().to_string()];
        for entry in decided {
            keys.extend(self.keys_of(entry.order));
            arguments.extend([
                entry.entry_id.to_owned(),
                entry.order.order_id.to_string(),
                i32::from(entry.frees_key).to_string(),
            ]);
        }
        self.0.redis().run(&ACKNOWLEDGE, &keys, &arguments).await
    }

    /// Moves an entry that cannot be written to the dead letters. Returns false if it was
    /// acknowledged before, or if its order was restored under another entry, which decides it.
    pub async fn bury(&self, entry: &Entry, reason: &str) -> Result<bool, Unavailable> {
        let mut keys = Vec::from(self.0.keys().of_queue());
        let mut arguments = vec![
            GROUP.to_owned(),
            entry.id.clone(),
            entry.text.clone(),
            reason.to_owned(),
            entry.deliveries.to_string(),
        ];
        if let Some(order) = entry.order() {
            let [of_order, _] = self.keys_of(&order);
            keys.push(of_order);
            arguments.push(order.order_id.to_string());
        }
        let is_dead: i64 = self.0.redis().run(&BURY, &keys, &arguments).await?;
        Ok(is_dead == 1)
    }

    /// Puts a dead letter back at the end of the queue. Returns false if it is gone.
    pub async fn revive(&self, id: &str, order: &QueuedOrder) -> Result<bool, Unavailable> {
        let mut keys = Vec::from(self.0.keys().of_queue());
        let [of_order, _] = self.keys_of(order);
        keys.push(of_order);
        let arguments = [id.to_owned(), text_of(order), order.order_id.to_string()];
        let was_there: i64 = self.0.redis().run(&REVIVE, &keys, &arguments).await?;
        Ok(was_there == 1)
    }

    /// Removes a dead letter whose order is decided or cannot be read. Returns false if it is gone.
    pub async fn discard(
        &self,
        id: &str,
        order: Option<&QueuedOrder>,
    ) -> Result<bool, Unavailable> {
        let [_, _, dead, _] = self.0.keys().of_queue();
        let mut keys = vec![dead];
        let mut arguments = vec![id.to_owned()];
        if let Some(order) = order {
            keys.extend(self.keys_of(order));
            arguments.push(order.order_id.to_string());
        }
        let was_there: i64 = self.0.redis().run(&DISCARD, &keys, &arguments).await?;
        Ok(was_there == 1)
    }

    /// Reads the place of an order. If its dead letter is gone, writes it again: its buyer waits
    /// for the administrator.
    pub async fn place(&self, order_id: Uuid) -> Result<Place, Unavailable> {
        let [_, counters, dead, _] = self.0.keys().of_queue();
        let [of_order, _] = self.0.keys().of_queued(order_id, "");
        let keys = [counters, of_order, dead];
        let answer: Vec<u64> = self.0.redis().run(&PLACE, &keys, &[]).await?;
        Ok(match answer.as_slice() {
            [ahead, 0] => Place::Waiting { ahead: *ahead },
            [_, _] => Place::DeadLetter,
            _ => Place::Absent,
        })
    }

    /// Reads where orders are, in their order. The places of those that wait are not counted.
    pub async fn places(&self, orders: &[QueuedOrder]) -> Result<Vec<Place>, Unavailable> {
        let keys: Vec<String> = orders
            .iter()
            .map(|order| {
                let [of_order, _] = self.keys_of(order);
                of_order
            })
            .collect();
        let states: Vec<i64> = self.0.redis().run(&WAITING, &keys, &[]).await?;
        let place = |state| match state {
            1 => Place::Waiting { ahead: 0 },
            2 => Place::DeadLetter,
            _ => Place::Absent,
        };
        Ok(states.into_iter().map(place).collect())
    }

    /// Removes entries that were acknowledged more than an hour ago, and consumers that are gone.
    pub async fn trim(&self) -> Result<u64, Unavailable> {
        let kept = KEPT.as_millis().to_string();
        let arguments = [GROUP.to_owned(), kept.clone(), kept];
        self.0
            .redis()
            .run(&TRIM, &[self.stream()], &arguments)
            .await
    }

    /// Reads the queue as a whole.
    pub async fn state(&self) -> Result<QueueState, Unavailable> {
        let [stream, counters, dead, _] = self.0.keys().of_queue();
        let keys = [stream, counters, dead];
        let answer: Vec<u64> = self
            .0
            .redis()
            .run(&STATE, &keys, &[GROUP.to_owned()])
            .await?;
        let [waiting, taken, dead_letters, entries, age_ms, restored]: [u64; 6] =
            answer.try_into().unwrap_or_default();
        Ok(QueueState {
            waiting,
            taken,
            dead_letters,
            entries,
            oldest: Duration::from_millis(age_ms),
            restored,
        })
    }

    /// Lists acknowledged orders after the entry `after`, or from the first one. Returns the last
    /// entry that was looked at, to go on from there; `None` at the end.
    pub async fn acknowledged(
        &self,
        after: Option<&str>,
        at_most: u64,
    ) -> Result<Option<(String, Vec<QueuedOrder>)>, Unavailable> {
        let from = after.map_or("-".to_owned(), |after| format!("({after}"));
        let arguments = [GROUP.to_owned(), from, at_most.to_string()];
        let keys = [self.stream()];
        let answer: Vec<String> = self.0.redis().run(&ACKNOWLEDGED, &keys, &arguments).await?;
        let mut answer = answer.into_iter();
        let Some(last) = answer.next() else {
            return Ok(None);
        };
        let orders = answer.filter_map(|text| serde_json::from_str(&text).ok());
        Ok(Some((last, orders.collect())))
    }

    /// Lists the latest dead letters.
    pub async fn dead_letters(&self, at_most: u64) -> Result<Vec<DeadLetter>, Unavailable> {
        self.read_dead_letters(at_most, "").await
    }

    /// Reads one dead letter; `None` if it is gone.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Unavailable> {
        Ok(self.read_dead_letters(1, id).await?.pop())
    }

    async fn read_dead_letters(
        &self,
        at_most: u64,
        only: &str,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        let [_, _, dead, _] = self.0.keys().of_queue();
        let arguments = [at_most.to_string(), only.to_owned()];
        let found: Vec<Vec<String>> = self
            .0
            .redis()
            .run(&DEAD_LETTERS, &[dead], &arguments)
            .await?;
        let letter = |parts: Vec<String>| {
            let [id, text, reason, deliveries]: [String; 4] = parts.try_into().ok()?;
            Some(DeadLetter {
                id,
                order: serde_json::from_str(&text).ok(),
                reason,
                deliveries: deliveries.parse().unwrap_or(0),
            })
        };
        Ok(found.into_iter().filter_map(letter).collect())
    }

    fn stream(&self) -> String {
        let [stream, _, _, _] = self.0.keys().of_queue();
        stream
    }

    fn keys_of(&self, order: &QueuedOrder) -> [String; 2] {
        self.0.keys().of_queued(order.order_id, order.key())
    }
}

/// The answer to an order whose key was accepted before.
fn known(order: &QueuedOrder, order_id: &str, fingerprint: &str) -> Acceptance {
    if fingerprint != order.fingerprint() {
        return Acceptance::KeyReused;
    }
    Acceptance::Known(Uuid::try_parse(order_id).unwrap_or(order.order_id))
}

/// The order as JSON. An order has only fields that JSON can express.
fn text_of(order: &QueuedOrder) -> String {
    serde_json::to_string(order).unwrap_or_default()
}
