//! The rates of the product page and of the home page beside those of the empty cart page and the
//! health check of the same server.

use crate::{
    Failure,
    client::{self, Call},
    options::Options,
    program::Program,
    report::{Limit, Row, ratios},
};

const CONNECTIONS: [u32; 3] = [1, 16, 256];
/// The number of connections for which there are limits.
const LIMITED_CONNECTIONS: u32 = 16;

const HEALTH: usize = 0;
const CART: usize = 1;
const PRODUCT: usize = 2;
const HOME: usize = 3;
/// The name and the path of each page.
const PAGES: [(&str, &str); 4] = [
    ("`/healthz`", "/healthz"),
    ("empty cart page", "/cart"),
    ("product page", "/products/flash-sale-smartphone"),
    ("home", "/"),
];

/// Measures all pages, interleaved.
pub async fn measure(options: &Options, program: &Program) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut rates: [Vec<f64>; PAGES.len()] = Default::default();
        for round in 0..options.rounds {
            let mut order = [HEALTH, CART, PRODUCT, HOME];
            order.rotate_left(usize::try_from(round)? % PAGES.len());
            for page in order {
                let path = PAGES[page].1;
                let rate = client::responses_per_second(
                    &program.address,
                    connections,
                    options.rate_window(),
                    move || Call::get(path),
                );
                rates[page].push(rate.await?);
            }
        }
        rows.extend(rows_of(connections, rates));
    }
    Ok(rows)
}

fn rows_of(connections: u32, rates: [Vec<f64>; PAGES.len()]) -> Vec<Row> {
    let ratio = |page: usize, by: usize, limit: f64| {
        let text = format!(
            "{} ÷ {}, {connections} connections",
            PAGES[page].0, PAGES[by].0
        );
        let values = ratios(&rates[page], &rates[by]);
        if connections == LIMITED_CONNECTIONS && by == CART {
            Row::new(text, Limit::AtLeast(limit), values)
        } else {
            Row::figure(text, values)
        }
    };
    let mut rows = vec![
        ratio(PRODUCT, CART, 0.7),
        ratio(HOME, CART, 0.5),
        ratio(PRODUCT, HEALTH, 0.0),
        ratio(HOME, HEALTH, 0.0),
    ];
    for ((name, _), values) in PAGES.into_iter().zip(rates) {
        let text = format!("{name}, {connections} connections, responses/s");
        rows.push(Row::figure(text, values));
    }
    rows
}
