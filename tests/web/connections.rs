//! Connections: deadlines for slow clients, and limits that keep room for others.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use doorbuster::{
    config::open_files,
    web::{ConnectionLimits, health::Health},
};

use super::{
    server_process::{Server, folder},
    support::TestShop,
    test_server::TestServer,
};
use crate::support::{PATIENCE, TestDatabase, http_client, raw_http::RawConnection, within};

/// No test takes so long.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(300);
const STREAM: &str = "/live/stock?products=1";
const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Returns limits without deadlines.
fn limits(all: usize, per_address: usize) -> ConnectionLimits {
    ConnectionLimits {
        all,
        per_address,
        header: NEVER,
        idle: NEVER,
        write: NEVER,
    }
}

#[tokio::test]
async fn headers_that_do_not_arrive_in_time_end_the_connection() {
    let shop = TestShop::new().await;
    let limits = ConnectionLimits {
        header: SOON,
        ..limits(100, 100)
    };
    let server = TestServer::start(&shop, limits, |_| {}).await;
    let begin = Instant::now();
    let mut idle = RawConnection::to(server.address).await;
    assert_eq!(idle.get("/healthz").await.status, 200);

    let mut silent = RawConnection::to(server.address).await;
    assert_eq!(silent.closed().await, "");
    let mut partial = RawConnection::to(server.address).await;
    partial.send("GET / HTTP/1.1\r\nHost: sh").await;
    assert_eq!(partial.closed().await, "");
    let mut second = RawConnection::to(server.address).await;
    assert_eq!(second.get("/healthz").await.status, 200);
    second.send("GET / HTTP/1.1\r\nHost: sh").await;
    assert_eq!(second.closed().await, "");
    assert!(begin.elapsed() >= 3 * SOON, "none was closed too early");

    // Each line arrives in time; all of them together do not.
    let mut drip = RawConnection::to(server.address).await;
    drip.send("GET / HTTP/1.1\r\n").await;
    let dripping = async {
        loop {
            drip.send("X-Slow: 1\r\n").await;
            tokio::time::sleep(SOON / 10).await;
            if drip.is_closed() {
                break;
            }
        }
    };
    within(PATIENCE, "the end of the connection", dripping).await;
    assert_eq!(
        idle.get("/healthz").await.status,
        200,
        "the deadline is not for connections between two requests"
    );
}

#[tokio::test]
async fn an_idle_connection_ends_at_its_own_deadline() {
    let shop = TestShop::new().await;
    let limits = ConnectionLimits {
        idle: SOON,
        ..limits(100, 100)
    };
    let server = TestServer::start(&shop, limits, |_| {}).await;
    let mut fresh = RawConnection::to(server.address).await;
    let begin = Instant::now();
    let mut idle = RawConnection::to(server.address).await;
    for _ in 0..3 {
        assert_eq!(idle.get("/healthz").await.status, 200);
    }
    assert_eq!(idle.closed().await, "");
    assert!(begin.elapsed() >= SOON);
    assert_eq!(fresh.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_client_that_accepts_no_response_is_disconnected() {
    let shop = TestShop::new().await;
    let limits = ConnectionLimits {
        write: SOON,
        ..limits(100, 100)
    };
    let server = TestServer::start(&shop, limits, |_| {}).await;
    let mut client = RawConnection::to(server.address).await;
    let href = doorbuster::web::assets::href("doorbuster.css");
    let request = format!("GET {href} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    // More than all buffers on the way can hold.
    client.send(&request.repeat(500)).await;
    client.closed_without_reading().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_has_a_limit_and_streams_count() {
    let shop = TestShop::new().await;
    let server = TestServer::start(&shop, limits(100, 3), |_| {}).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = RawConnection::to(server.address).await;
        assert_eq!(stream.get(STREAM).await.status, 200);
        streams.push(stream);
    }
    let refused = RawConnection::to(server.address)
        .await
        .get("/healthz")
        .await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.body.contains("Your network has 3 open connections")
            && refused.body.contains("try again in 5 s"),
        "{refused:?}"
    );
    let head = refused.head.to_ascii_lowercase();
    assert!(head.contains("retry-after: 5"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    let other = IpAddr::from([127, 0, 0, 2]);
    let mut other = RawConnection::from_to(other, server.address).await;
    assert_eq!(other.get("/healthz").await.status, 200);

    drop(streams.pop());
    within(PATIENCE, "room after a stream has ended", async {
        loop {
            let mut next = RawConnection::to(server.address).await;
            if next.get("/healthz").await.status == 200 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_never_reaches_the_router_is_counted() {
    let shop = TestShop::new().await;
    let health = Health::default();
    let server = TestServer::start(&shop, limits(100, 1), |parts| {
        parts.health = health.clone();
    })
    .await;
    let counts = || -> Vec<_> { health.http().refusals().by_reason().collect() };
    let mut malformed = RawConnection::to(server.address).await;
    malformed.send("GET\r\n\r\n").await;
    let answer = malformed.closed().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(counts(), [("address", 0), ("all", 0), ("malformed", 1)]);

    let mut stream = RawConnection::to(server.address).await;
    assert_eq!(stream.get(STREAM).await.status, 200);
    let mut ids = Vec::new();
    for number in 1..=2 {
        let mut connection = RawConnection::to(server.address).await;
        let refused = connection.get("/healthz").await;
        assert_eq!(refused.status, 429, "{refused:?}");
        let head = refused.head.to_ascii_lowercase();
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "));
        ids.push(id.expect("an id").to_owned());
        assert_eq!(
            counts(),
            [("address", number), ("all", 0), ("malformed", 1)]
        );
    }
    assert!(ids[0].len() == 32 && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn connections_that_wait_make_room_and_requests_in_progress_do_not() {
    let shop = TestShop::new().await;
    let server = TestServer::start(&shop, limits(3, 3), |_| {}).await;
    let mut idle = RawConnection::to(server.address).await;
    assert_eq!(idle.get("/healthz").await.status, 200);
    let mut stalled = RawConnection::to(server.address).await;
    let mut partial = RawConnection::to(server.address).await;
    partial.send("GET / HTTP/1.1\r\n").await;
    let mut streams = Vec::new();
    for waiting in [&mut stalled, &mut partial, &mut idle] {
        let mut stream = RawConnection::to(server.address).await;
        assert_eq!(stream.get(STREAM).await.status, 200);
        assert_eq!(waiting.closed().await, "");
        streams.push(stream);
    }
    let refused = RawConnection::to(server.address)
        .await
        .get("/healthz")
        .await;
    assert_eq!(refused.status, 429, "{refused:?}");
}

#[tokio::test]
async fn a_trusted_proxy_is_not_limited_but_each_of_its_clients_is() {
    let shop = TestShop::new().await;
    let server = TestServer::start(&shop, limits(100, 2), |parts| {
        parts.trusted_proxies = [LOCALHOST].into();
    })
    .await;
    let follow = async |client: &str| {
        let mut stream = RawConnection::to(server.address).await;
        let forwarded = format!("X-Forwarded-For: 192.0.2.99, {client}\r\n");
        stream
            .send(&format!(
                "GET {STREAM} HTTP/1.1\r\nHost: shop.test\r\n{forwarded}\r\n"
            ))
            .await;
        let status = stream.response().await.status;
        (status, stream)
    };
    let mut streams = Vec::new();
    for client in 1..=10 {
        for _ in 0..2 {
            let (status, stream) = follow(&format!("203.0.113.{client}")).await;
            assert_eq!(status, 200);
            streams.push(stream);
        }
    }
    assert_eq!(follow("203.0.113.7").await.0, 429);
    // What the client sends, in bytes that are no text, does not hide what the proxy appends.
    assert_eq!(follow("ÿ, 203.0.113.7").await.0, 429);
    for expected in [200, 200, 429] {
        let (status, stream) = follow("ÿ").await;
        assert_eq!(status, expected, "clients without an address count as one");
        streams.push(stream);
    }
    let mut probe = RawConnection::to(server.address).await;
    assert_eq!(probe.get("/healthz").await.status, 200, "the proxy itself");
}

/// The usual limit of open files is smaller than the number of connections that stall.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_arrives_at_once_while_more_connections_stall_than_files_may_be_open() {
    const OPEN_FILES: u32 = 1_024;
    const STALLED: usize = 1_100;
    let own = open_files::raise_limit();
    assert!(
        own >= 2 * u64::from(OPEN_FILES),
        "this test needs 2,048 open files"
    );
    let database = TestDatabase::seeded().await;
    let (folder, client) = (folder(), http_client());
    let mut server = Server::start_with_open_files(folder.path(), database.url(), OPEN_FILES);
    server.until_ready(&client).await;
    let mut stalled = Vec::with_capacity(STALLED);
    for number in 0..STALLED {
        let mut connection = RawConnection::to(server.address).await;
        if number % 2 == 0 {
            connection.send("GET / HTTP/1.1\r\nHost: ").await;
        }
        stalled.push(connection);
    }
    let mut fastest = NEVER;
    for _ in 0..20 {
        // A new connection for each, as from a new client.
        let begin = Instant::now();
        let page = RawConnection::to(server.address).await.get("/cart").await;
        assert_eq!(page.status, 200, "{}", server.log());
        fastest = fastest.min(begin.elapsed());
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    assert!(server.is_ready(&client).await, "{}", server.log());
    assert!(!server.log().contains("accept error"), "{}", server.log());
    drop(stalled);
}
