//! A link restores the same state, and so does going back.

use doorbuster::model::{
    ShopError,
    stepper::{ActorState, Script, Statement, StepperStatus, StepperView, Story, actor_letter},
};

use super::Harness;

/// The state that two sessions must share: everything except ids that the database assigns.
fn state_of(view: &StepperView) -> String {
    let brief = |statement: &Statement| {
        let words = statement.sql.split_whitespace();
        words.take(6).collect::<Vec<_>>().join(" ")
    };
    let actors = view.actors.iter().map(|actor| {
        let state = match &actor.state {
            ActorState::Stopped(statement) => format!("before {}", brief(statement)),
            ActorState::Waiting { on, .. } => format!("waits for {on:?}"),
            ActorState::Working => "working".to_owned(),
            ActorState::Ended { succeeded, .. } => format!("succeeded: {succeeded}"),
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
        .map(|row| {
            format!(
                "{:?} {:?} {:?} {:?}",
                row.committed, row.written, row.locked_by, row.shared_by
            )
        })
        .collect();
    format!("{}\n{}", actors.join("\n"), rows.join("\n"))
}

#[tokio::test]
async fn a_replay_restores_every_state_of_every_story() {
    let harness = Harness::new().await;
    for story in Story::ready_made(harness.engine()).iter().copied() {
        let session = harness.story(story).await;
        let script = story.script(harness.engine());
        for at in [script.len() / 3, 2 * script.len() / 3, script.len()] {
            let so_far = session.view().script.steps.len();
            let view = session.step(&script[so_far..at]).await;
            let again = harness.open(view.script.clone()).await;
            assert_eq!(again.view().note, None, "{story:?}");
            assert_eq!(again.view().status, view.status);
            assert_eq!(
                state_of(&again.view()),
                state_of(&view),
                "{story:?} at {at}"
            );
            again.inner.end("The test is done with it.").await;
        }
        assert_eq!(session.view().status, StepperStatus::Over, "{story:?} ends");
    }
}

#[tokio::test]
async fn going_back_replays_the_shorter_script() {
    let harness = Harness::new().await;
    let session = harness.story(Story::RowLock).await;
    let before = state_of(&session.step("aaabb").await);
    let view = session.step("b").await;
    session.check_waits(1, 0).await;
    let back = harness.open(view.script.up_to(5)).await;
    assert_eq!(state_of(&back.view()), before);
    back.step("b").await;
    back.check_waits(1, 0).await;
}

#[tokio::test]
async fn a_replay_that_cannot_continue_reports_its_step() {
    let harness = Harness::new().await;
    // B waits from its third step on.
    let script = Script::parse("row-lock", "", "", "aaabbbba").expect("it is whole");
    let session = harness.open(script).await;
    let view = session.view();
    assert_eq!(view.script.letters(), "aaabbb");
    assert_eq!(
        view.note.as_deref(),
        Some(
            "The replay ended before step 7: Buyer B is waiting for a lock and continues when the lock is released."
        )
    );
    session.check_waits(1, 0).await;
}

#[tokio::test]
async fn a_repeated_click_is_one_step() {
    let harness = Harness::new().await;
    let session = harness.story(Story::RowLock).await;
    for _ in 0..2 {
        let view = session.inner.step(0, Some(0)).await.expect("it goes");
        assert_eq!(view.script.letters(), "a");
    }
}

#[tokio::test]
async fn a_blocked_or_finished_actor_cannot_step() {
    let harness = Harness::new().await;
    let session = harness.story(Story::RowLock).await;
    session.step("aaabbb").await;
    for (actor, why) in [
        (
            1,
            "Buyer B is waiting for a lock and continues when the lock is released.",
        ),
        (2, "No participant has this letter."),
    ] {
        let refused = session.inner.step(actor, None).await;
        assert_eq!(refused.err(), Some(ShopError::InvalidState(why.to_owned())));
    }
    let last = harness.by_engine("aaaaa", "aaaaaaa");
    session.step(last).await;
    let refused = session.inner.step(0, None).await;
    let why = "Buyer A has finished.".to_owned();
    assert_eq!(refused.err(), Some(ShopError::InvalidState(why)));
    assert_eq!(
        session.view().script.letters(),
        format!("aaabbb{}{}", &last[1..], actor_letter(0))
    );
}
