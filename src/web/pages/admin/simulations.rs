//! `/admin/simulations`: start a run, open an earlier one.

use leptos::prelude::*;

use super::{RunsTable, Subnav};
use crate::{
    model::{
        Product, RunSnapshot, SimulationPlan, StrategyKey,
        plan::{
            BUYERS_MAX, POOL_SIZE_MAX, RACE_WINDOW_MS_MAX, RAMP_MS_MAX, RATE_PER_S_MAX, ROUNDS_MAX,
            STOCK_MAX, THINK_TIME_MS_MAX,
        },
        quantity::QUANTITY_MAX,
    },
    simulation::store,
    ui::{
        field::{Field, FieldKind},
        notice::ErrorNotice,
    },
    web::{
        pages::{
            form_key::FormKey,
            frame::{Bundle, Page, framed},
        },
        session::Notice,
    },
};

const RUNS_SHOWN: u64 = 50;
/// Arrivals a second that the form proposes.
const RATE_PRESET_PER_S: u32 = 500;
/// Fields that stand behind "Advanced".
const ADVANCED: [&str; 4] = ["rate_per_s", "ramp_ms", "think_time_ms", "pool_size"];

/// `/admin/simulations`
#[component]
pub fn SimulationsPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let products = visit.shop().products(None).await?;
        let runs = store::latest(visit.shop().db(), RUNS_SHOWN).await?;
        let notice = visit.take_notice().await?;
        let body = view! { <SimulationsView products runs notice/> };
        Ok(Page::private("Simulations", Bundle::None, body))
    })
}

#[component]
fn SimulationsView(
    products: Vec<Product>,
    runs: Vec<RunSnapshot>,
    notice: Option<Notice>,
) -> impl IntoView {
    let problem = notice.as_ref().map(|notice| notice.error.to_string());
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/simulations"/>
            <div class="page-head">
                <h1>"Simulate a rush"</h1>
                <p class="page-head__lead">
                    "Send a crowd of buyers at one shelf at the same moment, and count what was sold against what was there."
                </p>
                <p><a href="/admin/stepper">"Or go through a purchase one statement at a time"</a></p>
            </div>
            {problem.map(|title| view! { <ErrorNotice title><p>"No run was started."</p></ErrorNotice> })}
            <PlanForm products notice/>
            <RunsTable runs caption="Runs so far" full=true/>
        </main>
    }
}

#[component]
fn PlanForm(products: Vec<Product>, notice: Option<Notice>) -> impl IntoView {
    let preset = SimulationPlan::preset();
    let typed = |field: &str, preset: String| {
        notice
            .as_ref()
            .and_then(|notice| notice.typed(field))
            .map_or(preset, ToOwned::to_owned)
    };
    let about = |field: &str| {
        notice
            .as_ref()
            .and_then(|notice| notice.error.about_field(field))
            .map(ToOwned::to_owned)
    };
    let number = |name: &'static str,
                  label: &'static str,
                  hint: &'static str,
                  preset: String,
                  min: u64,
                  max: u64| {
        view! {
            <Field
                name label hint
                kind=FieldKind::NUMBER
                value=typed(name, preset)
                error=about(name)
                width="third"
                min=Some(min)
                max=Some(max)
            />
        }
    };
    let target = typed("target", "lane".to_owned());
    let strategies = typed("strategy", preset.strategies_in_words());
    let together = typed("together", String::new());
    let arrivals = typed("arrivals", "closed".to_owned());
    let differs = |name: &str, preset: String| typed(name, preset.clone()) != preset;
    let open = ADVANCED.into_iter().any(|field| about(field).is_some())
        || differs("together", String::new())
        || differs("arrivals", "closed".to_owned());
    view! {
        <form class="panel bench" method="post" action="/api/form/admin/simulate" aria-labelledby="bench-title">
            <FormKey/>
            <h2 class="panel__title" id="bench-title">"Simulate flash sale"</h2>
            <div class="fields">
                <TargetSelect products target/>
                <StrategyBoxes strategies error=about("strategy")/>
                {number("buyers", "Buyers", "", preset.buyers.to_string(), 1, BUYERS_MAX.into())}
                {number("stock", "Stock", "Private lane only.", preset.stock.to_string(), 0, STOCK_MAX.into())}
                {number("quantity", "Units for each attempt", "", preset.quantities.to_string(), 1, QUANTITY_MAX.into())}
                {number("rounds", "Attempts of each buyer", "", preset.rounds.to_string(), 1, ROUNDS_MAX.into())}
                {number("race_window_ms", "Race window (ms)", "Pause between reading the stock and writing it.", preset.race_window_ms.to_string(), 0, RACE_WINDOW_MS_MAX.into())}
                {number("seed", "Seed", "The same seed sends the crowd in the same order.", preset.seed.to_string(), 0, u64::MAX)}
            </div>
            <details class="bench__more" open=open>
                <summary>"Advanced"</summary>
                <div class="fields">
                    <ArrivalsSelect arrivals/>
                    {number("rate_per_s", "Arrivals a second", "For arrivals at a rate.", RATE_PRESET_PER_S.to_string(), 1, RATE_PER_S_MAX.into())}
                    {number("ramp_ms", "Ramp (ms)", "Until all are there, or come at the full rate.", preset.ramp_ms.to_string(), 0, RAMP_MS_MAX.into())}
                    {number("think_time_ms", "Think time (ms)", "Between an answer and the next attempt, on average.", preset.think_time_ms.to_string(), 0, THINK_TIME_MS_MAX.into())}
                    {number("pool_size", "Connections", "Transactions that may be open at once.", preset.pool_size.to_string(), 1, POOL_SIZE_MAX.into())}
                    <div class="field">
                        <label class="tick">
                            <input type="checkbox" name="together" value="yes" checked=!together.is_empty()/>
                            "Let all strategies run at the same time, instead of one after the other"
                        </label>
                    </div>
                </div>
            </details>
            <div class="bench__go">
                <button class="btn btn--primary btn--big" type="submit">"Simulate flash sale"</button>
            </div>
        </form>
    }
}

#[component]
fn TargetSelect(products: Vec<Product>, target: String) -> impl IntoView {
    let options = products
        .into_iter()
        .map(|product| {
            let id = product.id.to_string();
            let selected = id == target;
            view! { <option value=id selected=selected>{product.name}{format!(" ({} left)", product.available)}</option> }
        })
        .collect_view();
    view! {
        <div class="field field--half">
            <label class="field__label" for="target">"Shelf"</label>
            <select class="field__input" id="target" name="target" aria-describedby="target-hint">
                <option value="lane" selected=target == "lane">"Private lane, apart from the shop"</option>
                <optgroup label="A product in the shop">{options}</optgroup>
            </select>
            <span class="field__hint" id="target-hint">"A product of the shop is really sold, in front of its shoppers."</span>
        </div>
    }
}

/// A box for each strategy: a lane each.
#[component]
fn StrategyBoxes(
    /// Those that are ticked, comma-separated.
    strategies: String,
    #[prop(optional_no_strip)] error: Option<String>,
) -> impl IntoView {
    let is_ticked = |key: StrategyKey| {
        strategies
            .split(',')
            .any(|ticked| ticked.trim() == key.as_str())
    };
    let boxes = StrategyKey::ALL
        .into_iter()
        .map(|key| {
            view! {
                <label class="tick">
                    <input type="checkbox" name="strategy[]" value=key.as_str() checked=is_ticked(key)/>
                    <span>{key.as_str()}" "<span class="quiet">{format!("({})", key.standing())}</span></span>
                </label>
            }
        })
        .collect_view();
    let class = if error.is_some() {
        "field field--error ticks"
    } else {
        "field ticks"
    };
    view! {
        <fieldset class=class aria-describedby="strategy-hint">
            <legend class="field__label">"Strategy"</legend>
            <div class="ticks__all">{boxes}</div>
            <span class="field__hint" id="strategy-hint">
                "How a buyer’s units are taken from the shelf. Unsafe ones oversell, and are kept to private lanes. Several run on a lane each, with the same crowd."
            </span>
            {error.map(|error| view! { <p class="field__error" id="strategy-error">{error}</p> })}
        </fieldset>
    }
}

#[component]
fn ArrivalsSelect(arrivals: String) -> impl IntoView {
    view! {
        <div class="field field--two-thirds">
            <label class="field__label" for="arrivals">"Arrivals"</label>
            <select class="field__input" id="arrivals" name="arrivals">
                <option value="closed" selected=arrivals != "open">"Each buyer comes back after an answer"</option>
                <option value="open" selected=arrivals == "open">"At a rate, whether or not others were served"</option>
            </select>
        </div>
    }
}
