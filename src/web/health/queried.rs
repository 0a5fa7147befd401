//! The figures that need a query: of the database, and of the queue in Redis.

use std::time::{Duration, Instant};

use crate::{
    db::{
        Db, clock,
        server_load::{self, ServerLoad},
    },
    model::ShopError,
    shop::{
        Shop,
        audit::{self, LatestAudit, Stored},
        inventory::order_queue::QueueState,
        operation::ShopFigures,
    },
};

/// Figures of the whole shop, whichever server reads them.
#[derive(Clone, Debug)]
pub struct Queried {
    pub at: Instant,
    pub shop: ShopFigures,
    /// `None` if the account may not see it, as without `PROCESS` on MySQL.
    pub load: Option<ServerLoad>,
    /// How far the clocks of this server and of the database are apart, at least; `None` if the
    /// database's was not read.
    pub clocks_apart: Option<time::Duration>,
    /// `None` before the first audit.
    pub continuous_audit: Option<AuditFigures>,
    pub full_audit: Option<AuditFigures>,
    /// The queue of orders; `None` without Redis, and while it does not answer.
    pub order_queue: Option<QueueState>,
}

/// The latest result of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditFigures {
    /// The age of the result when it was read.
    pub age: Duration,
    pub violations: usize,
}

impl From<LatestAudit> for AuditFigures {
    fn from(latest: LatestAudit) -> Self {
        Self {
            age: latest.age,
            violations: latest.report.violations(),
        }
    }
}

/// Reads the figures.
pub async fn read(shop: &Shop) -> Result<Queried, ShopError> {
    let figures = shop.operation().figures().await?;
    let (continuous_audit, full_audit) = tokio::try_join!(
        audit::latest(shop.db(), Stored::Continuous),
        audit::latest(shop.db(), Stored::Full)
    )?;
    let (load, clocks_apart, order_queue) = tokio::join!(
        load_of(shop.db()),
        clocks_apart(shop.db()),
        order_queue_of(shop)
    );
    Ok(Queried {
        at: Instant::now(),
        shop: figures,
        load,
        clocks_apart,
        continuous_audit: continuous_audit.map(AuditFigures::from),
        full_audit: full_audit.map(AuditFigures::from),
        order_queue,
    })
}

async fn order_queue_of(shop: &Shop) -> Option<QueueState> {
    shop.gate()?;
    match shop.queue().state().await {
        Ok(state) => Some(state),
        Err(error) => {
            tracing::debug!(%error, "the queue of orders is not visible");
            None
        }
    }
}

async fn clocks_apart(db: &Db) -> Option<time::Duration> {
    match clock::difference(db.reader()).await {
        Ok(apart) => Some(apart),
        Err(error) => {
            tracing::debug!(%error, "the clock of the database is not visible");
            None
        }
    }
}

async fn load_of(db: &Db) -> Option<ServerLoad> {
    match server_load::read(db.reader()).await {
        Ok(load) => Some(load),
        Err(error) => {
            tracing::debug!(%error, "the load of the database server is not visible");
            None
        }
    }
}
