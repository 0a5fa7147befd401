//! The built-in stories, each played to its end by its own script.

use doorbuster::{
    db::engine::Engine,
    model::stepper::{StatementResultView, StepperView, Story, summarize},
};

use super::Harness;
use crate::support::check_audit_clean;

/// The code of each failure of `actor`.
pub fn failures(view: &StepperView, actor: usize) -> Vec<String> {
    let past = view.actors[actor].past.iter();
    past.filter_map(|past| match &past.result {
        StatementResultView::Failed { sqlstate, .. } => sqlstate.clone(),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn unguarded_loses_an_update() {
    let harness = Harness::new().await;
    let session = harness.story(Story::LostUpdate).await;
    let view = session.step("aaabbba").await;
    assert_eq!(view.rows[0].committed.available, 1);
    assert_eq!(
        view.rows[0].written.len(),
        1,
        "A has written, and not committed"
    );
    assert_eq!(view.rows[0].written[0].1.available, 0);
    assert_eq!(view.rows[0].locked_by, Some(0));
    session.step("b").await;
    session.check_waits(1, 0).await;
    session.step(harness.by_engine("aaaa", "aaaaa")).await;
    session.check_no_waits().await;
    session.step(harness.by_engine("bbbb", "bbbbb")).await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (2, 0, 1));
    let message = summarize(&session.view()).join(" ");
    for part in [
        "an update was lost",
        "Oversold by 1",
        "Buyer B waited for Buyer A",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn stock_goes_below_zero() {
    let harness = Harness::new().await;
    let session = harness.story(Story::NegativeStock).await;
    session.step(harness.after(Story::NegativeStock, "")).await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (2, -1, 2));
    assert!(summarize(&session.view()).join(" ").contains("below zero"));
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn for_update_blocks_the_second_buyer() {
    let harness = Harness::new().await;
    let session = harness.story(Story::RowLock).await;
    session.step("aaabb").await;
    assert!(
        session.next(1).ends_with("FOR UPDATE"),
        "{}",
        session.next(1)
    );
    session.step("b").await;
    session.check_waits(1, 0).await;
    let view = session.view();
    assert_eq!(view.rows[0].locked_by, Some(0));
    assert!(
        view.locks
            .iter()
            .any(|lock| !lock.granted && lock.actor == 1)
    );
    session.step(harness.by_engine("aaaaa", "aaaaaaa")).await;
    session.check_no_waits().await;
    assert_eq!(session.next(1), "ROLLBACK");
    session.step("b").await;
    session.check_finished(&[true, false]);
    assert_eq!(session.counted().await, (1, 0, 1));
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn the_second_conditional_update_affects_no_row() {
    let harness = Harness::new().await;
    let session = harness.story(Story::ConditionalUpdate).await;
    session.step("aaabbb").await;
    session.check_waits(1, 0).await;
    let view = session.step(harness.by_engine("aaaa", "aaaaaa")).await;
    let last = view.actors[1].past.last().expect("it has a result");
    match &last.result {
        StatementResultView::Rows { rows, .. } => assert!(rows.is_empty()),
        // MySQL cannot return the rows of an update.
        StatementResultView::Affected(rows) => assert_eq!(*rows, 0),
        other => panic!("{other:?}"),
    }
    assert_eq!(last.waited_for, [0]);
    session.step("bb").await;
    session.check_finished(&[true, false]);
    assert_eq!(session.counted().await, (1, 0, 1));
    assert!(
        summarize(&session.view())
            .join(" ")
            .contains("The update of Buyer B affected no row.")
    );
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn a_version_conflict_is_retried() {
    let harness = Harness::new().await;
    let session = harness.story(Story::VersionConflict).await;
    let first = harness.by_engine("aaabbbaaaaab", "aaabbbaaaaaaab");
    session.step(first).await;
    assert_eq!(session.next(1), "ROLLBACK");
    session.step("b").await;
    assert_eq!(session.next(1), "BEGIN");
    let so_far = format!("{first}b");
    session
        .step(harness.after(Story::VersionConflict, &so_far))
        .await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (2, 0, 2));
    assert!(
        summarize(&session.view())
            .join(" ")
            .contains("Buyer B took 2 attempts.")
    );
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn serializable_is_aborted_with_40001() {
    let harness = Harness::new().await;
    if harness.engine() == Engine::MySql {
        // See `innodb`.
        return;
    }
    let session = harness.story(Story::SerializableAbort).await;
    let view = session.step("aaabbb").await;
    assert!(view.locks.iter().any(|lock| lock.mode == "SIReadLock"));
    let view = session.step("aaaaab").await;
    assert_eq!(failures(&view, 1), ["40001"]);
    session.step("bbbbbbbbb").await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (2, 0, 2));
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn two_carts_deadlock() {
    let harness = Harness::new().await;
    let session = harness.story(Story::Deadlock).await;
    let first = harness.by_engine("aaabbba", "aaaabbbba");
    session.step(first).await;
    session.check_waits(0, 1).await;
    let view = session.step("b").await;
    assert_eq!(
        failures(&view, 1),
        [harness.by_engine("40P01", "1213")],
        "the session that closes the cycle is aborted"
    );
    assert_eq!(failures(&view, 0), Vec::<String>::new());
    session.check_no_waits().await;
    let so_far = format!("{first}b");
    session.step(harness.after(Story::Deadlock, &so_far)).await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (4, 6, 4));
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn locking_in_id_order_prevents_the_deadlock() {
    let harness = Harness::new().await;
    let session = harness.story(Story::DeadlockCure).await;
    session.step("aabb").await;
    session.check_waits(1, 0).await;
    session
        .step(harness.after(Story::DeadlockCure, "aabb"))
        .await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (4, 6, 4));
    for actor in session.view().actors {
        assert!(
            !actor
                .past
                .iter()
                .any(|past| matches!(past.result, StatementResultView::Failed { .. }))
        );
    }
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn a_late_payment_is_refunded_when_no_unit_is_left() {
    let harness = Harness::new().await;
    let session = harness.story(Story::ExpiredHold).await;
    assert_eq!(session.view().rows[0].committed.reserved, 1);
    let first = harness.by_engine("ccccccccbbbaaaaaaaa", "cccccccccbbbaaaaaaaa");
    session.step(first).await;
    session.check_waits(0, 1).await;
    session.step(harness.after(Story::ExpiredHold, first)).await;
    session.check_finished(&[false, true, true]);
    assert_eq!(session.counted().await, (1, 0, 1));
    let refunded: String = harness.shop.by_hand.value("SELECT state FROM refund").await;
    assert_eq!(refunded, "succeeded");
    check_audit_clean(&harness.shop).await;
}

/// The other orders of the same story.
#[tokio::test]
async fn a_late_payment_keeps_its_unit_if_one_is_left() {
    for (order, sold_to) in [("cab", [true, false, true]), ("acb", [true, false, true])] {
        let harness = Harness::new().await;
        let session = harness.story(Story::ExpiredHold).await;
        for actor in order.bytes().map(|letter| usize::from(letter - b'a')) {
            while session.view().can_step(actor) {
                session.inner.step(actor, None).await.expect("it goes");
            }
        }
        session.check_finished(&sold_to);
        assert_eq!(session.counted().await, (1, 0, 1));
        check_audit_clean(&harness.shop).await;
    }
}
