//! Faults of the shop's own server, of its log, of its sessions and of its clients.

use std::{fs::OpenOptions, path::Path, time::Duration};

use doorbuster::model::StrategyKey;
use rand::RngExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    clients::generator,
    fault::Fault,
    locks,
    metrics::{Change, Metric, metric},
    scene::{Product, Scene},
};
use crate::crash::{program::PASSWORD, visitor::Visitor};

const LEAVING_CLIENTS: u32 = 30;
/// A device on which every write fails, as on a full disk.
const FULL_DISK: &str = "/dev/full";
/// The longest time until such a client leaves.
const LEAVES_AFTER_MS: u64 = 800;

/// The server was started again.
const RESTARTED: Metric = metric!(Change::Falls; 1.0 * "doorbuster_uptime_seconds" {});
/// Attempts that neither succeeded nor were refused: their clients are gone.
const WITHOUT_END: Metric = metric!(Change::StaysHigher;
    1.0 * "doorbuster_checkout_attempts_total" { "journey": "express" }
    -1.0 * "doorbuster_checkout_successes_total" { "journey": "express" }
    -1.0 * "doorbuster_checkout_refusals_total" { "journey": "express" }
);
/// An administrator without a session is sent to the sign-in page.
const SIGNED_OUT: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_http_requests_total" { "class": "admin", "status": "3xx" }
);

/// What the server logs when it starts is lost already.
const LOST_LINES: Metric = metric!(Change::Grows; 1.0 * "doorbuster_log_lines_lost_total" {});

const KILLED: Fault = Fault {
    cure: |scene| Box::pin(start_again(scene)),
    lasts: Duration::ZERO,
    moves: RESTARTED,
    ..Fault::NONE
};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "server: killed at any moment",
        cause: |scene| Box::pin(kill(scene)),
        ..KILLED
    },
    Fault {
        name: "server: killed before a commit of `row-lock`",
        cause: |scene| Box::pin(kill_at(scene, "before commit of row-lock")),
        ..KILLED
    },
    Fault {
        name: "server: killed after a commit of `conditional-update`",
        cause: |scene| Box::pin(kill_at(scene, "after commit of conditional-update")),
        ..KILLED
    },
    Fault {
        name: "server: killed after a commit of `micro-batch`",
        cause: |scene| Box::pin(kill_at(scene, "after commit of micro-batch")),
        ..KILLED
    },
    Fault {
        name: "server: killed after a card was charged",
        cause: |scene| Box::pin(kill_at(scene, "after call of charge")),
        ..KILLED
    },
    Fault {
        name: "server: killed before a payment is settled",
        cause: |scene| Box::pin(kill_at(scene, "before commit of settle payment")),
        ..KILLED
    },
    Fault {
        name: "server: its log is on a full disk",
        cause: |scene| Box::pin(start_with_full_log(scene)),
        cure: |scene| Box::pin(restart(scene)),
        lasts: Duration::from_secs(3),
        moves: LOST_LINES,
        felt_by: Some(LOST_LINES),
        not_here: |_| {
            let is_there = Path::new(FULL_DISK).exists();
            (!is_there).then_some("this system has no /dev/full")
        },
        ..Fault::NONE
    },
    Fault {
        name: "clients leave in the middle of a request",
        cause: |scene| Box::pin(leave(scene)),
        cure: |scene| Box::pin(come_back(scene)),
        lasts: Duration::from_secs(1),
        moves: WITHOUT_END,
        felt_by: Some(WITHOUT_END),
        ..Fault::NONE
    },
    Fault {
        name: "all sessions of visitors deleted",
        cause: |scene| Box::pin(delete_sessions(scene)),
        moves: SIGNED_OUT,
        felt_by: Some(SIGNED_OUT),
        ..Fault::NONE
    },
];

async fn kill(scene: &mut Scene) {
    scene.kill_server();
}

/// Starts a server that is killed at its point, by a purchase or a payment of the clients.
async fn kill_at(scene: &mut Scene, point: &'static str) {
    scene.kill_server();
    scene.start_server(Some(point));
    scene.runner.until_killed().await;
}

async fn start_again(scene: &mut Scene) {
    scene.start_server(None);
}

pub(super) async fn restart(scene: &mut Scene) {
    scene.kill_server();
    scene.start_server(None);
}

/// Starts the server again with a log in which nothing can be written.
async fn start_with_full_log(scene: &mut Scene) {
    let log = OpenOptions::new().write(true).open(FULL_DISK);
    let log = log.expect("it is there");
    scene.kill_server();
    scene.start_changed_server(|command| {
        command.stderr(log);
    });
}

fn leaving_key(client: u32) -> String {
    format!("a-client-that-leaves-{client:04}")
}

/// Sends purchases of a locked product, so that none is answered before its client leaves.
async fn leave(scene: &mut Scene) {
    let product = scene.product(Product::Spare).clone();
    let by_hand = scene.by_hand().await;
    locks::lock(&by_hand, &[product.id]).await;
    scene.held.transactions.push(by_hand);
    let url = scene.market.url();
    let address = url.trim_start_matches("http://");
    for client in 0..LEAVING_CLIENTS {
        let body = json!({ "productId": product.id, "quantity": 1 }).to_string();
        let request = format!(
            "POST /api/purchase?strategy=row-lock HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nIdempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
            leaving_key(client),
            body.len()
        );
        let mut connection = TcpStream::connect(address).await.expect("the server runs");
        let sent = connection.write_all(request.as_bytes()).await;
        sent.expect("the server reads");
        let leaves_after = generator(0, client).random_range(100..=LEAVES_AFTER_MS);
        scene.held.tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(leaves_after)).await;
            drop(connection);
        });
    }
}

/// The clients send their purchases again, which are bought once each.
async fn come_back(scene: &mut Scene) {
    scene.release().await;
    let product = scene.product(Product::Spare).clone();
    for client in 0..LEAVING_CLIENTS {
        let (market, product) = (scene.market.clone(), product.clone());
        scene.clients.spawn(async move {
            let key = leaving_key(client);
            market.buy(StrategyKey::RowLock, &product, &key).await;
        });
    }
}

/// Deletes the sessions, among them that of an administrator, who asks for a page before and after.
async fn delete_sessions(scene: &mut Scene) {
    let (mut administrator, url) = (Visitor::new(), scene.market.url());
    let fields = [("password", PASSWORD)];
    administrator.press(&url, "admin/login", "", &fields).await;
    let page = administrator.page(&url, "/admin").await;
    let is_signed_in = page.is_some_and(|page| page.contains("Sign out"));
    assert!(is_signed_in, "{}", scene.runner.log_text());
    scene.by_hand().await.run("DELETE FROM session").await;
    administrator.page(&url, "/admin").await;
}
