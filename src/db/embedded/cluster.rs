//! Creates the cluster, PostgreSQL's data directory.

use std::path::Path;

use super::account::Account;
use super::error::EmbeddedError;
use super::log::last_lines;
use super::place::{self, Place};
use super::programs::{self, Programs};

/// `C.UTF-8` sorts by code point and knows letters beyond ASCII; some systems lack it, and every
/// system has `C`.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

const DRAFT_PREFIX: &str = "postgres.new-";

/// Returns the major version of PostgreSQL that created the cluster, if it exists.
pub(super) fn major_version(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    let path = cluster.join("PG_VERSION");
    match std::fs::read_to_string(&path) {
        Ok(text) => match programs::leading_number(text.trim()) {
            Some(major) => Ok(Some(major)),
            None => Err(EmbeddedError::NotACluster {
                path: cluster.to_owned(),
            }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EmbeddedError::io("read the file", &path)(error)),
    }
}

/// Creates the cluster under a temporary name and renames it when it is complete, so that an
/// interrupted start never leaves a partial cluster.
pub(super) async fn create(
    place: &Place,
    programs: &Programs,
    account: &Account,
) -> Result<(), EmbeddedError> {
    check_folder_is_free(&place.cluster)?;
    tracing::info!("creating the database in {}", place.cluster.display());
    place::remove_starting_with(&place.base, DRAFT_PREFIX).await;
    let mut failure = String::new();
    for locale in LOCALES {
        let draft = place
            .base
            .join(format!("{DRAFT_PREFIX}{}-{locale}", std::process::id()));
        account.private_folder(&draft)?;
        match run_initdb(&draft, locale, programs, account).await? {
            Ok(()) => return move_into_place(&draft, place),
            Err(output) => failure = output,
        }
        place::remove_starting_with(&place.base, DRAFT_PREFIX).await;
        if !failure.contains("locale") {
            break;
        }
    }
    Err(EmbeddedError::InitFailed { output: failure })
}

fn check_folder_is_free(cluster: &Path) -> Result<(), EmbeddedError> {
    let empty = match std::fs::read_dir(cluster) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    match empty {
        true => Ok(()),
        false => Err(EmbeddedError::NotACluster {
            path: cluster.to_owned(),
        }),
    }
}

/// Runs initdb; if it fails, returns its error output.
async fn run_initdb(
    draft: &Path,
    locale: &str,
    programs: &Programs,
    account: &Account,
) -> Result<Result<(), String>, EmbeddedError> {
    let initdb = programs.initdb();
    let mut command = account.command(&initdb, draft);
    command
        .arg("-D")
        .arg(draft)
        .args(["-U", "doorbuster", "--encoding=UTF8"])
        .arg(format!("--locale={locale}"))
        // Access to the socket is restricted by its folder; the server does not listen on TCP.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .args(["--data-checksums", "--no-instructions"]);
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output().await;
    let output = output.map_err(|source| EmbeddedError::Spawn {
        program: initdb,
        source,
    })?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Ok(Err(format!(
        "{} ({})",
        last_lines(&stderr, 8),
        output.status
    )))
}

fn move_into_place(draft: &Path, place: &Place) -> Result<(), EmbeddedError> {
    std::fs::rename(draft, &place.cluster)
        .and_then(|()| place::sync_folder(&place.base))
        .map_err(EmbeddedError::io(
            "move into place the folder",
            &place.cluster,
        ))
}
