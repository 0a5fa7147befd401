//! The continuous audit: every few seconds, one server checks every rule on what changed since the
//! last round. Its cost follows the changes, not the history. See
//! docs/decisions/0021-two-audits.md.

use std::time::{Duration, Instant};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::OnConflict,
};

use super::{
    AuditReport, RuleResult, Stored,
    changes::{self, Changes, Watermarks},
    evaluate, evaluate_whole,
    rules::{Extent, RULES},
    scope::Scope,
    store,
    verified_sums::{self, ROWS_PER_INSERT},
};
use crate::{
    db::{
        Db, dialect,
        entity::{audit_change, audit_watermark},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::Isolation,
};

/// The advisory lock of a round: an arbitrary number that no other lock uses. Two rounds, on two
/// nodes of a cluster, store the same result row, so one of them fails at COMMIT and is retried.
const ROUND_LOCK: i64 = 0x6175_6469;
/// Deadline of a round.
const ROUND_DEADLINE: Duration = Duration::from_secs(60);

/// A round of the continuous audit.
#[derive(Debug)]
pub struct Round {
    pub report: AuditReport,
    /// True if more changed than one round reads: the next one should follow at once.
    pub has_more: bool,
}

/// Checks what changed since the last round, stores the result and advances the watermarks, in one
/// transaction: if the server dies, the next round checks the same again. What violates a rule is
/// checked again in every round until it does not.
///
/// Returns `None` if another server is at it.
///
/// # Errors
/// [`TxnError`] if the database fails. A violation is not an error.
pub async fn run_round(db: &Db) -> Result<Option<Round>, TxnError> {
    let started = Instant::now();
    let decided = changes::decided_ids(db)
        .await
        .map_err(|source| TxnError::Unavailable {
            name: "continuous audit",
            source: Some(source),
        })?;
    let policy = Policy {
        attempts_max: 2,
        deadline: ROUND_DEADLINE,
        isolation: Isolation::RepeatableRead,
        ..Policy::request("continuous audit")
    };
    let round = txn::run_for_result(db, policy, move |work| {
        let decided = decided.clone();
        Box::pin(async move { round(work, decided, started).await })
    })
    .await?;
    if let Some(round) = &round {
        round
            .report
            .log_violations("the continuous audit found violations");
    }
    Ok(round)
}

async fn round(
    work: &Work,
    decided: Option<Watermarks>,
    started: Instant,
) -> Result<Option<Round>, Abort> {
    let connection = work.connection();
    if !dialect::try_advisory_lock_in_transaction(connection, ROUND_LOCK).await? {
        return Ok(None);
    }
    let verified = changes::verified_ids(connection).await?;
    let changes = changes::read(connection, &verified).await?;
    let (report, unclean) = check(work, &changes, started).await?;
    let mut has_more = changes.has_more;
    if let Some(decided) = decided {
        has_more |= advance(connection, &verified, &decided, &changes).await?;
    }
    take_off_the_list(connection, &changes.listed).await?;
    for scope in &unclean {
        put_on_the_list(connection, scope).await?;
    }
    store(work, Stored::Continuous, &report).await?;
    Ok(Some(Round { report, has_more }))
}

/// Checks every rule on what changed, in the caller's snapshot, and changes nothing.
pub async fn report(work: &Work) -> Result<AuditReport, Abort> {
    let verified = changes::verified_ids(work.connection()).await?;
    let changes = changes::read(work.connection(), &verified).await?;
    let (report, _) = check(work, &changes, Instant::now()).await?;
    Ok(report)
}

/// Returns the report, and the parts of the scope in which a rule is violated.
async fn check(
    work: &Work,
    changes: &Changes,
    started: Instant,
) -> Result<(AuditReport, Vec<Scope>), Abort> {
    let connection = work.connection();
    let mut scope = changes.scope.clone();
    scope.follow_holds(connection).await?;
    let mut results: Vec<_> = RULES.iter().map(RuleResult::of).collect();
    add_whole(connection, &mut results).await?;
    let (mut orders, mut unclean) = (0, Vec::new());
    for mut part in scope.into_parts() {
        part.complete(connection).await?;
        orders += part.orders.len();
        if !add_changed(connection, &part, &mut results).await? {
            unclean.push(part);
        }
    }
    let report = AuditReport {
        at: crate::shop::moment::in_utc(dialect::now(connection).await?),
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        checked_orders: Some(orders),
        rules: results,
        exhibits: Vec::new(),
    };
    Ok((report, unclean))
}

/// Adds what the checks find that are not restricted to what changed.
async fn add_whole(
    connection: &impl ConnectionTrait,
    results: &mut [RuleResult],
) -> Result<(), DbErr> {
    for (rule, result) in RULES.iter().zip(results) {
        for check in rule.checks {
            if check.extent == Extent::Whole {
                result.add(evaluate_whole(connection, check).await?);
            }
        }
    }
    Ok(())
}

/// Adds what the other checks find in a part of what changed. Returns true if that is nothing.
async fn add_changed(
    connection: &impl ConnectionTrait,
    part: &Scope,
    results: &mut [RuleResult],
) -> Result<bool, DbErr> {
    let mut is_clean = true;
    for (rule, result) in RULES.iter().zip(results) {
        for check in rule.checks {
            if check.extent != Extent::Restricted {
                continue;
            }
            let Some(statement) = part.restrict(check.sql) else {
                continue;
            };
            let violations = evaluate(connection, statement, check.sentence).await?;
            is_clean &= violations.is_empty();
            result.add(violations);
        }
    }
    Ok(is_clean)
}

/// Advances the watermarks to the decided ids, but by no more than a round reads. Returns true if a
/// table has more.
async fn advance(
    connection: &impl ConnectionTrait,
    verified: &Watermarks,
    decided: &Watermarks,
    changes: &Changes,
) -> Result<bool, DbErr> {
    let mut has_more = false;
    for table in changes::TABLES {
        let from = verified.get(table).copied().unwrap_or(0);
        let decided = decided.get(table).copied().unwrap_or(0).max(from);
        let to = decided.min(from.saturating_add(changes::ROWS_MAX));
        has_more |= to < decided;
        if table == "stock_movement" {
            let recounted = changes.recounted_products();
            verified_sums::advance(connection, (from, to), &recounted).await?;
        }
        if to > from {
            let row = audit_watermark::ActiveModel {
                table_name: Set(table.to_owned()),
                verified_id: Set(to),
            };
            audit_watermark::Entity::insert(row)
                .on_conflict(
                    OnConflict::column(audit_watermark::Column::TableName)
                        .update_column(audit_watermark::Column::VerifiedId)
                        .to_owned(),
                )
                .exec_without_returning(connection)
                .await?;
        }
    }
    Ok(has_more)
}

async fn take_off_the_list(
    connection: &impl ConnectionTrait,
    listed: &[audit_change::Model],
) -> Result<(), DbErr> {
    let ids: Vec<i64> = listed.iter().map(|change| change.id).collect();
    if !ids.is_empty() {
        audit_change::Entity::delete_many()
            .filter(dialect::column_in(audit_change::Column::Id, &ids))
            .exec(connection)
            .await?;
    }
    Ok(())
}

/// Lists the rows of an unclean scope, so that the next round checks them again.
async fn put_on_the_list(connection: &impl ConnectionTrait, scope: &Scope) -> Result<(), DbErr> {
    let mut rows = Vec::new();
    for (kind, ids) in [
        ("order", &scope.orders),
        ("hold", &scope.holds),
        ("movement", &scope.movements),
    ] {
        rows.extend(ids.iter().map(|id| change(kind, Some(*id), None)));
    }
    for (kind, names) in [
        ("code", &scope.codes),
        ("key", &scope.keys),
        ("email", &scope.emails),
    ] {
        rows.extend(
            names
                .iter()
                .map(|name| change(kind, None, Some(name.as_str()))),
        );
    }
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        audit_change::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}

fn change(kind: &str, row_id: Option<i64>, name: Option<&str>) -> audit_change::ActiveModel {
    audit_change::ActiveModel {
        id: NotSet,
        kind: Set(kind.to_owned()),
        row_id: Set(row_id),
        name: Set(name.map(ToOwned::to_owned)),
    }
}
