//! Wakes the requests and the event streams that wait for a change of an order.
//!
//! The process that changes an order wakes its own waiters as soon as it has committed, and
//! announces the order to the other processes. For changes of which no notice arrives, one task
//! queries all watched orders together, every three seconds, and only while an order is watched. A
//! process that receives no notices queries them twice a second: a thousand payers of a slow
//! provider cost two queries a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::{
    DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect,
};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    db::{
        Db, dialect,
        entity::{customer_order, payment, refund},
        txn::Work,
    },
    feed::{ChangeSet, Feed, Pace},
    shop::Shop,
};

/// Interval of the query for the changes of other processes while their notices do not arrive.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The shortest time between two queries.
const QUERY_PAUSE: Duration = Duration::from_millis(100);

/// The orders that this process watches, by their public ids.
#[derive(Debug, Default)]
pub struct OrderWatch {
    state: Mutex<State>,
    /// Notified when any order may have changed.
    query_now: Notify,
}

#[derive(Debug, Default)]
struct State {
    orders: HashMap<Uuid, Entry>,
    /// Whether the task that queries the orders is running.
    is_polling: bool,
}

#[derive(Debug)]
struct Entry {
    watchers: usize,
    /// The version that the last query read; `None` before the first.
    version: Option<String>,
    changes: watch::Sender<u64>,
}

/// An order, watched until this guard is dropped.
#[derive(Debug)]
pub struct WatchedOrder {
    watch: Arc<OrderWatch>,
    order: Uuid,
    changes: watch::Receiver<u64>,
}

impl WatchedOrder {
    /// Returns a receiver that is notified of each change. Some notifications have no change: read
    /// the order to see.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Notifies of a change after the next query, because the order could not be read.
    pub fn notify_again(&self) {
        if let Some(entry) = self.watch.lock().orders.get_mut(&self.order) {
            entry.version = None;
        }
    }

    /// Waits for a change since the last call.
    pub async fn changed(&mut self) {
        // Cannot fail: the entry owns the sender and lives as long as this guard.
        let _ = self.changes.changed().await;
    }
}

impl Drop for WatchedOrder {
    fn drop(&mut self) {
        let mut state = self.watch.lock();
        if let Some(entry) = state.orders.get_mut(&self.order) {
            entry.watchers -= 1;
            if entry.watchers == 0 {
                state.orders.remove(&self.order);
            }
        }
    }
}

impl OrderWatch {
    /// Watches an order in the database `db`, whose notices `feed` knows. Read the order after this
    /// call: only later changes are notified.
    pub fn watch(self: &Arc<Self>, db: &Db, feed: &Feed, order: Uuid) -> WatchedOrder {
        let (watched, is_first) = self.add(order);
        if is_first {
            let pace = feed.pace(POLL_INTERVAL);
            tokio::spawn(poll(Arc::clone(self), db.clone(), pace));
        }
        watched
    }

    /// Wakes the watchers of the orders that a notice names. If it names none in particular, all
    /// watched orders are queried.
    pub fn notice(&self, changes: &ChangeSet) {
        if changes.is_everything() {
            self.query_now.notify_one();
            return;
        }
        let state = self.lock();
        for (order, entry) in &state.orders {
            if changes.has_order(*order) {
                entry.notify();
            }
        }
    }

    /// Wakes everything that waits for a change of this order.
    pub fn wake(&self, order: Uuid) {
        if let Some(entry) = self.lock().orders.get(&order) {
            entry.notify();
        }
    }

    /// Adds a watcher. Returns true if the caller must start the task that queries the orders.
    fn add(self: &Arc<Self>, order: Uuid) -> (WatchedOrder, bool) {
        let mut state = self.lock();
        let entry = state.orders.entry(order).or_insert_with(|| Entry {
            watchers: 0,
            version: None,
            changes: watch::Sender::new(0),
        });
        entry.watchers += 1;
        let changes = entry.changes.subscribe();
        let is_first = !std::mem::replace(&mut state.is_polling, true);
        drop(state);
        let watched = WatchedOrder {
            watch: Arc::clone(self),
            order,
            changes,
        };
        (watched, is_first)
    }

    /// Returns the watched orders; `None` if there are none, and then the polling has ended.
    fn orders_to_query(&self) -> Option<Vec<Uuid>> {
        let mut state = self.lock();
        state.is_polling = !state.orders.is_empty();
        state
            .is_polling
            .then(|| state.orders.keys().copied().collect())
    }

    /// Wakes the watchers of each order whose version changed, and of those that are new: they may
    /// have changed since their watchers read them.
    fn update(&self, versions: Vec<(Uuid, String)>) {
        let mut state = self.lock();
        for (order, version) in versions {
            if let Some(entry) = state.orders.get_mut(&order)
                && entry.version.as_ref() != Some(&version)
            {
                entry.version = Some(version);
                entry.notify();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn notify(&self) {
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// Wakes the watchers of an order of this process, and announces the order to the other processes,
/// once the transaction that changes it has committed.
pub fn announce_after_commit(work: &Work, shop: &Shop, order: Uuid) {
    let (watch, feed) = (Arc::clone(&shop.order_watch), shop.feed.clone());
    work.after_commit(move || {
        watch.wake(order);
        feed.announce_order(order);
    });
}

/// Queries all watched orders together until none is watched.
async fn poll(watch: Arc<OrderWatch>, db: Db, mut pace: Pace) {
    loop {
        tokio::select! {
            () = pace.next_round() => {}
            () = watch.query_now.notified() => {}
        }
        let Some(orders) = watch.orders_to_query() else {
            return;
        };
        match versions(&db, orders).await {
            Ok(versions) => watch.update(versions),
            Err(error) => tracing::debug!(%error, "could not read the watched orders"),
        }
        tokio::time::sleep(QUERY_PAUSE).await;
    }
}

/// A payment of an order with one of its refunds; `None` for those that the order does not have.
#[derive(Debug, FromQueryResult)]
struct VersionRow {
    public_id: Uuid,
    status: String,
    changed_at: OffsetDateTime,
    payment_state: Option<String>,
    refund_state: Option<String>,
}

/// Reads the version of each of the orders: a text that differs after every change that a shopper
/// can see.
async fn versions(db: &Db, orders: Vec<Uuid>) -> Result<Vec<(Uuid, String)>, DbErr> {
    let rows = customer_order::Entity::find()
        .select_only()
        .columns([
            customer_order::Column::PublicId,
            customer_order::Column::Status,
            customer_order::Column::ChangedAt,
        ])
        .column_as(payment::Column::State, "payment_state")
        .column_as(refund::Column::State, "refund_state")
        .join(
            JoinType::LeftJoin,
            customer_order::Entity::belongs_to(payment::Entity)
                .from(customer_order::Column::Id)
                .to(payment::Column::OrderId)
                .into(),
        )
        .join(
            JoinType::LeftJoin,
            payment::Entity::belongs_to(refund::Entity)
                .from(payment::Column::Id)
                .to(refund::Column::PaymentId)
                .into(),
        )
        .filter(dialect::uuid_in(customer_order::Column::PublicId, orders))
        .order_by_asc(payment::Column::Id)
        .order_by_asc(refund::Column::Id)
        .into_model::<VersionRow>()
        .all(db.reader())
        .await?;
    Ok(join_rows(rows))
}

/// Joins the rows of each order to its version.
fn join_rows(rows: Vec<VersionRow>) -> Vec<(Uuid, String)> {
    let mut versions = HashMap::new();
    for row in rows {
        let version = versions
            .entry(row.public_id)
            .or_insert_with(|| format!("{} {}", row.status, row.changed_at));
        for state in [row.payment_state, row.refund_state] {
            version.push(' ');
            version.push_str(state.as_deref().unwrap_or_default());
        }
    }
    versions.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn changed(watched: &mut WatchedOrder) -> bool {
        let changed = watched.changes.has_changed().is_ok_and(|changed| changed);
        watched.changes.mark_unchanged();
        changed
    }

    #[test]
    fn only_the_watchers_of_an_order_are_woken() {
        let watch = Arc::new(OrderWatch::default());
        let mut watched = [ONE, ONE, OTHER].map(|order| watch.add(order).0);
        watch.wake(ONE);
        assert_eq!(watched.each_mut().map(changed), [true, true, false]);
        watch.wake(Uuid::from_u128(3));
        assert_eq!(watched.each_mut().map(changed), [false, false, false]);
    }

    #[test]
    fn a_notice_wakes_the_watchers_of_its_orders() {
        let watch = Arc::new(OrderWatch::default());
        let mut watched = [ONE, OTHER].map(|order| watch.add(order).0);
        let mut changes = ChangeSet::default();
        changes.add_order(OTHER);
        changes.add_order(Uuid::from_u128(3));
        watch.notice(&changes);
        assert_eq!(watched.each_mut().map(changed), [false, true]);
        watch.notice(&ChangeSet::everything());
        let woken = watched.each_mut().map(changed);
        assert_eq!(woken, [false, false], "they are queried first");
    }

    #[test]
    fn a_query_wakes_the_watchers_of_changed_and_of_new_orders() {
        let watch = Arc::new(OrderWatch::default());
        let mut one = watch.add(ONE).0;
        let pending = || vec![(ONE, "pending".to_owned()), (OTHER, "pending".to_owned())];
        watch.update(pending());
        assert!(changed(&mut one), "it may have changed before the query");
        let mut other = watch.add(OTHER).0;
        watch.update(pending());
        assert_eq!([changed(&mut one), changed(&mut other)], [false, true]);
        watch.update(vec![
            (ONE, "paid".to_owned()),
            (OTHER, "pending".to_owned()),
        ]);
        assert_eq!([changed(&mut one), changed(&mut other)], [true, false]);
        other.notify_again();
        watch.update(vec![
            (ONE, "paid".to_owned()),
            (OTHER, "pending".to_owned()),
        ]);
        assert_eq!([changed(&mut one), changed(&mut other)], [false, true]);
    }

    #[test]
    fn the_version_of_an_order_contains_each_payment_and_refund() {
        let row = |order, payment: Option<&str>, refund: Option<&str>| VersionRow {
            public_id: order,
            status: "paid".to_owned(),
            changed_at: OffsetDateTime::UNIX_EPOCH,
            payment_state: payment.map(ToOwned::to_owned),
            refund_state: refund.map(ToOwned::to_owned),
        };
        let version = |rows| join_rows(rows).pop().map(|(_, version)| version);
        let declined = || row(ONE, Some("declined"), None);
        let captured = |refund| row(ONE, Some("captured"), refund);
        let different = [
            vec![row(ONE, None, None)],
            vec![captured(None)],
            vec![captured(Some("pending"))],
            vec![captured(Some("succeeded"))],
            vec![captured(Some("succeeded")), captured(Some("pending"))],
            vec![declined(), captured(None)],
            vec![captured(None), declined()],
        ]
        .map(version);
        for (index, one) in different.iter().enumerate() {
            assert!(!different[..index].contains(one), "{one:?}");
        }
        let two = join_rows(vec![row(ONE, None, None), row(OTHER, None, None)]);
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn one_task_queries_while_orders_are_watched() {
        let watch = Arc::new(OrderWatch::default());
        let (first, starts) = watch.add(ONE);
        assert!(starts);
        let (second, starts) = watch.add(ONE);
        assert!(!starts, "the task is running");
        drop(first);
        assert_eq!(watch.orders_to_query(), Some(vec![ONE]));
        drop(second);
        assert_eq!(watch.orders_to_query(), None);
        assert!(watch.add(OTHER).1, "the task has ended");
    }
}
