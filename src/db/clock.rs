//! How far the clock of this machine and that of the database are apart.

use sea_orm::{
    DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{self, AssertSqlSafe},
};
use time::{Duration, OffsetDateTime};

use super::{connect::Reader, dialect, engine::Engine, statements};

/// Reads the database's time, and returns the difference. The wait for a connection of the pool
/// does not count: on a busy server, it would hide a difference.
pub async fn difference(reader: &Reader) -> Result<Duration, DbErr> {
    let read = |connection: DatabaseConnection| async move {
        let difference = difference_on(&connection).await;
        difference.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    };
    reader.bounded(read).await
}

async fn difference_on(connection: &DatabaseConnection) -> Result<Duration, sqlx::Error> {
    let query = statements::in_engine_words(connection, dialect::clock_query());
    let query = AssertSqlSafe(query.sql);
    match Engine::of(connection) {
        Engine::Postgres => {
            let pool = connection.get_postgres_connection_pool();
            let mut session = pool.acquire().await?;
            measure(sqlx::query_scalar(query).fetch_one(&mut *session)).await
        }
        Engine::MySql => {
            let pool = connection.get_mysql_connection_pool();
            let mut session = pool.acquire().await?;
            measure(sqlx::query_scalar(query).fetch_one(&mut *session)).await
        }
    }
}

async fn measure(
    database: impl Future<Output = Result<OffsetDateTime, sqlx::Error>>,
) -> Result<Duration, sqlx::Error> {
    let before = OffsetDateTime::now_utc();
    let database = database.await?;
    let after = OffsetDateTime::now_utc();
    Ok(least_difference(before, database, after))
}

/// The difference that is certain: the database's time was read between two times of this machine.
pub fn least_difference(
    before: OffsetDateTime,
    database: OffsetDateTime,
    after: OffsetDateTime,
) -> Duration {
    if database < before {
        before - database
    } else if database > after {
        database - after
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_whose_time_was_read_in_between_does_not_differ() {
        let at = |ms: i64| OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(1_000_000 + ms);
        for (database, ms) in [(-300, 300), (0, 0), (20, 0), (40, 0), (1_540, 1_500)] {
            let difference = least_difference(at(0), at(database), at(40));
            assert_eq!(difference, Duration::milliseconds(ms), "{database}");
        }
    }
}
