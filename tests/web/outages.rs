//! The database fails while a server runs: the server still stops in time.

use std::{path::Path, time::Duration};

use doorbuster::db::embedded::EmbeddedPostgres;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;

use super::server_process::{Server, folder};
use crate::support::{PATIENCE, TestDatabase, proxy::Proxy, within};

/// The time for stopping, in every state of the database.
const STOP_MAX: Duration = Duration::from_secs(10);

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
    let (folder, client) = (folder(), Client::new());
    let started = EmbeddedPostgres::start(&folder.path().join("database"));
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
    let (folder, client) = (folder(), Client::new());
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
#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_time_although_its_database_is_stopped() {
    let (folder, client) = (folder(), Client::new());
    let mut server = Server::start(folder.path(), None);
    server.until_ready(&client).await;
    let processes = processes_of(postmaster(folder.path()));
    assert!(processes.len() > 3, "{processes:?}");
    for process in &processes {
        kill(*process, Signal::SIGSTOP).expect("it runs");
    }
    send_requests(&server, &client).await;
    stops_in_time(&mut server).await;
    for process in processes {
        assert!(kill(process, None).is_err(), "{process} still runs");
    }
}
