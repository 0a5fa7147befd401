//! `doorbuster serve`.

use std::process::ExitCode;

use doorbuster::{
    config::{DatabaseSettings, ServeSettings},
    db::{PoolSettings, session_store::DbSessionStore},
    feed::Feed,
    shop::{Shop, administrator::Credential},
    simulation::Engine,
    web::{AppState, ServerParts, rate_limit::RateLimits, serve},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{
    database::OpenDatabase,
    gateway::{self, OpenGateway, OwnProvider},
};
use crate::CommandError;

pub async fn run(
    database: &DatabaseSettings,
    settings: ServeSettings,
) -> Result<ExitCode, CommandError> {
    let sells_by_express = settings.sells_by_express()?;
    // Before the database is opened, so that a second server on the same address fails at once.
    let listener = TcpListener::bind(settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.addr))?;
    let shutdown = cancelled_by_signal()?;
    OpenDatabase::with(database, async |database| {
        database.prepare().await?;
        let db = database.pool(PoolSettings::SHOP).await?;
        let feed = Feed::default();
        let shop = Shop::new(db.clone(), feed.clone()).with_terms(settings.terms.clone());
        // An empty variable, as in a template of .env, is not a password.
        let given = settings
            .admin_password
            .as_deref()
            .filter(|given| !given.is_empty());
        let credential = shop.administrators().ensure_password(given).await?;
        let public_url = settings.public_url(listener.local_addr()?);
        announce(&public_url, &credential);
        let payment_secret = payment_secret(&settings, &shop).await?;
        let gateway = open_gateway(database, &settings, &listener, &payment_secret).await?;
        let shop = shop.with_gateway(gateway.handle());
        let state = AppState::new(ServerParts {
            engine: Engine::new(database.url.clone(), feed).with_gateway(gateway.handle()),
            sessions: DbSessionStore::new(db.clone()),
            limits: RateLimits::new(settings.purchase_rate_per_s).into(),
            stock_watch: Default::default(),
            public_url: public_url.into(),
            secure: settings.is_secure(),
            sells_by_express,
            payment_secret: payment_secret.into(),
            trusted_proxies: settings.trusted_proxies.into(),
            shutdown,
            shop,
        });
        let served = serve(listener, state).await;
        gateway.close().await;
        served?;
        db.close().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn payment_secret(settings: &ServeSettings, shop: &Shop) -> Result<String, CommandError> {
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
fn announce(public_url: &str, credential: &Credential) {
    eprintln!("\n  The shop     {public_url}/");
    eprintln!("  The admin    {public_url}/admin");
    match credential {
        Credential::Generated(password) => {
            eprintln!(
                "  Password     {password}   (generated now, stored as a hash, not shown again)\n"
            );
        }
        Credential::Configured => eprintln!("  Password     as set by ADMIN_PASSWORD\n"),
        Credential::Stored => {
            eprintln!("  Password     unchanged; it was printed at the first start\n")
        }
    }
}

/// Returns a token that SIGTERM or Ctrl-C cancels.
pub fn cancelled_by_signal() -> Result<CancellationToken, CommandError> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; requests in progress can finish");
        token.cancel();
    });
    Ok(shutdown)
}
