//! The ready-made stories, each to its end by the script that it plays by itself.

use doorbuster::model::stepper::{Answer, StepperView, Story, happened};

use super::Stage;
use crate::support::check_audit_clean;

/// The SQLSTATE of each failure of `actor`.
fn failures(view: &StepperView, actor: usize) -> Vec<String> {
    let past = view.actors[actor].past.iter();
    past.filter_map(|past| match &past.answer {
        Answer::Failed { sqlstate, .. } => sqlstate.clone(),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn an_update_is_lost() {
    let stage = Stage::new().await;
    let play = stage.story(Story::LostUpdate).await;
    let view = play.go("aaabbba").await;
    assert_eq!(view.rows[0].committed.available, 1);
    assert_eq!(
        view.rows[0].written.len(),
        1,
        "A has written, and not committed"
    );
    assert_eq!(view.rows[0].written[0].1.available, 0);
    assert_eq!(view.rows[0].locked_by, Some(0));
    play.go("b").await;
    play.check_waits(1, 0).await;
    play.go("aaaa").await;
    play.check_nobody_waits().await;
    play.go("bbbb").await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (2, 0, 1));
    let told = happened(&play.view()).join(" ");
    for part in [
        "an update was lost",
        "Oversold by 1",
        "Buyer B waited for Buyer A",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn the_shelf_goes_below_zero() {
    let stage = Stage::new().await;
    let play = stage.story(Story::NegativeStock).await;
    play.go(Story::NegativeStock.script()).await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (2, -1, 2));
    assert!(happened(&play.view()).join(" ").contains("fewer than none"));
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn for_update_makes_the_second_wait() {
    let stage = Stage::new().await;
    let play = stage.story(Story::RowLock).await;
    play.go("aaabb").await;
    assert!(play.next(1).ends_with("FOR UPDATE"), "{}", play.next(1));
    play.go("b").await;
    play.check_waits(1, 0).await;
    let view = play.view();
    assert_eq!(view.rows[0].locked_by, Some(0));
    assert!(
        view.locks
            .iter()
            .any(|lock| !lock.granted && lock.actor == 1)
    );
    play.go("aaaaa").await;
    play.check_nobody_waits().await;
    assert_eq!(play.next(1), "ROLLBACK");
    play.go("b").await;
    play.check_over(&[true, false]);
    assert_eq!(play.counted().await, (1, 0, 1));
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn the_conditional_update_affects_no_row() {
    let stage = Stage::new().await;
    let play = stage.story(Story::ConditionalUpdate).await;
    play.go("aaabbb").await;
    play.check_waits(1, 0).await;
    let view = play.go("aaaa").await;
    let last = view.actors[1].past.last().expect("it has come back");
    assert!(matches!(&last.answer, Answer::Rows { rows, .. } if rows.is_empty()));
    assert_eq!(last.waited_for, [0]);
    play.go("bb").await;
    play.check_over(&[true, false]);
    assert_eq!(play.counted().await, (1, 0, 1));
    assert!(
        happened(&play.view())
            .join(" ")
            .contains("The update of Buyer B affected no row.")
    );
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn a_version_conflict_is_begun_anew() {
    let stage = Stage::new().await;
    let play = stage.story(Story::VersionConflict).await;
    play.go("aaabbbaaaaab").await;
    assert_eq!(play.next(1), "ROLLBACK");
    play.go("b").await;
    assert_eq!(play.next(1), "BEGIN");
    play.go("bbbbbbbb").await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (2, 0, 2));
    assert!(
        happened(&play.view())
            .join(" ")
            .contains("Buyer B took 2 attempts.")
    );
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn serializable_is_aborted_with_40001() {
    let stage = Stage::new().await;
    let play = stage.story(Story::SerializableAbort).await;
    let view = play.go("aaabbb").await;
    assert!(view.locks.iter().any(|lock| lock.mode == "SIReadLock"));
    let view = play.go("aaaaab").await;
    assert_eq!(failures(&view, 1), ["40001"]);
    play.go("bbbbbbbbb").await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (2, 0, 2));
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn two_carts_lock_each_other_out() {
    let stage = Stage::new().await;
    let play = stage.story(Story::Deadlock).await;
    play.go("aaabbba").await;
    play.check_waits(0, 1).await;
    let view = play.go("b").await;
    assert_eq!(
        failures(&view, 1),
        ["40P01"],
        "who closes the circle is ended"
    );
    assert_eq!(failures(&view, 0), Vec::<String>::new());
    play.check_nobody_waits().await;
    let rest = &Story::Deadlock.script()["aaabbbab".len()..];
    play.go(rest).await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (4, 6, 4));
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn in_one_order_no_circle_can_close() {
    let stage = Stage::new().await;
    let play = stage.story(Story::DeadlockCure).await;
    play.go("aabb").await;
    play.check_waits(1, 0).await;
    play.go(&Story::DeadlockCure.script()["aabb".len()..]).await;
    play.check_over(&[true, true]);
    assert_eq!(play.counted().await, (4, 6, 4));
    for actor in play.view().actors {
        assert!(
            !actor
                .past
                .iter()
                .any(|past| matches!(past.answer, Answer::Failed { .. }))
        );
    }
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn a_payment_that_comes_late_is_given_back() {
    let stage = Stage::new().await;
    let play = stage.story(Story::ExpiredHold).await;
    assert_eq!(play.view().rows[0].committed.reserved, 1);
    play.go("ccccccccbbbaaaaaaaa").await;
    play.check_waits(0, 1).await;
    play.go(&Story::ExpiredHold.script()["ccccccccbbbaaaaaaaa".len()..])
        .await;
    play.check_over(&[false, true, true]);
    assert_eq!(play.counted().await, (1, 0, 1));
    let refunded: String = stage.shop.by_hand.value("SELECT state FROM refund").await;
    assert_eq!(refunded, "succeeded");
    check_audit_clean(&stage.shop).await;
}

/// The other ways in which the same story can go.
#[tokio::test]
async fn a_late_payment_takes_the_unit_again_if_it_is_there() {
    for (order, sold_to) in [("cab", [true, false, true]), ("acb", [true, false, true])] {
        let stage = Stage::new().await;
        let play = stage.story(Story::ExpiredHold).await;
        for actor in order.bytes().map(|letter| usize::from(letter - b'a')) {
            while play.view().may_go(actor) {
                play.session.step(actor, None).await.expect("it goes");
            }
        }
        play.check_over(&sold_to);
        assert_eq!(play.counted().await, (1, 0, 1));
        check_audit_clean(&stage.shop).await;
    }
}
