//! The embedded PostgreSQL server: processes share it, it stops when its owner ends in any way, and
//! committed data survives.

use std::{
    future::ready,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use doorbuster::{
    db::{Db, PoolSettings, connect, embedded::EmbeddedPostgres},
    shop::audit::{self, Pace},
};
use tempfile::TempDir;

use crate::support::{PATIENCE, program::doorbuster, within};

/// The first start creates the cluster and flushes every file to disk.
const START_MAX: Duration = Duration::from_secs(180);

/// A temporary data folder. It is in `target`, which the server's user can access if the test runs
/// as root.
struct DataFolder(TempDir);

impl DataFolder {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("embedded-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
            .expect("the mode can be set");
        Self(folder)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

async fn start(folder: &DataFolder) -> EmbeddedPostgres {
    within(
        START_MAX,
        "the server's start",
        EmbeddedPostgres::start(&folder.data()),
    )
    .await
    .expect("the server starts")
}

async fn orders(url: &str) -> i64 {
    let connection = crate::support::database::ByHand::new(url).await;
    connection
        .value("SELECT count(*) FROM customer_order")
        .await
}

#[tokio::test]
async fn one_process_owns_the_server_and_others_attach() {
    let folder = DataFolder::new();
    let owner = start(&folder).await;
    assert!(!owner.is_attached());
    let guest = start(&folder).await;
    assert!(guest.is_attached());
    assert_eq!(guest.url(), owner.url());
    connect::ensure_database(owner.url())
        .await
        .expect("the shop's database is created");
    let by_hand = crate::support::database::ByHand::new(owner.url()).await;
    by_hand
        .run("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .await;
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
    ] {
        let now: String = by_hand.value(&format!("SHOW {setting}")).await;
        assert_eq!(now, value, "{setting}");
    }
    // Stopping an attached handle does not stop the server.
    guest.stop().await.expect("the guest detaches");
    let one: i64 = by_hand.value("SELECT 1::bigint").await;
    assert_eq!(one, 1);
    drop(by_hand);
    let url = owner.url().to_owned();
    owner.stop().await.expect("the owner stops the server");
    assert!(
        connect::ensure_database(&url).await.is_err(),
        "the server no longer responds"
    );
    let again = start(&folder).await;
    assert!(!again.is_attached(), "the next process owns the server");
    let kept: i32 = crate::support::database::ByHand::new(again.url())
        .await
        .value("SELECT n FROM kept")
        .await;
    assert_eq!(kept, 7);
    again.stop().await.expect("it stops");
}

/// A simulation that runs until it is killed.
struct EndlessSimulation(Child);

impl EndlessSimulation {
    fn start(folder: &DataFolder) -> Self {
        let data = folder.data();
        let data = data.to_str().expect("text");
        let arguments = [
            "simulate", "--data", data, "--buyers", "20", "--rounds", "1000", "--stock", "1000000",
            "--json",
        ];
        let child = doorbuster(folder.path(), &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the program starts");
        Self(child)
    }

    fn check_runs(&mut self) {
        let ended = self.0.try_wait().expect("it is a child process");
        assert!(ended.is_none(), "the simulation ended by itself: {ended:?}");
    }

    /// Sends SIGKILL, so the process cannot clean up.
    fn kill(&mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for EndlessSimulation {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn a_killed_owner_leaves_no_server_process_and_loses_no_order() {
    let folder = DataFolder::new();
    let mut simulation = EndlessSimulation::start(&folder);
    let seen = within(START_MAX, "a hundred orders", async {
        loop {
            simulation.check_runs();
            // Before the program owns the folder, a start in this test would become the owner.
            if folder.data().join("owner.lock").exists()
                && folder.data().join("postgres/postmaster.pid").exists()
            {
                let guest = start(&folder).await;
                assert!(guest.is_attached(), "the program owns the server");
                let connection = crate::support::database::ByHand::try_new(guest.url()).await;
                if let Some(connection) = connection {
                    let count = connection
                        .try_value::<i64>("SELECT count(*) FROM customer_order")
                        .await;
                    if let Some(count @ 100..) = count {
                        break count;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    simulation.kill();
    let begin = Instant::now();
    let owner = start(&folder).await;
    let took = begin.elapsed();
    assert!(!owner.is_attached(), "the killed program's server is gone");
    assert!(took < PATIENCE, "the restart took {took:?}");
    assert!(
        orders(owner.url()).await >= seen,
        "every order that was seen still exists"
    );
    let pool = doorbuster::db::Db::connect(owner.url(), doorbuster::db::PoolSettings::COMMAND)
        .await
        .expect("the server responds");
    let report = doorbuster::shop::audit::run(&pool)
        .await
        .expect("the audit runs");
    assert!(report.is_clean(), "{report:#?}");
    pool.close().await;
    owner.stop().await.expect("it stops");
}

#[tokio::test]
async fn commands_in_the_folder_of_a_running_server_use_its_database() {
    let folder = DataFolder::new();
    let owner = start(&folder).await;
    let data = folder.data();
    let data = data.to_str().expect("text").to_owned();
    let run = async |arguments: &[&str]| {
        let all = [arguments, &["--data", data.as_str()]].concat();
        let mut command = doorbuster(folder.path(), &all);
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the wait ends")
            .expect("the program starts")
    };
    let simulated = run(&["simulate", "--buyers", "10", "--stock", "5", "--json"]).await;
    assert_eq!(
        simulated.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&simulated.stderr)
    );
    let audited = run(&["audit", "--json"]).await;
    assert_eq!(
        audited.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&audited.stderr)
    );
    let listed = run(&["sale", "list", "--json"]).await;
    assert_eq!(
        listed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    assert_eq!(orders(owner.url()).await, 5);
    owner.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_shop_with_a_planned_sale_is_ready() {
    let folder = DataFolder::new();
    let owner = start(&folder).await;
    let data = folder.data();
    let data = data.to_str().expect("text").to_owned();
    let run = async |arguments: &[&str]| {
        let all = [arguments, &["--data", data.as_str()]].concat();
        let mut command = doorbuster(folder.path(), &all);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the wait ends")
            .expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let stdout = text(output.stdout);
        let stderr = text(output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
        stdout
    };
    run(&["migrate"]).await;
    run(&["seed"]).await;
    let phone = "flash-sale-smartphone";
    let (from, until) = ("2150-01-01T00:00:00Z", "2150-01-02T00:00:00Z");
    run(&[
        "sale",
        "plan",
        "--product",
        phone,
        "--from",
        from,
        "--until",
        until,
    ])
    .await;
    // As a server does after its start.
    let db = Db::connect(owner.url(), PoolSettings::AUDIT).await;
    let db = db.expect("it answers");
    let stored = audit::run_and_store(&db, Pace::FAST, ready(Vec::new())).await;
    assert!(stored.expect("the audit runs").is_some());
    db.close().await;
    let table = run(&["preflight", "--sale", phone]).await;
    assert!(table.ends_with("ready\n"), "{table}");
    for line in [
        "ok       sale         Flash Sale Smartphone: announced, from 2150-01-01T00:00:00Z",
        "skipped  proxies      TRUSTED_PROXIES is not set",
        "ok       durability",
        "ok       provider     the simulated provider",
        "skipped  redis",
        "ok       history      checked 0 hours ago: no violations",
        "ok       race         row-lock: 20 of 20 units sold",
    ] {
        assert!(table.contains(line), "{line}\n{table}");
    }
    owner.stop().await.expect("it stops");
}
