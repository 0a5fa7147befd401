//! Live stock and live sales: one stream per page, and the islands that read from it.

use leptos::prelude::*;

use crate::model::LiveSale;

/// What the page's stream has sent so far, for the islands inside of [`LiveStock`] or
/// [`LiveSales`].
#[derive(Clone, Copy)]
pub(super) struct Live {
    /// The latest stock by product id; empty until the first event.
    levels: RwSignal<Vec<(i64, i64)>>,
    /// The latest sales; empty until the first event. Inside of [`LiveStock`], they say whether a
    /// product is sold out.
    sales: RwSignal<Vec<LiveSale>>,
    /// The server's time; `None` until the page is hydrated, and on a page without sales.
    now_ms: RwSignal<Option<i64>>,
}

impl Live {
    /// Returns the latest stock of a product.
    pub fn available(self, product_id: i64) -> Option<i64> {
        self.levels.with(|levels| {
            levels
                .iter()
                .find(|(id, _)| *id == product_id)
                .map(|(_, available)| *available)
        })
    }

    /// Returns the latest sale of a product. Its stock is not the latest.
    pub fn sale(self, product_id: i64) -> Option<LiveSale> {
        self.sales.with(|sales| {
            sales
                .iter()
                .find(|sale| sale.product_id == product_id)
                .cloned()
        })
    }

    /// Returns the server's time.
    pub fn now_ms(self) -> Option<i64> {
        self.now_ms.get()
    }
}

/// Follows the stock of `products` and updates the islands among its children.
#[island]
pub fn LiveStock(products: Vec<i64>, children: Children) -> impl IntoView {
    provide_live(products, None);
    children()
}

/// Follows the stock and the sales of `products` and updates the islands among its children. The
/// server rendered the page at `now_ms`.
#[island]
pub fn LiveSales(products: Vec<i64>, now_ms: i64, children: Children) -> impl IntoView {
    provide_live(products, Some(now_ms));
    children()
}

fn provide_live(products: Vec<i64>, rendered_at_ms: Option<i64>) {
    let live = Live {
        levels: RwSignal::new(Vec::new()),
        sales: RwSignal::new(Vec::new()),
        now_ms: RwSignal::new(None),
    };
    provide_context(live);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| follow(live, &products, rendered_at_ms));
    #[cfg(not(feature = "hydrate"))]
    let _ = (products, rendered_at_ms);
}

#[cfg(feature = "hydrate")]
fn follow(live: Live, products: &[i64], rendered_at_ms: Option<i64>) {
    let clock =
        rendered_at_ms.map(|at_ms| super::server_clock::ServerClock::start(at_ms, live.now_ms));
    if products.is_empty() {
        return;
    }
    let ids: Vec<String> = products.iter().map(i64::to_string).collect();
    let url = format!("/live/stock?products={}", ids.join(","));
    let names = &["stock", "sale", "clock"];
    crate::islands::stream::follow(url, names, move |name, data| {
        match (name, &clock) {
            ("stock", _) => live.levels.update(|levels| merge(levels, data)),
            ("sale", _) => live.sales.update(|sales| merge_sales(sales, data)),
            ("clock", Some(clock)) => {
                if let Ok(server_ms) = data.parse() {
                    clock.observe(server_ms);
                }
            }
            _ => {}
        }
        true
    });
}

/// Merges the lines of sales into `sales`.
#[cfg(any(feature = "hydrate", test))]
fn merge_sales(sales: &mut Vec<LiveSale>, data: &str) {
    for sale in data.split('\n').filter_map(LiveSale::decode) {
        match sales
            .iter_mut()
            .find(|known| known.product_id == sale.product_id)
        {
            Some(known) => *known = sale,
            None => sales.push(sale),
        }
    }
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
    let live = use_context::<Live>();
    move || {
        live.and_then(|live| live.available(product_id))
            .unwrap_or(rendered)
    }
}

/// Says what is wrong with a cart line for which `left` units are left; empty if they cover it.
fn line_note(left: i64, quantity: i64, is_sold_out: bool) -> String {
    match left {
        ..=0 if is_sold_out => "Sold out. Remove it to continue.".to_owned(),
        ..=0 => "All reserved. Remove it, or wait: some may become available.".to_owned(),
        left if left < quantity => format!("Only {left} left. Change the quantity to continue."),
        _ => String::new(),
    }
}

/// Shows a note on a cart line that stock no longer covers. `held` units are reserved for this
/// cart; `is_sold_out` and `available` are as the server rendered them.
#[island]
pub fn CartLineNote(
    product_id: i64,
    quantity: i64,
    available: i64,
    held: i64,
    is_sold_out: bool,
) -> impl IntoView {
    let now = available_now(product_id, available);
    let live = use_context::<Live>();
    let is_sold_out = move || {
        live.and_then(|live| live.sale(product_id))
            .map_or(is_sold_out, |sale| sale.is_sold_out)
    };
    let note = move || line_note(now() + held, quantity, is_sold_out());
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
    use super::{line_note, merge, merge_sales};

    #[test]
    fn an_event_replaces_known_levels_and_malformed_pairs_are_ignored() {
        let mut levels = vec![(1, 5)];
        merge(&mut levels, "1:4,2:7,x:1,3");
        assert_eq!(levels, [(1, 4), (2, 7)]);
    }

    #[test]
    fn a_note_says_whether_units_may_come_back() {
        for (left, is_sold_out, expected) in [
            (0, true, "Sold out. Remove it to continue."),
            (-1, true, "Sold out. Remove it to continue."),
            (
                0,
                false,
                "All reserved. Remove it, or wait: some may become available.",
            ),
            (1, false, "Only 1 left. Change the quantity to continue."),
            (2, false, ""),
            // The stock came back, and the sale's line has not arrived yet.
            (2, true, ""),
        ] {
            assert_eq!(line_note(left, 2, is_sold_out), expected, "{left}");
        }
    }

    #[test]
    fn a_sale_replaces_the_known_one_and_malformed_lines_are_ignored() {
        let mut sales = Vec::new();
        merge_sales(&mut sales, "1;5;;20;;;€1;\n2;;;3;;;€2;");
        merge_sales(&mut sales, "x\n1;9;;20;;;€1;");
        let starts: Vec<_> = sales
            .iter()
            .map(|sale| (sale.product_id, sale.plan.starts_at_ms))
            .collect();
        assert_eq!(starts, [(1, Some(9)), (2, None)]);
    }
}
