//! A connection that runs each statement through a hook, if there is one. Without a hook, a
//! statement costs one check of an `Option` more, and no allocation. It also puts each statement
//! into the words of its engine.

use std::pin::Pin;

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement,
};

use super::{
    engine::{
        self, Engine,
        mysql::translate::{Translated, translate, translate_text},
    },
    statement_hook::{
        self, OptionalHook, StatementHook, StatementResult, StatementText, StockCounters,
    },
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
            let query = in_engine_words(&self.connection, query);
            let rows = StockCounters::find_by_statement(query)
                .all(&self.connection)
                .await?;
            hook.record_stock(rows);
        }
        result
    }
}

impl<C: ConnectionTrait + Send + Sync> Statements<C> {
    fn execute<'s, 'a>(&'s self, statement: Statement) -> BoxedResult<'a, ExecResult>
    where
        's: 'a,
        Self: 'a,
    {
        match Engine::of(&self.connection) {
            Engine::Postgres => self.connection.execute_raw(statement),
            Engine::MySql => Box::pin(execute_translated(&self.connection, statement)),
        }
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
            return self.execute(statement);
        };
        let text = StatementText::of(&in_engine_words(&self.connection, statement.clone()));
        let execution = self.execute(statement);
        Box::pin(self.run_hooked(&**hook, text, execution, affected))
    }

    fn execute_unprepared<'s, 't, 'a>(&'s self, sql: &'t str) -> BoxedResult<'a, ExecResult>
    where
        's: 'a,
        't: 'a,
        Self: 'a,
    {
        let engine = Engine::of(&self.connection);
        let execution = match engine {
            Engine::Postgres => self.connection.execute_unprepared(sql),
            Engine::MySql => Box::pin(async move {
                let sql = translate_text(sql);
                self.connection.execute_unprepared(&sql).await
            }),
        };
        let Some(hook) = &self.hook else {
            return execution;
        };
        let text = StatementText::plain(match engine {
            Engine::Postgres => sql.to_owned(),
            Engine::MySql => translate_text(sql),
        });
        Box::pin(self.run_hooked(&**hook, text, execution, affected))
    }

    fn query_one_raw<'s, 'a>(&'s self, statement: Statement) -> BoxedResult<'a, Option<QueryResult>>
    where
        's: 'a,
        Self: 'a,
    {
        let statement = in_engine_words(&self.connection, statement);
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
        let statement = in_engine_words(&self.connection, statement);
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

/// Returns a statement in the words of the connection's engine.
pub(super) fn in_engine_words<C: ConnectionTrait>(
    connection: &C,
    statement: Statement,
) -> Statement {
    match Engine::of(connection) {
        Engine::Postgres => statement,
        Engine::MySql => translate(statement).statement,
    }
}

async fn execute_translated<C: ConnectionTrait>(
    connection: &C,
    statement: Statement,
) -> Result<ExecResult, DbErr> {
    let Translated {
        statement,
        if_duplicate,
    } = translate(statement);
    match (connection.execute_raw(statement).await, if_duplicate) {
        (Err(error), Some(insert)) if engine::is_unique_violation(&error) => {
            connection.execute_raw(insert).await
        }
        (result, _) => result,
    }
}

fn affected(result: &ExecResult) -> StatementResult {
    StatementResult::Affected(result.rows_affected())
}
