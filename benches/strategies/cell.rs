//! The cells of a round, and how each one is measured.

use std::{fmt, time::Duration};

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
    /// Orders per second through the served program.
    Http { strategy: StrategyKey },
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
    }
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
            Self::Http { strategy } => serve(server, fresh, Some(strategy), time).await,
            Self::Health => serve(server, fresh, None, time).await,
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
    server.checkpoint().await;
    let rate = buyers::buy(&url(fresh, rtt_ms)?, lane, crowd, Count::Orders).await?;
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
    server.checkpoint().await;
    let rate = buyers::buy(&url(fresh, rtt_ms)?, lane, crowd, Count::Rejections).await?;
    fresh.check(lane.product_id, rate.acknowledged).await?;
    if rate.acknowledged != u64::from(STOCK_SOLD_OUT) {
        return Err(format!("{} of {STOCK_SOLD_OUT} units were sold", rate.acknowledged).into());
    }
    Ok(rate.measured.per_second)
}

/// Measures purchases with `strategy` from the served program; without one, its responses to
/// `/healthz`.
async fn serve(
    server: &Server,
    fresh: &FreshDatabase,
    strategy: Option<StrategyKey>,
    time: Duration,
) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, ROW_LOCK, STOCK).await?;
    let program = Program::start(&fresh.url, &[]).await?;
    server.checkpoint().await;
    let kind = strategy.map_or(RequestKind::Health, |strategy| {
        RequestKind::Purchase(strategy, lane)
    });
    let rate = http::send_requests(&program.address, kind, WARM_UP, time).await;
    program.stop().await?;
    let rate = rate?;
    if strategy.is_some() {
        fresh.check(lane.product_id, rate.responses).await?;
    }
    Ok(rate.measured.per_second)
}
