//! `doorbuster serve`.

use std::{net::SocketAddr, num::NonZeroU32, process::ExitCode, sync::Arc};

use doorbuster::{
    config::{DatabaseSettings, RedisSettings, ServeSettings, WrongSetting, open_files},
    db::{Db, PoolSettings, session_store::DbSessionStore},
    feed::Feed,
    metrics::TraceMetrics,
    shop::{Shop, administrator::Credential},
    simulation::Engine,
    telemetry::Traces,
    web::{
        self, AppState, ConnectionLimits, ServerParts,
        admission::AdmissionLimits,
        rate_limit::RateLimits,
        shared_catalog::{self, SharedCatalog},
    },
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{
    database::OpenDatabase,
    gateway::{self, OpenGateway, OwnProvider},
    output,
    redis::open_gate,
    signals::StopSignal,
};
use crate::CommandError;

pub async fn run(
    database: &DatabaseSettings,
    redis: &RedisSettings,
    settings: ServeSettings,
    traces: Option<Traces>,
) -> Result<ExitCode, CommandError> {
    let stop = StopSignal::install()?;
    settings.sells_by_express()?;
    settings.check_direct_url()?;
    redis.url()?;
    let strategy = settings.terms.strategy;
    if strategy.row().needs_redis && !redis.is_set() {
        return Err(WrongSetting::new(strategy.needs_redis().to_string()).into());
    }
    // Before the database is opened, so that a second server on the same address fails at once.
    let listener = TcpListener::bind(settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.addr))?;
    let metrics_listener = match settings.metrics_addr {
        Some(address) => Some(listen_for_metrics(address).await?),
        None => None,
    };
    let Some(opened) = stop.unless_requested(OpenDatabase::open(database)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let database = opened?.supervised();
    let listeners = Listeners {
        shop: listener,
        metrics: metrics_listener,
    };
    let trace_metrics = traces.as_ref().map(Traces::metrics);
    let served = serve(&database, redis, settings, listeners, trace_metrics, &stop).await;
    let finish_traces = async {
        if let Some(traces) = traces {
            traces.finish_within(stop.time_left()).await;
        }
    };
    let (closed, ()) = tokio::join!(database.close_within(stop.time_left()), finish_traces);
    served?;
    closed?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The addresses on which the server listens.
struct Listeners {
    shop: TcpListener,
    metrics: Option<TcpListener>,
}

async fn listen_for_metrics(address: SocketAddr) -> Result<TcpListener, CommandError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on METRICS_ADDR {address}: {error}"))?;
    let address = listener.local_addr()?;
    tracing::info!("metrics are at http://{address}/metrics");
    Ok(listener)
}

/// Serves until the stop is requested, or until the embedded database is lost.
async fn serve(
    database: &OpenDatabase,
    redis: &RedisSettings,
    settings: ServeSettings,
    listeners: Listeners,
    traces: Option<Arc<TraceMetrics>>,
    stop: &StopSignal,
) -> Result<(), CommandError> {
    let limits = connection_limits(&settings);
    let shop = &listeners.shop;
    let streams_max = limits.streams_max();
    let start = start(database, redis, settings, shop, traces, streams_max, stop);
    let start = stop.unless_requested(start);
    let started = tokio::select! {
        started = start => started,
        lost = database.lost() => return Err(lost),
    };
    let Some(started) = started else {
        return Ok(());
    };
    let Started {
        state,
        gateway,
        db,
        audit_db,
    } = started?;
    let _metrics = listeners.metrics.map(|listener| {
        let serving = web::serve_metrics(listener, state.clone());
        AbortOnDropHandle::new(tokio::spawn(serving))
    });
    let mut serving = std::pin::pin!(web::serve(listeners.shop, state, limits));
    let (served, lost) = tokio::select! {
        served = &mut serving => (served, None),
        lost = database.lost() => {
            stop.request();
            (serving.await, Some(lost))
        }
    };
    tokio::join!(gateway.close(), db.close(), audit_db.close());
    match lost {
        Some(lost) => Err(lost),
        None => Ok(served?),
    }
}

/// A server that is ready to serve.
struct Started {
    state: AppState,
    gateway: OpenGateway,
    db: Db,
    audit_db: Db,
}

async fn start(
    database: &OpenDatabase,
    redis: &RedisSettings,
    settings: ServeSettings,
    listener: &TcpListener,
    traces: Option<Arc<TraceMetrics>>,
    streams_max: u64,
    stop: &StopSignal,
) -> Result<Started, CommandError> {
    database.prepare().await?;
    let db = database.pool(PoolSettings::SHOP).await?;
    let audit_db = database.pool(PoolSettings::AUDIT).await?;
    let audit_db = audit_db.measured_with(&db);
    let feed = Feed::default();
    let shop = Shop::new(db.clone(), feed.clone()).with_terms(settings.terms.clone());
    let gate = open_gate(redis, &shop).await?;
    let shop = shop.with_gate(gate.clone());
    // An empty variable, as in a template of .env, is not a password.
    let given = settings
        .admin_password
        .as_deref()
        .filter(|given| !given.is_empty());
    let credential = shop.administrators().ensure_password(given).await?;
    let bound = listener.local_addr()?;
    let public_url = settings.public_url(bound);
    announce(&public_url, bound, &credential);
    let payment_secret = payment_secret(&settings, &shop).await?;
    let gateway = open_gateway(database, &settings, listener, &payment_secret).await?;
    let shop = shop.with_gateway(gateway.guarded());
    let state = AppState::new(ServerParts {
        engine: Engine::new(database.url.clone(), feed)
            .with_gateway(gateway.unguarded())
            .with_gate(gate)
            .with_nodes(database.nodes.clone()),
        sessions: DbSessionStore::new(db.clone()),
        limits: RateLimits::new(settings.purchase_rate_per_s)
            .with_new_carts_per_minute(NonZeroU32::new(settings.new_carts_per_minute))
            .into(),
        admission: AdmissionLimits::of_server(),
        streams_max,
        stock_watch: Default::default(),
        stored_runs: Default::default(),
        notices_url: settings.notices_url(&database.url).into(),
        retention: Default::default(),
        health: Default::default(),
        traces,
        live: Default::default(),
        catalog: SharedCatalog::new(shop.clone(), shared_catalog::MAX_AGE),
        audit_db: audit_db.clone(),
        audit_hour: settings.audit_hour_utc,
        public_url: public_url.into(),
        listens_on: listener.local_addr()?,
        secure: settings.is_secure(),
        sells_by_express: settings.sells_by_express()?,
        payment_secret: payment_secret.into(),
        trusted_proxies: settings.trusted_proxies.into(),
        unlisted_proxies: Default::default(),
        failure_log: Default::default(),
        shutdown: stop.token(),
        shop,
    });
    Ok(Started {
        state,
        gateway,
        db,
        audit_db,
    })
}

/// Returns the limits of connections, after raising the limit of open files.
fn connection_limits(settings: &ServeSettings) -> ConnectionLimits {
    let limits = ConnectionLimits::new(
        settings.connections_max,
        settings.connections_per_address_max,
        open_files::raise_limit(),
    );
    tracing::info!(
        all = limits.all,
        per_address = limits.per_address,
        "limits of open connections"
    );
    limits
}

/// Returns the secret that shop and provider share.
pub async fn payment_secret(settings: &ServeSettings, shop: &Shop) -> Result<String, CommandError> {
    let given = settings.payment_secret.as_deref();
    match given.filter(|given| !given.is_empty()) {
        Some(given) => Ok(given.to_owned()),
        None => Ok(shop.operation().payment_secret().await?),
    }
}

async fn open_gateway(
    database: &OpenDatabase,
    settings: &ServeSettings,
    listener: &TcpListener,
    secret: &str,
) -> Result<OpenGateway, CommandError> {
    if let Some(url) = &settings.payment_provider_url {
        return OpenGateway::connect(url.clone(), secret);
    }
    let own = OwnProvider {
        database_url: database.url.clone(),
        data: database.data.clone(),
        webhook_url: Some(gateway::webhook_url(listener.local_addr()?)?),
    };
    OpenGateway::open(own, secret).await
}

/// Prints the URLs and the password state to standard error. A generated password is printed only
/// here, once.
fn announce(public_url: &str, bound: SocketAddr, credential: &Credential) {
    let password = match credential {
        Credential::Generated(password) => {
            format!("{password}   (generated now, stored as a hash, not shown again)")
        }
        Credential::Configured => "as set by ADMIN_PASSWORD".to_owned(),
        Credential::Stored => "unchanged; it was printed at the first start".to_owned(),
    };
    output::note(format_args!(
        "\n  The shop     {public_url}/\n  The admin    {public_url}/admin\n  Listens at   http://{bound}/\n  Password     {password}\n"
    ));
}
