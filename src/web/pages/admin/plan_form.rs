//! The form of a plan: who comes, to which shelf, and by which strategies they buy.

use leptos::prelude::*;

use crate::{
    islands::workbench::keys::Key,
    model::{
        Product, SimulationPlan, StrategyKey,
        plan::{
            BUYERS_MAX, POOL_SIZE_MAX, PlanForm, RACE_WINDOW_MS_MAX, RAMP_MS_MAX, RATE_PER_S_MAX,
            ROUNDS_MAX, STOCK_MAX, THINK_TIME_MS_MAX,
        },
        quantity::QUANTITY_MAX,
    },
    ui::field::{Field, FieldKind},
    web::{pages::form_key::FormKey, session::Notice},
};

/// Fields that stand in the open; a plan that differs elsewhere opens the rest.
const BASIC: [&str; 9] = [
    "target",
    "strategies",
    "buyers",
    "stock",
    "quantity",
    "rounds",
    "race_window_ms",
    "seed",
    "guess",
];

/// What a field shows, and what is wrong with it.
#[derive(Clone)]
struct Typed {
    form: PlanForm,
    notice: Option<Notice>,
}

impl Typed {
    fn value(&self, field: &str) -> String {
        let mut fields = self.form.fields().into_iter();
        fields
            .find(|(name, _)| *name == field)
            .map_or_else(String::new, |(_, value)| value.to_owned())
    }

    fn error(&self, field: &str) -> Option<String> {
        let error = &self.notice.as_ref()?.error;
        error.about_field(field).map(ToOwned::to_owned)
    }

    fn beyond_basics(&self) -> bool {
        let preset = PlanForm::from(&SimulationPlan::preset());
        let fields = self.form.fields().into_iter().zip(preset.fields());
        let mut beyond = fields.filter(|((name, _), _)| !BASIC.contains(name));
        beyond.any(|((name, value), (_, preset))| value != preset || self.error(name).is_some())
            || self.error("faults").is_some()
    }

    /// A number that must be there.
    fn number(
        &self,
        name: &'static str,
        label: &'static str,
        hint: &'static str,
        (min, max): (u64, u64),
    ) -> AnyView {
        view! {
            <Field
                name label hint
                kind=FieldKind::NUMBER
                value=self.value(name)
                error=self.error(name)
                width="third"
                min=Some(min)
                max=Some(max)
            />
        }
        .into_any()
    }

    /// A number that may be left out.
    fn limit(&self, name: &'static str, label: &'static str, hint: &'static str) -> AnyView {
        view! {
            <Field
                name label hint
                kind=FieldKind::NUMBER
                value=self.value(name)
                error=self.error(name)
                width="third"
                min=Some(0)
                max=Some(u64::from(u32::MAX))
                optional=true
            />
        }
        .into_any()
    }

    /// A percentage that may be left out.
    fn share(&self, name: &'static str, label: &'static str, hint: &'static str) -> AnyView {
        let kind = FieldKind {
            keyboard: "decimal",
            ..FieldKind::text("off")
        };
        view! {
            <Field
                name label hint kind
                value=self.value(name)
                error=self.error(name)
                width="third"
                optional=true
            />
        }
        .into_any()
    }
}

/// The whole form.
#[component]
pub fn PlanFields(products: Vec<Product>, form: PlanForm, notice: Option<Notice>) -> impl IntoView {
    let typed = Typed { form, notice };
    let quantity = FieldKind::text("off");
    view! {
        <form class="panel bench" id="bench" method="post" action="/api/form/admin/simulate" aria-labelledby="bench-title">
            <FormKey/>
            <h2 class="panel__title" id="bench-title">"Simulate flash sale"</h2>
            <div class="fields">
                <TargetSelect products target=typed.value("target")/>
                <StrategyBoxes strategies=typed.value("strategies") error=typed.error("strategy")/>
                {typed.number("buyers", "Buyers", "", (1, BUYERS_MAX.into()))}
                {typed.number("stock", "Stock", "Private lane only.", (0, STOCK_MAX.into()))}
                <Field
                    name="quantity"
                    label="Units for each attempt"
                    hint=quantity_hint()
                    kind=quantity
                    value=typed.value("quantity")
                    error=typed.error("quantity")
                    width="third"
                />
                {typed.number("rounds", "Attempts of each buyer", "", (1, ROUNDS_MAX.into()))}
                {typed.number("race_window_ms", "Race window (ms)", "Pause between reading the stock and writing it.", (0, RACE_WINDOW_MS_MAX.into()))}
                {typed.number("seed", "Seed", "The same seed sends the crowd in the same order.", (0, u64::MAX))}
            </div>
            <Advanced typed=typed.clone()/>
            <div class="bench__go">
                {typed.limit("guess", "Your guess: units oversold", "Predict, then run. Leave it empty to just look.")}
                <button class="btn btn--primary btn--big" type="submit" aria-keyshortcuts="g">
                    "Simulate flash sale "<Key key="g"/>
                </button>
            </div>
        </form>
    }
}

const fn quantity_hint() -> &'static str {
    // Said here, so that the limit and the sentence cannot part.
    const { assert!(QUANTITY_MAX == 1_000) };
    "A number up to 1,000, or a range such as 1..3."
}

/// What few need.
#[component]
fn Advanced(typed: Typed) -> impl IntoView {
    view! {
        <details class="bench__more" open=typed.beyond_basics()>
            <summary>"Advanced"</summary>
            <div class="fields">
                <Choice
                    name="arrivals"
                    label="Arrivals"
                    chosen=typed.value("arrivals")
                    options=&[
                        ("closed", "Each buyer comes back after an answer"),
                        ("open", "At a rate, whether or not others were served"),
                    ]
                />
                {typed.number("rate_per_s", "Arrivals a second", "For arrivals at a rate.", (1, RATE_PER_S_MAX.into()))}
                {typed.number("ramp_ms", "Ramp (ms)", "Until all are there, or come at the full rate.", (0, RAMP_MS_MAX.into()))}
                {typed.number("think_time_ms", "Think time (ms)", "Between an answer and the next attempt, on average.", (0, THINK_TIME_MS_MAX.into()))}
                {typed.number("pool_size", "Connections", "Transactions that may be open at once.", (1, POOL_SIZE_MAX.into()))}
                <Choice
                    name="journey"
                    label="Journey"
                    chosen=typed.value("journey")
                    options=&[
                        ("express", "Express: one call takes stock and writes the order"),
                        ("checkout", "Checkout: reserve, pay, confirm"),
                    ]
                />
                <div class="field field--third field--bottom">
                    <label class="tick">
                        <input type="checkbox" name="together" value="yes" checked=!typed.value("together").is_empty()/>
                        "Let all strategies run at the same time, instead of one after the other"
                    </label>
                </div>
            </div>
            <Faults typed=typed.clone()/>
            <fieldset class="bench__group">
                <legend>"What a lane must reach to pass"</legend>
                <div class="fields">
                    {typed.limit("p99_ms_max", "p99 at most (ms)", "")}
                    {typed.limit("failed_max", "Failed at most", "")}
                    {typed.limit("retries_max", "Retries at most", "")}
                    {typed.limit("orders_per_second_min", "Orders a second at least", "")}
                </div>
            </fieldset>
        </details>
    }
}

#[component]
fn Faults(typed: Typed) -> impl IntoView {
    let error = typed.error("faults");
    view! {
        <fieldset class="bench__group">
            <legend>"What goes wrong, in percent of the attempts"</legend>
            {error.map(|error| view! { <p class="field__error">{error}</p> })}
            <div class="fields">
                {typed.share("freeze", "Freezes", "The buyer’s program stands still, with its locks held, until the database ends its session.")}
                {typed.share("slow_statement", "Slow statement", "A statement between read and write takes half a second.")}
                {typed.share("drop_connection", "Connection cut", "Between read and write.")}
                {typed.share("abandon", "Leaves", "The buyer leaves in the middle; the shop’s work goes on.")}
                {typed.share("double_click", "Double click", "The same request twice at once.")}
            </div>
        </fieldset>
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
fn Choice(
    name: &'static str,
    label: &'static str,
    chosen: String,
    /// Value and words of each.
    options: &'static [(&'static str, &'static str)],
) -> impl IntoView {
    let options = options
        .iter()
        .map(|(value, words)| view! { <option value=*value selected=chosen == *value>{*words}</option> })
        .collect_view();
    view! {
        <div class="field field--two-thirds">
            <label class="field__label" for=name>{label}</label>
            <select class="field__input" id=name name=name>{options}</select>
        </div>
    }
}
