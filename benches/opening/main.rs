//! Measures the start of a sale that thousands of open pages wait for, beside a shop that has no
//! visitors. `docs/BENCHMARKS.md` explains the figures; `./makew bench opening` runs this
//! benchmark.
//!
//! Each page is its stream, as a browser holds it open. A page sends no request at the start; the
//! browser tests check that. So the requests that the start causes are the streams that broke and
//! would be opened again, and its traffic is what the server sends on the others.

mod purchases;
mod sale;
mod streams;

#[path = "../support/connection.rs"]
mod connection;
#[path = "../support/folders.rs"]
mod folders;
#[expect(dead_code, reason = "the benchmark of strategies uses the rest")]
#[path = "../support/fresh_database.rs"]
mod fresh_database;
#[path = "../support/mariadb.rs"]
mod mariadb;
#[path = "../support/program.rs"]
mod program;
#[expect(dead_code, reason = "the benchmark of strategies uses the rest")]
#[path = "../support/server.rs"]
mod server;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use doorbuster::{config::open_files, db::engine::Engine};

use self::{
    fresh_database::FreshDatabase,
    program::Program,
    purchases::Latencies,
    sale::Sale,
    server::Server,
    streams::{Counts, Streams},
};

/// An error that ends the benchmark: printed as one sentence, with exit code 1.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The most that the 99th percentile of the opening may be of the quiet shop's.
const RATIO_MAX: f64 = 3.0;
/// Open files for everything other than streams.
const OTHER_FILES: u64 = 512;
/// The traffic of a start is counted from this long before it until this long after it.
const AROUND: Duration = Duration::from_secs(2);

/// Opens a sale under thousands of open pages, on an embedded PostgreSQL or on DATABASE_URL's
/// server.
#[derive(Clone, Debug, Parser)]
#[command(name = "./makew bench opening", bin_name = "./makew bench opening")]
struct Options {
    /// Open pages.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pages: u32,

    /// Buyers who buy from the start on, each as soon as the last purchase was answered.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    buyers: u32,

    /// Purchases whose latency is measured, from the first one on.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    purchases: u32,

    /// Number of rounds; each measures both shops, in an order that alternates.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

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
            eprintln!("opening: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let open_files = open_files::raise_limit();
    if open_files < u64::from(options.pages) + OTHER_FILES {
        return Err(format!(
            "this process may open {open_files} files: too few for {} pages; use fewer",
            options.pages
        )
        .into());
    }
    let server = Server::start(Engine::Postgres).await?;
    let result = measure(options, &server).await;
    // Stop an embedded server even if the measurement failed.
    let stopped = server.stop().await;
    result?;
    stopped
}

/// The figures of one round.
struct Round {
    quiet: Latencies,
    opening: Latencies,
    /// What the start of a sale without buyers sent to the pages.
    start: Counts,
}

async fn measure(options: &Options, server: &Server) -> Result<(), Failure> {
    let mut rounds = Vec::new();
    for number in 0..options.rounds {
        let (quiet, opening);
        if number % 2 == 0 {
            quiet = measure_quiet(options, server).await?;
            opening = measure_opening(options, server).await?;
        } else {
            opening = measure_opening(options, server).await?;
            quiet = measure_quiet(options, server).await?;
        }
        let round = Round {
            quiet,
            opening: opening.0,
            start: opening.1,
        };
        println!("{}", describe(number + 1, &round));
        rounds.push(round);
    }
    conclude(options, &rounds)
}

/// Buys in a shop without visitors.
async fn measure_quiet(options: &Options, server: &Server) -> Result<Latencies, Failure> {
    let database = server.fresh().await?;
    let program = start_program(&database, options.pages).await?;
    let sale = Sale::prepare(&database, options.purchases, Duration::from_secs(2)).await?;
    let latencies = purchases::buy(&program, options.buyers, options.purchases, &sale).await?;
    finish(server, program, &database, &latencies).await?;
    Ok(latencies)
}

/// Opens the pages, starts the sale of one product without a buyer, and that of another one with
/// buyers.
async fn measure_opening(
    options: &Options,
    server: &Server,
) -> Result<(Latencies, Counts), Failure> {
    let database = server.fresh().await?;
    let program = start_program(&database, options.pages).await?;
    let streams = Streams::open(&program.address, options.pages).await?;
    let watched = Sale::prepare_other(&database, 2 * AROUND).await?;
    let sale = Sale::prepare(&database, options.purchases, 5 * AROUND).await?;
    // The change of the two plans has been sent by now.
    watched.until_start(AROUND).await;
    let before = streams.counts();
    tokio::time::sleep(2 * AROUND).await;
    let start = streams.counts().since(before);
    let latencies = purchases::buy(&program, options.buyers, options.purchases, &sale).await?;
    streams.close();
    finish(server, program, &database, &latencies).await?;
    Ok((latencies, start))
}

/// All `pages` come from one address, which may have half of all connections.
async fn start_program(database: &FreshDatabase, pages: u32) -> Result<Program, Failure> {
    let connections = (2 * (pages + 2_000)).to_string();
    let settings = [
        ("CONNECTIONS_MAX", connections.as_str()),
        ("CONNECTIONS_PER_ADDRESS_MAX", connections.as_str()),
    ];
    Program::start(&database.url, &settings).await
}

async fn finish(
    server: &Server,
    program: Program,
    database: &FreshDatabase,
    latencies: &Latencies,
) -> Result<(), Failure> {
    program.stop().await?;
    database.check(sale::PRODUCT_ID, latencies.sold).await?;
    server.drop_database(&database.name).await
}

fn describe(number: u32, round: &Round) -> String {
    let Round {
        quiet,
        opening,
        start,
    } = round;
    format!(
        "round {number}: first purchases, p50 and p99 in ms: quiet {:.1} and {:.1}, opening {:.1} and {:.1} \
         ({:.2} times); the start without buyers: {} broken streams, {} stock and {} sale events, {} clocks",
        quiet.ms(0.5),
        quiet.ms(0.99),
        opening.ms(0.5),
        opening.ms(0.99),
        opening.ms(0.99) / quiet.ms(0.99),
        start.broken,
        start.stock,
        start.sale,
        start.clock,
    )
}

fn conclude(options: &Options, rounds: &[Round]) -> Result<(), Failure> {
    let mut ratios: Vec<f64> = rounds
        .iter()
        .map(|round| round.opening.ms(0.99) / round.quiet.ms(0.99))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    println!(
        "{} open pages: p99 of the first {} purchases ÷ a quiet shop's: median {median:.2}, at most {RATIO_MAX}",
        options.pages, options.purchases
    );
    let caused: u64 = rounds
        .iter()
        .map(|round| round.start.broken + round.start.stock + round.start.sale)
        .sum();
    match (caused, median <= RATIO_MAX) {
        (0, true) => Ok(()),
        (0, false) => Err("the first purchases are too slow".into()),
        (caused, _) => Err(format!("the starts caused {caused} requests or events").into()),
    }
}
