//! Sends notices of what this process has committed to all servers of its database.
//!
//! Transactions only note what they change, in memory and after their commit
//! ([`Feed::announce_product`]). These functions send what was noted since the last notice: one
//! notice for any number of changes, in a transaction of its own.

use std::time::Duration;

use sea_orm::DbErr;

use crate::{
    db::{Db, notices},
    feed::Feed,
};

/// The shortest time between two notices of a server.
pub const INTERVAL: Duration = Duration::from_millis(75);
/// The pause after a notice that could not be sent.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long the last notice may take: a shutdown has a limit.
const LAST_MAX: Duration = Duration::from_millis(500);

/// Sends what `feed` announces until the future is dropped: the first change at once, and what
/// follows at each [`INTERVAL`].
pub async fn send(db: Db, feed: Feed) {
    loop {
        feed.announced().await;
        let pause = match send_announced(&db, &feed).await {
            Ok(()) => INTERVAL,
            Err(error) => {
                tracing::debug!(%error, "could not send a notice of changes");
                RETRY_PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Sends what `feed` announces now. If that fails, it is announced again.
pub async fn send_announced(db: &Db, feed: &Feed) -> Result<(), DbErr> {
    let Some(changes) = feed.take_announced() else {
        return Ok(());
    };
    let sent = notices::send(db, &changes.encode()).await;
    if sent.is_err() {
        feed.announce_again(changes);
    }
    sent
}

/// Sends what `feed` announces before a run or its process ends. If that fails, the servers see the
/// changes when they read their rows again.
pub async fn send_last(db: &Db, feed: &Feed) {
    match tokio::time::timeout(LAST_MAX, send_announced(db, feed)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "could not send the last notice of changes"),
        Err(_) => tracing::debug!("the last notice of changes was not sent in time"),
    }
}
