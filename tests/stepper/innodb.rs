//! The stories that InnoDB ends in another way than PostgreSQL, and those that only InnoDB has.

use doorbuster::{
    db::engine::Engine,
    model::{
        ShopError,
        stepper::{
            LockKind, Script, StatementResultView, StepperStatus, StepperView, Story, summarize,
        },
    },
};

use super::{Harness, stories::failures};
use crate::support::check_audit_clean;

/// A stepper on MySQL or MariaDB; `None` if the tests run on another engine.
async fn on_innodb() -> Option<Harness> {
    let harness = Harness::new().await;
    (harness.engine() == Engine::MySql).then_some(harness)
}

/// The number of available units that the last statement of `actor` has read.
fn last_read(view: &StepperView, actor: usize) -> i64 {
    let past = view.actors[actor].past.last().expect("it has a result");
    let StatementResultView::Rows { columns, rows } = &past.result else {
        panic!("it has read nothing: {past:?}");
    };
    let column = columns.iter().position(|column| column == "available");
    let cell = rows[0][column.expect("it has read stock")].as_deref();
    cell.expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn serializable_readers_deadlock() {
    let Some(harness) = on_innodb().await else {
        return;
    };
    let session = harness.story(Story::SerializableAbort).await;
    let view = session.step("aaabbb").await;
    let row = &view.rows[0];
    assert_eq!(
        (row.locked_by, row.shared_by.as_slice()),
        (None, &[0, 1][..])
    );
    session.step("a").await;
    session.check_waits(0, 1).await;
    let view = session.step("b").await;
    assert_eq!(failures(&view, 1), ["1213"]);
    assert_eq!(failures(&view, 0), Vec::<String>::new());
    assert_eq!(view.rows[0].locked_by, Some(0), "A has written");
    // In the retry of B, a plain query waits for A.
    let view = session.step("bbbb").await;
    session.check_waits(1, 0).await;
    let waits = view.locks.iter().filter(|lock| !lock.granted);
    let waits: Vec<_> = waits
        .map(|lock| (lock.actor, lock.kind, lock.mode.as_str()))
        .collect();
    assert_eq!(waits, [(1, LockKind::Row, "S")]);
    session
        .step(harness.after(Story::SerializableAbort, "aaabbbabbbbb"))
        .await;
    session.check_finished(&[true, true]);
    assert_eq!(session.counted().await, (2, 0, 2));
    check_audit_clean(&harness.shop).await;
}

/// A plain query reads the snapshot, a locking one and an update the newest row.
#[tokio::test]
async fn repeatable_read_loses_an_update() {
    let Some(harness) = on_innodb().await else {
        return;
    };
    let checks_snapshots: Option<i64> = harness
        .shop
        .by_hand
        .try_value("SELECT CAST(@@innodb_snapshot_isolation AS SIGNED)")
        .await;
    let session = harness.story(Story::RepeatableRead).await;
    let first = "bbccaaaaaaaaaab";
    let view = session.step(first).await;
    assert_eq!(view.rows[0].committed.available, 2);
    if checks_snapshots == Some(1) {
        assert_eq!(failures(&view, 1), ["1020"]);
        return;
    }
    assert_eq!(last_read(&view, 1), 2, "the newest row");
    let view = session.step("bc").await;
    assert_eq!(last_read(&view, 2), 3, "the snapshot");
    session
        .step(harness.after(Story::RepeatableRead, &format!("{first}bc")))
        .await;
    session.check_finished(&[true, false, true]);
    assert_eq!(session.counted().await, (4, 0, 3));
    let message = summarize(&session.view()).join(" ");
    for part in ["an update was lost", "Oversold by 1"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    check_audit_clean(&harness.shop).await;
}

/// Two shoppers who share no row lock the same gap, and wait for each other.
#[tokio::test]
async fn gap_locks_deadlock() {
    let Some(harness) = on_innodb().await else {
        return;
    };
    let session = harness.story(Story::GapLocks).await;
    let first = "aaaaaabbbbbbaaaaaa";
    let view = session.step(first).await;
    session.check_waits(0, 1).await;
    let gaps = view
        .locks
        .iter()
        .filter(|lock| lock.on == "a gap between rows of hold");
    let gaps: Vec<_> = gaps.map(|lock| (lock.actor, lock.granted)).collect();
    assert!(gaps.contains(&(0, false)), "{:?}", view.locks);
    let view = session.step("bbbbbb").await;
    assert_eq!(failures(&view, 1), ["1213"]);
    assert_eq!(failures(&view, 0), Vec::<String>::new());
    session
        .step(harness.after(Story::GapLocks, &format!("{first}bbbbbb")))
        .await;
    session.check_finished(&[true, true]);
    let reserved = session
        .view()
        .rows
        .iter()
        .map(|row| row.committed.reserved)
        .sum::<i64>();
    assert_eq!(reserved, 2);
    check_audit_clean(&harness.shop).await;
}

#[tokio::test]
async fn statements_are_those_of_the_engine() {
    let Some(harness) = on_innodb().await else {
        return;
    };
    let session = harness.story(Story::SerializableAbort).await;
    let begin = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; BEGIN";
    assert_eq!(session.next(0), begin);
    let view = session.step("aaa").await;
    let read = &view.actors[0].past[2].statement;
    assert!(read.sql.contains("FROM `stock`"), "{}", read.sql);
    assert!(read.values_in_words().starts_with("?1 = "), "{read:?}");
    let update = session.next(0);
    assert!(
        update.starts_with("UPDATE stock SET version = version + 1"),
        "{update}"
    );
}

#[tokio::test]
async fn a_story_about_innodb_is_played_only_there() {
    let harness = Harness::new().await;
    let opened = harness
        .steppers
        .open(Script::of(Story::GapLocks), None)
        .await;
    match harness.engine() {
        Engine::Postgres => assert_eq!(
            opened.err(),
            Some(ShopError::StoryNotOnEngine {
                engine: "PostgreSQL".to_owned()
            })
        ),
        Engine::MySql => {
            let session = opened.expect("it opens");
            assert_eq!(session.view().status, StepperStatus::Open);
            session.end("The test is done with it.").await;
        }
    }
}
