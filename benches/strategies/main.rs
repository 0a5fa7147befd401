//! Measures how many orders of one hot product each strategy sells per second, and compares them
//! with pgbench sending the same statements; or, with `--engine`, compares another engine with
//! PostgreSQL. `docs/BENCHMARKS.md` explains the figures; `./makew bench` runs this benchmark.
//!
//! All cells of a round run on one server, each on a fresh database of the same schema, in an order
//! that is reshuffled for each round from the seed. Ratios are computed within a round, so that a
//! machine that warms up or slows down affects both sides of a ratio equally.

mod buyers;
mod cell;
mod claims;
mod engines;
mod http;
mod lane;
mod memory;
mod options;
mod order_times;
mod output;
mod pgbench;
mod proxy;
mod recorder;
mod redis;
mod redis_table;
mod report;
mod rounds;
mod script;
mod strategies_table;
mod window;

#[path = "../support/connection.rs"]
mod connection;
#[path = "../support/folders.rs"]
mod folders;
#[path = "../support/fresh_database.rs"]
mod fresh_database;
#[path = "../support/interruption.rs"]
mod interruption;
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/mariadb.rs"]
mod mariadb;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/statistics.rs"]
mod statistics;

use std::process::ExitCode;

use clap::Parser;
use doorbuster::db::engine::Engine;

use self::{
    interruption::interruption,
    options::{Options, OtherEngine},
    server::Server,
};

/// An error that ends the benchmark: printed as one sentence, with exit code 1.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&options)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    match options.engine {
        Some(OtherEngine::MariaDb) => engines::run(options).await,
        None => run_on_postgres(options).await,
    }
}

async fn run_on_postgres(options: &Options) -> Result<(), Failure> {
    let server = Server::start(Engine::Postgres).await?;
    let measured = tokio::select! {
        measured = measure(options, &server) => measured,
        interrupted = interruption() => interrupted,
    };
    // Stop an embedded server even if the measurement failed.
    let stopped = server.stop().await;
    measured?;
    stopped
}

async fn measure(options: &Options, server: &Server) -> Result<(), Failure> {
    let scripts = script::check_or_record(server, options).await?;
    if options.record {
        return Ok(());
    }
    let groups: Vec<_> = cell::all(options, &scripts)
        .into_iter()
        .map(|cell| vec![cell])
        .collect();
    let facts = server.facts().await?;
    let session = rounds::run(options, &groups, async |cell: cell::Cell| {
        cell.measure(options, server, &scripts).await
    })
    .await;
    report::write(options, &facts, &session)
}
