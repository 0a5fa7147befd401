//! Server-sent streams: what a page follows while it is open.

pub mod locks;
pub mod orders;
pub mod present;
pub mod runs;
pub mod steppers;
pub mod stock;
pub mod stock_watch;

use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// At most ten updates a second.
const PACE: Duration = Duration::from_millis(100);
/// A comment after this long without news, so that a gone reader is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Events = Sse<axum::response::sse::KeepAliveStream<ReceiverStream<Result<Event, axum::Error>>>>;

/// Streams what `next` returns: once at the start, then after each ring of the bell, at the pace above, until the reader leaves, the
/// server stops, or `next` says that it is over.
fn paced<F, Fut>(mut bell: watch::Receiver<u64>, shutdown: CancellationToken, mut next: F) -> Events
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Update> + Send,
{
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            // Marked before reading, so that what changes meanwhile rings again.
            bell.mark_unchanged();
            let mut update = next().await;
            while let Update::Before(event, rest) = update {
                if sender.send(event).await.is_err() {
                    return;
                }
                update = *rest;
            }
            match update {
                // Unwrapped above.
                Update::Before(..) => return,
                Update::Nothing => {}
                Update::Event(event) => {
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
                Update::Last(event) => {
                    let _ = sender.send(event).await;
                    return;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                changed = bell.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(PACE).await;
        }
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// What a stream has to say.
enum Update {
    Nothing,
    Event(Result<Event, axum::Error>),
    /// An event, and then the rest.
    Before(Result<Event, axum::Error>, Box<Update>),
    Last(Result<Event, axum::Error>),
}
