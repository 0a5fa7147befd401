//! The interleaving stepper: real database sessions that run the shop's own code. Each stops before
//! its next statement and continues when the attendee takes a step.
//!
//! A [`StepperSession`] creates private products, opens one connection for each actor, and installs
//! a [`gate`] in front of the actor's statements. A step releases one statement at one gate. The
//! step is over when all actors are idle or blocked again: at a gate, at the end, or waiting for a
//! lock that such an actor holds. The database reports who waits for whom ([`quiescence`]).

mod actor;
mod cart;
mod gate;
mod late_payment;
mod quiescence;
mod row_claims;
mod session;
mod session_view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

pub use session::StepperSession;

use crate::model::{
    ShopError,
    stepper::{Guess, KEEP_OPEN_MAX_MINUTES, Script, StepperView},
};

/// How many ended sessions stay readable.
const ENDED_KEPT: usize = 40;

/// Limits on the open sessions of a server process.
#[derive(Clone, Copy, Debug)]
pub struct StepperLimits {
    /// Maximum number of open sessions. Each holds several database connections.
    pub sessions_max: u32,
    /// A session without a step for this long is rolled back.
    pub idle: Duration,
    /// When all slots are in use, a session that was idle for this long is ended to admit a new
    /// one.
    pub evictable_after: Duration,
    /// Maximum age of a session, even if steps are taken.
    pub lifetime: Duration,
    /// Maximum number of open sessions that are kept open without a step. The other slots stay
    /// free for those who step.
    pub kept_max: u32,
    /// Maximum age of a session that is kept open.
    pub kept_lifetime: Duration,
}

impl Default for StepperLimits {
    fn default() -> Self {
        Self {
            sessions_max: 6,
            idle: Duration::from_secs(60),
            evictable_after: Duration::from_secs(30),
            lifetime: Duration::from_secs(600),
            kept_max: 2,
            kept_lifetime: Duration::from_secs(60 * u64::from(KEEP_OPEN_MAX_MINUTES)),
        }
    }
}

/// The stepper sessions of this server process. A session exists only in the memory of the process
/// that opened it.
#[derive(Clone, Debug)]
pub struct Steppers(Arc<SessionRegistry>);

#[derive(Debug)]
struct SessionRegistry {
    url: String,
    limits: StepperLimits,
    free: Arc<Semaphore>,
    sessions: Mutex<HashMap<Uuid, Arc<StepperSession>>>,
}

impl Steppers {
    /// Creates an empty registry. Sessions connect to the database at `url`.
    pub fn new(url: String) -> Self {
        Self::with_limits(url, StepperLimits::default())
    }

    /// Creates an empty registry with other limits.
    pub fn with_limits(url: String, limits: StepperLimits) -> Self {
        Self(Arc::new(SessionRegistry {
            url,
            limits,
            free: Arc::new(Semaphore::new(limits.sessions_max as usize)),
            sessions: Mutex::default(),
        }))
    }

    /// Opens a session and starts to replay the steps of `script`. [`StepperSession::replayed`]
    /// waits until the replay is done.
    ///
    /// # Errors
    /// [`ShopError::StepperBusy`] if all slots are in use and no session has been idle for long.
    pub async fn open(
        &self,
        script: Script,
        guess: Option<Guess>,
    ) -> Result<Arc<StepperSession>, ShopError> {
        let registry = &self.0;
        let slot = self.acquire_slot().await?;
        let session =
            StepperSession::open(&registry.url, registry.limits, script, guess, slot).await?;
        let mut sessions = self.lock();
        // Ids (UUIDv7) are ordered by time.
        while sessions.len() >= ENDED_KEPT + registry.limits.sessions_max as usize {
            let ended = sessions.values().filter(|session| session.has_ended());
            let Some(oldest) = ended.map(|session| session.id()).min() else {
                break;
            };
            sessions.remove(&oldest);
        }
        sessions.insert(session.id(), Arc::clone(&session));
        drop(sessions);
        session.start();
        Ok(session)
    }

    async fn acquire_slot(&self) -> Result<OwnedSemaphorePermit, ShopError> {
        let registry = &self.0;
        if registry.free.available_permits() == 0
            && let Some(session) = self.longest_idle()
        {
            session
                .end("It was idle, and a new session needed its slot.")
                .await;
        }
        Arc::clone(&registry.free)
            .try_acquire_owned()
            .map_err(|_| ShopError::StepperBusy {
                sessions_max: registry.limits.sessions_max,
            })
    }

    /// The open session that has been idle longest, if it may be ended for a new one.
    fn longest_idle(&self) -> Option<Arc<StepperSession>> {
        let sessions = self.lock();
        sessions
            .values()
            .filter(|session| !session.has_ended() && session.kept_for().is_none())
            .max_by_key(|session| session.idle_for())
            .filter(|session| session.idle_for() >= self.0.limits.evictable_after)
            .cloned()
    }

    /// Keeps a session open for some minutes without a step, for a room that discusses it; 0 ends
    /// this.
    ///
    /// # Errors
    /// [`ShopError::UnknownStepper`]; [`ShopError::Invalid`] for more than
    /// [`KEEP_OPEN_MAX_MINUTES`]; [`ShopError::InvalidState`] if the session is over, or if as many
    /// others as allowed are kept open.
    pub fn keep_open(&self, id: &str, minutes: u32) -> Result<StepperView, ShopError> {
        let session = self.get(id)?;
        if minutes > KEEP_OPEN_MAX_MINUTES {
            return Err(ShopError::Invalid(format!(
                "a session can be kept open for at most {KEEP_OPEN_MAX_MINUTES} minutes."
            )));
        }
        // Held from the count to the change: two requests at once may not pass the limit.
        let sessions = self.lock();
        let others = sessions.values().filter(|other| other.id() != session.id());
        let kept: Vec<_> = others.filter_map(|other| other.kept_for()).collect();
        if minutes > 0 && kept.len() >= self.0.limits.kept_max as usize {
            let first = kept.into_iter().min().unwrap_or_default();
            return Err(ShopError::InvalidState(format!(
                "{} other sessions are kept open; the first of them ends in {} min.",
                self.0.limits.kept_max,
                first.as_secs().div_ceil(60).max(1)
            )));
        }
        session.keep_open(Duration::from_secs(60 * u64::from(minutes)))
    }

    /// Returns a session, open or ended.
    ///
    /// # Errors
    /// [`ShopError::UnknownStepper`] if this server process has no such session (any more).
    pub fn get(&self, id: &str) -> Result<Arc<StepperSession>, ShopError> {
        let id = Uuid::try_parse(id).map_err(|_| ShopError::UnknownStepper)?;
        let found = self.lock().get(&id).cloned();
        found.ok_or(ShopError::UnknownStepper)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<StepperSession>>> {
        self.0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
