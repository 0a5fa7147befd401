//! The cells of a round, and how each one is measured.

use std::{fmt, time::Duration};

use doorbuster::{db::engine::Engine, model::StrategyKey};
use serde::Serialize;

use super::{Servers, yardstick};
use crate::{
    Failure,
    buyers::{self, Count},
    cell::{self, BATCHING, BUYERS, ROW_LOCK, STOCK},
    fresh_database::FreshDatabase,
    http::{self, RequestKind, ResponseRate},
    lane::Lane,
    options::Options,
    order_times::MeanTimes,
    program::Program,
    rounds,
    window::Window,
};

/// The compared engines.
pub const ENGINES: [Engine; 2] = [Engine::Postgres, Engine::MySql];
/// The sizes of the yardstick's pool: Sequelize's default, and that of a served shop.
pub const YARDSTICK_POOLS: [u32; 2] = [5, buyers::POOL.transactions_max];

/// Longer than for other cells: Node.js compiles what it runs often.
const WARM_UP: Duration = Duration::from_secs(2);

/// The results of one round.
pub type Round = rounds::Round<EngineCell, Figures>;
/// The results of all rounds.
pub type Session = rounds::Session<EngineCell, Figures>;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineCell {
    /// Orders per second through the shop's code in this process. A twin repeats the same cell, to
    /// measure the noise.
    Shop {
        engine: Engine,
        strategy: StrategyKey,
        twin: bool,
    },
    /// Orders per second through the served program.
    Http {
        engine: Engine,
        strategy: StrategyKey,
    },
    /// Purchases per second of the yardstick, on MariaDB.
    Yardstick { pool: u32 },
}

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    pub window: Window,
    /// Only through the shop's code in this process.
    pub times: Option<MeanTimes>,
}

impl fmt::Display for EngineCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Shop {
                engine,
                strategy,
                twin,
            } => write!(
                f,
                "{strategy}, {}{}",
                name(engine),
                if twin { ", again" } else { "" }
            ),
            Self::Http { engine, strategy } => {
                write!(f, "POST /api/purchase, {strategy}, {}", name(engine))
            }
            Self::Yardstick { pool } => write!(f, "yardstick, pool of {pool}"),
        }
    }
}

/// The name of a compared engine.
pub const fn name(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "PostgreSQL",
        Engine::MySql => "MariaDB",
    }
}

/// The cell for orders per second through the shop's code.
pub const fn shop(engine: Engine, strategy: StrategyKey) -> EngineCell {
    EngineCell::Shop {
        engine,
        strategy,
        twin: false,
    }
}

/// The same cell as [`shop`], measured a second time.
pub const fn shop_again(engine: Engine, strategy: StrategyKey) -> EngineCell {
    EngineCell::Shop {
        engine,
        strategy,
        twin: true,
    }
}

/// The cell for orders per second through the served program.
pub const fn served(engine: Engine, strategy: StrategyKey) -> EngineCell {
    EngineCell::Http { engine, strategy }
}

/// Returns every cell that the options select. The cells of a group are compared with each other.
pub fn groups(options: &Options) -> Vec<Vec<EngineCell>> {
    let mut groups: Vec<_> = options
        .strategies()
        .into_iter()
        .map(|strategy| on_both(shop, strategy))
        .collect();
    groups.push(on_both(shop_again, ROW_LOCK));
    let mut beside_yardstick = on_both(served, ROW_LOCK);
    beside_yardstick.extend(YARDSTICK_POOLS.map(|pool| EngineCell::Yardstick { pool }));
    groups.push(beside_yardstick);
    if let Some(batching) = options.strategy(BATCHING) {
        groups.push(on_both(served, batching));
    }
    groups
}

/// Returns the cell on each engine on which the strategy runs.
fn on_both(cell: fn(Engine, StrategyKey) -> EngineCell, strategy: StrategyKey) -> Vec<EngineCell> {
    ENGINES
        .into_iter()
        .filter(|engine| strategy.check_runs_on(*engine, false).is_ok())
        .map(|engine| cell(engine, strategy))
        .collect()
}

impl EngineCell {
    /// Measures the cell once, on a database of its own, which is checked and then dropped.
    pub async fn measure(self, options: &Options, servers: &Servers) -> Result<Figures, Failure> {
        let time = Duration::from_secs(options.seconds.into());
        let (server, database) = match self {
            Self::Shop { engine, .. } | Self::Http { engine, .. } => {
                let server = servers.of(engine);
                (server, server.fresh().await?)
            }
            Self::Yardstick { .. } => (&servers.mariadb, servers.mariadb.empty().await?),
        };
        let measured = match self {
            Self::Shop { strategy, .. } => sell(servers, &database, strategy, time).await,
            Self::Http { strategy, .. } => serve(servers, &database, strategy, time).await,
            Self::Yardstick { pool } => serve_yardstick(servers, &database, pool, time).await,
        };
        server.drop_database(&database.name).await?;
        measured
    }
}

async fn sell(
    servers: &Servers,
    database: &FreshDatabase,
    strategy: StrategyKey,
    time: Duration,
) -> Result<Figures, Failure> {
    let lane = Lane::open(&database.url, strategy, cell::stock(strategy)).await?;
    servers.checkpoint().await;
    let crowd = cell::crowd(strategy, BUYERS, time);
    let rate = buyers::buy(&database.url, None, lane, crowd, Count::Orders).await?;
    database.check(lane.product_id, rate.acknowledged).await?;
    Ok(Figures {
        window: rate.measured,
        times: rate.times,
    })
}

async fn serve(
    servers: &Servers,
    database: &FreshDatabase,
    strategy: StrategyKey,
    time: Duration,
) -> Result<Figures, Failure> {
    let lane = Lane::open(&database.url, strategy, STOCK).await?;
    let program = Program::start(&database.url, &[]).await?;
    let kind = RequestKind::Purchase(strategy, lane);
    let rate = send_requests(servers, program, kind, time).await?;
    database.check(lane.product_id, rate.responses).await?;
    Ok(over_http(&rate))
}

async fn serve_yardstick(
    servers: &Servers,
    database: &FreshDatabase,
    pool: u32,
    time: Duration,
) -> Result<Figures, Failure> {
    let program = yardstick::start(&database.url, STOCK, pool).await?;
    let kind = RequestKind::YardstickPurchase;
    let rate = send_requests(servers, program, kind, time).await?;
    yardstick::check(database, STOCK, rate.responses).await?;
    Ok(over_http(&rate))
}

/// Sends requests to a server, and stops it.
async fn send_requests(
    servers: &Servers,
    program: Program,
    kind: RequestKind,
    time: Duration,
) -> Result<ResponseRate, Failure> {
    servers.checkpoint().await;
    let rate = http::send_requests(&program.address, kind, Count::Orders, WARM_UP, time).await;
    program.stop().await?;
    rate
}

fn over_http(rate: &ResponseRate) -> Figures {
    Figures {
        window: rate.measured,
        times: None,
    }
}
