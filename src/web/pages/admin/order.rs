//! `/admin/orders/{public_id}`: an order, with forms to cancel, return and refund.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::Subnav;
use crate::{
    model::{OrderLineView, OrderStatus, OrderView as Order, PaymentState},
    ui::{
        data_table::{
            ColumnHead::{Number, Text},
            DataTable,
        },
        notice::ErrorNotice,
        order_badge::badge_class,
        utc_time::UtcTime,
    },
    web::{
        pages::{
            form_error::FormError,
            form_key::FormKey,
            frame::{Bundle, Page, framed},
        },
        session::Notice,
    },
};

/// `/admin/orders/{public_id}`
#[component]
pub fn AdminOrderPage() -> impl IntoView {
    let public_id = use_params_map()
        .get_untracked()
        .get("public_id")
        .unwrap_or_default();
    framed(|visit| async move {
        let administrator = visit.require_admin().await?;
        let orders = visit.shop().orders();
        let order = orders.find(&public_id).await?;
        let link = orders.link_for_customer(&administrator, &order).await?;
        let notice = visit.take_notice().await?;
        let title = format!("Order {}", order.number);
        Ok(Page::private(
            title,
            Bundle::None,
            view! { <AdminOrderView order link notice/> },
        ))
    })
}

#[component]
fn AdminOrderView(order: Order, link: Option<String>, notice: Option<Notice>) -> impl IntoView {
    let standing = order.status_view();
    let badge = badge_class(standing.tone);
    let customer = order.contact.as_ref().map(|contact| {
        view! { <dt>"Customer"</dt><dd>{contact.name.clone()}", "{contact.email.clone()}</dd> }
    });
    let all_orders = link.map(|link| {
        view! {
            <dt>"All orders"</dt>
            <dd>
                <a href=format!("/orders/find?link={link}")>"Link for the customer"</a>
                <span class="quiet">" Send it only to this e-mail address. It works for 30 days."</span>
            </dd>
        }
    });
    view! {
        <main class="page" id="main" tabindex="-1">
            // The overview lists the orders.
            <Subnav current="/admin"/>
            <div class="page-head page-head--row">
                <h1>"Order "{order.number.clone()}</h1>
                <a class="btn" href=format!("/orders/{}", order.public_id)>"View as customer"</a>
            </div>
            <FormError notice consequence="Nothing was changed."/>
            <WrongAmount order=order.clone()/>
            <div class="two">
                <section class="panel" aria-labelledby="summary">
                    <h2 id="summary">"Summary"</h2>
                    <dl class="facts">
                        <dt>"Status"</dt><dd><span class=badge>{standing.status}</span></dd>
                        <dt>"Payment"</dt><dd>{standing.payment}</dd>
                        <dt>"Placed"</dt><dd><UtcTime at=order.placed_at.clone()/></dd>
                        {customer}
                        {all_orders}
                        <dt>"Total"</dt><dd>{order.bill.total.to_string()}</dd>
                    </dl>
                </section>
                <WholeOrder order=order.clone()/>
            </div>
            <Lines order/>
        </main>
    }
}

/// Alerts the administrator to a charge of another amount than is due.
#[component]
fn WrongAmount(order: Order) -> impl IntoView {
    let due = order.bill.total;
    let reported = order
        .payment
        .and_then(|payment| Some((payment.state, payment.wrong_amount?)));
    reported.map(|(state, reported)| {
        let consequence = if state == PaymentState::Captured {
            "The amount due was charged before, and the order is sold."
        } else {
            "Nothing was sold, and what was charged is refunded."
        };
        view! {
            <ErrorNotice title="The payment provider reported another amount than is due.">
                <p>{format!("Due: {due}. Reported: {reported}. {consequence} Check the charge at the provider.")}</p>
            </ErrorNotice>
        }
    })
}

#[component]
fn Lines(order: Order) -> impl IntoView {
    let is_sold = order.status.is_sold();
    let was_paid = was_paid(&order);
    let rows = order
        .lines
        .into_iter()
        .map(|line| view! { <LineRow order_id=order.public_id.clone() line is_sold was_paid/> })
        .collect_view();
    view! {
        <DataTable
            caption="Items"
            note="A refund includes the units’ share of discount and shipping."
            heads=vec![Text("Item"), Number("Units"), Number("Returned"), Number("Refunded"), Number("Amount")]
        >
            {rows}
        </DataTable>
    }
}

#[component]
fn LineRow(order_id: String, line: OrderLineView, is_sold: bool, was_paid: bool) -> impl IntoView {
    let units = line.quantity.get();
    let can_return = is_sold && line.returned < units;
    let can_refund = was_paid && line.refunded < units;
    let quantity_id = format!("units-{}", line.id);
    let button = |act: &'static str, text: &'static str| {
        view! { <button class="btn" type="submit" name="act" value=act>{text}<span class="vh">{format!(" {}", line.product_name)}</span></button> }
    };
    let form = (can_return || can_refund).then(|| {
        view! {
            <form class="act" method="post" action="/api/form/admin/order">
                <FormKey/>
                <input type="hidden" name="order_id" value=order_id/>
                <input type="hidden" name="line_id" value=line.id/>
                <label class="vh" for=quantity_id.clone()>{format!("Units of {}", line.product_name)}</label>
                <input class="field__input act__units" id=quantity_id name="quantity" type="number" inputmode="numeric" min="1" max=units value="1" required/>
                {can_return.then(|| button("take-back", "Return"))}
                {can_refund.then(|| button("refund-line", "Refund"))}
            </form>
        }
    });
    view! {
        <tr>
            <th scope="row"><bdi>{line.product_name.clone()}</bdi></th>
            <td class="n">{units}</td>
            <td class="n">{line.returned}</td>
            <td class="n">{line.refunded}</td>
            <td class="n">{line.amount.to_string()}</td>
        </tr>
        {form.map(|form| view! { <tr class="row--act"><td colspan="5">{form}</td></tr> })}
    }
}

fn was_paid(order: &Order) -> bool {
    let captured = order
        .payment
        .as_ref()
        .is_some_and(|payment| payment.state == PaymentState::Captured);
    captured && order.status == OrderStatus::Paid
}

#[component]
fn WholeOrder(order: Order) -> impl IntoView {
    let is_over = matches!(order.status, OrderStatus::Cancelled | OrderStatus::Declined);
    let can_refund = was_paid(&order) && order.refunded_cents() < order.bill.total.cents;
    // An act that cannot be undone needs a confirmation, also without JavaScript.
    let form = |act: &'static str,
                class: &'static str,
                text: &'static str,
                confirm: &'static str| {
        view! {
            <details class="sure">
                <summary class=format!("btn {class}")>{text}</summary>
                <form method="post" action="/api/form/admin/order">
                    <FormKey/>
                    <input type="hidden" name="order_id" value=order.public_id.clone()/>
                    <button class="btn btn--primary" type="submit" name="act" value=act>{confirm}</button>
                </form>
            </details>
        }
    };
    (!is_over).then(|| {
        view! {
            <section class="panel acts" aria-labelledby="whole">
                <h2 id="whole">"Cancel or refund"</h2>
                <p class="quiet">
                    "Cancelling restocks the items and refunds the payment. Refunding does not restock: a unit that was not \
                     returned still counts against the customer's limit."
                </p>
                <div class="acts__row">
                    {can_refund.then(|| form("refund-all", "btn--line", "Refund remaining amount", "Yes, refund it"))}
                    {form("cancel", "btn--danger", "Cancel order", "Yes, cancel it")}
                </div>
            </section>
        }
    })
}
