//! Live stock: one stream per page, and the islands that read from it.

use leptos::prelude::*;

use crate::ui::stock_line::{StockBadge, format_available, roll_class};

/// The latest stock by product id; empty until the first event.
#[derive(Clone, Copy)]
struct Levels(RwSignal<Vec<(i64, i64)>>);

/// Follows the stock of `products` and updates the islands among its children.
#[island]
pub fn LiveStock(products: Vec<i64>, children: Children) -> impl IntoView {
    let levels = RwSignal::new(Vec::new());
    provide_context(Levels(levels));
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let ids: Vec<String> = products.iter().map(i64::to_string).collect();
        let url = format!("/live/stock?products={}", ids.join(","));
        crate::islands::stream::follow(url, &["stock"], move |_, data| {
            levels.update(|levels| merge(levels, data));
            true
        });
    });
    #[cfg(not(feature = "hydrate"))]
    drop(products);
    children()
}

/// Merges `id:available` pairs into `levels`.
#[cfg(any(feature = "hydrate", test))]
fn merge(levels: &mut Vec<(i64, i64)>, data: &str) {
    for pair in data.split(',') {
        let Some((id, available)) = pair.split_once(':') else {
            continue;
        };
        let (Ok(id), Ok(available)) = (id.parse::<i64>(), available.parse::<i64>()) else {
            continue;
        };
        match levels.iter_mut().find(|(product_id, _)| *product_id == id) {
            Some(level) => level.1 = available,
            None => levels.push((id, available)),
        }
    }
}

/// Returns the latest stock of a product from the stream, or the stock that the server rendered.
fn available_now(product_id: i64, rendered: i64) -> impl Fn() -> i64 + Copy {
    let levels = use_context::<Levels>();
    move || {
        levels
            .and_then(|Levels(levels)| {
                levels.with(|levels| {
                    levels
                        .iter()
                        .find(|(id, _)| *id == product_id)
                        .map(|(_, available)| *available)
                })
            })
            .unwrap_or(rendered)
    }
}

/// Shows the badge, the count and the stock bar of a product page.
#[island]
pub fn StockLine(product_id: i64, available: i64, total: i64) -> impl IntoView {
    let now = available_now(product_id, available);
    view! {
        <p class="buybox__line" id="stock" role="status" aria-live="polite">
            {move || view! { <StockBadge available=now()/> }}
            " "
            <span>{move || format_available(now(), total)}</span>
        </p>
        <progress
            class=move || roll_class(now())
            max=total.max(1)
            value=move || now().max(0)
            aria-labelledby="stock"
        ></progress>
    }
}

/// Shows the two buttons to buy, both disabled when the product is sold out.
#[island]
pub fn BuyButtons(product_id: i64, available: i64) -> impl IntoView {
    let now = available_now(product_id, available);
    let sold_out = move || now() <= 0;
    view! {
        <div class="buybox__actions">
            <button class="btn btn--primary btn--big" type="submit" disabled=sold_out aria-describedby="why">
                {move || if sold_out() { "Sold out" } else { "Add to cart" }}
            </button>
            <button
                class="btn btn--line btn--big"
                type="submit"
                formaction="/api/form/cart/buy-now"
                disabled=sold_out
                aria-describedby="why"
            >
                "Buy now"
            </button>
        </div>
        <p class="buybox__note" id="why">
            {move || if sold_out() {
                "Sold out. If one is returned, you can buy it here."
            } else {
                "Reserved for you once you check out."
            }}
        </p>
    }
}

/// Shows a note on a cart line that stock no longer covers. `held` units are reserved for this
/// cart.
#[island]
pub fn CartLineNote(product_id: i64, quantity: i64, available: i64, held: i64) -> impl IntoView {
    let now = available_now(product_id, available);
    let note = move || match now() + held {
        ..=0 => "Sold out. Remove it to continue.".to_owned(),
        left if left < quantity => format!("Only {left} left. Change the quantity to continue."),
        _ => String::new(),
    };
    view! {
        <p class="line__msg" id=format!("msg-{product_id}") role="status" hidden=move || note().is_empty()>
            {note}
        </p>
    }
}

/// Shows the checkout button, disabled while stock does not cover a line. Each of `lines` has the
/// product id, the units beyond those reserved for this cart, and the stock that the server
/// rendered.
#[island]
pub fn CheckoutButton(lines: Vec<(i64, i64, i64)>) -> impl IntoView {
    let watched: Vec<_> = lines
        .into_iter()
        .map(|(product_id, missing, available)| (available_now(product_id, available), missing))
        .collect();
    let covered = Memo::new(move |_| {
        watched
            .iter()
            .all(|(now, missing)| *missing <= 0 || now() >= *missing)
    });
    view! {
        <button
            class="btn btn--primary btn--big btn--block"
            type="submit"
            disabled=move || !covered.get()
            aria-describedby="blocked"
        >
            "Checkout"
        </button>
        <p class="quiet" id="blocked" role="status">
            {move || if covered.get() { "" } else { "Change the marked items to continue." }}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn an_event_replaces_known_levels_and_malformed_pairs_are_ignored() {
        let mut levels = vec![(1, 5)];
        merge(&mut levels, "1:4,2:7,x:1,3");
        assert_eq!(levels, [(1, 4), (2, 7)]);
    }
}
