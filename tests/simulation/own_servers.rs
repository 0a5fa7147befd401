//! Runs that start servers of their own.
//!
//! `./makew soak` runs them with every safe strategy, 1,000 buyers and 200 units, also those in
//! which servers are killed; `./makew test` with two strategies and a fifth of the buyers and
//! units. Each run prints its figures.

#[cfg(target_os = "linux")]
mod process;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::{
    model::{
        DatabaseEngine, RunCommand, RunEventKind, RunSnapshot, RunState, SimulationPlan,
        StrategyKey, Verdict, findings, lock_queue::LockScope,
    },
    simulation::{Engine, LiveRun, SimulationError},
    web::{AppState, server},
};
use nix::sys::signal::Signal;

use super::{
    TWO_SAFE, engine, figures,
    http::serve,
    only, orders, plan,
    promises::{safe, setting},
    verdict_of,
};
use crate::{
    support::{
        PATIENCE, TestShop, administrator, check_audit_clean, http_client,
        program::{run as run_program, run_until},
        sessions::{self, Session, is_of_a_run},
        within,
    },
    web::support::parts,
};

/// The longest time that one run may take on a machine that is busy with other tests.
const SERVERS_RUN_MAX: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(10);

/// Whether the tests have their full size.
fn is_soak() -> bool {
    setting("DOORBUSTER_SOAK_SERVERS", 0) > 0
}

fn strategies() -> Vec<StrategyKey> {
    if is_soak() {
        safe().collect()
    } else {
        TWO_SAFE.to_vec()
    }
}

/// Four servers, and five times as many buyers as units.
fn plan_of_servers(strategies: Vec<StrategyKey>) -> SimulationPlan {
    let (buyers, stock) = if is_soak() { (1_000, 200) } else { (200, 40) };
    SimulationPlan {
        strategies,
        own_servers: 4,
        pool_size: 4,
        ..plan(StrategyKey::RowLock, buyers, stock)
    }
}

/// An engine whose servers run the program: this process is the test's.
fn engine_of_servers(shop: &TestShop) -> Engine {
    engine(shop).with_server_program(PathBuf::from(env!("CARGO_BIN_EXE_doorbuster")))
}

/// Prints the figures of a lane in one line.
fn print_figures(what: &str, verdict: &Verdict) {
    let Verdict {
        strategy,
        buyers,
        stock,
        sold,
        oversold,
        undersold,
        succeeded,
        rejected,
        failed,
        elapsed_ms,
        ..
    } = verdict;
    eprintln!(
        "{what}, {strategy}: {buyers} buyers, {stock} units: {sold} sold, {oversold} oversold, \
         {undersold} undersold; attempts: {succeeded} succeeded, {rejected} rejected, {failed} \
         failed; {elapsed_ms} ms"
    );
}

async fn run_servers(shop: &TestShop, plan: SimulationPlan) -> RunSnapshot {
    let started = Running::start(shop, plan).await;
    started.end().await
}

/// A run in progress.
struct Running {
    id: String,
    live: Arc<LiveRun>,
    task: tokio::task::JoinHandle<Result<RunSnapshot, SimulationError>>,
}

impl Running {
    async fn start(shop: &TestShop, plan: SimulationPlan) -> Self {
        let engine = engine_of_servers(shop);
        let started = engine.start(&administrator(), plan).await;
        let started = started.expect("the run starts");
        Self {
            id: started.id().to_string(),
            live: Arc::clone(&started.run),
            task: tokio::spawn(async move { engine.finish(started, &[], |_| {}).await }),
        }
    }

    async fn end(self) -> RunSnapshot {
        let end = within(SERVERS_RUN_MAX, "the run's end", self.task).await;
        end.expect("no panic").expect("it ends with a verdict")
    }

    /// The servers that have ended by themselves, in this order.
    fn ended_servers(&self) -> Vec<u32> {
        let run = self.live.snapshot();
        let ended = run.events.iter();
        ended
            .filter(|event| event.kind == RunEventKind::ServerEnded)
            .filter_map(|event| event.server)
            .collect()
    }
}

/// Waits until the condition holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !holds().await {
        assert!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        tokio::time::sleep(POLL).await;
    }
}

async fn until_orders(shop: &TestShop, number: i64) {
    until("orders", async || orders(shop).await >= number).await;
}

/// Counts the database sessions of the run's servers.
async fn sessions_of_runs(shop: &TestShop) -> usize {
    // On MySQL, the sessions of another process have no name.
    let is_meant = |session: &Session| match shop.by_hand.engine() {
        DatabaseEngine::Postgres => is_of_a_run(session),
        DatabaseEngine::MySql => session.name.is_empty(),
    };
    sessions::count(&shop.by_hand, is_meant).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_servers_sell_exactly_the_stock_with_safe_strategies() {
    let shop = TestShop::new().await;
    let plan = plan_of_servers(strategies());
    let (buyers, stock) = (u64::from(plan.buyers), u64::from(plan.stock));
    let run = run_servers(&shop, plan).await;
    assert_eq!(run.state, RunState::Finished);
    assert!(run.events.iter().all(|event| event.server.is_none()));
    for lane in &run.lanes {
        let verdict = lane.verdict.as_ref().expect("each lane has a verdict");
        print_figures("four servers", verdict);
        let expected = (stock, buyers - stock, 0, 0, 0, 0);
        assert_eq!(figures(verdict), expected, "{}", lane.strategy);
        // The verdict is the engine's own; the rows of the lane's orders say the same.
        let sold_of_lane = format!(
            "SELECT coalesce(sum(l.quantity), 0)::bigint FROM order_line l \
             JOIN customer_order o ON o.id = l.order_id JOIN simulation_lane s ON s.id = o.lane_id \
             WHERE s.run_id = '{}' AND s.strategy = '{}'",
            run.id, lane.strategy
        );
        let in_rows: i64 = shop.by_hand.value(&sold_of_lane).await;
        assert_eq!(u64::try_from(in_rows), Ok(stock), "{}", lane.strategy);
        assert!(verdict.invariants_held(), "{verdict:#?}");
    }
    until("the end of the sessions", async || {
        sessions_of_runs(&shop).await == 0
    })
    .await;
    check_audit_clean(&shop).await;
}

/// Every buyer waits for this long between read and write, so that the servers' reads overlap.
const RACE_WINDOW_MS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutex_oversells_on_four_servers_and_not_in_one_process() {
    let shop = TestShop::new().await;
    let on_servers = SimulationPlan {
        race_window_ms: RACE_WINDOW_MS,
        ..plan_of_servers(vec![StrategyKey::ProcessMutex])
    };
    let in_one_process = SimulationPlan {
        own_servers: 0,
        ..on_servers.clone()
    };
    let verdict = verdict_of(&shop, in_one_process).await;
    assert_eq!(
        (verdict.sold, verdict.oversold),
        (verdict.stock, 0),
        "{verdict:#?}"
    );
    let run = run_servers(&shop, on_servers).await;
    let happened = findings::of_lane(&run.lanes[0], &run.plan).join(" ");
    assert!(
        happened.contains("Each of the 4 servers has a lock of its own"),
        "{happened}"
    );
    let verdict = only(run);
    print_figures("four servers with a lock each", &verdict);
    assert!(verdict.oversold > 0, "{verdict:#?}");
    assert!(!verdict.passed());
    check_audit_clean(&shop).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_killed_in_mid_run_lose_no_acknowledged_order() {
    let shop = TestShop::new().await;
    for strategy in strategies() {
        let before = orders(&shop).await;
        // Some buyers are between read and write when the servers are killed, and many arrive
        // later.
        let plan = SimulationPlan {
            race_window_ms: RACE_WINDOW_MS,
            ramp_ms: 2_000,
            ..plan_of_servers(vec![strategy])
        };
        let (attempts, stock) = (plan.total_attempts(), i64::from(plan.stock));
        let run = Running::start(&shop, plan).await;
        until_orders(&shop, before + 3).await;
        let killed = [2, 4].map(|server| process::ServerProcess::of(&run.id, server));
        killed.iter().for_each(process::ServerProcess::kill);
        until("the ends of both servers", async || {
            run.ended_servers().len() == 2
        })
        .await;
        let free_ports = killed.iter().any(process::ServerProcess::port_is_free);
        assert!(run.live.served() < attempts, "{strategy}: killed too late");
        assert!(!free_ports, "{strategy}: the run reserves the ports");
        let mut ended = run.ended_servers();
        ended.sort_unstable();
        assert_eq!(ended, [2, 4]);
        let run = run.end().await;
        let happened = findings::of_servers(&run).expect("two servers ended");
        assert!(happened.starts_with("Servers "), "{happened}");
        let verdict = only(run);
        print_figures("two of four servers killed", &verdict);
        let placed = orders(&shop).await - before;
        assert_eq!(i64::try_from(verdict.succeeded), Ok(placed), "{strategy}");
        assert_eq!((verdict.sold, placed), (stock, stock), "{strategy}");
        // The attempts of the killed servers' buyers have failed; they were not rejected.
        assert!(verdict.failed > 0, "{strategy}: {verdict:#?}");
        assert_eq!(
            (verdict.oversold, verdict.undersold),
            (0, 0),
            "{strategy}: {verdict:#?}"
        );
        assert!(verdict.invariants_held(), "{strategy}: {verdict:#?}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_ends_the_servers_and_their_sessions() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        // Longer than the test may take.
        ramp_ms: 600_000,
        ..plan_of_servers(vec![StrategyKey::RowLock])
    };
    let run = Running::start(&shop, plan).await;
    until_orders(&shop, 1).await;
    until("the lock watch", async || {
        run.live.locks()[0].scope == LockScope::OwnServers
    })
    .await;
    run.live.apply_command(RunCommand::Abort);
    let end = run.end().await;
    assert_eq!(end.state, RunState::Aborted);
    assert!(end.events.iter().all(|event| event.server.is_none()));
    let verdict = only(end);
    assert_eq!(i64::try_from(verdict.succeeded), Ok(orders(&shop).await));
    until("the end of the sessions", async || {
        sessions_of_runs(&shop).await == 0
    })
    .await;
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_servers_do_not_start_has_failed_and_the_next_one_may_start() {
    let shop = TestShop::new().await;
    for (program, expected) in [
        ("/nonexistent/doorbuster", "server 1 could not be started"),
        ("/bin/sh", "ended before it was ready"),
    ] {
        let engine = engine(&shop).with_server_program(PathBuf::from(program));
        let plan = plan_of_servers(vec![StrategyKey::RowLock]);
        let started = engine.start(&administrator(), plan).await;
        let started = started.expect("the run starts");
        let end = within(PATIENCE, "the end", engine.finish(started, &[], |_| {})).await;
        let error = end.expect_err("it has no servers").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let failed: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM simulation_run WHERE state = 'failed' AND failure LIKE 'server %'")
        .await;
    assert_eq!(failed, 2);
    let verdict = verdict_of(&shop, plan(StrategyKey::RowLock, 3, 2)).await;
    assert_eq!(verdict.sold, 2);
}

/// `run_until` returns when everything that has inherited standard error has ended: the servers,
/// too.
#[tokio::test(flavor = "multi_thread")]
async fn no_server_outlives_the_command_that_started_it() {
    for (signal, code) in [(Signal::SIGTERM, Some(143)), (Signal::SIGKILL, None)] {
        let shop = TestShop::new().await;
        // Half a minute of arrivals.
        let arguments = [
            "simulate",
            "--servers",
            "2",
            "--pool",
            "2",
            "--buyers",
            "600",
            "--stock",
            "500",
            "--arrivals",
            "open",
            "--rate",
            "20",
            "--json",
        ];
        let selling = until_orders(&shop, 1);
        let ended = run_until(signal, shop.database.url(), &arguments, selling).await;
        assert_eq!(ended.code, code, "{}", ended.stderr);
        if signal == Signal::SIGTERM {
            assert_eq!(ended.json()["interrupted"], true);
        }
        until("the end of the sessions", async || {
            sessions_of_runs(&shop).await == 0
        })
        .await;
        check_audit_clean(&shop).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_on_the_command_line_are_used_or_refused_with_a_sentence() {
    let shop = TestShop::new().await;
    let simulate = ["simulate", "--buyers", "12", "--stock", "5", "--json"];
    let sold = [&simulate[..], &["--servers", "2", "--pool", "2"]].concat();
    let ended = run_program(Some(shop.database.url()), &sold).await;
    let verdict = ended.check_code(0).json();
    assert_eq!(verdict["sold"], 5);
    assert_eq!(verdict["failed"], 0);
    check_audit_clean(&shop).await;
    let refused: [(&[&str], &str); 6] = [
        (&["--servers", "9"], "9 is not in 0..=8"),
        (
            &["--servers", "2", "--target", "http://127.0.0.1:1"],
            "--servers cannot be used with --target",
        ),
        (
            &["--servers", "2", "--journey", "checkout"],
            "Choose the express journey",
        ),
        (
            &["--servers", "2", "--fault", "freeze=1"],
            "The fault freeze is injected inside the shop's process",
        ),
        (
            &["--servers", "8", "--pool", "9"],
            "8 servers can have at most 8 connections each",
        ),
        (
            &["--servers", "2", "--threshold", "retries=0"],
            "a server does not report its retries",
        ),
    ];
    for (more, sentence) in refused {
        let ended = run_program(None, &[&simulate[..], more].concat()).await;
        ended.check_code(2);
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        assert!(ended.left_nothing, "{more:?}: no database was started");
    }
}

/// A server of a run is open to every program of the machine, so it must not be a second shop.
#[tokio::test]
async fn a_server_of_a_run_sells_nothing_to_strangers_and_has_no_pages() {
    let shop = TestShop::new().await;
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.sells_by_express = false;
    let url = serve(server::buyers_router(AppState::new(parts))).await;
    let client = http_client();
    let status = async |path: &str| {
        let answer = client.get(format!("{url}{path}")).send().await;
        answer.expect("it answers").status().as_u16()
    };
    assert_eq!(status("healthz").await, 200);
    for path in ["", "admin/login", "admin", "products", "api/products"] {
        assert_eq!(status(path).await, 404, "/{path}");
    }
    let answer = client
        .post(format!("{url}api/purchase"))
        .header("Idempotency-Key", "the-key-of-a-stranger")
        .json(&serde_json::json!({ "productId": 1, "quantity": 1 }))
        .send()
        .await
        .expect("it answers");
    assert!(answer.status().is_client_error(), "{answer:?}");
    let placed: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order")
        .await;
    assert_eq!(placed, 0);
}
