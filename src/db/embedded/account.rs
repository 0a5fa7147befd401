//! The user that runs PostgreSQL's programs.
//!
//! PostgreSQL refuses to run as root. If the shop runs as root, it starts each of these programs as
//! an unprivileged user; otherwise as its own user.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, User};

use super::error::EmbeddedError;

/// A user, and whether root's rights must be dropped to become that user.
#[derive(Debug, Clone)]
pub(super) struct Account {
    uid: Uid,
    gid: Gid,
    name: String,
    drops_root: bool,
}

impl Account {
    /// Chooses the user for a new cluster.
    pub(super) fn for_new_cluster() -> Result<Self, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(Self::current());
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self::dropping_to(user.uid, user.gid, user.name))
            .ok_or(EmbeddedError::NoAccount)
    }

    /// Returns the user for an existing cluster: PostgreSQL requires its owner.
    pub(super) fn owning(cluster: &Path) -> Result<Self, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(Self::current());
        }
        let meta = std::fs::symlink_metadata(cluster)
            .map_err(EmbeddedError::io("examine the folder", cluster))?;
        if meta.uid() == 0 {
            return Err(EmbeddedError::UnsafeFolder {
                path: cluster.to_owned(),
                reason: "it belongs to root, and PostgreSQL does not run as root; change its owner to the user that created it (chown -R)".to_owned(),
            });
        }
        let uid = Uid::from_raw(meta.uid());
        Ok(match User::from_uid(uid).ok().flatten() {
            Some(user) => Self::dropping_to(uid, user.gid, user.name),
            None => Self::dropping_to(uid, Gid::from_raw(meta.gid()), uid.to_string()),
        })
    }

    fn current() -> Self {
        let uid = Uid::effective();
        Self {
            uid,
            gid: Gid::effective(),
            name: uid.to_string(),
            drops_root: false,
        }
    }

    fn dropping_to(uid: Uid, gid: Gid, name: String) -> Self {
        Self {
            uid,
            gid,
            name,
            drops_root: true,
        }
    }

    /// Returns the user's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the user's id.
    pub(super) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Returns whether this process is root and the server is not.
    pub(super) fn drops_root(&self) -> bool {
        self.drops_root
    }

    /// Creates a command that runs as this user. It starts in `folder`, because the user may not be
    /// able to enter the shop's working directory.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            // Messages are shown to the operator and parsed, so they must be English.
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .env_remove("PGPORT")
            .env_remove("PG_COLOR");
        if self.drops_root {
            command
                .uid(self.uid.as_raw())
                .gid(self.gid.as_raw())
                .env("HOME", "/");
        }
        command
    }

    /// Returns whether this user can enter every folder down to `folder`. Tested by entering it,
    /// because mode bits do not include access control lists and read-only or mapped mounts.
    pub(super) async fn can_enter(&self, folder: &Path) -> Result<bool, EmbeddedError> {
        if !self.drops_root {
            return Ok(true);
        }
        self.run_nothing_in(Path::new("/"))
            .await
            .map_err(|source| EmbeddedError::AccountUnusable {
                user: self.name.clone(),
                source,
            })?;
        Ok(self.run_nothing_in(folder).await.is_ok())
    }

    async fn run_nothing_in(&self, folder: &Path) -> std::io::Result<()> {
        let mut command = self.command("/bin/sh", folder);
        command.args(["-c", ":"]);
        tokio::process::Command::from(command)
            .output()
            .await
            .map(drop)
    }

    /// Makes `folder` a directory that only this user and root can enter, and creates it if it is
    /// missing.
    pub(super) fn private_folder(&self, folder: &Path) -> Result<(), EmbeddedError> {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(EmbeddedError::io("create the folder", folder)(error));
            }
            _ => {}
        }
        // Through a handle, so that a symbolic link put in the folder's place cannot redirect
        // root's chown and chmod.
        let handle = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
            .open(folder)
            .map_err(EmbeddedError::io("open the folder", folder))?;
        if self.drops_root {
            std::os::unix::fs::fchown(&handle, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
                .map_err(EmbeddedError::io("change the owner of the folder", folder))?;
        }
        handle
            .set_permissions(std::fs::Permissions::from_mode(0o700))
            .map_err(EmbeddedError::io(
                "set the permissions of the folder",
                folder,
            ))
    }
}
