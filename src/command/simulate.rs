//! `doorbuster simulate`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use doorbuster::{
    config::DatabaseSettings,
    db::PoolSettings,
    feed::Feed,
    model::{
        RunSnapshot, RunVerdict, ShopError, SimulationPlan, StrategyKey, Verdict,
        plan::{self, Arrivals, Faults, Journey, Quantities, Thresholds},
    },
    shop::Shop,
    simulation::{Engine, SimulationError},
};
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;

use super::{
    database::OpenDatabase,
    till::{OwnProvider, Till},
};
use crate::{EXIT_BROKEN, EXIT_USAGE, Failure};

#[derive(Args)]
pub struct Arguments {
    /// How stock is taken, comma-separated: a lane each; see --list.
    #[arg(long, value_delimiter = ',', default_value = "row-lock")]
    strategy: Vec<StrategyKey>,
    /// Let the lanes run at the same time, instead of one after the other.
    #[arg(long)]
    together: bool,
    /// Concurrent buyers of each lane.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::BUYERS_MAX)))]
    buyers: Option<u32>,
    /// Units at the start; 0 is allowed.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::STOCK_MAX)))]
    stock: Option<u32>,
    /// Units that each attempt asks for: 3, or 1..3 for any number from 1 to 3.
    #[arg(long, default_value = "1", value_parser = Quantities::parse)]
    quantity: Quantities,
    /// Attempts of each buyer, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::ROUNDS_MAX)))]
    rounds: u32,
    /// Fixes who comes when, what they want, and what goes wrong with them; not how the database interleaves it.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// closed: a buyer comes back after an answer; open: buyers come at --rate, and latency counts from the moment they meant to.
    #[arg(long, value_enum, default_value_t = ArrivalsArgument::Closed)]
    arrivals: ArrivalsArgument,
    /// Open arrivals a second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::RATE_PER_S_MAX)))]
    rate: Option<u32>,
    /// Time until all buyers are there, or come at the full rate, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RAMP_MS_MAX)))]
    ramp_ms: u32,
    /// Mean pause of a buyer between an answer and the next attempt, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::THINK_TIME_MS_MAX)))]
    think_ms: u32,
    /// Pause between read and write, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RACE_WINDOW_MS_MAX)))]
    race_window_ms: u32,
    /// Transactions that the buyers of a lane may have open at once [default: 16].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::POOL_SIZE_MAX)))]
    pool: Option<u32>,
    /// What goes wrong, in percent of the attempts: freeze=1,slow-statement=1,drop-connection=1,abandon=5,double-click=5.
    #[arg(long, value_parser = Faults::parse)]
    fault: Option<Faults>,
    /// What fails the run: p99-ms=50,failed=0,retries=100 at most, orders-per-second=500 at least.
    #[arg(long, value_parser = Thresholds::parse)]
    threshold: Option<Thresholds>,
    /// What a buyer does.
    #[arg(long, value_enum, default_value_t = JourneyArgument::Express)]
    journey: JourneyArgument,
    /// Running servers on the same database, comma-separated: buyers then go over HTTP.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    target: Vec<Url>,
    /// Print one JSON object: the verdict, or of several lanes their verdicts.
    #[arg(long)]
    json: bool,
    /// List the strategies and do nothing else.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArrivalsArgument {
    Closed,
    Open,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum JourneyArgument {
    /// One call: take stock and write the order.
    Express,
    /// Cart, reservation, payment, order.
    Checkout,
}

pub async fn run(settings: &DatabaseSettings, arguments: Arguments) -> Result<ExitCode, Failure> {
    if arguments.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("doorbuster simulate: {}", in_words(&error));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let end = OpenDatabase::with(settings, async |database| {
        database.prepare().await?;
        let engine = Engine::new(database.url.clone(), Feed::default());
        if plan.journey == Journey::Express {
            return Ok(simulate(&engine, plan, &arguments.target).await?);
        }
        let folder = std::env::temp_dir().join(format!("doorbuster-{}", std::process::id()));
        let till = open_till(database, folder.clone()).await?;
        let engine = engine.with_gateway(till.gateway());
        let end = simulate(&engine, plan, &arguments.target).await;
        till.close().await;
        // Empty by now; one that stays is in nobody's way.
        let _ = std::fs::remove_dir(folder);
        Ok(end?)
    })
    .await?;
    let verdicts: Option<Vec<_>> = end.lanes.iter().map(|lane| lane.verdict.clone()).collect();
    let verdicts = verdicts.ok_or("the run ended without a verdict")?;
    let nobody = |verdict: &Verdict| verdict.failed == verdict.attempts;
    if !arguments.target.is_empty() && verdicts.iter().all(nobody) {
        return Err(
            "no target answered any buyer: is a server running there, on this database?".into(),
        );
    }
    match (arguments.json, verdicts.as_slice()) {
        (true, [verdict]) => println!("{}", serde_json::to_string_pretty(verdict)?),
        (true, _) => println!("{}", serde_json::to_string_pretty(&RunVerdict::of(&end))?),
        (false, verdicts) => verdicts.iter().for_each(print),
    }
    Ok(if verdicts.iter().all(Verdict::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BROKEN)
    })
}

/// A provider for this run alone: one that a server keeps has better things to do.
async fn open_till(database: &OpenDatabase, folder: PathBuf) -> Result<Till, Failure> {
    let db = database.pool(PoolSettings::COMMAND).await?;
    let secret = Shop::new(db.clone(), Feed::default())
        .payment_secret()
        .await;
    db.close().await;
    let own = OwnProvider {
        database_url: database.url.clone(),
        data: folder,
        webhook_url: None,
    };
    Till::open(own, &secret?).await
}

fn list() {
    for strategy in StrategyKey::ALL {
        let safety = if strategy.is_safe() { "safe" } else { "unsafe" };
        println!("{strategy:20} {safety:7} {}", strategy.summary());
    }
}

fn plan(arguments: &Arguments) -> Result<SimulationPlan, ShopError> {
    if !arguments.target.is_empty() {
        check_remote(arguments)?;
    }
    let preset = SimulationPlan::preset();
    SimulationPlan {
        strategies: arguments.strategy.clone(),
        lanes_together: arguments.together,
        buyers: arguments.buyers.unwrap_or_default(),
        stock: arguments.stock.unwrap_or_default(),
        quantities: arguments.quantity,
        rounds: arguments.rounds,
        seed: arguments.seed,
        arrivals: arrivals(arguments)?,
        ramp_ms: arguments.ramp_ms,
        think_time_ms: arguments.think_ms,
        race_window_ms: arguments.race_window_ms,
        journey: match arguments.journey {
            JourneyArgument::Express => Journey::Express,
            JourneyArgument::Checkout => Journey::Checkout,
        },
        pool_size: arguments.pool.unwrap_or(preset.pool_size),
        faults: arguments.fault.clone().unwrap_or_default(),
        thresholds: arguments.threshold.unwrap_or_default(),
        product_id: None,
        guess: None,
    }
    .validate()
}

fn arrivals(arguments: &Arguments) -> Result<Arrivals, ShopError> {
    let why = match (arguments.arrivals, arguments.rate) {
        (ArrivalsArgument::Closed, None) => return Ok(Arrivals::Closed),
        (ArrivalsArgument::Open, Some(rate_per_s)) => return Ok(Arrivals::Open { rate_per_s }),
        (ArrivalsArgument::Closed, Some(_)) => "--rate is for --arrivals open",
        (ArrivalsArgument::Open, None) => "--arrivals open needs a --rate",
    };
    Err(ShopError::Invalid(why.to_owned()))
}

/// What happens inside of a server is not for buyers over HTTP to say.
fn check_remote(arguments: &Arguments) -> Result<(), ShopError> {
    let refuse = |why: String| Err(ShopError::Invalid(why));
    let own = "the server's own, and not for --target buyers to choose";
    if arguments.journey == JourneyArgument::Checkout || arguments.race_window_ms > 0 {
        return refuse(format!("--journey checkout and --race-window-ms are {own}"));
    }
    if arguments.pool.is_some() {
        return refuse(format!("--pool is {own}"));
    }
    let mut faults = arguments.fault.iter().flat_map(Faults::iter);
    if let Some((kind, _)) = faults.find(|(kind, _)| kind.is_inside()) {
        return refuse(format!("the fault {} is {own}", kind.as_str()));
    }
    match arguments.target.iter().find(|url| url.scheme() != "http") {
        Some(target) => refuse(format!("--target takes http URLs, and {target} is none")),
        None => Ok(()),
    }
}

/// All that is wrong with a plan, in one line.
pub fn in_words(error: &ShopError) -> String {
    match error {
        ShopError::FieldsInvalid(fields) => fields
            .iter()
            .map(|field| field.message.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

async fn simulate(
    engine: &Engine,
    plan: SimulationPlan,
    targets: &[Url],
) -> Result<RunSnapshot, SimulationError> {
    let bar = progress_bar(plan.attempts_in_all());
    let started = engine.start(plan).await?;
    let end = engine
        .finish(started, targets, {
            let bar = bar.clone();
            move |attempts| bar.set_position(attempts)
        })
        .await;
    bar.finish_and_clear();
    end
}

/// On a terminal only: indicatif draws nothing into a pipe.
fn progress_bar(attempts: u64) -> ProgressBar {
    let bar = ProgressBar::new(attempts);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} attempts, {elapsed}, {eta} to go")
    {
        bar.set_style(style);
    }
    bar
}

fn print(verdict: &Verdict) {
    let quantity = match verdict.quantity_min {
        Some(min) => format!("{min}..{}", verdict.quantity),
        None => verdict.quantity.to_string(),
    };
    println!(
        "{} ({}), {} buyers, {} in stock, quantity {quantity}, {} rounds, seed {}",
        verdict.strategy,
        if verdict.safe { "safe" } else { "unsafe" },
        verdict.buyers,
        verdict.stock,
        verdict.rounds,
        verdict.seed
    );
    println!(
        "calls     {} succeeded, {} rejected, {} failed of {} attempts, {} retries, {} fallbacks",
        verdict.succeeded,
        verdict.rejected,
        verdict.failed,
        verdict.attempts,
        verdict.retries,
        verdict.fallbacks
    );
    if verdict.cut_off + verdict.contradicted > 0 {
        println!(
            "faults    {} cut off without an order, {} double clicks answered in two ways",
            verdict.cut_off, verdict.contradicted
        );
    }
    println!(
        "units     {} sold, {} remaining, {} oversold, {} undersold",
        verdict.sold, verdict.remaining, verdict.oversold, verdict.undersold
    );
    println!(
        "speed     {} ms, {:.1} orders/s",
        verdict.elapsed_ms, verdict.orders_per_second
    );
    let latency = verdict.latency_ms;
    println!(
        "latency   p50 {} · p90 {} · p95 {} · p99 {} · max {} ms",
        latency.p50, latency.p90, latency.p95, latency.p99, latency.max
    );
    let split = verdict.time_split_ms;
    println!(
        "spent on  connection {} · lock {} · statements {} · commit {} ms",
        split.pool_wait, split.lock_wait, split.execute, split.commit
    );
    for threshold in &verdict.thresholds {
        println!(
            "threshold {} {}: {}, {}",
            threshold.name,
            threshold.limit,
            threshold.measured,
            if threshold.held { "held" } else { "missed" }
        );
    }
}
