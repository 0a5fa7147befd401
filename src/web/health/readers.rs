//! The administrators who may go on reading the figures while the database is unavailable, which
//! knows their sessions.
//!
//! A session is remembered here when a request of it was verified. Every two seconds, it is
//! verified again, as a stream does: one that was signed out on another server is forgotten. While
//! the database is unavailable, no server can sign a session out. See
//! docs/decisions/0054-health-without-a-database.md.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tower_sessions::session::Id;

/// How long a session may read on after it was last verified, and how long it is verified again
/// after its last request.
const READS_ON: Duration = Duration::from_secs(15 * 60);
/// How often the sessions are verified again.
pub const VERIFIED_EVERY: Duration = Duration::from_secs(2);

/// The mark of a request that was let through because its session was verified lately. It may read
/// the figures, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct ReadsOn;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Readers(Mutex<HashMap<i128, Remembered>>);

#[derive(Clone, Copy, Debug)]
struct Remembered {
    /// The last request that was verified.
    used: Instant,
    /// `None` if the session has ended: a request that was verified before that, and is noted only
    /// now, does not bring it back.
    verified: Option<Instant>,
}

impl Readers {
    /// Notes that a request of this session is one of the signed-in administrator.
    pub fn verified(&self, session: Id) {
        let now = Instant::now();
        let mut sessions = self.lock();
        sessions.retain(|_, remembered| is_recent(remembered.used, now));
        let remembered = sessions.entry(session.0).or_insert(Remembered {
            used: now,
            verified: Some(now),
        });
        if remembered.verified.is_some() {
            *remembered = Remembered {
                used: now,
                verified: Some(now),
            };
        }
    }

    /// Notes that a session is still one of the administrator, although it sent no request. One
    /// that sent none for long is forgotten: the database, which answers, knows it.
    pub fn verified_again(&self, session: Id) {
        self.verified_again_at(session, Instant::now());
    }

    fn verified_again_at(&self, session: Id, now: Instant) {
        if let Some(remembered) = self.lock().get_mut(&session.0)
            && remembered.verified.is_some()
        {
            remembered.verified = is_recent(remembered.used, now).then_some(now);
        }
    }

    /// Notes that a session has ended.
    pub fn ended(&self, session: Id) {
        if let Some(remembered) = self.lock().get_mut(&session.0) {
            remembered.verified = None;
        }
    }

    /// True if the session was verified lately and has not ended since.
    pub fn may_read_on(&self, session: Id) -> bool {
        self.may_read_at(session, Instant::now())
    }

    fn may_read_at(&self, session: Id, now: Instant) -> bool {
        let remembered = self.lock().get(&session.0).copied();
        let verified = remembered.and_then(|remembered| remembered.verified);
        verified.is_some_and(|verified| is_recent(verified, now))
    }

    /// The sessions to verify again: all that may read on.
    pub fn sessions(&self) -> Vec<Id> {
        self.sessions_at(Instant::now())
    }

    fn sessions_at(&self, now: Instant) -> Vec<Id> {
        let sessions = self.lock();
        let current = sessions.iter().filter(|(_, remembered)| {
            let verified = remembered.verified;
            verified.is_some_and(|verified| is_recent(verified, now))
        });
        current.map(|(id, _)| Id(*id)).collect()
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<i128, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < READS_ON
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Id = Id(1);
    const OTHER: Id = Id(2);

    #[test]
    fn only_a_verified_session_reads_on_and_only_until_it_has_ended() {
        let readers = Readers::default();
        readers.verified_again(ONE);
        assert!(!readers.may_read_on(ONE), "it was never verified");
        readers.verified(ONE);
        readers.verified(OTHER);
        assert!(readers.may_read_on(ONE) && readers.may_read_on(OTHER));
        readers.ended(ONE);
        // A request that began before the end.
        readers.verified(ONE);
        readers.verified_again(ONE);
        assert!(!readers.may_read_on(ONE) && readers.may_read_on(OTHER));
        assert_eq!(readers.sessions(), [OTHER]);
    }

    #[test]
    fn a_session_reads_on_for_some_minutes_only() {
        let readers = Readers::default();
        readers.verified(ONE);
        let later = Instant::now() + READS_ON;
        assert!(readers.may_read_on(ONE) && !readers.may_read_at(ONE, later));
        assert_eq!(readers.sessions().len(), 1);
        assert!(readers.sessions_at(later).is_empty());
    }

    #[test]
    fn a_session_without_requests_is_forgotten_while_the_database_answers() {
        let readers = Readers::default();
        readers.verified(ONE);
        let (soon, later) = (Instant::now() + READS_ON / 2, Instant::now() + READS_ON);
        readers.verified_again_at(ONE, soon);
        assert_eq!(readers.sessions_at(later), [ONE], "it may still read on");
        readers.verified_again_at(ONE, later);
        assert!(!readers.may_read_at(ONE, later));
        assert!(readers.sessions_at(later).is_empty());
    }
}
