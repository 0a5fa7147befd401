//! Measures how many orders of one hot product each strategy sells per second, and compares them
//! with pgbench sending the same statements. `docs/BENCHMARKS.md` explains the figures;
//! `./makew bench` runs this benchmark.
//!
//! All cells of a round run on one server, each on a fresh database of the same schema, in an order
//! that is reshuffled for each round from the seed. Ratios are computed within a round, so that a
//! machine that warms up or slows down affects both sides of a ratio equally.

mod buyers;
mod cell;
mod claims;
mod http;
mod lane;
mod machine;
mod memory;
mod options;
mod pgbench;
mod proxy;
mod recorder;
mod report;
mod rounds;
mod script;
mod server;
mod statistics;
mod strategies_table;

use std::process::ExitCode;

use clap::Parser;
use options::Options;

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
    let server = server::Server::start().await?;
    let result = measure(options, &server).await;
    // Stop an embedded server even if the measurement failed.
    let stopped = server.stop().await;
    result?;
    stopped
}

async fn measure(options: &Options, server: &server::Server) -> Result<(), Failure> {
    let scripts = script::check_or_record(server, options).await?;
    if options.record {
        return Ok(());
    }
    let cells = cell::all(options, &scripts);
    let session = rounds::run(options, server, &cells, &scripts).await?;
    report::write(options, &session)
}
