//! Queries the system about processes.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The role of a process in a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server's first process, which supervises the others.
    Postmaster,
    /// A process that the postmaster started.
    Backend,
    /// Another process that uses the cluster, such as an administrator's `postgres --single`. It is
    /// never signalled.
    Other,
}

/// A process that uses a cluster.
#[derive(Debug)]
pub(super) struct Server {
    /// Its process id.
    pub(super) pid: i32,
    /// The parent process, which may have changed since the start.
    pub(super) parent: Option<i32>,
    /// Its role in the server.
    pub(super) kind: Kind,
}

/// Returns whether a process with that id exists, of any user.
pub(super) fn is_alive(pid: i32) -> bool {
    pid > 0 && !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// Returns the processes that use `cluster`, the postmaster first.
///
/// All processes are examined, not only the one in `postmaster.pid`: children of a killed
/// postmaster may outlive it, and the file may have been removed.
#[cfg(target_os = "linux")]
pub(super) fn servers_on(cluster: &Path, uid: u32) -> Vec<Server> {
    let mut found: Vec<Server> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| server(pid, cluster, uid))
        .collect();
    found.sort_by_key(|server| server.kind != Kind::Postmaster);
    found
}

/// Recognises a server by its program, its user and its working directory, which is always the
/// cluster.
#[cfg(target_os = "linux")]
fn server(pid: i32, cluster: &Path, uid: u32) -> Option<Server> {
    use std::os::unix::fs::MetadataExt;

    let folder = std::path::PathBuf::from(format!("/proc/{pid}"));
    let same_user = std::fs::metadata(&folder).ok()?.uid() == uid;
    if !same_user || std::fs::read_link(folder.join("cwd")).ok()? != cluster {
        return None;
    }
    let program = std::fs::read_link(folder.join("exe")).ok()?;
    // An upgraded program's path ends in " (deleted)".
    let name = program.file_name()?.to_string_lossy().into_owned();
    if name.trim_end_matches(" (deleted)") != "postgres" {
        return None;
    }
    let command_line = std::fs::read(folder.join("cmdline")).ok()?;
    Some(Server {
        pid,
        parent: parent_of(pid),
        kind: kind(&command_line, cluster),
    })
}

#[cfg(target_os = "linux")]
fn kind(command_line: &[u8], cluster: &Path) -> Kind {
    use std::os::unix::ffi::OsStrExt;

    if command_line.starts_with(b"postgres:") {
        return Kind::Backend;
    }
    let arguments: Vec<&[u8]> = command_line.split(|&byte| byte == 0).skip(1).collect();
    let special = arguments
        .first()
        .is_some_and(|argument| argument.starts_with(b"--"));
    let names_cluster = arguments
        .windows(2)
        .any(|pair| pair == [b"-D", cluster.as_os_str().as_bytes()]);
    match names_cluster && !special {
        true => Kind::Postmaster,
        false => Kind::Other,
    }
}

/// Returns the parent of a process.
#[cfg(target_os = "linux")]
pub(super) fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may contain any character.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Returns whether a process runs the same program as this one.
#[cfg(target_os = "linux")]
pub(super) fn runs_this_program(pid: i32) -> bool {
    let program = |process: &str| std::fs::read_link(format!("/proc/{process}/exe")).ok();
    let other = program(&pid.to_string());
    other.is_some() && other == program("self")
}

/// Returns the process in `postmaster.pid`, if `ps` shows that it is a server on this cluster:
/// systems without `/proc` report no more.
#[cfg(not(target_os = "linux"))]
pub(super) fn servers_on(cluster: &Path, _uid: u32) -> Vec<Server> {
    let Some(pid) = super::pidfile::PidFile::read_pid(cluster) else {
        return Vec::new();
    };
    let shown = ask_ps(pid, "command=").unwrap_or_default();
    match shown.contains("postgres") && shown.contains(&*cluster.to_string_lossy()) {
        true => vec![Server {
            pid,
            parent: parent_of(pid),
            kind: Kind::Postmaster,
        }],
        false => Vec::new(),
    }
}

/// Returns the parent of a process.
#[cfg(not(target_os = "linux"))]
pub(super) fn parent_of(pid: i32) -> Option<i32> {
    ask_ps(pid, "ppid=")?.trim().parse().ok()
}

/// Returns whether a process runs the same program as this one.
#[cfg(not(target_os = "linux"))]
pub(super) fn runs_this_program(pid: i32) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    let other = ask_ps(pid, "comm=");
    other.is_some() && other == own.and_then(|own| ask_ps(own, "comm="))
}

/// Returns whether a process exists and is not a zombie.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_running(pid: i32) -> bool {
    ask_ps(pid, "state=").is_some_and(|state| !state.trim().starts_with('Z'))
}

#[cfg(not(target_os = "linux"))]
fn ask_ps(pid: i32, column: &str) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", column, "-p", &pid.to_string()])
        .output()
        .ok()?;
    String::from_utf8(output.stdout)
        .ok()
        .filter(|text| !text.trim().is_empty())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_servers_of_the_cluster_are_recognised() {
        let cluster = Path::new("/srv/a/postgres");
        let own = b"/usr/bin/postgres\0-D\0/srv/a/postgres\0-c\0fsync=on\0";
        assert_eq!(kind(own, cluster), Kind::Postmaster);
        let other = b"/usr/bin/postgres\0-D\0/srv/b/postgres\0";
        assert_eq!(kind(other, cluster), Kind::Other);
        let single = b"postgres\0--single\0-D\0/srv/a/postgres\0";
        assert_eq!(kind(single, cluster), Kind::Other);
        assert_eq!(kind(b"postgres: checkpointer \0", cluster), Kind::Backend);
    }

    #[test]
    fn this_process_is_alive_and_is_no_server() {
        let own = i32::try_from(std::process::id()).expect("process ids are small");
        let here = std::env::current_dir().expect("a working folder");
        assert!(is_alive(own) && runs_this_program(own));
        assert!(server(own, &here, nix::unistd::Uid::effective().as_raw()).is_none());
        assert_eq!(parent_of(own), Some(nix::unistd::getppid().as_raw()));
    }
}
