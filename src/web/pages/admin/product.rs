//! `/admin/products/{slug}`: the sale of a product, forms to change it, and its history.

use jiff::tz::TimeZone;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    Subnav,
    products::{ZoneNote, badge, time_of},
};
use crate::{
    model::{Currency, Money, Product, SaleState},
    shop::{local_time, moment, sales::ProductChange},
    ui::{
        data_table::{ColumnHead::Text, DataTable},
        field::{Field, FieldKind},
    },
    web::{
        addresses,
        pages::{
            form_error::FormError,
            form_key::FormKey,
            frame::{Bundle, Page, framed},
            refill,
        },
        session::Notice,
    },
};

/// The form's fields from top to bottom; a field's name is its id.
const FIELDS: [&str; 5] = ["from", "until", "price", "compare_at", "limit"];

/// `/admin/products/{slug}`
#[component]
pub fn ProductSalePage() -> impl IntoView {
    let slug = use_params_map()
        .get_untracked()
        .get("slug")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let sales = visit.shop().sales();
        let product_id = sales.of_slug(&slug).await?.id;
        let changes = sales.history(product_id).await?;
        // After its history: a plan must not be older than the last change that the page shows.
        let product = sales.of_slug(&slug).await?;
        let notice = visit.take_notice().await?;
        let zone = visit.shop().terms().time_zone.clone();
        let title = format!("{} · Sale", product.name);
        let body = view! { <ProductView product changes zone notice/> };
        Ok(Page::private(title, Bundle::None, body))
    })
}

#[component]
fn ProductView(
    product: Product,
    changes: Vec<ProductChange>,
    zone: TimeZone,
    notice: Option<Notice>,
) -> impl IntoView {
    let currency = product.price.currency;
    let seen = changes.first().map_or(0, |change| change.id);
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/products"/>
            <div class="page-head page-head--row">
                <h1 dir="auto">{product.name.clone()}</h1>
                <a class="btn" href=addresses::product(&product.slug)>"View in the shop"</a>
            </div>
            <FormError notice=notice.clone() consequence="Nothing was changed."/>
            <div class="two">
                <PlanForm product=product.clone() zone=zone.clone() seen notice/>
                <SaleNow product zone=zone.clone()/>
            </div>
            <History changes zone currency/>
        </main>
    }
}

/// The state of the sale in a sentence.
fn sentence(product: &Product, zone: &TimeZone) -> String {
    let from = time_of(zone, product.plan.starts_at_ms);
    let until = time_of(zone, product.plan.ends_at_ms);
    match (product.state(), from, until) {
        (SaleState::Announced, Some(from), _) => format!("The sale opens at {from}."),
        (SaleState::Ended, _, Some(until)) => format!("The sale ended at {until}."),
        (_, Some(from), Some(until)) => format!("On sale since {from}, until {until}."),
        (_, Some(from), None) => format!("On sale since {from}."),
        (_, None, Some(until)) => format!("On sale until {until}."),
        (_, None, None) => "Always on sale.".to_owned(),
    }
}

/// What the buttons do.
const fn hint(state: SaleState) -> &'static str {
    match state {
        SaleState::Ended => {
            "Opening the sale again removes its end. Plan another end if it needs one."
        }
        SaleState::Announced => "Opening the sale now keeps its end.",
        SaleState::Open | SaleState::ReservedOut | SaleState::SoldOut => {
            "Ending the sale also ends its reservations. Payments in progress are kept."
        }
    }
}

#[component]
fn SaleNow(product: Product, zone: TimeZone) -> impl IntoView {
    let (class, word) = badge(product.state());
    let stock = format!(
        "{} available, {} reserved, {} sold of {}",
        product.available, product.reserved, product.sold, product.total
    );
    let form = |act: &'static str, text: &'static str| {
        view! {
            <form method="post" action="/api/form/admin/change-sale">
                <FormKey/>
                <input type="hidden" name="product_id" value=product.id/>
                <button class="btn btn--primary" type="submit" name="act" value=act>{text}</button>
            </form>
        }
    };
    let can_open = matches!(product.state(), SaleState::Announced | SaleState::Ended);
    let open = can_open.then(|| form("open", "Open now"));
    // It ends reservations, so it cannot be undone.
    let end = (product.state() != SaleState::Ended).then(|| {
        view! {
            <details class="sure">
                <summary class="btn btn--danger">"End now"</summary>
                {form("end", "Yes, end the sale")}
            </details>
        }
    });
    view! {
        <section class="panel acts" id="sale" aria-labelledby="sale-now">
            <h2 id="sale-now">"Sale now"</h2>
            <dl class="facts">
                <dt>"State"</dt><dd><span class=class>{word}</span></dd>
                <dt>"Stock"</dt><dd>{stock}</dd>
            </dl>
            <p>{sentence(&product, &zone)}</p>
            <p class="quiet">{hint(product.state())}</p>
            <p class="quiet"><a href="/admin/stock">"Receive units"</a></p>
            <div class="acts__row">{open}{end}</div>
        </section>
    }
}

#[component]
fn PlanForm(
    product: Product,
    zone: TimeZone,
    /// The last change of the sale; a plan is refused if there is a later one.
    seen: i64,
    notice: Option<Notice>,
) -> impl IntoView {
    let notice = notice.as_ref();
    let about = |field| refill::error(notice, field);
    let typed =
        |field, stored: Option<String>| refill::typed(notice, field, &stored.unwrap_or_default());
    let time = |ms: Option<i64>| ms.map(|ms| local_time::for_field(&zone, moment::from_ms(ms)));
    let amount = |money: Money| format!("{}.{:02}", money.cents / 100, money.cents % 100);
    let first = refill::first_error(notice, &FIELDS);
    let kind = FieldKind {
        input: "datetime-local",
        ..FieldKind::text("off")
    };
    let number = FieldKind {
        keyboard: "numeric",
        ..FieldKind::text("off")
    };
    let from = typed("from", time(product.plan.starts_at_ms));
    let until = typed("until", time(product.plan.ends_at_ms));
    let price = typed("price", Some(amount(product.price)));
    let compare_at = typed("compare_at", product.compare_at.map(amount));
    let limit = typed(
        "limit",
        product.per_customer_limit.map(|limit| limit.to_string()),
    );
    view! {
        <form class="panel" method="post" action="/api/form/admin/plan-sale" aria-labelledby="plan">
            <h2 id="plan">"Plan"</h2>
            <ZoneNote zone=local_time::name(&zone)/>
            <FormKey/>
            <input type="hidden" name="product_id" value=product.id/>
            <input type="hidden" name="seen" value=seen/>
            <div class="fields">
                <Field name="from" label="From" kind step="1" value=from error=about("from") hint="A past time opens the sale at once. Blank = always." width="half" optional=true focus=first == Some("from")/>
                <Field name="until" label="Until" kind step="1" value=until error=about("until") hint="Blank = no end." width="half" optional=true focus=first == Some("until")/>
                <Field name="price" label="Price" kind=FieldKind::DECIMAL value=price error=about("price") hint="Reserved carts see a new price before they pay." width="half" focus=first == Some("price")/>
                <Field name="compare_at" label="Compare-at price" kind=FieldKind::DECIMAL value=compare_at error=about("compare_at") hint="Shown crossed out. Blank = none." width="half" optional=true focus=first == Some("compare_at")/>
                <Field name="limit" label="Limit per customer" kind=number value=limit error=about("limit") hint="Blank = unlimited." width="half" optional=true focus=first == Some("limit")/>
            </div>
            <div class="form__foot"><button class="btn btn--primary" type="submit">"Save plan"</button></div>
        </form>
    }
}

#[component]
fn History(changes: Vec<ProductChange>, zone: TimeZone, currency: Currency) -> impl IntoView {
    if changes.is_empty() {
        return view! { <p class="panel">"No changes yet. Each change of the sale is listed here."</p> }
            .into_any();
    }
    let rows = changes
        .into_iter()
        .map(|change| {
            let value =
                |value: &Option<String>| shown(&change.field, value.as_deref(), &zone, currency);
            let (before, after) = (value(&change.before), value(&change.after));
            view! {
                <tr>
                    <th scope="row" class="tight">{local_time::in_zone(&zone, change.at)}</th>
                    <td>{change.actor.clone()}</td>
                    <td>{change.field.clone()}</td>
                    <td>{before}</td>
                    <td>{after}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <DataTable
            caption="History"
            label="History of the sale"
            heads=vec![Text("Time"), Text("Changed by"), Text("Change"), Text("Before"), Text("After")]
        >
            {rows}
        </DataTable>
    }
    .into_any()
}

/// Formats a value of the history for people.
fn shown(field: &str, value: Option<&str>, zone: &TimeZone, currency: Currency) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    let formatted = match field {
        "from" | "until" => moment::parse_rfc3339(value).map(|at| local_time::in_zone(zone, at)),
        "price" | "compare-at price" => {
            let cents = value.parse().ok();
            cents.map(|cents| Money::new(cents, currency).to_string())
        }
        _ => None,
    };
    formatted.unwrap_or_else(|| value.to_owned())
}
