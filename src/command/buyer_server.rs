//! `doorbuster buyer-server`: a server that a run starts for its buyers. See
//! `simulation::own_servers`, the only place that starts it.

use std::{io, net::SocketAddr, process::ExitCode};

use clap::Args;
use doorbuster::{
    config::{DatabaseSettings, RedisSettings, open_files},
    db::{Db, PoolSettings, session_store::DbSessionStore},
    feed::Feed,
    shop::{
        Shop,
        inventory::{InjectionPoint, gate::StockGate},
    },
    simulation::{Engine, buyer::ATTEMPT_DEADLINE, own_servers, store},
    web::{
        self, AppState, ConnectionLimits, ServerParts,
        admission::AdmissionLimits,
        rate_limit::RateLimits,
        shared_catalog::{self, SharedCatalog},
    },
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{output, redis::open_gate, signals::StopSignal};
use crate::CommandError;

/// Connections to the server: all of them come from the process of the run.
const CONNECTIONS_MAX: u32 = 2_048;
/// Connections for reads, such as the lane of a buyer.
const READERS_MAX: u32 = 2;

#[derive(Args)]
pub struct Arguments {
    /// Id of the run.
    #[arg(long)]
    run: Uuid,
    /// Number of the server within the run, from 1.
    #[arg(long)]
    server: u32,
    /// Port of 127.0.0.1, which the process of the run has reserved.
    #[arg(long)]
    port: u16,
    /// Maximum concurrent transactions.
    #[arg(long)]
    connections: u32,
    /// Pause between read and write, in milliseconds.
    #[arg(long)]
    race_window_ms: u32,
}

/// Prints the server's URL once it is ready. Ends when its standard input ends, as it does when the
/// process of the run ends.
pub async fn run(
    database: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    let stop = StopSignal::install()?;
    end_with_standard_input(stop.clone());
    let limits = ConnectionLimits::new(CONNECTIONS_MAX, CONNECTIONS_MAX, open_files::raise_limit());
    let listener = own_servers::port::listen(arguments.port)?;
    let address = listener.local_addr()?;
    let url = database.url().unwrap_or_default();
    let Some(db) = stop.unless_requested(connect(url, &arguments)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let db = db?;
    let gate = open_gate(redis, &Shop::new(db.clone(), Feed::default())).await?;
    let state = state(url, &db, gate, &arguments, address, stop.token());
    output::print(&format!("http://{address}\n"))?;
    web::serve_buyers(listener, state, limits).await;
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Requests the stop when standard input ends. It is read on a thread, because nothing can
/// interrupt the read.
fn end_with_standard_input(stop: StopSignal) {
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        stop.request();
    });
}

/// Opens every connection before the first buyer arrives.
async fn connect(url: &str, arguments: &Arguments) -> Result<Db, CommandError> {
    let settings = PoolSettings {
        transactions_max: arguments.connections,
        readers_max: READERS_MAX,
        ..PoolSettings::SIMULATION
    };
    let name = store::server_session_name(arguments.run, arguments.server);
    let db = Db::connect_as(url, settings, &name).await?;
    db.warm_up().await?;
    Ok(db)
}

/// The state of a server that only sells to the buyers of its run.
fn state(
    url: &str,
    db: &Db,
    gate: Option<StockGate>,
    arguments: &Arguments,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> AppState {
    let feed = Feed::default();
    let shop = Shop::new(db.clone(), feed.clone())
        .with_deadline(ATTEMPT_DEADLINE)
        .with_gate(gate)
        .with_injection_point(InjectionPoint::from_ms(arguments.race_window_ms));
    AppState::new(ServerParts {
        engine: Engine::new(url.to_owned(), feed),
        sessions: DbSessionStore::new(db.clone()),
        limits: RateLimits::new(None).into(),
        admission: AdmissionLimits::unlimited(),
        streams_max: u64::MAX,
        stock_watch: Default::default(),
        retention: Default::default(),
        health: Default::default(),
        traces: None,
        live: Default::default(),
        stored_runs: Default::default(),
        notices_url: url.into(),
        catalog: SharedCatalog::new(shop.clone(), shared_catalog::MAX_AGE),
        // There are no audits here.
        audit_db: db.clone(),
        audit_hour: 0,
        public_url: format!("http://{address}").into(),
        listens_on: address,
        secure: false,
        // A stranger who finds the port buys nothing.
        sells_by_express: false,
        // There are no webhooks and no forms here: nothing is signed.
        payment_secret: Uuid::new_v4().to_string().into(),
        trusted_proxies: Vec::new().into(),
        unlisted_proxies: Default::default(),
        failure_log: Default::default(),
        shutdown,
        shop,
    })
}
