//! What can go wrong with the embedded server, told to an operator.
//!
//! Whoever reads these sentences runs a shop and may never have administered a
//! database, so each says what happened and, where there is one, what to do.

use std::path::PathBuf;

/// Why the embedded PostgreSQL server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A file or folder could not be read, made or changed.
    #[error("could not {action} {}: {source}", path.display())]
    Filesystem {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The program runs as root and finds no other user for the server.
    #[error(
        "PostgreSQL refuses to run as root, and this system has neither a user \"postgres\" nor a user \"nobody\" to run it as; create one of them, start the program as an ordinary user, or set DATABASE_URL"
    )]
    NoAccount,
    /// The unprivileged user exists but no program can be run as that user.
    #[error(
        "PostgreSQL refuses to run as root, and running a program as the user {user} failed: {source}; start the program as an ordinary user, or set DATABASE_URL"
    )]
    AccountUnusable {
        /// The user's name.
        user: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A folder that others could have tampered with.
    #[error("the folder {} is not safe for the database: {reason}", path.display())]
    UnsafeFolder {
        /// The folder refused.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No folder was found that the server's user can reach.
    #[error(
        "the user {user}, as whom PostgreSQL must run, cannot reach {}, and no other folder could be prepared for the database ({reasons}); open the folders above it to that user (chmod o+x) or choose another data folder",
        data_dir.display()
    )]
    NoPlace {
        /// The folder that bars the user.
        data_dir: PathBuf,
        /// The user's name.
        user: String,
        /// Why each of the other folders was refused.
        reasons: String,
    },
    /// The remembered cluster is gone.
    #[error(
        "the database folder {} named in {} is missing or holds no database; restore it, or delete {} to begin with an empty database",
        cluster.display(), remembered_in.display(), remembered_in.display()
    )]
    ClusterGone {
        /// Where the cluster used to be.
        cluster: PathBuf,
        /// The file that says so.
        remembered_in: PathBuf,
    },
    /// The cluster exists, but its owner can no longer get at it.
    #[error(
        "the database in {} belongs to the user {user}, whom a folder above it now bars; open the folders above it to that user (chmod o+x)",
        cluster.display()
    )]
    ClusterBarred {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The user's name.
        user: String,
    },
    /// The cluster's place is taken by something else.
    #[error(
        "the folder {} is not empty and holds no PostgreSQL database; move its contents away",
        path.display()
    )]
    NotACluster {
        /// The folder in the way.
        path: PathBuf,
    },
    /// PostgreSQL's programs are neither installed nor could be fetched.
    #[error(
        "PostgreSQL's programs (initdb, postgres) were found neither in {searched}, nor could npm fetch them: {npm}. Install them (Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql) or set DATABASE_URL"
    )]
    ProgramsMissing {
        /// Where they were looked for.
        searched: String,
        /// Why npm did not help.
        npm: String,
    },
    /// Only programs of another major version are there.
    #[error(
        "the database in {} was made by PostgreSQL {wanted}, but {found}; install PostgreSQL {wanted} or name the folder of its programs in DOORBUSTER_POSTGRES_BIN",
        cluster.display()
    )]
    WrongVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The major version that made it.
        wanted: u32,
        /// What was found instead.
        found: String,
    },
    /// `initdb` failed.
    #[error("PostgreSQL's initdb could not create the database folder: {output}")]
    InitFailed {
        /// What initdb said.
        output: String,
    },
    /// A program could not be started at all.
    #[error("could not run {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The server ended before it accepted connections.
    #[error("PostgreSQL ended while it was starting ({status}); its log {} ends with: {tail}", log.display())]
    ExitedEarly {
        /// How the process ended.
        status: String,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The server did not become ready in time.
    #[error("PostgreSQL accepted no connection within {seconds} seconds; its log {} ends with: {tail}", log.display())]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// Another process owns the folder, but its server does not answer.
    #[error(
        "another process{} holds the data folder {}, but its PostgreSQL server did not answer within {seconds} seconds; stop that process and try again",
        pid.map(|pid| format!(" ({pid})")).unwrap_or_default(), data_dir.display()
    )]
    OwnerSilent {
        /// The other process, where it is known.
        pid: Option<i32>,
        /// The folder both want.
        data_dir: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// A living process runs a server on the same cluster under another lock.
    #[error(
        "the database in {} is in use by the PostgreSQL process {server} of the running program {owner}, which was started with another data folder; stop that program, or give this one a data folder that is not a copy of its",
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
    /// An earlier server would not end.
    #[error(
        "an earlier PostgreSQL process ({pid}) still works on the database in {} and did not end; stop it and try again",
        cluster.display()
    )]
    LeftoverServer {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The process that stays.
        pid: i32,
    },
    /// The server ended otherwise than by an orderly shutdown.
    #[error("PostgreSQL did not shut down in good order ({status}); its log {} ends with: {tail}", log.display())]
    EndedBadly {
        /// How the process ended.
        status: String,
        /// The server's log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A helper task of the program itself died.
    #[error("a task of the database launcher was broken off: {0}")]
    Interrupted(String),
}

impl EmbeddedError {
    /// Makes the adapter that says, for `map_err`, what was being done to which path.
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
