//! How long server processes have run, for the rules about deadlines.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use time::{Duration, OffsetDateTime};

use crate::{db::entity::server_heartbeat, shop::operation::HEARTBEAT_GAP_MAX};

/// The start and the last heartbeat of each server process, by the database's clock. They are read
/// in the audit's own snapshot, so they are as old as the rows that the rules read.
#[derive(Clone, Debug)]
pub struct ServerTimes(Vec<(OffsetDateTime, OffsetDateTime)>);

impl ServerTimes {
    /// Reads the server processes of the last days; older ones are deleted.
    pub async fn read(connection: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let servers = server_heartbeat::Entity::find().all(connection).await?;
        let times = servers
            .into_iter()
            .map(|server| (server.started_at, server.beat_at));
        Ok(Self(times.collect()))
    }

    /// Returns true if a server process runs at the time `now`.
    pub fn is_any_alive(&self, now: OffsetDateTime) -> bool {
        self.0
            .iter()
            .any(|(_, beat_at)| now - *beat_at <= HEARTBEAT_GAP_MAX)
    }

    /// Returns the time before which work must have been due so that a server process had more than
    /// `seconds` for it: since the work was due, and since the process started. `None` if no
    /// process ran for that long, and so no work is late.
    pub fn late_before(&self, seconds: i64) -> Option<OffsetDateTime> {
        let allowed = Duration::seconds(seconds);
        self.0
            .iter()
            .filter(|(started_at, beat_at)| *beat_at - *started_at > allowed)
            .map(|(_, beat_at)| *beat_at - allowed)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-12-12 12:00 UTC);

    /// Processes that started and sent their last heartbeat this many seconds before noon.
    fn times<const N: usize>(servers: [(i64, i64); N]) -> ServerTimes {
        let at = |ago| NOON - Duration::seconds(ago);
        ServerTimes(
            servers
                .map(|(started, beat)| (at(started), at(beat)))
                .to_vec(),
        )
    }

    #[test]
    fn a_process_that_ran_for_exactly_the_allowed_time_makes_nothing_late() {
        assert_eq!(times([(60, 0)]).late_before(60), None);
        assert_eq!(
            times([(61, 0)]).late_before(60),
            Some(NOON - Duration::seconds(60))
        );
        assert_eq!(times([]).late_before(60), None);
    }

    #[test]
    fn a_process_is_alive_until_its_next_heartbeat_is_overdue() {
        assert!(!times([]).is_any_alive(NOON));
        assert!(times([(60, 15)]).is_any_alive(NOON));
        assert!(!times([(60, 16)]).is_any_alive(NOON));
        assert!(times([(900, 500), (60, 3)]).is_any_alive(NOON));
    }

    #[test]
    fn the_last_heartbeat_of_a_process_that_ran_for_long_counts() {
        let servers = times([(600, 100), (900, 500), (20, 0)]);
        assert_eq!(
            servers.late_before(60),
            Some(NOON - Duration::seconds(160)),
            "the newest process has just started"
        );
        let many_short_runs = times([(60, 40), (40, 20), (20, 0)]);
        assert_eq!(many_short_runs.late_before(30), None);
    }
}
