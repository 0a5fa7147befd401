//! A link comes to the same place again, and so does going back.

use doorbuster::model::{
    ShopError,
    stepper::{ActorState, Script, Standing, Statement, StepperView, Story, letter},
};

use super::Stage;

/// What two sessions must agree in: everything but the numbers that the database gives out.
fn place(view: &StepperView) -> String {
    let brief = |statement: &Statement| {
        let words = statement.sql.split_whitespace();
        words.take(6).collect::<Vec<_>>().join(" ")
    };
    let actors = view.actors.iter().map(|actor| {
        let state = match &actor.state {
            ActorState::Stopped(statement) => format!("before {}", brief(statement)),
            ActorState::Waiting { on, .. } => format!("waits for {on:?}"),
            ActorState::Working => "works".to_owned(),
            ActorState::Ended { served, .. } => format!("served: {served}"),
        };
        let past: Vec<_> = actor
            .past
            .iter()
            .map(|past| {
                format!(
                    "{} {} {:?}",
                    past.step,
                    brief(&past.statement),
                    past.waited_for
                )
            })
            .collect();
        format!("{} {state} after {past:?}", actor.name)
    });
    let actors: Vec<_> = actors.collect();
    let rows: Vec<_> = view
        .rows
        .iter()
        .map(|row| format!("{:?} {:?} {:?}", row.committed, row.written, row.locked_by))
        .collect();
    format!("{}\n{}", actors.join("\n"), rows.join("\n"))
}

#[tokio::test]
async fn every_place_of_every_story_is_reached_again() {
    let stage = Stage::new().await;
    for story in Story::READY_MADE {
        let play = stage.story(story).await;
        let script = story.script();
        for at in [script.len() / 3, 2 * script.len() / 3, script.len()] {
            let so_far = play.view().script.steps.len();
            let view = play.go(&script[so_far..at]).await;
            let again = stage.open(view.script.clone()).await;
            assert_eq!(again.view().note, None, "{story:?}");
            assert_eq!(again.view().standing, view.standing);
            assert_eq!(place(&again.view()), place(&view), "{story:?} at {at}");
            again.session.end("The test has seen it.").await;
        }
        assert_eq!(play.view().standing, Standing::Over, "{story:?} to its end");
    }
}

#[tokio::test]
async fn going_back_is_going_there_again() {
    let stage = Stage::new().await;
    let play = stage.story(Story::RowLock).await;
    let before = place(&play.go("aaabb").await);
    let view = play.go("b").await;
    play.check_waits(1, 0).await;
    let back = stage.open(view.script.up_to(5)).await;
    assert_eq!(place(&back.view()), before);
    back.go("b").await;
    back.check_waits(1, 0).await;
}

#[tokio::test]
async fn a_link_that_cannot_be_followed_says_where_it_ended() {
    let stage = Stage::new().await;
    // B waits from its third step on.
    let script = Script::parse("row-lock", "", "", "aaabbbba").expect("it is whole");
    let play = stage.open(script).await;
    let view = play.view();
    assert_eq!(view.script.letters(), "aaabbb");
    assert_eq!(
        view.note.as_deref(),
        Some(
            "The replay ended before step 7: Buyer B waits, and goes on when what it waits for is let go."
        )
    );
    play.check_waits(1, 0).await;
}

#[tokio::test]
async fn a_press_that_comes_twice_is_one_step() {
    let stage = Stage::new().await;
    let play = stage.story(Story::RowLock).await;
    for _ in 0..2 {
        let view = play.session.step(0, Some(0)).await.expect("it goes");
        assert_eq!(view.script.letters(), "a");
    }
}

#[tokio::test]
async fn who_cannot_go_is_not_let_go() {
    let stage = Stage::new().await;
    let play = stage.story(Story::RowLock).await;
    play.go("aaabbb").await;
    for (actor, why) in [
        (
            1,
            "Buyer B waits, and goes on when what it waits for is let go.",
        ),
        (2, "Nobody of that letter takes part."),
    ] {
        let refused = play.session.step(actor, None).await;
        assert_eq!(refused.err(), Some(ShopError::NotNow(why.to_owned())));
    }
    play.go("aaaaa").await;
    let refused = play.session.step(0, None).await;
    let why = "Buyer A has come to its end.".to_owned();
    assert_eq!(refused.err(), Some(ShopError::NotNow(why)));
    assert_eq!(
        play.view().script.letters(),
        format!("aaabbbaaaa{}", letter(0))
    );
}
