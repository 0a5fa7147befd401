//! Lists runs, newest first and without their samples.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::{
    reading::{newest, simulations},
    to_json,
    unreadable::ListedRun,
};
use crate::{
    db::{
        Db, dialect,
        entity::{product, simulation_lane, simulation_run},
        txn,
    },
    model::{RunSnapshot, RunState, ShopError, SimulationPlan, StrategyKey},
};

/// The largest number of runs that one page examines. The search for a rare outcome continues on
/// the next page.
const EXAMINED_MAX: u64 = 1_000;
/// The number of runs that are read at once.
const BATCH: u64 = 200;
/// The largest number of repeats of one plan that are read.
const REPEATS_MAX: u64 = 50;

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    Passed,
    /// An invariant or a threshold was violated.
    NotPassed,
    /// The run has no verdict, or only what was counted after it was cut off.
    Failed,
    /// The run is in progress.
    Running,
}

impl RunOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Passed, Self::NotPassed, Self::Failed, Self::Running];

    /// The outcome as a URL parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotPassed => "not-passed",
            Self::Failed => "failed",
            Self::Running => "running",
        }
    }

    /// The outcome as a page shows it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::NotPassed => "Not passed",
            Self::Failed => "Failed",
            Self::Running => "Running",
        }
    }

    /// Returns the outcome with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// Returns true if this is the outcome of a run; that of an unreadable one is not known.
    fn is_of(self, run: &ListedRun) -> bool {
        matches!(run, ListedRun::Readable(run) if Self::of(run) == self)
    }

    /// Returns the outcome of this run.
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

/// Selects the runs to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs with a lane of this strategy.
    pub strategy: Option<StrategyKey>,
    pub outcome: Option<RunOutcome>,
    /// Only runs that are older than this one.
    pub before: Option<Uuid>,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPage {
    pub runs: Vec<ListedRun>,
    /// The start of the next page, if there may be one.
    pub next: Option<Uuid>,
}

/// Reads the latest runs, newest first, without their samples.
pub async fn latest(db: &Db, at_most: u64) -> Result<Vec<ListedRun>, ShopError> {
    let runs = newest(db, simulations(), at_most).await?;
    Ok(runs.into_iter().map(ListedRun::of).collect())
}

/// Reads the newest runs that match the filter, at most `at_most`.
pub async fn list(db: &Db, filter: RunFilter, at_most: usize) -> Result<RunPage, ShopError> {
    let mut page = RunPage {
        runs: Vec::new(),
        next: filter.before,
    };
    let mut examined = 0;
    while examined < EXAMINED_MAX {
        let rows = batch(db, filter.strategy, page.next).await?;
        let is_last = (rows.len() as u64) < BATCH;
        examined += rows.len() as u64;
        for row in rows {
            // The page is full, and there are more runs.
            if page.runs.len() == at_most {
                return Ok(page);
            }
            page.next = Some(row.id);
            let run = ListedRun::of(row);
            if filter.outcome.is_none_or(|wanted| wanted.is_of(&run)) {
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

/// Reads the next batch of runs.
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
    let runs = simulations()
        .apply_if(strategy, |query, strategy| {
            query.filter(with_lane(strategy))
        })
        .apply_if(before, |query, before| {
            query.filter(simulation_run::Column::Id.lt(before))
        });
    newest(db, runs, BATCH).await
}

/// Returns those of the products that may still be sold: products of the shop, and private products
/// of runs in progress.
pub async fn products_for_sale(db: &Db, product_ids: &[i64]) -> Result<Vec<i64>, DbErr> {
    use {
        product::Column as Product, simulation_lane::Column as Lane, simulation_run::Column as Run,
    };
    let is_running = Run::State.eq(RunState::Running.as_str());
    let query = Query::select()
        .column(Product::Id.as_column_ref())
        .from(product::Entity)
        .left_join(
            simulation_lane::Entity,
            Expr::col(Lane::Id.as_column_ref()).equals(Product::LaneId.as_column_ref()),
        )
        .left_join(
            simulation_run::Entity,
            Expr::col(Run::Id.as_column_ref()).equals(Lane::RunId.as_column_ref()),
        )
        .and_where(dialect::column_in(Product::Id, product_ids))
        .and_where(Product::LaneId.is_null().or(is_running))
        .to_owned();
    let rows = db.reader().query_all(&query).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Reads the newest runs of exactly this plan, including its seed, without those that cannot be
/// read.
pub async fn runs_of_plan(db: &Db, plan: &SimulationPlan) -> Result<Vec<RunSnapshot>, ShopError> {
    let plan = to_json(plan).map_err(txn::read_error)?;
    let repeats = simulations().filter(simulation_run::Column::Plan.eq(plan));
    let runs = newest(db, repeats, REPEATS_MAX).await?.into_iter();
    Ok(runs
        .filter_map(|run| ListedRun::of(run).readable())
        .collect())
}
