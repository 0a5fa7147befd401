//! Custom stories: strategies, isolation levels and numbers of buyers that no built-in story has.

use doorbuster::{
    db::engine::Engine,
    model::{
        StrategyKey,
        stepper::{ActorState, Script, StatementResultView, StepperStatus},
    },
};

use super::{Harness, OpenSession};
use crate::support::check_audit_clean;

async fn own<'s>(harness: &'s Harness, seats: &str, stock: &str, steps: &str) -> OpenSession<'s> {
    let script = Script::parse("own", seats, stock, steps).expect("it is a story");
    harness.open(script).await
}

/// Lets the actors step in turn until all have finished.
async fn to_the_end(session: &OpenSession<'_>) {
    while let Some(next) = session.view().suggested() {
        session.inner.step(next, None).await.expect("it goes");
    }
    assert_eq!(
        session.view().status,
        StepperStatus::Over,
        "{:#?}",
        session.view().actors
    );
}

/// With a stop before each of its statements, every safe strategy sells the last unit once; the
/// unsafe ones sell it twice.
#[tokio::test]
async fn every_strategy_can_be_stepped_through() {
    let harness = Harness::new().await;
    for strategy in StrategyKey::ALL {
        if strategy.row().needs_redis || strategy.check_runs_on(harness.engine(), true).is_err() {
            continue;
        }
        let session = own(&harness, &format!("{strategy},{strategy}"), "1", "").await;
        to_the_end(&session).await;
        let outcome = session.view().outcome.expect("it is over");
        if strategy.is_safe() {
            assert_eq!((outcome.sold(), outcome.oversold()), (1, 0), "{strategy}");
        } else {
            assert_eq!((outcome.sold(), outcome.oversold()), (2, 1), "{strategy}");
        }
    }
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn three_buyers_queue_for_one_row_lock() {
    let harness = Harness::new().await;
    let session = own(
        &harness,
        "row-lock,row-lock,row-lock,row-lock",
        "2",
        "aaabbbcccddd",
    )
    .await;
    session.check_waits(1, 0).await;
    let view = session.view();
    for (actor, before) in [(2, 1), (3, 2)] {
        match &view.actors[actor].state {
            ActorState::Waiting { on, .. } => assert!(on.contains(&before), "{actor}: {on:?}"),
            other => panic!("it does not wait: {other:?}"),
        }
    }
    to_the_end(&session).await;
    let outcome = session.view().outcome.expect("it is over");
    assert_eq!((outcome.sold(), outcome.oversold()), (2, 0));
    check_audit_clean(&harness.shop).await;
}

/// At REPEATABLE READ, PostgreSQL rejects the lost update with 40001, and the buyer retries; see
/// `innodb` for the other engines.
#[tokio::test]
async fn repeatable_read_prevents_the_lost_update() {
    let harness = Harness::new().await;
    if harness.engine() == Engine::MySql {
        return;
    }
    let seats = "unguarded:1:repeatable-read,unguarded:1:repeatable-read";
    let session = own(&harness, seats, "1", "aaabbbaaaaab").await;
    let last = session.view().actors[1]
        .past
        .last()
        .cloned()
        .expect("it came back");
    assert!(
        matches!(&last.result, StatementResultView::Failed { sqlstate: Some(code), .. } if code == "40001"),
        "{last:?}"
    );
    to_the_end(&session).await;
    assert_eq!(session.counted().await, (1, 0, 1));
    check_audit_clean(&harness.shop).await;
}
