//! `doorbuster provider`.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use doorbuster::{
    config::DatabaseSettings,
    payment::{
        provider::{self, ProviderSettings},
        provider_process::SECRET_VARIABLE,
    },
};
use tokio::net::TcpListener;
use url::Url;

use super::serve::cancelled_by_signal;
use crate::Failure;

#[derive(Args)]
pub struct Arguments {
    /// Address to listen on; with port 0 any free one. The provider's URL is printed once it listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// Where webhooks go. Unset: they are kept.
    #[arg(long)]
    webhook_url: Option<Url>,
    /// How long a charge or a refund takes, in milliseconds.
    #[arg(long, default_value_t = provider::LATENCY_MS, value_parser = clap::value_parser!(u64).range(0..=provider::LATENCY_MS_MAX))]
    latency_ms: u64,
    /// Stop when nobody has asked anything for so many seconds and nothing is left to do. Unset: never.
    #[arg(long)]
    exit_when_idle_s: Option<u32>,
}

pub async fn run(database: &DatabaseSettings, arguments: Arguments) -> Result<ExitCode, Failure> {
    let database_url = database.database_url.as_deref();
    let settings = ProviderSettings {
        database_url: given(database_url, "DATABASE_URL")?,
        secret: given(
            std::env::var(SECRET_VARIABLE).ok().as_deref(),
            SECRET_VARIABLE,
        )?,
        webhook_url: arguments.webhook_url,
        latency: Duration::from_millis(arguments.latency_ms),
        exit_when_idle: arguments
            .exit_when_idle_s
            .map(|idle_s| Duration::from_secs(idle_s.into())),
    };
    let shutdown = cancelled_by_signal()?;
    let listener = TcpListener::bind(arguments.addr)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}", arguments.addr))?;
    println!("http://{}", listener.local_addr()?);
    provider::serve(listener, settings, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

fn given(value: Option<&str>, name: &str) -> Result<String, Failure> {
    match value {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(format!("the payment provider needs {name} in its environment").into()),
    }
}
