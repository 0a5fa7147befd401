//! Idle sessions, and steppers without a free slot.

use std::time::Duration;

use doorbuster::{
    db::engine::{Engine, mysql},
    model::{
        ShopError,
        stepper::{Script, StepperStatus, Story},
    },
    simulation::stepper::{StepperLimits, StepperSession},
};

use super::Harness;
use crate::support::{PATIENCE, check_audit_clean, within};

const SHORT_LIMITS: StepperLimits = StepperLimits {
    sessions_max: 2,
    idle: Duration::from_millis(300),
    evictable_after: Duration::from_secs(60),
    lifetime: Duration::from_secs(600),
    kept_max: 1,
    kept_lifetime: Duration::from_secs(3_600),
};

/// Counts the database connections of the stepper.
async fn connections(harness: &Harness) -> i64 {
    if harness.engine() == Engine::MySql {
        return named_connections(harness).await;
    }
    harness
        .shop
        .by_hand
        .value(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'doorbuster stepper%'",
        )
        .await
}

/// The same on MySQL, where only this process knows the names of its sessions.
async fn named_connections(harness: &Harness) -> i64 {
    let by_hand = &harness.shop.by_hand;
    let open: String = by_hand
        .value(
            "SELECT CAST(GROUP_CONCAT(ID) AS CHAR) FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE()",
        )
        .await;
    let server: String = by_hand
        .value("SELECT CONCAT(@@hostname, ':', @@port)")
        .await;
    let names = open
        .split(',')
        .filter_map(|id| mysql::sessions::name_of(&server, id.parse().expect("an id")));
    let of_stepper = names.filter(|name| name.starts_with("doorbuster stepper"));
    i64::try_from(of_stepper.count()).expect("few")
}

async fn until_no_connections(harness: &Harness) {
    within(PATIENCE, "the connections' end", async {
        while connections(harness).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_idle_session_is_rolled_back() {
    let harness = Harness::with_limits(SHORT_LIMITS).await;
    // A has written, and B waits for it.
    let script = Script::parse("lost-update", "", "", "aaaabbbb").expect("it is whole");
    let session = harness.open(script).await;
    let pids = session.inner.pids();
    within(PATIENCE, "the end", session.inner.wait_until_ended()).await;
    assert!(matches!(
        session.view().status,
        StepperStatus::RolledBack(_)
    ));
    until_no_connections(&harness).await;
    assert_eq!(session.counted().await, (0, 1, 0), "nothing was committed");
    let left = match harness.engine() {
        Engine::Postgres => format!("SELECT count(*) FROM pg_locks WHERE pid = {}", pids[0]),
        Engine::MySql => format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE ID = {}",
            pids[0]
        ),
    };
    let left: i64 = harness.shop.by_hand.value(&left).await;
    assert_eq!(left, 0);
    let refused = session.inner.step(0, None).await;
    assert!(
        matches!(refused, Err(ShopError::InvalidState(_))),
        "{refused:?}"
    );
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn an_order_without_a_payment_is_cancelled_with_its_session() {
    let harness = Harness::with_limits(SHORT_LIMITS).await;
    let session = harness.story(Story::ExpiredHold).await;
    session.step("aaac").await;
    within(PATIENCE, "the end", session.inner.wait_until_ended()).await;
    let pending: i64 = harness
        .shop
        .by_hand
        .value("SELECT count(*) FROM payment WHERE state = 'pending'")
        .await;
    assert_eq!(pending, 0);
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn the_number_of_open_sessions_is_limited() {
    let patient = StepperLimits {
        idle: Duration::from_secs(60),
        ..SHORT_LIMITS
    };
    let harness = Harness::with_limits(patient).await;
    let first = harness.story(Story::RowLock).await;
    let _second = harness.story(Story::RowLock).await;
    let third = harness
        .steppers
        .open(Script::of(Story::RowLock), None)
        .await;
    assert_eq!(
        third.err(),
        Some(ShopError::StepperBusy { sessions_max: 2 })
    );
    first.inner.end("It was ended.").await;
    let third = harness.story(Story::RowLock).await;
    assert_eq!(third.view().status, StepperStatus::Open);
    assert_eq!(
        first.view().status,
        StepperStatus::RolledBack("It was ended.".to_owned())
    );
}

#[tokio::test]
async fn the_session_that_was_idle_longest_is_ended_for_a_new_one() {
    let yielding = StepperLimits {
        idle: Duration::from_secs(60),
        evictable_after: Duration::ZERO,
        ..SHORT_LIMITS
    };
    let harness = Harness::with_limits(yielding).await;
    let first = harness.story(Story::RowLock).await;
    let second = harness.story(Story::RowLock).await;
    first.step("a").await;
    let third = harness.story(Story::RowLock).await;
    assert_eq!(third.view().status, StepperStatus::Open);
    assert_eq!(first.view().status, StepperStatus::Open, "it stepped later");
    assert_eq!(
        second.view().status,
        StepperStatus::RolledBack("It was idle, and a new session needed its slot.".to_owned())
    );
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn a_session_that_is_kept_open_outlives_others_that_are_idle() {
    let harness = Harness::with_limits(SHORT_LIMITS).await;
    let kept = harness.story(Story::RowLock).await;
    let id = kept.inner.id().to_string();
    let view = harness.steppers.keep_open(&id, 10).expect("it is kept");
    assert!(view.kept_until.is_some_and(|until| until.ends_with(" UTC")));
    assert_eq!(view.connections, 4);
    // It was opened later, and has ended because it was idle: so the other was idle for longer.
    let idle = harness.story(Story::RowLock).await;
    within(PATIENCE, "the end", idle.inner.wait_until_ended()).await;
    assert_eq!(kept.view().status, StepperStatus::Open);

    let usual = harness
        .steppers
        .keep_open(&id, 0)
        .expect("it is not kept any more");
    assert_eq!(
        (usual.status, usual.kept_until),
        (StepperStatus::Open, None)
    );
    within(PATIENCE, "the end", kept.inner.wait_until_ended()).await;
    let over = harness.steppers.keep_open(&id, 10);
    assert!(matches!(over, Err(ShopError::InvalidState(_))), "{over:?}");
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn few_sessions_may_be_kept_open_and_a_new_one_does_not_end_them() {
    let limits = StepperLimits {
        idle: Duration::from_secs(60),
        evictable_after: Duration::ZERO,
        ..SHORT_LIMITS
    };
    let harness = Harness::with_limits(limits).await;
    let kept = harness.story(Story::RowLock).await;
    let other = harness.story(Story::RowLock).await;
    let keep = |session: &StepperSession, minutes| {
        harness
            .steppers
            .keep_open(&session.id().to_string(), minutes)
    };
    keep(&kept.inner, 60).expect("it is kept");
    let refused = keep(&other.inner, 10).expect_err("one is kept already");
    let sentence = refused.to_string();
    assert!(
        sentence.contains("the first of them ends in 60 min."),
        "{sentence}"
    );
    keep(&kept.inner, 30).expect("the same one may be kept for another time");
    let too_long = keep(&kept.inner, 61);
    assert!(
        matches!(too_long, Err(ShopError::Invalid(_))),
        "{too_long:?}"
    );
    // The kept session was idle for longer.
    let third = harness.story(Story::RowLock).await;
    let statuses = [&kept, &third].map(|session| session.view().status);
    assert_eq!(statuses, [StepperStatus::Open, StepperStatus::Open]);
    assert_ne!(other.view().status, StepperStatus::Open);
    check_audit_clean(&harness.shop).await;
}

/// A finished story holds no connection.
#[tokio::test]
async fn a_finished_session_closes_its_connections() {
    let harness = Harness::new().await;
    let session = harness.story(Story::RowLock).await;
    assert_eq!(
        connections(&harness).await,
        4,
        "one for each buyer, and two control connections"
    );
    session.step(harness.after(Story::RowLock, "")).await;
    assert!(session.inner.has_ended());
    until_no_connections(&harness).await;
}
