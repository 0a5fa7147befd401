//! Tables with the figures of every cell, one for each stock.

use leptos::prelude::*;

use super::number;
use crate::simulation::sweep::{Sweep, figures::CellFigures};

/// Renders the tables.
pub fn section(sweep: &Sweep) -> impl IntoView + use<> {
    let tables = sweep.plan.stocks.iter().map(|&stock| {
        let title = format!("All cells, {} in stock", number::grouped(stock.into()));
        let bodies = sweep.plan.strategies.iter().map(|strategy| {
            let cells: Vec<&CellFigures> = sweep
                .cells
                .iter()
                .filter(|cell| cell.strategy == *strategy && cell.stock == stock)
                .collect();
            group(&cells)
        });
        view! {
            <section class="panel">
                <h2>{title}</h2>
                <div class="scroll" role="region" aria-label="Figures of all cells" tabindex="0">
                    <table class="list figures">
                        <thead>
                            <tr>
                                <th scope="col">"Strategy"</th>
                                <th scope="col" class="n">"Buyers"</th>
                                <th scope="col" class="n">"Orders/s"</th>
                                <th scope="col" class="n">"Range"</th>
                                <th scope="col" class="n">"p50 ms"</th>
                                <th scope="col" class="n">"p99 ms"</th>
                                <th scope="col" class="n">"Rejected"</th>
                                <th scope="col" class="n">"Retries"</th>
                                <th scope="col" class="n">"Row-lock fallbacks"</th>
                                <th scope="col" class="n">"Failed"</th>
                                <th scope="col" class="n">"Oversold"</th>
                                <th scope="col" class="n">"Undersold"</th>
                                <th scope="col" class="n">"Counts agree"</th>
                            </tr>
                        </thead>
                        {bodies.collect_view()}
                    </table>
                </div>
            </section>
        }
    });
    tables.collect_view()
}

/// Renders the rows of one strategy.
fn group(cells: &[&CellFigures]) -> impl IntoView + use<> {
    let rows = cells.iter().enumerate().map(|(index, cell)| {
        let name = (index == 0).then(|| {
            let mark = (!cell.safe).then_some(" ⚠");
            view! { <th scope="rowgroup" rowspan=cells.len()>{cell.strategy.as_str()}{mark}</th> }
        });
        row(cell, name)
    });
    view! { <tbody>{rows.collect_view()}</tbody> }
}

fn row<N: IntoView>(cell: &CellFigures, name: Option<N>) -> impl IntoView + use<N> {
    let speed = &cell.orders_per_second;
    let about = if cell.is_short() { "~" } else { "" };
    let range = format!(
        "{} – {}",
        number::short(speed.min),
        number::short(speed.max)
    );
    let lost = |units: i64| {
        let class = if units == 0 { "n quiet" } else { "n bad" };
        view! { <td class=class>{number::units(units)}</td> }
    };
    let failed = if cell.failed == 0 { "n quiet" } else { "n bad" };
    view! {
        <tr>
            {name}
            <td class="n">{number::grouped(cell.buyers.into())}</td>
            <td class="n"><b class=cell.is_short().then_some("short")>{about}{number::short(speed.median)}</b></td>
            <td class="n quiet">{range}</td>
            <td class="n">{number::ms(cell.latency_p50_ms.median)}</td>
            <td class="n">{number::ms(cell.latency_p99_ms.median)}</td>
            <td class="n">{number::share(cell.rejected, cell.attempts)}</td>
            <td class="n">{number::share(cell.retries, cell.attempts)}</td>
            <td class="n">{number::share(cell.fallbacks, cell.attempts)}</td>
            <td class=failed>{number::share(cell.failed, cell.attempts)}</td>
            {lost(cell.oversold)}
            {lost(cell.undersold)}
            <td class=if cell.held { "n quiet" } else { "n bad" }>{if cell.held { "yes" } else { "no" }}</td>
        </tr>
    }
}
