//! The cells of a round, and how each one is measured.

use std::{
    fmt,
    time::{Duration, Instant},
};

use doorbuster::model::StrategyKey;

use crate::{
    Failure,
    buyers::{self, Count, Crowd},
    fresh_database::FreshDatabase,
    http::{self, RequestKind},
    lane::Lane,
    memory,
    options::Options,
    pgbench,
    program::Program,
    proxy::Proxy,
    redis::{self, PrivateRedis},
    rounds,
    script::Scripts,
    server::Server,
};

/// The results of one round: orders or responses per second, or megabytes.
pub type Round = rounds::Round<Cell, f64>;
/// The results of all rounds.
pub type Session = rounds::Session<Cell, f64>;

/// The number of buyers with which strategies are compared.
pub const BUYERS: u32 = 64;
/// The buyers of a shop that is not full.
pub const ALONE: u32 = 1;
/// Larger crowds, for the strategy that becomes faster with them.
pub const LARGER_CROWDS: [u32; 2] = [512, 10_000];
/// The reference: all strategies are compared with it.
pub const ROW_LOCK: StrategyKey = StrategyKey::RowLock;
/// The key of the batching strategy.
pub const BATCHING: &str = "micro-batch";

/// Warm-up before the measured time.
const WARM_UP: Duration = Duration::from_millis(300);
/// Warm-up of larger crowds, because it takes longer until every buyer has had one response.
const WARM_UP_LARGE: Duration = Duration::from_millis(1_500);
/// More units than any strategy sells in the time of a cell.
pub const STOCK: u32 = 1_000_000;
/// The same for one row per unit: writing a million rows would take longer than measuring the cell.
const STOCK_OF_ROWS: u32 = 100_000;
/// Few enough units to be sold out within the warm-up.
const STOCK_SOLD_OUT: u32 = 50;
/// The longest time until the orders that a queue has accepted are written.
const WRITTEN_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Counts the orders of a lane, which is the only one of its database.
const ORDERS: &str = "SELECT count(*) FROM customer_order WHERE lane_id IS NOT NULL";

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Orders per second through the shop's code in this process. A twin repeats the same cell, to
    /// measure the noise.
    Shop {
        strategy: StrategyKey,
        buyers: u32,
        rtt_ms: u32,
        twin: bool,
    },
    /// Orders per second of pgbench.
    Pgbench {
        strategy: StrategyKey,
        clients: u32,
        rtt_ms: u32,
        twin: bool,
    },
    /// Rejections per second after the product has sold out, through the shop's code.
    Rejections { strategy: StrategyKey, rtt_ms: u32 },
    /// Orders per second through the served program; those that a queue has accepted, if the
    /// strategy has one.
    Http { strategy: StrategyKey },
    /// Rejections per second through the served program after the product has sold out.
    HttpRejections { strategy: StrategyKey },
    /// Responses per second of the same program that need no database.
    Health,
    /// Peak memory in megabytes.
    Memory { strategy: StrategyKey },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = |twin: bool| if twin { ", again" } else { "" };
        match *self {
            Self::Shop {
                strategy,
                buyers,
                rtt_ms,
                twin,
            } => write!(
                f,
                "{strategy}, {buyers} buyers, +{rtt_ms} ms{}",
                again(twin)
            ),
            Self::Pgbench {
                strategy,
                clients,
                rtt_ms,
                twin,
            } => write!(
                f,
                "pgbench as {strategy}, {clients} clients, +{rtt_ms} ms{}",
                again(twin)
            ),
            Self::Rejections { strategy, rtt_ms } => {
                write!(f, "{strategy}, sold out, +{rtt_ms} ms")
            }
            Self::Http { strategy } => write!(f, "POST /api/purchase, {strategy}"),
            Self::HttpRejections { strategy } => {
                write!(f, "POST /api/purchase, {strategy}, sold out")
            }
            Self::Health => write!(f, "GET /healthz"),
            Self::Memory { strategy } => write!(f, "memory, {strategy}"),
        }
    }
}

/// Returns every cell that the options select.
pub fn all(options: &Options, scripts: &Scripts) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &rtt_ms in &options.rtt {
        for strategy in options.strategies() {
            cells.push(shop(strategy, BUYERS, rtt_ms));
            cells.push(Cell::Rejections { strategy, rtt_ms });
            if scripts.contains_key(&strategy) {
                cells.push(pgbench(strategy, BUYERS, rtt_ms));
            }
        }
        if scripts.contains_key(&ROW_LOCK) {
            cells.push(pgbench(ROW_LOCK, buyers::POOL.transactions_max, rtt_ms));
        }
    }
    if options.rtt.contains(&0) {
        cells.extend(without_added_time(options, scripts));
        cells.extend(with_redis(options));
    }
    cells
}

/// Returns the cells of the strategies that need Redis, and those that only they are compared with;
/// none if no Redis is installed.
fn with_redis(options: &Options) -> Vec<Cell> {
    let strategies = options.strategies_with_redis();
    if strategies.is_empty() {
        return Vec::new();
    }
    if !redis::is_installed() {
        eprintln!("bench: strategies with Redis are not measured, because none is installed");
        return Vec::new();
    }
    let mut cells = Vec::new();
    for strategy in strategies {
        cells.push(shop(strategy, BUYERS, 0));
        cells.push(Cell::Rejections {
            strategy,
            rtt_ms: 0,
        });
        cells.push(Cell::Http { strategy });
        cells.push(Cell::HttpRejections { strategy });
        cells.push(shop(strategy, ALONE, 0));
    }
    cells.push(Cell::HttpRejections { strategy: ROW_LOCK });
    cells.push(shop(ROW_LOCK, ALONE, 0));
    cells
}

/// Returns the cells that are measured only without added round-trip time.
fn without_added_time(options: &Options, scripts: &Scripts) -> Vec<Cell> {
    let batching = options.strategy(BATCHING);
    let mut cells = vec![
        Cell::Shop {
            strategy: ROW_LOCK,
            buyers: BUYERS,
            rtt_ms: 0,
            twin: true,
        },
        Cell::Http { strategy: ROW_LOCK },
        Cell::Health,
        Cell::Memory {
            strategy: batching.unwrap_or(ROW_LOCK),
        },
    ];
    if scripts.contains_key(&ROW_LOCK) {
        cells.push(Cell::Pgbench {
            strategy: ROW_LOCK,
            clients: BUYERS,
            rtt_ms: 0,
            twin: true,
        });
    }
    if let Some(strategy) = batching {
        cells.push(Cell::Http { strategy });
        cells.extend(LARGER_CROWDS.map(|crowd| shop(strategy, crowd, 0)));
    }
    cells
}

/// The cell for orders per second through the shop's code.
pub const fn shop(strategy: StrategyKey, buyers: u32, rtt_ms: u32) -> Cell {
    Cell::Shop {
        strategy,
        buyers,
        rtt_ms,
        twin: false,
    }
}

/// The cell for orders per second of pgbench.
pub const fn pgbench(strategy: StrategyKey, clients: u32, rtt_ms: u32) -> Cell {
    Cell::Pgbench {
        strategy,
        clients,
        rtt_ms,
        twin: false,
    }
}

impl Cell {
    /// Measures the cell once, on a fresh database, which is audited and then dropped.
    pub async fn measure(
        self,
        options: &Options,
        server: &Server,
        scripts: &Scripts,
    ) -> Result<f64, Failure> {
        let fresh = server.fresh().await?;
        let time = Duration::from_secs(options.seconds.into());
        let measured = self.measure_on(server, &fresh, time, scripts).await;
        server.drop_database(&fresh.name).await?;
        measured
    }

    async fn measure_on(
        self,
        server: &Server,
        fresh: &FreshDatabase,
        time: Duration,
        scripts: &Scripts,
    ) -> Result<f64, Failure> {
        match self {
            Self::Shop {
                strategy,
                buyers,
                rtt_ms,
                ..
            } => sell(server, fresh, crowd(strategy, buyers, time), rtt_ms).await,
            Self::Rejections { strategy, rtt_ms } => {
                reject(server, fresh, crowd(strategy, BUYERS, time), rtt_ms).await
            }
            Self::Pgbench {
                strategy,
                clients,
                rtt_ms,
                ..
            } => {
                let script = scripts.get(&strategy).ok_or("no script")?;
                let lane = Lane::open(&fresh.url, strategy, stock(strategy)).await?;
                server.checkpoint().await;
                let url = url(fresh, rtt_ms)?;
                let rate = pgbench::run(&url, script, lane, clients, time).await?;
                fresh.check(lane.product_id, rate.transactions).await?;
                Ok(rate.per_second)
            }
            Self::Http { strategy } => {
                serve(server, fresh, Some(strategy), Count::Orders, time).await
            }
            Self::HttpRejections { strategy } => {
                serve(server, fresh, Some(strategy), Count::Rejections, time).await
            }
            Self::Health => serve(server, fresh, None, Count::Orders, time).await,
            Self::Memory { strategy } => memory::peak_mb(&fresh.url, strategy).await,
        }
    }
}

/// The units of a lane that does not sell out in the time of a cell.
pub fn stock(strategy: StrategyKey) -> u32 {
    if strategy.as_str() == "skip-locked-units" {
        STOCK_OF_ROWS
    } else {
        STOCK
    }
}

/// The buyers of a cell.
pub fn crowd(strategy: StrategyKey, buyers: u32, time: Duration) -> Crowd {
    Crowd {
        strategy,
        buyers,
        warm_up: if buyers > BUYERS {
            WARM_UP_LARGE
        } else {
            WARM_UP
        },
        time,
    }
}

/// Returns the database's URL, through a delaying proxy if round-trip time is added.
fn url(fresh: &FreshDatabase, rtt_ms: u32) -> Result<String, Failure> {
    if rtt_ms == 0 {
        return Ok(fresh.url.clone());
    }
    let proxy = Proxy::delaying(&fresh.url, Duration::from_millis(rtt_ms.into()))?;
    Ok(proxy.url().to_owned())
}

async fn sell(
    server: &Server,
    fresh: &FreshDatabase,
    crowd: Crowd,
    rtt_ms: u32,
) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, crowd.strategy, stock(crowd.strategy)).await?;
    let redis = PrivateRedis::start_for(crowd.strategy).await?;
    let gate = redis.as_ref().map(PrivateRedis::gate).transpose()?;
    server.checkpoint().await;
    let rate = buyers::buy(&url(fresh, rtt_ms)?, gate, lane, crowd, Count::Orders).await?;
    fresh.check(lane.product_id, rate.acknowledged).await?;
    Ok(rate.measured.per_second)
}

async fn reject(
    server: &Server,
    fresh: &FreshDatabase,
    crowd: Crowd,
    rtt_ms: u32,
) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, crowd.strategy, STOCK_SOLD_OUT).await?;
    let redis = PrivateRedis::start_for(crowd.strategy).await?;
    let gate = redis.as_ref().map(PrivateRedis::gate).transpose()?;
    server.checkpoint().await;
    let rate = buyers::buy(&url(fresh, rtt_ms)?, gate, lane, crowd, Count::Rejections).await?;
    fresh.check(lane.product_id, rate.acknowledged).await?;
    if rate.acknowledged != u64::from(STOCK_SOLD_OUT) {
        return Err(format!("{} of {STOCK_SOLD_OUT} units were sold", rate.acknowledged).into());
    }
    Ok(rate.measured.per_second)
}

/// Measures purchases with `strategy` from the served program, or their rejections after the
/// product has sold out; without a strategy, the program's responses to `/healthz`.
async fn serve(
    server: &Server,
    fresh: &FreshDatabase,
    strategy: Option<StrategyKey>,
    count: Count,
    time: Duration,
) -> Result<f64, Failure> {
    let stock = match count {
        Count::Orders => STOCK,
        Count::Rejections => STOCK_SOLD_OUT,
    };
    let lane = Lane::open(&fresh.url, ROW_LOCK, stock).await?;
    let redis = match strategy {
        Some(strategy) => PrivateRedis::start_for(strategy).await?,
        None => None,
    };
    let settings: Vec<_> = redis
        .iter()
        .map(|redis| ("REDIS_URL", redis.url.as_str()))
        .collect();
    let program = Program::start(&fresh.url, &settings).await?;
    server.checkpoint().await;
    let kind = strategy.map_or(RequestKind::Health, |strategy| {
        RequestKind::Purchase(strategy, lane)
    });
    let sent = http::send_requests(&program.address, kind, count, WARM_UP, time).await;
    let orders = match (&sent, strategy, count) {
        (Ok(rate), Some(_), Count::Orders) => Some(rate.responses),
        (Ok(_), Some(_), Count::Rejections) => Some(stock.into()),
        (Ok(_), None, _) | (Err(_), ..) => None,
    };
    let written = match orders {
        Some(orders) => until_written(fresh, orders).await,
        None => Ok(()),
    };
    program.stop().await?;
    let rate = sent?;
    written?;
    if let Some(orders) = orders {
        fresh.check(lane.product_id, orders).await?;
    }
    Ok(rate.measured.per_second)
}

/// Waits until so many orders are in the database: those that were accepted by a queue are written
/// later. [`FreshDatabase::check`] says which are missing.
async fn until_written(fresh: &FreshDatabase, orders: u64) -> Result<(), Failure> {
    let start = Instant::now();
    while u64::try_from(fresh.number(ORDERS).await?)? < orders && start.elapsed() < WRITTEN_MAX {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
