//! The interleaving stepper: real database sessions, each running the shop's own code up to its next statement, and going on when the
//! attendee says so.
//!
//! A [`Session`] opens private products, a connection for each actor, and a [`gate`] in front of its statements. A step opens one gate for one
//! statement, and is over when everybody stands still again: at a gate, at the end, or at a lock that somebody who stands still has. Who
//! waits for whom is the database's word ([`settling`]).

mod board;
mod cart;
mod cast;
mod gate;
mod late;
mod session;
mod settling;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

pub use session::Session;

use crate::model::{
    ShopError,
    stepper::{Guess, Script},
};

/// Ended sessions whose last state can still be looked at.
const ENDED_KEPT: usize = 40;

/// How many sessions a server has open, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct StepperLimits {
    /// Sessions with connections.
    pub sessions_max: u32,
    /// Without a step, a session is rolled back after this long.
    pub idle: Duration,
    /// Where as many are open as may be, one that has stood still for this long makes room for the next.
    pub yields_after: Duration,
    /// With steps, after this long.
    pub lifetime: Duration,
}

impl Default for StepperLimits {
    fn default() -> Self {
        Self {
            sessions_max: 6,
            idle: Duration::from_secs(60),
            yields_after: Duration::from_secs(30),
            lifetime: Duration::from_secs(600),
        }
    }
}

/// The sessions of this process. Each stands in the memory of the server that opened it.
#[derive(Clone, Debug)]
pub struct Steppers(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    url: String,
    limits: StepperLimits,
    free: Arc<Semaphore>,
    sessions: Mutex<HashMap<Uuid, Arc<Session>>>,
}

impl Steppers {
    /// None yet, on the database at `url`.
    pub fn new(url: String) -> Self {
        Self::with_limits(url, StepperLimits::default())
    }

    /// The same with limits of one's own.
    pub fn with_limits(url: String, limits: StepperLimits) -> Self {
        Self(Arc::new(Desk {
            url,
            limits,
            free: Arc::new(Semaphore::new(limits.sessions_max as usize)),
            sessions: Mutex::default(),
        }))
    }

    /// Opens a session, and begins to go through the steps of `script`: [`Session::replayed`] tells when that is done.
    ///
    /// # Errors
    /// [`ShopError::StepperBusy`] while as many are open as may be, and none has stood still for long; what a database failure means.
    pub async fn open(
        &self,
        script: Script,
        guess: Option<Guess>,
    ) -> Result<Arc<Session>, ShopError> {
        let desk = &self.0;
        let place = self.place().await?;
        let session = Session::open(&desk.url, desk.limits, script, guess, place).await?;
        let mut sessions = self.lock();
        // Ids are in the order of time.
        while sessions.len() >= ENDED_KEPT + desk.limits.sessions_max as usize {
            let ended = sessions.values().filter(|session| session.has_ended());
            let Some(oldest) = ended.map(|session| session.id()).min() else {
                break;
            };
            sessions.remove(&oldest);
        }
        sessions.insert(session.id(), Arc::clone(&session));
        drop(sessions);
        session.begin();
        Ok(session)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, ShopError> {
        let desk = &self.0;
        if desk.free.available_permits() == 0
            && let Some(session) = self.longest_still()
        {
            session
                .end("It stood still, and its place was wanted for another.")
                .await;
        }
        Arc::clone(&desk.free)
            .try_acquire_owned()
            .map_err(|_| ShopError::StepperBusy {
                sessions_max: desk.limits.sessions_max,
            })
    }

    /// The open session that has to make room first.
    fn longest_still(&self) -> Option<Arc<Session>> {
        let sessions = self.lock();
        sessions
            .values()
            .filter(|session| !session.has_ended())
            .max_by_key(|session| session.still_for())
            .filter(|session| session.still_for() >= self.0.limits.yields_after)
            .cloned()
    }

    /// A session, open or ended.
    ///
    /// # Errors
    /// [`ShopError::UnknownStepper`] for one of another server, or of long ago.
    pub fn get(&self, id: &str) -> Result<Arc<Session>, ShopError> {
        let id = Uuid::try_parse(id).map_err(|_| ShopError::UnknownStepper)?;
        let found = self.lock().get(&id).cloned();
        found.ok_or(ShopError::UnknownStepper)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Session>>> {
        self.0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
