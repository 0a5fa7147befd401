//! The interleaving stepper: drives each story step by step, and checks the database between steps.

mod clock;
mod innodb;
mod own;
mod replay;
mod stories;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::{
    db::engine::Engine,
    model::stepper::{ActorState, Script, StepperStatus, StepperView, Story},
    simulation::{
        Steppers,
        stepper::{StepperLimits, StepperSession},
    },
};

use crate::support::{PATIENCE, TestShop, within};

/// A stepper on its own shop.
struct Harness {
    shop: TestShop,
    steppers: Steppers,
}

impl Harness {
    async fn new() -> Self {
        Self::with_limits(StepperLimits::default()).await
    }

    async fn with_limits(limits: StepperLimits) -> Self {
        let shop = TestShop::new().await;
        let steppers = Steppers::with_limits(shop.database.url().to_owned(), limits);
        Self { shop, steppers }
    }

    async fn open(&self, script: Script) -> OpenSession<'_> {
        let session = self.steppers.open(script, None).await.expect("it opens");
        within(PATIENCE, "the replay", session.replayed()).await;
        OpenSession {
            harness: self,
            inner: session,
        }
    }

    async fn story(&self, story: Story) -> OpenSession<'_> {
        self.open(Script::of(story)).await
    }

    fn engine(&self) -> Engine {
        self.shop.by_hand.engine()
    }

    /// Chooses between the expectations of the engines.
    fn by_engine<T>(&self, postgres: T, mysql: T) -> T {
        match self.engine() {
            Engine::Postgres => postgres,
            Engine::MySql => mysql,
        }
    }

    /// The steps of a story's own script after those of `begin`.
    fn after(&self, story: Story, begin: &str) -> &'static str {
        let script = story.script(self.engine());
        let rest = script.strip_prefix(begin);
        rest.unwrap_or_else(|| panic!("{script} does not begin with {begin}"))
    }
}

/// An open session of a test.
struct OpenSession<'s> {
    harness: &'s Harness,
    inner: Arc<StepperSession>,
}

impl OpenSession<'_> {
    /// Takes one step for each letter, by the actor of that letter.
    async fn step(&self, letters: &str) -> StepperView {
        for letter in letters.bytes() {
            let actor = usize::from(letter - b'a');
            let step = self.inner.step(actor, None);
            let stepped = within(PATIENCE, "a step", step).await;
            stepped.unwrap_or_else(|error| {
                panic!("{letters}: {error}\n{:#?}", self.inner.view().actors)
            });
        }
        self.inner.view()
    }

    fn view(&self) -> StepperView {
        self.inner.view()
    }

    /// The next statement of `actor`, abbreviated.
    fn next(&self, actor: usize) -> String {
        match &self.view().actors[actor].state {
            ActorState::Stopped(statement) => statement.abbreviated(),
            other => panic!("it is not at a statement: {other:?}"),
        }
    }

    /// Asserts that page and database agree that `waiting` waits for `holder` alone.
    async fn check_waits(&self, waiting: usize, holder: usize) {
        let view = self.view();
        match &view.actors[waiting].state {
            ActorState::Waiting { on, others, .. } => {
                assert_eq!((on.as_slice(), others.as_slice()), (&[holder][..], &[][..]));
            }
            other => panic!("it does not wait: {other:?}"),
        }
        let pids = self.inner.pids();
        self.check_blockers(pids[waiting], &pids[holder].to_string())
            .await;
    }

    /// Asserts that the database reports exactly the sessions `expected` as those that block `pid`.
    async fn check_blockers(&self, pid: i32, expected: &str) {
        let by_hand = &self.harness.shop.by_hand;
        if self.harness.engine() == Engine::Postgres {
            let sql = format!("SELECT array_to_string(pg_blocking_pids({pid}), ',')");
            let blockers: String = by_hand.value(&sql).await;
            assert_eq!(blockers, expected);
            return;
        }
        let sql = format!(
            "SELECT CAST(COALESCE(GROUP_CONCAT(DISTINCT b.trx_mysql_thread_id), '') AS CHAR) \
             FROM information_schema.INNODB_LOCK_WAITS w \
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id \
             JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id \
             WHERE r.trx_mysql_thread_id = {pid}"
        );
        // The server refreshes this list only if it was not read for 100 ms.
        let deadline = Instant::now() + PATIENCE;
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let blockers: String = by_hand.value(&sql).await;
            if blockers == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{blockers}, not {expected}");
        }
    }

    /// Asserts that no actor of the session waits for a lock in the database. PostgreSQL reports a
    /// deadlock before it releases the locks of the transaction that it aborts.
    async fn check_no_waits(&self) {
        if self.harness.engine() == Engine::MySql {
            for pid in self.inner.pids() {
                self.check_blockers(pid, "").await;
            }
            return;
        }
        let pids: Vec<_> = self.inner.pids().iter().map(i32::to_string).collect();
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid IN ({}) AND cardinality(pg_blocking_pids(pid)) > 0",
            pids.join(",")
        );
        let by_hand = &self.harness.shop.by_hand;
        within(PATIENCE, "the end of all waits", async {
            while by_hand.value::<i64>(&sql).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// `(units on order lines, available, sold)`, summed over the session's products by SQL.
    async fn counted(&self) -> (i64, i64, i64) {
        let names: Vec<_> = self
            .view()
            .rows
            .iter()
            .map(|row| format!("'{}'", row.product))
            .collect();
        let products = format!(
            "(SELECT id FROM product WHERE name IN ({}))",
            names.join(",")
        );
        let sum = async |sql: String| -> i64 { self.harness.shop.by_hand.value(&sql).await };
        (
            sum(format!(
                "SELECT CAST(coalesce(sum(l.quantity), 0) AS bigint) FROM order_line l JOIN customer_order o ON o.id = l.order_id \
                 WHERE o.status IN ('placed', 'paid') AND l.product_id IN {products}"
            ))
            .await,
            sum(format!("SELECT CAST(sum(available) AS bigint) FROM stock WHERE product_id IN {products}")).await,
            sum(format!("SELECT CAST(sum(sold) AS bigint) FROM stock WHERE product_id IN {products}")).await,
        )
    }

    /// Asserts that all actors have finished, and that each succeeded as `expected` says.
    fn check_finished(&self, expected: &[bool]) {
        let view = self.view();
        assert_eq!(view.status, StepperStatus::Over, "{:#?}", view.actors);
        let successes = view.actors.iter().map(|actor| match &actor.state {
            ActorState::Ended { succeeded, .. } => *succeeded,
            other => panic!("it has not finished: {other:?}"),
        });
        assert_eq!(
            successes.collect::<Vec<_>>(),
            expected,
            "{:#?}",
            view.actors
        );
    }
}
