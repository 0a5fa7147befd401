//! `doorbuster simulate`.

use std::{fmt::Display, process::ExitCode};

use clap::{Args, ValueEnum};
use doorbuster::{
    config::{DatabaseSettings, RedisSettings},
    db::PoolSettings,
    feed::Feed,
    model::{
        DatabaseEngine, RunSnapshot, RunVerdict, ShopError, SimulationPlan, StrategyKey, Verdict,
        plan::{self, Arrivals, Faults, Journey, Quantities, Thresholds},
    },
    shop::{Shop, administrator::Administrator},
    simulation::{Engine, SimulationError},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use url::Url;

use super::{
    database::OpenDatabase,
    gateway::{OpenGateway, OwnProvider},
    interrupt::Interrupt,
    output,
    redis::open_gate_on,
};
use crate::{CommandError, EXIT_BROKEN, EXIT_USAGE};

#[derive(Args)]
pub struct Arguments {
    /// Strategies, comma-separated; each runs on its own lane. See --list.
    #[arg(long, value_delimiter = ',', default_value = "row-lock")]
    strategy: Vec<StrategyKey>,
    /// Run the lanes at the same time instead of one after the other.
    #[arg(long)]
    together: bool,
    /// Concurrent buyers per lane.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::BUYERS_MAX)))]
    buyers: Option<u32>,
    /// Initial units in stock; 0 is allowed.
    #[arg(long, required_unless_present = "list", value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::STOCK_MAX)))]
    stock: Option<u32>,
    /// Units per attempt: 3, or 1..3 for a random number from 1 to 3.
    #[arg(long, default_value = "1", value_parser = Quantities::parse)]
    quantity: Quantities,
    /// Attempts per buyer, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::ROUNDS_MAX)))]
    rounds: u32,
    /// Seed for arrivals, quantities and faults; it does not fix how the database interleaves
    /// transactions.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// closed: a buyer starts the next attempt after a response; open: buyers arrive at --rate, and
    /// latency counts from the scheduled arrival.
    #[arg(long, value_enum, default_value_t = ArrivalsArgument::Closed)]
    arrivals: ArrivalsArgument,
    /// Arrivals per second, with --arrivals open.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::RATE_PER_S_MAX)))]
    rate: Option<u32>,
    /// Time to full load (all buyers, or the full rate), in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RAMP_MS_MAX)))]
    ramp_ms: u32,
    /// Mean think time between a response and the next attempt, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::THINK_TIME_MS_MAX)))]
    think_ms: u32,
    /// Pause between read and write, in milliseconds.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::RACE_WINDOW_MS_MAX)))]
    race_window_ms: u32,
    /// Maximum concurrent transactions per lane, or per server with --servers [default: 16; with
    /// --together or --servers as many as fit].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(plan::POOL_SIZE_MAX)))]
    pool: Option<u32>,
    /// Injected faults, in percent of the attempts:
    /// freeze=1,slow-statement=1,drop-connection=1,abandon=5,double-click=5.
    #[arg(long, value_parser = Faults::parse)]
    fault: Option<Faults>,
    /// Thresholds that fail the run: p99-ms=50,failed=0,retries=100 (maximum; not with
    /// --target or --servers), orders-per-second=500 (minimum).
    #[arg(long, value_parser = Thresholds::parse)]
    threshold: Option<Thresholds>,
    /// Steps of a buyer.
    #[arg(long, value_enum, default_value_t = JourneyArgument::Express)]
    journey: JourneyArgument,
    /// URLs of running servers on the same database, comma-separated; buyers then use HTTP.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    target: Vec<Url>,
    /// Server processes that the run starts on this machine, in turn for its buyers, who then use
    /// HTTP [default: 0, the buyers run in this process].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::OWN_SERVERS_MAX)))]
    servers: Option<u32>,
    /// Print one JSON object: the verdict, or the verdicts of several lanes.
    #[arg(long)]
    json: bool,
    /// List the strategies and exit.
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

pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    if arguments.list {
        output::print(&list(engine_of(settings), redis.is_set()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(error) => {
            output::note(format_args!("doorbuster simulate: {}", describe(&error)));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let interrupt = Interrupt::listen()?;
    let end = OpenDatabase::with(settings, async |database| {
        database.prepare().await?;
        let engine = engine(database, redis, &interrupt).await?;
        if plan.journey == Journey::Express {
            return Ok(simulate(&engine, plan, &arguments.target).await?);
        }
        let gateway = open_own_gateway(database).await?;
        let engine = engine.with_gateway(gateway.unguarded());
        let end = simulate(&engine, plan, &arguments.target).await;
        gateway.close().await;
        Ok(end?)
    })
    .await?;
    match (end, interrupt.exit_code()) {
        (end, Some(code)) => {
            report_interrupted(end.as_ref(), arguments.json)?;
            Ok(ExitCode::from(code))
        }
        (Some(end), None) => report(&end, &arguments),
        // Not reached: without a signal, every run starts.
        (None, None) => Err("the run did not start".into()),
    }
}

/// An engine that waits for the runs of other processes, and whose run a signal aborts.
pub async fn engine(
    database: &OpenDatabase,
    redis: &RedisSettings,
    interrupt: &Interrupt,
) -> Result<Engine, CommandError> {
    let note = || {
        output::note("Another simulation is running on this database. Waiting until it ends.");
    };
    let gate = open_gate_on(redis, database).await?;
    Ok(Engine::new(database.url.clone(), Feed::default())
        .with_gate(gate)
        .waiting_for_others(note)
        .interruptible(interrupt.token()))
}

/// Prints the verdicts of a complete run. Returns the exit code.
fn report(end: &RunSnapshot, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let verdicts: Option<Vec<_>> = end.lanes.iter().map(|lane| lane.verdict.clone()).collect();
    let verdicts = verdicts.ok_or("the run ended without a verdict")?;
    // No invariant is violated if nothing was sold, but the run has measured nothing either.
    let all_failed =
        |verdict: &Verdict| verdict.failed == verdict.attempts && verdict.cut_off < verdict.failed;
    if verdicts.iter().all(all_failed) {
        return Err(if arguments.target.is_empty() {
            "every attempt failed; the warnings above have the first reasons"
        } else {
            "no target responded: check that a server with this database runs at each --target"
        }
        .into());
    }
    output::print(&if arguments.json {
        as_json(end, false)?
    } else {
        texts(end)
    })?;
    Ok(if verdicts.iter().all(Verdict::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BROKEN)
    })
}

/// Prints the verdicts so far of a run that a signal aborted; `None` if it had not started.
fn report_interrupted(end: Option<&RunSnapshot>, json: bool) -> Result<(), CommandError> {
    let Some(end) = end else {
        output::note("Interrupted before the simulation started.");
        return match json {
            true => output::print("{\n  \"interrupted\": true\n}\n"),
            false => Ok(()),
        };
    };
    output::note(format_args!(
        "Interrupted after {} of {} attempts. The results are those so far.",
        end.served(),
        end.plan.total_attempts()
    ));
    output::print(&if json {
        as_json(end, true)?
    } else {
        texts(end)
    })
}

/// Formats the verdict on each lane that has one.
fn texts(end: &RunSnapshot) -> String {
    let verdicts = end.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    verdicts
        .map(|verdict| as_text(verdict, end.plan.is_over_http()))
        .collect()
}

/// One JSON object: the verdict on a single lane, or the verdicts on several.
#[derive(Serialize)]
struct PrintedResult<T> {
    #[serde(flatten)]
    result: T,
    /// Left out if the run is complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
}

fn as_json(end: &RunSnapshot, interrupted: bool) -> Result<String, CommandError> {
    let single = match end.lanes.as_slice() {
        [lane] => lane.verdict.as_ref(),
        _ => None,
    };
    let text = match single {
        Some(result) => serde_json::to_string_pretty(&PrintedResult {
            result,
            interrupted,
        }),
        None => serde_json::to_string_pretty(&PrintedResult {
            result: RunVerdict::of(end),
            interrupted,
        }),
    };
    Ok(text? + "\n")
}

/// Starts a payment provider for this process only, so that it does not load a server's provider.
pub async fn open_own_gateway(database: &OpenDatabase) -> Result<OpenGateway, CommandError> {
    let folder = std::env::temp_dir().join(format!("doorbuster-{}", std::process::id()));
    let db = database.pool(PoolSettings::COMMAND).await?;
    let secret = Shop::new(db.clone(), Feed::default())
        .operation()
        .payment_secret()
        .await;
    db.close().await;
    let own = OwnProvider {
        database_url: database.url.clone(),
        data: folder.clone(),
        webhook_url: None,
    };
    let gateway = OpenGateway::open(own, &secret?).await?;
    Ok(gateway.in_temporary_folder(folder))
}

/// The engine of the database that the settings name, without a connection.
pub fn engine_of(settings: &DatabaseSettings) -> DatabaseEngine {
    let url = settings.url().unwrap_or_default();
    DatabaseEngine::of_url(url).map_or(DatabaseEngine::Postgres, |(engine, _)| engine)
}

fn list(engine: DatabaseEngine, has_redis: bool) -> String {
    let line = |strategy: StrategyKey| {
        let safety = strategy.safety();
        match strategy.reason_against(engine, has_redis) {
            None => format!("{strategy:20} {safety:7} {}\n", strategy.row().summary),
            Some(reason) => format!("{strategy:20} {safety:7} not available {reason}\n"),
        }
    };
    StrategyKey::ALL.into_iter().map(line).collect()
}

fn plan(arguments: &Arguments) -> Result<SimulationPlan, ShopError> {
    if !arguments.target.is_empty() {
        check_remote(arguments)?;
    }
    let own_servers = arguments.servers.unwrap_or(0);
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
        pool_size: arguments.pool.unwrap_or_else(|| {
            SimulationPlan::fitted_pool_size(
                arguments.strategy.len(),
                arguments.together,
                own_servers,
            )
        }),
        faults: arguments.fault.clone().unwrap_or_default(),
        thresholds: arguments.threshold.unwrap_or_default(),
        product_id: None,
        guess: None,
        servers: u32::try_from(arguments.target.len()).unwrap_or(u32::MAX),
        own_servers,
    }
    .validate()
}

fn arrivals(arguments: &Arguments) -> Result<Arrivals, ShopError> {
    let why = match (arguments.arrivals, arguments.rate) {
        (ArrivalsArgument::Closed, None) => return Ok(Arrivals::Closed),
        (ArrivalsArgument::Open, Some(rate_per_s)) => return Ok(Arrivals::Open { rate_per_s }),
        (ArrivalsArgument::Closed, Some(_)) => "--rate requires --arrivals open",
        (ArrivalsArgument::Open, None) => "--arrivals open requires --rate",
    };
    Err(ShopError::Invalid(why.to_owned()))
}

/// Rejects settings that buyers over HTTP cannot control.
fn check_remote(arguments: &Arguments) -> Result<(), ShopError> {
    let reject = |why: String| Err(ShopError::Invalid(why));
    let unsupported = "cannot be used with --target";
    if arguments.servers.unwrap_or(0) > 0 {
        return reject(format!("--servers {unsupported}"));
    }
    if arguments.journey == JourneyArgument::Checkout || arguments.race_window_ms > 0 {
        return reject(format!(
            "--journey checkout and --race-window-ms {unsupported}"
        ));
    }
    if arguments.pool.is_some() {
        return reject(format!("--pool {unsupported}"));
    }
    let mut faults = arguments.fault.iter().flat_map(Faults::iter);
    if let Some((kind, _)) = faults.find(|(kind, _)| kind.is_server_side()) {
        return reject(format!("the fault {} {unsupported}", kind.as_str()));
    }
    match arguments.target.iter().find(|url| url.scheme() != "http") {
        Some(target) => reject(format!("--target needs http URLs, not {target}")),
        None => Ok(()),
    }
}

/// Formats all errors of a plan in one line.
pub fn describe(error: &ShopError) -> String {
    match error {
        ShopError::FieldsInvalid(fields) => fields
            .iter()
            .map(|field| field.message.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

/// Runs the plan. Returns `None` if a signal arrived before it started.
async fn simulate(
    engine: &Engine,
    plan: SimulationPlan,
    targets: &[Url],
) -> Result<Option<RunSnapshot>, SimulationError> {
    let attempts = plan.total_attempts();
    let started = engine
        .start(&Administrator::at_the_command_line(), plan)
        .await;
    let started = match started {
        Err(SimulationError::Interrupted) => return Ok(None),
        started => started?,
    };
    let bar = progress_bar(attempts);
    let end = engine
        .finish(started, targets, {
            let bar = bar.clone();
            move |attempts| bar.set_position(attempts)
        })
        .await;
    bar.finish_and_clear();
    end.map(Some)
}

/// Visible on a terminal only: indicatif draws nothing to a pipe.
fn progress_bar(attempts: u64) -> ProgressBar {
    let bar = ProgressBar::new(attempts);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} attempts, {elapsed}, {eta} remaining")
    {
        bar.set_style(style);
    }
    bar
}

/// Formats a number with the singular or plural of its noun.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str, several: &str) -> String {
    let noun = if number == N::from(1) { one } else { several };
    format!("{number} {noun}")
}

/// Formats the verdict on a lane, one line for each kind of figure.
fn as_text(verdict: &Verdict, over_http: bool) -> String {
    let mut lines = vec![plan_line(verdict), calls_line(verdict, over_http)];
    if verdict.cut_off + verdict.contradicted > 0 {
        lines.push(format!(
            "faults    {} interrupted without an order, {} with contradictory responses",
            counted(verdict.cut_off, "attempt", "attempts"),
            counted(verdict.contradicted, "double click", "double clicks")
        ));
    }
    lines.push(format!(
        "units     {} sold, {} remaining, {} oversold, {} undersold",
        verdict.sold, verdict.remaining, verdict.oversold, verdict.undersold
    ));
    lines.push(format!(
        "speed     {} ms, {:.1} orders/s",
        verdict.elapsed_ms, verdict.orders_per_second
    ));
    let latency = verdict.latency_ms;
    lines.push(format!(
        "latency   p50 {} · p90 {} · p95 {} · p99 {} · max {} ms",
        latency.p50, latency.p90, latency.p95, latency.p99, latency.max
    ));
    let parts = verdict.time_split_ms.parts().into_iter();
    let parts: Vec<_> = parts
        .filter(|(_, ms)| *ms > 0.0)
        .map(|(name, ms)| format!("{name} {ms}"))
        .collect();
    lines.push(format!(
        "time      mean {} ms = {}",
        latency.mean,
        parts.join(" + ")
    ));
    for threshold in &verdict.thresholds {
        lines.push(format!(
            "threshold {} {}: {}, {}",
            threshold.name,
            threshold.limit,
            threshold.measured,
            if threshold.held { "held" } else { "missed" }
        ));
    }
    lines.join("\n") + "\n"
}

fn plan_line(verdict: &Verdict) -> String {
    let quantity = match verdict.quantity_min {
        Some(min) => format!("{min}..{}", verdict.quantity),
        None => verdict.quantity.to_string(),
    };
    format!(
        "{} ({}), {}, {} in stock, quantity {quantity}, {}, seed {}",
        verdict.strategy,
        verdict.strategy.safety(),
        counted(verdict.buyers, "buyer", "buyers"),
        verdict.stock,
        counted(verdict.rounds, "round", "rounds"),
        verdict.seed
    )
}

fn calls_line(verdict: &Verdict, over_http: bool) -> String {
    let repeated = if over_http {
        // A server does not report its retries and fallbacks.
        counted(verdict.retries, "repeated request", "repeated requests")
    } else {
        format!(
            "{}, {}",
            counted(verdict.retries, "retry", "retries"),
            counted(verdict.fallbacks, "fallback", "fallbacks")
        )
    };
    format!(
        "calls     {} succeeded, {} rejected, {} failed of {}, {repeated}",
        verdict.succeeded,
        verdict.rejected,
        verdict.failed,
        counted(verdict.attempts, "attempt", "attempts"),
    )
}
