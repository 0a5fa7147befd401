//! The heat map: one row for each strategy, one column for each number of buyers. Darker cells are
//! faster.

use leptos::prelude::*;

use super::number;
use crate::{
    model::AxisScale,
    simulation::{
        spread::RUNS_EACH_MIN,
        sweep::{Sweep, figures::CellFigures},
    },
};

/// Number of shades, from the slowest to the fastest. `report.css` defines the colours.
const SHADES: u8 = 7;

/// Maps speeds to shades on a logarithmic scale: strategies differ by a factor of up to a hundred.
pub struct ShadeScale {
    slowest: f64,
    fastest: f64,
}

impl ShadeScale {
    /// Computes one scale for all maps of the report, so that they can be compared.
    pub fn of(cells: &[CellFigures]) -> Self {
        let speeds = cells.iter().map(|cell| cell.orders_per_second.median);
        let positive = speeds.filter(|speed| *speed > 0.0);
        let (slowest, fastest) = positive.fold((f64::INFINITY, 0.0_f64), |(low, high), speed| {
            (low.min(speed), high.max(speed))
        });
        Self { slowest, fastest }
    }

    fn shade(&self, speed: f64) -> u8 {
        if speed <= self.slowest || self.fastest <= self.slowest {
            return 0;
        }
        let part = AxisScale::logarithmic((self.slowest, self.fastest), (0.0, 1.0)).position(speed);
        (1..SHADES)
            .rev()
            .find(|shade| part * f64::from(SHADES) >= f64::from(*shade))
            .unwrap_or(0)
    }
}

/// Renders the heat map of one stock.
pub fn table(sweep: &Sweep, stock: u32, scale: &ShadeScale) -> impl IntoView + use<> {
    let plan = &sweep.plan;
    let of_stock: Vec<&CellFigures> = sweep
        .cells
        .iter()
        .filter(|cell| cell.stock == stock)
        .collect();
    let heads = plan.buyers.iter().map(|&buyers| {
        view! { <th scope="col">{number::grouped(buyers.into())}</th> }
    });
    let rows = plan.strategies.iter().map(|strategy| {
        let cells = of_stock.iter().filter(|cell| cell.strategy == *strategy);
        let cells = cells.map(|cell| cell_view(cell, scale, is_fastest(cell, &of_stock)));
        let mark = (!strategy.is_safe()).then_some(" ⚠");
        view! {
            <tr>
                <th scope="row">{strategy.as_str()}{mark}</th>
                {cells.collect_view()}
            </tr>
        }
    });
    let any_broken = of_stock.iter().any(|cell| !cell.held);
    let shades = (0..SHADES).map(|shade| view! { <i class=format!("h{shade}")></i> });
    view! {
        <figure class="heat">
            <div class="scroll" role="region" aria-label="Heat map" tabindex="0">
                <table>
                    <caption class="vh">"Median orders per second, by strategy and buyers"</caption>
                    <thead>
                        <tr><th scope="col" class="corner">"Buyers"</th>{heads.collect_view()}</tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
            <figcaption>
                <span class="legend">
                    {number::short(finite(scale.slowest))}
                    <span class="shades" aria-hidden="true">{shades.collect_view()}</span>
                    {number::short(scale.fastest)}
                </span>
                {star_caption(sweep, &of_stock)}
                {any_broken.then(|| view! { <span>"✕ counts do not agree"</span> })}
            </figcaption>
        </figure>
    }
}

fn finite(speed: f64) -> f64 {
    if speed.is_finite() { speed } else { 0.0 }
}

/// The safe strategies of a column whose speed counts.
fn contenders<'a>(
    cell: &CellFigures,
    of_stock: &[&'a CellFigures],
) -> impl Iterator<Item = &'a CellFigures> {
    let buyers = cell.buyers;
    let of_column = of_stock.iter().copied();
    of_column.filter(move |other| other.safe && other.held && other.buyers == buyers)
}

/// Whether the repeats show that the strategy is faster than every other safe one of its column.
fn is_fastest(cell: &CellFigures, of_stock: &[&CellFigures]) -> bool {
    let speed = &cell.orders_per_second;
    let is_slower = |other: &CellFigures| {
        let others = &other.orders_per_second;
        others.median < speed.median && others.differs_from(speed)
    };
    let mut others = contenders(cell, of_stock)
        .filter(|other| other.strategy != cell.strategy)
        .peekable();
    cell.safe && cell.held && others.peek().is_some() && others.all(is_slower)
}

/// Explains the star, and why a column has none.
fn star_caption(sweep: &Sweep, of_stock: &[&CellFigures]) -> AnyView {
    let is_open = |buyers: u32| {
        let cells = of_stock.iter().copied();
        let column: Vec<_> = cells.filter(|cell| cell.buyers == buyers).collect();
        let comparable = column.iter().filter(|cell| cell.safe && cell.held);
        comparable.count() > 1 && !column.iter().any(|cell| is_fastest(cell, &column))
    };
    let open = sweep.plan.buyers.iter().any(|&buyers| is_open(buyers));
    let without = match sweep.plan.repeat {
        _ if !open => None,
        1 => Some("no ★: one run each says nothing about a difference"),
        few if few < RUNS_EACH_MIN => {
            Some("no ★: these runs cannot show a difference; four repeats can")
        }
        _ => Some("no ★: these runs cannot show a difference"),
    };
    view! {
        <span>"★ fastest safe strategy in its column, as its repeats show"</span>
        {without.map(|text| view! { <span>{text}</span> })}
    }
    .into_any()
}

fn cell_view(cell: &CellFigures, scale: &ShadeScale, is_fastest: bool) -> impl IntoView + use<> {
    let speed = &cell.orders_per_second;
    let mut class = format!("h{}", scale.shade(speed.median));
    if cell.is_short() {
        class += " short";
    }
    let text = if cell.is_short() {
        format!("~{}", number::short(speed.median))
    } else {
        number::short(speed.median)
    };
    let range = format!(
        "{} to {} orders/s",
        number::short(speed.min),
        number::short(speed.max)
    );
    let fastest = is_fastest
        .then(|| view! { <b class="fastest" title="fastest safe strategy in its column">"★"</b> });
    let broken =
        (!cell.held).then(|| view! { <b class="broken" title="an invariant was violated">"✕"</b> });
    view! { <td class=class title=range>{fastest}{broken}{text}</td> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{
        spread::Spread,
        sweep::{figures, matrix::tests::plan},
    };

    #[test]
    fn shades_are_logarithmic_and_cover_the_scale() {
        let scale = ShadeScale {
            slowest: 10.0,
            fastest: 10_000.0,
        };
        let shades = [0.0, 10.0, 100.0, 1_000.0, 10_000.0].map(|speed| scale.shade(speed));
        assert_eq!(shades, [0, 0, 2, 4, 6]);
        let flat = ShadeScale {
            slowest: 5.0,
            fastest: 5.0,
        };
        assert_eq!(flat.shade(5.0), 0);
    }

    /// The cells of two strategies with 1 buyer, each with `runs` repeats from `from` orders per
    /// second on.
    fn column(runs: u32, from: [f64; 2]) -> Vec<CellFigures> {
        let cells = figures::of_cells(&plan(), &[]).into_iter();
        let cells = cells.filter(|cell| cell.buyers == 1).zip(from);
        let with_speed = |(mut cell, from): (CellFigures, f64)| {
            let repeats = (0..runs).map(|repeat| from + f64::from(repeat));
            cell.orders_per_second = Spread::of(repeats);
            cell
        };
        cells.map(with_speed).collect()
    }

    fn stars(cells: &[CellFigures]) -> Vec<bool> {
        let column: Vec<&CellFigures> = cells.iter().collect();
        let cells = column.iter();
        cells.map(|cell| is_fastest(cell, &column)).collect()
    }

    #[test]
    fn only_a_strategy_whose_repeats_are_all_faster_has_a_star() {
        assert_eq!(stars(&column(4, [100.0, 200.0])), [false, true]);
        assert_eq!(stars(&column(4, [200.0, 100.0])), [true, false]);
        assert_eq!(stars(&column(4, [100.0, 102.0])), [false, false], "overlap");
        assert_eq!(stars(&column(3, [100.0, 200.0])), [false, false], "too few");
        assert_eq!(
            stars(&column(1, [100.0, 200.0])),
            [false, false],
            "one each"
        );
        let mut broken = column(4, [100.0, 200.0]);
        broken[1].held = false;
        assert_eq!(
            stars(&broken),
            [false, false],
            "without another safe strategy"
        );
    }
}
