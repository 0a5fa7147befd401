//! `redis-stream`: a durable queue. A purchase is accepted by a stream in Redis, which answers at
//! once with a place in the queue; a group of consumers writes batches to the database.
//!
//! # Guarantees
//! Each accepted order is decided once, under the lock of its stock row: written, or refused with a
//! stored refusal, however often its entry is delivered. An entry whose consumer is gone is claimed
//! by another one. What is accepted is as durable as Redis: with `appendfsync always`, an order
//! that was answered is on disk; with `everysec`, a crash of Redis can lose the last second. The
//! server that accepted an order also knows it until it is decided, and decides it itself if Redis
//! lost it: only a crash of both at the same time can forget an order.
//!
//! # Cost under contention
//! Callers hold no connection and wait for no lock: accepting is one call to Redis. The database
//! sees one transaction for all orders that arrived in the meantime, as with `micro-batch`, and one
//! more statement, which looks up earlier decisions.
//!
//! # Fails as
//! A buyer may wait behind a thousand others and be refused in the end: `accepted` is not `bought`.
//! A full queue: 429 with `Retry-After`. A Redis that is unavailable: the row sells orders in the
//! request; it does not refuse a key that may wait in the queue, whose caller gets 503 instead. An
//! order that the database cannot write becomes a dead letter, and an administrator decides.
//!
//! # Choose it when
//! The crowd is larger than the database for longer than a request may wait, and buyers can be
//! answered later.

mod consumer;
mod order_writer;
mod own_orders;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::crash_point,
    db::txn::{self, ErrorChain, Outcome, TimeSplit, TxnError},
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop, catalog, idempotency,
        inventory::{
            PurchaseRequest,
            counters::Level,
            gate::{RecentRefusal, StockGate},
            order_queue::{Acceptance, OrderQueue, Place},
            queue_followers::Answer,
            queued_order::QueuedOrder,
            sale,
            sold_out::RefreshGuard,
            strategy::{Accepted, PurchaseStrategy},
        },
    },
};

const STRATEGY: StrategyKey = StrategyKey::RedisStream;
/// How long a simulated buyer waits before it asks a full queue again.
const FULL_PAUSE: Duration = Duration::from_millis(50);
/// The pauses after which an order that the row cannot sell is offered to Redis again: another call
/// may be opening the connection. They are short, because a late answer lowers the server's limit
/// of requests at once.
const AWAY_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(150)];
/// Seconds after which a shopper may ask a full queue again.
const RETRY_AFTER_S: u64 = 1;

/// See the module's documentation.
pub struct RedisStream;

#[async_trait]
impl PurchaseStrategy for RedisStream {
    /// Waits until the order is decided.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let Some(gate) = shop.gate() else {
            return Outcome::refused(STRATEGY.needs_redis());
        };
        let pause = shop.injection_point.run_outside_transaction().await;
        let followers = gate.followers();
        let order = QueuedOrder::new(&request);
        let answer = followers.follow_for_answer(order.clone());
        let unaccepted = followers.unaccepted(order.order_id);
        let asked = Instant::now();
        let queued = enqueue(shop, gate, &order).await;
        let asked = asked.elapsed();
        let mut outcome = match queued {
            Ok(queued) if queued.order_id == order.order_id => {
                unaccepted.keep();
                followers.accepted(queued.order_id);
                with_redis(wait(shop, answer).await, asked)
            }
            Ok(queued) => {
                drop(unaccepted);
                let answer = followers.follow_for_answer(order.accepted_as(queued.order_id));
                followers.accepted(queued.order_id);
                let mut outcome = wait(shop, answer).await;
                outcome.split.redis += asked;
                outcome
            }
            Err(mut decided) => {
                drop(unaccepted);
                decided.split.redis += asked.saturating_sub(decided.split.total());
                *decided
            }
        };
        outcome.split.pause += pause;
        outcome
    }

    /// Answers with the place in the queue.
    async fn accept(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Accepted> {
        let Some(gate) = shop.gate() else {
            return Outcome::refused(STRATEGY.needs_redis());
        };
        let start = Instant::now();
        let followers = gate.followers();
        let order = QueuedOrder::new(&request);
        followers.follow(order.clone());
        let unaccepted = followers.unaccepted(order.order_id);
        let queued = enqueue(shop, gate, &order).await;
        match queued {
            Ok(queued) => {
                // The process that accepted it before may be gone.
                if queued.order_id == order.order_id {
                    unaccepted.keep();
                } else {
                    drop(unaccepted);
                    followers.follow(order.accepted_as(queued.order_id));
                }
                followers.accepted(queued.order_id);
                consumer::start(shop);
                Outcome {
                    result: Ok(Accepted::InQueue {
                        order_id: queued.order_id,
                        ahead: queued.ahead,
                    }),
                    attempts: 0,
                    fallbacks: 0,
                    split: TimeSplit {
                        redis: start.elapsed(),
                        ..TimeSplit::default()
                    },
                }
            }
            Err(decided) => {
                drop(unaccepted);
                (*decided).map(Accepted::Written)
            }
        }
    }

    fn knows_waiting_keys(&self) -> bool {
        true
    }

    fn queue_length(&self, shop: &Shop, _product_id: i64) -> Option<u64> {
        shop.gate().map(|gate| gate.followers().count() as u64)
    }
}

/// Counts the time in which the queue was asked, which is a part of the wait for the answer.
fn with_redis(mut outcome: Outcome<Receipt>, asked: Duration) -> Outcome<Receipt> {
    let split = &mut outcome.split;
    let redis = asked.min(split.queue_wait);
    split.queue_wait -= redis;
    split.redis += redis;
    outcome
}

/// Writes what is in the queue, also what other processes have accepted, until the server stops.
pub async fn consume(shop: &Shop, shutdown: &CancellationToken) {
    consumer::serve(shop, shutdown).await;
}

/// An order in the queue.
#[derive(Clone, Copy, Debug)]
struct Queued {
    /// Another id than the order's if its key was accepted before.
    order_id: Uuid,
    ahead: u64,
}

/// Puts an order into the queue. Sells it at once if Redis does not answer: the order may be in the
/// queue nevertheless, and is sold once.
async fn enqueue(
    shop: &Shop,
    gate: &StockGate,
    order: &QueuedOrder,
) -> Result<Queued, Box<Outcome<Receipt>>> {
    let queue = OrderQueue::beside(gate);
    if let Err(refusal) = check_rules(shop, order).await {
        return refuse_by_rule(shop, &queue, order, refusal).await;
    }
    let mut asks_gate = true;
    loop {
        let refusal = match accept_or_sell(shop, &queue, order, asks_gate).await? {
            Acceptance::Accepted { ahead } => {
                let order_id = order.order_id;
                return Ok(Queued { order_id, ahead });
            }
            Acceptance::Known(order_id) => {
                return known_as(shop, &queue, order, order_id).await;
            }
            Acceptance::KeyReused => ShopError::IdempotencyKeyReused,
            Acceptance::Refused(refusal) => match repeat_refusal(shop, order, refusal).await {
                Some(refusal) => refusal,
                None => {
                    asks_gate = false;
                    continue;
                }
            },
            Acceptance::Full if shop.deadline <= txn::REQUEST_DEADLINE => ShopError::QueueFull {
                retry_after_s: RETRY_AFTER_S,
            },
            Acceptance::Full => {
                tokio::time::sleep(FULL_PAUSE).await;
                continue;
            }
        };
        return Err(Box::new(Outcome::refused(refusal)));
    }
}

/// Asks the queue to accept an order. If Redis does not answer, the row may sell it: a consumer
/// finds the sale under the key. It does not refuse a key that may wait in the queue, where it
/// could be sold later. It is not asked for units that it has just refused to another buyer.
async fn accept_or_sell(
    shop: &Shop,
    queue: &OrderQueue,
    order: &QueuedOrder,
    asks_gate: bool,
) -> Result<Acceptance, Box<Outcome<Receipt>>> {
    let accepted = queue.accept(order, asks_gate).await;
    crash_point::pass("after accepting by", STRATEGY.as_str());
    if let Ok(acceptance) = accepted {
        return Ok(acceptance);
    }
    let refresh_guard = check_recent_refusal(shop, order).await?;
    let decided = decide_without_queue(shop, order).await;
    // Before the pauses: other buyers wait for the row's answer.
    drop(refresh_guard);
    if !may_be_sold_later(order, &decided) {
        return Err(Box::new(decided));
    }
    for pause in AWAY_PAUSES {
        tokio::time::sleep(pause).await;
        match queue.accept(order, asks_gate).await {
            // The attempt without an answer may still arrive, and be accepted.
            Ok(Acceptance::Refused(_) | Acceptance::Full) => break,
            Ok(acceptance) => return Ok(acceptance),
            Err(_) => {}
        }
    }
    let (_, cost) = decided.into_parts();
    Err(Box::new(cost.with_result(Err(unknown_outcome()))))
}

/// Answers from the sold-out cache a caller whose key may wait, if the row has just refused as many
/// units and the key is not sold. Other callers were looked up there before.
async fn check_recent_refusal(
    shop: &Shop,
    order: &QueuedOrder,
) -> Result<Option<RefreshGuard>, Box<Outcome<Receipt>>> {
    if !order.has_callers_key() {
        return Ok(None);
    }
    let looked_up = shop.look_up_sold_out(&order.request()).await;
    looked_up.map_err(|_| Box::new(Outcome::failed(unknown_outcome())))
}

/// True if the row has refused an order whose key another request may have put into the queue.
fn may_be_sold_later(order: &QueuedOrder, decided: &Outcome<Receipt>) -> bool {
    match &decided.result {
        Err(TxnError::Refused(refusal)) => order.has_callers_key() && !is_final(refusal),
        _ => false,
    }
}

/// True if no order of the same request can wait in the queue, where it could be sold later.
fn is_final(refusal: &ShopError) -> bool {
    matches!(
        refusal,
        ShopError::IdempotencyKeyReused | ShopError::UnknownProduct
    )
}

/// Refuses an order by a rule, unless its key waits in the queue: the rule may be another one when
/// that order is decided.
async fn refuse_by_rule(
    shop: &Shop,
    queue: &OrderQueue,
    order: &QueuedOrder,
    refusal: ShopError,
) -> Result<Queued, Box<Outcome<Receipt>>> {
    if !order.has_callers_key() {
        return Err(Box::new(Outcome::refused(refusal)));
    }
    let refused = match queue.look_up(order).await {
        Ok(Some(Acceptance::Known(order_id))) => {
            return known_as(shop, queue, order, order_id).await;
        }
        Ok(Some(_)) => Outcome::refused(ShopError::IdempotencyKeyReused),
        Ok(None) => Outcome::refused(refusal),
        Err(_) if is_final(&refusal) => Outcome::refused(refusal),
        Err(_) => Outcome::failed(unknown_outcome()),
    };
    Err(Box::new(refused))
}

/// Returns the place of the order that was accepted under the key of this one. While Redis was
/// unavailable, the row may have sold another order under this key. If the database does not
/// answer, the outcome is unknown: the order that Redis names may be refused.
async fn known_as(
    shop: &Shop,
    queue: &OrderQueue,
    order: &QueuedOrder,
    order_id: Uuid,
) -> Result<Queued, Box<Outcome<Receipt>>> {
    let stored = idempotency::stored_response::<Receipt>(&shop.db, &order.claim()).await;
    let stored = stored.map_err(|error| {
        tracing::warn!(%error, "the order of a known key cannot be looked up");
        Box::new(Outcome::<Receipt>::failed(unknown_outcome()))
    })?;
    let sold = stored.and_then(|receipt| Uuid::try_parse(&receipt.order_id).ok());
    if let Some(order_id) = sold {
        return Ok(Queued { order_id, ahead: 0 });
    }
    let ahead = match queue.place(order_id).await {
        Ok(Place::Waiting { ahead }) => ahead,
        _ => 0,
    };
    Ok(Queued { order_id, ahead })
}

/// Checks the rules that need no lock, usually without the database. The consumer checks them
/// again.
///
/// # Errors
/// The rule's refusal, unless an order was written under the key.
async fn check_rules(shop: &Shop, order: &QueuedOrder) -> Result<(), ShopError> {
    let request = order.request();
    let recent = shop.shared.queue_offers.get(order.product_id);
    if recent.is_some_and(|offer| sale::check_offer(&offer, STRATEGY, &request).is_ok()) {
        return Ok(());
    }
    let checked = match catalog::read_offer(&shop.db, order.product_id).await {
        Ok(Some(offer)) => sale::check_offer(&offer, STRATEGY, &request)
            .map(|()| shop.shared.queue_offers.put(offer)),
        Ok(None) => Err(ShopError::UnknownProduct),
        // Without the database, the consumer checks them.
        Err(_) => Ok(()),
    };
    match checked {
        Err(_) if is_maybe_known(shop, order).await => Ok(()),
        checked => checked,
    }
}

/// True if an order may have been written under the key: the consumer repeats its answer.
async fn is_maybe_known(shop: &Shop, order: &QueuedOrder) -> bool {
    shop.shared.key_lookup.is_known(&shop.db, order.key()).await != Some(false)
}

/// Decides an order that Redis may have accepted without an answer, but stores no refusal under a
/// key that another order may have. If that fails, the outcome is unknown: a consumer may still
/// write it.
async fn decide_without_queue(shop: &Shop, order: &QueuedOrder) -> Outcome<Receipt> {
    let decided = if order.has_callers_key() {
        order_writer::sell_now(shop, order).await
    } else {
        order_writer::decide_now(shop, order).await
    };
    let (result, mut cost) = decided.into_parts();
    cost.fallbacks += 1;
    cost.with_result(match result {
        Ok(_) | Err(TxnError::Refused(_)) => result,
        Err(error) => {
            tracing::warn!(error = %ErrorChain(&error), "an order may be in the queue");
            Err(unknown_outcome())
        }
    })
}

fn unknown_outcome() -> TxnError {
    TxnError::OutcomeUnknown {
        name: STRATEGY.as_str(),
    }
}

/// Returns the refusal that the row has just given to another buyer, if this one would get the
/// same; the next buyers get it from memory. `None` if the queue has to decide.
async fn repeat_refusal(
    shop: &Shop,
    order: &QueuedOrder,
    refusal: Option<RecentRefusal>,
) -> Option<ShopError> {
    let refusal = refusal?;
    if refusal.is_outdated(shop, order.product_id) || is_maybe_known(shop, order).await {
        return None;
    }
    let offer = catalog::read_offer(&shop.db, order.product_id)
        .await
        .ok()??;
    sale::check_offer(&offer, STRATEGY, &order.request()).ok()?;
    let level = Level {
        available: refusal.available,
        version: refusal.version,
    };
    let at = refusal.at;
    Some(sale::refuse_as_at(shop, &offer, order.quantity, level, at))
}

/// Waits for the outcome of an order, until the shop's deadline. The order is decided later
/// nevertheless.
async fn wait(shop: &Shop, answer: Answer) -> Outcome<Receipt> {
    consumer::start(shop);
    match tokio::time::timeout(shop.deadline, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Outcome::failed(unknown_outcome()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{redis::COMMAND_MAX, resilience::LimiterSettings};

    /// A late answer lowers the limit of requests at once. The breaker lets at most one call of an
    /// order wait for a Redis that is unavailable.
    #[test]
    fn an_order_that_is_offered_again_is_answered_in_time() {
        let pauses: Duration = AWAY_PAUSES.iter().sum();
        let target = LimiterSettings::SERVER.latency_target;
        assert!(pauses + COMMAND_MAX < target, "{pauses:?}");
    }
}
