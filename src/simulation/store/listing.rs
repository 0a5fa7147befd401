//! Lists of runs, newest first and without their points.

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Query};
use uuid::Uuid;

use super::{
    reading::{simulations, snapshot},
    to_json,
};
use crate::{
    db::{
        Db,
        entity::{simulation_lane, simulation_run},
        txn,
    },
    model::{RunSnapshot, RunState, ShopError, SimulationPlan, StrategyKey},
};

/// Runs that one page of the list looks at, at most: an outcome that is rare is then looked for on the next page.
const LOOKED_AT_MAX: u64 = 1_000;
/// Runs that are read at once.
const BATCH: u64 = 200;
/// Repeats of one plan that are read.
const REPEATS_MAX: u64 = 50;

/// How a run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// An invariant or a threshold broke.
    NotPassed,
    /// It came to no verdict.
    Failed,
    /// It goes on.
    Running,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Passed, Self::NotPassed, Self::Failed, Self::Running];

    /// As addresses spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotPassed => "not-passed",
            Self::Failed => "failed",
            Self::Running => "running",
        }
    }

    /// As a person reads it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::NotPassed => "Not passed",
            Self::Failed => "No verdict",
            Self::Running => "Running",
        }
    }

    /// The outcome of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// How this run came out.
    pub const fn of(run: &RunSnapshot) -> Self {
        match (run.passed, run.state) {
            (_, RunState::Failed) => Self::Failed,
            (Some(true), _) => Self::Passed,
            (Some(false), _) => Self::NotPassed,
            (None, state) if state.is_over() => Self::Failed,
            (None, _) => Self::Running,
        }
    }
}

/// Which runs are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Those with a lane of this strategy.
    pub strategy: Option<StrategyKey>,
    pub outcome: Option<Outcome>,
    /// Those that are older than this run.
    pub before: Option<Uuid>,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPage {
    pub runs: Vec<RunSnapshot>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Uuid>,
}

/// The newest runs that the filter lets through, `at_most` so many.
///
/// # Errors
/// What a database failure means.
pub async fn list(db: &Db, filter: RunFilter, at_most: usize) -> Result<RunPage, ShopError> {
    let mut page = RunPage {
        runs: Vec::new(),
        next: filter.before,
    };
    let mut looked_at = 0;
    while looked_at < LOOKED_AT_MAX {
        let rows = batch(db, filter.strategy, page.next).await?;
        let is_last = (rows.len() as u64) < BATCH;
        looked_at += rows.len() as u64;
        for row in rows {
            // The page is full, and there is more.
            if page.runs.len() == at_most {
                return Ok(page);
            }
            page.next = Some(row.id);
            let run = snapshot(row).map_err(txn::read_error)?;
            if filter
                .outcome
                .is_none_or(|wanted| wanted == Outcome::of(&run))
            {
                page.runs.push(run);
            }
        }
        if is_last {
            page.next = None;
            break;
        }
    }
    Ok(page)
}

/// Ids are UUIDv7: newest first is by id.
async fn batch(
    db: &Db,
    strategy: Option<StrategyKey>,
    before: Option<Uuid>,
) -> Result<Vec<simulation_run::Model>, ShopError> {
    let with_lane = |strategy: StrategyKey| {
        let lanes = Query::select()
            .column(simulation_lane::Column::RunId)
            .from(simulation_lane::Entity)
            .and_where(simulation_lane::Column::Strategy.eq(strategy.as_str()))
            .to_owned();
        simulation_run::Column::Id.in_subquery(lanes)
    };
    simulations()
        .apply_if(strategy, |query, strategy| {
            query.filter(with_lane(strategy))
        })
        .apply_if(before, |query, before| {
            query.filter(simulation_run::Column::Id.lt(before))
        })
        .order_by_desc(simulation_run::Column::Id)
        .limit(BATCH)
        .all(db.reader())
        .await
        .map_err(txn::read_error)
}

/// The newest runs of this very plan, its seed included.
///
/// # Errors
/// What a database failure means.
pub async fn of_plan(db: &Db, plan: &SimulationPlan) -> Result<Vec<RunSnapshot>, ShopError> {
    let plan = to_json(plan).map_err(txn::read_error)?;
    let runs = simulations()
        .filter(simulation_run::Column::Plan.eq(plan))
        .order_by_desc(simulation_run::Column::Id)
        .limit(REPEATS_MAX)
        .all(db.reader())
        .await
        .map_err(txn::read_error)?;
    runs.into_iter()
        .map(|run| snapshot(run).map_err(txn::read_error))
        .collect()
}
