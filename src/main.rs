//! The command line. Standard output contains only a command's result; logs, progress and the
//! generated password go to standard error.

// Both panic if the stream is closed or full; `command::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use doorbuster::{
    config::{DatabaseSettings, RedisSettings, ServeSettings, WrongSetting},
    db::connect::ConnectError,
    telemetry::{self, Traces, TracesError},
};

mod command {
    pub mod audit;
    pub mod buyer_server;
    pub mod database;
    pub mod gateway;
    pub mod interrupt;
    pub mod migrate;
    pub mod output;
    pub mod preflight;
    pub mod provider;
    pub mod redis;
    pub mod sale;
    pub mod seed;
    pub mod serve;
    pub mod signals;
    pub mod simulate;
    pub mod sweep;
}

/// A flash-sale storefront that never oversells, and a workbench for race conditions.
#[derive(Parser)]
#[command(name = "doorbuster", version)]
struct Cli {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    redis: RedisSettings,
    #[command(flatten)]
    serve: ServeSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Creates and migrates the database, seeds an empty shop, and starts the server (default).
    Serve(Box<ServeSettings>),
    /// Applies or reverts migrations, or lists them.
    Migrate(command::migrate::Arguments),
    /// Adds the sample catalogue to an empty shop.
    Seed,
    /// Runs a simulated flash sale on private lanes and prints the verdict.
    Simulate(command::simulate::Arguments),
    /// Runs every combination of strategies, buyers and stock, and writes a report.
    Sweep(command::sweep::Arguments),
    /// Runs the simulated payment provider; `serve` starts it automatically.
    Provider(command::provider::Arguments),
    /// Checks that stock, orders and ledger are consistent.
    Audit(command::audit::Arguments),
    /// Sells to the buyers of a run, which starts this command itself.
    #[command(name = doorbuster::simulation::own_servers::SUBCOMMAND, hide = true)]
    BuyerServer(command::buyer_server::Arguments),
    /// Plans, opens and ends the sale of a product, or lists all sales.
    Sale(command::sale::Arguments),
    /// Checks before a sale whether the shop is ready for it.
    Preflight(command::preflight::Arguments),
    /// Seeds, inspects and reconciles the gates in Redis.
    Redis(command::redis::Arguments),
}

/// A command's error: printed as one sentence. The exit code is 2 for a setting that cannot be
/// used, otherwise 1.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

/// The exit code if an invariant or an audit rule is violated.
pub const EXIT_BROKEN: u8 = 3;
/// The exit code for wrong usage and wrong settings, the same as clap's. Under systemd, it means
/// that another start does not help (`ops/doorbuster.service`).
pub const EXIT_USAGE: u8 = 2;

/// How long the runtime waits at the end for work on its threads.
const SHUTDOWN_MAX: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    // Before anything reads the environment, and while the process has only one thread.
    let dotenv = dotenvy::dotenv();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => return print_usage(&message),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let serves = match &cli.command {
        None => Some(&cli.serve),
        Some(Command::Serve(settings)) => Some(settings.as_ref()),
        Some(_) => None,
    };
    let traces = match serves {
        Some(settings) => {
            let _runtime = runtime.enter();
            Traces::start(&settings.traces)
        }
        None => Ok(None),
    };
    let traces = match traces {
        Ok(traces) => traces,
        Err(error) => return failed(&error.into()),
    };
    telemetry::init(serves.is_none(), traces.as_ref());
    if let Err(error) = dotenv
        && !error.not_found()
    {
        tracing::warn!(%error, "the file .env could not be read completely");
    }
    let result = runtime.block_on(run(cli, traces));
    // A lookup of the database's host name, which nothing can interrupt, may take minutes.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    match result {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli, traces: Option<Traces>) -> Result<ExitCode, CommandError> {
    let (database, redis) = (cli.database, cli.redis);
    match cli.command {
        None => command::serve::run(&database, &redis, cli.serve, traces).await,
        Some(Command::Serve(settings)) => {
            command::serve::run(&database, &redis, *settings, traces).await
        }
        Some(Command::Migrate(arguments)) => command::migrate::run(&database, arguments).await,
        Some(Command::Seed) => command::seed::run(&database).await,
        Some(Command::Simulate(arguments)) => {
            command::simulate::run(&database, &redis, arguments).await
        }
        Some(Command::Sweep(arguments)) => command::sweep::run(&database, &redis, arguments).await,
        Some(Command::Provider(arguments)) => command::provider::run(&database, arguments).await,
        Some(Command::BuyerServer(arguments)) => {
            command::buyer_server::run(&database, &redis, arguments).await
        }
        Some(Command::Audit(arguments)) => command::audit::run(&database, &redis, arguments).await,
        Some(Command::Sale(arguments)) => command::sale::run(&database, arguments).await,
        Some(Command::Preflight(arguments)) => {
            command::preflight::run(&database, &redis, &cli.serve, arguments).await
        }
        Some(Command::Redis(arguments)) => command::redis::run(&database, &redis, arguments).await,
    }
}

/// Prints clap's message: the help, the version, or what is wrong with the arguments.
fn print_usage(message: &clap::Error) -> ExitCode {
    let printed = command::output::unless_closed(message.print());
    match printed {
        Err(error) if !message.use_stderr() => failed(&error),
        _ => ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(EXIT_USAGE)),
    }
}

fn failed(error: &CommandError) -> ExitCode {
    let chain = doorbuster::db::txn::ErrorChain(&**error);
    command::output::note(format_args!("doorbuster: {chain}"));
    if is_wrong_setting(error) {
        ExitCode::from(EXIT_USAGE)
    } else {
        ExitCode::FAILURE
    }
}

fn is_wrong_setting(error: &CommandError) -> bool {
    let is_url = |error: &ConnectError| matches!(error, ConnectError::Url(_));
    let is_of_traces = |error: &TracesError| matches!(error, TracesError::Setting(_));
    error.is::<WrongSetting>()
        || error.downcast_ref().is_some_and(is_url)
        || error.downcast_ref().is_some_and(is_of_traces)
}
