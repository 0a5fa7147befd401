//! The interleaving stepper: each story driven step by step, and read from the database while it stands still.

mod clock;
mod own;
mod replay;
mod stories;

use std::sync::Arc;

use doorbuster::{
    model::stepper::{ActorState, Script, Standing, StepperView, Story},
    simulation::{
        Steppers,
        stepper::{Session, StepperLimits},
    },
};

use crate::support::{PATIENCE, TestShop, within};

/// A desk of the stepper on a shop of its own.
struct Stage {
    shop: TestShop,
    steppers: Steppers,
}

impl Stage {
    async fn new() -> Self {
        Self::with_limits(StepperLimits::default()).await
    }

    async fn with_limits(limits: StepperLimits) -> Self {
        let shop = TestShop::new().await;
        let steppers = Steppers::with_limits(shop.database.url().to_owned(), limits);
        Self { shop, steppers }
    }

    async fn open(&self, script: Script) -> Play<'_> {
        let session = self.steppers.open(script, None).await.expect("it opens");
        within(PATIENCE, "the replay", session.replayed()).await;
        Play {
            stage: self,
            session,
        }
    }

    async fn story(&self, story: Story) -> Play<'_> {
        self.open(Script::of(story)).await
    }
}

/// A session that a test steps through.
struct Play<'s> {
    stage: &'s Stage,
    session: Arc<Session>,
}

impl Play<'_> {
    /// Takes steps, by letters.
    async fn go(&self, letters: &str) -> StepperView {
        for letter in letters.bytes() {
            let actor = usize::from(letter - b'a');
            let step = self.session.step(actor, None);
            let stepped = within(PATIENCE, "a step", step).await;
            stepped.unwrap_or_else(|error| {
                panic!("{letters}: {error}\n{:#?}", self.session.view().actors)
            });
        }
        self.session.view()
    }

    fn view(&self) -> StepperView {
        self.session.view()
    }

    /// The statement before which `actor` stands, in brief.
    fn next(&self, actor: usize) -> String {
        match &self.view().actors[actor].state {
            ActorState::Stopped(statement) => statement.brief(),
            other => panic!("it does not stand before a statement: {other:?}"),
        }
    }

    /// Fails unless page and database agree that `waiting` waits for `holder`, and for nobody else.
    async fn check_waits(&self, waiting: usize, holder: usize) {
        let view = self.view();
        match &view.actors[waiting].state {
            ActorState::Waiting { on, others, .. } => {
                assert_eq!((on.as_slice(), others.as_slice()), (&[holder][..], &[][..]));
            }
            other => panic!("it does not wait: {other:?}"),
        }
        let pids = self.session.pids();
        let sql = format!(
            "SELECT array_to_string(pg_blocking_pids({}), ',')",
            pids[waiting]
        );
        let blockers: String = self.stage.shop.by_hand.value(&sql).await;
        assert_eq!(blockers, pids[holder].to_string());
    }

    /// Fails if anybody of the session waits in the database.
    async fn check_nobody_waits(&self) {
        let pids: Vec<_> = self.session.pids().iter().map(i32::to_string).collect();
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid IN ({}) AND cardinality(pg_blocking_pids(pid)) > 0",
            pids.join(",")
        );
        let waiting: i64 = self.stage.shop.by_hand.value(&sql).await;
        assert_eq!(waiting, 0);
    }

    /// `(units on order lines, available, sold)` of the session's products, added up, by SQL.
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
        let sum = async |sql: String| -> i64 { self.stage.shop.by_hand.value(&sql).await };
        (
            sum(format!(
                "SELECT coalesce(sum(l.quantity), 0)::bigint FROM order_line l JOIN customer_order o ON o.id = l.order_id \
                 WHERE o.status IN ('placed', 'paid') AND l.product_id IN {products}"
            ))
            .await,
            sum(format!("SELECT sum(available)::bigint FROM stock WHERE product_id IN {products}")).await,
            sum(format!("SELECT sum(sold)::bigint FROM stock WHERE product_id IN {products}")).await,
        )
    }

    /// Fails unless everybody has come to the end, and each was told yes or no as `served` says.
    fn check_over(&self, served: &[bool]) {
        let view = self.view();
        assert_eq!(view.standing, Standing::Over, "{:#?}", view.actors);
        let told = view.actors.iter().map(|actor| match &actor.state {
            ActorState::Ended { served, .. } => *served,
            other => panic!("not at its end: {other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), served, "{:#?}", view.actors);
    }
}
