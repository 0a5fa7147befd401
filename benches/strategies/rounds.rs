//! Rounds: each one measures every cell once, in its own order.

use std::{collections::HashMap, fmt::Display, hash::Hash};

use indicatif::{ProgressBar, ProgressStyle};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

use crate::{Failure, options::Options, statistics::Spread};

/// The result of each cell, or the reason why it does not count.
pub type Round<C, M> = HashMap<C, Result<M, String>>;

/// All results of the benchmark.
pub struct Session<C, M> {
    pub seed: u64,
    pub rounds: Vec<Round<C, M>>,
}

impl<C: Display, M> Session<C, M> {
    /// The spread of a figure over the rounds that have it.
    pub fn spread(&self, figure: impl Fn(&Round<C, M>) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(figure))
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

impl<C: Copy + Display + Eq + Hash> Session<C, f64> {
    /// The spread of one cell.
    pub fn cell(&self, cell: C) -> Option<Spread> {
        self.spread(|round| value(round, cell))
    }

    /// The spread of the ratio of two cells, computed within each round.
    pub fn ratio(&self, cell: C, to: C) -> Option<Spread> {
        self.spread(|round| Some(value(round, cell)? / value(round, to)?))
    }
}

/// The result of a cell in a round, if it counts.
pub fn value<C: Eq + Hash, M: Copy>(round: &Round<C, M>, cell: C) -> Option<M> {
    round.get(&cell)?.as_ref().ok().copied()
}

/// Runs all rounds. The groups of a round are shuffled; the cells of a group are measured one right
/// after the other, and take turns in being first.
pub async fn run<C: Copy + Display + Eq + Hash, M>(
    options: &Options,
    groups: &[Vec<C>],
    measure: impl AsyncFn(C) -> Result<M, Failure>,
) -> Session<C, M> {
    let seed = options.seed.unwrap_or_else(rand::random);
    let cells: usize = groups.iter().map(Vec::len).sum();
    eprintln!(
        "bench: {} rounds of {cells} cells, seed {seed}",
        options.rounds
    );
    let mut shuffle = ChaCha12Rng::seed_from_u64(seed);
    let bar = progress_bar(options.rounds, cells);
    let mut rounds = Vec::new();
    for (number, _) in (0..options.rounds).enumerate() {
        let mut round = Round::new();
        for cell in order(groups, number, &mut shuffle) {
            bar.set_message(cell.to_string());
            let result = measure(cell).await;
            if let Err(error) = &result {
                bar.suspend(|| eprintln!("bench: {cell} does not count: {error}"));
            }
            round.insert(cell, result.map_err(|error| error.to_string()));
            bar.inc(1);
        }
        rounds.push(round);
    }
    bar.finish_and_clear();
    Session { seed, rounds }
}

/// The cells of a round in their order.
fn order<C: Copy>(groups: &[Vec<C>], round: usize, shuffle: &mut ChaCha12Rng) -> Vec<C> {
    let mut groups = groups.to_vec();
    groups.shuffle(shuffle);
    for group in &mut groups {
        let first = round % group.len().max(1);
        group.rotate_left(first);
    }
    groups.concat()
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
