//! Servers, which are the consumers, and Redis are killed again and again while orders are
//! accepted: each accepted order is written or refused, once. Redis writes each change to its disk
//! before it answers. `./makew soak` accepts 10,000 orders.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    crash::program::ServerRunner,
    support::{
        TestProduct, TestShop, check_audit_clean, http_client,
        redis::{TestRedis, can_start},
        within,
    },
};

const BUYERS: usize = 8;
/// The pause of a buyer between two orders, so that there are orders before and after each kill.
const PAUSE: Duration = Duration::from_millis(50);
/// One order of so many is for a product of which there are few units.
const SCARCE_EVERY: usize = 10;
const SCARCE: i64 = 5;
/// How often a server and Redis are killed, in turn.
const KILLS: usize = 10;
const POLL: Duration = Duration::from_millis(20);
/// The longest time until all are accepted, and until all are decided.
const ENDED_WITHIN: Duration = Duration::from_secs(600);

/// The number of orders that are accepted.
fn orders() -> usize {
    let set = std::env::var("DOORBUSTER_SOAK_QUEUED").ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(500)
}

/// The address of the server that runs now, and the answers to orders.
#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    /// Orders that were answered with 202.
    accepted: Mutex<Vec<String>>,
    /// The number of orders that were written in their request, because Redis was unavailable.
    bought: AtomicI64,
}

impl Shared {
    fn url(&self) -> String {
        self.url.lock().expect("no panic under it").clone()
    }

    fn accepted(&self) -> Vec<String> {
        self.accepted.lock().expect("no panic under it").clone()
    }

    fn accepted_so_far(&self) -> usize {
        self.accepted.lock().expect("no panic under it").len()
    }
}

/// Sends an order with the same key until a server answers.
async fn order(client: &Client, shared: &Shared, product: &TestProduct, key: &str) {
    loop {
        let sent = client
            .post(format!(
                "{}/api/purchase?strategy=redis-stream",
                shared.url()
            ))
            .header("Idempotency-Key", key)
            .json(&json!({ "productId": product.id, "quantity": 1 }))
            .send()
            .await;
        let Ok(answer) = sent else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        match answer.status() {
            StatusCode::ACCEPTED => {
                // An answer that is cut off is none.
                let Ok(body) = answer.json::<Value>().await else {
                    continue;
                };
                let id = body["orderId"].as_str().expect("an id").to_owned();
                shared.accepted.lock().expect("no panic under it").push(id);
                return;
            }
            StatusCode::OK => {
                shared.bought.fetch_add(1, Ordering::Relaxed);
                return;
            }
            StatusCode::CONFLICT => return,
            status => {
                assert!(
                    status.is_server_error(),
                    "{status}: {:?}",
                    answer.text().await
                );
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Kills the server and Redis in turn, spread over all orders, and starts them again.
async fn kill_in_turn(runner: &mut ServerRunner, redis: &mut TestRedis, shared: &Shared) {
    for kill in 0..KILLS {
        let after = orders() * (kill + 1) / (KILLS + 1);
        while shared.accepted_so_far() < after {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if kill % 2 == 0 {
            redis.kill();
            redis.restart();
        } else {
            runner.kill();
            start(runner, shared).await;
        }
    }
}

async fn start(runner: &mut ServerRunner, shared: &Shared) {
    let url = runner.start(None);
    assert!(runner.is_ready(&url).await, "{}", runner.log_text());
    *shared.url.lock().expect("no panic under it") = url;
}

/// Waits until an accepted order is written (true) or refused.
async fn is_written(client: &Client, shared: &Shared, id: &str) -> bool {
    loop {
        let address = format!("{}/api/orders/{id}", shared.url());
        let answer = client.get(address).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(StatusCode::OK) => return true,
            Ok(StatusCode::CONFLICT) => return false,
            Ok(StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {
                tokio::time::sleep(POLL).await;
            }
            Ok(status) => panic!("accepted order {id} is forgotten: {status}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_order_is_lost_or_decided_twice() {
    if !can_start() {
        return;
    }
    let mut redis = TestRedis::start_durable().expect("it is installed");
    let shop = TestShop::new().await;
    let plenty = i64::try_from(orders() * 10).expect("small");
    let (product, scarce) = (
        shop.with_product(plenty).await,
        shop.with_product(SCARCE).await,
    );
    let mut runner = ServerRunner::new(shop.database.url()).with_redis(redis.url());
    let (shared, client) = (Arc::new(Shared::default()), http_client());
    start(&mut runner, &shared).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..BUYERS {
        let (shared, client) = (Arc::clone(&shared), client.clone());
        let (product, scarce) = (product.clone(), scarce.clone());
        buyers.spawn(async move {
            for turn in 1.. {
                if shared.accepted_so_far() >= orders() {
                    return;
                }
                let key = format!("order-{turn}-of-buyer-{buyer}");
                let is_scarce = turn % SCARCE_EVERY == 0;
                let wanted = if is_scarce { &scarce } else { &product };
                order(&client, &shared, wanted, &key).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    let killing = kill_in_turn(&mut runner, &mut redis, &shared);
    within(ENDED_WITHIN, "all kills", killing).await;
    within(ENDED_WITHIN, "the buyers' end", buyers.join_all()).await;

    let (accepted, bought) = (shared.accepted(), shared.bought.load(Ordering::Relaxed));
    let mut written = 0;
    let decided = async {
        for id in &accepted {
            written += i64::from(is_written(&client, &shared, id).await);
        }
    };
    within(ENDED_WITHIN, "all outcomes", decided).await;
    let refused = i64::try_from(accepted.len()).expect("small") - written;
    eprintln!("accepted: {written} written, {refused} refused; {bought} bought without the queue");
    let twice = shop
        .count("customer_order o JOIN queue_outcome q ON q.order_id = o.public_id")
        .await;
    assert_eq!(twice, 0, "an order was written and refused");
    // Each request has one answer, so each order is that of one request.
    assert_eq!(shop.count("customer_order").await, written + bought);
    let ordered = shop.units_ordered(&product).await + shop.units_ordered(&scarce).await;
    assert_eq!(ordered, written + bought, "each order is one unit");
    assert_eq!(
        shop.level(&scarce).await.available,
        0,
        "nothing is undersold"
    );
    assert_eq!(
        shop.units_ordered(&scarce).await,
        SCARCE,
        "nothing is oversold"
    );
    check_audit_clean(&shop).await;
}
