//! Stories of one's own: strategies, levels and crowds that no ready-made story has.

use doorbuster::model::{
    StrategyKey,
    stepper::{ActorState, Answer, Script, Standing},
};

use super::{Play, Stage};
use crate::support::check_audit_clean;

async fn own<'s>(stage: &'s Stage, seats: &str, stock: &str, steps: &str) -> Play<'s> {
    let script = Script::parse("own", seats, stock, steps).expect("it is a story");
    stage.open(script).await
}

/// Everybody in turn, as long as anybody may.
async fn to_the_end(play: &Play<'_>) {
    while let Some(next) = play.view().suggested() {
        play.session.step(next, None).await.expect("it goes");
    }
    assert_eq!(
        play.view().standing,
        Standing::Over,
        "{:#?}",
        play.view().actors
    );
}

/// The shop's own code of every strategy, with a stop before each of its statements, sells the last unit once; the unsafe ones do not.
#[tokio::test]
async fn every_strategy_can_be_stepped_through() {
    let stage = Stage::new().await;
    for strategy in StrategyKey::ALL {
        let play = own(&stage, &format!("{strategy},{strategy}"), "1", "").await;
        to_the_end(&play).await;
        let outcome = play.view().outcome.expect("it is over");
        if strategy.is_safe() {
            assert_eq!((outcome.sold(), outcome.oversold()), (1, 0), "{strategy}");
        } else {
            assert_eq!((outcome.sold(), outcome.oversold()), (2, 1), "{strategy}");
        }
    }
    check_audit_clean(&stage.shop).await;
}

#[tokio::test]
async fn three_wait_in_line() {
    let stage = Stage::new().await;
    let play = own(
        &stage,
        "row-lock,row-lock,row-lock,row-lock",
        "2",
        "aaabbbcccddd",
    )
    .await;
    play.check_waits(1, 0).await;
    let view = play.view();
    for (actor, before) in [(2, 1), (3, 2)] {
        match &view.actors[actor].state {
            ActorState::Waiting { on, .. } => assert!(on.contains(&before), "{actor}: {on:?}"),
            other => panic!("it does not wait: {other:?}"),
        }
    }
    to_the_end(&play).await;
    let outcome = play.view().outcome.expect("it is over");
    assert_eq!((outcome.sold(), outcome.oversold()), (2, 0));
    check_audit_clean(&stage.shop).await;
}

/// At REPEATABLE READ the same lost update is refused by the database, and begun anew.
#[tokio::test]
async fn a_higher_level_finds_the_lost_update() {
    let stage = Stage::new().await;
    let seats = "unguarded:1:repeatable-read,unguarded:1:repeatable-read";
    let play = own(&stage, seats, "1", "aaabbbaaaaab").await;
    let last = play.view().actors[1]
        .past
        .last()
        .cloned()
        .expect("it came back");
    assert!(
        matches!(&last.answer, Answer::Failed { sqlstate: Some(code), .. } if code == "40001"),
        "{last:?}"
    );
    to_the_end(&play).await;
    assert_eq!(play.counted().await, (1, 0, 1));
    check_audit_clean(&stage.shop).await;
}
