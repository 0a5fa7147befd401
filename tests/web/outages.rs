//! The database fails while a server runs: the server still stops in time, and it restarts the
//! embedded database.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use doorbuster::db::embedded::EmbeddedPostgres;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;

use super::server_process::{Server, folder};
use crate::support::{PATIENCE, TestDatabase, http_client, proxy::Proxy, within};

/// The time for stopping, in every state of the database.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Five seconds, and as many for a machine that is busy with other tests.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Sends requests that wait for the database, without waiting for their answers.
async fn send_requests(server: &Server, client: &Client) {
    for path in ["/", "/readyz", "/admin", "/orders/find"] {
        let request = client.get(format!("{}{path}", server.url));
        tokio::spawn(request.send());
    }
    let buy = client
        .post(format!("{}/api/purchase", server.url))
        .json(&serde_json::json!({ "productId": 1 }));
    tokio::spawn(buy.send());
    // Answered without the database, so the server has received the others by then.
    for _ in 0..10 {
        let health = client.get(format!("{}/healthz", server.url)).send().await;
        assert!(health.is_ok_and(|answer| answer.status() == 200));
    }
}

async fn stops_in_time(server: &mut Server) {
    server.signal(Signal::SIGTERM);
    let ended = server.ended_within(STOP_MAX).await;
    assert_eq!(ended.code(), Some(0), "{ended}: {}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_time_although_its_database_is_gone() {
    let (folder, client) = (folder(), http_client());
    let data = folder.path().join("database");
    let started = EmbeddedPostgres::start(&data);
    let database = within(PATIENCE * 3, "PostgreSQL", started).await;
    let database = database.expect("it starts");
    let mut server = Server::start(folder.path(), Some(database.url()));
    server.until_ready(&client).await;
    database.stop().await.expect("it stops");
    send_requests(&server, &client).await;
    stops_in_time(&mut server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_time_although_its_database_is_silent() {
    let (folder, client) = (folder(), http_client());
    let database = TestDatabase::seeded().await;
    let proxy = Proxy::before(database.url()).await;
    let mut server = Server::start(folder.path(), Some(proxy.url()));
    server.until_ready(&client).await;
    proxy.drop_traffic();
    send_requests(&server, &client).await;
    stops_in_time(&mut server).await;
    // The same before it is ready.
    let mut starting = Server::start(folder.path(), Some(proxy.url()));
    starting.until_listening().await;
    stops_in_time(&mut starting).await;
}

/// Returns the process id of the embedded database.
fn postmaster(folder: &Path) -> Pid {
    let pid_file = std::fs::read_to_string(folder.join("data/postgres/postmaster.pid"));
    let pid_file = pid_file.expect("the database runs");
    let pid = pid_file.lines().next().and_then(|pid| pid.parse().ok());
    Pid::from_raw(pid.expect("a process id"))
}

/// Returns the database's processes, the first one included.
#[cfg(target_os = "linux")]
fn processes_of(postmaster: Pid) -> Vec<Pid> {
    let children =
        std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
    let children = children.expect("the database runs");
    let children = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok());
    std::iter::once(postmaster)
        .chain(children.map(Pid::from_raw))
        .collect()
}

/// Returns false for a process that has ended, also if the parent that it was left to has not
/// noticed.
#[cfg(target_os = "linux")]
fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_time_although_its_database_is_stopped() {
    let (folder, client) = (folder(), http_client());
    let mut server = Server::start(folder.path(), None);
    server.until_ready(&client).await;
    let processes = processes_of(postmaster(folder.path()));
    assert!(processes.len() > 3, "{processes:?}");
    for process in &processes {
        kill(*process, Signal::SIGSTOP).expect("it runs");
    }
    send_requests(&server, &client).await;
    stops_in_time(&mut server).await;
    within(PATIENCE, "the end of the database's processes", async {
        while processes.iter().copied().any(is_running) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_embedded_database_is_restarted_with_every_acknowledged_order() {
    let (folder, client) = (folder(), http_client());
    let mut server = Server::start(folder.path(), None);
    server.until_ready(&client).await;
    let mut orders = Vec::new();
    for round in 0..2 {
        let receipt = server
            .buy(&client, &format!("order-before-kill-{round}"))
            .await;
        orders.push(receipt["orderId"].as_str().expect("an id").to_owned());
        let killed = postmaster(folder.path());
        kill(killed, Signal::SIGKILL).expect("it runs");
        let begin = Instant::now();
        while !server.is_ready(&client).await || postmaster(folder.path()) == killed {
            assert!(begin.elapsed() < RECOVERY_MAX, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for order in &orders {
            let page = client.get(format!("{}/orders/{order}", server.url)).send();
            let status = page.await.expect("the server answers").status();
            assert_eq!(status, 200, "order {order}: {}", server.log());
        }
    }
    // No connection of a pool is a dead one by now.
    server.buy(&client, "order-after-the-kills").await;
    stops_in_time(&mut server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_restarted_ends_the_program_with_an_error() {
    let (folder, client) = (folder(), http_client());
    let mut server = Server::start(folder.path(), None);
    server.until_ready(&client).await;
    let configuration = folder.path().join("data/postgres/postgresql.conf");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(configuration)
        .expect("the cluster has one");
    writeln!(file, "no_such_setting = on").expect("it is written");
    kill(postmaster(folder.path()), Signal::SIGKILL).expect("it runs");
    let ended = server.ended_within(PATIENCE * 2).await;
    assert_eq!(ended.code(), Some(1), "{ended}: {}", server.log());
    let log = server.log();
    assert!(
        log.contains("could not be restarted") && log.contains("no_such_setting"),
        "{log}"
    );
}
