//! The shared embedded server: one process owns it for all test processes of this checkout.
//!
//! A server ends with the process that started it. Under `cargo nextest` each test is a process, so
//! no test may own a server that others use. The first test therefore starts this test binary again
//! as the owner process, which ends when the server has been unused for a while. A test that uses
//! the server holds a shared lock on a file; the kernel releases it however the process ends.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use doorbuster::db::{dialect, embedded::EmbeddedPostgres};
use sea_orm::{ConnectionTrait, DatabaseConnection};

/// The environment variable that names the server's folder to the owner process.
const SERVER_FOLDER: &str = "DOORBUSTER_TEST_SERVER_FOLDER";
/// How long the server outlives its last user, so that the next test process finds it running.
const LINGER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// The longest start: the first one creates the database cluster.
const START_TIME: Duration = Duration::from_secs(120);

/// The right to use the server for as long as this value lives.
#[derive(Debug)]
pub struct ServerLease {
    pub url: String,
    _users: File,
}

/// Finds the running server, or starts one.
pub fn lease_server() -> ServerLease {
    let files = Files::in_target();
    // The lock order matters: the owner process ends only while it holds both locks.
    let users = files.open("users.lock");
    users.lock_shared().expect("the lock of the users is taken");
    let start = files.open("start.lock");
    start.lock().expect("the lock of the start is taken");
    let owner = files.open("owner.lock");
    if owner.try_lock().is_ok() {
        // There is no owner process: the URL of an earlier one is invalid.
        std::fs::remove_file(files.url()).ok();
        drop(owner);
        spawn_server_process(&files);
    }
    ServerLease {
        url: files.wait_for_url(),
        _users: users,
    }
}

fn spawn_server_process(files: &Files) {
    let log = files.open("server.log");
    log.set_len(0)
        .expect("the log of the owner process is truncated");
    let this_test_binary = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(this_test_binary);
    command
        .args([
            "--exact",
            "support::shared_server::shared_server_process",
            "--nocapture",
        ])
        .env(SERVER_FOLDER, &files.folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log has another handle"))
        .stderr(log);
    // A separate process group: Ctrl-C must not end the server before the tests that use it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut process = command.spawn().expect("this program starts again");
    // It usually outlives this process. If it ends earlier, its exit status must be collected.
    std::thread::spawn(move || process.wait());
}

/// Not a test: the main function of the owner process. In an ordinary test run it does nothing.
#[tokio::test]
async fn shared_server_process() {
    let Some(folder) = std::env::var_os(SERVER_FOLDER) else {
        return;
    };
    let files = Files {
        folder: PathBuf::from(folder),
    };
    let owner = files.open("owner.lock");
    if owner.try_lock().is_err() {
        return;
    }
    let server = EmbeddedPostgres::start_without_durability(&files.folder.join("data"))
        .await
        .expect("the embedded PostgreSQL starts");
    let mut postgres = url::Url::parse(server.url()).expect("its URL is one");
    postgres.set_path("postgres");
    let connection = super::server::connection(postgres.as_str()).await;
    prepare(&connection).await;
    files.publish_url(server.url());
    let mut used = Instant::now();
    loop {
        tokio::time::sleep(POLL).await;
        if let Err(error) = super::server::clean_up(&connection).await {
            // For example, two processes drop the same database: the next round retries.
            eprintln!("cleaning up: {error}");
        }
        let users = files.open("users.lock");
        if users.try_lock().is_err() {
            used = Instant::now();
            continue;
        }
        drop(users);
        if used.elapsed() < LINGER {
            continue;
        }
        let start = files.open("start.lock");
        start.lock().expect("the lock of the start is taken");
        let users = files.open("users.lock");
        if users.try_lock().is_ok() {
            std::fs::remove_file(files.url()).expect("the URL file is removed");
            connection.close().await.expect("the connection closes");
            server.stop().await.expect("the server stops");
            return;
        }
    }
}

/// Checks that commits do not wait for the disk: the databases of the tests need not survive a
/// power cut, and dropping one would take a hundred times as long. Connections by hand compile no
/// statements, like those of the program. Tests that kill a database start a server of their own,
/// which does wait.
async fn prepare(connection: &DatabaseConnection) {
    let fsync = dialect::statement("SELECT current_setting('fsync')", []);
    let row = connection.query_one_raw(fsync).await;
    let row = row.expect("the server answers").expect("one row");
    let fsync: String = row.try_get_by_index(0).expect("a text");
    assert_eq!(fsync, "off");
    for statement in ["ALTER SYSTEM SET jit = off", "SELECT pg_reload_conf()"] {
        connection
            .execute_unprepared(statement)
            .await
            .expect("the server accepts its settings");
    }
}

struct Files {
    folder: PathBuf,
}

impl Files {
    fn in_target() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("target/tmp lies in target");
        let folder = target.join("test-postgres");
        std::fs::create_dir_all(&folder).expect("target/test-postgres can be made");
        Self { folder }
    }

    fn open(&self, name: &str) -> File {
        let path = self.folder.join(name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn url(&self) -> PathBuf {
        self.folder.join("url")
    }

    fn publish_url(&self, url: &str) {
        let draft = self.folder.join("url.new");
        std::fs::write(&draft, url).expect("the URL file is written");
        std::fs::rename(&draft, self.url()).expect("the URL file is renamed");
    }

    fn wait_for_url(&self) -> String {
        let deadline = Instant::now() + START_TIME;
        loop {
            if let Ok(url) = std::fs::read_to_string(self.url()) {
                return url;
            }
            assert!(
                Instant::now() < deadline,
                "no PostgreSQL server after {START_TIME:?}; see {}",
                self.folder.join("server.log").display()
            );
            std::thread::sleep(POLL);
        }
    }
}
