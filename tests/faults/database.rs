//! Faults of the database's server and of its sessions.

use std::time::{Duration, Instant};

use doorbuster::db::engine::Engine;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use sea_orm::sqlx::{Connection, MySqlConnection, PgConnection};
use url::Url;

use super::{
    clients::generator,
    fault::{Fault, needs_processes},
    metrics::{Change, Metric, metric},
    scene::Scene,
};
use crate::support::{
    PATIENCE,
    database::ByHand,
    sessions::{self, Session},
    within,
};

/// Longer than any request may take.
const LONGER_THAN_A_REQUEST: Duration = Duration::from_secs(6);
const BETWEEN_ENDS: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(10);
/// So many sessions are stopped at once.
const STOPPED: usize = 3;
/// The most connections of MariaDB during the fault: more than the shop has.
const CONNECTIONS_MAX: u32 = 60;
/// Those that `scripts/engines.sh` sets.
const CONNECTIONS_USUAL: u32 = 1_000;

/// The database accepts no further connection.
const NO_CONNECTIONS: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_transaction_rollbacks_total" { "sqlstate": "53300" }
    1.0 * "doorbuster_breaker_openings_total" { "breaker": "database" }
);

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "database: killed, and restarted at once",
        cause: |scene| Box::pin(kill_server(scene)),
        cure: |scene| Box::pin(restart_server(scene)),
        lasts: Duration::ZERO,
        moves: Metric::DATABASE_BREAKER,
        ..Fault::NONE
    },
    Fault {
        name: "database: stopped (SIGSTOP)",
        cause: |scene| Box::pin(stop_server(scene)),
        lasts: LONGER_THAN_A_REQUEST,
        moves: Metric::DATABASE_BREAKER,
        ..Fault::NONE
    },
    Fault {
        name: "database: sessions terminated",
        cause: |scene| Box::pin(end_sessions(scene)),
        moves: Metric::LOST_CONNECTIONS,
        ..Fault::NONE
    },
    Fault {
        name: "database: a backend killed (SIGKILL)",
        cause: |scene| Box::pin(kill_backend(scene)),
        cure: |scene| Box::pin(until_recovered(scene)),
        lasts: Duration::ZERO,
        moves: Metric::LOST_CONNECTIONS,
        not_here: needs_processes,
        ..Fault::NONE
    },
    Fault {
        name: "database: backends stopped (SIGSTOP)",
        cause: |scene| Box::pin(stop_backends(scene)),
        lasts: LONGER_THAN_A_REQUEST,
        moves: Metric::MISSED_DEADLINES,
        not_here: needs_processes,
        ..Fault::NONE
    },
    Fault {
        name: "database: max_connections exhausted",
        cause: |scene| Box::pin(take_all_connections(scene)),
        cure: |scene| Box::pin(give_connections_back(scene)),
        lasts: LONGER_THAN_A_REQUEST,
        moves: NO_CONNECTIONS,
        ..Fault::NONE
    },
];

async fn kill_server(scene: &mut Scene) {
    scene.database.kill().await;
}

async fn restart_server(scene: &mut Scene) {
    scene.database.restart().await;
}

async fn stop_server(scene: &mut Scene) {
    for process in scene.database.processes() {
        scene.held.stop(process);
    }
}

/// True for a session of the shop's server or of its provider, and not of this process.
fn is_of_shop(session: &Session) -> bool {
    !session.name.starts_with("doorbuster test")
}

/// Terminates the session of a transaction again and again.
async fn end_sessions(scene: &mut Scene) {
    let (by_hand, random) = (scene.by_hand().await, generator(0, 0));
    scene
        .held
        .tasks
        .spawn(end_one_after_another(by_hand, random));
}

async fn end_one_after_another(by_hand: ByHand, mut random: ChaCha12Rng) {
    loop {
        let mut sessions = sessions::all(&by_hand).await;
        sessions.retain(|session| session.is_in_transaction && is_of_shop(session));
        if !sessions.is_empty() {
            let chosen = random.random_range(0..sessions.len());
            // It may have ended meanwhile.
            sessions::try_end(&by_hand, sessions[chosen].id).await.ok();
        }
        tokio::time::sleep(BETWEEN_ENDS).await;
    }
}

/// Waits until some of the shop's transactions are between two statements, and returns their
/// processes, at most `count`.
async fn backends_in_transactions(scene: &Scene, count: usize) -> Vec<Pid> {
    let by_hand = scene.by_hand().await;
    within(PATIENCE, "a session in a transaction", async {
        loop {
            let mut sessions = sessions::all(&by_hand).await;
            sessions.retain(|session| {
                let is_waiting = session.is_in_transaction && !session.is_active;
                is_waiting && session.name.starts_with("doorbuster shop")
            });
            if !sessions.is_empty() {
                let pids = sessions.iter().map(|session| Pid::from_raw(session.pid()));
                return pids.take(count).collect();
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}

/// The server ends all other sessions then, and recovers.
async fn kill_backend(scene: &mut Scene) {
    for process in backends_in_transactions(scene, 1).await {
        kill(process, Signal::SIGKILL).ok();
    }
}

async fn until_recovered(scene: &mut Scene) {
    let url = scene.database.url();
    within(PATIENCE, "the recovery", async {
        while PgConnection::connect(url).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

async fn stop_backends(scene: &mut Scene) {
    for process in backends_in_transactions(scene, STOPPED).await {
        scene.held.stop(process);
    }
}

/// Takes all connections that are free, ends the shop's sessions, and takes theirs.
async fn take_all_connections(scene: &mut Scene) {
    let by_hand = scene.by_hand().await;
    let engine = by_hand.engine();
    if engine == Engine::MySql {
        set_connections_max(&by_hand, CONNECTIONS_MAX).await;
    }
    let url = maintenance_url(scene.database.url(), engine);
    take_connections(scene, &url, engine).await;
    let begin = Instant::now();
    // The shop connects again in between.
    while begin.elapsed() < Duration::from_secs(1) {
        let mut sessions = sessions::all(&by_hand).await;
        sessions.retain(is_of_shop);
        for session in sessions {
            sessions::try_end(&by_hand, session.id).await.ok();
        }
        take_connections(scene, &url, engine).await;
    }
    // The cure needs it.
    scene.held.transactions.push(by_hand);
}

/// Opens connections until the server accepts no more.
async fn take_connections(scene: &mut Scene, url: &str, engine: Engine) {
    loop {
        let connections = &mut scene.held.connections;
        match engine {
            Engine::Postgres => match PgConnection::connect(url).await {
                Ok(connection) => connections.push(Box::new(connection)),
                Err(_) => return,
            },
            Engine::MySql => match MySqlConnection::connect(url).await {
                Ok(connection) => connections.push(Box::new(connection)),
                Err(_) => return,
            },
        }
    }
}

async fn give_connections_back(scene: &mut Scene) {
    if scene.engine() == Engine::MySql {
        let by_hand = scene.held.transactions.first();
        let by_hand = by_hand.expect("the cause has opened it");
        set_connections_max(by_hand, CONNECTIONS_USUAL).await;
    }
    scene.release().await;
}

async fn set_connections_max(by_hand: &ByHand, connections: u32) {
    let sql = format!("SET GLOBAL max_connections = {connections}");
    by_hand.run(&sql).await;
}

/// The URL of a database in which no session of the shop is.
fn maintenance_url(url: &str, engine: Engine) -> String {
    let mut url = Url::parse(url).expect("a URL");
    url.set_path(match engine {
        Engine::Postgres => "postgres",
        Engine::MySql => "/",
    });
    url.into()
}
