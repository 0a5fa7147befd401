//! The processor time of processes and threads, from their `stat` files in `/proc`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// `USER_HZ`, which is 100 in the files of every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor time of several processes or threads since a moment.
#[derive(Debug, Default)]
pub struct ProcessorTime {
    /// The ticks at first and now, by file.
    ticks: HashMap<PathBuf, (u64, u64)>,
}

impl ProcessorTime {
    /// Measures from now on.
    pub fn start(files: &[PathBuf]) -> Self {
        let now = |file: &PathBuf| {
            let ticks = read_ticks(file)?;
            Some((file.clone(), (ticks, ticks)))
        };
        Self {
            ticks: files.iter().filter_map(now).collect(),
        }
    }

    /// Reads the files again. A process that was not there before has started since, so all of its
    /// time counts. Call this often: the last moments of a process that has ended are lost.
    pub fn update(&mut self, files: &[PathBuf]) {
        for file in files {
            if let Some(now) = read_ticks(file) {
                self.ticks.entry(file.clone()).or_insert((0, now)).1 = now;
            }
        }
    }

    /// Returns the sum of their time in seconds.
    pub fn seconds(&self) -> f64 {
        let ticks: u64 = self
            .ticks
            .values()
            .map(|(first, last)| last.saturating_sub(*first))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let ticks = ticks as f64;
        ticks / TICKS_PER_SECOND
    }
}

/// Returns the file of a process.
pub fn of_process(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join("stat")
}

/// Returns the file of the calling thread.
pub fn of_this_thread() -> std::io::Result<PathBuf> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    Ok(Path::new("/proc").join(thread).join("stat"))
}

/// Returns the time in user mode and in the kernel; `None` if the process has ended.
fn read_ticks(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    // The second field, the name, may contain spaces and parentheses.
    let (_, after_name) = text.rsplit_once(") ")?;
    let mut times = after_name.split(' ').skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}
