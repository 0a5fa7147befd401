//! Redis servers for tests: one that all tests of this process share, and servers that one test
//! kills, stops and starts again.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use doorbuster::{redis::Redis, shop::inventory::gate::StockGate};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{PATIENCE, port::ReservedPort};

/// The servers that speak this protocol, in the order of preference.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
const POLL: Duration = Duration::from_millis(10);

static SHARED: LazyLock<Option<TestRedis>> = LazyLock::new(TestRedis::start);

/// Returns the URL of the server that the tests of this process share; `None` if none is installed.
pub fn shared_url() -> Option<String> {
    SHARED.as_ref().map(TestRedis::url)
}

/// Returns new gates on the shared server.
pub fn shared_gate() -> Option<StockGate> {
    SHARED.as_ref().map(TestRedis::gate)
}

/// True if tests can start a Redis server.
pub fn can_start() -> bool {
    SHARED.is_some()
}

/// What a server keeps when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persistence {
    /// What a test saves.
    Dump,
    /// Each change, before it is answered.
    EachChange,
}

/// A Redis server. It is killed when it is dropped, and when this process ends.
pub struct TestRedis {
    program: &'static str,
    port: ReservedPort,
    persistence: Persistence,
    running: Option<Running>,
    // The last field: the folder is removed after the server has ended.
    folder: TempDir,
}

struct Running {
    pid: Pid,
    /// Ends with the server.
    thread: JoinHandle<()>,
}

impl TestRedis {
    /// Starts a new, empty server. Returns `None`, and says so, if none is installed.
    pub fn start() -> Option<Self> {
        Self::start_with(Persistence::Dump)
    }

    /// The same for a server that writes each change to its disk before it answers.
    pub fn start_durable() -> Option<Self> {
        Self::start_with(Persistence::EachChange)
    }

    fn start_with(persistence: Persistence) -> Option<Self> {
        let Some(program) = PROGRAMS.into_iter().find(|program| is_installed(program)) else {
            eprintln!(
                "SKIPPED: no test of Redis runs, because neither redis-server nor valkey-server is \
                 installed (on Debian: apt-get install redis-server)"
            );
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("redis-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let port = ReservedPort::reserve();
        Some(Self {
            program,
            persistence,
            running: Some(launch(program, folder.path(), port.number(), persistence)),
            port,
            folder,
        })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port.number())
    }

    /// Returns new gates on this server.
    pub fn gate(&self) -> StockGate {
        let redis = Redis::at(&self.url()).expect("it is a URL");
        StockGate::new(redis, &Uuid::new_v4().simple().to_string())
    }

    /// Kills the server, like a power cut.
    pub fn kill(&mut self) {
        let running = self.running.take().expect("it runs");
        // A stopped process is killed, too.
        kill(running.pid, Signal::SIGKILL).expect("it is our child");
        running.thread.join().expect("the thread only waits");
    }

    /// Starts the server again, with the dump in its folder if there is one.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it was killed");
        let running = launch(
            self.program,
            self.folder.path(),
            self.port.number(),
            self.persistence,
        );
        self.running = Some(running);
    }

    /// The same without any data.
    pub fn restart_empty(&mut self) {
        let dump = self.folder.path().join("dump.rdb");
        if dump.exists() {
            std::fs::remove_file(dump).expect("it is ours");
        }
        self.restart();
    }

    /// Starts the server again with the data of `other`, a replica that was not up to date.
    pub fn restart_as(&mut self, other: &Self) {
        let dump = |redis: &Self| redis.folder.path().join("dump.rdb");
        std::fs::copy(dump(other), dump(self)).expect("the other has a dump");
        self.restart();
    }

    /// Makes this server a replica of `leader`, and waits until it has its data.
    pub fn replicate(&self, leader: &Self) {
        let command = format!("REPLICAOF 127.0.0.1 {}", leader.port.number());
        assert_eq!(self.command(&command), "+OK");
        let deadline = Instant::now() + PATIENCE;
        // `role:slave` has a link to its leader, which is up when it has the data.
        while !information(self.port.number(), "replication")
            .is_some_and(|text| text.contains("link_status:up"))
        {
            assert!(Instant::now() < deadline, "the replica has no data");
            std::thread::sleep(POLL);
        }
    }

    /// Ends the replication: from now on, the replica does not learn what its leader does.
    pub fn stop_replicating(&self) {
        assert_eq!(self.command("REPLICAOF NO ONE"), "+OK");
        self.save();
    }

    /// Writes the dump that the next start reads.
    pub fn save(&self) {
        assert_eq!(self.command("SAVE"), "+OK");
    }

    /// Deletes all data.
    pub fn flush(&self) {
        assert_eq!(self.command("FLUSHALL"), "+OK");
    }

    /// Stops the process, which keeps its connections.
    pub fn pause(&self) {
        kill(self.pid(), Signal::SIGSTOP).expect("it is our child");
    }

    /// Lets a stopped process go on.
    pub fn resume(&self) {
        kill(self.pid(), Signal::SIGCONT).expect("it is our child");
    }

    fn pid(&self) -> Pid {
        self.running.as_ref().expect("it runs").pid
    }

    /// Sends a command, and returns the first line of the answer.
    pub fn command(&self, command: &str) -> String {
        ask(self.port.number(), command).expect("the server answers")
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.any(|folder| folder.join(program).is_file())
}

/// Starts a server, and waits until it has loaded its data.
fn launch(program: &'static str, folder: &Path, port: u16, persistence: Persistence) -> Running {
    let append_only = match persistence {
        Persistence::Dump => "no",
        Persistence::EachChange => "yes",
    };
    let mut command = Command::new("setpriv");
    command
        // The server ends with the thread below, so with this process, however that ends.
        .args(["--pdeathsig", "KILL", program])
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args([
            "--save",
            "",
            "--appendonly",
            append_only,
            "--appendfsync",
            "always",
            "--dbfilename",
            "dump.rdb",
        ])
        // A new replica gets its data at once.
        .args(["--repl-diskless-sync-delay", "0"])
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut process = command.spawn().expect("setpriv is installed");
        let pid = i32::try_from(process.id()).expect("a process id");
        sender.send(Pid::from_raw(pid)).expect("the test waits");
        process.wait().expect("it is our child");
    });
    let pid = receiver.recv().expect("the process starts");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if ask(port, "PING").is_some_and(|answer| answer == "+PONG") {
            return Running { pid, thread };
        }
        assert!(!thread.is_finished(), "{program} ended");
        assert!(Instant::now() < deadline, "{program} does not answer");
        std::thread::sleep(POLL);
    }
}

fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn ask(port: u16, command: &str) -> Option<String> {
    let stream = connect(port)?;
    (&stream)
        .write_all(format!("{command}\r\n").as_bytes())
        .ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}

/// Returns a section of what the server says about itself.
fn information(port: u16, section: &str) -> Option<String> {
    let stream = connect(port)?;
    (&stream)
        .write_all(format!("INFO {section}\r\n").as_bytes())
        .ok()?;
    let mut lines = BufReader::new(stream).lines();
    let length = lines.next()?.ok()?;
    let length: usize = length.trim_start_matches('$').parse().ok()?;
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&lines.next()?.ok()?);
        text.push_str("\r\n");
    }
    Some(text)
}
