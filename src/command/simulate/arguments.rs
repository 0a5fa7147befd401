//! The arguments of `doorbuster simulate`, and the plan that they describe.

use clap::{Args, ValueEnum};
use doorbuster::model::{
    ShopError, SimulationPlan, StrategyKey,
    plan::{self, Arrivals, Faults, Journey, Quantities, Thresholds, Writers},
};
use url::Url;

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
    pub(super) target: Vec<Url>,
    /// Server processes that the run starts on this machine, in turn for its buyers, who then use
    /// HTTP [default: 0, the buyers run in this process].
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=i64::from(plan::OWN_SERVERS_MAX)))]
    servers: Option<u32>,
    /// Nodes of a Galera cluster to which the buyers write: one, all, or both, in two lanes of each
    /// strategy. Needs DATABASE_NODES.
    #[arg(long, value_parser = parse_writers, value_name = "one|all|both")]
    writers: Option<Writers>,
    /// Print one JSON object: the verdict, or the verdicts of several lanes.
    #[arg(long)]
    pub(super) json: bool,
    /// List the strategies and exit.
    #[arg(long)]
    pub(super) list: bool,
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

impl Arguments {
    /// Returns the plan that they describe.
    pub(super) fn plan(&self) -> Result<SimulationPlan, ShopError> {
        if !self.target.is_empty() {
            self.check_remote()?;
        }
        let own_servers = self.servers.unwrap_or(0);
        SimulationPlan {
            strategies: self.strategy.clone(),
            lanes_together: self.together,
            buyers: self.buyers.unwrap_or_default(),
            stock: self.stock.unwrap_or_default(),
            quantities: self.quantity,
            rounds: self.rounds,
            seed: self.seed,
            arrivals: self.arrivals()?,
            ramp_ms: self.ramp_ms,
            think_time_ms: self.think_ms,
            race_window_ms: self.race_window_ms,
            journey: match self.journey {
                JourneyArgument::Express => Journey::Express,
                JourneyArgument::Checkout => Journey::Checkout,
            },
            pool_size: self.pool.unwrap_or_else(|| {
                SimulationPlan::fitted_pool_size(self.strategy.len(), self.together, own_servers)
            }),
            faults: self.fault.clone().unwrap_or_default(),
            thresholds: self.threshold.unwrap_or_default(),
            product_id: None,
            guess: None,
            servers: u32::try_from(self.target.len()).unwrap_or(u32::MAX),
            own_servers,
            writers: self.writers,
        }
        .validate()
    }

    fn arrivals(&self) -> Result<Arrivals, ShopError> {
        let why = match (self.arrivals, self.rate) {
            (ArrivalsArgument::Closed, None) => return Ok(Arrivals::Closed),
            (ArrivalsArgument::Open, Some(rate_per_s)) => return Ok(Arrivals::Open { rate_per_s }),
            (ArrivalsArgument::Closed, Some(_)) => "--rate requires --arrivals open",
            (ArrivalsArgument::Open, None) => "--arrivals open requires --rate",
        };
        Err(ShopError::Invalid(why.to_owned()))
    }

    /// Rejects settings that buyers over HTTP cannot control.
    fn check_remote(&self) -> Result<(), ShopError> {
        let reject = |why: String| Err(ShopError::Invalid(why));
        let unsupported = "cannot be used with --target";
        if self.servers.unwrap_or(0) > 0 {
            return reject(format!("--servers {unsupported}"));
        }
        if self.journey == JourneyArgument::Checkout || self.race_window_ms > 0 {
            return reject(format!(
                "--journey checkout and --race-window-ms {unsupported}"
            ));
        }
        if self.pool.is_some() {
            return reject(format!("--pool {unsupported}"));
        }
        let mut faults = self.fault.iter().flat_map(Faults::iter);
        if let Some((kind, _)) = faults.find(|(kind, _)| kind.is_server_side()) {
            return reject(format!("the fault {} {unsupported}", kind.as_str()));
        }
        match self.target.iter().find(|url| url.scheme() != "http") {
            Some(target) => reject(format!("--target needs http URLs, not {target}")),
            None => Ok(()),
        }
    }
}

fn parse_writers(typed: &str) -> Result<Writers, String> {
    Writers::named(typed).ok_or_else(|| "choose one, all or both".to_owned())
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
