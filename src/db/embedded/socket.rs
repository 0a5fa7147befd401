//! The folder of the server's unix socket.
//!
//! Whoever reaches the socket is the database's superuser, so its folder is
//! closed to everybody but the server's user and root.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::EmbeddedError;

/// The port only names the socket file; nothing listens on TCP.
pub(super) const PORT: u16 = 5432;

/// The system's limit for a socket's path, without the closing NUL.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

const MEMORY_FILE: &str = "socket-location";

/// The socket's own path within its folder.
pub(super) fn file_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Prepares the socket's folder: beside the cluster, or, when that path would
/// be too long for a socket, a short one elsewhere that is remembered.
pub(super) fn prepare(
    data_dir: &Path,
    base: &Path,
    account: &Account,
) -> Result<PathBuf, EmbeddedError> {
    let beside_cluster = base.join("socket");
    if suits(&beside_cluster) {
        account.private_folder(&beside_cluster)?;
        return Ok(beside_cluster);
    }
    let memory = data_dir.join(MEMORY_FILE);
    if let Some(folder) = super::place::read_path(&memory)?
        && is_private(&folder, account)
    {
        return Ok(folder);
    }
    let folder = create_short(account)?;
    super::place::write_path(&memory, &folder)?;
    Ok(folder)
}

/// Whether the socket fits in here and the connection URL can name it: the
/// path has to be text, and libpq would take a comma for the end of a host.
fn suits(folder: &Path) -> bool {
    folder.to_str().is_some_and(|text| !text.contains(','))
        && file_in(folder, PORT).as_os_str().len() <= LONGEST_PATH
}

/// Whether a remembered folder is still ours alone: temporary folders are
/// swept, and anybody may create the name again.
fn is_private(folder: &Path, account: &Account) -> bool {
    suits(folder)
        && std::fs::symlink_metadata(folder).is_ok_and(|meta| {
            meta.is_dir() && meta.uid() == account.uid() && meta.mode() & 0o077 == 0
        })
}

fn create_short(account: &Account) -> Result<PathBuf, EmbeddedError> {
    // Root's runtime folder bars the server's user.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !account.drops_root());
    let mut parents: Vec<PathBuf> = runtime.into_iter().map(PathBuf::from).collect();
    parents.retain(|parent| {
        parent.is_absolute() && parent.is_dir() && suits(&parent.join("doorbuster-XXXXXX"))
    });
    parents.push(PathBuf::from("/tmp"));
    let mut failure = None;
    for parent in parents {
        match nix::unistd::mkdtemp(&parent.join("doorbuster-XXXXXX")) {
            Ok(folder) => return account.private_folder(&folder).map(|()| folder),
            Err(errno) => {
                failure = Some(EmbeddedError::io(
                    "create a folder for the socket in",
                    &parent,
                )(errno.into()))
            }
        }
    }
    Err(failure.unwrap_or_else(|| {
        EmbeddedError::Interrupted("no folder for the socket was tried".to_owned())
    }))
}

/// The connection URL for the socket in `folder`.
pub(super) fn url(folder: &Path, port: u16) -> String {
    format!(
        "postgres://doorbuster@localhost/doorbuster?host={}&port={port}",
        percent_encoded(folder)
    )
}

fn percent_encoded(path: &Path) -> String {
    let mut encoded = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The folder as a value of `unix_socket_directories`, which is a list: the
/// quotes keep a comma or a blank in the path from splitting it.
pub(super) fn as_setting(folder: &Path) -> OsString {
    let mut value = b"unix_socket_directories=\"".to_vec();
    for &byte in folder.as_os_str().as_bytes() {
        if byte == b'"' {
            value.push(byte);
        }
        value.push(byte);
    }
    value.push(b'"');
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_carries_any_folder() {
        assert_eq!(
            url(Path::new("/srv/a shop+100%/söcket"), 5432),
            "postgres://doorbuster@localhost/doorbuster?host=/srv/a%20shop%2B100%25/s%C3%B6cket&port=5432"
        );
    }

    #[test]
    fn the_setting_quotes_what_would_split_a_list() {
        assert_eq!(
            as_setting(Path::new("/a, b\"c")),
            "unix_socket_directories=\"/a, b\"\"c\""
        );
    }

    #[test]
    fn a_path_suits_up_to_the_limit_only() {
        let name_length = "/.s.PGSQL.5432".len();
        let longest = format!("/{}", "x".repeat(LONGEST_PATH - name_length - 1));
        assert!(suits(Path::new(&longest)));
        assert!(!suits(Path::new(&format!("{longest}x"))));
        assert!(!suits(Path::new("/a,b")));
    }
}
