//! The form of a simulation plan: the product, the strategies, the buyers and the faults.

use leptos::prelude::*;

use self::InputKind::{Limit, Number, OptionalNumber, Percent};
use crate::{
    islands::workbench::keys::Key,
    model::{
        Product, SimulationPlan, StrategyKey,
        plan::{
            BUYERS_MAX, OWN_SERVERS_MAX, POOL_SIZE_MAX, PlanForm, RACE_WINDOW_MS_MAX, RAMP_MS_MAX,
            RATE_PER_S_MAX, ROUNDS_MAX, STOCK_MAX, THINK_TIME_MS_MAX,
        },
        quantity::QUANTITY_MAX,
    },
    ui::field::{Field, FieldKind},
    web::{
        AppState,
        pages::{form_key::FormKey, refill},
        session::Notice,
    },
};

/// Fields that are always visible. If another field differs from the preset, the form opens its
/// advanced part.
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

/// Every field, in the order of the page. The first one with an error has the focus.
const IN_ORDER: [&str; 26] = [
    "target",
    "strategy",
    "buyers",
    "stock",
    "quantity",
    "rounds",
    "race_window_ms",
    "seed",
    "arrivals",
    "rate_per_s",
    "ramp_ms",
    "think_time_ms",
    "pool_size",
    "servers",
    "writers",
    "journey",
    "faults",
    "freeze",
    "slow_statement",
    "drop_connection",
    "abandon",
    "double_click",
    "p99_ms_max",
    "failed_max",
    "retries_max",
    "orders_per_second_min",
];
/// The last field, below the others.
const LAST: &str = "guess";

/// The values of the form and the errors of its fields.
#[derive(Clone)]
struct FormValues {
    form: PlanForm,
    notice: Option<Notice>,
}

impl FormValues {
    fn value(&self, field: &str) -> String {
        let mut fields = self.form.fields().into_iter();
        fields
            .find(|(name, _)| *name == field)
            .map_or_else(String::new, |(_, value)| value.to_owned())
    }

    fn error(&self, field: &str) -> Option<String> {
        refill::error(self.notice.as_ref(), field)
    }

    /// Whether the page opens with the focus on `field`.
    fn has_focus(&self, field: &str) -> bool {
        let first = refill::first_error(self.notice.as_ref(), &IN_ORDER);
        let first = first.or_else(|| refill::first_error(self.notice.as_ref(), &[LAST]));
        first == Some(field)
    }

    fn has_advanced_values(&self) -> bool {
        let preset = PlanForm::from(&SimulationPlan::preset());
        let fields = self.form.fields().into_iter().zip(preset.fields());
        let mut advanced = fields.filter(|((name, _), _)| !BASIC.contains(name));
        advanced.any(|((name, value), (_, preset))| value != preset || self.error(name).is_some())
            || self.error("faults").is_some()
    }

    fn field(
        &self,
        name: &'static str,
        label: &'static str,
        hint: &'static str,
        input: InputKind,
    ) -> AnyView {
        let (kind, range, optional) = match input {
            Number(min, max) => (FieldKind::NUMBER, Some((min, max)), false),
            Limit => (FieldKind::NUMBER, Some((0, u32::MAX.into())), true),
            OptionalNumber(min, max) => (FieldKind::NUMBER, Some((min, max)), true),
            Percent => (FieldKind::DECIMAL, None, true),
        };
        view! {
            <Field
                name label hint kind optional
                value=self.value(name)
                error=self.error(name)
                // The error about the sum of all faults is above the first of them.
                focus={self.has_focus(name) || (name == "freeze" && self.has_focus("faults"))}
                width="third"
                min=range.map(|(min, _)| min)
                max=range.map(|(_, max)| max)
            />
        }
        .into_any()
    }
}

/// The kind of value that a field accepts.
enum InputKind {
    /// A required whole number in this range.
    Number(u64, u64),
    /// An optional whole number.
    Limit,
    /// An optional whole number in this range.
    OptionalNumber(u64, u64),
    /// An optional percentage.
    Percent,
}

/// The form of a simulation plan.
#[component]
pub fn PlanFields(
    products: Vec<Product>,
    form: PlanForm,
    notice: Option<Notice>,
    /// Whether the writer nodes of a cluster can be chosen.
    has_writers: bool,
) -> impl IntoView {
    let typed = FormValues { form, notice };
    let quantity = FieldKind::text("off");
    view! {
        <form class="panel bench" id="bench" method="post" action="/api/form/admin/simulate" aria-labelledby="bench-title">
            <FormKey/>
            <h2 class="panel__title" id="bench-title">"Simulate flash sale"</h2>
            <div class="fields">
                <TargetSelect
                    products
                    target=typed.value("target")
                    error=typed.error("target")
                    focus=typed.has_focus("target")
                />
                <StrategyBoxes
                    strategies=typed.value("strategies")
                    error=typed.error("strategy")
                    focus=typed.has_focus("strategy")
                />
                {typed.field("buyers", "Buyers", "", Number(1, BUYERS_MAX.into()))}
                {typed.field("stock", "Stock", "Private lane only.", Number(0, STOCK_MAX.into()))}
                <Field
                    name="quantity"
                    label="Units per attempt"
                    hint=quantity_hint()
                    kind=quantity
                    value=typed.value("quantity")
                    error=typed.error("quantity")
                    focus=typed.has_focus("quantity")
                    width="third"
                />
                {typed.field("rounds", "Attempts per buyer", "", Number(1, ROUNDS_MAX.into()))}
                {typed.field("race_window_ms", "Race window (ms)", "Pause between reading the stock and writing it.", Number(0, RACE_WINDOW_MS_MAX.into()))}
                {typed.field("seed", "Seed", "The same seed repeats the same arrivals.", Number(0, u64::MAX))}
            </div>
            <Advanced typed=typed.clone() has_writers/>
            <div class="bench__go">
                {typed.field("guess", "Your guess: units oversold", "Optional: predict the result, then run.", Limit)}
                <button class="btn btn--primary btn--big" type="submit" aria-keyshortcuts="g">
                    "Simulate flash sale "<Key key="g"/>
                </button>
            </div>
        </form>
    }
}

const fn quantity_hint() -> &'static str {
    // The assertion keeps this text and the limit equal.
    const { assert!(QUANTITY_MAX == 1_000) };
    "A number up to 1,000, or a range such as 1..3."
}

/// The fields that few plans need.
#[component]
fn Advanced(typed: FormValues, has_writers: bool) -> impl IntoView {
    // A choice that is not shown would be left out silently, and so would its error.
    let is_shown =
        has_writers || !typed.value("writers").is_empty() || typed.error("writers").is_some();
    let writers = is_shown.then(|| {
        view! {
            <Choice
                name="writers"
                label="Writer nodes"
                chosen=typed.value("writers")
                error=typed.error("writers")
                focus=typed.has_focus("writers")
                options=&[
                    ("", "The node of this server"),
                    ("one", "One: all buyers write to the first node"),
                    ("all", "All: the buyers are spread over the nodes"),
                    ("both", "Both: two lanes of each strategy, one after the other"),
                ]
            />
        }
    });
    view! {
        <details class="bench__more" open=typed.has_advanced_values()>
            <summary>"Advanced"</summary>
            <div class="fields">
                <Choice
                    name="arrivals"
                    label="Arrivals"
                    chosen=typed.value("arrivals")
                    error=typed.error("arrivals")
                    focus=typed.has_focus("arrivals")
                    options=&[
                        ("closed", "Each buyer waits for a response"),
                        ("open", "At a fixed rate, independent of responses"),
                    ]
                />
                {typed.field("rate_per_s", "Arrivals per second", "For arrivals at a fixed rate.", Number(1, RATE_PER_S_MAX.into()))}
                {typed.field("ramp_ms", "Time to full load (ms)", "Until all buyers arrive, or the full rate is reached.", Number(0, RAMP_MS_MAX.into()))}
                {typed.field("think_time_ms", "Think time (ms)", "Average pause between a response and the next attempt.", Number(0, THINK_TIME_MS_MAX.into()))}
                {typed.field("pool_size", "Connections", "Open transactions per lane or server. Blank = up to 16.", OptionalNumber(1, POOL_SIZE_MAX.into()))}
                {typed.field("servers", "Servers", "Processes that the run starts for its buyers. Blank = none.", OptionalNumber(0, OWN_SERVERS_MAX.into()))}
                {writers}
                <Choice
                    name="journey"
                    label="Journey"
                    chosen=typed.value("journey")
                    error=typed.error("journey")
                    focus=typed.has_focus("journey")
                    options=&[
                        ("express", "Express: one call sells stock and writes the order"),
                        ("checkout", "Checkout: reserve, pay, confirm"),
                    ]
                />
                <div class="field field--third field--bottom">
                    <label class="tick">
                        <input type="checkbox" name="together" value="yes" checked=!typed.value("together").is_empty()/>
                        "Run all strategies at the same time"
                    </label>
                </div>
            </div>
            <Faults typed=typed.clone()/>
            <fieldset class="bench__group">
                <legend>"Pass criteria per lane"</legend>
                <div class="fields">
                    {typed.field("p99_ms_max", "Maximum p99 (ms)", "", Limit)}
                    {typed.field("failed_max", "Maximum failures", "", Limit)}
                    {typed.field("retries_max", "Maximum retries", "", Limit)}
                    {typed.field("orders_per_second_min", "Minimum orders per second", "", Limit)}
                </div>
            </fieldset>
        </details>
    }
}

#[component]
fn Faults(typed: FormValues) -> impl IntoView {
    let error = typed.error("faults");
    let described_by = error.is_some().then_some("faults-error");
    view! {
        <fieldset class="bench__group" aria-describedby=described_by>
            <legend>"Faults, in percent of attempts"</legend>
            {error.map(|error| view! { <p class="field__error" id="faults-error">{error}</p> })}
            <div class="fields">
                {typed.field("freeze", "Client freezes", "It keeps its locks until the database ends its session.", Percent)}
                {typed.field("slow_statement", "Slow statement", "A statement between read and write takes half a second.", Percent)}
                {typed.field("drop_connection", "Connection lost", "The connection breaks between read and write.", Percent)}
                {typed.field("abandon", "Buyer disconnects", "The shop finishes the request anyway.", Percent)}
                {typed.field("double_click", "Double click", "The same request is sent twice at once.", Percent)}
            </div>
        </fieldset>
    }
}

#[component]
fn TargetSelect(
    products: Vec<Product>,
    target: String,
    #[prop(optional_no_strip)] error: Option<String>,
    focus: bool,
) -> impl IntoView {
    let options = products
        .into_iter()
        .map(|product| {
            let id = product.id.to_string();
            let selected = id == target;
            view! { <option value=id selected=selected>{product.name}{format!(" ({} left)", product.available)}</option> }
        })
        .collect_view();
    let described_by = match error {
        Some(_) => "target-hint target-error",
        None => "target-hint",
    };
    let invalid = error.is_some().then_some("true");
    let class = field_class("field field--half", error.as_ref());
    view! {
        <div class=class>
            <label class="field__label" for="target">"Product"</label>
            <select
                class="field__input" id="target" name="target" autofocus=focus
                aria-describedby=described_by aria-invalid=invalid
            >
                <option value="lane" selected=target == "lane">"Private lane, outside the shop"</option>
                <optgroup label="Products of the shop">{options}</optgroup>
            </select>
            <span class="field__hint" id="target-hint">"Choosing a shop product sells real stock."</span>
            {error.map(|error| view! { <p class="field__error" id="target-error">{error}</p> })}
        </div>
    }
}

/// A check box per strategy; each selected strategy runs in its own lane.
#[component]
fn StrategyBoxes(
    /// The selected strategies, comma-separated.
    strategies: String,
    #[prop(optional_no_strip)] error: Option<String>,
    /// Whether the first box has the focus.
    focus: bool,
) -> impl IntoView {
    let is_ticked = |key: StrategyKey| {
        strategies
            .split(',')
            .any(|ticked| ticked.trim() == key.as_str())
    };
    let shop = use_context::<AppState>().map(|state| state.shop.clone());
    let boxes = StrategyKey::ALL
        .into_iter()
        .enumerate()
        .map(|(index, key)| {
            let against = shop
                .as_ref()
                .and_then(|shop| key.reason_against(shop.db().engine(), shop.gate().is_some()));
            let is_available = against.is_none();
            let note = against.map_or_else(
                || format!("({})", key.safety_and_place()),
                |reason| format!("(not available {reason})"),
            );
            view! {
                <label class="tick">
                    <input
                        type="checkbox" name="strategy[]" value=key.as_str() disabled=!is_available
                        checked={is_ticked(key) && is_available} autofocus={focus && index == 0}
                    />
                    <span>{key.as_str()}" "<span class="quiet">{note}</span></span>
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
                "Each strategy gets its own lane. Unsafe strategies need a private lane."
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
    /// Value and text of each option.
    options: &'static [(&'static str, &'static str)],
    #[prop(optional_no_strip)] error: Option<String>,
    focus: bool,
) -> impl IntoView {
    let options = options
        .iter()
        .map(|(value, words)| view! { <option value=*value selected=chosen == *value>{*words}</option> })
        .collect_view();
    let class = field_class("field field--two-thirds", error.as_ref());
    let invalid = error.is_some().then_some("true");
    let described_by = error.is_some().then(|| format!("{name}-error"));
    view! {
        <div class=class>
            <label class="field__label" for=name>{label}</label>
            <select
                class="field__input" id=name name=name autofocus=focus
                aria-describedby=described_by aria-invalid=invalid
            >
                {options}
            </select>
            {error.map(|error| view! { <p class="field__error" id=format!("{name}-error")>{error}</p> })}
        </div>
    }
}

/// Marks the class of a field with an error.
fn field_class(class: &'static str, error: Option<&String>) -> String {
    match error {
        Some(_) => format!("{class} field--error"),
        None => class.to_owned(),
    }
}
