//! `doorbuster redis`, and what other commands do with `REDIS_URL`.

use std::{process::Command, time::Duration};

use doorbuster::{
    model::StrategyKey,
    redis::Redis,
    shop::{Shop, inventory::gate::LevelWrite},
};
use tempfile::TempDir;

use super::{level, reservation};
use crate::support::{
    TestDatabase, TestShop, check_audit_clean,
    program::{Ended, doorbuster, end_of},
    redis::TestRedis,
};

/// Runs the program with this Redis.
async fn run(database_url: &str, redis_url: &str, arguments: &[&str]) -> Ended {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command: Command = doorbuster(folder.path(), arguments);
    command
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", redis_url);
    end_of(command, &folder).await
}

/// The shop with the gates that the program uses.
async fn with_gates_of(shop: &TestShop, redis: &TestRedis) -> Shop {
    let connection = Redis::at(&redis.url()).expect("it is a URL");
    let gate = shop.open_gate(connection).await.expect("it is opened");
    shop.handle().with_gate(Some(gate))
}

#[tokio::test]
async fn gates_are_seeded_inspected_and_reconciled() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let url = shop.database.url();
    let empty = run(url, &redis.url(), &["redis", "inspect", "--json"]).await;
    assert_eq!(empty.check_code(0).json(), serde_json::json!([]));
    let seeded = run(url, &redis.url(), &["redis", "seed"]).await;
    let products = shop.count("product WHERE lane_id IS NULL").await;
    assert_eq!(
        seeded.check_code(0).stdout,
        format!("seeded {products} gates\n")
    );
    let inspected = run(url, &redis.url(), &["redis", "inspect"]).await;
    let line = format!("product {}: the gate has 5 at version", product.id);
    assert!(inspected.check_code(0).stdout.contains(&line));

    let server = with_gates_of(&shop, &redis).await;
    let gate = server.gate().expect("it has one");
    gate.store_level(product.id, level(50, 0), LevelWrite::Always)
        .await
        .expect("Redis answers");
    let wrong = run(url, &redis.url(), &["redis", "inspect"]).await;
    assert!(wrong.check_code(3).stdout.contains("(above the row)"));
    let audited = run(url, &redis.url(), &["audit"]).await;
    assert!(
        audited
            .check_code(3)
            .stdout
            .contains("1 VIOLATION    gates-within-rows")
    );
    let reconciled = run(url, &redis.url(), &["redis", "reconcile"]).await;
    let stdout = &reconciled.check_code(0).stdout;
    assert!(
        stdout.ends_with(&format!("compared {products}, reconciled 1, removed 0\n")),
        "{stdout}"
    );
    let audited = run(url, &redis.url(), &["audit"]).await;
    assert!(
        audited
            .check_code(0)
            .stdout
            .contains("ok             gates-within-rows")
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_product_is_inspected_with_its_lock_and_leases() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (url, id) = (shop.database.url(), product.id.to_string());
    let arguments = ["redis", "inspect", "--product", id.as_str(), "--json"];
    let without = run(url, &redis.url(), &arguments).await;
    let without = without.check_code(0).json();
    assert_eq!(without["gate"], serde_json::json!(null));
    assert_eq!(without["lock"], serde_json::json!(null));

    let seeded = run(url, &redis.url(), &["redis", "seed"]).await;
    seeded.check_code(0);
    let server = with_gates_of(&shop, &redis).await;
    let gate = server.gate().expect("it has one");
    let leased = reservation(&product, 2, "a-key");
    let reserved = gate.reserve(&leased, Duration::from_secs(600)).await;
    reserved.expect("Redis answers");
    // As a holder and the row leave them for a moment.
    let script = format!(
        "local key = redis.call('KEYS', '*:gate:{id}')[1] \
         local of = function(part) return (string.gsub(key, ':gate:', ':' .. part .. ':')) end \
         redis.call('SET', of('lock'), 'a-holder', 'PX', 600000) \
         redis.call('SET', of('fence'), 7) redis.call('SET', of('refusal'), '1:2:3') return 1"
    );
    assert_eq!(redis.command(&format!("EVAL \"{script}\" 0")), ":1");
    let fenced = format!("UPDATE stock SET fence = 6 WHERE product_id = {id}");
    shop.by_hand.run(&fenced).await;

    let found = run(url, &redis.url(), &arguments).await;
    let found = found.check_code(0).json();
    assert_eq!(found["gate"]["leased"], 2);
    assert_eq!(found["lock"]["id"], "a-holder");
    assert_eq!(found["last_token"], 7);
    assert_eq!(found["row_token"], 6);
    assert_eq!(found["refusal"]["version"], 2);
    assert_eq!(found["leases_total"], 1);
    assert_eq!(found["leases"][0]["key"], "a-key");
    let ends_in_ms = found["leases"][0]["ends_in_ms"].as_i64().expect("a number");
    assert!((1..=600_000).contains(&ends_in_ms), "{ends_in_ms}");

    let text = run(url, &redis.url(), &arguments[..4]).await;
    let stdout = &text.check_code(0).stdout;
    for line in [
        "Lock: held by a-holder, for ",
        "Last token in Redis: 7\nToken of the row: 6\n",
        "Repeated rejection: 1 available at version 2, ",
        "Leases: 1 of 1\n  2 units for a-key, for ",
    ] {
        assert!(stdout.contains(line), "{line} in {stdout}");
    }
    check_audit_clean(&shop).await;
}

/// Another program has written a text where the gate of a product should be.
fn break_gate(redis: &TestRedis, product_id: i64) {
    let script = format!(
        "local key = redis.call('KEYS', '*:gate:{product_id}')[1] \
         redis.call('DEL', key) redis.call('SET', key, 'x') return 1"
    );
    assert_eq!(redis.command(&format!("EVAL \"{script}\" 0")), ":1");
}

#[tokio::test]
async fn a_gate_that_cannot_be_used_keeps_no_other_one_from_being_reconciled() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let (broken, other) = (shop.with_product(5).await, shop.with_product(7).await);
    let url = shop.database.url();
    let seeded = run(url, &redis.url(), &["redis", "seed"]).await;
    seeded.check_code(0);
    let server = with_gates_of(&shop, &redis).await;
    let gate = server.gate().expect("it has one");
    gate.store_level(other.id, level(70, 0), LevelWrite::Always)
        .await
        .expect("Redis answers");
    break_gate(&redis, broken.id);
    let others = shop.count("product WHERE lane_id IS NULL").await - 1;
    let named = format!("doorbuster redis: product {}: ", broken.id);

    let reconciled = run(url, &redis.url(), &["redis", "reconcile"]).await;
    let stdout = &reconciled.check_code(1).stdout;
    let summary = format!("compared {others}, reconciled 1, removed 0\n");
    assert!(stdout.ends_with(&summary), "{stdout}");
    assert_eq!(reconciled.stderr.matches(&named).count(), 1);
    let state = gate.inspect(other.id).await.expect("Redis answers");
    assert_eq!(state.map(|state| state.left()), Some(7));

    let inspected = run(url, &redis.url(), &["redis", "inspect", "--json"]).await;
    let listed = inspected.check_code(1).json();
    assert_eq!(
        listed.as_array().map(Vec::len),
        usize::try_from(others).ok()
    );
    assert!(inspected.stderr.contains(&named), "{}", inspected.stderr);
    let seeded = run(url, &redis.url(), &["redis", "seed"]).await;
    let stdout = &seeded.check_code(1).stdout;
    assert_eq!(*stdout, format!("seeded {others} gates\n"));

    // Its purchases go to the row, and those of others still use their gates.
    for product in [&broken, &other] {
        let bought = shop.buy(product).by(StrategyKey::RedisCounter).on(&server);
        bought.await.expect("it is sold");
    }
    let state = gate.inspect(other.id).await.expect("Redis is not away");
    assert_eq!(state.map(|state| state.left()), Some(6));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn without_redis_the_command_says_what_to_set() {
    let database = TestDatabase::seeded().await;
    let unset = run(database.url(), "", &["redis", "inspect"]).await;
    assert!(unset.check_code(2).stderr.contains("set REDIS_URL"));
    for (url, code) in [
        ("redis://:hush@127.0.0.1:1/", 1),
        ("redis://:hush@127.0.0.1:1/first", 2),
        ("http://:hush@127.0.0.1/", 2),
    ] {
        let gone = run(database.url(), url, &["redis", "inspect"]).await;
        let stderr = &gone.check_code(code).stderr;
        assert!(!stderr.contains("hush"), "{stderr}");
        assert!(stderr.contains("doorbuster: "), "{stderr}");
    }
    let away = run(database.url(), "redis://127.0.0.1:1/", &["audit"]).await;
    let stdout = &away.check_code(0).stdout;
    for rule in ["gates-within-rows", "queue-decided"] {
        assert!(
            stdout.contains(&format!("not checked    {rule}")),
            "{stdout}"
        );
    }
    let shop = run(
        database.url(),
        "",
        &["serve", "--shop-strategy", "redis-hold"],
    );
    let stderr = &shop.await.check_code(2).stderr.clone();
    assert!(stderr.contains("needs Redis"), "{stderr}");
}

#[tokio::test]
async fn strategies_are_listed_with_or_without_redis() {
    let list = async |redis_url: &str| {
        let ended = run("", redis_url, &["simulate", "--list"]).await;
        ended.check_code(0);
        ended.stdout
    };
    let (with, without) = (list("redis://127.0.0.1:1/").await, list("").await);
    for strategy in StrategyKey::ALL {
        let row = strategy.row();
        let summary = format!("{strategy:20} {:7} {}\n", strategy.safety(), row.summary);
        assert!(with.contains(&summary), "{strategy}");
        assert_eq!(without.contains(&summary), !row.needs_redis, "{strategy}");
    }
    let reason = "not available without Redis: set REDIS_URL\n";
    let needing = StrategyKey::ALL.iter().filter(|key| key.row().needs_redis);
    assert_eq!(without.matches(reason).count(), needing.count());
}

#[tokio::test]
async fn a_run_sells_with_each_strategy() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let arguments = [
        "simulate",
        "--strategy",
        "redis-counter,redis-lock,redis-hold,redis-stream",
        "--buyers",
        "33",
        "--stock",
        "20",
    ];
    for servers in ["0", "2"] {
        let arguments = [&arguments[..], &["--servers", servers]].concat();
        let ended = run(shop.database.url(), &redis.url(), &arguments).await;
        ended.check_code(0);
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_time_in_which_buyers_wait_for_redis_is_a_part_of_its_own() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let strategies = "redis-counter,redis-lock,redis-hold,redis-stream,row-lock";
    let arguments = ["simulate", "--strategy", strategies, "--json"];
    let arguments = [&arguments[..], &["--buyers", "33", "--stock", "20"]].concat();
    let ended = run(shop.database.url(), &redis.url(), &arguments).await;
    let run = ended.check_code(0).json();
    let lanes = run["lanes"].as_array().expect("lanes");
    assert_eq!(lanes.len(), 5);
    for lane in lanes {
        let waited = lane["time_split_ms"]["redis"].as_f64().expect("a part");
        let asks_redis = lane["strategy"] != "row-lock";
        assert_eq!(waited > 0.0, asks_redis, "{lane:#}");
    }
    check_audit_clean(&shop).await;
}
