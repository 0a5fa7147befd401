//! Faults of the network between the shop and its database.

use std::time::Duration;

use super::{fault::Fault, metrics::Metric, scene::Scene};

/// How often connections are reset.
const RESETS: u32 = 5;
const BETWEEN_RESETS: Duration = Duration::from_millis(300);
/// In each direction.
const DELAY: Duration = Duration::from_millis(60);

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "network: connections cut, none accepted",
        cause: |scene| Box::pin(cut(scene)),
        moves: Metric::DATABASE_BREAKER,
        ..Fault::NONE
    },
    Fault {
        name: "network: connections reset",
        cause: |scene| Box::pin(reset(scene)),
        lasts: Duration::ZERO,
        moves: Metric::LOST_CONNECTIONS,
        ..Fault::NONE
    },
    Fault {
        name: "network: black hole",
        cause: |scene| Box::pin(drop_traffic(scene)),
        // Longer than any request.
        lasts: Duration::from_secs(6),
        moves: Metric::DATABASE_BREAKER,
        ..Fault::NONE
    },
    Fault {
        name: "network: 120 ms for each round trip",
        cause: |scene| Box::pin(delay(scene)),
        lasts: Duration::from_secs(5),
        moves: Metric::SLOW_PURCHASES,
        ..Fault::NONE
    },
];

async fn cut(scene: &mut Scene) {
    scene.proxy.cut();
}

async fn reset(scene: &mut Scene) {
    for _ in 0..RESETS {
        scene.proxy.reset();
        tokio::time::sleep(BETWEEN_RESETS).await;
    }
}

async fn drop_traffic(scene: &mut Scene) {
    scene.proxy.drop_traffic();
}

async fn delay(scene: &mut Scene) {
    scene.proxy.delay(DELAY);
}
