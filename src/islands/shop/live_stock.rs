//! Live stock and live sales: one stream per page, and the islands that read from it.

use leptos::prelude::*;

use crate::{islands::changing::effect, model::LiveSale};

/// What the page's stream has sent so far, for the islands inside of [`LiveSales`].
#[derive(Clone, Copy)]
pub(super) struct Live {
    /// The latest stock by product id; empty until the first event.
    levels: RwSignal<Vec<(i64, i64)>>,
    /// The latest sales; empty until the first event.
    sales: RwSignal<Vec<LiveSale>>,
    /// The server's time; `None` until the page is hydrated.
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

/// What the page's stream has sent so far, for an island that the server rendered.
///
/// Hydration takes the server's text as it is: what already differs then would never be corrected.
/// So the island first shows what was rendered.
#[derive(Clone, Copy)]
pub(super) struct HydratedLive {
    live: Option<Live>,
    is_hydrated: RwSignal<bool>,
}

impl HydratedLive {
    /// Takes what the surrounding [`LiveSales`] follows.
    pub fn from_context() -> Self {
        let is_hydrated = RwSignal::new(false);
        effect(move || is_hydrated.set(true));
        Self {
            live: use_context::<Live>(),
            is_hydrated,
        }
    }

    /// Returns nothing until the island is hydrated.
    pub fn get(self) -> Option<Live> {
        self.live.filter(|_| self.is_hydrated.get())
    }
}

/// Follows the stock and the sales of `products` and updates the islands among its children. The
/// server rendered the page at `now_ms`.
#[island]
pub fn LiveSales(products: Vec<i64>, now_ms: i64, children: Children) -> impl IntoView {
    let live = Live {
        levels: RwSignal::new(Vec::new()),
        sales: RwSignal::new(Vec::new()),
        now_ms: RwSignal::new(None),
    };
    provide_context(live);
    #[cfg(feature = "hydrate")]
    effect(move || follow(live, &products, now_ms));
    #[cfg(not(feature = "hydrate"))]
    let _ = (products, now_ms);
    children()
}

#[cfg(feature = "hydrate")]
fn follow(live: Live, products: &[i64], rendered_at_ms: i64) {
    let clock = super::server_clock::ServerClock::start(rendered_at_ms, live.now_ms);
    if products.is_empty() {
        return;
    }
    let ids: Vec<String> = products.iter().map(i64::to_string).collect();
    let url = format!("/live/stock?products={}", ids.join(","));
    let names = &["stock", "sale", "clock"];
    crate::islands::stream::follow(url, names, move |name, data| {
        match name {
            "stock" => live.levels.update(|levels| merge(levels, data)),
            "sale" => live.sales.update(|sales| merge_sales(sales, data)),
            "clock" => {
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

#[cfg(test)]
mod tests {
    use super::{merge, merge_sales};

    #[test]
    fn an_event_replaces_known_levels_and_malformed_pairs_are_ignored() {
        let mut levels = vec![(1, 5)];
        merge(&mut levels, "1:4,2:7,x:1,3");
        assert_eq!(levels, [(1, 4), (2, 7)]);
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
