//! Measures whether the shop gets slower as it gets older: a fresh database beside one with
//! millions of orders, on one PostgreSQL. `docs/BENCHMARKS.md` explains the figures;
//! `./makew bench growth` runs this benchmark.
//!
//! Both sides of a ratio are measured one right after the other, in an order that alternates from
//! round to round. Ratios are computed within a round.

mod audit_thread;
mod audits;
mod buyers;
mod client;
mod commands;
mod database;
mod history;
mod hot_path;
mod options;
mod orders;
mod pace;
mod pages;
mod processor_time;
mod purchases;
mod report;
mod retention;
mod shop_pages;

#[path = "../support/connection.rs"]
mod connection;
#[path = "../support/folders.rs"]
mod folders;
#[path = "../support/interruption.rs"]
mod interruption;
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/statistics.rs"]
mod statistics;

use std::{path::Path, process::ExitCode};

use clap::Parser;

use self::{
    database::Postgres,
    interruption::interruption,
    options::{Options, Part},
    report::Report,
};

/// An error that ends a part of the benchmark: printed as one sentence.
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
            eprintln!("growth: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    check_machine()?;
    let folder = options.folder();
    eprintln!("growth: the databases are in {}", folder.display());
    let postgres = Postgres::start(&folder).await?;
    // Dropping the measurement ends the servers and commands that it has started.
    let measured = tokio::select! {
        measured = measure(options, &postgres) => measured,
        interrupted = interruption() => interrupted,
    };
    let stopped = postgres.stop().await;
    measured?;
    stopped
}

async fn measure(options: &Options, postgres: &Postgres) -> Result<(), Failure> {
    postgres.make_template().await?;
    let mut report = Report::default();
    for part in options.parts() {
        eprintln!("growth: measuring {part}");
        let rows = match part {
            Part::Orders => orders::measure(options, postgres).await,
            Part::ContinuousAudit => audits::measure_continuous(options, postgres).await,
            Part::FullAudit => audits::measure_full(options, postgres).await,
            Part::Pages => pages::measure(options, postgres).await,
            Part::Retention => retention::measure(options, postgres).await,
            Part::HotPath => hot_path::measure(options, postgres).await,
        };
        match rows {
            Ok(rows) => {
                // An interruption must not lose what took an hour.
                eprint!("{}", report::tables(&rows));
                report.rows.extend(rows);
            }
            Err(error) => {
                eprintln!("growth: {part} failed: {error}");
                report.failures.push(format!("{part}: {error}"));
            }
        }
    }
    postgres.drop_fresh().await?;
    println!("{}", report.markdown(options, postgres).await?);
    match report.failures.len() {
        0 => Ok(()),
        failed => Err(format!("{failed} parts failed").into()),
    }
}

/// Checks what every part needs, before anything takes time.
fn check_machine() -> Result<(), Failure> {
    if !Path::new("/proc/self/stat").exists() {
        return Err(
            "processor times are read from /proc, which this system does not have: \
                    run it on Linux"
                .into(),
        );
    }
    if !Path::new(program::PATH).is_file() {
        return Err(format!(
            "the program {} is missing: run ./makew bench growth, which builds it",
            program::PATH
        )
        .into());
    }
    Ok(())
}
