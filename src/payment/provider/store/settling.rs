//! What charges and refunds have in common: each is processing until it is due, and is then settled
//! once.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Store, StoreError,
    pool::{Columns, Parameter, Pool, Sql},
};

/// A stored charge or refund.
pub trait MoneyMovement: Sized + 'static {
    /// The columns that each statement returns.
    type Columns: Columns;

    /// Finds the row with the reference `$1`.
    const FIND: Sql;
    /// Settles the row with the reference `$1` if it is processing and due.
    const SETTLE_ONE: Sql;
    /// Settles up to `$1` rows that are processing and due, and returns a row for each. On MySQL,
    /// it only returns their references.
    const SETTLE_DUE: Sql;

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    fn read(columns: Self::Columns) -> Result<Self, StoreError>;

    fn reference(&self) -> Uuid;

    fn is_processing(&self) -> bool;

    /// Time until it is due; zero once it is.
    fn settles_in(&self) -> Duration;
}

/// The common table expression `due` of a `SETTLE_DUE` statement: the references of up to `$1` due
/// rows of a table, without rows that another provider process is settling.
macro_rules! due_rows {
    ($table:literal) => {
        concat!(
            "due AS MATERIALIZED (
                SELECT reference FROM ",
            $table,
            "   WHERE state = 'processing' AND settle_at <= now()
                ORDER BY settle_at LIMIT $1 FOR UPDATE SKIP LOCKED
            ), "
        )
    };
}
pub(super) use due_rows;

impl Store {
    /// Returns the charge or refund, or `None` if none has this reference.
    pub async fn find<M: MoneyMovement>(&self, reference: Uuid) -> Result<Option<M>, StoreError> {
        self.fetch_one(M::FIND, reference).await
    }

    /// Settles a charge or refund that is due: captures or declines the charge, pays out the
    /// refund. Returns `None` if it is final already or not due yet.
    pub async fn settle<M: MoneyMovement>(&self, reference: Uuid) -> Result<Option<M>, StoreError> {
        self.fetch_one(M::SETTLE_ONE, reference).await
    }

    /// Settles up to `rows_max` charges or refunds that are due. Returns how many it settled.
    pub async fn settle_due<M: MoneyMovement>(&self, rows_max: i64) -> Result<usize, StoreError> {
        self.run(move |pool| async move {
            let limit = vec![Parameter::Number(rows_max)];
            match pool {
                Pool::Postgres(_) => {
                    let settled: Vec<M::Columns> = pool.fetch_all(M::SETTLE_DUE, limit).await?;
                    Ok(settled.len())
                }
                Pool::MySql(_) => {
                    let due: Vec<(Uuid,)> = pool.fetch_all(M::SETTLE_DUE, limit).await?;
                    let mut settled = 0;
                    for (reference,) in due {
                        let reference = vec![Parameter::Uuid(reference)];
                        let row: Option<M::Columns> =
                            pool.fetch_optional(M::SETTLE_ONE, reference).await?;
                        settled += usize::from(row.is_some());
                    }
                    Ok(settled)
                }
            }
        })
        .await
    }

    async fn fetch_one<M: MoneyMovement>(
        &self,
        sql: Sql,
        reference: Uuid,
    ) -> Result<Option<M>, StoreError> {
        let found: Option<M::Columns> = self
            .run(move |pool| async move {
                pool.fetch_optional(sql, vec![Parameter::Uuid(reference)])
                    .await
            })
            .await?;
        found.map(M::read).transpose()
    }
}
