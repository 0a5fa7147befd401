//! Stock that follows the shop: one stream a page, and the pieces that read from it.

use leptos::prelude::*;

use crate::ui::stock_line::{StockBadge, left_in_words, roll_class};

/// The latest stock by product id; empty until the first event.
#[derive(Clone, Copy)]
struct Levels(RwSignal<Vec<(i64, i64)>>);

/// Follows the stock of `products` for the islands among its children.
#[island]
pub fn LiveStock(products: Vec<i64>, children: Children) -> impl IntoView {
    let levels = RwSignal::new(Vec::new());
    provide_context(Levels(levels));
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let ids: Vec<String> = products.iter().map(i64::to_string).collect();
        let url = format!("/live/stock?products={}", ids.join(","));
        super::super::stream::follow(url, &["stock"], move |_, data| {
            levels.update(|levels| merge(levels, data));
            true
        });
    });
    #[cfg(not(feature = "hydrate"))]
    drop(products);
    children()
}

/// Takes `id:available` pairs in.
#[cfg(any(feature = "hydrate", test))]
fn merge(levels: &mut Vec<(i64, i64)>, data: &str) {
    for pair in data.split(',') {
        let Some((id, available)) = pair.split_once(':') else {
            continue;
        };
        let (Ok(id), Ok(available)) = (id.parse::<i64>(), available.parse::<i64>()) else {
            continue;
        };
        match levels.iter_mut().find(|(known, _)| *known == id) {
            Some(level) => level.1 = available,
            None => levels.push((id, available)),
        }
    }
}

/// The stock of one product now: what the stream said last, or what the page was rendered with.
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

/// The badge, the count and the roll of tickets of a product page.
#[island]
pub fn StockLine(product_id: i64, available: i64, total: i64) -> impl IntoView {
    let now = available_now(product_id, available);
    view! {
        <p class="buybox__line" id="stock" role="status" aria-live="polite">
            {move || view! { <StockBadge available=now()/> }}
            " "
            <span>{move || left_in_words(now(), total)}</span>
        </p>
        <progress
            class=move || roll_class(now())
            max=total.max(1)
            value=move || now().max(0)
            aria-labelledby="stock"
        ></progress>
    }
}

/// The two ways to buy; both shut when nothing is left.
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
                "All of them are sold. Should one come back, this page opens again by itself."
            } else {
                "Putting it in the cart does not hold it: the checkout does."
            }}
        </p>
    }
}

/// What a cart line has to say when stock no longer covers it. `held` units are this very cart's.
#[island]
pub fn CartLineNote(product_id: i64, quantity: i64, available: i64, held: i64) -> impl IntoView {
    let now = available_now(product_id, available);
    let note = move || match now() + held {
        ..=0 => "Sold out since you put it in the cart. Remove it to go on.".to_owned(),
        left if left < quantity => format!("Only {left} left. Change the quantity to go on."),
        _ => String::new(),
    };
    view! {
        <p class="line__msg" id=format!("msg-{product_id}") role="status" hidden=move || note().is_empty()>
            {note}
        </p>
    }
}

/// The button to the checkout, in its form; shut while a line is not covered. `lines` are product id, units beyond those held for this cart,
/// and stock as rendered.
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
            {move || if covered.get() { "" } else { "An item in your cart cannot be ordered as it stands." }}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn news_replaces_what_was_known_and_nonsense_is_passed_over() {
        let mut levels = vec![(1, 5)];
        merge(&mut levels, "1:4,2:7,x:1,3");
        assert_eq!(levels, [(1, 4), (2, 7)]);
    }
}
