//! The process of a server of a run, found by its arguments.

use std::{fs::DirEntry, io::ErrorKind, net::TcpListener};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

pub struct ServerProcess {
    pid: Pid,
    port: u16,
}

impl ServerProcess {
    pub fn of(run: &str, server: u32) -> Self {
        let before = format!("--run\0{run}\0--server\0{server}\0--port\0");
        let found = |process: DirEntry| {
            let line = std::fs::read_to_string(process.path().join("cmdline")).ok()?;
            let (_, after) = line.split_once(&before)?;
            let pid = process.file_name().to_string_lossy().parse().ok()?;
            Some(Self {
                pid: Pid::from_raw(pid),
                port: after.split('\0').next()?.parse().ok()?,
            })
        };
        let mut processes = std::fs::read_dir("/proc").expect("Linux").flatten();
        processes.find_map(found).expect("the server runs")
    }

    pub fn kill(&self) {
        kill(self.pid, Signal::SIGKILL).expect("it runs");
    }

    /// Whether another program could listen where the buyers still send their requests.
    pub fn port_is_free(&self) -> bool {
        let listener = TcpListener::bind(("127.0.0.1", self.port));
        listener.map_or_else(|error| error.kind() != ErrorKind::AddrInUse, |_| true)
    }
}
