//! A connection that runs each statement through a hook, if there is one. Without a hook, a
//! statement costs one check of an `Option` more, and no allocation.

use std::pin::Pin;

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement,
};

use super::statement_hook::{
    self, OptionalHook, StatementHook, StatementResult, StatementText, StockCounters,
};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Statements<C> {
    connection: C,
    hook: OptionalHook,
}

/// The return type of the [`ConnectionTrait`] methods. They are written as `async_trait` would
/// expand them, because the macro would box each future a second time.
type BoxedResult<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl<C> Statements<C> {
    pub(super) fn new(connection: C, hook: OptionalHook) -> Self {
        Self { connection, hook }
    }

    pub(super) fn hook(&self) -> &OptionalHook {
        &self.hook
    }

    pub(super) fn connection(&self) -> &C {
        &self.connection
    }

    pub(super) fn into_connection(self) -> C {
        self.connection
    }
}

impl<C: ConnectionTrait + Send + Sync> Statements<C> {
    async fn run_hooked<T>(
        &self,
        hook: &dyn StatementHook,
        text: StatementText,
        execution: BoxedResult<'_, T>,
        to_result: impl FnOnce(&T) -> StatementResult,
    ) -> Result<T, DbErr> {
        hook.before_statement(text)
            .await
            .map_err(statement_hook::halted_error)?;
        let result = execution.await;
        let follow_up = hook.after_statement(match &result {
            Ok(answer) => to_result(answer),
            Err(error) => statement_hook::failed_result(error),
        });
        if let Some(query) = follow_up.statement() {
            let rows = StockCounters::find_by_statement(query)
                .all(&self.connection)
                .await?;
            hook.record_stock(rows);
        }
        result
    }
}

impl<C: ConnectionTrait + Send + Sync> ConnectionTrait for Statements<C> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.connection.get_database_backend()
    }

    fn execute_raw<'s, 'a>(&'s self, statement: Statement) -> BoxedResult<'a, ExecResult>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(hook) = &self.hook else {
            return self.connection.execute_raw(statement);
        };
        let text = StatementText::of(&statement);
        let execution = self.connection.execute_raw(statement);
        Box::pin(self.run_hooked(&**hook, text, execution, affected))
    }

    fn execute_unprepared<'s, 't, 'a>(&'s self, sql: &'t str) -> BoxedResult<'a, ExecResult>
    where
        's: 'a,
        't: 'a,
        Self: 'a,
    {
        let execution = self.connection.execute_unprepared(sql);
        let Some(hook) = &self.hook else {
            return execution;
        };
        Box::pin(self.run_hooked(&**hook, StatementText::plain(sql), execution, affected))
    }

    fn query_one_raw<'s, 'a>(&'s self, statement: Statement) -> BoxedResult<'a, Option<QueryResult>>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(hook) = &self.hook else {
            return self.connection.query_one_raw(statement);
        };
        let text = StatementText::of(&statement);
        let execution = self.connection.query_one_raw(statement);
        Box::pin(self.run_hooked(&**hook, text, execution, |row| {
            StatementResult::Rows(statement_hook::text_rows(row.as_slice()))
        }))
    }

    fn query_all_raw<'s, 'a>(&'s self, statement: Statement) -> BoxedResult<'a, Vec<QueryResult>>
    where
        's: 'a,
        Self: 'a,
    {
        let Some(hook) = &self.hook else {
            return self.connection.query_all_raw(statement);
        };
        let text = StatementText::of(&statement);
        let execution = self.connection.query_all_raw(statement);
        Box::pin(self.run_hooked(&**hook, text, execution, |rows| {
            StatementResult::Rows(statement_hook::text_rows(rows))
        }))
    }
}

fn affected(result: &ExecResult) -> StatementResult {
    StatementResult::Affected(result.rows_affected())
}
