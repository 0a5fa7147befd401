//! `doorbuster sweep`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use doorbuster::{
    config::{DatabaseSettings, RedisSettings},
    model::{DatabaseEngine, Quantity, ShopError, StrategyKey, plan},
    shop::administrator::Administrator,
    simulation::{
        spread::RUNS_EACH_MIN,
        sweep::{
            self, Sweep,
            machine::Machine,
            matrix::{REPEAT_MAX, SweepPlan},
            report,
        },
    },
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    database::OpenDatabase,
    interrupt::Interrupt,
    output,
    simulate::{self, counted},
};
use crate::{CommandError, EXIT_BROKEN, EXIT_USAGE};

#[derive(Args)]
pub struct Arguments {
    /// Strategies, comma-separated. Default: all safe strategies that are available.
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    strategies: Vec<StrategyKey>,
    /// Concurrent buyers, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,8,64,512", value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::BUYERS_MAX)))]
    buyers: Vec<u32>,
    /// Initial units in stock, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::STOCK_MAX)))]
    stock: Vec<u32>,
    /// Runs per cell; at least four are needed to show a difference, a crossover or a fastest
    /// strategy.
    #[arg(long, default_value_t = RUNS_EACH_MIN, value_parser = clap::value_parser!(u32).range(1..=i64::from(REPEAT_MAX)))]
    repeat: u32,
    /// Units per attempt.
    #[arg(long, default_value = "1", value_parser = Quantity::parse)]
    quantity: Quantity,
    /// Attempts per buyer, one after the other; more attempts give longer runs and steadier
    /// figures.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::ROUNDS_MAX)))]
    rounds: u32,
    /// Seed for the order of the runs and for the arrivals.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Pause between read and write, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RACE_WINDOW_MS_MAX)))]
    race_window_ms: u32,
    /// Server processes that each run starts on this machine, in turn for its buyers, who then use
    /// HTTP [default: 0, the buyers run in this process].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::OWN_SERVERS_MAX)))]
    servers: Option<u32>,
    /// Folder for sweep.html, sweep.csv and sweep.json; created if it does not exist.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    let plan = match plan(simulate::engine_of(settings), redis.is_set(), &arguments) {
        Ok(plan) => plan,
        Err(error) => {
            output::note(format_args!(
                "doorbuster sweep: {}",
                simulate::describe(&error)
            ));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    // Before the first run, so that a folder that cannot be created is not reported an hour later.
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    let interrupt = Interrupt::listen()?;
    let sweep = OpenDatabase::with(settings, async |database| {
        database.prepare().await?;
        let machine = Machine::with_database(&database.url, plan.pool_size()).await?;
        let engine = simulate::engine(database, redis, &interrupt).await?;
        let administrator = Administrator::at_the_command_line();
        let bar = progress_bar(plan.order().len());
        let runs = sweep::run(&administrator, &engine, &plan, |ended, cell| {
            bar.set_position(ended as u64);
            bar.set_message(cell.to_string());
        })
        .await;
        bar.finish_and_clear();
        Ok(Sweep::of(machine, plan, runs?))
    })
    .await?;
    print(&sweep, &arguments.out)?;
    Ok(match interrupt.exit_code() {
        Some(code) => ExitCode::from(code),
        // An administrator stopped one of its runs.
        None if sweep.interrupted => ExitCode::FAILURE,
        None if sweep.safe_cells_held() => ExitCode::SUCCESS,
        None => ExitCode::from(EXIT_BROKEN),
    })
}

fn plan(
    engine: DatabaseEngine,
    has_redis: bool,
    arguments: &Arguments,
) -> Result<SweepPlan, ShopError> {
    let strategies = if arguments.strategies.is_empty() {
        let all = StrategyKey::ALL.into_iter();
        all.filter(|strategy| {
            strategy.is_safe() && strategy.check_runs_on(engine, has_redis).is_ok()
        })
        .collect()
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
        own_servers: arguments.servers.unwrap_or(0),
    }
    .validate()
}

/// Visible on a terminal only: indicatif draws nothing to a pipe.
fn progress_bar(runs: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {elapsed}, {eta} remaining: {msg}")
    {
        bar.set_style(style);
    }
    bar
}

fn print(sweep: &Sweep, folder: &Path) -> Result<(), CommandError> {
    if sweep.interrupted {
        output::note(format_args!(
            "Interrupted after {} of {} runs. The files contain the complete runs, without a report.",
            sweep.runs.len(),
            sweep.plan.runs()
        ));
    }
    let files = report::write(sweep, folder)?;
    let mut lines: Vec<String> = sweep
        .broken_cells()
        .map(|cell| {
            format!(
                "broken    {}, {}, {} in stock: {} oversold, {} undersold",
                cell.strategy,
                counted(cell.buyers, "buyer", "buyers"),
                cell.stock,
                cell.oversold,
                cell.undersold
            )
        })
        .collect();
    lines.push(format!(
        "{} of {}: {}",
        counted(sweep.runs.len() as u64, "run", "runs"),
        counted(sweep.cells.len() as u64, "cell", "cells"),
        if sweep.safe_cells_held() {
            "no safe cell oversold or undersold"
        } else {
            "an invariant of a safe cell was violated"
        }
    ));
    lines.extend(files.iter().map(|file| file.display().to_string()));
    output::print(&(lines.join("\n") + "\n"))
}
