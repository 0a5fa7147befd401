//! `/admin/simulations`: start a run, open an earlier one.

use leptos::prelude::*;

use super::{RunsTable, Subnav};
use crate::{
    model::{
        Product, RunSnapshot, SimulationPlan, StrategyKey,
        plan::{BUYERS_MAX, RACE_WINDOW_MS_MAX, ROUNDS_MAX, STOCK_MAX},
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
    let strategy = typed("strategy", preset.strategy.to_string());
    view! {
        <form class="panel bench" method="post" action="/api/form/admin/simulate" aria-labelledby="bench-title">
            <FormKey/>
            <h2 class="panel__title" id="bench-title">"Simulate flash sale"</h2>
            <div class="fields">
                <TargetSelect products target/>
                <StrategySelect strategy/>
                {number("buyers", "Buyers", "", preset.buyers.to_string(), 1, BUYERS_MAX.into())}
                {number("stock", "Stock", "Private lane only.", preset.stock.to_string(), 0, STOCK_MAX.into())}
                {number("quantity", "Units for each attempt", "", preset.quantity.to_string(), 1, QUANTITY_MAX.into())}
                {number("rounds", "Attempts of each buyer", "", preset.rounds.to_string(), 1, ROUNDS_MAX.into())}
                {number("race_window_ms", "Race window (ms)", "Pause between reading the stock and writing it.", preset.race_window_ms.to_string(), 0, RACE_WINDOW_MS_MAX.into())}
                {number("seed", "Seed", "The same seed sends the crowd in the same order.", preset.seed.to_string(), 0, u64::MAX)}
            </div>
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

#[component]
fn StrategySelect(strategy: String) -> impl IntoView {
    let options = |safe: bool| {
        StrategyKey::ALL
            .into_iter()
            .filter(move |key| key.is_safe() == safe)
            .map(|key| {
                let word = if safe { "safe" } else { "unsafe" };
                view! {
                    <option value=key.as_str() selected=key.as_str() == strategy>{format!("{key} ({word})")}</option>
                }
            })
            .collect_view()
    };
    view! {
        <div class="field field--half">
            <label class="field__label" for="strategy">"Strategy"</label>
            <select class="field__input" id="strategy" name="strategy" aria-describedby="strategy-hint">
                <optgroup label="Safe">{options(true)}</optgroup>
                <optgroup label="Unsafe, private lane only">{options(false)}</optgroup>
            </select>
            <span class="field__hint" id="strategy-hint">"How a buyer’s units are taken from the shelf. Unsafe ones oversell."</span>
        </div>
    }
}
