//! `/orders/{public_id}`: an order, for whoever has its link.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{Bundle, Page, framed};
use crate::model::{Contact, OrderView as Order};

/// `/orders/{public_id}`
#[component]
pub fn OrderPage() -> impl IntoView {
    let public_id = use_params_map()
        .get_untracked()
        .get("public_id")
        .unwrap_or_default();
    framed(|visit| async move {
        let order = visit.shop().order(&public_id).await?;
        let title = format!("Order {}", order.number);
        Ok(Page::private(
            title,
            Bundle::None,
            view! { <OrderView order/> },
        ))
    })
}

#[component]
fn OrderView(order: Order) -> impl IntoView {
    let thanks = match &order.contact {
        Some(contact) => format!("Thank you, {}", contact.name),
        None => "Thank you".to_owned(),
    };
    let rows = order
        .lines
        .iter()
        .map(|line| {
            view! {
                <tr>
                    <th scope="row">{line.product_name.clone()}</th>
                    <td class="n">{line.quantity.get()}</td>
                    <td class="n">{line.unit_price.to_string()}</td>
                    <td class="n">{line.amount.to_string()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <article class="receipt">
                <header class="receipt__head">
                    <h1>{thanks}</h1>
                    <p>"Your order is placed and the stock is yours."</p>
                    <p class="ticket receipt__no"><span class="vh">"Order number "</span>{order.number.clone()}</p>
                </header>
                <div class="receipt__grid">
                    <section aria-labelledby="o-what">
                        <h2 id="o-what">"Order"</h2>
                        <dl class="facts">
                            <dt>"Status"</dt><dd><span class="badge badge--ok">"Placed"</span></dd>
                            <dt>"Payment"</dt><dd>"On account"</dd>
                            <dt>"Placed"</dt><dd>{order.placed_at.clone()}</dd>
                        </dl>
                    </section>
                    {order.contact.map(|contact| view! { <Address contact/> })}
                </div>
                <div class="table-wrap">
                    <table class="table">
                        <caption>"What you bought"</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Item"</th>
                                <th scope="col" class="n">"Qty"</th>
                                <th scope="col" class="n">"Each"</th>
                                <th scope="col" class="n">"Sum"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                        <tfoot>
                            <tr class="total"><th scope="row" colspan="3">"Total"</th><td class="n">{order.total.to_string()}</td></tr>
                        </tfoot>
                    </table>
                </div>
                <footer class="receipt__foot">
                    <a class="btn btn--primary" href="/">"Back to the shop"</a>
                    <p class="quiet">"Keep the link of this page: whoever has it can read it."</p>
                </footer>
            </article>
        </main>
    }
}

#[component]
fn Address(contact: Contact) -> impl IntoView {
    view! {
        <section aria-labelledby="o-where">
            <h2 id="o-where">"Delivery address"</h2>
            <address>
                {contact.name}<br/>{contact.street}<br/>{contact.postal_code}" "{contact.city}<br/>{contact.country}
            </address>
        </section>
    }
}
