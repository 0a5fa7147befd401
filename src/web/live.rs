//! Server-sent event streams, which open pages follow.

pub mod locks;
pub mod orders;
pub mod present;
pub mod runs;
pub mod steppers;
pub mod stock;
pub mod stock_watch;
mod viewer;

use std::{pin::pin, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use viewer::Viewer;

/// Minimum time between two updates of a stream: at most ten updates per second.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
/// The server sends a comment after this long without updates, to detect closed connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Events = Sse<axum::response::sse::KeepAliveStream<ReceiverStream<Result<Event, axum::Error>>>>;

/// Streams updates to anyone; see [`stream_updates_to`].
fn stream_updates<F, Fut>(
    changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    next: F,
) -> Events
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Update> + Send,
{
    stream_updates_to(Viewer::Anyone, changes, shutdown, next)
}

/// Streams the updates that `next` returns: one at the start, then one after each change of
/// `changes`, at most one per [`UPDATE_INTERVAL`]. The stream ends when the client disconnects, the
/// server stops, the viewer is signed out, or `next` returns [`Update::Last`].
fn stream_updates_to<F, Fut>(
    viewer: Viewer,
    mut changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    mut next: F,
) -> Events
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Update> + Send,
{
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        // One future for the whole stream: a new one in each turn would start its wait again.
        let mut signed_out = pin!(viewer.is_signed_out());
        loop {
            // Mark before reading, so that a change in the meantime causes another update.
            changes.mark_unchanged();
            let mut update = next().await;
            while let Update::Several(event, rest) = update {
                if sender.send(event).await.is_err() {
                    return;
                }
                update = *rest;
            }
            match update {
                // The loop above has handled this variant.
                Update::Several(..) => return,
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
            // Biased, because a run changes all the time.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                () = &mut signed_out => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(UPDATE_INTERVAL).await;
        }
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// An update of a stream.
enum Update {
    /// Nothing changed.
    Nothing,
    /// One event; the stream continues.
    Event(Result<Event, axum::Error>),
    /// An event, followed by another update.
    Several(Result<Event, axum::Error>, Box<Update>),
    /// One event; the stream ends.
    Last(Result<Event, axum::Error>),
}
