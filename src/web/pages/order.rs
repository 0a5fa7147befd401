//! `/orders/{public_id}`: an order, for anyone who has its link.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{Bundle, Page, framed};
use crate::{
    islands::shop::{
        LiveOrder, OrderBadge, OrderHeading, OrderNextLink, OrderPayment, OrderSentence,
    },
    model::{
        Contact, OrderLineView, OrderStatus, OrderStatusView, OrderView as Order, RefundReason,
        RefundView, country::name_of,
    },
    shop::queue::OrderState,
    ui::{bill::tax_label, utc_time::UtcTime},
};

/// Seconds between two looks at an order in the queue, and at one that is on hold.
const WAITING_RELOAD_S: u64 = 2;
const HELD_RELOAD_S: u64 = 60;

/// `/orders/{public_id}`
#[component]
pub fn OrderPage() -> impl IntoView {
    let public_id = use_params_map()
        .get_untracked()
        .get("public_id")
        .unwrap_or_default();
    framed(|visit| async move {
        let order = match visit.shop().queue().follow(&public_id).await? {
            OrderState::Written(order) => *order,
            OrderState::Waiting { ahead } => return Ok(waiting(ahead)),
            OrderState::Held => return Ok(held()),
        };
        let title = format!("Order {}", order.number);
        let bundle = if order.status_view().is_open {
            Bundle::Shop
        } else {
            Bundle::None
        };
        let reload_after_s = reload_after_s(&order);
        let page = Page::private(title, bundle, view! { <OrderView order/> });
        Ok(match reload_after_s {
            Some(seconds) => page.refreshed_after(seconds),
            None => page,
        })
    })
}

/// The page of an order in the queue. It loads again until the order is written or rejected.
fn waiting(ahead: Option<u64>) -> Page {
    let place = match ahead {
        None => "The shop is working on your order.".to_owned(),
        Some(0) => "Your order is next.".to_owned(),
        Some(1) => "1 order is in front of yours.".to_owned(),
        Some(ahead) => format!("{ahead} orders are in front of yours."),
    };
    let note = "Your purchase is not complete yet: stock may run out before your turn. This page follows your order. \
                You can also come back to it later.";
    let body = view! { <QueuedOrder heading="In the queue" place note reload_s=WAITING_RELOAD_S/> };
    Page::private("Order in the queue", Bundle::None, body).refreshed_after(WAITING_RELOAD_S)
}

/// The page of an order that could not be written.
fn held() -> Page {
    let place = "The shop could not write your order yet, and is looking into it.".to_owned();
    let note = "You do not need to order again. Come back to this page later.";
    let body = view! { <QueuedOrder heading="Order on hold" place note reload_s=HELD_RELOAD_S/> };
    Page::private("Order on hold", Bundle::None, body).refreshed_after(HELD_RELOAD_S)
}

/// `page.js` loads the page again after `reload_s`.
#[component]
fn QueuedOrder(
    heading: &'static str,
    place: String,
    note: &'static str,
    reload_s: u64,
) -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <article class="receipt" data-reload-after=reload_s.to_string()>
                <header class="receipt__head">
                    <h1>{heading}</h1>
                    <p role="status">{place}</p>
                    <p class="quiet">{note}</p>
                </header>
            </article>
        </main>
    }
}

/// Returns the reload interval of the page without JavaScript, in seconds: short while the payment
/// is being confirmed, long while the order is backordered; `None` once nothing changes any more.
fn reload_after_s(order: &Order) -> Option<u64> {
    order.status_view().is_open.then_some(match order.status {
        OrderStatus::Backordered => 60,
        _ => 3,
    })
}

#[component]
fn OrderView(order: Order) -> impl IntoView {
    let standing = order.status_view();
    let is_open = standing.is_open;
    let caption = if standing.can_retry {
        "Items not ordered"
    } else {
        "Items"
    };
    let lines = view! { <Lines order=order.clone() caption/> };
    let refunds = view! { <Refunds order=order.clone()/> };
    view! {
        <main class="page" id="main" tabindex="-1">
            <article class="receipt">
                <LiveOrder public_id=order.public_id.clone() is_open>
                    <header class="receipt__head">
                        <OrderHeading rendered=standing.clone()/>
                        <OrderSentence rendered=standing.clone()/>
                        <p class="ticket receipt__no"><span class="vh">"Order number "</span>{order.number.clone()}</p>
                    </header>
                    <div class="receipt__grid">
                        <section aria-labelledby="o-what">
                            <h2 id="o-what">"Order"</h2>
                            <dl class="facts">
                                <dt>"Status"</dt><dd><OrderBadge rendered=standing.clone()/></dd>
                                <dt>"Payment"</dt><dd><OrderPayment rendered=standing.clone()/></dd>
                                <dt>"Placed"</dt><dd><UtcTime at=order.placed_at.clone()/></dd>
                            </dl>
                        </section>
                        {order.contact.clone().map(|contact| view! { <Address contact/> })}
                    </div>
                    {lines}
                    {refunds}
                    <ReceiptFooter standing/>
                </LiveOrder>
            </article>
        </main>
    }
}

#[component]
fn ReceiptFooter(standing: OrderStatusView) -> impl IntoView {
    view! {
        <footer class="receipt__foot no-print">
            <OrderNextLink rendered=standing/>
            <p class="quiet">"Save or print this page. Anyone with the link can view it. Lost the link? "<a href="/orders/find">"Find your order"</a>"."</p>
        </footer>
    }
}

#[component]
fn Lines(order: Order, caption: &'static str) -> impl IntoView {
    let rows = order
        .lines
        .iter()
        .map(|line| view! { <LineRow line=line.clone()/> })
        .collect_view();
    let row = |label: String, amount: String| {
        view! { <tr><th scope="row" colspan="3">{label}</th><td class="n">{amount}</td></tr> }
    };
    let bill = order.bill;
    let discount = (bill.discount.cents > 0).then(|| {
        let code = order.discount_code.as_deref().unwrap_or_default();
        row(format!("Discount {code}"), format!("−{}", bill.discount))
    });
    // An express purchase has no shipping: its total is the sum of its lines.
    let shipping = order.payment.is_some().then(|| {
        let amount = match bill.shipping.cents {
            0 => "Free".to_owned(),
            _ => bill.shipping.to_string(),
        };
        view! {
            {row("Subtotal".to_owned(), bill.subtotal.to_string())}
            {discount}
            {row("Shipping".to_owned(), amount)}
        }
    });
    view! {
        <div class="table-wrap" role="region" aria-label=caption tabindex="0">
            <table class="table">
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Item"</th>
                        <th scope="col" class="n">"Qty"</th>
                        <th scope="col" class="n">"Price"</th>
                        <th scope="col" class="n">"Amount"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
                <tfoot>
                    {shipping}
                    // The amount, in large type, does not widen the column of amounts alone.
                    <tr class="total"><th scope="row" colspan="2">"Total"</th><td class="n" colspan="2">{bill.total.to_string()}</td></tr>
                    {row(tax_label(bill.tax_basis_points), bill.tax.to_string())}
                </tfoot>
            </table>
        </div>
    }
}

#[component]
fn LineRow(line: OrderLineView) -> impl IntoView {
    let mut notes = Vec::new();
    if line.returned > 0 {
        notes.push(format!("{} returned", line.returned));
    }
    if line.refunded > 0 {
        notes.push(format!("{} refunded", line.refunded));
    }
    let note = (!notes.is_empty())
        .then(|| view! { " "<span class="quiet">{format!("({})", notes.join(", "))}</span> });
    view! {
        <tr>
            <th scope="row"><bdi>{line.product_name}</bdi>{note}</th>
            <td class="n">{line.quantity.get()}</td>
            <td class="n">{line.unit_price.to_string()}</td>
            <td class="n">{line.amount.to_string()}</td>
        </tr>
    }
}

/// Lists the refunds, and what they add up to.
#[component]
fn Refunds(order: Order) -> impl IntoView {
    let tax_label = tax_label(order.bill.tax_basis_points);
    order.refunded().map(|(refunded, tax)| {
        let rows = order
            .refunds
            .into_iter()
            .map(|refund| view! { <RefundRow refund/> })
            .collect_view();
        view! {
            <div class="table-wrap" role="region" aria-label="Refunds" tabindex="0">
                <table class="table">
                    <caption>"Refunds"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Date"</th>
                            <th scope="col">"Reason"</th>
                            <th scope="col">"Status"</th>
                            <th scope="col" class="n">"Amount"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                    <tfoot>
                        <tr class="total"><th scope="row" colspan="2">"Refunded in total"</th><td class="n" colspan="2">{refunded.to_string()}</td></tr>
                        <tr><th scope="row" colspan="3">{tax_label}</th><td class="n">{tax.to_string()}</td></tr>
                    </tfoot>
                </table>
            </div>
        }
    })
}

#[component]
fn RefundRow(refund: RefundView) -> impl IntoView {
    let state = if refund.done {
        "Refunded"
    } else {
        "In progress"
    };
    view! {
        <tr>
            <th scope="row">{refund.decided_at}</th>
            <td>{reason_text(refund.reason)}</td>
            <td>{state}</td>
            <td class="n">{refund.amount.to_string()}</td>
        </tr>
    }
}

const fn reason_text(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::NoStock => "Sold out before the payment arrived",
        RefundReason::Cancelled => "Order cancelled",
        RefundReason::Goodwill => "Refunded by the shop",
        RefundReason::WrongAmount => "Wrong amount charged",
    }
}

#[component]
fn Address(contact: Contact) -> impl IntoView {
    view! {
        <section aria-labelledby="o-where">
            <h2 id="o-where">"Delivery address"</h2>
            <address dir="auto">
                {contact.name}<br/>{contact.street}<br/>{contact.postal_code}" "{contact.city}<br/>{name_of(&contact.country).to_owned()}
            </address>
        </section>
    }
}
