//! `doorbuster simulate`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use doorbuster::{
    config::DatabaseSettings,
    db::PoolSettings,
    feed::Feed,
    model::{
        Quantity, RunSnapshot, ShopError, SimulationPlan, StrategyKey, Verdict,
        plan::{self, Journey},
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
use crate::{EXIT_BROKEN, Failure};

/// Exit code for wrong usage, as clap has it.
const EXIT_USAGE: u8 = 2;

#[derive(Args)]
pub struct Arguments {
    /// How stock is taken; see --list.
    #[arg(long, default_value = "row-lock")]
    strategy: StrategyKey,
    /// Concurrent buyers.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::BUYERS_MAX)))]
    buyers: Option<u32>,
    /// Units at the start; 0 is allowed.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::STOCK_MAX)))]
    stock: Option<u32>,
    /// Units that each attempt asks for.
    #[arg(long, default_value = "1", value_parser = Quantity::parse)]
    quantity: Quantity,
    /// Attempts of each buyer, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::ROUNDS_MAX)))]
    rounds: u32,
    /// Fixes the order of arrival.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Pause between read and write, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RACE_WINDOW_MS_MAX)))]
    race_window_ms: u32,
    /// What a buyer does.
    #[arg(long, value_enum, default_value_t = JourneyArgument::Express)]
    journey: JourneyArgument,
    /// Running servers on the same database, comma-separated: buyers then go over HTTP.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    target: Vec<Url>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// List the strategies and do nothing else.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
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
    let verdict = end.verdict.ok_or("the run ended without a verdict")?;
    if !arguments.target.is_empty() && verdict.failed == verdict.attempts {
        return Err(
            "no target answered any buyer: is a server running there, on this database?".into(),
        );
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    } else {
        print(&verdict);
    }
    Ok(if verdict.invariants_held() {
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
    let journey = match arguments.journey {
        JourneyArgument::Express => Journey::Express,
        JourneyArgument::Checkout => Journey::Checkout,
    };
    if !arguments.target.is_empty()
        && (journey == Journey::Checkout || arguments.race_window_ms > 0)
    {
        let why =
            "--target buyers use the express journey and no race window: both are the server's own";
        return Err(ShopError::Invalid(why.to_owned()));
    }
    if let Some(target) = arguments
        .target
        .iter()
        .find(|url| !matches!(url.scheme(), "http"))
    {
        return Err(ShopError::Invalid(format!(
            "--target takes http URLs, and {target} is none"
        )));
    }
    SimulationPlan {
        strategy: arguments.strategy,
        buyers: arguments.buyers.unwrap_or_default(),
        stock: arguments.stock.unwrap_or_default(),
        quantity: arguments.quantity,
        rounds: arguments.rounds,
        seed: arguments.seed,
        race_window_ms: arguments.race_window_ms,
        journey,
        product_id: None,
    }
    .validate()
}

fn in_words(error: &ShopError) -> String {
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
    let bar = progress_bar(plan.attempts());
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
    println!(
        "{} ({}), {} buyers, {} in stock, quantity {}, {} rounds, seed {}",
        verdict.strategy,
        if verdict.safe { "safe" } else { "unsafe" },
        verdict.buyers,
        verdict.stock,
        verdict.quantity,
        verdict.rounds,
        verdict.seed
    );
    println!(
        "calls     {} succeeded, {} rejected, {} failed of {} attempts, {} retries",
        verdict.succeeded, verdict.rejected, verdict.failed, verdict.attempts, verdict.retries
    );
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
}
