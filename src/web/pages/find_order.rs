//! `/orders/find`: finds an order by its number and the e-mail address; with `?link=…`, a signed
//! link that the shop sends, it lists all orders of the customer.

use axum::http::{HeaderValue, header};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use leptos_router::hooks::use_query_map;

use super::{
    form_error::FormError,
    form_key::FormPage,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    refill,
};
use crate::{
    model::{OrderView, ShopError},
    shop::orders::CustomerOrders,
    ui::{
        data_table::{
            ColumnHead::{Number, Text},
            DataTable,
        },
        field::{Field, FieldKind},
        notice::ErrorNotice,
        order_badge::badge_class,
    },
    web::session::{Notice, Visit},
};

/// `/orders/find`
#[component]
pub fn FindOrderPage() -> impl IntoView {
    let link = use_query_map().get_untracked().get("link");
    let response = use_context::<ResponseOptions>();
    framed(|visit| async move {
        match link {
            Some(link) => {
                if let Some(response) = response {
                    keep_address_secret(&response);
                }
                linked_page(visit, &link).await
            }
            None => {
                let notice = visit.take_notice().await?;
                Ok(form_page(view! {
                    <FormError notice=notice.clone() consequence="Check the order number and the e-mail address."/>
                    <FindForm notice/>
                }))
            }
        }
    })
}

/// The address of the page is the key to the orders: no other page may learn it.
fn keep_address_secret(response: &ResponseOptions) {
    response.insert_header(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
}

/// Lists the orders of a signed link. A link that is not valid shows why, and the form.
async fn linked_page(visit: Visit, link: &str) -> Result<Page, ShopError> {
    let orders = visit.shop().orders();
    match visit.limit_link_guesses(orders.of_customer(link)).await {
        Ok(orders) => {
            let body = view! { <OrderList orders/> };
            Ok(Page::private("Your orders", Bundle::None, body))
        }
        Err(error @ (ShopError::UnknownOrder | ShopError::LinkExpired)) => {
            visit.set_status(&error);
            let title = match error {
                ShopError::LinkExpired => "This link has expired.",
                _ => "This link is not valid.",
            };
            Ok(form_page(view! {
                <ErrorNotice title>
                    <p>"Enter an order number and its e-mail address, or ask the shop for a new link."</p>
                </ErrorNotice>
                <FindForm notice=None/>
            }))
        }
        Err(error) => Err(error),
    }
}

fn form_page(form: impl IntoView + 'static) -> Page {
    let form = form.into_any();
    let body = view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <PageHead title="Find your order" lead="Enter your order number and e-mail address."/>
            {form}
        </main>
    };
    Page::private("Find your order", Bundle::None, body)
}

#[component]
fn FindForm(notice: Option<Notice>) -> impl IntoView {
    let typed = |field| refill::typed(notice.as_ref(), field, "");
    let (number, email) = (typed("number"), typed("email"));
    view! {
        <form class="panel gate" method="post" action="/api/form/orders/find">
            <FormPage/>
            <Field name="number" label="Order number" kind=FieldKind::text("off") value=number hint="For example DB-000042."/>
            <Field
                name="email"
                label="E-mail"
                kind=FieldKind::EMAIL
                value=email
                hint="The address that you ordered with."
            />
            <button class="btn btn--primary btn--big" type="submit">"Find order"</button>
        </form>
    }
}

#[component]
fn OrderList(orders: CustomerOrders) -> impl IntoView {
    let lead = format!("Orders of {}", orders.email);
    let note = orders
        .has_more
        .then(|| format!("The {} newest are listed.", orders.orders.len()));
    let rows = orders
        .orders
        .into_iter()
        .map(|order| view! { <OrderRow order/> })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Your orders" lead/>
            <DataTable
                caption="Orders, newest first"
                heads=vec![Text("Order"), Text("Placed"), Text("Status"), Number("Total"), Number("Refunded")]
            >
                {rows}
            </DataTable>
            {note.map(|note| view! { <p class="quiet">{note}</p> })}
            <p class="quiet">
                {format!("Save this page’s address: it works until {}. ", orders.valid_until)}
                "Anyone with the address can see these orders."
            </p>
        </main>
    }
}

#[component]
fn OrderRow(order: OrderView) -> impl IntoView {
    let standing = order.status_view();
    let refunded = match order.refunded() {
        Some((refunded, _)) => refunded.to_string(),
        None => "–".to_owned(),
    };
    view! {
        <tr>
            <th scope="row"><a href=format!("/orders/{}", order.public_id)>{order.number}</a></th>
            <td>{order.placed_at}</td>
            <td><span class=badge_class(standing.tone)>{standing.status}</span></td>
            <td class="n">{order.bill.total.to_string()}</td>
            <td class="n">{refunded}</td>
        </tr>
    }
}
