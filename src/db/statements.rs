//! A connection whose statements pass a stop, if there is one. Without, each goes straight on: one look at an `Option`, and no allocation.

use std::pin::Pin;

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement,
};

use super::stops::{self, Heard, Said, StockRow, Stop, Stops};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Statements<C> {
    connection: C,
    stop: Stop,
}

/// What the methods of [`ConnectionTrait`] return. They are written as `async_trait` would write them, because it would box each future once
/// more.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl<C> Statements<C> {
    pub(super) fn new(connection: C, stop: Stop) -> Self {
        Self { connection, stop }
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(super) fn connection(&self) -> &C {
        &self.connection
    }

    pub(super) fn into_connection(self) -> C {
        self.connection
    }
}

impl<C: ConnectionTrait + Send + Sync> Statements<C> {
    async fn stopped<T>(
        &self,
        stops: &dyn Stops,
        said: Said,
        act: Answer<'_, T>,
        heard: impl FnOnce(&T) -> Heard,
    ) -> Result<T, DbErr> {
        stops.before(said).await.map_err(stops::halted)?;
        let result = act.await;
        let look = stops.after(match &result {
            Ok(answer) => heard(answer),
            Err(error) => stops::failed(error),
        });
        if let Some(look) = look.statement() {
            let rows = StockRow::find_by_statement(look)
                .all(&self.connection)
                .await?;
            stops.looked(rows);
        }
        result
    }
}

impl<C: ConnectionTrait + Send + Sync> ConnectionTrait for Statements<C> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.connection.get_database_backend()
    }

    fn execute_raw<'s, 'a>(&'s self, statement: Statement) -> Answer<'a, ExecResult>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(stops) = &self.stop else {
            return self.connection.execute_raw(statement);
        };
        let said = Said::of(&statement);
        let act = self.connection.execute_raw(statement);
        Box::pin(self.stopped(&**stops, said, act, affected))
    }

    fn execute_unprepared<'s, 't, 'a>(&'s self, sql: &'t str) -> Answer<'a, ExecResult>
    where
        's: 'a,
        't: 'a,
        Self: 'a,
    {
        let act = self.connection.execute_unprepared(sql);
        let Some(stops) = &self.stop else {
            return act;
        };
        Box::pin(self.stopped(&**stops, Said::plain(sql), act, affected))
    }

    fn query_one_raw<'s, 'a>(&'s self, statement: Statement) -> Answer<'a, Option<QueryResult>>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(stops) = &self.stop else {
            return self.connection.query_one_raw(statement);
        };
        let said = Said::of(&statement);
        let act = self.connection.query_one_raw(statement);
        Box::pin(self.stopped(&**stops, said, act, |row| {
            Heard::Rows(stops::cells(row.as_slice()))
        }))
    }

    fn query_all_raw<'s, 'a>(&'s self, statement: Statement) -> Answer<'a, Vec<QueryResult>>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(stops) = &self.stop else {
            return self.connection.query_all_raw(statement);
        };
        let said = Said::of(&statement);
        let act = self.connection.query_all_raw(statement);
        Box::pin(self.stopped(&**stops, said, act, |rows| Heard::Rows(stops::cells(rows))))
    }
}

fn affected(result: &ExecResult) -> Heard {
    Heard::Affected(result.rows_affected())
}
