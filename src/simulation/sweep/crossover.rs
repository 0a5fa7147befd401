//! Finds the crossover points: the numbers of buyers at which one strategy overtakes another.

use serde::Serialize;

use super::{figures::CellFigures, matrix::SweepPlan};
use crate::model::StrategyKey;

/// A crossover: one strategy is slower with fewer buyers and faster with more, and the repeats show
/// both differences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crossover {
    pub stock: u32,
    /// The number of buyers at which the medians meet, interpolated on a logarithmic scale.
    pub buyers: f64,
    pub overtaking: StrategyKey,
    pub overtaken: StrategyKey,
    /// The measured numbers of buyers between which the order changes.
    pub between: (u32, u32),
}

/// Finds every crossover between safe strategies, sorted by stock and buyers. Unsafe strategies are
/// left out: they are no alternative. With fewer than [`RUNS_EACH_MIN`] repeats the runs cannot
/// show a difference, so the result is empty.
///
/// [`RUNS_EACH_MIN`]: crate::simulation::spread::RUNS_EACH_MIN
pub fn find(plan: &SweepPlan, cells: &[CellFigures]) -> Vec<Crossover> {
    let mut found = Vec::new();
    for &stock in &plan.stocks {
        let curves: Vec<Vec<&CellFigures>> = plan
            .strategies
            .iter()
            .map(|strategy| curve(cells, *strategy, stock))
            .collect();
        for (index, one) in curves.iter().enumerate() {
            for other in &curves[index + 1..] {
                found.extend(between(one, other));
            }
        }
    }
    found.sort_by(|a, b| {
        (a.stock, a.buyers)
            .partial_cmp(&(b.stock, b.buyers))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    found
}

/// Returns the cells of one curve, from few buyers to many. Cells that violated an invariant or
/// were too short are left out.
fn curve(cells: &[CellFigures], strategy: StrategyKey, stock: u32) -> Vec<&CellFigures> {
    cells
        .iter()
        .filter(|cell| cell.strategy == strategy && cell.stock == stock)
        .filter(|cell| cell.safe && cell.held && !cell.is_short())
        .collect()
}

fn between(one: &[&CellFigures], other: &[&CellFigures]) -> Vec<Crossover> {
    let pairs: Vec<(&CellFigures, &CellFigures)> = one
        .iter()
        .filter_map(|one| {
            let other = other.iter().find(|other| other.buyers == one.buyers)?;
            Some((*one, *other))
        })
        .collect();
    let mut found = Vec::new();
    // Index of the last point at which the two differed by more than the spread.
    let mut clear: Option<usize> = None;
    for (index, (a, b)) in pairs.iter().enumerate() {
        if !a.orders_per_second.differs_from(&b.orders_per_second) {
            continue;
        }
        if let Some(before) = clear
            && lead(&pairs[before]) * lead(&pairs[index]) < 0.0
            && let Some(buyers) = meeting_point(&pairs[before..=index])
        {
            let a_wins = lead(&pairs[index]) > 0.0;
            found.push(Crossover {
                stock: a.stock,
                buyers,
                overtaking: if a_wins { a.strategy } else { b.strategy },
                overtaken: if a_wins { b.strategy } else { a.strategy },
                between: (pairs[before].0.buyers, a.buyers),
            });
        }
        clear = Some(index);
    }
    found
}

/// The difference of the medians; positive if the first is faster.
fn lead((a, b): &(&CellFigures, &CellFigures)) -> f64 {
    a.orders_per_second.median - b.orders_per_second.median
}

/// Returns the first number of buyers at which the medians are equal, by linear interpolation over
/// the logarithm of the buyers.
fn meeting_point(pairs: &[(&CellFigures, &CellFigures)]) -> Option<f64> {
    pairs.windows(2).find_map(|step| {
        let (from, to) = (lead(&step[0]), lead(&step[1]));
        let turns = from * to <= 0.0 && (to - from).abs() > f64::EPSILON;
        turns.then(|| {
            let [start, end] = [&step[0], &step[1]].map(|(a, _)| f64::from(a.buyers).ln());
            (start + (end - start) * from / (from - to)).exp()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{
        spread::{RUNS_EACH_MIN, Spread},
        sweep::{figures, matrix::tests::plan},
    };

    /// Orders per second of `row-lock` and `conditional-update` at 1, 8 and 64 buyers, each ±
    /// `spread`.
    fn cells(row_lock: [f64; 3], conditional: [f64; 3], spread: f64) -> Vec<CellFigures> {
        let mut cells = figures::of_cells(&plan(), &[]);
        for (cell, median) in cells
            .iter_mut()
            .zip(row_lock.into_iter().chain(conditional))
        {
            cell.elapsed_ms.median = 500.0;
            cell.orders_per_second = Spread {
                median,
                min: median - spread,
                max: median + spread,
                runs: RUNS_EACH_MIN,
            };
        }
        cells
    }

    #[test]
    fn the_crossover_is_interpolated_on_a_logarithmic_scale() {
        let found = find(
            &plan(),
            &cells([200.0, 300.0, 300.0], [100.0, 200.0, 400.0], 1.0),
        );
        assert_eq!(found.len(), 1);
        // Half-way between 8 and 64 on a logarithmic scale.
        assert!(
            (found[0].buyers - (8.0_f64 * 64.0).sqrt()).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!(found[0].overtaking, StrategyKey::ConditionalUpdate);
        assert_eq!(found[0].overtaken, StrategyKey::RowLock);
        assert_eq!(found[0].between, (8, 64));
    }

    #[test]
    fn a_difference_within_the_spread_is_no_crossover() {
        assert!(
            find(
                &plan(),
                &cells([200.0, 300.0, 300.0], [100.0, 200.0, 400.0], 60.0)
            )
            .is_empty()
        );
        // Within the spread in the middle, beyond it at both ends: one crossover over the whole
        // range.
        let found = find(
            &plan(),
            &cells([400.0, 300.0, 200.0], [200.0, 290.0, 400.0], 20.0),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].between, (1, 64));
        assert!((8.0..64.0).contains(&found[0].buyers), "{found:?}");
    }

    #[test]
    fn few_repeats_and_unsafe_broken_or_short_cells_give_no_crossover() {
        let mut cells = cells([200.0, 300.0, 300.0], [100.0, 200.0, 400.0], 0.0);
        for cell in &mut cells {
            cell.orders_per_second.runs = RUNS_EACH_MIN - 1;
        }
        assert!(find(&plan(), &cells).is_empty());
        for cell in &mut cells {
            cell.orders_per_second.runs = RUNS_EACH_MIN;
        }
        cells[5].held = false;
        assert!(find(&plan(), &cells).is_empty());
        cells[5].held = true;
        cells[5].safe = false;
        assert!(find(&plan(), &cells).is_empty());
        cells[5].safe = true;
        assert_eq!(find(&plan(), &cells).len(), 1);
        cells[5].elapsed_ms.median = 50.0;
        assert!(find(&plan(), &cells).is_empty());
    }
}
