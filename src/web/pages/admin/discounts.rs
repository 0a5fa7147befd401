//! `/admin/discounts`: the discount codes with buttons to switch them off and on, a form to create
//! one, and the history.

use leptos::prelude::*;

use super::{Subnav, products::ZoneNote};
use crate::{
    shop::{
        discounts::{CodeChange, CodeView},
        local_time,
    },
    ui::{
        data_table::{
            ColumnHead::{Number, Text},
            DataTable,
        },
        field::{Field, FieldKind},
    },
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

/// `/admin/discounts`
#[component]
pub fn DiscountsPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let codes = visit.shop().discounts().all().await?;
        let changes = visit.shop().discounts().changes().await?;
        let notice = visit.take_notice().await?;
        let zone = local_time::name(&visit.shop().terms().time_zone);
        let body = view! { <DiscountsView codes changes zone notice/> };
        Ok(Page::private("Discount codes", Bundle::None, body))
    })
}

#[component]
fn DiscountsView(
    codes: Vec<CodeView>,
    changes: Vec<CodeChange>,
    zone: String,
    notice: Option<Notice>,
) -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/discounts"/>
            <PageHead title="Discount codes" lead="Like stock, usage limits hold under load."/>
            <FormError notice=notice.clone() consequence="Nothing was changed."/>
            <CodesTable codes/>
            <NewCodeForm zone notice/>
            <History changes/>
        </main>
    }
}

#[component]
fn CodesTable(codes: Vec<CodeView>) -> impl IntoView {
    if codes.is_empty() {
        return view! { <p class="panel">"No discount codes yet. Create one below."</p> }
            .into_any();
    }
    let rows = codes
        .into_iter()
        .map(|code| {
            let window = match (code.starts_at, code.ends_at) {
                (None, None) => "Always".to_owned(),
                (Some(start), None) => format!("From {start}"),
                (None, Some(end)) => format!("Until {end}"),
                (Some(start), Some(end)) => format!("{start} to {end}"),
            };
            let limit = code
                .per_customer_limit
                .map_or("–".to_owned(), |limit| limit.to_string());
            let name = code.code.clone();
            view! {
                <tr id=format!("code-{}", code.code)>
                    <th scope="row" class="tight"><span class="code-no">{code.code.clone()}</span></th>
                    <td class="tight"><CodeSwitch code=name is_on=code.is_on/></td>
                    <td class="tight">{code.value.to_string()}</td>
                    <td class="n">{code.min_subtotal.to_string()}</td>
                    <td>{window}</td>
                    <td class="n">{format!("{} of {}", code.uses, code.uses_max)}</td>
                    <td class="n">{limit}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <DataTable
            caption="Codes"
            label="Discount codes"
            heads=vec![Text("Code"), Text("State"), Text("Discount"), Number("Minimum order"), Text("Valid"), Number("Used"), Number("Per customer")]
        >
            {rows}
        </DataTable>
    }
    .into_any()
}

/// Says whether a code is on, and switches it.
#[component]
fn CodeSwitch(code: String, is_on: bool) -> impl IntoView {
    let (class, word, act, verb) = match is_on {
        true => ("badge badge--ok", "On", "off", "Switch off"),
        false => ("badge badge--out", "Off", "on", "Switch on"),
    };
    let label = format!("{verb} {code}");
    view! {
        <form class="acts__row" method="post" action="/api/form/admin/switch-code">
            <FormKey/>
            <input type="hidden" name="code" value=code/>
            <span class=class>{word}</span>
            <button class="btn" type="submit" name="act" value=act aria-label=label>{verb}</button>
        </form>
    }
}

#[component]
fn History(changes: Vec<CodeChange>) -> impl IntoView {
    (!changes.is_empty()).then(|| {
        let rows = changes
            .into_iter()
            .map(|change| {
                let what = match change.is_on {
                    true => "Switched on",
                    false => "Switched off",
                };
                view! {
                    <tr>
                        <th scope="row" class="tight">{change.at}</th>
                        <td>{change.actor}</td>
                        <td class="tight"><span class="code-no">{change.code}</span></td>
                        <td>{what}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <DataTable
                caption="History"
                label="History of the codes"
                heads=vec![Text("Time"), Text("Changed by"), Text("Code"), Text("Change")]
            >
                {rows}
            </DataTable>
        }
    })
}

#[component]
fn NewCodeForm(zone: String, notice: Option<Notice>) -> impl IntoView {
    let notice = notice.as_ref();
    let typed = |field, otherwise| refill::typed(notice, field, otherwise);
    let about = |field| refill::error(notice, field);
    let is_amount = typed("kind", "percent") == "amount";
    let moment = FieldKind {
        input: "datetime-local",
        ..FieldKind::text("off")
    };
    view! {
        <form class="panel" method="post" action="/api/form/admin/create-code" aria-labelledby="new-code">
            <h2 class="panel__title" id="new-code">"New code"</h2>
            <ZoneNote zone/>
            <FormKey/>
            <div class="fields">
                <Field name="code" label="Code" kind=FieldKind::text("off") value=typed("code", "") error=about("code") hint="Not case-sensitive." width="half"/>
                <div class="field field--half">
                    <label class="field__label" for="kind">"Type"</label>
                    <select class="field__input" id="kind" name="kind">
                        <option value="percent" selected=!is_amount>"Percentage of the subtotal"</option>
                        <option value="amount" selected=is_amount>"Fixed amount in euros"</option>
                    </select>
                </div>
                <Field name="value" label="Discount" kind=FieldKind::DECIMAL value=typed("value", "10") error=about("value") width="half"/>
                <Field name="min_subtotal" label="Minimum order (€)" kind=FieldKind::DECIMAL value=typed("min_subtotal", "0") error=about("min_subtotal") width="half"/>
                <Field name="starts_at" label="Valid from" kind=moment value=typed("starts_at", "") error=about("starts_at") hint="Blank = valid now." width="half" optional=true/>
                <Field name="ends_at" label="Valid until" kind=moment value=typed("ends_at", "") error=about("ends_at") hint="Blank = no end date." width="half" optional=true/>
                <Field name="uses_max" label="Total uses" kind=FieldKind::NUMBER value=typed("uses_max", "100") error=about("uses_max") min=Some(1) width="half"/>
                <Field name="per_customer_limit" label="Uses per customer" kind=FieldKind::NUMBER value=typed("per_customer_limit", "1") error=about("per_customer_limit") min=Some(1) hint="Blank = unlimited." width="half" optional=true/>
            </div>
            <div class="form__foot"><button class="btn btn--primary" type="submit">"Create code"</button></div>
        </form>
    }
}
