//! The project's claims about its speed, each with its minimum and its target.

use doorbuster::model::StrategyKey;

use crate::{
    buyers,
    cell::{self, BATCHING, BUYERS, Cell, LARGER_CROWDS, ROW_LOCK, Round, Session},
    options::Options,
    rounds::value,
    statistics::Spread,
};

/// One row of the table.
pub struct Claim {
    pub text: String,
    pub minimum: f64,
    pub target: f64,
    pub better: Better,
    pub measured: Option<Spread>,
}

/// Which direction is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    /// For memory.
    Less,
}

impl Claim {
    /// Compares the median with the claim.
    pub fn verdict(&self) -> &'static str {
        let Some(measured) = &self.measured else {
            return "not measured";
        };
        let reaches = |limit: f64| match self.better {
            Better::More => measured.median >= limit,
            Better::Less => measured.median <= limit,
        };
        if reaches(self.target) {
            "target reached"
        } else if reaches(self.minimum) {
            "minimum reached"
        } else {
            "**missed**"
        }
    }
}

/// Orders per second of the base: pgbench with `row-lock`'s statements, from one client per buyer
/// or from one client per connection of the shop's pool, whichever is better.
pub fn base(round: &Round) -> Option<f64> {
    base_at(round, 0)
}

/// The base with added round-trip time.
pub fn base_at(round: &Round, rtt_ms: u32) -> Option<f64> {
    let of = |clients| value(round, cell::pgbench(ROW_LOCK, clients, rtt_ms));
    Some(of(BUYERS)?.max(of(buyers::POOL.transactions_max)?))
}

/// Returns all claims, with their measurements if there are any.
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
    let more = |text: &str, minimum, target, measured| Claim {
        text: text.to_owned(),
        minimum,
        target,
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
                Some(slowest_rejections(round, &options.strategies())? / base(round)?)
            }),
        ),
        Claim {
            text: "memory for 10,000 simulated buyers, MB (less is better)".to_owned(),
            minimum: 300.0,
            target: 120.0,
            better: Better::Less,
            measured: session.cell(memory),
        },
    ]
}

/// The lowest rate of all strategies; `None` unless every strategy's cell counts.
fn slowest_rejections(round: &Round, strategies: &[StrategyKey]) -> Option<f64> {
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
