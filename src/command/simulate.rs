//! `doorbuster simulate`.

mod arguments;
mod report;

pub use arguments::{Arguments, describe};
pub use report::counted;

use std::process::ExitCode;

use doorbuster::{
    config::{DatabaseSettings, RedisSettings},
    db::PoolSettings,
    feed::Feed,
    model::{DatabaseEngine, RunSnapshot, ShopError, SimulationPlan, StrategyKey, plan::Journey},
    shop::{Shop, administrator::Administrator},
    simulation::{Engine, SimulationError},
};
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;

use self::report::{report, report_interrupted};
use super::{
    database::OpenDatabase,
    gateway::{OpenGateway, OwnProvider},
    interrupt::Interrupt,
    output,
    redis::open_gate_on,
};
use crate::{CommandError, EXIT_USAGE};

pub async fn run(
    settings: &DatabaseSettings,
    redis: &RedisSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    if arguments.list {
        output::print(&list(engine_of(settings), redis.is_set()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = match arguments.plan() {
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
            return simulate(&engine, plan, &arguments.target).await;
        }
        let gateway = open_own_gateway(database).await?;
        let engine = engine.with_gateway(gateway.unguarded());
        let end = simulate(&engine, plan, &arguments.target).await;
        gateway.close().await;
        end
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
        .with_nodes(database.nodes.clone())
        .waiting_for_others(note)
        .interruptible(interrupt.token()))
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

/// Runs the plan. Returns `None` if a signal arrived before it started.
async fn simulate(
    engine: &Engine,
    plan: SimulationPlan,
    targets: &[Url],
) -> Result<Option<RunSnapshot>, CommandError> {
    let attempts = plan.total_attempts();
    let started = engine
        .start(&Administrator::at_the_command_line(), plan)
        .await;
    let started = match started {
        Err(SimulationError::Interrupted) => return Ok(None),
        Err(SimulationError::Shop(error @ ShopError::FieldsInvalid(_))) => {
            return Err(describe(&error).into());
        }
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
    Ok(Some(end?))
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
