//! The claims that the project makes about its speed, each against what it should be at least and what it aims for.

use doorbuster::model::StrategyKey;

use crate::{
    buyers,
    cell::{self, BATCHING, BUYERS, Cell, LARGER_CROWDS, ROW_LOCK},
    options::Options,
    rounds::{Round, Session, value},
    statistics::Spread,
};

/// One line of the table.
pub struct Claim {
    pub words: String,
    pub at_least: f64,
    pub aim: f64,
    pub better: Better,
    pub measured: Option<Spread>,
}

/// Which way is up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    /// Megabytes.
    Less,
}

impl Claim {
    /// How the median stands to what was claimed.
    pub fn verdict(&self) -> &'static str {
        let Some(measured) = &self.measured else {
            return "to be measured";
        };
        let reaches = |mark: f64| match self.better {
            Better::More => measured.median >= mark,
            Better::Less => measured.median <= mark,
        };
        if reaches(self.aim) {
            "aim reached"
        } else if reaches(self.at_least) {
            "held"
        } else {
            "**missed**"
        }
    }
}

/// Orders a second of the base: pgbench with `row-lock`'s own statements, from as many clients as there are buyers or from as many as our
/// pool has connections, whichever is better.
pub fn base(round: &Round) -> Option<f64> {
    base_at(round, 0)
}

/// The same with added round-trip time.
pub fn base_at(round: &Round, rtt_ms: u32) -> Option<f64> {
    let of = |clients| value(round, cell::pgbench(ROW_LOCK, clients, rtt_ms));
    Some(of(BUYERS)?.max(of(buyers::POOL.transactions_max)?))
}

/// All of them, as far as they were measured.
pub fn all(options: &Options, session: &Session) -> Vec<Claim> {
    let to_base = |cell: Option<Cell>| {
        let cell = cell?;
        session.spread(|round| Some(value(round, cell)? / base(round)?))
    };
    let of = |key: &str, buyers| Some(cell::shop(options.strategy(key)?, buyers, 0));
    let ratio = |cell: Option<Cell>, to: Option<Cell>| session.ratio(cell?, to?);
    let [large, huge] = LARGER_CROWDS;
    let batched = options
        .strategy(BATCHING)
        .map(|strategy| Cell::Http { strategy });
    let memory = Cell::Memory {
        strategy: options.strategy(BATCHING).unwrap_or(ROW_LOCK),
    };
    let more = |words: &str, at_least, aim, measured| Claim {
        words: words.to_owned(),
        at_least,
        aim,
        better: Better::More,
        measured,
    };
    vec![
        more(
            "`row-lock` ÷ base, 64 buyers",
            0.7,
            0.9,
            to_base(of("row-lock", BUYERS)),
        ),
        more(
            "`single-statement` ÷ base, 64 buyers",
            1.2,
            1.6,
            to_base(of("single-statement", BUYERS)),
        ),
        more(
            "`early-release` ÷ base, 64 buyers",
            2.5,
            4.0,
            to_base(of("early-release", BUYERS)),
        ),
        more(
            "`micro-batch` ÷ base, 64 buyers",
            10.0,
            25.0,
            to_base(of(BATCHING, BUYERS)),
        ),
        more(
            "`micro-batch` ÷ base, 512 buyers",
            14.0,
            40.0,
            to_base(of(BATCHING, large)),
        ),
        more(
            "`micro-batch`, 10,000 buyers ÷ 512 buyers",
            0.8,
            1.0,
            ratio(of(BATCHING, huge), of(BATCHING, large)),
        ),
        more(
            "`POST /api/purchase` with `micro-batch` ÷ with `row-lock`, 64 keep-alive clients",
            5.0,
            12.0,
            ratio(batched, Some(Cell::Http { strategy: ROW_LOCK })),
        ),
        more(
            "the same with `micro-batch` ÷ `GET /healthz` of the same server",
            0.25,
            0.5,
            ratio(batched, Some(Cell::Health)),
        ),
        more(
            "rejections after sold out, slowest safe strategy ÷ base",
            20.0,
            60.0,
            session.spread(|round| {
                Some(slowest_refusal(round, &options.strategies())? / base(round)?)
            }),
        ),
        Claim {
            words: "memory for 10,000 simulated buyers, MB (less is better)".to_owned(),
            at_least: 300.0,
            aim: 120.0,
            better: Better::Less,
            measured: session.cell(memory),
        },
    ]
}

/// None unless every strategy's cell counts.
fn slowest_refusal(round: &Round, strategies: &[StrategyKey]) -> Option<f64> {
    strategies
        .iter()
        .map(|&strategy| {
            value(
                round,
                Cell::Rejections {
                    strategy,
                    rtt_ms: 0,
                },
            )
        })
        .collect::<Option<Vec<f64>>>()?
        .into_iter()
        .reduce(f64::min)
}
