//! Servers, which are the consumers, and Redis are killed again and again while orders are accepted:
//! each accepted order is written or refused, once. Redis writes each change to its disk before it
//! answers. `./makew soak` accepts 10,000 orders.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    crash::program::ServerRunner,
    support::{
        TestProduct, TestShop, check_audit_clean,
        redis::{TestRedis, can_start},
        within,
    },
};

const BUYERS: usize = 8;
/// How often a server and Redis are killed, in turn.
const KILLS: usize = 10;
const POLL: Duration = Duration::from_millis(20);
/// The longest time until all are accepted, and until all are decided.
const ENDED_WITHIN: Duration = Duration::from_secs(600);

/// The number of orders.
fn orders() -> usize {
    let set = std::env::var("DOORBUSTER_SOAK_QUEUED").ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(400)
}

/// The address of the server that runs now, and the orders that were answered with 202.
#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    accepted: Mutex<Vec<String>>,
    /// Orders that were written, or refused, in their request.
    decided: Mutex<usize>,
}

impl Shared {
    fn url(&self) -> String {
        self.url.lock().expect("no panic under it").clone()
    }

    fn accepted(&self) -> Vec<String> {
        self.accepted.lock().expect("no panic under it").clone()
    }

    fn answered(&self) -> usize {
        let decided = *self.decided.lock().expect("no panic under it");
        self.accepted().len() + decided
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
            StatusCode::OK | StatusCode::CONFLICT => {
                *shared.decided.lock().expect("no panic under it") += 1;
                return;
            }
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
        let after = orders() * (kill + 1) / (KILLS + 2);
        while shared.answered() < after {
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
async fn no_accepted_order_is_forgotten_or_decided_twice() {
    if !can_start() {
        return;
    }
    let mut redis = TestRedis::start_durable().expect("it is installed");
    let shop = TestShop::new().await;
    let stock = orders() * 3 / 4;
    let product = shop
        .with_product(i64::try_from(stock).expect("small"))
        .await;
    let mut runner = ServerRunner::new(shop.database.url()).with_redis(redis.url());
    let (shared, client) = (Arc::new(Shared::default()), Client::new());
    start(&mut runner, &shared).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..BUYERS {
        let (shared, client) = (Arc::clone(&shared), client.clone());
        let product = product.clone();
        buyers.spawn(async move {
            for number in (buyer..orders()).step_by(BUYERS) {
                let key = format!("queued-order-number-{number}");
                order(&client, &shared, &product, &key).await;
            }
        });
    }
    kill_in_turn(&mut runner, &mut redis, &shared).await;
    within(ENDED_WITHIN, "the buyers' end", buyers.join_all()).await;

    let accepted = shared.accepted();
    let mut written = 0;
    let decided = async {
        for id in &accepted {
            written += i64::from(is_written(&client, &shared, id).await);
        }
    };
    within(ENDED_WITHIN, "all outcomes", decided).await;
    eprintln!("{} accepted, {written} of them written", accepted.len());
    let twice = shop
        .count("customer_order o JOIN queue_outcome q ON q.order_id = o.public_id")
        .await;
    assert_eq!(twice, 0, "an order was written and refused");
    let available = shop.level(&product).await.available;
    let ordered = shop.units_ordered(&product).await;
    assert_eq!(ordered + available, i64::try_from(stock).expect("small"));
    assert!(
        written <= ordered,
        "{written} accepted orders, {ordered} units"
    );
    assert_eq!(available, 0, "more orders than units: nothing is undersold");
    let lines = shop.count("order_line").await;
    assert_eq!(lines, ordered, "each order is one unit");
    check_audit_clean(&shop).await;
}
