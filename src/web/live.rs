//! Server-sent event streams, which open pages follow.

mod frame;
pub mod latest_sales;
pub mod locks;
pub mod orders;
pub mod present;
pub mod runs;
pub mod share;
mod shared;
pub mod steppers;
pub mod stock;
pub mod stock_watch;
pub mod stored_runs;
mod viewer;

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use futures::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use tracing::Instrument;
use uuid::Uuid;

use self::{frame::Frame, runs::WatchedRun, share::Shares, stock::ShownSales, viewer::Viewer};
use crate::{
    model::{Presentation, stepper::StepperView},
    web::AppState,
};

/// Minimum time between two updates of a stream: at most ten updates per second.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
/// The server sends a heartbeat this often, also to detect closed connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Returns the routes of all streams.
pub fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    let mut routes = single_routes();
    routes.push(("/live/all", get(shared::follow)));
    routes
}

/// Returns the routes of the streams about one subject each.
fn single_routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/live/orders/{public_id}", get(orders::follow)),
        ("/live/stock", get(stock::follow)),
        ("/live/simulations/{id}", get(runs::follow)),
        ("/live/present/{id}", get(present::follow)),
        ("/live/steppers/{id}", get(steppers::follow)),
    ]
}

/// The states that the viewers of streams share.
#[derive(Debug, Default)]
pub struct LiveShares {
    presentations: Shares<Uuid, Presentation>,
    runs: Shares<Uuid, WatchedRun>,
    steppers: Shares<Uuid, StepperView>,
    /// By the products of a page.
    stock: Shares<Vec<i64>, ShownSales>,
}

/// An update of a stream.
#[derive(Debug, Default)]
struct Update {
    /// The events to send; none if nothing changed.
    frames: Vec<Frame>,
    /// The stream ends after this update.
    is_last: bool,
    /// There is a newer state: another update follows after [`UPDATE_INTERVAL`].
    is_outdated: bool,
}

/// Streams the updates that `next` returns: one at the start, then one after each change of
/// `changes`, at most one per [`UPDATE_INTERVAL`], and a comment per [`KEEP_ALIVE`]. The stream
/// ends when the client disconnects, the server stops, the viewer is signed out, or an update is
/// the last one.
fn stream_updates<F, Fut>(
    viewer: Viewer,
    changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    next: F,
) -> Response
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Update> + Send + 'static,
{
    let comment = Heartbeat {
        due: Instant::now() + KEEP_ALIVE,
        frame: || Frame::KEEP_ALIVE,
    };
    stream_with_heartbeat(viewer, changes, shutdown, comment, next)
}

/// Streams updates as [`stream_updates`] does, with another heartbeat.
fn stream_with_heartbeat<F, Fut, B>(
    viewer: Viewer,
    changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    heartbeat: Heartbeat<B>,
    next: F,
) -> Response
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Update> + Send + 'static,
    B: Fn() -> Frame + Send + Sync + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let updates = send_updates(viewer, changes, shutdown, heartbeat, next, sender);
    tokio::spawn(updates.in_current_span());
    let frames =
        ReceiverStream::new(receiver).map(|frame: Frame| Ok::<_, Infallible>(frame.bytes()));
    response(Body::from_stream(frames))
}

/// Answers with events that are all known: the stream ends after them. The body has a known size,
/// so that it can be compressed.
fn complete_stream(frames: &[Frame]) -> Response {
    let parts: Vec<Bytes> = frames.iter().cloned().map(Frame::bytes).collect();
    response(Body::from(parts.concat()))
}

fn response(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, EVENT_STREAM),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}

/// The frame that a stream sends regularly, however busy it is.
struct Heartbeat<B> {
    /// When the next one is sent.
    due: Instant,
    frame: B,
}

impl<B: Fn() -> Frame> Heartbeat<B> {
    /// Returns the frame if it is due.
    fn next_frame(&mut self) -> Option<Frame> {
        let now = Instant::now();
        (self.due <= now).then(|| {
            self.due = now + KEEP_ALIVE;
            (self.frame)()
        })
    }
}

async fn send_updates<F, Fut, B>(
    viewer: Viewer,
    mut changes: watch::Receiver<u64>,
    shutdown: CancellationToken,
    mut heartbeat: Heartbeat<B>,
    mut next: F,
    sender: mpsc::Sender<Frame>,
) where
    F: FnMut() -> Fut,
    Fut: Future<Output = Update>,
    B: Fn() -> Frame,
{
    // One future for the whole stream: a new one in each turn would start its wait again.
    let mut signed_out = pin!(viewer.signed_out());
    loop {
        // Mark before reading, so that a change in the meantime causes another update.
        changes.mark_unchanged();
        let update = next().await;
        for frame in update.frames.into_iter().chain(heartbeat.next_frame()) {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
        if update.is_last {
            return;
        }
        let mut is_waiting = !update.is_outdated;
        while is_waiting {
            // Biased, because a run changes all the time.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                () = &mut signed_out => return,
                changed = changes.changed() => match changed {
                    Ok(()) => is_waiting = false,
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(heartbeat.due) => {
                    if let Some(frame) = heartbeat.next_frame()
                        && sender.send(frame).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
        tokio::select! {
            biased;
            () = &mut signed_out => return,
            () = tokio::time::sleep(UPDATE_INTERVAL) => {}
        }
    }
}
