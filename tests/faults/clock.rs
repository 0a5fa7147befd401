//! The clocks of the server and of the database differ: the server gets another one, and what the
//! database says, by whose clock the shop sells, is an hour ahead of it.

use std::{fs, iter, path::PathBuf, time::Duration};

use super::{
    fault::Fault,
    metrics::{Change, Metric, metric},
    scene::Scene,
    server,
};

/// Almost the hour, in seconds.
const CLOCKS_DIFFER: Metric = metric!(Change::Reaches(3_500.0);
    1.0 * "doorbuster_database_clock_difference_seconds" {}
);

pub const FAULTS: &[Fault] = &[Fault {
    name: "the database's clock is an hour ahead of the server's",
    cause: |scene| Box::pin(set_back(scene)),
    cure: |scene| Box::pin(server::restart(scene)),
    // The difference is measured every ten seconds.
    lasts: Duration::from_secs(3),
    lasts_max: Duration::from_secs(15),
    moves: CLOCKS_DIFFER,
    felt_by: Some(CLOCKS_DIFFER),
    not_here: |_| {
        library()
            .is_none()
            .then_some("libfaketime is not installed")
    },
    ..Fault::NONE
}];

/// The library that gives a process another clock. Debian has it in the folder of the architecture.
fn library() -> Option<PathBuf> {
    let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut libraries = folders
        .chain(iter::once(PathBuf::from("/usr/lib64")))
        .map(|folder| folder.join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.is_file())
}

/// Starts the server again with a clock that is an hour late. Pauses and deadlines are measured by
/// another clock, which stays right.
async fn set_back(scene: &mut Scene) {
    let library = library().expect("it is installed");
    scene.kill_server();
    scene.start_changed_server(|command| {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME", "-1h")
            .env("DONT_FAKE_MONOTONIC", "1");
    });
}
