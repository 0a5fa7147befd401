//! `doorbuster provider`.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use doorbuster::{
    config::{DatabaseSettings, WrongSetting},
    model::DatabaseEngine,
    payment::{
        provider::{self, ProviderSettings},
        provider_process::SECRET_VARIABLE,
    },
};
use tokio::net::TcpListener;
use url::Url;

use super::{output, signals::StopSignal};
use crate::CommandError;

#[derive(Args)]
pub struct Arguments {
    /// Address to listen on; port 0 selects a free port. Prints the provider's URL once it listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// URL for webhooks. Default: webhooks are stored, not sent.
    #[arg(long)]
    webhook_url: Option<Url>,
    /// Duration of a charge or a refund, in milliseconds.
    #[arg(long, default_value_t = provider::LATENCY_MS, value_parser = clap::value_parser!(u64).range(0..=provider::LATENCY_MS_MAX))]
    latency_ms: u64,
    /// Stop after this many seconds without requests and pending work. Default: never.
    #[arg(long)]
    exit_when_idle_s: Option<u32>,
}

pub async fn run(
    database: &DatabaseSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    let database_url = database.database_url.as_deref();
    let settings = ProviderSettings {
        database_url: required(database_url, "DATABASE_URL")?,
        secret: required(
            std::env::var(SECRET_VARIABLE).ok().as_deref(),
            SECRET_VARIABLE,
        )?,
        webhook_url: arguments.webhook_url,
        latency: Duration::from_millis(arguments.latency_ms),
        exit_when_idle: arguments
            .exit_when_idle_s
            .map(|idle_s| Duration::from_secs(idle_s.into())),
    };
    DatabaseEngine::of_url(&settings.database_url)?;
    let stop = StopSignal::install()?;
    let listener = TcpListener::bind(arguments.addr)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.addr))?;
    output::print(&format!("http://{}\n", listener.local_addr()?))?;
    provider::serve(listener, settings, stop.token()).await?;
    Ok(ExitCode::SUCCESS)
}

fn required(value: Option<&str>, name: &str) -> Result<String, WrongSetting> {
    match value {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(WrongSetting::new(format!(
            "set the environment variable {name} for the payment provider"
        ))),
    }
}
