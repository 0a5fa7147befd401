//! The panels in which `public/charts` draws: the columns of each panel, its title and its
//! explanation. They are hidden until the script has points to draw.

use leptos::prelude::*;

use crate::{
    model::{RunSnapshot, StrategyKey},
    ui::chart::{LaneKey, TITLE, describe},
};

/// With more lanes than this, a small panel has no room for their names; the table above shows
/// them.
const NAMED_LANES_MAX: usize = 3;

/// A panel with a line for each lane.
struct Overlay {
    title: &'static str,
    unit: &'static str,
    /// Columns of `ui::columns`, separated by spaces.
    columns: &'static str,
    /// A column drawn as a dotted line.
    reference: Option<&'static str>,
}

const LATENCY: Overlay = Overlay {
    title: "Latency",
    unit: "ms, attempts ended since the previous point",
    columns: "p50 p95 p99",
    reference: None,
};

const SMALL: [Overlay; 6] = [
    Overlay {
        title: "Units sold",
        unit: "units; dotted: initial stock",
        columns: "sold",
        reference: Some("initial-stock"),
    },
    Overlay {
        title: "Successes",
        unit: "per second",
        columns: "succeeded",
        reference: None,
    },
    Overlay {
        title: "Rejections",
        unit: "per second",
        columns: "rejected",
        reference: None,
    },
    Overlay {
        title: "Retries",
        unit: "per second",
        columns: "retries",
        reference: None,
    },
    Overlay {
        title: "Queue depth",
        unit: "buyers with an attempt in progress",
        columns: "in-attempt",
        reference: None,
    },
    Overlay {
        title: "Pool in use",
        unit: "connections; dotted: pool size",
        columns: "pool-in-use",
        reference: Some("pool-size"),
    },
];

/// A small panel for each lane, with stacked parts.
struct Stack {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Columns and their names, from the bottom up.
    parts: &'static [(&'static str, &'static str)],
}

const STACKS: [Stack; 2] = [
    Stack {
        id: "time-split",
        title: "Time per attempt",
        unit: "ms, average attempt",
        parts: &[
            ("pool-wait", "connection"),
            ("queue-wait", "queue"),
            ("redis", "Redis"),
            ("lock-wait", "lock"),
            ("execute", "execute"),
            ("pause", "race window"),
            ("commit", "commit"),
            ("payment", "payment"),
            ("backoff", "backoff"),
            ("other", "other"),
        ],
    },
    Stack {
        id: "reasons",
        title: "Rejections by reason",
        unit: "per second",
        parts: &[
            ("sold-out", "sold out (stock row)"),
            ("from-memory", "sold out (cache)"),
            ("customer-limit", "customer limit"),
            ("not-open", "sale not open"),
            ("declined", "declined"),
            ("other-rule", "other rule"),
            ("failed", "failed"),
        ],
    },
];

/// What the panels show of a lane.
struct PanelLane {
    strategy: StrategyKey,
    name: String,
    is_thin: bool,
}

/// The panels for the lanes of one run.
pub struct Panels {
    lanes: Vec<PanelLane>,
    /// Whether all lanes start with the same stock.
    same_stock: bool,
}

impl Panels {
    /// Creates the panels of `run`.
    pub fn of(run: &RunSnapshot) -> Self {
        let first = run.lanes.first().map_or(0, |lane| lane.stock);
        Self {
            lanes: run
                .lanes
                .iter()
                .map(|lane| PanelLane {
                    strategy: lane.strategy,
                    name: lane.name(),
                    is_thin: lane.is_thin(),
                })
                .collect(),
            same_stock: run.lanes.iter().all(|lane| lane.stock == first),
        }
    }

    /// Shows the large stock panel, which is next to the verdict.
    pub fn stock(&self, run: RwSignal<RunSnapshot>) -> impl IntoView + use<> {
        // Once a second is often enough for a screen reader.
        let change = Memo::new(move |_| {
            run.with(|run| {
                (
                    run.elapsed_ms() / 1_000,
                    run.state,
                    run.lanes
                        .iter()
                        .filter(|lane| lane.verdict.is_some())
                        .count(),
                )
            })
        });
        let label = move || {
            // Subscribes to the changes; the text itself reads the run untracked.
            let _ = change.get();
            run.with_untracked(|run| format!("{TITLE} {}", describe(&run.lanes)))
        };
        view! {
            <figure class="panel chart-panel chart-panel--stock" data-live="" hidden=true>
                <figcaption class="chart-panel__head">
                    <h2>"Stock remaining"</h2>
                    <span class="chart-panel__unit">"units"</span>
                    {self.readout("remaining", true)}
                </figcaption>
                <div class="chart-panel__host" role="img" aria-label=label data-columns="remaining"></div>
            </figure>
        }
    }

    /// Shows all other panels, below the bar that controls them.
    pub fn all(&self) -> impl IntoView + use<> {
        let small = SMALL.iter().map(|panel| self.overlay(panel)).collect_view();
        let stacks = STACKS.iter().map(|stack| self.stack(stack)).collect_view();
        view! {
            <section class="charts" data-live="" hidden=true aria-label="Charts">
                {control_bar()}
                <div class="charts__grid">
                    {self.latency()}
                    {small}
                </div>
                {stacks}
            </section>
        }
    }

    fn overlay(&self, panel: &'static Overlay) -> impl IntoView + use<> {
        let reference = panel
            .reference
            .filter(|reference| self.same_stock || *reference != "initial-stock");
        view! {
            <figure class="panel chart-panel">
                <figcaption class="chart-panel__head">
                    <h3>{panel.title}</h3>
                    <span class="chart-panel__unit">{panel.unit}</span>
                    {self.readout(panel.columns, self.lanes.len() <= NAMED_LANES_MAX)}
                </figcaption>
                <div class="chart-panel__host" role="img" aria-label=format!("{}, {}, over time", panel.title, panel.unit)
                    data-columns=panel.columns data-reference=reference></div>
            </figure>
        }
    }

    /// Shows the latency panel. The user chooses the quantile, since three lines for each of six
    /// lanes are unreadable, and the scale.
    fn latency(&self) -> impl IntoView + use<> {
        let is_single = self.lanes.len() == 1;
        let choices = ["p50", "p95", "p99", "all"].map(|quantile| {
            let is_chosen = quantile == if is_single { "all" } else { "p95" };
            view! {
                <label class="choice">
                    <input type="radio" name="quantile" value=quantile data-quantile="" checked=is_chosen/>
                    {quantile}
                </label>
            }
        });
        view! {
            <figure class="panel chart-panel chart-panel--wide">
                <figcaption class="chart-panel__head">
                    <h3>{LATENCY.title}</h3>
                    <span class="chart-panel__unit">{LATENCY.unit}</span>
                    <div class="chart-panel__choices">
                        <fieldset class="choices"><legend class="vh">"Quantile"</legend>{choices.collect_view()}</fieldset>
                        <label class="choice"><input type="checkbox" data-log="" checked=true/>"log scale"</label>
                    </div>
                    {self.quantiles()}
                </figcaption>
                <div class="chart-panel__host" role="img" aria-label="Latency in milliseconds, over time"
                    data-columns=LATENCY.columns data-chosen=(!is_single).then_some("p95") data-scale="log"></div>
            </figure>
        }
    }

    /// Shows the values of one column at the crosshair, one per lane.
    fn readout(&self, column: &'static str, named: bool) -> impl IntoView + use<> {
        let name = if named { "readout__name" } else { "vh" };
        let values = self.lanes.iter().enumerate().map(|(index, lane)| {
            view! {
                <li>
                    <LaneKey strategy=lane.strategy is_thin=lane.is_thin/>
                    <span class=name>{lane.name.clone()}</span>" "
                    <b data-readout=format!("{index} {column}")></b>
                </li>
            }
        });
        view! { <ul class="readout">{values.collect_view()}</ul> }
    }

    fn quantiles(&self) -> impl IntoView + use<> {
        let lanes = self.lanes.iter().enumerate().map(|(index, lane)| {
            let values = LATENCY
                .columns
                .split(' ')
                .map(|column| {
                    view! { <span>{column}" "<b data-readout=format!("{index} {column}")></b></span>" " }
                })
                .collect_view();
            view! {
                <li><LaneKey strategy=lane.strategy is_thin=lane.is_thin/><span class="readout__name">{lane.name.clone()}</span>" "{values}</li>
            }
        });
        view! { <ul class="readout">{lanes.collect_view()}</ul> }
    }

    fn stack(&self, stack: &'static Stack) -> impl IntoView + use<> {
        let parts = stack.parts.iter().map(|(column, name)| {
            view! {
                <li data-part=*column>
                    <svg class="part-key" viewBox="0 0 14 14" aria-hidden="true" focusable="false">
                        <rect class=format!("part part--{column}") width="14" height="14"></rect>
                    </svg>
                    {*name}
                </li>
            }
        });
        let columns = stack.parts.iter().map(|(column, _)| *column);
        let columns = columns.collect::<Vec<_>>().join(" ");
        let lanes = self.lanes.iter().enumerate().map(|(index, lane)| {
            let values = stack
                .parts
                .iter()
                .map(|(column, name)| {
                    view! {
                        <li class=format!("part-value part-value--{column}")>
                            <span class="vh">{*name}</span>" "<b data-readout=format!("{index} {column}")></b>
                        </li>
                    }
                })
                .collect_view();
            view! {
                <figure class="panel chart-panel chart-panel--small">
                    <figcaption class="chart-panel__head">
                        <h4><LaneKey strategy=lane.strategy is_thin=lane.is_thin/>{lane.name.clone()}</h4>
                        <ul class="readout">{values}</ul>
                    </figcaption>
                    <div class="chart-panel__host" role="img" aria-label=format!("{} of {}, {}, over time", stack.title, lane.name, stack.unit)
                        data-columns=columns.clone() data-lanes=index.to_string() data-stacked=stack.id></div>
                </figure>
            }
        });
        view! {
            <section class="charts__stack" aria-labelledby=stack.id>
                <div class="charts__stack-head">
                    <h3 id=stack.id>{stack.title}</h3>
                    <span class="chart-panel__unit">{stack.unit}</span>
                    <ul class="parts" aria-label="Legend, from the bottom up">{parts.collect_view()}</ul>
                </div>
                <div class="charts__lanes">{lanes.collect_view()}</div>
            </section>
        }
    }
}

/// Shows the controls of the crosshair and of the time window of all panels.
fn control_bar() -> impl IntoView {
    view! {
        <div class="charts__bar">
            <label class="moment">
                <span class="moment__name">"Values at"</span>
                <input class="moment__slider" type="range" min="0" max="1000" value="1000" data-moment="" aria-describedby="charts-keys"/>
                <output class="moment__label" data-moment-label="">"latest"</output>
            </label>
            <div class="charts__zoom" role="group" aria-label="Zoom">
                <button class="btn btn--line" type="button" data-zoom="in" aria-label="Zoom in">"+"</button>
                <button class="btn btn--line" type="button" data-zoom="out" aria-label="Zoom out">"−"</button>
                <button class="btn btn--line" type="button" data-zoom="reset" disabled=true>"Whole run"</button>
            </div>
            <p class="charts__keys" id="charts-keys">
                "Time since the start of each lane. Drag over a chart to zoom. On the slider: arrow keys move the crosshair, + and − zoom, 0 resets."
            </p>
        </div>
    }
}
