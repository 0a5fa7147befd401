//! How far the clock of this machine and that of the database are apart.

use sea_orm::{ConnectionTrait, DbErr};
use time::{Duration, OffsetDateTime};

use super::dialect;

/// Reads the database's time, and returns the difference.
pub async fn difference<C: ConnectionTrait>(connection: &C) -> Result<Duration, DbErr> {
    let before = OffsetDateTime::now_utc();
    let database = dialect::clock_now(connection).await?;
    Ok(least_difference(
        before,
        database,
        OffsetDateTime::now_utc(),
    ))
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
