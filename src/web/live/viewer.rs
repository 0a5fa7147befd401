//! Who follows a stream. A stream for the administrator ends within seconds after they signed out,
//! on any server, or after the password was changed.

use std::{sync::Arc, time::Duration};

use tower_sessions::Session;

use crate::{
    db::session_store::DbSessionStore,
    shop::Shop,
    web::{AppState, session::signed_in_administrator},
};

/// Time between two checks that the administrator is still signed in.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug)]
pub enum Viewer {
    /// Anyone who has the stream's address.
    Anyone,
    Administrator(Box<SignedIn>),
}

/// The session of a viewer who had signed in when the stream began.
#[derive(Debug)]
pub struct SignedIn {
    session: Session,
    sessions: Arc<DbSessionStore>,
    shop: Shop,
}

impl Viewer {
    /// The administrator who has signed in with this session.
    pub fn administrator(state: &AppState, session: Session) -> Self {
        Self::Administrator(Box::new(SignedIn {
            session,
            sessions: Arc::new(state.sessions.clone()),
            shop: state.shop.clone(),
        }))
    }

    /// Returns when the viewer may no longer follow the stream.
    pub async fn signed_out(self) {
        let Self::Administrator(viewer) = self else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            // A session reads its record once, so each check needs a new one.
            let sessions = Arc::clone(&viewer.sessions);
            let current = Session::new(viewer.session.id(), sessions, None);
            // While the database is unavailable, the administrator cannot sign out either.
            if let Ok(None) = signed_in_administrator(&current, &viewer.shop).await {
                return;
            }
        }
    }
}
