//! The clients during a fault: for each safe strategy buyers, who send their purchases again until
//! they are acknowledged, and shoppers who pay by card.

use std::time::{Duration, Instant};

use doorbuster::model::StrategyKey;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::{task::JoinSet, time::timeout};

use super::{
    answers::End,
    market::{CLIENT_MAX, Market},
    scene::{Product, Scene},
};
use crate::{
    crash::{story::FILLED_IN, visitor::Visitor},
    support::TestProduct,
};

/// The buyers of each strategy.
const BUYERS: u32 = 2;
const SHOPPERS: u32 = 2;
/// The longest pause of a client between two purchases. It is drawn from the seed.
const PAUSE_MAX_MS: u64 = 300;
/// After this time a shopper begins again, as another visitor.
const SHOPPER_PATIENCE: Duration = Duration::from_secs(10);

/// Starts all clients of a fault.
pub fn start(scene: &mut Scene, card: &'static str, seed: u64) {
    let market = scene.market.clone();
    for (index, (strategy, product)) in (0..).zip(&scene.products) {
        for buyer in 0..BUYERS {
            let random = generator(seed, index * BUYERS + buyer);
            let (market, strategy, product) = (market.clone(), *strategy, product.clone());
            let name = format!("{seed:016x}-{strategy}-{buyer}");
            scene
                .clients
                .spawn(buy_repeatedly(market, strategy, product, name, random));
        }
    }
    for shopper in 0..SHOPPERS {
        let random = generator(seed, u32::MAX - shopper);
        let (market, product) = (market.clone(), scene.product(Product::PaidByCard).clone());
        scene.clients.spawn(shop(market, product, card, random));
    }
}

/// A generator for one client: no order in which clients draw changes what they draw.
pub fn generator(seed: u64, client: u32) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&client.to_le_bytes());
    ChaCha12Rng::from_seed(key)
}

async fn pause(random: &mut ChaCha12Rng) {
    let pause = Duration::from_millis(random.random_range(1..=PAUSE_MAX_MS));
    tokio::time::sleep(pause).await;
}

async fn buy_repeatedly(
    market: Market,
    strategy: StrategyKey,
    product: TestProduct,
    name: String,
    mut random: ChaCha12Rng,
) {
    for turn in 0.. {
        pause(&mut random).await;
        if !market.is_open() {
            return;
        }
        let key = format!("{name}-{turn}");
        market.buy(strategy, &product, &key).await;
    }
}

async fn shop(market: Market, product: TestProduct, card: &'static str, mut random: ChaCha12Rng) {
    while market.is_open() {
        let (mut visitor, begun) = (Visitor::new(), Instant::now());
        while visitor.orders.is_empty() && market.is_open() && begun.elapsed() < SHOPPER_PATIENCE {
            pause(&mut random).await;
            check_out(&market, &mut visitor, &product, card).await;
        }
        for order in visitor.orders {
            if market.status_of(&order).await.as_deref() == Some("paid") {
                market.answers.show_as_paid(order);
            }
        }
    }
}

/// Buys the product with *Buy now*, and pays. Each form has a key, so it may be sent again.
async fn check_out(
    market: &Market,
    visitor: &mut Visitor,
    product: &TestProduct,
    card: &'static str,
) {
    let (url, product) = (market.url(), product.id.to_string());
    let sent = Instant::now();
    let key = visitor.issued_key(&url).await;
    market.answers.ended(sent, End::Other);
    let fields = [("product_id", product.as_str()), ("quantity", "1")];
    press(
        market,
        visitor,
        &url,
        ("cart/buy-now", key.as_str()),
        &fields,
    )
    .await;
    let sent = Instant::now();
    let cart = visitor.cart_id(&url, "/checkout/now").await;
    market.answers.ended(sent, End::Other);
    let mut fields = vec![("cart_id", cart.as_str())];
    fields.extend(FILLED_IN.map(|(name, value)| match name {
        "card_number" => (name, card),
        _ => (name, value),
    }));
    let sent = Instant::now();
    press(market, visitor, &url, ("checkout/pay", "pay"), &fields).await;
    if let Some(order) = visitor.orders.first() {
        market.answers.acknowledge(None, sent, order.clone());
    }
}

async fn press(
    market: &Market,
    visitor: &mut Visitor,
    url: &str,
    (form, key): (&str, &str),
    fields: &[(&str, &str)],
) {
    let (sent, before) = (Instant::now(), visitor.done);
    visitor.press(url, form, key, fields).await;
    let is_accepted = visitor.done > before;
    let end = if is_accepted {
        End::Accepted
    } else {
        End::Refused
    };
    market.answers.ended(sent, end);
}

/// Waits until all clients have ended their purchases; after `limit` they give up.
pub async fn end(market: &Market, clients: &mut JoinSet<()>, limit: Duration) {
    market.close();
    if timeout(limit, join_all(market, clients)).await.is_ok() {
        return;
    }
    market.give_up();
    let ended = timeout(CLIENT_MAX * 2, join_all(market, clients)).await;
    if ended.is_err() {
        market.answers.wrong("no answer to a shopper".to_owned());
        clients.shutdown().await;
    }
}

async fn join_all(market: &Market, clients: &mut JoinSet<()>) {
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            market
                .answers
                .wrong(format!("the end of a client: {error}"));
        }
    }
}
