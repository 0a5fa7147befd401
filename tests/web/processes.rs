//! Server processes: two that start at once without a database, a graceful shutdown, and a kill.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::server_process::{READY_MAX, Server, folder, sold_by_verdict};
use crate::support::{database::TestDatabase, http_client};

/// Much longer than the server waits for open requests.
const DRAIN_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_started_at_once_create_the_database_and_both_sell_from_it() {
    let database = TestDatabase::absent().await;
    let (folder, client) = (folder(), http_client());
    let mut one = Server::start(folder.path(), Some(database.url()));
    let mut two = Server::start(folder.path(), Some(database.url()));
    tokio::join!(one.until_ready(&client), two.until_ready(&client));
    assert_eq!(
        one.buy(&client, "the-first-order-").await["remainingStock"],
        19
    );
    assert_eq!(
        two.buy(&client, "the-second-order").await["remainingStock"],
        18
    );
    let (first, again) = (
        one.buy(&client, "the-third-order-").await,
        two.buy(&client, "the-third-order-").await,
    );
    assert_eq!(first, again, "both servers know the key");
    drop((one, two));
    let audit = Command::new(env!("CARGO_BIN_EXE_doorbuster"))
        .arg("audit")
        .env("DATABASE_URL", database.url())
        .output()
        .expect("the program is built");
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_the_server_although_streams_are_open() {
    let database = TestDatabase::absent().await;
    let (folder, client) = (folder(), http_client());
    let mut server = Server::start(folder.path(), Some(database.url()));
    server.until_ready(&client).await;
    let stream = client
        .get(format!("{}/live/stock?products=1", server.url))
        .send()
        .await
        .expect("a stream");
    assert_eq!(stream.status(), 200);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let deadline = Instant::now() + DRAIN_MAX;
    let ended = loop {
        if let Some(ended) = server
            .child
            .try_wait()
            .expect("it is a child of this process")
        {
            break ended;
        }
        assert!(Instant::now() < deadline, "the server does not exit");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(ended.code(), Some(0));
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stores_the_verdict_of_a_running_simulation() {
    let database = TestDatabase::absent().await;
    let folder = folder();
    let client = doorbuster::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let mut server = Server::start(folder.path(), Some(database.url()));
    server.until_ready(&client).await;
    let signed_in = server.post(&client, "login", "", "password=not+used+in+this+test");
    let signed_in = signed_in.await;
    let cookie = signed_in.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    // A minute of arrivals.
    let plan = "target=lane&strategy=row-lock&buyers=1200&stock=1000&quantity=1&rounds=1\
                &race_window_ms=0&seed=1&arrivals=open&rate_per_s=20";
    let started = server.post(&client, "simulate", &cookie, plan).await;
    let address = started.headers()["location"].to_str().expect("text");
    assert!(address.starts_with("/admin/simulations/"), "{address}");
    let by_hand = database.by_hand().await;
    let orders = "SELECT count(*) FROM customer_order WHERE lane_id IS NOT NULL";
    let deadline = Instant::now() + READY_MAX;
    while by_hand.value::<i64>(orders).await == 0 {
        assert!(Instant::now() < deadline, "the simulation sells nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = tokio::task::spawn_blocking(move || server.child.wait());
    let ended = tokio::time::timeout(DRAIN_MAX, ended).await;
    let ended = ended.expect("it exits").expect("the wait ends");
    assert_eq!(
        ended.expect("it is a child of this process").code(),
        Some(0)
    );
    let stored: String = by_hand
        .value("SELECT concat_ws(': ', state, failure) FROM simulation_run")
        .await;
    assert_eq!(stored, "aborted: the server that ran it was stopped");
    let verdict: String = by_hand.value("SELECT verdict FROM simulation_run").await;
    assert_eq!(
        sold_by_verdict(&verdict),
        by_hand.value::<i64>(orders).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_restarts_at_once_with_all_orders() {
    let (folder, client) = (folder(), http_client());
    let mut orders = Vec::new();
    for round in 0..3 {
        let mut server = Server::start(folder.path(), None);
        server.until_ready(&client).await;
        for id in &orders {
            let page = client
                .get(format!("{}/orders/{id}", server.url))
                .send()
                .await;
            assert_eq!(
                page.expect("the server answers").status(),
                200,
                "order {id}"
            );
        }
        let receipt = server
            .buy(&client, &format!("order-of-round-{round}"))
            .await;
        orders.push(receipt["orderId"].as_str().expect("an id").to_owned());
        server.signal(nix::sys::signal::Signal::SIGKILL);
    }
    let audit = Command::new(env!("CARGO_BIN_EXE_doorbuster"))
        .arg("audit")
        .current_dir(folder.path())
        .env("DOORBUSTER_DATA", folder.path().join("data"))
        .env_remove("DATABASE_URL")
        .output()
        .expect("the program is built");
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
}
