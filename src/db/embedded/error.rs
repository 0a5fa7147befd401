//! Errors of the embedded server, written for an operator.
//!
//! The operator runs a shop and may never have administered a database, so each message says what
//! happened and, if possible, what to do.

use std::path::PathBuf;

/// Why the embedded PostgreSQL server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A file or folder could not be read, created or changed.
    #[error("could not {action} {}: {source}", path.display())]
    Filesystem {
        /// The attempted action, as a verb phrase.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The program runs as root and there is no other user for the server.
    #[error(
        "PostgreSQL refuses to run as root, and this system has no user \"postgres\" or \"nobody\"; create one of them, start the program as an ordinary user, or set DATABASE_URL"
    )]
    NoAccount,
    /// The unprivileged user exists, but no program can be run as that user.
    #[error(
        "PostgreSQL refuses to run as root, and the user {user} could not run a program: {source}; start the program as an ordinary user, or set DATABASE_URL"
    )]
    AccountUnusable {
        /// The user's name.
        user: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A folder that other users could have changed.
    #[error("the folder {} is not safe for the database: {reason}", path.display())]
    UnsafeFolder {
        /// The rejected folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No folder was found that the server's user can reach.
    #[error(
        "PostgreSQL must run as the user {user}, which cannot reach {}, and no other folder could be prepared for the database ({reasons}); make the parent folders accessible to that user (chmod o+x) or choose another data folder",
        data_dir.display()
    )]
    NoUsableFolder {
        /// The folder that the user cannot reach.
        data_dir: PathBuf,
        /// The user's name.
        user: String,
        /// Why each of the other folders was rejected.
        reasons: String,
    },
    /// The saved location has no cluster any more.
    #[error(
        "the database folder {} named in {} is missing or contains no database; restore it, or delete {} to start with an empty database",
        cluster.display(), location_file.display(), location_file.display()
    )]
    ClusterMissing {
        /// The saved location of the cluster.
        cluster: PathBuf,
        /// The file that contains this location.
        location_file: PathBuf,
    },
    /// The cluster exists, but its owner can no longer reach it.
    #[error(
        "the database in {} belongs to the user {user}, which can no longer enter one of its parent folders; make the parent folders accessible to that user (chmod o+x)",
        cluster.display()
    )]
    ClusterUnreachable {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The user's name.
        user: String,
    },
    /// The cluster's folder contains other files.
    #[error(
        "the folder {} is not empty and contains no PostgreSQL database; move its contents to another folder",
        path.display()
    )]
    NotACluster {
        /// The folder that contains other files.
        path: PathBuf,
    },
    /// PostgreSQL's programs are not installed and could not be downloaded.
    #[error(
        "PostgreSQL's programs (initdb, postgres) were not found in {searched}, and npm could not download them: {npm}. Install them (Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql) or set DATABASE_URL"
    )]
    ProgramsMissing {
        /// The places that were searched.
        searched: String,
        /// Why npm failed.
        npm: String,
    },
    /// Only programs of another major version are installed.
    #[error(
        "the database in {} was created by PostgreSQL {wanted}, but {found}; install PostgreSQL {wanted}, or set DOORBUSTER_POSTGRES_BIN to the folder of its programs",
        cluster.display()
    )]
    WrongVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The major version that created it.
        wanted: u32,
        /// The versions that were found.
        found: String,
    },
    /// `initdb` failed.
    #[error("PostgreSQL's initdb could not create the database folder: {output}")]
    InitFailed {
        /// The output of initdb.
        output: String,
    },
    /// A program could not be started at all.
    #[error("could not run {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The server exited before it accepted connections.
    #[error("PostgreSQL exited during startup ({status}); its log {} ends with: {tail}", log.display())]
    ExitedEarly {
        /// The exit status of the process.
        status: String,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The server did not become ready in time.
    #[error("PostgreSQL accepted no connection within {seconds} seconds; its log {} ends with: {tail}", log.display())]
    NotReady {
        /// How long the program waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// Another process owns the folder, but its server does not answer.
    #[error(
        "another process{} is using the data folder {}, but its PostgreSQL server did not answer within {seconds} seconds; stop that process and try again",
        pid.map(|pid| format!(" ({pid})")).unwrap_or_default(), data_dir.display()
    )]
    OwnerUnresponsive {
        /// The other process, if it is known.
        pid: Option<i32>,
        /// The folder that both processes use.
        data_dir: PathBuf,
        /// How long the program waited.
        seconds: u64,
    },
    /// A running program has a server on the same cluster, under another lock.
    #[error(
        "the database in {} is used by the PostgreSQL process {server} of the running program {owner}, which was started with another data folder; stop that program, or start this one with a data folder that is not a copy of the other one",
        cluster.display()
    )]
    InUse {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The server's process.
        server: i32,
        /// The program that started it.
        owner: i32,
    },
    /// The server of an earlier run did not end.
    #[error(
        "the PostgreSQL process {pid} of an earlier run still uses the database in {} and did not end; stop it and try again",
        cluster.display()
    )]
    LeftoverServer {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The remaining process.
        pid: i32,
    },
    /// The server ended without an orderly shutdown.
    #[error("PostgreSQL did not shut down cleanly ({status}); its log {} ends with: {tail}", log.display())]
    UncleanShutdown {
        /// The exit status of the process.
        status: String,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The server ended while the program was running, and could not be restarted.
    #[error("PostgreSQL ended and could not be restarted: {reason}")]
    Lost {
        /// Why the last attempt failed.
        reason: std::sync::Arc<EmbeddedError>,
    },
    /// The cluster of a running program was removed.
    #[error("the database folder {} does not exist any more", cluster.display())]
    ClusterGone {
        /// The folder that was removed.
        cluster: PathBuf,
    },
    /// A restarted server has another socket, which the open pools do not know.
    #[error(
        "the folder of the database's socket has changed, and the URL is now {url}; start the program again"
    )]
    SocketMoved {
        /// The new connection URL.
        url: String,
    },
    /// A background task of the program failed.
    #[error("a task of the database launcher was interrupted: {0}")]
    Interrupted(String),
}

impl EmbeddedError {
    /// Returns a function for `map_err` that adds the action and the path.
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::Filesystem {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
