//! Causes one fault after the other, and checks what must hold after each: the audit is clean, what
//! was acknowledged is stored, no answer is late, nothing is falsely paid, the server is healthy
//! soon, its metric has moved, and the fault was felt.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    answers::Totals,
    clients,
    fault::{self, Fault},
    metrics::Metric,
    report::{Row, Run, Verdict},
    scene::Scene,
    watch::Watch,
};
use crate::{
    crash::{
        own_database::OwnDatabase,
        proof::{MONEY_MISMATCHES, UNRESOLVED},
    },
    support::{self, database::ByHand},
};

/// No answer may take longer: 5 s, and a little for a client on the same two cores.
const ANSWER_MAX: Duration = Duration::from_millis(5_500);
/// How soon the server must be healthy after the cause of a fault is gone.
const HEALTHY_WITHIN: Duration = Duration::from_secs(2);
/// An answer that takes so long is slow. Without a fault there is none (see [`Fault::NONE`]).
const SLOW: Duration = Duration::from_secs(1);
/// How long the runner waits for a healthy server, and for a sale by every strategy. Only the first
/// has a limit of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long clients may take to end their purchases.
const CLIENTS_END_WITHIN: Duration = Duration::from_secs(20);
/// How long a metric may take to move after the last request.
const MOVES_WITHIN: Duration = Duration::from_secs(5);
/// A charge that never reached the provider is cancelled after 40 s.
const RESOLVED_WITHIN: Duration = Duration::from_secs(120);
/// The time between two looks, and between two probes.
const POLL: Duration = Duration::from_millis(100);
/// Selects the faults whose names contain its value. Such a run writes no document.
const SELECTION: &str = "DOORBUSTER_FAULTS";

/// Paid orders whose charge the provider has not captured.
const FALSELY_PAID: &str = "\
    SELECT count(*) FROM customer_order o LEFT JOIN payment p ON p.order_id = o.id \
    LEFT JOIN provider.charge c ON c.reference = p.reference \
    WHERE o.settlement = 'card' AND o.status = 'paid' AND coalesce(c.state, '') <> 'captured'";

/// The strategies that have sold nothing to a request that was sent after `since`.
fn without_sale(scene: &Scene, since: Instant) -> Vec<String> {
    let strategies = scene.products.iter().map(|(strategy, _)| *strategy);
    let missing = strategies.filter(|strategy| !scene.market.answers.has_sold(*strategy, since));
    missing.map(|strategy| strategy.to_string()).collect()
}

/// Waits until every strategy has sold something to a later request. Returns those that have not.
async fn until_all_sell(scene: &Scene, since: Instant) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = without_sale(scene, since);
        if missing.is_empty() || Instant::now() > deadline {
            return missing;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the server is healthy, and returns how long that took.
async fn until_healthy(scene: &mut Scene, since: Instant, seed: u64) -> Option<Duration> {
    let answers = Arc::clone(&scene.market.answers);
    let (strategy, product) = scene.products.first().expect("a safe strategy").clone();
    let deadline = Instant::now() + PATIENCE;
    for probe in 0.. {
        if let Some(took) = answers.healthy_after(since) {
            return Some(took);
        }
        if Instant::now() > deadline {
            return None;
        }
        let (market, product) = (scene.market.clone(), product.clone());
        scene.clients.spawn(async move {
            market.look_whether_ready().await;
            let key = format!("{seed:016x}-probe-{probe}");
            market.buy(strategy, &product, &key).await;
        });
        tokio::time::sleep(POLL).await;
    }
    None
}

/// Lets the fault last as long as it has to.
async fn last(fault: &Fault, watch: &Watch) {
    let begin = Instant::now();
    tokio::time::sleep(fault.lasts).await;
    while begin.elapsed() < fault.lasts_max && !watch.has_moved(&fault.moves, None) {
        tokio::time::sleep(POLL).await;
    }
}

async fn express_orders(by_hand: &ByHand) -> usize {
    let sql = "SELECT count(*) FROM customer_order WHERE settlement <> 'card'";
    let count: i64 = by_hand.value(sql).await;
    usize::try_from(count).expect("a count")
}

/// Counts those of these orders that are stored.
async fn count_stored(by_hand: &ByHand, orders: &BTreeSet<String>, and: &str) -> usize {
    let orders: Vec<_> = orders.iter().map(|order| format!("'{order}'")).collect();
    let mut stored = 0;
    for some in orders.chunks(200) {
        let sql = format!(
            "SELECT count(*) FROM customer_order WHERE public_id IN ({}) {and}",
            some.join(", ")
        );
        let count: i64 = by_hand.value(&sql).await;
        stored += usize::try_from(count).expect("a count");
    }
    stored
}

/// Checks what the database has after a fault. `before` is the number of express orders that it had
/// before.
async fn check_stored(scene: &Scene, before: usize, broken: &mut Vec<String>) {
    let (by_hand, answers) = (scene.by_hand().await, &scene.market.answers);
    let acknowledged = answers.orders();
    let stored = count_stored(&by_hand, &acknowledged, "").await;
    if stored != acknowledged.len() {
        let count = acknowledged.len() - stored;
        broken.push(format!("{count} acknowledged orders are not stored"));
    }
    // Each purchase was sent until it was acknowledged, so there is no other order.
    let (express, added) = (
        answers.express_orders().len(),
        express_orders(&by_hand).await - before,
    );
    if added != express && answers.failures().is_empty() {
        broken.push(format!("{added} orders for {express} purchases"));
    }
    let shown = answers.shown_as_paid_ids();
    let paid = count_stored(&by_hand, &shown, "AND status = 'paid'").await;
    let false_ones: i64 = by_hand.value(FALSELY_PAID).await;
    if paid != shown.len() || false_ones > 0 {
        let shown = shown.len() - paid;
        broken.push(format!(
            "{false_ones} orders are falsely paid, {shown} were shown as paid and are not"
        ));
    }
    let report = scene.shop().audit().await;
    let violated = report.rules.iter().filter(|rule| rule.violations > 0);
    for rule in violated {
        let count = rule.violations;
        broken.push(format!("{count} violations of the rule {}", rule.rule));
    }
}

/// What can be seen from outside, without the database.
fn check_answers(totals: Totals, healthy_after: Option<Duration>, broken: &mut Vec<String>) {
    if totals.slowest > ANSWER_MAX {
        broken.push(format!("an answer took {:?}", totals.slowest));
    }
    match healthy_after {
        Some(after) if after <= HEALTHY_WITHIN => {}
        Some(_) => broken.push(format!("not healthy within {HEALTHY_WITHIN:?}")),
        None => broken.push("not healthy again".to_owned()),
    }
}

fn was_felt(totals: Totals) -> bool {
    totals.refused > 0 || totals.unanswered > 0 || totals.slowest >= SLOW
}

/// Causes a fault, cures it, and checks what must hold.
async fn meet(scene: &mut Scene, fault: &Fault, seed: u64) -> Row {
    if let Some(reason) = (fault.not_here)(scene) {
        return Row::not_run(fault.name, &scene.engine_name, reason);
    }
    let mut broken = Vec::new();
    scene.market = scene.market.reopened();
    let before = express_orders(&scene.by_hand().await).await;
    let watch = Watch::start(scene).await;
    let opened = Instant::now();
    clients::start(scene, fault.card, seed);
    let missing = until_all_sell(scene, opened).await;
    if !missing.is_empty() {
        broken.push(format!("before the fault, no sale by {missing:?}"));
    }

    let caused = Instant::now();
    (fault.cause)(scene).await;
    last(fault, &watch).await;
    (fault.cure)(scene).await;
    let cured = Instant::now();

    let healthy_after = until_healthy(scene, cured, seed).await;
    let missing = until_all_sell(scene, cured).await;
    if !missing.is_empty() {
        broken.push(format!("after the fault, no sale by {missing:?}"));
    }
    let market = scene.market.clone();
    clients::end(&market, &mut scene.clients, CLIENTS_END_WITHIN).await;
    broken.extend(market.answers.failures());

    let totals = market.answers.totals(caused);
    check_answers(totals, healthy_after, &mut broken);
    check_stored(scene, before, &mut broken).await;
    let moved = until_moved(scene, &fault.moves, &watch).await;
    if !moved {
        broken.push(format!("{} did not move", fault.moves));
    }
    let is_felt = match &fault.felt_by {
        Some(metric) if !was_felt(totals) => until_moved(scene, metric, &watch).await,
        _ => was_felt(totals),
    };
    if !is_felt {
        broken.push("not felt".to_owned());
    }
    Row {
        fault: fault.name,
        engine: scene.engine_name.clone(),
        totals,
        healthy_after,
        moved: moved.then(|| fault.moves.to_string()),
        verdict: verdict(broken),
    }
}

fn verdict(broken: Vec<String>) -> Verdict {
    if broken.is_empty() {
        Verdict::Held
    } else {
        Verdict::Broken(broken)
    }
}

/// Waits until a metric has moved, for a moment after the last request.
async fn until_moved(scene: &Scene, metric: &Metric, watch: &Watch) -> bool {
    let begin = Instant::now();
    loop {
        let after = scene.scrape().await;
        if watch.has_moved(metric, after.as_ref()) {
            return true;
        }
        if begin.elapsed() > MOVES_WITHIN {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Runs the clients without a fault. Nothing may be felt, and no metric that a fault moves may
/// move: otherwise the other rows would show nothing.
async fn compare(scene: &mut Scene, seed: u64) -> Row {
    let mut broken = Vec::new();
    let fault = Fault::NONE;
    scene.market = scene.market.reopened();
    let before = express_orders(&scene.by_hand().await).await;
    let watch = Watch::start(scene).await;
    let opened = Instant::now();
    clients::start(scene, fault.card, seed);
    last(&fault, &watch).await;
    let missing = until_all_sell(scene, opened).await;
    if !missing.is_empty() {
        broken.push(format!("no sale by {missing:?}"));
    }
    let healthy_after = until_healthy(scene, opened, seed).await;
    let market = scene.market.clone();
    clients::end(&market, &mut scene.clients, CLIENTS_END_WITHIN).await;
    broken.extend(market.answers.failures());
    let totals = market.answers.totals(opened);
    check_stored(scene, before, &mut broken).await;
    if was_felt(totals) {
        broken.push(format!("refused or slow without a fault: {totals:?}"));
    }
    let after = scene.scrape().await;
    for other in fault::all() {
        let metrics = [Some(other.moves), other.felt_by];
        for metric in metrics.iter().flatten() {
            if watch.has_moved(metric, after.as_ref()) {
                broken.push(format!("{metric} moved without a fault ({})", other.name));
            }
        }
    }
    if !watch.has_moved(&fault.moves, after.as_ref()) {
        broken.push(format!("{} did not move", fault.moves));
    }
    Row {
        fault: fault.name,
        engine: scene.engine_name.clone(),
        totals,
        healthy_after,
        moved: Some(fault.moves.to_string()),
        verdict: verdict(broken),
    }
}

/// Waits until the outcome of every payment is known, and compares the money of shop and provider.
async fn check_money(scene: &Scene) {
    let (by_hand, begin) = (scene.by_hand().await, Instant::now());
    loop {
        let open: i64 = by_hand.value(UNRESOLVED).await;
        if open == 0 {
            break;
        }
        assert!(
            begin.elapsed() < RESOLVED_WITHIN,
            "{open} outcomes are open"
        );
        tokio::time::sleep(POLL).await;
    }
    let mismatches: i64 = by_hand.value(MONEY_MISMATCHES).await;
    assert_eq!(mismatches, 0, "shop and provider disagree about money");
}

/// Prints a row, and begins with a fresh server after a fault that has broken something, so that
/// the next fault shows only itself.
async fn finish(scene: &mut Scene, rows: &mut Vec<Row>, row: Row) {
    eprintln!("{}", row.line());
    if matches!(row.verdict, Verdict::Broken(_)) {
        scene.release().await;
        scene.kill_server();
        scene.start_server(None);
        let url = scene.market.url();
        let log = scene.runner.log_text();
        assert!(scene.runner.is_ready(&url).await, "{log}");
    }
    rows.push(row);
}

/// Causes the selected faults, one after the other.
async fn meet_all(
    scene: &mut Scene,
    faults: &[Fault],
    (seed, selection): (u64, &str),
    rows: &mut Vec<Row>,
) {
    let selected = faults.iter().filter(|fault| fault.name.contains(selection));
    for fault in selected {
        let number = u64::try_from(rows.len()).expect("small");
        let row = meet(scene, fault, seed.wrapping_add(number)).await;
        finish(scene, rows, row).await;
    }
    check_money(scene).await;
}

/// Causes the faults that need a disk that can be filled, on servers of their own.
async fn meet_on_small_disk(by: (u64, &str), engine: &str, rows: &mut Vec<Row>) {
    let faults = fault::on_small_disk();
    if faults.iter().all(|fault| !fault.name.contains(by.1)) {
        return;
    }
    match OwnDatabase::start_on_small_disk().await {
        Ok(database) => {
            let mut scene = Scene::on(database).await;
            meet_all(&mut scene, faults, by, rows).await;
        }
        Err(reason) => {
            let not_run = faults
                .iter()
                .map(|fault| Row::not_run(fault.name, engine, &reason));
            rows.extend(not_run);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and the whole machine: ./makew faults"]
async fn nothing_is_lost_in_any_fault() {
    let (seed, begin) = (support::seed(), Instant::now());
    let selection = std::env::var(SELECTION).unwrap_or_default();
    let (by, mut rows) = ((seed, selection.as_str()), Vec::new());
    let engine = {
        let mut scene = Scene::on(OwnDatabase::start().await).await;
        let row = compare(&mut scene, seed).await;
        finish(&mut scene, &mut rows, row).await;
        meet_all(&mut scene, &fault::on_usual_disk(), by, &mut rows).await;
        scene.engine_name.clone()
    };
    meet_on_small_disk(by, &engine, &mut rows).await;
    if selection.is_empty() {
        let run = Run {
            engine: &engine,
            seed,
            took: begin.elapsed(),
            rows: &rows,
        };
        run.store();
    }
    let is_broken = |row: &&Row| matches!(row.verdict, Verdict::Broken(_));
    let failed: Vec<_> = rows.iter().filter(is_broken).map(Row::line).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
