//! The stepper's pages and forms: access control, rejected input, and links without side effects.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{TestResponse, TestShop, Visitor};

const START: &str = "/api/form/admin/stepper/start";
const STEP: &str = "/api/form/admin/stepper/step";
const KEEP_OPEN: &str = "/api/form/admin/stepper/keep-open";
const REWIND: &str = "/api/form/admin/stepper/rewind";

/// Starts a story; returns the session's id.
async fn start(admin: &mut Visitor, fields: &str) -> String {
    let answer = admin.submit("/admin/stepper", START, fields).await;
    let location = answer.header("location").to_owned();
    let id = location
        .strip_prefix("/admin/stepper/")
        .map(ToOwned::to_owned);
    let id = id.unwrap_or_else(|| panic!("led to {location:?}: {answer:?}"));
    id.trim_end_matches("#board").to_owned()
}

#[tokio::test]
async fn visitors_without_a_session_are_rejected() {
    let shop = TestShop::new().await;
    let mut stranger = Visitor::of(&shop);
    for page in ["/admin/stepper", "/admin/stepper/x", "/live/steppers/x"] {
        assert_eq!(stranger.page(page).await.header("location"), "/admin/login");
    }
    for form in ["start", "step", "rewind", "keep-open", "end"] {
        let path = format!("/api/form/admin/stepper/{form}");
        let answer = stranger.post_form(&path, "story=lost-update").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{form}");
    }
    assert_eq!(shop.count("simulation_run").await, 0);
}

#[tokio::test]
async fn opening_a_link_changes_nothing() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let page = admin
        .page("/admin/stepper?story=lost-update&steps=a,b,a")
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Replay the 3 steps"), "{}", page.body);
    assert_eq!(shop.count("simulation_run").await, 0);
}

#[tokio::test]
async fn invalid_input_is_rejected_with_a_message() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let session = start(&mut admin, "story=row-lock&steps=aaabbb").await;
    let unknown = "0199e0a0-7b1c-7cc0-a000-000000000000";
    for (path, fields, status, sentence) in [
        (
            START,
            "story=fairy-tale".to_owned(),
            404,
            "This story does not exist.",
        ),
        (
            START,
            "story=lost-update&steps=xyz".to_owned(),
            422,
            "letters from a to b",
        ),
        (
            START,
            "story=own&stock=1&seats=row-lock".to_owned(),
            422,
            "2 to 4 buyers",
        ),
        (
            START,
            "story=lost-update&guess_sold=many".to_owned(),
            422,
            "a whole number, or empty",
        ),
        (
            KEEP_OPEN,
            format!("session={session}&minutes=61"),
            422,
            "at most 60 minutes",
        ),
        (
            KEEP_OPEN,
            format!("session={session}&minutes=-1"),
            422,
            "a whole number",
        ),
        (
            KEEP_OPEN,
            format!("session={unknown}&minutes=10"),
            404,
            "This stepper session has ended",
        ),
        (
            STEP,
            format!("session={unknown}&actor=0"),
            404,
            "This stepper session has ended",
        ),
        (
            STEP,
            "session=x&actor=0".to_owned(),
            404,
            "This stepper session has ended",
        ),
        (
            STEP,
            format!("session={session}&actor=b"),
            422,
            "a whole number",
        ),
        (
            STEP,
            format!("session={session}&actor=0&at=x"),
            422,
            "a whole number",
        ),
        (
            STEP,
            format!("session={session}&actor=1"),
            409,
            "Buyer B is waiting for a lock",
        ),
        (
            STEP,
            format!("session={session}&actor=3"),
            409,
            "No participant has this letter",
        ),
    ] {
        let answer = admin.post_form(path, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{fields}: {answer:?}");
        assert!(
            answer.detail().contains(sentence),
            "{fields}: {}",
            answer.detail()
        );
    }
    for (page, status) in [
        ("/admin/stepper/x".to_owned(), 404),
        (format!("/admin/stepper/{unknown}"), 404),
        ("/admin/stepper?story=fairy-tale".to_owned(), 404),
        ("/admin/stepper?story=own&seats=row-lock".to_owned(), 422),
        (format!("/live/steppers/{unknown}"), 404),
    ] {
        assert_eq!(admin.page(&page).await.status.as_u16(), status, "{page}");
    }
}

#[tokio::test]
async fn a_step_by_a_script_returns_the_session() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let session = start(&mut admin, "story=row-lock").await;
    let answer = admin
        .post_form(STEP, &format!("session={session}&actor=0&at=0"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let view: Value = serde_json::from_str(&answer.body).expect("the body is JSON");
    assert_eq!(view["id"], session);
    assert_eq!(view["script"]["steps"], serde_json::json!([0]));
    let page = admin.page(&format!("/admin/stepper/{session}")).await.body;
    assert!(page.contains("1 step taken"), "{page}");
}

#[tokio::test]
async fn a_server_allows_six_sessions() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let mut last = String::new();
    for _ in 0..6 {
        last = start(&mut admin, "story=lost-update").await;
    }
    let refused: TestResponse = admin.post_form(START, "story=lost-update").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused
            .detail()
            .starts_with("All 6 stepper sessions are in use")
    );
    // Restarting one of them does not count as a seventh.
    start(&mut admin, &format!("story=lost-update&from={last}")).await;
    let page = admin.page(&format!("/admin/stepper/{last}")).await.body;
    assert!(page.contains("Rolled back"), "{page}");
    // The list of runs does not contain stepper sessions.
    let runs = admin.page("/admin/simulations").await.body;
    assert!(runs.contains("No simulations yet."), "{runs}");
}

#[tokio::test]
async fn a_session_that_is_kept_open_stays_so_when_it_goes_back_a_step() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let session = start(&mut admin, "story=row-lock&steps=aaa").await;
    let page = format!("/admin/stepper/{session}");
    let shown = admin.page(&page).await.body;
    assert!(shown.contains("Without a step for a minute"), "{shown}");
    for cost in [
        "uses 4 database connections",
        "keep their locks",
        "At most 60 minutes",
    ] {
        assert!(shown.contains(cost), "{cost} in {shown}");
    }
    let fields = format!("session={session}&minutes=30");
    let kept = admin.submit(&page, KEEP_OPEN, &fields).await;
    assert_eq!(kept.header("location"), format!("{page}#board"));
    let back = format!("session={session}&to=2");
    let again = admin.submit(&page, REWIND, &back).await;
    let address = again
        .header("location")
        .trim_end_matches("#board")
        .to_owned();
    assert_ne!(address, page);
    let shown = admin.page(&address).await.body;
    assert!(shown.contains("Kept open until"), "{shown}");
}

#[tokio::test]
async fn a_story_tells_its_outcome_only_after_the_guess() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let before = admin.page("/admin/stepper?story=lost-update").await.body;
    let guess = before.find("Predict, then run").expect("the form");
    let watch_for = before
        .find("Watch for")
        .expect("in the collapsed explanation");
    let collapsed = before
        .find("Explanation (guess and run first)")
        .expect("its head");
    assert!(guess < collapsed && collapsed < watch_for, "{before}");
    let session = start(&mut admin, "story=lost-update&guess_sold=1").await;
    let after = admin.page(&format!("/admin/stepper/{session}")).await.body;
    let watch_for = after.find("Watch for").expect("after the guess");
    assert!(
        watch_for < after.find("id=\"board\"").expect("the board"),
        "{after}"
    );
}

#[tokio::test]
async fn an_error_of_a_story_is_beside_its_field_and_has_the_focus() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let own =
        "story=own&strategy[]=row-lock&strategy[]=row-lock&level[]=as-strategy&level[]=as-strategy";
    for (page, fields, error, field) in [
        (
            "/admin/stepper",
            format!("{own}&units[]=1&units[]=1&stock=-1"),
            "the stock of a story must be from 0",
            "id=\"stock\"",
        ),
        (
            "/admin/stepper",
            format!("{own}&units[]=1&units[]=0&stock=1"),
            "the units of a buyer must be from 1",
            "id=\"strategy-a\"",
        ),
        (
            "/admin/stepper?story=lost-update",
            "story=lost-update&guess_sold=1&guess_oversold=many".to_owned(),
            "a guess must be a whole number",
            "id=\"guess_oversold\"",
        ),
    ] {
        let answer = admin.submit(page, START, &fields).await;
        assert_eq!(answer.header("location"), page, "{fields}");
        let shown = admin.page(page).await.body;
        let beside = shown.split("class=\"field__error\"").skip(1);
        let texts: Vec<_> = beside
            .filter_map(|rest| rest.split("</p>").next())
            .collect();
        assert!(
            texts.iter().any(|text| text.contains(error)),
            "{error} in {texts:?}"
        );
        let (before, _) = shown.split_once(" autofocus").expect("the focus");
        let tag = &before[before.rfind('<').expect("an element")..];
        assert!(tag.contains(field), "{field} in {tag}");
    }
    assert_eq!(shop.count("simulation_run").await, 0);
}
