//! Sentences about the figures of a run's lanes, computed from that run only.

use std::cmp::Ordering;

use super::{
    ClusterFigures, LaneSnapshot, QueueLocation, RunEventKind, RunSnapshot, SimulationPlan,
    TimeSplitMs, Verdict,
};

/// Describes what happened on a lane of a run with this plan; empty before its verdict.
pub fn of_lane(lane: &LaneSnapshot, plan: &SimulationPlan) -> Vec<String> {
    let Some(verdict) = &lane.verdict else {
        return Vec::new();
    };
    if verdict.counted_afterwards {
        let sentences = [
            Some(counted_afterwards(verdict)),
            oversold(verdict),
            separate_locks(verdict, plan),
            ended_lease(verdict),
            counter(verdict),
        ];
        return sentences.into_iter().flatten().collect();
    }
    [
        Some(sales(verdict)),
        oversold(verdict),
        separate_locks(verdict, plan),
        ended_lease(verdict),
        counter(verdict),
        undersold(verdict),
        lost_in_redis(verdict),
        failures(verdict),
        conflicts(verdict),
        retries(verdict),
        Some(times(verdict)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Compares the guess with the result, once every lane has a verdict.
pub fn of_guess(run: &RunSnapshot) -> Option<String> {
    let guess = run.plan.guess?;
    let judged: Option<Vec<_>> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    let oversold: i64 = judged?.iter().map(|verdict| verdict.oversold).sum();
    Some(if oversold == i64::from(guess) {
        format!("The guess was right: {oversold} oversold.")
    } else {
        format!("The guess was {guess} oversold; the result is {oversold}.")
    })
}

/// Names the servers that ended before the run.
pub fn of_servers(run: &RunSnapshot) -> Option<String> {
    let ended = run
        .events
        .iter()
        .filter(|event| event.kind == RunEventKind::ServerEnded);
    let ended: Vec<_> = ended
        .filter_map(|event| event.server)
        .map(|server| server.to_string())
        .collect();
    let (last, others) = ended.split_last()?;
    Some(match others {
        [] => format!(
            "Server {last} ended during the run. From then on, the attempts of its buyers failed."
        ),
        others => format!(
            "Servers {} and {last} ended during the run. From then on, the attempts of their buyers \
             failed.",
            others.join(", ")
        ),
    })
}

/// Compares a lane that wrote to one node of a cluster with the lane of the same strategy that
/// wrote to all of them, for each strategy with both.
pub fn of_writers(run: &RunSnapshot) -> Option<String> {
    let judged = run.lanes.iter().filter_map(|lane| {
        let verdict = lane.verdict.as_ref()?;
        Some((verdict, verdict.cluster.as_ref()?))
    });
    let judged: Vec<_> = judged.collect();
    let sentences = judged.iter().filter_map(|&(one, on_one)| {
        let with_all = judged.iter().find(|(all, on_all)| {
            all.strategy == one.strategy && on_one.nodes == 1 && on_all.nodes > 1
        });
        Some(compared((one, on_one), *with_all?))
    });
    let sentences: Vec<_> = sentences.collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// A row lock is valid on one node: there, buyers wait for it; on several, the slower ones fail.
fn compared(
    (one, on_one): (&Verdict, &ClusterFigures),
    (all, on_all): (&Verdict, &ClusterFigures),
) -> String {
    format!(
        "{}: with {} writer nodes, {} of {} tries conflicted with another node; with one, {}. A \
         lock of the row makes buyers at the same node wait, but is not known at the others, which \
         compare their changes only at COMMIT. One node sold {:.1} orders per second, {} nodes \
         {:.1}.",
        one.strategy,
        on_all.nodes,
        on_all.conflicts(),
        tries(all),
        on_one.conflicts(),
        one.orders_per_second,
        on_all.nodes,
        all.orders_per_second,
    )
}

/// The attempts, and the tries after the first of each.
fn tries(verdict: &Verdict) -> u64 {
    verdict.attempts + verdict.retries
}

/// Describes what happened between the nodes of a cluster.
fn conflicts(verdict: &Verdict) -> Option<String> {
    let cluster = verdict.cluster.as_ref()?;
    let names = cluster.node_names.join(", ");
    let nodes = match cluster.nodes {
        1 => format!("One writer node ({names})"),
        nodes => format!("{nodes} writer nodes ({names})"),
    };
    Some(match cluster.conflicts() {
        0 => format!("{nodes}: no try conflicted with another node."),
        conflicts => format!(
            "{nodes}: {conflicts} of {} tries failed because another node had changed the same row, \
             {} of them at COMMIT; they were tried again.",
            tries(verdict),
            cluster.certification_failures,
        ),
    })
}

/// Explains why a lock in the memory of each server did not help.
fn separate_locks(verdict: &Verdict, plan: &SimulationPlan) -> Option<String> {
    let servers = plan.servers.max(plan.own_servers);
    let row = verdict.strategy.row();
    let in_memory = row.queue == QueueLocation::ServerMemory && !row.needs_redis;
    (verdict.oversold > 0 && !verdict.safe && in_memory && servers > 1).then(|| {
        format!(
            "Each of the {servers} servers has a lock of its own: buyers at different servers did \
             not wait for each other and sold the same units."
        )
    })
}

/// Explains why a lock in Redis, which all servers share, did not help.
fn ended_lease(verdict: &Verdict) -> Option<String> {
    let row = verdict.strategy.row();
    let in_redis = row.queue == QueueLocation::ServerMemory && row.needs_redis;
    (verdict.oversold > 0 && !verdict.safe && in_redis).then(|| {
        "The lock in Redis expired before its holder had finished: another buyer took the lock, and the row accepted \
         both writes."
            .to_owned()
    })
}

fn sales(verdict: &Verdict) -> String {
    format!(
        "{} bought {} from a stock of {}. {} rejected.",
        counted(verdict.succeeded, "attempt", "attempts"),
        counted(verdict.sold.unsigned_abs(), "unit", "units"),
        verdict.stock,
        was_or_were(verdict.rejected),
    )
}

fn counted_afterwards(verdict: &Verdict) -> String {
    format!(
        "Cut off: {} of {} an order, for {} from a stock of {}. Counted in the database afterwards; \
         the answers of the shop are not known.",
        verdict.succeeded,
        counted(verdict.attempts, "attempt has", "attempts have"),
        counted(verdict.sold.unsigned_abs(), "unit", "units"),
        verdict.stock,
    )
}

fn oversold(verdict: &Verdict) -> Option<String> {
    (verdict.oversold > 0).then(|| {
        format!(
            "Oversold by {}: the order lines add up to more than the stock.",
            counted(verdict.oversold.unsigned_abs(), "unit", "units"),
        )
    })
}

/// Describes the stock row's counter, if it is negative or does not match the orders.
fn counter(verdict: &Verdict) -> Option<String> {
    let taken = verdict.sold + verdict.sold_to_others + verdict.held;
    let fell_by = verdict.stock - verdict.remaining;
    let difference = (taken - fell_by).unsigned_abs();
    match taken.cmp(&fell_by) {
        Ordering::Equal => (verdict.remaining < 0)
            .then(|| format!("The counter ended below zero, at {}.", verdict.remaining)),
        // Each order took one unit, so each lost unit is a lost update.
        Ordering::Greater if taken == verdict.sold && verdict.quantity == 1 => Some(format!(
            "{}, but the counter fell by {fell_by}: {} lost.",
            counted(taken.unsigned_abs(), "order", "orders"),
            counted(difference, "update was", "updates were"),
        )),
        Ordering::Greater => Some(format!(
            "{} sold or reserved, but the counter fell by {fell_by}: updates for {} were lost.",
            counted(taken.unsigned_abs(), "unit was", "units were"),
            counted(difference, "unit", "units"),
        )),
        Ordering::Less => Some(format!(
            "{} sold or reserved, but the counter fell by {fell_by}: {difference} too many.",
            counted(taken.unsigned_abs(), "unit was", "units were"),
        )),
    }
}

fn undersold(verdict: &Verdict) -> Option<String> {
    (verdict.undersold > 0).then(|| {
        format!(
            "Undersold by {}: a buyer was rejected although enough stock remained.",
            counted(verdict.undersold.unsigned_abs(), "unit", "units"),
        )
    })
}

/// Explains which units are undersold by a strategy that trusts what Redis has counted.
fn lost_in_redis(verdict: &Verdict) -> Option<String> {
    (verdict.undersold > 0 && !verdict.safe && verdict.strategy.row().needs_redis).then(|| {
        format!(
            "Redis counted {} as sold that the stock row still has: a purchase was interrupted between its two writes, \
             so only Redis subtracted its units.",
            counted(verdict.undersold.unsigned_abs(), "unit", "units"),
        )
    })
}

fn failures(verdict: &Verdict) -> Option<String> {
    match (verdict.failed, verdict.cut_off) {
        (0, _) => None,
        (failed, cut_off) if failed == cut_off => Some(format!(
            "{} interrupted and placed no order.",
            counted(cut_off, "attempt was", "attempts were"),
        )),
        (failed, cut_off) => Some(format!(
            "{} failed, {cut_off} of them because they were interrupted.",
            counted(failed, "attempt", "attempts"),
        )),
    }
}

fn retries(verdict: &Verdict) -> Option<String> {
    let retries = (verdict.retries > 0).then(|| {
        format!(
            "The attempts needed {}.",
            counted(verdict.retries, "retry", "retries")
        )
    });
    let fallbacks = (verdict.fallbacks > 0).then(|| {
        format!(
            "{} back to the row lock.",
            counted(verdict.fallbacks, "attempt fell", "attempts fell")
        )
    });
    let sentences: Vec<_> = retries.into_iter().chain(fallbacks).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn times(verdict: &Verdict) -> String {
    let latency = verdict.latency_ms;
    let (part, share) = largest_part(verdict.time_split_ms);
    let largest = if share > 0.0 {
        format!(" On average, {share:.0} % of the latency was spent {part}.")
    } else {
        String::new()
    };
    format!(
        "Median latency {:.1} ms, 99th percentile {:.1} ms.{largest}",
        latency.p50, latency.p99
    )
}

/// Returns the largest part of the latency and its share, in percent.
fn largest_part(split: TimeSplitMs) -> (&'static str, f64) {
    let parts = [
        ("waiting for a connection", split.pool_wait),
        ("waiting in the server’s memory", split.queue_wait),
        ("waiting for Redis", split.redis),
        ("waiting for the lock", split.lock_wait),
        ("executing statements", split.execute),
        ("in the race window", split.pause),
        ("committing", split.commit),
        ("waiting for the payment", split.payment),
        ("pausing before retries", split.backoff),
        ("outside of all measured parts", split.other),
    ];
    let all = split.total();
    let largest = parts
        .into_iter()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .unwrap_or(("nothing", 0.0));
    let share = if all > 0.0 {
        largest.1 / all * 100.0
    } else {
        0.0
    };
    (largest.0, share)
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn was_or_were(number: u64) -> String {
    counted(number, "was", "were")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LatencyMs, RunEvent, RunState, StrategyKey};

    fn findings(verdict: Verdict) -> Vec<String> {
        findings_at(0, verdict)
    }

    fn findings_at(own_servers: u32, verdict: Verdict) -> Vec<String> {
        let plan = SimulationPlan {
            own_servers,
            ..SimulationPlan::preset()
        };
        let lane = LaneSnapshot {
            strategy: verdict.strategy,
            writers: None,
            product_name: String::new(),
            stock: verdict.stock,
            samples: Vec::new(),
            latency_ms: LatencyMs::default(),
            verdict: Some(verdict),
        };
        of_lane(&lane, &plan)
    }

    #[test]
    fn a_lock_in_memory_that_did_not_help_is_explained_only_with_several_servers() {
        let oversold = |strategy: StrategyKey, oversold| Verdict {
            strategy,
            safe: strategy.is_safe(),
            oversold,
            ..Verdict::example()
        };
        let explained = |servers, verdict| {
            let text = findings_at(servers, verdict).join("\n");
            text.contains(&format!(
                "Each of the {servers} servers has a lock of its own"
            ))
        };
        assert!(explained(2, oversold(StrategyKey::ProcessMutex, 3)));
        assert!(!explained(1, oversold(StrategyKey::ProcessMutex, 3)));
        assert!(!explained(2, oversold(StrategyKey::ProcessMutex, 0)));
        assert!(!explained(2, oversold(StrategyKey::Unguarded, 3)));
        assert!(!explained(2, oversold(StrategyKey::MicroBatch, 0)));
        assert!(!explained(2, oversold(StrategyKey::RedisLockUnfenced, 3)));
    }

    fn on_nodes(nodes: u32, certification_failures: u64, rolled_back: u64) -> Verdict {
        Verdict {
            attempts: 1_000,
            retries: certification_failures + rolled_back,
            cluster: Some(ClusterFigures {
                nodes,
                node_names: (1..=nodes).map(|node| format!("node{node}")).collect(),
                certification_failures,
                rolled_back,
            }),
            ..Verdict::example()
        }
    }

    #[test]
    fn conflicts_between_nodes_are_counted() {
        for (verdict, expected) in [
            (
                on_nodes(3, 12, 400),
                "3 writer nodes (node1, node2, node3): 412 of 1412 tries failed because another \
                 node had changed the same row, 12 of them at COMMIT; they were tried again.",
            ),
            (
                on_nodes(1, 0, 0),
                "One writer node (node1): no try conflicted with another node.",
            ),
        ] {
            let text = findings(verdict).join("\n");
            assert!(text.contains(expected), "{text}");
        }
        let text = findings(Verdict::example()).join("\n");
        assert!(!text.contains("writer node"), "{text}");
    }

    #[test]
    fn one_writer_node_is_compared_with_all() {
        let lane = |verdict: Verdict| LaneSnapshot {
            strategy: verdict.strategy,
            writers: None,
            product_name: String::new(),
            stock: verdict.stock,
            samples: Vec::new(),
            latency_ms: LatencyMs::default(),
            verdict: Some(verdict),
        };
        let run = |verdicts: Vec<Verdict>| RunSnapshot {
            id: String::new(),
            state: RunState::Finished,
            plan: SimulationPlan::preset(),
            started_at: String::new(),
            name: String::new(),
            note: String::new(),
            lanes: verdicts.into_iter().map(lane).collect(),
            events: Vec::new(),
            paused_ms: 0,
            passed: None,
            failure: None,
        };
        let (one, mut all) = (on_nodes(1, 0, 0), on_nodes(3, 12, 400));
        all.orders_per_second = 7.5;
        let text = of_writers(&run(vec![one.clone(), all.clone()])).unwrap_or_default();
        for part in [
            "row-lock: with 3 writer nodes, 412 of 1412 tries conflicted with another node; with \
             one, 0.",
            "One node sold 20.0 orders per second, 3 nodes 7.5.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        all.strategy = StrategyKey::Optimistic;
        assert_eq!(of_writers(&run(vec![one.clone(), all])), None);
        assert_eq!(of_writers(&run(vec![one, Verdict::example()])), None);
    }

    #[test]
    fn what_an_exhibit_in_redis_lost_is_explained() {
        let of = |strategy: StrategyKey, oversold, undersold| Verdict {
            strategy,
            safe: strategy.is_safe(),
            oversold,
            undersold,
            remaining: 5,
            ..Verdict::example()
        };
        let lease = "The lock in Redis expired before its holder had finished";
        let lost = "Redis counted 5 units as sold that the stock row still has";
        for (verdict, explanation, is_there) in [
            (of(StrategyKey::RedisLockUnfenced, 2, 0), lease, true),
            (of(StrategyKey::RedisLockUnfenced, 0, 0), lease, false),
            (of(StrategyKey::ProcessMutex, 2, 0), lease, false),
            (of(StrategyKey::RedisDualWrite, 2, 0), lease, false),
            (of(StrategyKey::RedisDualWrite, 0, 5), lost, true),
            (of(StrategyKey::RedisDualWrite, 0, 0), lost, false),
            (of(StrategyKey::RedisCounter, 0, 5), lost, false),
            (of(StrategyKey::Unguarded, 0, 5), lost, false),
        ] {
            let text = findings(verdict).join("\n");
            assert_eq!(text.contains(explanation), is_there, "{text}");
        }
    }

    #[test]
    fn servers_that_ended_are_named() {
        let run = |servers: &[u32]| RunSnapshot {
            id: String::new(),
            state: RunState::Finished,
            plan: SimulationPlan::preset(),
            started_at: String::new(),
            name: String::new(),
            note: String::new(),
            lanes: Vec::new(),
            events: servers
                .iter()
                .map(|server| RunEvent {
                    lane: None,
                    elapsed_ms: 1,
                    kind: RunEventKind::ServerEnded,
                    server: Some(*server),
                })
                .collect(),
            paused_ms: 0,
            passed: None,
            failure: None,
        };
        assert_eq!(of_servers(&run(&[])), None);
        assert_eq!(
            of_servers(&run(&[2])).as_deref(),
            Some("Server 2 ended during the run. From then on, the attempts of its buyers failed.")
        );
        assert_eq!(
            of_servers(&run(&[4, 1, 2])).as_deref(),
            Some(
                "Servers 4, 1 and 2 ended during the run. From then on, the attempts of their buyers failed."
            )
        );
    }

    #[test]
    fn a_passed_lane_has_two_sentences() {
        let mut verdict = Verdict::example();
        verdict.latency_ms.p50 = 3.0;
        verdict.latency_ms.p99 = 40.0;
        verdict.time_split_ms.lock_wait = 3.0;
        verdict.time_split_ms.execute = 1.0;
        assert_eq!(
            findings(verdict),
            [
                "20 attempts bought 20 units from a stock of 20. 13 were rejected.",
                "Median latency 3.0 ms, 99th percentile 40.0 ms. On average, 75 % of the latency was spent waiting for the lock.",
            ]
        );
    }

    #[test]
    fn the_largest_part_may_be_outside_of_the_database() {
        let mut verdict = Verdict::example();
        verdict.time_split_ms.queue_wait = 724.0;
        verdict.time_split_ms.execute = 16.0;
        let text = findings(verdict).join("\n");
        assert!(
            text.contains("98 % of the latency was spent waiting in the server’s memory."),
            "{text}"
        );
    }

    #[test]
    fn lost_updates_and_interrupted_attempts_are_described() {
        let mut verdict = Verdict::example();
        verdict.sold = 32;
        verdict.succeeded = 32;
        verdict.rejected = 1;
        verdict.oversold = 12;
        verdict.remaining = 3;
        verdict.retries = 1;
        verdict.failed = 2;
        verdict.cut_off = 2;
        let text = findings(verdict).join("\n");
        for part in [
            "1 was rejected.",
            "Oversold by 12 units:",
            "32 orders, but the counter fell by 17: 15 updates were lost.",
            "2 attempts were interrupted and placed no order.",
            "The attempts needed 1 retry.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_run_that_was_cut_off_says_that_its_orders_were_counted_afterwards() {
        let mut verdict = Verdict::example();
        verdict.counted_afterwards = true;
        verdict.attempts = 400;
        verdict.succeeded = 90;
        verdict.sold = 90;
        verdict.stock = 400;
        verdict.remaining = 391;
        assert_eq!(
            findings(verdict),
            [
                "Cut off: 90 of 400 attempts have an order, for 90 units from a stock of 400. Counted in the database afterwards; the answers of the shop are not known.",
                "90 orders, but the counter fell by 9: 81 updates were lost.",
            ]
        );
    }

    #[test]
    fn a_negative_counter_is_described() {
        let mut verdict = Verdict::example();
        verdict.sold = 25;
        verdict.oversold = 5;
        verdict.remaining = -5;
        let text = findings(verdict).join("\n");
        assert!(text.contains("below zero, at -5."), "{text}");
    }
}
