//! The presentation page and its stream: public, and without data that the page does not show.

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use doorbuster::{
    model::{Presentation, RunState, SimulationPlan, StrategyKey},
    web::server,
};
use tower::ServiceExt;

use super::{
    stored_runs::run,
    support::{TestShop, Visitor, administrator, state},
};
use crate::support::{PATIENCE, within};

#[tokio::test]
async fn anyone_with_the_link_sees_the_run_and_nothing_else() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock, StrategyKey::Optimistic], 1).await;
    let mut stranger = Visitor::at(state(
        shop.handle(),
        shop.database.url(),
        "https://sale.example",
    ));
    let page = stranger.page(&format!("/present/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("x-robots-tag"), "noindex");
    for part in [
        "row-lock",
        "optimistic",
        "Oversold",
        &format!("https://sale.example/present/{id}"),
    ] {
        assert!(page.body.contains(part), "{part} in {}", page.body);
    }
    for part in ["<form", "/admin", "http-equiv", "class=\"site-header\""] {
        assert!(!page.body.contains(part), "{part} in {}", page.body);
    }
    let stream = stranger.page(&format!("/live/present/{id}")).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    let data = stream
        .body
        .split("data: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let sent: Presentation = serde_json::from_str(data.expect("an event")).expect("a presentation");
    assert_eq!(sent.state, RunState::Finished);
    assert_eq!(sent.lanes.len(), 2);
    assert_eq!((sent.oversold(), sent.undersold()), (0, Some(0)));
    for hidden in ["seed", "poolSize", "latency", "failure", "raceWindow"] {
        assert!(!stream.body.contains(hidden), "{hidden} in {}", stream.body);
    }
    // The admin page of the same run still requires sign-in.
    let closed = stranger.page(&format!("/admin/simulations/{id}")).await;
    assert_eq!(closed.header("location"), "/admin/login");
}

#[tokio::test]
async fn an_unknown_run_is_not_found() {
    let shop = TestShop::new().await;
    let mut stranger = Visitor::of(&shop);
    for id in ["01890000-0000-7000-8000-000000000000", "nonsense"] {
        for address in [format!("/present/{id}"), format!("/live/present/{id}")] {
            let answer = stranger.page(&address).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{address}");
        }
    }
}

/// Every viewer of a run in progress receives the whole run first and the result at the end.
#[tokio::test]
async fn all_viewers_of_a_run_receive_its_start_and_its_end() {
    let shop = TestShop::new().await;
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let plan = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 8,
        stock: 4,
        race_window_ms: 40,
        ..SimulationPlan::preset()
    };
    let engine = state.engine.clone();
    let started = engine
        .start(&administrator(), plan)
        .await
        .expect("the run starts");
    let router = server::router(state).expect("the public URL is an origin");
    let mut viewers = Vec::new();
    for _ in 0..5 {
        let request = Request::get(format!("/live/present/{}", started.id()));
        let request = request.body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await;
        viewers.push(response.expect("the router is infallible").into_body());
    }
    // The streams are open before the first buyer arrives, and end with the run.
    let streams = viewers.into_iter().map(|body| to_bytes(body, usize::MAX));
    let streams = futures::future::try_join_all(streams);
    let (streams, ended) = within(PATIENCE, "the end of the run", async {
        tokio::join!(streams, engine.finish(started, &[], |_| {}))
    })
    .await;
    ended.expect("the run has a verdict");
    for stream in streams.expect("the streams are whole") {
        let stream = String::from_utf8_lossy(&stream);
        let whole = stream.split("event: presentation\ndata: ").skip(1);
        let states: Vec<_> = whole
            .filter_map(|event| serde_json::from_str::<Presentation>(event.lines().next()?).ok())
            .map(|presentation| (presentation.state, presentation.undersold()))
            .collect();
        assert_eq!(states.first(), Some(&(RunState::Running, None)), "{stream}");
        assert_eq!(
            states.last(),
            Some(&(RunState::Finished, Some(0))),
            "{stream}"
        );
    }
}

#[tokio::test]
async fn the_presenter_is_warned_of_an_address_that_only_this_machine_can_open() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let warning = "Only this machine can open this link";
    for (public_url, is_warned) in [
        ("http://127.0.0.1:3000", true),
        ("http://localhost:3000", true),
        ("https://sale.example", false),
    ] {
        let mut admin = Visitor::at(state(shop.handle(), shop.database.url(), public_url));
        admin.sign_in(&shop).await;
        let page = admin.page(&format!("/admin/simulations/{id}")).await.body;
        assert_eq!(page.contains(warning), is_warned, "{public_url}: {page}");
        let address = format!("{public_url}/present/{id}");
        assert!(
            page.contains(&format!(">{address}<")),
            "{address} in {page}"
        );
        // Only an address of this machine may be chosen.
        let path = format!("/present/{id}?at=evil.example");
        let shown = admin.page(&path).await.body;
        assert!(
            shown.contains(&address) && !shown.contains("evil"),
            "{shown}"
        );
    }
}
