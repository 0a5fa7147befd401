//! The keeper of the embedded server: one process that owns it for all test processes of this checkout.
//!
//! A server ends with the process that started it. Under `cargo nextest` each test is a process, so none of them may own what the others
//! use: the first one starts this test binary once more, as a keeper, which ends when nobody has used the server for a while. Who uses
//! it holds a shared lock on a file, which the kernel drops however the process ends.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use doorbuster::db::embedded::EmbeddedPostgres;

/// Set in the keeper's environment: the folder that it is to keep.
const KEEPER_FOLDER: &str = "DOORBUSTER_TEST_KEEPER";
/// How long the server outlives its last user, so that one test process after the other finds it running.
const LINGER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// A first start makes the cluster.
const START_TIME: Duration = Duration::from_secs(120);

/// The right to use the server, for as long as this lives.
#[derive(Debug)]
pub struct Usage {
    pub url: String,
    _users: File,
}

/// Finds the running server, or starts one.
pub fn use_server() -> Usage {
    let files = Files::in_target();
    // In this order: the keeper ends only while it holds both.
    let users = files.open("users.lock");
    users.lock_shared().expect("the lock of the users is taken");
    let start = files.open("start.lock");
    start.lock().expect("the lock of the start is taken");
    let keeper = files.open("keeper.lock");
    if keeper.try_lock().is_ok() {
        // Nobody keeps: what an earlier keeper said is void.
        std::fs::remove_file(files.url()).ok();
        drop(keeper);
        spawn_keeper(&files);
    }
    Usage {
        url: files.wait_for_url(),
        _users: users,
    }
}

fn spawn_keeper(files: &Files) {
    let log = files.open("keeper.log");
    log.set_len(0).expect("the keeper's log is emptied");
    let this_test_binary = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(this_test_binary);
    command
        .args(["--exact", "support::keeper::keeper", "--nocapture"])
        .env(KEEPER_FOLDER, &files.folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log has another handle"))
        .stderr(log);
    // A group of its own: a Ctrl-C at the tests must not end the server before those who use it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut keeper = command.spawn().expect("this program starts once more");
    // It mostly outlives this process; should it end before, somebody must take note.
    std::thread::spawn(move || keeper.wait());
}

/// No test: what the keeper process runs. In an ordinary test run there is nothing to keep.
#[tokio::test]
async fn keeper() {
    let Some(folder) = std::env::var_os(KEEPER_FOLDER) else {
        return;
    };
    let files = Files {
        folder: PathBuf::from(folder),
    };
    let keeper = files.open("keeper.lock");
    if keeper.try_lock().is_err() {
        return;
    }
    let server = EmbeddedPostgres::start(&files.folder.join("data"))
        .await
        .expect("the embedded PostgreSQL starts");
    let mut postgres = url::Url::parse(server.url()).expect("its URL is one");
    postgres.set_path("postgres");
    let connection = super::server::connection(postgres.as_str()).await;
    files.announce(server.url());
    let mut used = Instant::now();
    loop {
        tokio::time::sleep(POLL).await;
        if let Err(error) = super::server::clean_up(&connection).await {
            // A database that two drop at once, for example: the next round sees to it.
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
            std::fs::remove_file(files.url()).expect("the announcement is withdrawn");
            connection.close().await.expect("the connection closes");
            server.stop().await.expect("the server stops");
            return;
        }
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

    fn announce(&self, url: &str) {
        let draft = self.folder.join("url.new");
        std::fs::write(&draft, url).expect("the announcement is written");
        std::fs::rename(&draft, self.url()).expect("the announcement is put in its place");
    }

    fn wait_for_url(&self) -> String {
        let deadline = Instant::now() + START_TIME;
        loop {
            if let Ok(url) = std::fs::read_to_string(self.url()) {
                return url;
            }
            assert!(
                Instant::now() < deadline,
                "no PostgreSQL server after {START_TIME:?}; {} says why",
                self.folder.join("keeper.log").display()
            );
            std::thread::sleep(POLL);
        }
    }
}
