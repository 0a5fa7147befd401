//! How much work is due: holds, payments, refunds, backorders and events. Each query reads only
//! rows that are open, by an index, however long the history is.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::Operation;
use crate::{
    db::{dialect, txn},
    model::ShopError,
    shop::payments::record::QUERY_INTERVAL,
};

/// More events are not counted: after days without a subscriber, there may be millions.
const EVENTS_COUNTED_MAX: u64 = 100_000;

/// Work of the whole shop that is due, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShopFigures {
    /// Holds that have not expired.
    pub holds_live: i64,
    /// Holds that have expired, and that no server has released yet.
    pub holds_expired: i64,
    /// How long ago the first of these expired, in microseconds.
    pub oldest_expired_us: i64,
    /// Payments whose outcome should be known by now, and is not.
    pub payments_unknown: i64,
    /// The age of the oldest of these, in microseconds.
    pub oldest_unknown_us: i64,
    /// Refunds that the provider has not confirmed.
    pub refunds_waiting: i64,
    /// Paid orders that wait for stock.
    pub backorders_waiting: i64,
    /// Events of the outbox that the subscriber has not acknowledged, counted up to 100,000.
    pub events_waiting: i64,
    /// The age of the oldest of these, in microseconds.
    pub oldest_event_us: i64,
}

#[derive(FromQueryResult)]
struct HoldsRow {
    live: i64,
    expired: i64,
    age_us: Option<i64>,
}

#[derive(FromQueryResult)]
struct WaitingRow {
    waiting: i64,
    age_us: Option<i64>,
}

#[derive(FromQueryResult)]
struct CountRow {
    waiting: i64,
}

impl Operation<'_> {
    /// Reads how much work is due.
    pub async fn figures(self) -> Result<ShopFigures, ShopError> {
        read(self.shop.db.reader()).await.map_err(txn::read_error)
    }
}

async fn read(connection: &impl ConnectionTrait) -> Result<ShopFigures, DbErr> {
    let holds = read_row::<HoldsRow>(
        connection,
        &format!(
            "SELECT count(CASE WHEN expires_at > CURRENT_TIMESTAMP THEN 1 END) AS live, \
                    count(CASE WHEN expires_at <= CURRENT_TIMESTAMP THEN 1 END) AS expired, \
                    {} AS age_us FROM hold WHERE state = 'held'",
            dialect::microseconds_between("min(expires_at)", "CURRENT_TIMESTAMP")
        ),
        [],
    )
    .await?;
    let due = dialect::now(connection).await? - QUERY_INTERVAL;
    let payments = read_row::<WaitingRow>(
        connection,
        &format!(
            "SELECT count(*) AS waiting, {} AS age_us FROM payment \
             WHERE state = 'pending' AND created_at < $1",
            dialect::microseconds_between("min(created_at)", "CURRENT_TIMESTAMP")
        ),
        [due.into()],
    )
    .await?;
    let refunds = "SELECT count(*) AS waiting FROM refund WHERE state = 'pending'";
    let refunds = read_row::<CountRow>(connection, refunds, []).await?;
    let backorders = "SELECT count(*) AS waiting FROM customer_order WHERE status = 'backordered'";
    let backorders = read_row::<CountRow>(connection, backorders, []).await?;
    let events = read_events(connection).await?;
    Ok(ShopFigures {
        holds_live: holds.live,
        holds_expired: holds.expired,
        // Negative while none has expired.
        oldest_expired_us: holds.age_us.unwrap_or_default().max(0),
        payments_unknown: payments.waiting,
        oldest_unknown_us: payments.age_us.unwrap_or_default(),
        refunds_waiting: refunds.waiting,
        backorders_waiting: backorders.waiting,
        events_waiting: events.waiting,
        oldest_event_us: events.age_us.unwrap_or_default(),
    })
}

/// Reads which events wait. A transaction that began before the end of a subscription may leave
/// some: no subscriber waits for those.
async fn read_events(connection: &impl ConnectionTrait) -> Result<WaitingRow, DbErr> {
    let sql = format!(
        "SELECT count(*) AS waiting, {} AS age_us FROM ( \
           SELECT created_at FROM outbox_event \
           WHERE delivered_at IS NULL AND EXISTS (SELECT 1 FROM event_subscription) \
           LIMIT {EVENTS_COUNTED_MAX}) AS undelivered",
        dialect::microseconds_between("min(created_at)", "CURRENT_TIMESTAMP")
    );
    read_row(connection, &sql, []).await
}

async fn read_row<R: FromQueryResult>(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<R, DbErr> {
    R::find_by_statement(dialect::statement(sql, values))
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("no row for a count".to_owned()))
}
