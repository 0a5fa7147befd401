//! The measured claims: what each strategy sells on one hot product, beside pgbench sending the same statements. `docs/BENCHMARKS.md` says what the
//! figures mean; `./makew bench` runs this.
//!
//! All cells of a round run on one server, each on a fresh database of the same schema, in an order that the seed shuffles anew for each round. What is
//! compared is compared within a round, so that a machine that warms up or slows down meets both sides of a ratio alike.

mod buyers;
mod cell;
mod claims;
mod http;
mod lane;
mod line;
mod memory;
mod options;
mod pgbench;
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

/// Printed as one sentence, exit code 1.
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
    // However it ended: a server of ours ends with us.
    let stopped = server.stop().await;
    result?;
    stopped
}

async fn measure(options: &Options, server: &server::Server) -> Result<(), Failure> {
    let scripts = script::settle(server, options).await?;
    if options.record {
        return Ok(());
    }
    let cells = cell::all(options, &scripts);
    let session = rounds::run(options, server, &cells, &scripts).await?;
    report::write(options, &session)
}
