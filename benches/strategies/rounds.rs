//! Rounds: each one runs every cell once, in its own order.

use std::collections::HashMap;

use indicatif::{ProgressBar, ProgressStyle};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

use crate::{
    Failure, cell::Cell, options::Options, script::Scripts, server::Server, statistics::Spread,
};

/// The result of each cell, or the reason why it does not count.
pub type Round = HashMap<Cell, Result<f64, String>>;

/// All results of the benchmark.
pub struct Session {
    pub seed: u64,
    pub postgresql: String,
    pub fsync: String,
    pub rounds: Vec<Round>,
}

impl Session {
    /// The spread of a figure over the rounds that have it.
    pub fn spread(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(figure))
    }

    /// The spread of one cell.
    pub fn cell(&self, cell: Cell) -> Option<Spread> {
        self.spread(|round| value(round, cell))
    }

    /// The spread of the ratio of two cells, computed within each round.
    pub fn ratio(&self, cell: Cell, to: Cell) -> Option<Spread> {
        self.spread(|round| Some(value(round, cell)? / value(round, to)?))
    }

    /// The cells that did not count, each with its round and the reason.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for (index, round) in self.rounds.iter().enumerate() {
            for (cell, result) in round {
                if let Err(why) = result {
                    failures.push(format!("round {}, {cell}: {why}", index + 1));
                }
            }
        }
        failures.sort();
        failures
    }
}

/// The result of a cell in a round, if it counts.
pub fn value(round: &Round, cell: Cell) -> Option<f64> {
    round.get(&cell)?.as_ref().ok().copied()
}

/// Runs all rounds.
pub async fn run(
    options: &Options,
    server: &Server,
    cells: &[Cell],
    scripts: &Scripts,
) -> Result<Session, Failure> {
    let seed = options.seed.unwrap_or_else(rand::random);
    eprintln!(
        "bench: {} rounds of {} cells, seed {seed}",
        options.rounds,
        cells.len()
    );
    let (postgresql, fsync) = server.facts().await?;
    let mut shuffle = ChaCha12Rng::seed_from_u64(seed);
    let bar = progress_bar(options.rounds, cells.len());
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut order = cells.to_vec();
        order.shuffle(&mut shuffle);
        let mut round = Round::new();
        for cell in order {
            bar.set_message(cell.to_string());
            let result = cell.measure(options, server, scripts).await;
            if let Err(error) = &result {
                bar.suspend(|| eprintln!("bench: {cell} does not count: {error}"));
            }
            round.insert(cell, result.map_err(|error| error.to_string()));
            bar.inc(1);
        }
        rounds.push(round);
    }
    bar.finish_and_clear();
    Ok(Session {
        seed,
        postgresql,
        fsync,
        rounds,
    })
}

/// Visible only on a terminal: indicatif draws nothing into a pipe.
fn progress_bar(rounds: u32, cells: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(rounds) * cells as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {elapsed}, {eta} to go: {msg}")
    {
        bar.set_style(style);
    }
    bar
}
