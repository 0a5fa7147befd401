//! The command line. Standard output carries only a command's result; logs, progress and the printed password go to standard error.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use doorbuster::{
    config::{DatabaseSettings, ServeSettings},
    telemetry,
};

mod command {
    pub mod audit;
    pub mod database;
    pub mod migrate;
    pub mod provider;
    pub mod seed;
    pub mod serve;
    pub mod simulate;
    pub mod sweep;
    pub mod till;
}

/// A flash-sale storefront that never oversells, and a workbench that shows why.
#[derive(Parser)]
#[command(name = "doorbuster", version)]
struct Cli {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    serve: ServeSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Creates and migrates the database, seeds an empty shop, and serves it (the default).
    Serve(ServeSettings),
    /// Changes or shows the schema.
    Migrate(command::migrate::Arguments),
    /// Fills an empty shop with the catalogue.
    Seed,
    /// Runs one simulated flash sale on a private lane and prints the verdict.
    Simulate(command::simulate::Arguments),
    /// Runs strategies × buyers × stock and writes a report.
    Sweep(command::sweep::Arguments),
    /// Runs the simulated payment provider; `serve` does so by itself.
    Provider(command::provider::Arguments),
    /// Checks that stock, orders and ledger agree.
    Audit(command::audit::Arguments),
}

/// What a command fails with: printed as one sentence, exit code 1.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Exit code when an invariant or a rule of the audit is broken.
pub const EXIT_BROKEN: u8 = 3;
/// Exit code for wrong usage, as clap has it.
pub const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Before anything reads the environment, and while there is one thread only.
    let dotenv = dotenvy::dotenv();
    let cli = Cli::parse();
    telemetry::init(!matches!(&cli.command, None | Some(Command::Serve(_))));
    if let Err(error) = dotenv
        && !error.not_found()
    {
        tracing::warn!(%error, "the file .env was not read to its end");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let database = cli.database;
    match cli.command {
        None => command::serve::run(&database, cli.serve).await,
        Some(Command::Serve(settings)) => command::serve::run(&database, settings).await,
        Some(Command::Migrate(arguments)) => command::migrate::run(&database, arguments).await,
        Some(Command::Seed) => command::seed::run(&database).await,
        Some(Command::Simulate(arguments)) => command::simulate::run(&database, arguments).await,
        Some(Command::Sweep(arguments)) => command::sweep::run(&database, arguments).await,
        Some(Command::Provider(arguments)) => command::provider::run(&database, arguments).await,
        Some(Command::Audit(arguments)) => command::audit::run(&database, arguments).await,
    }
}

fn failed(error: &Failure) -> ExitCode {
    eprintln!("doorbuster: {}", doorbuster::db::txn::Chain(&**error));
    ExitCode::FAILURE
}
