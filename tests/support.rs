//! What the tests stand on: a database each, a shop on it, and the means to force an interleaving.

pub mod database;
pub mod keeper;
pub mod program;
pub mod provider;
pub mod proxy;
pub mod race;
pub mod retries;
pub mod server;
pub mod shop;
pub mod till;
pub mod wire;

use std::time::Duration;

pub use database::TestDatabase;
pub use race::{Gate, Rival};
pub use shop::{PlacesOrders, TestProduct, TestShop, check_audit_clean};
pub use till::Till;

/// The longest that a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits `future`, and fails the test instead of hanging.
#[track_caller]
pub fn within<T>(
    limit: Duration,
    what: &'static str,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(value) => value,
            Err(_) => panic!("{what}: nothing after {limit:?} (at {caller})"),
        }
    }
}

/// The seed of a random test: `DOORBUSTER_TEST_SEED`, or a fresh one. Printed, so that a failure can be run again.
pub fn seed() -> u64 {
    let seed = std::env::var("DOORBUSTER_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("DOORBUSTER_TEST_SEED={seed}");
    seed
}
