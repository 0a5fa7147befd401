//! The queue of orders as a whole: where an order is, what waits, the dead letters, and the audit
//! of stream and orders. The strategy `redis-stream` fills and empties it.

mod dead_letters;

pub use dead_letters::QueueAdministration;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sea_orm::{DbErr, EntityTrait, QueryFilter, QuerySelect};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Shop,
    audit::{RuleResult, rules::Rule},
    gates::GatesError,
    inventory::{
        order_queue::{DeadLetter, OrderQueue, Place, QueueState},
        queue_outcome::{self, QueueOutcome},
        queued_order::QueuedOrder,
        strategies::redis_stream,
    },
};
use crate::{
    db::{
        dialect,
        entity::{customer_order, product},
        txn,
    },
    model::{OrderView, ShopError},
    redis::Unavailable,
};

/// The most dead letters that a page lists.
const LISTED_MAX: u64 = 100;
/// The pauses before Redis is asked again where an order is. A connection is opened within them.
const PLACE_PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(120),
];
/// Entries that the audit compares at once.
const COMPARED_AT_ONCE: u64 = 1_000;
/// The rule of the audit about the queue.
pub const RULE: Rule = Rule {
    name: "queue-decided",
    requirement: "Each acknowledged entry of the queue has one outcome: an order with its id, a rejection, or the \
                  order that was sold under its key.",
    checks: &[],
};

/// Where an accepted order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    Written(Box<OrderView>),
    /// It waits behind so many orders; `None` if that is not known.
    Waiting {
        ahead: Option<u64>,
    },
    /// It could not be written, and an administrator decides.
    Held,
}

/// How durable an accepted order is in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `appendonly yes`, `appendfsync always`.
    Always,
    /// `appendfsync everysec`.
    EverySecond,
    /// `appendonly no`, or `appendfsync no`.
    None,
    /// The server does not tell.
    Unknown,
}

impl Durability {
    fn of(append_only: Option<&str>, append_fsync: Option<&str>) -> Self {
        match (append_only, append_fsync) {
            (Some("no"), _) | (Some("yes"), Some("no")) => Self::None,
            (Some("yes"), Some("always")) => Self::Always,
            (Some("yes"), Some("everysec")) => Self::EverySecond,
            _ => Self::Unknown,
        }
    }

    /// What an accepted order can rely on.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Always => {
                "Redis writes each accepted order to its disk before it answers (appendfsync always): a crash of Redis \
                 loses no order."
            }
            Self::EverySecond => {
                "Redis writes accepted orders to its disk every second (appendfsync everysec): a crash of Redis can \
                 lose the orders of the last second, unless the server that accepted them still runs."
            }
            Self::None => {
                "Redis does not write accepted orders to its disk at once: a crash of Redis loses all waiting orders, \
                 unless the server that accepted them still runs. Set appendonly yes."
            }
            Self::Unknown => {
                "It is unknown whether Redis writes accepted orders to its disk. Check appendonly and appendfsync in \
                 its settings."
            }
        }
    }
}

/// The queue for its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueReport {
    pub state: QueueState,
    pub durability: Durability,
    /// The latest dead letters, each with the name of its product.
    pub dead_letters: Vec<(DeadLetter, Option<String>)>,
}

/// Follows orders and reads the queue; see [`Shop::queue`].
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    pub(super) shop: &'a Shop,
}

impl Queue<'_> {
    /// Returns where an order is, by its public id. An order that is not queued is found, too.
    ///
    /// # Errors
    /// The refusal, if the order was refused; [`ShopError::UnknownOrder`], also for an id in
    /// another format; [`ShopError::OutcomeUnknown`] if Redis does not answer and the order is not
    /// written.
    pub async fn follow(self, public_id: &str) -> Result<OrderState, ShopError> {
        match self.shop.orders().find(public_id).await {
            Err(ShopError::UnknownOrder) => {}
            found => return found.map(|order| OrderState::Written(Box::new(order))),
        }
        let order_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let place = self.place(order_id).await;
        match place {
            Ok(Place::Waiting { ahead }) => return Ok(OrderState::Waiting { ahead: Some(ahead) }),
            Ok(Place::DeadLetter) => return Ok(OrderState::Held),
            Ok(Place::Absent) | Err(_) => {}
        }
        // If Redis lost it, or does not answer, this server decides it within a moment.
        let gate = self.shop.gate();
        let is_followed = gate.is_some_and(|gate| gate.followers().knows(order_id));
        // It left the queue, and was followed, until its outcome was committed.
        if let Some(state) = self.decided(order_id).await? {
            return Ok(state);
        }
        if is_followed {
            return Ok(OrderState::Waiting { ahead: None });
        }
        Err(match place {
            Ok(_) => ShopError::UnknownOrder,
            Err(_) => ShopError::OutcomeUnknown { retry_after_s: 2 },
        })
    }

    /// Asks Redis several times: while a connection is opened, all calls but one are refused.
    async fn place(self, order_id: Uuid) -> Result<Place, Unavailable> {
        let Some(gate) = self.shop.gate() else {
            return Ok(Place::Absent);
        };
        let queue = OrderQueue::beside(gate);
        for pause in PLACE_PAUSES {
            match queue.place(order_id).await {
                Ok(place) => return Ok(place),
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
        queue.place(order_id).await
    }

    async fn decided(self, order_id: Uuid) -> Result<Option<OrderState>, ShopError> {
        let written = |order| Some(OrderState::Written(Box::new(order)));
        match self.shop.orders().find(&order_id.to_string()).await {
            Ok(order) => return Ok(written(order)),
            Err(ShopError::UnknownOrder) => {}
            Err(error) => return Err(error),
        }
        let stored = queue_outcome::stored(self.shop.db.reader(), vec![order_id]).await;
        match stored.map_err(txn::read_error)?.remove(&order_id) {
            None => Ok(None),
            Some(QueueOutcome::Refused(refusal)) => Err(refusal),
            Some(QueueOutcome::SoldAs(receipt)) => {
                let order = self.shop.orders().find(&receipt.order_id).await?;
                Ok(written(order))
            }
        }
    }

    /// Writes what waits, until the server stops.
    pub async fn consume(self, shutdown: &CancellationToken) {
        redis_stream::consume(self.shop, shutdown).await;
    }

    /// Reads how many orders wait, and how many dead letters there are.
    pub async fn state(self) -> Result<QueueState, GatesError> {
        Ok(self.open()?.state().await?)
    }

    /// Reads the queue for its page.
    pub async fn inspect(self) -> Result<QueueReport, GatesError> {
        let queue = self.open()?;
        let state = queue.state().await?;
        let letters = queue.dead_letters(LISTED_MAX).await?;
        let ids: Vec<i64> = letters
            .iter()
            .filter_map(|letter| letter.order.as_ref())
            .map(|order| order.product_id)
            .collect();
        let names: Vec<(i64, String)> = product::Entity::find()
            .select_only()
            .columns([product::Column::Id, product::Column::Name])
            .filter(dialect::column_in(product::Column::Id, &ids))
            .into_tuple()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let names: HashMap<i64, String> = names.into_iter().collect();
        let with_name = |letter: DeadLetter| {
            let product = letter.order.as_ref().map(|order| order.product_id);
            let name = product.and_then(|id| names.get(&id).cloned());
            (letter, name)
        };
        Ok(QueueReport {
            state,
            durability: self.durability().await?,
            dead_letters: letters.into_iter().map(with_name).collect(),
        })
    }

    async fn durability(self) -> Result<Durability, GatesError> {
        let redis = self.shop.gate().ok_or(GatesError::NoRedis)?.redis();
        let append_only = redis.setting("appendonly").await?;
        let append_fsync = redis.setting("appendfsync").await?;
        Ok(Durability::of(
            append_only.as_deref(),
            append_fsync.as_deref(),
        ))
    }

    /// Checks [`RULE`]: an entry is acknowledged after its order's outcome is committed. The orders
    /// of simulated buyers are checked by the verdict of their run, and deleted with it.
    pub async fn audit(self) -> Result<RuleResult, GatesError> {
        let queue = self.open()?;
        let mut result = RuleResult::of(&RULE);
        let mut last: Option<String> = None;
        while let Some((seen, orders)) = next_entries(&queue, last.as_deref()).await? {
            let undecided = self.undecided(&orders).await.map_err(txn::read_error)?;
            result.add(undecided);
            last = Some(seen);
        }
        Ok(result)
    }

    /// Returns a sentence for each of the orders that has no outcome, or two.
    async fn undecided(self, orders: &[QueuedOrder]) -> Result<Vec<String>, DbErr> {
        let of_shop = orders.iter().filter(|order| order.is_of_shop());
        let ids: Vec<Uuid> = of_shop.map(|order| order.order_id).collect();
        let reader = self.shop.db.reader();
        let written: Vec<Uuid> = customer_order::Entity::find()
            .select_only()
            .column(customer_order::Column::PublicId)
            .filter(dialect::uuid_in(
                customer_order::Column::PublicId,
                ids.clone(),
            ))
            .into_tuple()
            .all(reader)
            .await?;
        let written: HashSet<Uuid> = written.into_iter().collect();
        let outcomes = queue_outcome::stored(reader, ids.clone()).await?;
        let sentence = |id: Uuid| match (written.contains(&id), outcomes.contains_key(&id)) {
            (false, false) => Some(format!("order {id} was acknowledged and has no outcome")),
            (true, true) => Some(format!("order {id} was written and has another outcome")),
            _ => None,
        };
        Ok(ids.into_iter().filter_map(sentence).collect())
    }

    fn open(self) -> Result<OrderQueue, GatesError> {
        let gate = self.shop.gate().ok_or(GatesError::NoRedis)?;
        Ok(OrderQueue::beside(gate))
    }
}

async fn next_entries(
    queue: &OrderQueue,
    after: Option<&str>,
) -> Result<Option<(String, Vec<QueuedOrder>)>, Unavailable> {
    queue.acknowledged(after, COMPARED_AT_ONCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_what_both_settings_say() {
        for (append_only, append_fsync, expected) in [
            (Some("yes"), Some("always"), Durability::Always),
            (Some("yes"), Some("everysec"), Durability::EverySecond),
            (Some("yes"), Some("no"), Durability::None),
            (Some("no"), Some("always"), Durability::None),
            (None, None, Durability::Unknown),
        ] {
            assert_eq!(Durability::of(append_only, append_fsync), expected);
        }
    }
}
