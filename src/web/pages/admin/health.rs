//! `/admin/health`: the figures of the shop and of this server, with their history, and
//! `/admin/health/guide`: what to do when one of them is not normal.

mod chart;

use std::time::Duration;

use leptos::prelude::*;

use self::chart::HistoryChart;
use super::Subnav;
use crate::web::{
    health::{
        figures::{FIGURES, Figure, Group, Sample, abnormal},
        history::Period,
    },
    pages::{
        frame::{Bundle, Page, framed},
        page_head::PageHead,
        query,
    },
};

/// The incident guide as HTML, made of docs/INCIDENTS.md by build.rs.
const GUIDE: &str = include_str!(concat!(env!("OUT_DIR"), "/incidents.html"));
/// A browser that runs no scripts loads the page again after so many seconds.
const REFRESH_S: u64 = 10;

/// `/admin/health`
#[component]
pub fn HealthPage() -> impl IntoView {
    let period = Period::named(&query::parameter("period"));
    framed(move |visit| async move {
        visit.require_reader().await?;
        let (uptime, samples) = (visit.health().uptime(), visit.health().samples(period));
        let body = view! { <HealthView period uptime samples/> };
        Ok(Page::private("Health", Bundle::None, body)
            .wide()
            .independent()
            .refreshed_after(REFRESH_S))
    })
}

#[component]
fn HealthView(period: Period, uptime: Duration, samples: Vec<Sample>) -> impl IntoView {
    let lead = "Rates and purchases in memory are those of this server; work that is due, audits and \
                the database are those of the whole shop.";
    let groups = Group::ALL
        .into_iter()
        .map(|group| view! { <GroupView group period samples=samples.clone()/> })
        .collect_view();
    view! {
        <main class="page page--wide" id="main" tabindex="-1">
            <Subnav current="/admin/health"/>
            <PageHead title="Health" lead/>
            <Attention samples=samples.clone()/>
            <nav class="health__periods" aria-label="Period">
                <PeriodLink to=Period::Hour period href="/admin/health" text="Last hour"/>
                <PeriodLink to=Period::Day period href="/admin/health?period=day" text="Last day"/>
                <a class="btn btn--line" href="/admin/health/guide">"Incident guide"</a>
            </nav>
            <p class="quiet" data-testid="uptime">{history_text(period, uptime)}</p>
            {groups}
        </main>
    }
}

#[component]
fn PeriodLink(to: Period, period: Period, href: &'static str, text: &'static str) -> impl IntoView {
    let current = (to == period).then_some("page");
    view! { <a class="btn btn--line" href=href aria-current=current>{text}</a> }
}

/// Says what the charts show, and how much of it this process has seen.
fn history_text(period: Period, uptime: Duration) -> String {
    let (span, step) = match period {
        Period::Hour => ("the last hour", "10 s"),
        Period::Day => (
            "the last day",
            "5 minutes; each shows the highest value of that time",
        ),
    };
    let shown_s = u64::try_from(period.samples_max()).unwrap_or(u64::MAX) * period.step_s();
    let mut text = format!("The charts show {span}, in steps of {step}.");
    if uptime.as_secs() < shown_s {
        let since = in_words(uptime);
        text.push_str(&format!(
            " This server started {since} ago. It has no earlier figures."
        ));
    }
    text
}

/// Formats a duration as `40 s`, `12 min` or `5 h`.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// What to say if no figure needs attention and `unknown` of them have no value.
fn all_normal(unknown: usize) -> String {
    match unknown {
        0 => "Every figure is normal.".to_owned(),
        1 => "Every figure but one is normal. That one is unknown.".to_owned(),
        unknown => format!("No figure needs attention. {unknown} are unknown."),
    }
}

/// Lists the figures that are not normal in the latest sample.
#[component]
fn Attention(samples: Vec<Sample>) -> impl IntoView {
    let figures = samples.last().map(abnormal).unwrap_or_default();
    if figures.is_empty() {
        let text = match samples.last() {
            None => "The first figures are read within 10 s.".to_owned(),
            Some(sample) => all_normal(sample.iter().filter(|value| value.is_none()).count()),
        };
        return view! { <p class="panel" data-testid="attention">{text}</p> }.into_any();
    }
    let items = figures.into_iter().map(|figure| {
        view! { <li><a href=format!("#{}", figure.id)>{figure.title}</a></li> }
    });
    view! {
        <section class="panel health__attention" data-testid="attention" aria-labelledby="attention">
            <h2 id="attention">"Needs attention"</h2>
            <ul>{items.collect_view()}</ul>
        </section>
    }
    .into_any()
}

#[component]
fn GroupView(group: Group, period: Period, samples: Vec<Sample>) -> impl IntoView {
    let panels = FIGURES
        .iter()
        .enumerate()
        .filter(|(_, figure)| figure.group == group)
        .map(|(index, figure)| {
            let values: Vec<_> = samples.iter().map(|sample| sample[index]).collect();
            view! { <FigurePanel figure period values/> }
        });
    view! {
        <h2 class="health__group">{group.title()}</h2>
        <div class="health__figures">{panels.collect_view()}</div>
    }
}

/// Shows one figure: its latest value, whether that is normal, and its history.
#[component]
fn FigurePanel(figure: &'static Figure, period: Period, values: Vec<Option<f64>>) -> impl IntoView {
    let latest = values.last().copied().flatten();
    let (class, word) = match latest {
        None => ("badge badge--out", "Unknown"),
        Some(value) if figure.is_abnormal(value) => ("badge badge--bad", "Not normal"),
        Some(_) if figure.limit.is_none() => ("badge badge--out", "No limit"),
        Some(_) => ("badge badge--ok", "Normal"),
    };
    let value = latest.map_or_else(|| "–".to_owned(), |value| figure.unit.format(value));
    let guide = format!("/admin/health/guide#{}", figure.guide);
    view! {
        <section class="panel health__figure" id=figure.id aria-label=figure.title>
            <div class="health__head">
                <h3>{figure.title}</h3>
                <span class=class>{word}</span>
            </div>
            <p class="health__value">{value}</p>
            <HistoryChart figure period values/>
            <p class="health__normal">{figure.normal}</p>
            <p class="health__links">
                <a href=guide>"What to do"</a>
                <code>{figure.metric}</code>
            </p>
        </section>
    }
}

/// `/admin/health/guide`, which anyone may read, also while the database is unavailable.
#[component]
pub fn GuidePage() -> impl IntoView {
    framed(|_| async move {
        let body = view! {
            <main class="page" id="main" tabindex="-1">
                <PageHead title="Incident guide" lead="How a problem shows, what to type, and what to tell customers."/>
                <div class="panel guide" inner_html=GUIDE></div>
                <p class="run__actions"><a class="btn btn--line" href="/admin/health">"Back to the figures"</a></p>
            </main>
        };
        Ok(Page::private("Incident guide", Bundle::None, body).independent())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_leads_to_a_section_of_the_guide() {
        for figure in &FIGURES {
            let id = format!("id=\"{}\"", figure.guide);
            assert!(GUIDE.contains(&id), "{}: {id}", figure.title);
        }
        assert!(!GUIDE.contains("<h1"), "the page has a heading of its own");
    }

    #[test]
    fn a_young_server_says_that_its_history_is_short() {
        for (period, uptime_s, is_short) in [
            (Period::Hour, 90, true),
            (Period::Hour, 3_600, false),
            (Period::Day, 3_600, true),
            (Period::Day, 90_000, false),
        ] {
            let text = history_text(period, Duration::from_secs(uptime_s));
            assert_eq!(text.contains("This server started"), is_short, "{text}");
        }
        let text = history_text(Period::Hour, Duration::from_secs(90));
        assert!(text.contains("started 90 s ago"), "{text}");
    }

    #[test]
    fn a_figure_beyond_its_limit_needs_attention() {
        let place = |id: &str| FIGURES.iter().position(|figure| figure.id == id);
        let (Some(deadlocks), Some(holds)) = (place("deadlocks"), place("holds")) else {
            panic!("both figures exist");
        };
        let mut sample: Sample = std::array::from_fn(|_| Some(0.0));
        assert!(abnormal(&sample).is_empty());
        sample[holds] = Some(1e6);
        sample[deadlocks] = Some(0.1);
        let ids: Vec<_> = abnormal(&sample).iter().map(|found| found.id).collect();
        assert_eq!(ids, ["deadlocks"], "the number of holds has no limit");
    }
}
