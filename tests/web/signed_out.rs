//! Streams for the administrator end when they sign out.

use axum::body::{Body, to_bytes};
use doorbuster::{
    model::{SimulationPlan, StrategyKey},
    web::AppState,
};
use futures::StreamExt;

use super::support::{PASSWORD, TestShop, Visitor, administrator, parts};
use crate::support::{PATIENCE, within};

/// Waits for the first event of a stream. Returns the rest of it.
async fn after_first_event(stream: Body) -> Body {
    let mut data = stream.into_data_stream();
    let first = within(PATIENCE, "the first event", data.next()).await;
    first.expect("an event").expect("it is read");
    Body::from_stream(data)
}

async fn check_end(stream: Body, what: &'static str) {
    let ended = within(PATIENCE, what, to_bytes(stream, usize::MAX)).await;
    ended.expect("the stream ends without an error");
}

/// A run and a stepper session are in progress, and both send nothing more by themselves.
#[tokio::test]
async fn every_stream_for_the_administrator_ends_after_signing_out() {
    let shop = TestShop::new().await;
    let parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    let plan = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 2,
        stock: 1,
        ..SimulationPlan::preset()
    };
    let run = parts.engine.start(&administrator(), plan).await;
    let run = run.expect("the run starts");
    let state = AppState::new(parts);
    let mut admin = Visitor::at(state.clone());
    admin.sign_in(&shop).await;
    let start = "/api/form/admin/stepper/start";
    let stepper = admin
        .submit("/admin/stepper", start, "story=row-lock")
        .await;
    let stepper = stepper.header("location").replace("/admin/stepper/", "");
    let stepper = stepper.trim_end_matches("#board");
    let mut other = Visitor::at(state);
    other.sign_in(&shop).await;
    let open = async |admin: &Visitor| {
        let run = admin
            .open_stream(&format!("/live/simulations/{}", run.id()))
            .await;
        let stepper = admin
            .open_stream(&format!("/live/steppers/{stepper}"))
            .await;
        (
            after_first_event(run).await,
            after_first_event(stepper).await,
        )
    };
    let (run_stream, stepper_stream) = open(&admin).await;
    let (others_run, others_stepper) = open(&other).await;

    admin.submit("/admin", "/api/form/admin/logout", "").await;
    check_end(run_stream, "the end of the run's stream").await;
    check_end(stepper_stream, "the end of the stepper's stream").await;

    // Another administrator's streams end when the password changes.
    let changed = format!("not {PASSWORD}");
    shop.administrators()
        .ensure_password(Some(&changed))
        .await
        .expect("the password is changed");
    check_end(others_run, "the end of the other's run stream").await;
    check_end(others_stepper, "the end of the other's stepper stream").await;
}
