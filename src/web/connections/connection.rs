//! Serves one connection until it ends, a deadline passes, another connection needs its place, or
//! the server stops.

use std::{
    convert::Infallible, future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Shared,
    activity::{Activity, KeepingBody, ServedRequest},
    registry::{ForwardedRequest, Refused, Slot},
    stream::WatchedStream,
};
use crate::{
    metrics::Refusal,
    model::ShopError,
    web::{
        client_address::{RequestClient, client_of, is_trusted},
        json::problem::Problem,
        request_id::id,
        search_engines, security,
    },
};

/// How long a connection that was asked to close may take to send the rest of its response.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long a refused client may take to send its request and to receive the refusal.
const REFUSAL_MAX: Duration = Duration::from_secs(2);
/// After a refusal, a retry makes sense this much later, in seconds.
const RETRY_AFTER_S: u64 = 5;

/// The body of a response, during which its request is counted.
type CountedBody = KeepingBody<(ServedRequest, Option<ForwardedRequest>)>;

/// Why a connection ends or is asked to end.
enum Event {
    /// The client or HTTP ended it.
    Ended,
    /// The client did not act in time.
    Overdue,
    /// Another connection needs its place.
    Evicted,
    /// The server stops.
    Stopping,
}

/// Serves the requests of one client, one after the other.
pub async fn serve(stream: TcpStream, peer: SocketAddr, slot: Slot, shared: Arc<Shared>) {
    let activity = Arc::new(Activity::new(slot, shared.limits));
    let service =
        service_fn(|request: Request<Incoming>| respond(request, peer, &activity, &shared));
    let stream = WatchedStream::new(stream, Arc::clone(&activity));
    let http = builder().serve_connection(TokioIo::new(stream), service);
    let (mut http, mut timer) = (pin!(http), pin!(sleep_until(Instant::now())));
    let (mut cut_at, mut is_evicted, mut is_stopping) = (None::<Instant>, false, false);
    loop {
        // The deadline is read after each step of HTTP, which may have changed it.
        let ended_or_overdue = poll_fn(|context| {
            if let Poll::Ready(ended) = http.as_mut().poll(context) {
                // HTTP has refused it, with an answer of its own.
                if ended.is_err_and(|error| error.is_parse()) {
                    shared.refusals.refused(Refusal::Malformed);
                }
                return Poll::Ready(Event::Ended);
            }
            let Some(deadline) = cut_at.or_else(|| activity.deadline()) else {
                return Poll::Pending;
            };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(context).map(|()| Event::Overdue)
        });
        let event = tokio::select! {
            biased;
            event = ended_or_overdue => event,
            () = activity.evicted(), if !is_evicted => Event::Evicted,
            () = shared.shutdown.cancelled(), if !is_stopping => Event::Stopping,
        };
        match event {
            Event::Ended => return,
            Event::Overdue if cut_at.is_some() || activity.is_blocked() => {
                shared.count_if_serving(&activity);
                return;
            }
            Event::Overdue => cut_at = Some(Instant::now() + CLOSE_MAX),
            // Another client is waiting for this place, so this one cannot be waited for.
            Event::Evicted if !activity.is_serving() && activity.is_blocked() => return,
            Event::Evicted => is_evicted = true,
            Event::Stopping => {
                is_stopping = true;
                cut_at = Some(Instant::now() + shared.drain);
            }
        }
        // No request has arrived completely, so none is lost.
        if activity.is_awaiting_headers() {
            return;
        }
        http.as_mut().graceful_shutdown();
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own timeout also applies to idle connections.
    builder.header_read_timeout(None);
    builder
}

/// Passes a request to the router. The connection is busy until the response has been sent.
fn respond(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    activity: &Arc<Activity>,
    shared: &Arc<Shared>,
) -> impl Future<Output = Result<Response<CountedBody>, Infallible>> + use<> {
    let served = activity.request_started();
    request.extensions_mut().insert(ConnectInfo(peer));
    let forwarded = count_forwarded(&request, peer, shared);
    let shared = Arc::clone(shared);
    async move {
        let (response, forwarded) = match forwarded {
            Ok(forwarded) => (shared.router.call(request).await?, forwarded),
            Err(refused) => {
                shared.refusals.refused(refused.reason());
                let is_from_proxy = id::is_from_proxy(&request, &shared.trusted_proxies);
                let id = id::of(request.headers(), is_from_proxy);
                (shared.refusal(refused, &id), None)
            }
        };
        Ok(response.map(|body| KeepingBody::new(body, (served, forwarded))))
    }
}

/// Counts the request of a client behind a trusted proxy: the proxy's own connections are not
/// limited.
fn count_forwarded(
    request: &Request<Incoming>,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<Option<ForwardedRequest>, Refused> {
    if !is_trusted(peer.ip(), &shared.trusted_proxies) {
        return Ok(None);
    }
    let client = client_of(
        request.headers(),
        request.extensions(),
        &shared.trusted_proxies,
    );
    if matches!(client, RequestClient::Proxy(_)) {
        return Ok(None);
    }
    let counted = shared.registry.count_forwarded(client.address());
    counted.map(Some)
}

/// Answers the first request of a connection for which there is no room, and closes it.
pub async fn refuse(stream: TcpStream, refused: Refused, shared: Arc<Shared>) {
    let service = service_fn(|_: Request<Incoming>| {
        let response = shared.refusal(refused, &id::random());
        async move { Ok::<_, Infallible>(response) }
    });
    let refusal = builder()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that has left, or is too slow, does not read the refusal.
    let _ = timeout(REFUSAL_MAX, refusal).await;
}

impl Shared {
    fn refusal(&self, refused: Refused, id: &str) -> Response<Body> {
        let error = match refused {
            Refused::Address => ShopError::TooManyConnections {
                connections_max: u32::try_from(self.limits.per_address).unwrap_or(u32::MAX),
                retry_after_s: RETRY_AFTER_S,
            },
            Refused::All => ShopError::Busy {
                retry_after_s: RETRY_AFTER_S,
            },
        };
        let mut response = Problem(error).into_response();
        security::set_headers(response.headers_mut(), self.is_secure);
        search_engines::forbid_indexing(response.headers_mut());
        id::attach(response.headers_mut(), id);
        response
    }
}
