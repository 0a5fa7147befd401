//! `doorbuster sweep`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use doorbuster::{
    config::DatabaseSettings,
    feed::Feed,
    model::{Quantity, ShopError, StrategyKey, plan},
    simulation::{
        Engine,
        sweep::{
            self, Sweep,
            machine::Machine,
            matrix::{REPEAT_MAX, SweepPlan},
            report,
        },
    },
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{database::OpenDatabase, simulate};
use crate::{EXIT_BROKEN, EXIT_USAGE, Failure};

#[derive(Args)]
pub struct Arguments {
    /// Strategies, comma-separated; unset: all safe ones.
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    strategies: Vec<StrategyKey>,
    /// Concurrent buyers, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,8,64,512", value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::BUYERS_MAX)))]
    buyers: Vec<u32>,
    /// Units at the start, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::STOCK_MAX)))]
    stock: Vec<u32>,
    /// Runs of each cell; a spread, and with it a crossover, takes two.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(REPEAT_MAX)))]
    repeat: u32,
    /// Units that each attempt asks for.
    #[arg(long, default_value = "1", value_parser = Quantity::parse)]
    quantity: Quantity,
    /// Attempts of each buyer, one after the other: more make runs longer and figures steadier.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::ROUNDS_MAX)))]
    rounds: u32,
    /// Fixes the order of the runs and of the arrivals.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Pause between read and write, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RACE_WINDOW_MS_MAX)))]
    race_window_ms: u32,
    /// Folder for sweep.html, sweep.csv and sweep.json; made if it is absent.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub async fn run(settings: &DatabaseSettings, arguments: Arguments) -> Result<ExitCode, Failure> {
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("doorbuster sweep: {}", simulate::in_words(&error));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    // Before the first run: an hour later is too late to hear that it cannot be made.
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    let sweep = OpenDatabase::with(settings, async |database| {
        database.prepare().await?;
        let machine = Machine::with_database(&database.url).await?;
        let engine = Engine::new(database.url.clone(), Feed::default());
        let bar = progress_bar(plan.order().len());
        let runs = sweep::run(&engine, &plan, |ended, cell| {
            bar.set_position(ended as u64);
            bar.set_message(cell.to_string());
        })
        .await;
        bar.finish_and_clear();
        Ok(Sweep::of(machine, plan, runs?))
    })
    .await?;
    print(&sweep, &arguments.out)?;
    Ok(if sweep.safe_cells_held() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BROKEN)
    })
}

fn plan(arguments: &Arguments) -> Result<SweepPlan, ShopError> {
    let strategies = if arguments.strategies.is_empty() {
        let all = StrategyKey::ALL.into_iter();
        all.filter(|strategy| strategy.is_safe()).collect()
    } else {
        arguments.strategies.clone()
    };
    SweepPlan {
        strategies,
        buyers: arguments.buyers.clone(),
        stocks: arguments.stock.clone(),
        repeat: arguments.repeat,
        quantity: arguments.quantity,
        rounds: arguments.rounds,
        seed: arguments.seed,
        race_window_ms: arguments.race_window_ms,
    }
    .validate()
}

/// On a terminal only: indicatif draws nothing into a pipe.
fn progress_bar(runs: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {elapsed}, {eta} to go: {msg}")
    {
        bar.set_style(style);
    }
    bar
}

fn print(sweep: &Sweep, folder: &Path) -> Result<(), Failure> {
    let files = report::write(sweep, folder)?;
    for cell in sweep.broken() {
        println!(
            "broken    {}, {} buyers, {} in stock: {} oversold, {} undersold",
            cell.strategy, cell.buyers, cell.stock, cell.oversold, cell.undersold
        );
    }
    println!(
        "{} runs of {} cells: {}",
        sweep.runs.len(),
        sweep.cells.len(),
        if sweep.safe_cells_held() {
            "no safe cell oversold or undersold"
        } else {
            "an invariant of a safe cell broke"
        }
    );
    for file in files {
        println!("{}", file.display());
    }
    Ok(())
}
