//! What is about to be bought, and what it costs.

use leptos::prelude::*;

use crate::{
    model::{Bill, CheckoutView as Checkout},
    ui::bill::BillRows,
};

#[component]
pub(super) fn Summary(checkout: Checkout) -> impl IntoView {
    let Checkout { cart, bill, .. } = checkout;
    let items = cart
        .lines_on_sale()
        .map(|line| {
            view! {
                <li>
                    <span dir="auto">{line.product.name.clone()}" "<span class="qty">{format!("× {}", line.quantity)}</span></span>" "
                    <span>{line.amount.to_string()}</span>
                </li>
            }
        })
        .collect_view();
    let left_out = cart.lines.len() - cart.lines_on_sale().count();
    let left_out = (left_out > 0).then(|| {
        let text = match left_out {
            1 => "1 item of your cart is not on sale now and is left out.".to_owned(),
            items => format!("{items} items of your cart are not on sale now and are left out."),
        };
        view! { <p class="summary__fine">{text}</p> }
    });
    let Bill { total, .. } = bill;
    view! {
        <aside class="summary" aria-labelledby="sum-title">
            <div class="summary__parts" data-part="summary">
                <h2 id="sum-title">"Your order"</h2>
                <ul class="summary__items">{items}</ul>
                {left_out}
                <dl class="summary__rows"><BillRows bill/></dl>
                <p class="summary__total"><span>"Total"</span>" "<span class="num">{total.to_string()}</span></p>
            </div>
            <button class="btn btn--primary btn--big btn--block" type="submit" data-part="pay">{format!("Pay {total}")}</button>
            <p class="summary__fine">
                "Tapping twice won’t charge you twice. If your card is declined, your items stay reserved."
            </p>
        </aside>
    }
}
