//! The outbox: events about orders and stock, for a subscriber outside of the shop.
//!
//! Triggers write an event in the transaction of the change, so that there is one for each change
//! that is committed, whatever code made it, and none for a change that is rolled back. A server
//! claims events for a while, sends them, and marks them as delivered; a failed one is sent again
//! after a pause that doubles. An event is sent at least once, and may overtake an earlier one that
//! failed. See docs/decisions/0050-events-from-an-outbox.md.

mod destination;
mod message;
mod subscription;

pub use destination::Destination;
pub use subscription::OutboxAdministration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use time::{Duration, OffsetDateTime};

use super::{Shop, moment};
use crate::{
    db::{
        dialect,
        entity::{event_subscription, outbox_event},
        retention::{self, ExpiredRows},
        row_count,
        txn::{self, TxnError},
    },
    model::ShopError,
};

/// Delivered events that are seven days old.
pub const OLD_DELIVERED_EVENTS: ExpiredRows = ExpiredRows {
    name: "delivered events",
    table: "outbox_event",
    key: "id",
    emptied_column: None,
    read_key: retention::read_key::<i64>,
    is_expired: |now, age| {
        let is_old = outbox_event::Column::CreatedAt.lt(now - age);
        is_old.and(outbox_event::Column::DeliveredAt.is_not_null())
    },
    age: EVENTS_KEPT,
};
/// Events that no subscriber has acknowledged within seven days. They have a name of their own,
/// because deleting them loses something.
pub const OLD_UNDELIVERED_EVENTS: ExpiredRows = ExpiredRows {
    name: "undelivered events",
    is_expired: |now, age| {
        let is_old = outbox_event::Column::CreatedAt.lt(now - age);
        is_old.and(outbox_event::Column::DeliveredAt.is_null())
    },
    ..OLD_DELIVERED_EVENTS
};
/// How long events are kept, delivered or not.
const EVENTS_KEPT: Duration = Duration::days(7);
/// Events that wait without a subscription: the last one has ended.
pub const UNWANTED_EVENTS: ExpiredRows = ExpiredRows {
    name: "events of an ended subscription",
    is_expired: |_, _| {
        let subscription = Query::select()
            .column(event_subscription::Column::Id)
            .from(event_subscription::Entity)
            .to_owned();
        let is_waiting = outbox_event::Column::DeliveredAt.is_null();
        is_waiting.and(Expr::not_exists(subscription))
    },
    age: Duration::ZERO,
    ..OLD_DELIVERED_EVENTS
};
/// The advisory lock of a claim: an arbitrary number that no other lock uses. Two claims, on two
/// nodes of a cluster, write the rows of the same events, so one of them fails at COMMIT and finds
/// them claimed when it is retried.
const CLAIM_LOCK: i64 = 0x6f75_7462;
/// The most events that a server claims at once.
const CLAIMED_MAX: u64 = 64;
/// How long a claim lasts: longer than sending all of them takes.
const LEASE: Duration = Duration::seconds(60);
/// The pause after the first failure. It doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::seconds(1);
const BACKOFF_MAX: Duration = Duration::minutes(5);
/// Characters of an error that are stored.
const ERROR_CHARS_MAX: usize = 200;
/// The most events of each state that a page lists.
const LISTED_MAX: u64 = 30;
/// A larger number of events is not counted exactly.
pub const COUNTED_MAX: u64 = 100_000;

/// How far an event has come. The database derives it from the row, and has an index of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// It is sent for the first time, or waits for that.
    Waiting,
    /// It has failed, and is sent again later.
    Failed,
    Delivered,
}

impl EventState {
    const fn stored(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Failed => 1,
            Self::Delivered => 2,
        }
    }
}

/// An event that a server has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedEvent {
    pub id: i64,
    /// As in `order.paid`.
    pub kind: String,
    /// The body of its message: JSON with `id`, `type`, `at` and `data`.
    pub body: String,
    attempts: i32,
}

/// The events that a server has claimed.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub destination: Destination,
    pub events: Vec<ClaimedEvent>,
    /// The time of the claim, by the database's clock.
    pub at: OffsetDateTime,
}

/// An event for the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    pub id: i64,
    pub kind: String,
    pub payload: String,
    /// Formatted for people, in UTC.
    pub created_at: String,
    pub attempts: i32,
    pub delivered_at: Option<String>,
    pub last_error: Option<String>,
}

/// The outbox for its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxReport {
    /// `None` without a subscription.
    pub destination: Option<String>,
    /// The secret that signs messages.
    pub secret: String,
    /// How many events have each state, up to [`COUNTED_MAX`].
    pub failed: u64,
    pub waiting: u64,
    pub delivered: u64,
    /// The latest events of each state, newest first: those that failed, those that wait, and those
    /// that are delivered.
    pub listed: Vec<EventView>,
}

/// Reads and delivers events; see [`Shop::outbox`].
#[derive(Clone, Copy, Debug)]
pub struct Outbox<'a> {
    pub(super) shop: &'a Shop,
}

impl Outbox<'_> {
    /// Claims events that are due, the oldest first. Returns `None` if there are none, there is no
    /// subscription, another server claims at the moment, or `can_send` is false for the
    /// destination. An event that cannot be read is stored as failed.
    pub async fn claim(
        self,
        can_send: fn(&Destination, &Shop) -> bool,
    ) -> Result<Option<Claimed>, TxnError> {
        let policy = self.shop.policy("claim events");
        let shop = self.shop.clone();
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let shop = shop.clone();
            Box::pin(async move {
                let connection = work.connection();
                let subscription = event_subscription::Entity::find().one(connection).await?;
                let destination =
                    subscription.and_then(|row| row.destination.parse::<Destination>().ok());
                let Some(destination) = destination.filter(|to| can_send(to, &shop)) else {
                    return Ok(None);
                };
                if !dialect::try_advisory_lock_in_transaction(connection, CLAIM_LOCK).await? {
                    return Ok(None);
                }
                let at = dialect::now(connection).await?;
                let due = outbox_event::Entity::find()
                    .filter(outbox_event::Column::DeliveredAt.is_null())
                    .filter(outbox_event::Column::NextAttemptAt.lte(at))
                    .order_by_asc(outbox_event::Column::Id)
                    .limit(CLAIMED_MAX)
                    .all(connection)
                    .await?;
                if due.is_empty() {
                    return Ok(None);
                }
                let ids: Vec<i64> = due.iter().map(|event| event.id).collect();
                let attempts = Expr::col(outbox_event::Column::Attempts).add(1);
                outbox_event::Entity::update_many()
                    .col_expr(outbox_event::Column::Attempts, attempts)
                    .col_expr(outbox_event::Column::NextAttemptAt, Expr::value(at + LEASE))
                    .filter(dialect::column_in(outbox_event::Column::Id, &ids))
                    .exec(connection)
                    .await?;
                let messages = message::of(connection, due).await?;
                // They must not keep the others from being sent.
                for (event, error) in &messages.unreadable {
                    store_failure(connection, at, (event.id, event.attempts), error).await?;
                }
                if !messages.unreadable.is_empty() {
                    let count = messages.unreadable.len();
                    work.after_commit(move || tracing::warn!(count, "events cannot be read"));
                }
                Ok(Some(Claimed {
                    destination,
                    events: messages.claimed,
                    at,
                }))
            })
        })
        .await
    }

    /// Stores the results of sending: `None` for an event that was delivered, or its error.
    pub async fn store_results(
        self,
        results: Vec<(ClaimedEvent, Option<String>)>,
    ) -> Result<(), TxnError> {
        let policy = self.shop.policy("store event results");
        txn::run_for_result(&self.shop.db, policy, move |work| {
            let results = results.clone();
            Box::pin(async move {
                let connection = work.connection();
                let now = dialect::now(connection).await?;
                let delivered: Vec<i64> = results
                    .iter()
                    .filter(|(_, error)| error.is_none())
                    .map(|(event, _)| event.id)
                    .collect();
                outbox_event::Entity::update_many()
                    .col_expr(outbox_event::Column::DeliveredAt, Expr::value(now))
                    .filter(dialect::column_in(outbox_event::Column::Id, &delivered))
                    .exec(connection)
                    .await?;
                for (event, error) in results {
                    let Some(error) = error else { continue };
                    store_failure(connection, now, (event.id, event.attempts), &error).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Reads the outbox for its page.
    pub async fn inspect(self) -> Result<OutboxReport, ShopError> {
        let secret = self.secret().await?;
        let reader = self.shop.db.reader();
        let subscription = event_subscription::Entity::find().one(reader).await;
        let (mut counts, mut listed) = ([0; 3], Vec::new());
        let states = [
            EventState::Failed,
            EventState::Waiting,
            EventState::Delivered,
        ];
        for (count, state) in counts.iter_mut().zip(states) {
            let read = read_state(reader, state).await;
            let (counted, latest) = read.map_err(txn::read_error)?;
            *count = counted;
            listed.extend(latest.into_iter().map(view));
        }
        let [failed, waiting, delivered] = counts;
        Ok(OutboxReport {
            destination: subscription
                .map_err(txn::read_error)?
                .map(|row| row.destination),
            secret,
            failed,
            waiting,
            delivered,
            listed,
        })
    }

    /// The secret that signs messages to a subscriber.
    pub async fn secret(self) -> Result<String, ShopError> {
        self.shop.operation().event_secret().await
    }
}

/// Stores why an event was not delivered, after so many earlier attempts, and when it is tried
/// again.
async fn store_failure(
    connection: &impl ConnectionTrait,
    now: OffsetDateTime,
    (id, earlier): (i64, i32),
    error: &str,
) -> Result<(), DbErr> {
    let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
    let next = now + backoff(earlier);
    outbox_event::Entity::update_many()
        .col_expr(outbox_event::Column::NextAttemptAt, Expr::value(next))
        .col_expr(outbox_event::Column::LastError, Expr::value(error))
        .filter(outbox_event::Column::Id.eq(id))
        .exec(connection)
        .await
        .map(drop)
}

/// Counts the events in a state, and reads the latest of them.
async fn read_state(
    connection: &impl ConnectionTrait,
    state: EventState,
) -> Result<(u64, Vec<outbox_event::Model>), DbErr> {
    let in_state =
        || outbox_event::Entity::find().filter(outbox_event::Column::State.eq(state.stored()));
    let counted = in_state()
        .select_only()
        .column(outbox_event::Column::Id)
        .limit(COUNTED_MAX)
        .into_query();
    let count = row_count::of(connection, counted).await?;
    let latest = in_state()
        .order_by_desc(outbox_event::Column::Id)
        .limit(LISTED_MAX)
        .all(connection)
        .await?;
    Ok((count, latest))
}

fn view(event: outbox_event::Model) -> EventView {
    EventView {
        id: event.id,
        kind: event.kind,
        payload: event.payload,
        created_at: moment::in_utc(event.created_at),
        attempts: event.attempts,
        delivered_at: event.delivered_at.map(moment::in_utc),
        last_error: event.last_error,
    }
}

/// The pause after the attempt that follows so many others.
fn backoff(earlier: i32) -> Duration {
    let doublings = std::cmp::min(u32::try_from(earlier).unwrap_or(0), 16);
    (BACKOFF_FIRST * 2_i32.pow(doublings)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let pauses = [0, 1, 2, 8, 9, 1_000].map(|earlier| backoff(earlier).whole_seconds());
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }
}
