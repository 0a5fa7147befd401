//! The gate itself: reserve, confirm, release, and the levels that it stores.

use std::time::{Duration, Instant};

use doorbuster::{
    redis::Redis,
    shop::inventory::{
        counters::Level,
        gate::{Admission, GateState, LEASE, LevelWrite, Reservation, StockGate},
        sold_out::REFUSAL_TTL,
    },
};

use super::level;
use crate::support::redis::TestRedis;

const PRODUCT: i64 = 7;

fn units(units: i64, key: &str) -> Reservation {
    Reservation {
        product_id: PRODUCT,
        units,
        key: key.to_owned(),
    }
}

async fn state(gate: &StockGate) -> GateState {
    let state = gate.inspect(PRODUCT).await.expect("Redis answers");
    state.expect("there is a gate")
}

/// Returns the units that the gate would still let through.
async fn left(gate: &StockGate) -> i64 {
    state(gate).await.left()
}

async fn reserve(gate: &StockGate, reservation: &Reservation) -> Admission {
    let answer = gate.reserve(reservation, LEASE).await;
    answer.expect("Redis answers").0
}

/// Refuses a reservation that the gate has just found too large, as of `age` ago.
async fn refuse(gate: &StockGate, reservation: &Reservation, level: Level, age: Duration) {
    let (_, clock) = gate
        .reserve(reservation, LEASE)
        .await
        .expect("Redis answers");
    let age_ms = i64::try_from(age.as_millis()).expect("a small number");
    let at_ms = clock.at(Instant::now()) - age_ms;
    gate.refuse(reservation, level, at_ms)
        .await
        .expect("Redis answers");
}

async fn store_level(gate: &StockGate, available: i64, version: i64) {
    gate.store_level(PRODUCT, level(available, version), LevelWrite::IfNewer)
        .await
        .expect("Redis answers");
}

#[tokio::test]
async fn a_gate_lets_through_what_the_row_had_less_the_leases() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let gate = redis.gate();
    let (two, four) = (units(2, "two"), units(4, "four"));
    assert_eq!(reserve(&gate, &two).await, Admission::Unknown);
    store_level(&gate, 5, 1).await;
    assert_eq!(reserve(&gate, &two).await, Admission::Reserved { left: 3 });
    assert_eq!(
        reserve(&gate, &two).await,
        Admission::Reserved { left: 3 },
        "the same key is the same reservation"
    );
    assert_eq!(reserve(&gate, &four).await, Admission::Short { left: 3 });
    assert!(gate.release(&two).await.expect("Redis answers"));
    assert_eq!(left(&gate).await, 5);
    assert_eq!(gate.products().await.expect("Redis answers"), [PRODUCT]);
}

#[tokio::test]
async fn ending_a_lease_twice_returns_no_unit() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (gate, two) = (redis.gate(), units(2, "two"));
    store_level(&gate, 5, 1).await;
    reserve(&gate, &two).await;
    let confirmed = gate.confirm(&two, level(3, 2)).await;
    assert!(confirmed.expect("Redis answers"));
    assert_eq!(left(&gate).await, 3);
    let again = gate.confirm(&two, level(3, 2)).await;
    assert!(!again.expect("Redis answers"), "confirmed before");
    let released = gate.release(&two).await;
    assert!(!released.expect("Redis answers"), "confirmed before");
    assert_eq!(left(&gate).await, 3);
    assert!(state(&gate).await.adds_up);
}

/// Two purchases are committed in one order and confirm in the other.
#[tokio::test]
async fn an_older_level_is_ignored() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let gate = redis.gate();
    let (first, second) = (units(1, "first"), units(2, "second"));
    store_level(&gate, 5, 1).await;
    reserve(&gate, &first).await;
    reserve(&gate, &second).await;
    gate.confirm(&second, level(2, 3))
        .await
        .expect("Redis answers");
    assert_eq!(left(&gate).await, 1, "the first is still on its way");
    gate.confirm(&first, level(4, 2))
        .await
        .expect("Redis answers");
    assert_eq!(left(&gate).await, 2);
    assert_eq!(state(&gate).await.level, level(2, 3));
}

#[tokio::test]
async fn a_lease_that_is_not_ended_runs_out() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (gate, two) = (redis.gate(), units(2, "two"));
    store_level(&gate, 2, 1).await;
    let lease = Duration::from_millis(100);
    let (reserved, _) = gate.reserve(&two, lease).await.expect("Redis answers");
    assert_eq!(reserved, Admission::Reserved { left: 0 });
    tokio::time::sleep(lease * 2).await;
    let other = units(2, "other");
    assert_eq!(
        reserve(&gate, &other).await,
        Admission::Reserved { left: 0 }
    );
    let late = gate.confirm(&two, level(0, 2)).await;
    assert!(!late.expect("Redis answers"), "it ran out");
    assert_eq!(state(&gate).await.leased, 2, "the other one's");
}

#[tokio::test]
async fn a_refusal_is_repeated_until_units_return_and_for_100_ms_at_most() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (gate, two) = (redis.gate(), units(2, "two"));
    store_level(&gate, 1, 1).await;
    let begin = Instant::now();
    refuse(&gate, &two, level(1, 1), Duration::ZERO).await;
    match reserve(&gate, &two).await {
        Admission::Refused(refusal) => {
            assert_eq!((refusal.available, refusal.version), (1, 1));
        }
        // On a busy machine, the moment is over.
        other => assert!(begin.elapsed() >= Duration::from_millis(100), "{other:?}"),
    }
    assert_eq!(
        reserve(&gate, &units(1, "one")).await,
        Admission::Reserved { left: 0 },
        "that many are left"
    );
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(reserve(&gate, &two).await, Admission::Short { left: 0 });
    refuse(&gate, &two, level(1, 1), Duration::ZERO).await;
    store_level(&gate, 9, 2).await;
    assert_eq!(reserve(&gate, &two).await, Admission::Reserved { left: 6 });
}

/// What was refused long ago is not repeated, however late its message is delivered: the age is
/// computed where it arrives, by the clock of Redis. That clock may have been set back.
#[tokio::test]
async fn a_refusal_that_is_old_or_from_the_future_is_not_repeated() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (gate, two) = (redis.gate(), units(2, "two"));
    store_level(&gate, 1, 1).await;
    refuse(&gate, &two, level(1, 1), REFUSAL_TTL).await;
    assert_eq!(reserve(&gate, &two).await, Admission::Short { left: 1 });
    let (_, clock) = gate.reserve(&two, LEASE).await.expect("Redis answers");
    let tomorrow = clock.at(Instant::now() + Duration::from_secs(86_400));
    gate.refuse(&two, level(1, 1), tomorrow)
        .await
        .expect("Redis answers");
    assert_eq!(reserve(&gate, &two).await, Admission::Short { left: 1 });
}

/// A restart and a failover can lose what was written before: their gates are not used.
#[tokio::test]
async fn a_gate_of_another_start_of_redis_is_unknown() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let (gate, one) = (redis.gate(), units(1, "one"));
    store_level(&gate, 5, 1).await;
    redis.save();
    store_level(&gate, 4, 2).await;
    redis.kill();
    assert!(gate.reserve(&one, LEASE).await.is_err(), "it is gone");
    redis.restart();
    let back = Instant::now();
    let admission = loop {
        match gate.reserve(&one, LEASE).await {
            Ok((admission, _)) => break admission,
            Err(error) => assert!(back.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(admission, Admission::Unknown);
    assert!(!state(&gate).await.is_current, "it is from the old dump");
    store_level(&gate, 4, 2).await;
    assert_eq!(reserve(&gate, &one).await, Admission::Reserved { left: 3 });
    redis.flush();
    assert_eq!(reserve(&gate, &one).await, Admission::Unknown);
}

/// While Redis does not answer, most calls are refused at once.
#[tokio::test]
async fn a_stopped_redis_costs_little_and_comes_back() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (gate, one) = (redis.gate(), units(1, "one"));
    store_level(&gate, 500, 1).await;
    redis.pause();
    let stopped = Instant::now();
    assert!(gate.reserve(&one, LEASE).await.is_err());
    assert!(stopped.elapsed() < Duration::from_secs(1));
    let refused = Instant::now();
    for _ in 0..100 {
        assert!(gate.reserve(&one, LEASE).await.is_err());
    }
    assert!(refused.elapsed() < Duration::from_secs(1), "the breaker");
    redis.resume();
    let resumed = Instant::now();
    while gate.reserve(&one, LEASE).await.is_err() {
        assert!(resumed.elapsed() < Duration::from_secs(30), "it is back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn shops_that_share_a_redis_do_not_share_gates() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (here, there) = (redis.gate(), redis.gate());
    store_level(&here, 5, 1).await;
    let seen = there.inspect(PRODUCT).await.expect("Redis answers");
    assert_eq!(seen, None);
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let same = connection.incarnation().await.expect("Redis answers");
    let gate = here.redis().incarnation().await.expect("Redis answers");
    assert_eq!(same, gate, "one start of one server");
}
