//! `/admin/stock`: receives units and records stock-takes.

use leptos::prelude::*;

use super::{StockTable, Subnav};
use crate::{
    model::quantity::QUANTITY_MAX,
    shop::{stock::StockLevel, stock_admin::COUNT_MAX},
    ui::field::{Field, FieldKind},
    web::{
        pages::{
            form_error::FormError,
            form_key::FormKey,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
            refill,
        },
        session::Notice,
    },
};

/// `/admin/stock`
#[component]
pub fn StockPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let levels = visit.shop().stock().levels().await?;
        let notice = visit.take_notice().await?;
        let body = view! { <StockView levels notice/> };
        Ok(Page::private("Stock", Bundle::None, body))
    })
}

#[component]
fn StockView(levels: Vec<StockLevel>, notice: Option<Notice>) -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/stock"/>
            <PageHead title="Stock" lead="Every change is recorded in the ledger."/>
            <FormError notice=notice.clone() consequence="Nothing was changed."/>
            <div class="two">
                <Receive levels=levels.clone() notice=notice.clone()/>
                <Count levels=levels.clone() notice/>
            </div>
            <StockTable levels/>
        </main>
    }
}

#[component]
fn ProductChoice(levels: Vec<StockLevel>, id: &'static str, chosen: String) -> impl IntoView {
    let options = levels
        .into_iter()
        .map(|level| {
            let value = level.id.to_string();
            view! { <option value=value.clone() selected=value == chosen>{level.name}</option> }
        })
        .collect_view();
    view! {
        <div class="field">
            <label class="field__label" for=id>"Product"</label>
            <select class="field__input" id=id name="product_id">{options}</select>
        </div>
    }
}

#[component]
fn Receive(levels: Vec<StockLevel>, notice: Option<Notice>) -> impl IntoView {
    let chosen = refill::typed(notice.as_ref(), "product_id", "");
    let quantity = refill::typed(notice.as_ref(), "quantity", "1");
    view! {
        <form class="panel" method="post" action="/api/form/admin/receive" aria-labelledby="receive">
            <h2 id="receive">"Receive units"</h2>
            <p class="quiet">"Paid backorders are filled at once, oldest first."</p>
            <FormKey/>
            <div class="fields">
                <ProductChoice levels id="receive-product" chosen/>
                <Field name="quantity" label="Units" kind=FieldKind::NUMBER value=quantity min=Some(1) max=Some(QUANTITY_MAX.into()) width="half"/>
            </div>
            <div class="form__foot"><button class="btn btn--primary" type="submit">"Receive"</button></div>
        </form>
    }
}

#[component]
fn Count(levels: Vec<StockLevel>, notice: Option<Notice>) -> impl IntoView {
    let notice = notice.as_ref();
    let about = |field| refill::error(notice, field);
    let chosen = refill::typed(notice, "counted_product_id", "");
    let counted = refill::typed(notice, "counted", "");
    let reason = refill::typed(notice, "reason", "");
    view! {
        <form class="panel" method="post" action="/api/form/admin/take-stock" aria-labelledby="count">
            <h2 id="count">"Stock-take"</h2>
            <p class="quiet">"Count all units in the warehouse, including reserved ones."</p>
            <FormKey/>
            <div class="fields">
                <ProductChoice levels id="count-product" chosen/>
                <Field name="counted" label="Units counted" kind=FieldKind::NUMBER value=counted error=about("counted") min=Some(0) max=Some(COUNT_MAX.unsigned_abs()) width="half"/>
                <Field name="reason" label="Reason" kind=FieldKind::text("off") value=reason error=about("reason") hint="Recorded in the ledger."/>
            </div>
            <div class="form__foot"><button class="btn btn--primary" type="submit">"Adjust"</button></div>
        </form>
    }
}
