//! The location of a data folder's cluster, and the user that runs it.
//!
//! Usually the cluster is in the data folder itself. If the shop runs as root and the server's user
//! cannot reach the data folder, the cluster is created elsewhere, and a file in the data folder
//! stores its location.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use super::account::Account;
use super::error::EmbeddedError;

const LOCATION_FILE: &str = "cluster-location";
const CLUSTER_FOLDER: &str = "postgres";

/// The folders of one cluster.
#[derive(Debug)]
pub(super) struct Place {
    /// Contains the cluster, its socket and downloaded programs.
    pub(super) base: PathBuf,
    /// PostgreSQL's data directory.
    pub(super) cluster: PathBuf,
    relocated: bool,
}

impl Place {
    fn within(base: PathBuf, relocated: bool) -> Self {
        Self {
            cluster: base.join(CLUSTER_FOLDER),
            base,
            relocated,
        }
    }

    /// Saves the location of a relocated cluster. Call this after the cluster exists, so that a
    /// saved location without a cluster always means data loss.
    pub(super) fn save_location(&self, data_dir: &Path) -> Result<(), EmbeddedError> {
        let location_file = data_dir.join(LOCATION_FILE);
        if !self.relocated || read_path(&location_file)?.as_ref() == Some(&self.cluster) {
            return Ok(());
        }
        write_path(&location_file, &self.cluster)
    }
}

/// Creates the data folder if it is missing and returns its absolute path, with symbolic links
/// resolved.
pub(super) fn open_data_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    if !data_dir.exists() {
        if let Some(parent) = data_dir.parent() {
            std::fs::create_dir_all(parent)
                .map_err(EmbeddedError::io("create the folder", parent))?;
        }
        // The server's user must be able to pass root's folder, but not list it.
        let mode = if Uid::effective().is_root() {
            0o711
        } else {
            0o700
        };
        let created = std::fs::DirBuilder::new().mode(0o700).create(data_dir);
        match created {
            Ok(()) => {
                std::fs::set_permissions(data_dir, std::fs::Permissions::from_mode(mode)).map_err(
                    EmbeddedError::io("set the permissions of the folder", data_dir),
                )?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(EmbeddedError::io("create the folder", data_dir)(error)),
        }
    }
    data_dir
        .canonicalize()
        .map_err(EmbeddedError::io("resolve the folder", data_dir))
}

/// Returns the cluster's folder, for processes that only attach.
pub(super) fn cluster_path(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let remembered = read_path(&data_dir.join(LOCATION_FILE))?;
    Ok(remembered.unwrap_or_else(|| data_dir.join(CLUSTER_FOLDER)))
}

/// Returns whether the data folder contains a cluster, or a file with the location of one.
pub(super) fn names_cluster(data_dir: &Path) -> Result<bool, EmbeddedError> {
    let remembered = read_path(&data_dir.join(LOCATION_FILE))?;
    Ok(remembered.is_some() || holds_cluster(&data_dir.join(CLUSTER_FOLDER)))
}

/// Returns whether this folder contains a PostgreSQL cluster.
pub(super) fn holds_cluster(folder: &Path) -> bool {
    folder.join("PG_VERSION").is_file()
}

/// Decides where the cluster is or will be, and which user runs it.
pub(super) async fn choose(data_dir: &Path) -> Result<(Place, Account), EmbeddedError> {
    let location_file = data_dir.join(LOCATION_FILE);
    if let Some(cluster) = read_path(&location_file)? {
        return open_saved(cluster, location_file).await;
    }
    let usual = Place::within(data_dir.to_owned(), false);
    if holds_cluster(&usual.cluster) {
        let account = Account::owning(&usual.cluster)?;
        return check_reachable(usual, account).await;
    }
    let account = Account::for_new_cluster()?;
    if account.can_enter(data_dir).await? {
        return Ok((usual, account));
    }
    let relocated = Place::within(relocate(data_dir, &account).await?, true);
    tracing::warn!(
        "PostgreSQL refuses to run as root and must run as the user {}, which cannot reach {}; the database is stored in {} instead",
        account.name(),
        data_dir.display(),
        relocated.cluster.display()
    );
    if holds_cluster(&relocated.cluster) {
        let account = Account::owning(&relocated.cluster)?;
        return check_reachable(relocated, account).await;
    }
    Ok((relocated, account))
}

async fn open_saved(
    cluster: PathBuf,
    location_file: PathBuf,
) -> Result<(Place, Account), EmbeddedError> {
    let base = cluster.parent().filter(|_| holds_cluster(&cluster));
    let Some(base) = base.map(Path::to_owned) else {
        return Err(EmbeddedError::ClusterMissing {
            cluster,
            location_file,
        });
    };
    let account = Account::owning(&cluster)?;
    check_safe(&base, &account)?;
    tracing::info!("the database is stored in {}", cluster.display());
    let place = Place {
        base,
        cluster,
        relocated: true,
    };
    check_reachable(place, account).await
}

/// Rejects a cluster that its owner cannot reach: an empty cluster created elsewhere would look as
/// if all data were lost.
async fn check_reachable(
    place: Place,
    account: Account,
) -> Result<(Place, Account), EmbeddedError> {
    if account.can_enter(&place.base).await? {
        return Ok((place, account));
    }
    Err(EmbeddedError::ClusterUnreachable {
        cluster: place.cluster,
        user: account.name().to_owned(),
    })
}

/// Prepares a folder outside the data folder that the server's user can reach.
async fn relocate(data_dir: &Path, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let name = short_hash(data_dir);
    let candidates = [
        vec![
            PathBuf::from("/var/lib/doorbuster"),
            PathBuf::from("/var/lib/doorbuster").join(&name),
        ],
        vec![PathBuf::from("/var/tmp").join(format!("doorbuster-{name}"))],
    ];
    let mut reasons = Vec::new();
    for chain in candidates {
        let made = chain
            .iter()
            .try_for_each(|path| create_safe_folder(path, account));
        match (made, chain.last()) {
            (Err(error), _) => reasons.push(error.to_string()),
            (Ok(()), Some(base)) if account.can_enter(base).await? => return Ok(base.clone()),
            (Ok(()), base) => reasons.push(format!(
                "{} is not reachable either",
                base.map(|base| base.display().to_string())
                    .unwrap_or_default()
            )),
        }
    }
    Err(EmbeddedError::NoUsableFolder {
        data_dir: data_dir.to_owned(),
        user: account.name().to_owned(),
        reasons: reasons.join("; "),
    })
}

/// Creates a folder as root, or accepts an existing one that no other user can have written to.
fn create_safe_folder(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).map_err(
            EmbeddedError::io("set the permissions of the folder", folder),
        ),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_safe(folder, account),
        Err(error) => Err(EmbeddedError::io("create the folder", folder)(error)),
    }
}

fn check_safe(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let meta = std::fs::symlink_metadata(folder)
        .map_err(EmbeddedError::io("examine the folder", folder))?;
    let reason = if !meta.is_dir() {
        "it is not a folder"
    } else if meta.uid() != 0 && meta.uid() != account.uid() {
        "it belongs to another user"
    } else if meta.mode() & 0o022 != 0 {
        "other users can write to it"
    } else {
        return Ok(());
    };
    Err(EmbeddedError::UnsafeFolder {
        path: folder.to_owned(),
        reason: reason.to_owned(),
    })
}

/// FNV-1a, because the name must stay the same across versions of the program and of Rust, which
/// the standard library's hasher does not guarantee.
fn short_hash(path: &Path) -> String {
    let hash = path
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// Reads a path written by [`write_path`]; `None` if the file does not exist.
pub(super) fn read_path(file: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
    let mut bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EmbeddedError::io("read the file", file)(error)),
    };
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    if path.is_absolute() {
        return Ok(Some(path));
    }
    Err(EmbeddedError::Filesystem {
        action: "read a path from the file",
        path: file.to_owned(),
        source: ErrorKind::InvalidData.into(),
    })
}

/// Writes a path to a temporary file and renames it, so that a crash cannot leave a partial file.
pub(super) fn write_path(file: &Path, path: &Path) -> Result<(), EmbeddedError> {
    let draft = file.with_extension("new");
    let write = || {
        let mut handle = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&draft)?;
        handle.write_all(path.as_os_str().as_bytes())?;
        handle.write_all(b"\n")?;
        handle.sync_all()?;
        std::fs::rename(&draft, file)?;
        file.parent().map_or(Ok(()), sync_folder)
    };
    write().map_err(EmbeddedError::io("write the file", file))
}

/// Syncs `folder`, so that a rename in it survives a power failure.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Removes the folders in `base` that an interrupted attempt left under `prefix`. A failure is
/// harmless.
pub(super) async fn remove_starting_with(base: &Path, prefix: &'static str) {
    let base = base.to_owned();
    let work = move || {
        for entry in std::fs::read_dir(&base).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix)
                && let Err(error) = std::fs::remove_dir_all(entry.path())
            {
                tracing::debug!("could not remove {}: {error}", entry.path().display());
            }
        }
    };
    tokio::task::spawn_blocking(work).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_stable() {
        assert_eq!(short_hash(Path::new("")), "cbf29ce484222325");
        assert_eq!(short_hash(Path::new("a")), "af63dc4c8601ec8c");
    }

    #[test]
    fn a_saved_path_is_read_back() {
        let file = std::env::temp_dir().join(format!("place-{}", std::process::id()));
        assert!(matches!(read_path(&file), Ok(None)));
        write_path(&file, Path::new("/srv/a b")).expect("the path is written");
        assert_eq!(
            read_path(&file).expect("the path is read"),
            Some(PathBuf::from("/srv/a b"))
        );
        std::fs::write(&file, "relative\n").expect("the file is written");
        assert!(read_path(&file).is_err());
        std::fs::remove_file(&file).expect("the file goes away");
    }
}
