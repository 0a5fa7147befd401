//! Every figure of every lane, and what changed.

use leptos::prelude::*;

use crate::{
    simulation::comparison::{Change, Comparison, Entry, FIGURES, Figure},
    ui::curves::{CurveKey, Look},
};

#[component]
pub fn Deltas(comparison: Comparison) -> impl IntoView {
    let heads = comparison.entries.iter().enumerate().map(|(index, entry)| {
        let key = comparison
            .lane(entry)
            .map(|lane| view! { <CurveKey look=Look::of_place(index, lane.strategy)/> });
        let against = entry
            .against
            .and_then(|measure| comparison.entries.get(measure));
        let against = match against {
            Some(measure) => format!("against {}", measure.name),
            None => "the measure".to_owned(),
        };
        view! {
            <th scope="col" class="n">
                {key}
                {entry.name.clone()}
                <span class="deltas__against">{against}</span>
            </th>
        }
    });
    let heads = heads.collect_view();
    let rows = FIGURES.iter().map(|figure| {
        let cells = comparison.entries.iter().map(|entry| cell(&comparison, figure, entry));
        let unit = (!figure.unit.is_empty()).then(|| view! { <span class="quiet">" "{figure.unit}</span> });
        view! { <tr><th scope="row" class="tight">{figure.name}{unit}</th>{cells.collect_view()}</tr> }
    });
    let rows = rows.collect_view();
    let not_alike = (!comparison.asked_the_same()).then(|| {
        view! {
            <p class="quiet deltas__note">
                "The runs sent different crowds, or had different shelves: see "<a href="#parameters">"what differs"</a>
                ". Between them, what changed is called neither better nor worse."
            </p>
        }
    });
    view! {
        {not_alike}
        <div class="table-wrap" role="region" aria-label="Figures" tabindex="0">
            <table class="table deltas">
                <caption>"Figures, and what changed"</caption>
                <thead><tr><th scope="col">"Figure"</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn cell(comparison: &Comparison, figure: &Figure, entry: &Entry) -> impl IntoView + use<> {
    let Some((value, change)) = comparison.figure(figure, entry) else {
        return view! { <td class="n"><span aria-hidden="true">"–"</span><span class="vh">"no verdict"</span></td> }.into_any();
    };
    let change = change.map(|change| {
        let class = match change.is_better {
            Some(true) => "change change--better",
            Some(false) => "change change--worse",
            None => "change",
        };
        view! { <span class=class>{in_words(&change)}</span> }
    });
    view! { <td class="n"><span class="deltas__value">{number(value)}</span>{change}</td> }
        .into_any()
}

/// `+12.5 (+20 %), worse`
fn in_words(change: &Change) -> String {
    if change.difference.abs() < f64::EPSILON {
        return "the same".to_owned();
    }
    let percent = change
        .percent
        .map(|percent| format!(" ({} %)", signed(percent.round())));
    let judged = match change.is_better {
        Some(true) => ", better",
        Some(false) => ", worse",
        None => "",
    };
    format!(
        "{}{}{judged}",
        signed(change.difference),
        percent.unwrap_or_default()
    )
}

/// With a true minus, and a plus.
fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", number(value.abs()))
}

/// Whole where it is whole, else with as many digits as say something.
pub fn number(value: f64) -> String {
    match value.abs() {
        whole if (whole - whole.round()).abs() < 1e-9 => format!("{value:.0}"),
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::comparison::Better;

    #[test]
    fn a_change_says_how_much_and_whether_it_is_good() {
        for (before, now, better, words) in [
            (50.0, 62.5, Better::Lower, "+12.5 (+25 %), worse"),
            (50.0, 25.0, Better::Lower, "−25 (−50 %), better"),
            (0.0, 3.0, Better::Lower, "+3, worse"),
            (20.0, 18.0, Better::Neither, "−2 (−10 %)"),
            (1.25, 1.25, Better::Lower, "the same"),
        ] {
            assert_eq!(in_words(&Change::between(before, now, better)), words);
        }
    }
}
