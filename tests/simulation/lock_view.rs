//! The lock view: in forced situations, it must show what `pg_locks` and `pg_blocking_pids` return
//! for statements by hand.

use std::time::Duration;

use doorbuster::{
    db::{
        Db, PoolSettings,
        lock_watch::{self, SessionFilter},
    },
    model::{
        SimulationPlan, StrategyKey,
        lock_queue::{LaneLocks, LockQueue, LockScope, LockSnapshot, QueuedSession},
        waterfall::{AttemptOutcome, Part, Precision, ROWS_MAX, Row},
    },
    simulation::{lock_watch::snapshot, store},
};
use uuid::Uuid;

use super::{RUN_MAX, engine, figures, only, plan, run};
use crate::support::{
    Gate, PATIENCE, TestProduct, TestShop, administrator, check_audit_clean, database::ByHand,
    race::wait_until_blocked, sessions, shop::POOL, strategies, within,
};

/// The largest sum of the rounding errors in a row, each below a thousandth of a millisecond.
const ROUNDING_MS: f64 = 0.1;

/// A transaction that locks a lane's stock row, and its process id.
struct Holder {
    by_hand: ByHand,
    pid: i32,
}

impl Holder {
    async fn at(shop: &TestShop, product_id: i64) -> Self {
        let by_hand = shop.database.by_hand().await;
        by_hand.run("BEGIN").await;
        let pid = sessions::own_pid(&by_hand).await;
        let take = format!("SELECT 1 FROM stock WHERE product_id = {product_id} FOR UPDATE");
        by_hand.run(&take).await;
        Self { by_hand, pid }
    }

    async fn leave(self) {
        self.by_hand.run("COMMIT").await;
    }
}

/// Opens a separate pool, so that the queries of the lock view do not wait for the buyers.
async fn watcher(shop: &TestShop) -> Db {
    shop.database.pool(PoolSettings::COMMAND).await
}

/// Takes a lock snapshot of the sessions in the shop's pool.
async fn look(db: &Db) -> LockSnapshot {
    let filter = SessionFilter::Applications(vec![POOL.application_name.to_owned()]);
    let sessions = lock_watch::sessions(db, &filter).await;
    snapshot(
        &sessions.expect("the database answers"),
        &filter,
        Duration::ZERO,
    )
}

/// Returns the only lock queue.
fn only_queue(snapshot: &LockSnapshot) -> &LockQueue {
    let [queue] = snapshot.queues.as_slice() else {
        panic!("one lock queue, not {snapshot:#?}");
    };
    queue
}

/// Starts three buyers, each after the previous one is blocked. Returns their sessions in that
/// order.
async fn three_in_queue(
    shop: &TestShop,
    product: &TestProduct,
    how: StrategyKey,
) -> (Vec<i32>, Vec<tokio::task::JoinHandle<Option<i64>>>) {
    let (mut pids, mut buyers) = (Vec::new(), Vec::new());
    for place in 1..=3 {
        let purchase = shop.buy(product).by(how).spawn();
        buyers.push(tokio::spawn(async move {
            let receipt = purchase.await.expect("it ends").expect("it is sold");
            receipt.remaining_stock
        }));
        shop.until_blocked(place).await;
        let blocked = sessions::all(&shop.by_hand).await.into_iter();
        let newcomer = blocked
            .filter(|session| session.is_blocked)
            .find(|session| !pids.contains(&session.pid()));
        pids.push(newcomer.expect("it is blocked").pid());
    }
    (pids, buyers)
}

/// Reads by hand which sessions block this one.
async fn blockers(by_hand: &ByHand, pid: i32) -> Vec<i32> {
    let text: String = by_hand
        .value(&format!(
            "SELECT array_to_string(pg_blocking_pids({pid}), ',')"
        ))
        .await;
    text.split(',').filter_map(|pid| pid.parse().ok()).collect()
}

/// Reads by hand the lock that the session waits for.
async fn awaited(by_hand: &ByHand, pid: i32) -> String {
    by_hand
        .value(&format!(
            "SELECT CASE locktype WHEN 'tuple' THEN format('row (%s,%s) of %s', page, tuple, relation::regclass) \
               WHEN 'advisory' THEN format('advisory lock %s, %s', classid::bigint::bit(32)::int, objid::bigint::bit(32)::int) \
               ELSE 'transaction ' || transactionid END \
             FROM pg_locks WHERE pid = {pid} AND NOT granted"
        ))
        .await
}

/// Compares a waiting session in the lock view with the results of statements by hand.
async fn check_waiter(by_hand: &ByHand, waiter: &QueuedSession, statement: &str) {
    let pid = waiter.pid;
    assert_eq!(waiter.waits_for, blockers(by_hand, pid).await, "{waiter:?}");
    assert_eq!(waiter.locks, [awaited(by_hand, pid).await], "{waiter:?}");
    assert!(waiter.statement.contains(statement), "{waiter:?}");
    let text: String = by_hand
        .value(&format!(
            "SELECT query FROM pg_stat_activity WHERE pid = {pid}"
        ))
        .await;
    assert!(text.contains(statement), "{text}");
    let waited: f64 = by_hand
        .value(&format!(
            "SELECT (extract(epoch FROM clock_timestamp() - query_start) * 1000)::float8 FROM pg_stat_activity WHERE pid = {pid}"
        ))
        .await;
    assert!(
        waiter.for_ms > 0.0 && waiter.for_ms <= waited,
        "{waiter:?} for at most {waited} ms"
    );
}

fn pids(waiters: &[QueuedSession]) -> Vec<i32> {
    waiters.iter().map(|waiter| waiter.pid).collect()
}

#[tokio::test]
async fn the_lock_view_shows_the_queue_at_a_row_as_the_database_does() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let watcher = watcher(&shop).await;
    let holder = Holder::at(&shop, product.id).await;
    let (came, buyers) = three_in_queue(&shop, &product, StrategyKey::RowLock).await;

    let seen = look(&watcher).await;
    let queue = only_queue(&seen);
    assert_eq!((seen.waiting(), seen.at_work), (3, 0), "{seen:#?}");
    assert_eq!(queue.holder.pid, holder.pid);
    assert!(queue.holder.outsider.is_some(), "the holder is not a buyer");
    assert_eq!(queue.holder.state, "idle in transaction");
    // Another program's statement may contain data of customers.
    let shown = "SELECT ? FROM stock WHERE product_id = ? FOR UPDATE";
    assert_eq!(queue.holder.statement, shown);
    let transaction: String = shop
        .by_hand
        .value(&format!(
            "SELECT transactionid::text FROM pg_locks WHERE pid = {} AND locktype = 'transactionid'",
            holder.pid
        ))
        .await;
    assert_eq!(queue.holder.locks, [format!("transaction {transaction}")]);
    assert_eq!(pids(&queue.waiters), came, "in the order of arrival");
    assert_eq!(queue.waiters[0].waits_for, [holder.pid]);
    for waiter in &queue.waiters {
        check_waiter(&shop.by_hand, waiter, "FOR UPDATE").await;
        assert_eq!(waiter.outsider, None);
    }
    assert!(queue.common_statement().is_some());

    holder.leave().await;
    let mut remaining = Vec::new();
    for buyer in buyers {
        remaining.push(buyer.await.expect("it ends").expect("a level"));
    }
    // Only the first is sure of its turn: once it has written the row, the others lock the new
    // version of it, and may overtake each other.
    assert_eq!(remaining[0], 9);
    remaining.sort_unstable();
    assert_eq!(remaining, [7, 8, 9]);
    assert_eq!(look(&watcher).await.waiting(), 0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_lock_view_shows_the_queue_at_an_advisory_lock() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let watcher = watcher(&shop).await;
    let gate = Gate::closed();
    let how = StrategyKey::AdvisoryLock;
    let first = shop
        .buy(&product)
        .by(how)
        .at(gate.injection_point())
        .spawn();
    gate.arrivals(1).await;
    let (came, buyers) = three_in_queue(&shop, &product, how).await;

    let seen = look(&watcher).await;
    let queue = only_queue(&seen);
    assert_eq!(pids(&queue.waiters), came);
    for waiter in &queue.waiters {
        check_waiter(&shop.by_hand, waiter, "pg_advisory_xact_lock").await;
        assert!(queue.holder.locks.contains(&waiter.locks[0]), "{queue:#?}");
    }
    let holders: Vec<i32> = blockers(&shop.by_hand, came[0]).await;
    assert_eq!([queue.holder.pid], holders.as_slice());
    assert_eq!(queue.holder.outsider, None, "a buyer holds it");

    gate.open();
    first.await.expect("it ends").expect("it is sold");
    for buyer in buyers {
        buyer.await.expect("it ends");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_lock_view_counts_the_read_marks_of_serializable_transactions() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let watcher = watcher(&shop).await;
    let reader = shop.database.by_hand().await;
    reader.run("BEGIN ISOLATION LEVEL SERIALIZABLE").await;
    let read = format!("SELECT 1 FROM stock WHERE product_id = {}", product.id);
    reader.run(&read).await;
    let pid = sessions::own_pid(&reader).await;
    let filter = SessionFilter::Pids(vec![pid]);
    let sessions = lock_watch::sessions(&watcher, &filter).await;
    let seen = snapshot(
        &sessions.expect("the database answers"),
        &filter,
        Duration::ZERO,
    );
    let on_tables: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             WHERE l.pid = {pid} AND l.mode = 'SIReadLock' AND c.relkind = 'r'"
        ))
        .await;
    assert!(on_tables > 0);
    assert_eq!(
        (seen.read_marks.locks as i64, seen.read_marks.sessions),
        (on_tables, 1)
    );
    assert_eq!((seen.waiting(), seen.at_work), (0, 1));
    reader.run("COMMIT").await;
}

/// Runs four buyers while their stock is locked, until the lane's lock view meets `until`. Returns
/// the lock view at that moment and the stored one.
async fn kept_from_the_stock(
    shop: &TestShop,
    how: StrategyKey,
    until: impl Fn(&LaneLocks) -> bool,
) -> (LaneLocks, LaneLocks) {
    let engine = engine(shop);
    let started = engine
        .start(&administrator(), plan(how, 4, 4))
        .await
        .expect("it starts");
    let live = started.run.clone();
    let id = started.id();
    let stock: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT product_id FROM simulation_lane WHERE run_id = '{id}'"
        ))
        .await;
    let holder = Holder::at(shop, stock).await;
    let rival = holder.pid;
    let watching = async {
        let mut bell = live.subscribe();
        let seen = loop {
            let lane = live.locks().remove(0);
            if until(&lane) {
                break lane;
            }
            bell.changed().await.expect("the run goes on");
        };
        holder.leave().await;
        seen
    };
    let finish = engine.finish(started, &[], |_| {});
    let (seen, end) = within(RUN_MAX, "the run", async { tokio::join!(watching, finish) }).await;
    end.expect("it ends with a verdict");
    let kept = stored(shop, id).await;
    assert_eq!(
        kept,
        live.locks().remove(0),
        "the stored lock view equals the live one"
    );
    let now = seen.now.as_ref().expect("it was looked at");
    assert_eq!(only_queue(now).holder.pid, rival);
    (seen, kept)
}

/// Connections of a lane filter buyers all wait for one row.
const WAITERS: u32 = 64;

/// A lane of 64 buyers who take turns at one row, each for a race window.
fn one_queue_of_waiters(race_window_ms: u32) -> SimulationPlan {
    SimulationPlan {
        pool_size: WAITERS,
        race_window_ms,
        ..plan(StrategyKey::RowLock, WAITERS, WAITERS)
    }
}

/// A waiter is blocked by the holder and by every waiter before it: 2^63 paths lead from the last
/// one to the holder.
#[tokio::test]
async fn sixty_four_waiters_are_one_queue_and_every_unit_is_sold() {
    let shop = TestShop::new().await;
    // So long that the watch, which rests after a slow look, looks again while many still wait.
    let end = run(&shop, one_queue_of_waiters(20)).await;
    let id = Uuid::try_parse(&end.id).expect("an id");
    let busiest = stored(&shop, id).await.busiest.expect("it was looked at");
    // The row may change hands during a look, and then it is seen with two holders.
    let queue = busiest.queues.first();
    let queue = queue.expect("a queue was seen");
    assert!(
        queue.len() > WAITERS as usize / 4,
        "many of the {WAITERS} were seen waiting: {}",
        queue.len()
    );
    assert!(queue.hidden > 0, "more than are listed");
    assert_eq!(figures(&only(end)), (WAITERS.into(), 0, 0, 0, 0, 0));
    check_audit_clean(&shop).await;
}

const COMPARED_MIN: u32 = 3;
const COMPARED_MAX: u32 = 20;

/// The race windows alone take 64 × 5 ms, whatever the machine does besides; a watcher that slowed
/// the buyers down would add to that in every run. The fastest of several runs each, in turns,
/// leaves out what else slowed one of them down: on a busy machine, there are more runs until one
/// of each was not disturbed.
#[tokio::test]
async fn watching_the_locks_changes_neither_verdict_nor_latency() {
    let shop = TestShop::new().await;
    let watched = engine(&shop);
    let unwatched = engine(&shop).without_lock_watch();
    let (mut with, mut without) = (f64::MAX, f64::MAX);
    for compared in 1.. {
        for (engine, p99) in [(&watched, &mut with), (&unwatched, &mut without)] {
            let started = engine
                .start(&administrator(), one_queue_of_waiters(5))
                .await;
            let finish = engine.finish(started.expect("it starts"), &[], |_| {});
            let end = within(RUN_MAX, "the run", finish).await;
            let verdict = only(end.expect("it ends with a verdict"));
            assert_eq!(figures(&verdict), (WAITERS.into(), 0, 0, 0, 0, 0));
            *p99 = p99.min(verdict.latency_ms.p99);
        }
        if compared >= COMPARED_MIN && with <= without * 1.5 {
            break;
        }
        assert!(
            compared < COMPARED_MAX,
            "p99 watched {with} ms, unwatched {without} ms"
        );
    }
    check_audit_clean(&shop).await;
}

async fn stored(shop: &TestShop, run: Uuid) -> LaneLocks {
    let mut lanes = store::locks_of_run(shop.db(), run)
        .await
        .expect("they are read");
    assert_eq!(lanes.len(), 1);
    lanes.remove(0).expect("its lock view is stored")
}

/// Checks that the parts do not overlap and do not exceed the latency.
fn check_adds_up(row: &Row) {
    let parts: f64 = Part::ALL.iter().map(|part| row.spent_ms(*part)).sum();
    assert!(parts <= row.latency_ms + ROUNDING_MS, "{row:#?}");
    let mut end = 0.0;
    for span in &row.spans {
        assert!(
            span.from_ms + ROUNDING_MS >= end && span.to_ms >= span.from_ms,
            "{row:#?}"
        );
        end = span.to_ms;
    }
    assert!(end <= row.latency_ms + ROUNDING_MS, "{row:#?}");
}

#[tokio::test]
async fn a_run_shows_its_lock_queue_and_stores_the_busiest_one() {
    let shop = TestShop::new().await;
    let all_wait = |lane: &LaneLocks| lane.now.as_ref().is_some_and(|now| now.waiting() == 4);
    let (seen, kept) = kept_from_the_stock(&shop, StrategyKey::RowLock, all_wait).await;
    assert_eq!(
        (seen.scope, seen.over, kept.over),
        (LockScope::Lane, false, true)
    );
    let now = seen.now.expect("it was looked at");
    let queue = only_queue(&now);
    assert!(queue.waiters.iter().all(|waiter| waiter.outsider.is_none()));
    assert_eq!(now.in_memory, None);
    assert_eq!(seen.waterfall.rows.len(), 4);
    assert!(
        seen.waterfall
            .rows
            .iter()
            .all(|row| row.outcome == AttemptOutcome::Open)
    );

    assert_eq!(kept.now, None);
    let busiest = kept.busiest.expect("they were seen waiting");
    assert_eq!(busiest.waiting(), 4);
    assert_eq!((kept.waterfall.rows.len(), kept.waterfall.ended()), (4, 4));
    let waited_together = queue.waiters.iter().map(|waiter| waiter.for_ms);
    let waited_together = waited_together.fold(f64::MAX, f64::min);
    for row in &kept.waterfall.rows {
        check_adds_up(row);
        assert_eq!(
            (row.outcome, row.precision),
            (AttemptOutcome::Bought, Precision::Moments)
        );
        assert!(row.spent_ms(Part::LockWait) >= waited_together, "{row:#?}");
        let order: Vec<_> = row.spans.iter().map(|span| span.part).collect();
        assert_eq!(order.first(), Some(&Part::PoolWait));
        assert_eq!(order.last(), Some(&Part::Commit));
        assert!(order.contains(&Part::Execute));
    }
    check_audit_clean(&shop).await;
}

/// One buyer holds the mutex and waits for the row. Three wait for the mutex, which the database
/// does not see.
#[tokio::test]
async fn a_queue_in_memory_is_counted() {
    let shop = TestShop::new().await;
    shop.without_final_audit();
    let three = |lane: &LaneLocks| {
        let now = lane.now.as_ref();
        now.is_some_and(|now| (now.waiting(), now.in_memory) == (1, Some(3)))
    };
    let (_, kept) = kept_from_the_stock(&shop, StrategyKey::ProcessMutex, three).await;
    let busiest = kept.busiest.expect("they were seen waiting");
    assert_eq!(busiest.waiting_anywhere(), 4);
    for row in &kept.waterfall.rows {
        check_adds_up(row);
    }
}

#[tokio::test]
async fn the_waterfall_contains_only_the_first_attempts() {
    let shop = TestShop::new().await;
    for (how, precision) in [
        (StrategyKey::Optimistic, Precision::Moments),
        (StrategyKey::EarlyRelease, Precision::Moments),
        (StrategyKey::MicroBatch, Precision::Sums),
    ] {
        if !strategies().any(|strategy| strategy == how) {
            continue;
        }
        let end = run(
            &shop,
            SimulationPlan {
                rounds: 2,
                ..plan(how, 30, 20)
            },
        )
        .await;
        let id = Uuid::try_parse(&end.id).expect("an id");
        let waterfall = stored(&shop, id).await.waterfall;
        assert_eq!(waterfall.rows.len(), ROWS_MAX, "{how}");
        assert_eq!(waterfall.ended(), ROWS_MAX, "{how}");
        assert!(waterfall.rows.is_sorted_by(|a, b| a.start_ms <= b.start_ms));
        waterfall.rows.iter().for_each(check_adds_up);
        assert_eq!(waterfall.precision(), precision, "{how}");
        let worked = |row: &Row| !row.spans.is_empty() || row.outcome == AttemptOutcome::Rejected;
        assert!(waterfall.rows.iter().all(worked), "{how}: {waterfall:#?}");
    }
    check_audit_clean(&shop).await;
}

/// Each pool has its own application name: another lane's buyers are not shown.
#[tokio::test]
async fn a_lane_shows_only_its_own_buyers_and_their_blockers() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let watcher = watcher(&shop).await;
    let other = Db::connect_as(
        shop.database.url(),
        POOL,
        "doorbuster buyers of another lane",
    )
    .await
    .expect("it connects");
    let holder = Holder::at(&shop, product.id).await;
    let elsewhere = doorbuster::shop::Shop::new(other, shop.feed().clone());
    let stranger = shop.buy(&product).on(&elsewhere).spawn();
    wait_until_blocked(&shop.by_hand, 1).await;
    assert_eq!(look(&watcher).await.waiting(), 0);
    let buyer = shop.buy(&product).spawn();
    wait_until_blocked(&shop.by_hand, 2).await;
    let seen = look(&watcher).await;
    let queue = only_queue(&seen);
    let named: Vec<_> = queue
        .waiters
        .iter()
        .map(|at| at.outsider.as_deref())
        .collect();
    assert_eq!(
        named,
        [Some("doorbuster buyers of another lane"), None],
        "a session that blocks a buyer is shown with its name"
    );
    holder.leave().await;
    for purchase in [stranger, buyer] {
        let bought = within(PATIENCE, "the purchase", purchase).await;
        bought.expect("it ends").expect("it is sold");
    }
    check_audit_clean(&shop).await;
}
