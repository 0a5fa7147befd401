//! The figures of every lane, with their changes against the baseline.

use leptos::prelude::*;

use super::curve_style;
use crate::{
    simulation::comparison::{Change, ComparedLane, Comparison, Evidence, FIGURES, Figure},
    ui::curves::CurveKey,
};

#[component]
pub fn Deltas(comparison: Comparison) -> impl IntoView {
    let heads = comparison.entries.iter().map(|entry| {
        let key = comparison
            .lane(entry)
            .map(|lane| view! { <CurveKey curve_style=curve_style(entry, lane)/> });
        let against = entry
            .baseline
            .and_then(|baseline| comparison.entries.get(baseline));
        let against = match against {
            Some(baseline) => format!("against {}", baseline.name),
            None => "baseline".to_owned(),
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
    let not_alike = (!comparison.have_same_load()).then(|| {
        view! {
            <p class="quiet deltas__note">
                "The runs had different buyers or stock: see "<a href="#parameters">"the parameters"</a>
                ". Their changes are not rated better or worse."
            </p>
        }
    });
    let unrated = comparison.unrated();
    let notes = unrated.iter().filter_map(|reason| note(*reason));
    let notes = notes
        .map(|text| view! { <p class="quiet deltas__note">{text}</p> })
        .collect_view();
    view! {
        {not_alike}
        {notes}
        <p class="quiet deltas__note">
            "Better or worse: every repeat of one plan is beyond every repeat of the other; chance alone causes this \
             in at most 1 of 20 cases (rank-sum test)."
        </p>
        <div class="table-wrap" role="region" aria-label="Figures" tabindex="0">
            <table class="table deltas">
                <caption>"Figures and changes"</caption>
                <thead><tr><th scope="col">"Figure"</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn cell(comparison: &Comparison, figure: &Figure, entry: &ComparedLane) -> impl IntoView + use<> {
    let Some((value, change)) = comparison.figure(figure, entry) else {
        return view! { <td class="n"><span aria-hidden="true">"–"</span><span class="vh">"no verdict"</span></td> }.into_any();
    };
    let change = change.map(|change| {
        let class = match change.is_better {
            Some(true) => "change change--better",
            Some(false) => "change change--worse",
            None => "change",
        };
        view! { <span class=class>{change_text(&change)}</span> }
    });
    view! { <td class="n"><span class="deltas__value">{number(value)}</span>{change}</td> }
        .into_any()
}

/// Explains why changes are not rated. For runs that cannot be compared, the page has a note of its
/// own.
const fn note(reason: Evidence) -> Option<&'static str> {
    match reason {
        Evidence::WithinSpread => Some("Within the spread: these runs cannot show a difference."),
        Evidence::TooFewRuns => Some(
            "Too few runs: these runs cannot show a difference. Run each plan at least four times.",
        ),
        Evidence::OneRunEach => Some(
            "One run each: one run says nothing about a difference. Run each plan at least four times.",
        ),
        Evidence::SamePlan => {
            Some("Runs of one plan differ only by chance: these runs cannot show a difference.")
        }
        Evidence::Shown | Evidence::NotComparable => None,
    }
}

/// Formats a change, for example `+12.5 (+20 %), worse`.
fn change_text(change: &Change) -> String {
    if change.difference.abs() < f64::EPSILON {
        return "the same".to_owned();
    }
    let percent = change
        .percent
        .map(|percent| format!(" ({} %)", signed(percent.round())));
    let rating = match (change.is_better, change.unrated) {
        (Some(true), _) => ", better",
        (Some(false), _) => ", worse",
        (None, Some(Evidence::WithinSpread)) => ", within the spread",
        (None, Some(Evidence::TooFewRuns)) => ", too few runs",
        (None, Some(Evidence::OneRunEach)) => ", one run each",
        (None, _) => "",
    };
    format!(
        "{}{}{rating}",
        signed(change.difference),
        percent.unwrap_or_default()
    )
}

/// Formats a number with a plus sign or a minus sign (U+2212).
fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", number(value.abs()))
}

/// Formats a number: without decimals if it is whole, otherwise with up to two.
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
    fn a_change_shows_its_size_and_whether_it_is_better() {
        for (before, now, better, words) in [
            (50.0, 62.5, Better::Lower, "+12.5 (+25 %), worse"),
            (50.0, 25.0, Better::Lower, "−25 (−50 %), better"),
            (0.0, 3.0, Better::Lower, "+3, worse"),
            (20.0, 18.0, Better::Neither, "−2 (−10 %)"),
            (1.25, 1.25, Better::Lower, "the same"),
        ] {
            assert_eq!(change_text(&Change::between(before, now, better)), words);
        }
    }

    #[test]
    fn a_change_that_the_repeats_do_not_show_is_not_called_better() {
        for (evidence, words) in [
            (Evidence::Shown, "+12.5 (+25 %), worse"),
            (Evidence::WithinSpread, "+12.5 (+25 %), within the spread"),
            (Evidence::TooFewRuns, "+12.5 (+25 %), too few runs"),
            (Evidence::OneRunEach, "+12.5 (+25 %), one run each"),
            (Evidence::SamePlan, "+12.5 (+25 %)"),
        ] {
            let change = Change::between(50.0, 62.5, Better::Lower).with_evidence(evidence);
            assert_eq!(change_text(&change), words);
        }
        let same = Change::between(5.0, 5.0, Better::Lower);
        assert_eq!(
            change_text(&same.with_evidence(Evidence::OneRunEach)),
            "the same"
        );
    }
}
