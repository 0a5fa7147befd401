//! The heat map: one row for each strategy, one column for each number of buyers. Darker cells are
//! faster.

use leptos::prelude::*;

use super::number;
use crate::{
    model::AxisScale,
    simulation::sweep::{Sweep, figures::CellFigures},
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
                <span>"★ fastest safe strategy in its column"</span>
                {any_broken.then(|| view! { <span>"✕ counts do not agree"</span> })}
            </figcaption>
        </figure>
    }
}

fn finite(speed: f64) -> f64 {
    if speed.is_finite() { speed } else { 0.0 }
}

fn is_fastest(cell: &CellFigures, of_stock: &[&CellFigures]) -> bool {
    let speed = cell.orders_per_second.median;
    let others = of_stock
        .iter()
        .filter(|other| other.safe && other.held && other.buyers == cell.buyers);
    cell.safe
        && cell.held
        && speed > 0.0
        && others.clone().count() > 1
        && others
            .into_iter()
            .all(|other| other.orders_per_second.median <= speed)
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
}
