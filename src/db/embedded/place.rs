//! Where the cluster of a data folder lives, and as whom it is run.
//!
//! Normally that is the data folder itself. Started as root with a data folder
//! that the server's user cannot reach, the cluster goes elsewhere, and a file
//! in the data folder remembers where.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use super::account::Account;
use super::error::EmbeddedError;

const MEMORY_FILE: &str = "cluster-location";
const CLUSTER_FOLDER: &str = "postgres";

/// The folders of one cluster.
#[derive(Debug)]
pub(super) struct Place {
    /// Holds the cluster, its socket and fetched programs.
    pub(super) base: PathBuf,
    /// PostgreSQL's own data folder.
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

    /// Writes down where a relocated cluster is. To be called once the cluster
    /// exists, so that a memory without a cluster always means a loss.
    pub(super) fn remember(&self, data_dir: &Path) -> Result<(), EmbeddedError> {
        let memory = data_dir.join(MEMORY_FILE);
        if !self.relocated || read_path(&memory)?.as_ref() == Some(&self.cluster) {
            return Ok(());
        }
        write_path(&memory, &self.cluster)
    }
}

/// Makes the data folder if need be and returns its absolute, real path.
pub(super) fn open_data_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    if !data_dir.exists() {
        if let Some(parent) = data_dir.parent() {
            std::fs::create_dir_all(parent)
                .map_err(EmbeddedError::io("create the folder", parent))?;
        }
        // Root's folder must let the server's user through, but not look.
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

/// The cluster's folder as far as it is known, for those who only attach.
pub(super) fn known_cluster(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let remembered = read_path(&data_dir.join(MEMORY_FILE))?;
    Ok(remembered.unwrap_or_else(|| data_dir.join(CLUSTER_FOLDER)))
}

/// Whether PostgreSQL has made a cluster in this folder.
pub(super) fn holds_cluster(folder: &Path) -> bool {
    folder.join("PG_VERSION").is_file()
}

/// Decides where the cluster is or will be, and as whom it runs.
pub(super) async fn settle(data_dir: &Path) -> Result<(Place, Account), EmbeddedError> {
    let memory = data_dir.join(MEMORY_FILE);
    if let Some(cluster) = read_path(&memory)? {
        return settle_remembered(cluster, memory).await;
    }
    let usual = Place::within(data_dir.to_owned(), false);
    if holds_cluster(&usual.cluster) {
        let account = Account::owning(&usual.cluster)?;
        return reachable(usual, account).await;
    }
    let account = Account::for_new_cluster()?;
    if account.can_enter(data_dir).await? {
        return Ok((usual, account));
    }
    let relocated = Place::within(relocate(data_dir, &account).await?, true);
    tracing::warn!(
        "the user {}, as whom PostgreSQL must run because it refuses to run as root, cannot reach {}; the database is kept in {} instead",
        account.name(),
        data_dir.display(),
        relocated.cluster.display()
    );
    if holds_cluster(&relocated.cluster) {
        let account = Account::owning(&relocated.cluster)?;
        return reachable(relocated, account).await;
    }
    Ok((relocated, account))
}

async fn settle_remembered(
    cluster: PathBuf,
    remembered_in: PathBuf,
) -> Result<(Place, Account), EmbeddedError> {
    let base = cluster.parent().filter(|_| holds_cluster(&cluster));
    let Some(base) = base.map(Path::to_owned) else {
        return Err(EmbeddedError::ClusterGone {
            cluster,
            remembered_in,
        });
    };
    let account = Account::owning(&cluster)?;
    refuse_unsafe(&base, &account)?;
    tracing::info!("the database is kept in {}", cluster.display());
    let place = Place {
        base,
        cluster,
        relocated: true,
    };
    reachable(place, account).await
}

/// Refuses a cluster whose owner cannot get at it: making an empty one
/// elsewhere instead would look as if all data were lost.
async fn reachable(place: Place, account: Account) -> Result<(Place, Account), EmbeddedError> {
    if account.can_enter(&place.base).await? {
        return Ok((place, account));
    }
    Err(EmbeddedError::ClusterBarred {
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
        let made = chain.iter().try_for_each(|path| make_safe(path, account));
        match (made, chain.last()) {
            (Err(error), _) => reasons.push(error.to_string()),
            (Ok(()), Some(base)) if account.can_enter(base).await? => return Ok(base.clone()),
            (Ok(()), base) => reasons.push(format!(
                "{} cannot be reached either",
                base.map(|base| base.display().to_string())
                    .unwrap_or_default()
            )),
        }
    }
    Err(EmbeddedError::NoPlace {
        data_dir: data_dir.to_owned(),
        user: account.name().to_owned(),
        reasons: reasons.join("; "),
    })
}

/// Creates a folder as root, or accepts one that nobody else can have filled.
fn make_safe(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).map_err(
            EmbeddedError::io("set the permissions of the folder", folder),
        ),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_unsafe(folder, account),
        Err(error) => Err(EmbeddedError::io("create the folder", folder)(error)),
    }
}

fn refuse_unsafe(folder: &Path, account: &Account) -> Result<(), EmbeddedError> {
    let meta = std::fs::symlink_metadata(folder)
        .map_err(EmbeddedError::io("examine the folder", folder))?;
    let reason = if !meta.is_dir() {
        "it is not a folder"
    } else if meta.uid() != 0 && meta.uid() != account.uid() {
        "it belongs to another user"
    } else if meta.mode() & 0o022 != 0 {
        "other users may write in it"
    } else {
        return Ok(());
    };
    Err(EmbeddedError::UnsafeFolder {
        path: folder.to_owned(),
        reason: reason.to_owned(),
    })
}

/// FNV-1a, because the name must stay the same across versions of the program
/// and of Rust, which the standard library's hasher does not promise.
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

/// Reads a path that [`write_path`] left; an absent file is no path.
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
        action: "make out a path in the file",
        path: file.to_owned(),
        source: ErrorKind::InvalidData.into(),
    })
}

/// Writes a path to a file by way of a rename, lest a crash leave half of it.
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

/// Makes a rename within `folder` survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Removes the folders in `base` that an attempt which was broken off left
/// under `prefix`. Failing to is harmless.
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
    fn the_hash_never_changes() {
        assert_eq!(short_hash(Path::new("")), "cbf29ce484222325");
        assert_eq!(short_hash(Path::new("a")), "af63dc4c8601ec8c");
    }

    #[test]
    fn a_path_survives_being_remembered() {
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
