//! The folder of the server's unix socket.
//!
//! Access to the socket means superuser access to the database, so only the server's user and root
//! can enter its folder.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::EmbeddedError;

/// The port is only part of the socket file's name; the server does not listen on TCP.
pub(super) const PORT: u16 = 5432;

/// The system's limit for a socket's path, without the terminating NUL.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

const LOCATION_FILE: &str = "socket-location";

/// Returns the path of the socket in its folder.
pub(super) fn file_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Prepares the socket's folder: next to the cluster or, if that path is too long for a socket, a
/// short one elsewhere whose location is saved.
pub(super) fn prepare(
    data_dir: &Path,
    base: &Path,
    account: &Account,
) -> Result<PathBuf, EmbeddedError> {
    let beside_cluster = base.join("socket");
    if is_usable(&beside_cluster) {
        account.private_folder(&beside_cluster)?;
        return Ok(beside_cluster);
    }
    let location_file = data_dir.join(LOCATION_FILE);
    if let Some(folder) = super::place::read_path(&location_file)?
        && is_private(&folder, account)
    {
        return Ok(folder);
    }
    let folder = create_short(account)?;
    super::place::write_path(&location_file, &folder)?;
    Ok(folder)
}

/// Returns whether a socket in this folder has a valid path and the connection URL can contain it:
/// the path must be text, and libpq treats a comma as the end of a host.
fn is_usable(folder: &Path) -> bool {
    folder.to_str().is_some_and(|text| !text.contains(','))
        && file_in(folder, PORT).as_os_str().len() <= LONGEST_PATH
}

/// Returns whether a saved folder is still private: temporary folders are cleaned up, and any user
/// may create the name again.
fn is_private(folder: &Path, account: &Account) -> bool {
    is_usable(folder)
        && std::fs::symlink_metadata(folder).is_ok_and(|meta| {
            meta.is_dir() && meta.uid() == account.uid() && meta.mode() & 0o077 == 0
        })
}

fn create_short(account: &Account) -> Result<PathBuf, EmbeddedError> {
    // The server's user cannot enter root's runtime folder.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !account.drops_root());
    let mut parents: Vec<PathBuf> = runtime.into_iter().map(PathBuf::from).collect();
    parents.retain(|parent| {
        parent.is_absolute() && parent.is_dir() && is_usable(&parent.join("doorbuster-XXXXXX"))
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
        EmbeddedError::Interrupted("there was no candidate folder for the socket".to_owned())
    }))
}

/// Returns the connection URL for the socket in `folder`.
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

/// Formats the folder as a value of `unix_socket_directories`, which is a list: the quotes keep a
/// comma or a space in the path from splitting it.
pub(super) fn to_setting(folder: &Path) -> OsString {
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
    fn the_url_encodes_any_folder() {
        assert_eq!(
            url(Path::new("/srv/a shop+100%/söcket"), 5432),
            "postgres://doorbuster@localhost/doorbuster?host=/srv/a%20shop%2B100%25/s%C3%B6cket&port=5432"
        );
    }

    #[test]
    fn the_setting_quotes_list_separators() {
        assert_eq!(
            to_setting(Path::new("/a, b\"c")),
            "unix_socket_directories=\"/a, b\"\"c\""
        );
    }

    #[test]
    fn a_path_is_usable_up_to_the_limit() {
        let name_length = "/.s.PGSQL.5432".len();
        let longest = format!("/{}", "x".repeat(LONGEST_PATH - name_length - 1));
        assert!(is_usable(Path::new(&longest)));
        assert!(!is_usable(Path::new(&format!("{longest}x"))));
        assert!(!is_usable(Path::new("/a,b")));
    }
}
