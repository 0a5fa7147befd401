//! The cells of a round, and how each is measured.

use std::{fmt, time::Duration};

use doorbuster::model::StrategyKey;

use crate::{
    Failure,
    buyers::{self, Count, Crowd},
    http::{self, Ask, Program},
    lane::Lane,
    line::Line,
    memory,
    options::Options,
    pgbench,
    script::Scripts,
    server::{Fresh, Server},
};

/// The crowd that strategies are compared with.
pub const BUYERS: u32 = 64;
/// Larger crowds, for the strategy that gains by them.
pub const LARGER_CROWDS: [u32; 2] = [512, 10_000];
/// The strategy that all are compared with.
pub const ROW_LOCK: StrategyKey = StrategyKey::RowLock;
/// The one that batches, by its name: it is measured where there is one.
pub const BATCHING: &str = "micro-batch";

/// Before what is measured begins.
const WARM_UP: Duration = Duration::from_millis(300);
/// A crowd of ten thousand takes longer to have been served once.
const WARM_UP_LARGE: Duration = Duration::from_millis(1_500);
/// More than any strategy sells in a cell's time.
const STOCK: u32 = 1_000_000;
/// The same where a unit is a row, and a million of them take longer to write than the cell to measure.
const STOCK_OF_ROWS: u32 = 100_000;
/// Sold within the warm-up.
const STOCK_SOLD_OUT: u32 = 50;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Orders a second through the shop's code in this process. A twin is the same cell once more.
    Shop {
        strategy: StrategyKey,
        buyers: u32,
        rtt_ms: u32,
        twin: bool,
    },
    /// Orders a second of pgbench.
    Pgbench {
        strategy: StrategyKey,
        clients: u32,
        rtt_ms: u32,
        twin: bool,
    },
    /// Refusals a second once all is sold, through the shop's code.
    Rejections { strategy: StrategyKey, rtt_ms: u32 },
    /// Orders a second through the served program.
    Http { strategy: StrategyKey },
    /// Answers a second of the same program that touch no database.
    Health,
    /// Megabytes.
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

/// Every cell that the options ask for.
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

/// What is measured without added round-trip time only.
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

/// Orders a second through the shop's code.
pub const fn shop(strategy: StrategyKey, buyers: u32, rtt_ms: u32) -> Cell {
    Cell::Shop {
        strategy,
        buyers,
        rtt_ms,
        twin: false,
    }
}

/// Orders a second of pgbench.
pub const fn pgbench(strategy: StrategyKey, clients: u32, rtt_ms: u32) -> Cell {
    Cell::Pgbench {
        strategy,
        clients,
        rtt_ms,
        twin: false,
    }
}

impl Cell {
    /// Measures it once, on a fresh database, which is audited and then dropped.
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
        fresh: &Fresh,
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
                let answers = pgbench::run(&url, script, lane, clients, time).await?;
                fresh.check(lane.product_id, answers.transactions).await?;
                Ok(answers.per_second)
            }
            Self::Http { strategy } => serve(server, fresh, Some(strategy), time).await,
            Self::Health => serve(server, fresh, None, time).await,
            Self::Memory { strategy } => memory::peak_mb(&fresh.url, strategy).await,
        }
    }
}

fn stock(strategy: StrategyKey) -> u32 {
    if strategy.as_str() == "skip-locked-units" {
        STOCK_OF_ROWS
    } else {
        STOCK
    }
}

fn crowd(strategy: StrategyKey, buyers: u32, time: Duration) -> Crowd {
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

/// The database's URL, through a slow line if there is time to be added.
fn url(fresh: &Fresh, rtt_ms: u32) -> Result<String, Failure> {
    if rtt_ms == 0 {
        return Ok(fresh.url.clone());
    }
    let line = Line::slow(&fresh.url, Duration::from_millis(rtt_ms.into()))?;
    Ok(line.url().to_owned())
}

async fn sell(server: &Server, fresh: &Fresh, crowd: Crowd, rtt_ms: u32) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, crowd.strategy, stock(crowd.strategy)).await?;
    server.checkpoint().await;
    let answers = buyers::buy(&url(fresh, rtt_ms)?, lane, crowd, Count::Orders).await?;
    fresh.check(lane.product_id, answers.acknowledged).await?;
    Ok(answers.per_second)
}

async fn reject(server: &Server, fresh: &Fresh, crowd: Crowd, rtt_ms: u32) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, crowd.strategy, STOCK_SOLD_OUT).await?;
    server.checkpoint().await;
    let answers = buyers::buy(&url(fresh, rtt_ms)?, lane, crowd, Count::Rejections).await?;
    fresh.check(lane.product_id, answers.acknowledged).await?;
    if answers.acknowledged != u64::from(STOCK_SOLD_OUT) {
        return Err(format!("{} of {STOCK_SOLD_OUT} were sold", answers.acknowledged).into());
    }
    Ok(answers.per_second)
}

/// Purchases by `strategy` from the served program; none: its answers to `/healthz`.
async fn serve(
    server: &Server,
    fresh: &Fresh,
    strategy: Option<StrategyKey>,
    time: Duration,
) -> Result<f64, Failure> {
    let lane = Lane::open(&fresh.url, ROW_LOCK, STOCK).await?;
    let program = Program::start(&fresh.url).await?;
    server.checkpoint().await;
    let ask = strategy.map_or(Ask::Health, |strategy| Ask::Purchase(strategy, lane));
    let answers = http::ask(&program, ask, WARM_UP, time).await;
    program.stop().await?;
    let answers = answers?;
    if strategy.is_some() {
        fresh.check(lane.product_id, answers.answered).await?;
    }
    Ok(answers.per_second)
}
