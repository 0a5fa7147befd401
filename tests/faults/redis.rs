//! Faults of Redis, under the strategies that use it. The shop goes on by the row, so that no
//! request fails: a call that the breaker refuses is what was felt.

use std::time::Duration;

use super::{
    fault::Fault,
    metrics::{Change, Metric, metric},
    scene::Scene,
};
use crate::support::redis::TestRedis;

/// How often Redis is flushed, so that purchases meet it.
const FLUSHES: u32 = 10;
const BETWEEN_FLUSHES: Duration = Duration::from_millis(200);

const BREAKER: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_breaker_openings_total" { "breaker": "redis" }
);
const CALLS_REFUSED: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_breaker_refusals_total" { "breaker": "redis" }
);

const OF_REDIS: Fault = Fault {
    moves: BREAKER,
    felt_by: Some(CALLS_REFUSED),
    not_here: needs_redis,
    ..Fault::NONE
};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "Redis: killed",
        cause: |scene| Box::pin(kill(scene)),
        cure: |scene| Box::pin(restart(scene)),
        ..OF_REDIS
    },
    Fault {
        name: "Redis: all data deleted, all connections closed",
        cause: |scene| Box::pin(flush(scene)),
        lasts: Duration::ZERO,
        ..OF_REDIS
    },
    Fault {
        name: "Redis: stopped (SIGSTOP)",
        cause: |scene| Box::pin(pause(scene)),
        cure: |scene| Box::pin(resume(scene)),
        ..OF_REDIS
    },
];

fn needs_redis(scene: &Scene) -> Option<&'static str> {
    let is_there = scene.redis.is_some();
    (!is_there).then_some("neither redis-server nor valkey-server is installed")
}

fn of(scene: &mut Scene) -> &mut TestRedis {
    scene.redis.as_mut().expect("the fault needs it")
}

async fn kill(scene: &mut Scene) {
    of(scene).kill();
}

async fn restart(scene: &mut Scene) {
    of(scene).restart();
}

/// As a failover to an empty node.
async fn flush(scene: &mut Scene) {
    for _ in 0..FLUSHES {
        let redis = of(scene);
        redis.flush();
        redis.command("CLIENT KILL TYPE normal");
        tokio::time::sleep(BETWEEN_FLUSHES).await;
    }
}

async fn pause(scene: &mut Scene) {
    of(scene).pause();
}

async fn resume(scene: &mut Scene) {
    of(scene).resume();
}
