//! Server processes: two that start at once without a database, a graceful shutdown, and a kill.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;

const READY_MAX: Duration = Duration::from_secs(60);
/// Much longer than the server waits for open requests.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// A running `doorbuster serve`, killed when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path, database_url: Option<&str>) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorbuster"));
        command
            .arg("serve")
            .current_dir(folder)
            .env("DOORBUSTER_ADDR", &address)
            .env("DOORBUSTER_DATA", folder.join("data"))
            .env("ADMIN_PASSWORD", "not used in this test")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        Self {
            child: command.spawn().expect("the program is built"),
            url: format!("http://{address}"),
        }
    }

    async fn until_ready(&mut self, client: &Client) {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let ready = client.get(format!("{}/readyz", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self
                .child
                .try_wait()
                .expect("it is a child of this process");
            assert!(ended.is_none(), "the server exited: {ended:?}");
            assert!(Instant::now() < deadline, "the server is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn buy(&self, client: &Client, key: &str) -> Value {
        let answer = client
            .post(format!("{}/api/purchase", self.url))
            .header("Idempotency-Key", key)
            .json(&json!({ "productId": 1, "quantity": 1 }))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("a receipt")
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).expect("it is a child of this process");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    // If the test runs as root, PostgreSQL runs as another user, who needs access to the folder.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), open).expect("the test owns the folder");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_started_at_once_create_the_database_and_both_sell_from_it() {
    let database = TestDatabase::absent().await;
    let (folder, client) = (folder(), Client::new());
    let mut one = Server::start(folder.path(), Some(database.url()));
    let mut two = Server::start(folder.path(), Some(database.url()));
    tokio::join!(one.until_ready(&client), two.until_ready(&client));
    assert_eq!(one.buy(&client, "the-first-order-").await["remainingStock"], 19);
    assert_eq!(two.buy(&client, "the-second-order").await["remainingStock"], 18);
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
    let (folder, client) = (folder(), Client::new());
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
async fn a_killed_server_restarts_at_once_with_all_orders() {
    let (folder, client) = (folder(), Client::new());
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
        let receipt = server.buy(&client, &format!("order-of-round-{round}")).await;
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
