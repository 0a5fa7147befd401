//! The form of a plan: who comes, to which shelf, and by which strategies they buy.

use leptos::prelude::*;

use self::Takes::{Limit, Number, Percent};
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
    web::{
        pages::{form_key::FormKey, refill},
        session::Notice,
    },
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
        refill::error(self.notice.as_ref(), field)
    }

    fn beyond_basics(&self) -> bool {
        let preset = PlanForm::from(&SimulationPlan::preset());
        let fields = self.form.fields().into_iter().zip(preset.fields());
        let mut beyond = fields.filter(|((name, _), _)| !BASIC.contains(name));
        beyond.any(|((name, value), (_, preset))| value != preset || self.error(name).is_some())
            || self.error("faults").is_some()
    }

    fn field(
        &self,
        name: &'static str,
        label: &'static str,
        hint: &'static str,
        takes: Takes,
    ) -> AnyView {
        let (kind, range, optional) = match takes {
            Number(min, max) => (FieldKind::NUMBER, Some((min, max)), false),
            Limit => (FieldKind::NUMBER, Some((0, u32::MAX.into())), true),
            Percent => (FieldKind::DECIMAL, None, true),
        };
        view! {
            <Field
                name label hint kind optional
                value=self.value(name)
                error=self.error(name)
                width="third"
                min=range.map(|(min, _)| min)
                max=range.map(|(_, max)| max)
            />
        }
        .into_any()
    }
}

/// What a field takes.
enum Takes {
    /// From the first to the second; it must be there.
    Number(u64, u64),
    /// A number that may be left out.
    Limit,
    /// One that may be left out.
    Percent,
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
                {typed.field("buyers", "Buyers", "", Number(1, BUYERS_MAX.into()))}
                {typed.field("stock", "Stock", "Private lane only.", Number(0, STOCK_MAX.into()))}
                <Field
                    name="quantity"
                    label="Units for each attempt"
                    hint=quantity_hint()
                    kind=quantity
                    value=typed.value("quantity")
                    error=typed.error("quantity")
                    width="third"
                />
                {typed.field("rounds", "Attempts of each buyer", "", Number(1, ROUNDS_MAX.into()))}
                {typed.field("race_window_ms", "Race window (ms)", "Pause between reading the stock and writing it.", Number(0, RACE_WINDOW_MS_MAX.into()))}
                {typed.field("seed", "Seed", "The same seed sends the crowd in the same order.", Number(0, u64::MAX))}
            </div>
            <Advanced typed=typed.clone()/>
            <div class="bench__go">
                {typed.field("guess", "Your guess: units oversold", "Predict, then run. Leave it empty to just look.", Limit)}
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
                {typed.field("rate_per_s", "Arrivals a second", "For arrivals at a rate.", Number(1, RATE_PER_S_MAX.into()))}
                {typed.field("ramp_ms", "Ramp (ms)", "Until all are there, or come at the full rate.", Number(0, RAMP_MS_MAX.into()))}
                {typed.field("think_time_ms", "Think time (ms)", "Between an answer and the next attempt, on average.", Number(0, THINK_TIME_MS_MAX.into()))}
                {typed.field("pool_size", "Connections", "Transactions that may be open at once.", Number(1, POOL_SIZE_MAX.into()))}
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
                    {typed.field("p99_ms_max", "p99 at most (ms)", "", Limit)}
                    {typed.field("failed_max", "Failed at most", "", Limit)}
                    {typed.field("retries_max", "Retries at most", "", Limit)}
                    {typed.field("orders_per_second_min", "Orders a second at least", "", Limit)}
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
                {typed.field("freeze", "Freezes", "The buyer’s program stands still, with its locks held, until the database ends its session.", Percent)}
                {typed.field("slow_statement", "Slow statement", "A statement between read and write takes half a second.", Percent)}
                {typed.field("drop_connection", "Connection cut", "Between read and write.", Percent)}
                {typed.field("abandon", "Leaves", "The buyer leaves in the middle; the shop’s work goes on.", Percent)}
                {typed.field("double_click", "Double click", "The same request twice at once.", Percent)}
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
