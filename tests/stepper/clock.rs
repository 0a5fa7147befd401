//! Sessions that nobody steps, and desks that are full.

use std::time::Duration;

use doorbuster::{
    model::{
        ShopError,
        stepper::{Script, Standing, Story},
    },
    simulation::stepper::StepperLimits,
};

use super::Stage;
use crate::support::{PATIENCE, check_audit_clean, within};

const IMPATIENT: StepperLimits = StepperLimits {
    sessions_max: 2,
    idle: Duration::from_millis(300),
    yields_after: Duration::from_secs(60),
    lifetime: Duration::from_secs(600),
};

/// Sessions of the stepper in the database, apart from those that are just being closed.
async fn connections(stage: &Stage) -> i64 {
    stage
        .shop
        .by_hand
        .value(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'doorbuster stepper%'",
        )
        .await
}

async fn until_no_connections(stage: &Stage) {
    within(PATIENCE, "the connections' end", async {
        while connections(stage).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_left_standing_is_rolled_back() {
    let stage = Stage::with_limits(IMPATIENT).await;
    // A has written, and B waits for it.
    let script = Script::parse("lost-update", "", "", "aaaabbbb").expect("it is whole");
    let play = stage.open(script).await;
    let pids = play.session.pids();
    within(PATIENCE, "the end", play.session.until_ended()).await;
    assert!(matches!(play.view().standing, Standing::RolledBack(_)));
    until_no_connections(&stage).await;
    assert_eq!(play.counted().await, (0, 1, 0), "nothing was committed");
    let prepared: i64 = stage
        .shop
        .by_hand
        .value(&format!(
            "SELECT count(*) FROM pg_locks WHERE pid = {}",
            pids[0]
        ))
        .await;
    assert_eq!(prepared, 0);
    let refused = play.session.step(0, None).await;
    assert!(matches!(refused, Err(ShopError::NotNow(_))), "{refused:?}");
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn an_order_left_waiting_for_its_payment_is_called_off() {
    let stage = Stage::with_limits(IMPATIENT).await;
    let play = stage.story(Story::ExpiredHold).await;
    play.go("aaac").await;
    within(PATIENCE, "the end", play.session.until_ended()).await;
    let pending: i64 = stage
        .shop
        .by_hand
        .value("SELECT count(*) FROM payment WHERE state = 'pending'")
        .await;
    assert_eq!(pending, 0);
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn no_more_sessions_than_there_are_places() {
    let patient = StepperLimits {
        idle: Duration::from_secs(60),
        ..IMPATIENT
    };
    let stage = Stage::with_limits(patient).await;
    let first = stage.story(Story::RowLock).await;
    let _second = stage.story(Story::RowLock).await;
    let third = stage.steppers.open(Script::of(Story::RowLock), None).await;
    assert_eq!(
        third.err(),
        Some(ShopError::StepperBusy { sessions_max: 2 })
    );
    first.session.end("It was ended.").await;
    let third = stage.story(Story::RowLock).await;
    assert_eq!(third.view().standing, Standing::Open);
    assert_eq!(
        first.view().standing,
        Standing::RolledBack("It was ended.".to_owned())
    );
}

#[tokio::test]
async fn where_all_places_are_taken_who_has_stood_still_longest_makes_room() {
    let yielding = StepperLimits {
        idle: Duration::from_secs(60),
        yields_after: Duration::ZERO,
        ..IMPATIENT
    };
    let stage = Stage::with_limits(yielding).await;
    let first = stage.story(Story::RowLock).await;
    let second = stage.story(Story::RowLock).await;
    first.go("a").await;
    let third = stage.story(Story::RowLock).await;
    assert_eq!(third.view().standing, Standing::Open);
    assert_eq!(first.view().standing, Standing::Open, "it stepped later");
    assert_eq!(
        second.view().standing,
        Standing::RolledBack("It stood still, and its place was wanted for another.".to_owned())
    );
    check_audit_clean(&stage.shop).await;
}

/// A story that is over keeps no connection.
#[tokio::test]
async fn who_is_done_leaves() {
    let stage = Stage::new().await;
    let play = stage.story(Story::RowLock).await;
    assert_eq!(
        connections(&stage).await,
        4,
        "a buyer each, and two for control"
    );
    play.go(Story::RowLock.script()).await;
    assert!(play.session.has_ended());
    until_no_connections(&stage).await;
}
