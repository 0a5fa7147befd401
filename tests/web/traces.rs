//! Traces of a running program, as a collector receives them.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use futures::future::join_all;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use regex::Regex;
use reqwest::{
    Client, RequestBuilder, Response,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, REFERER, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{
    server_process::{Server, folder},
    support::{hidden_fields, value_of},
};
use crate::support::{
    PATIENCE, TestDatabase,
    collector::{Collector, attribute, child, children},
    http_client,
    port::ReservedPort,
    program::{doorbuster, end_of},
    race::wait_until_blocked,
};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The time for stopping, whatever the collector does.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Less than the program waits for the answer of a collector.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Requests that are sent at once, until the queue is full.
const AT_ONCE: usize = 20;
const FOREIGN_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const FOREIGN_SPAN: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{FOREIGN_TRACE}-{FOREIGN_SPAN}-01")
}

/// Starts a server with these variables, and waits until it is ready.
async fn server_with(folder: &Path, database_url: &str, variables: &[(&str, &str)]) -> Server {
    let mut server = Server::start_with(folder, Some(database_url), variables);
    server.until_ready(&http_client()).await;
    server
}

async fn stop(server: &mut Server) {
    server.signal(Signal::SIGTERM);
    let ended = server.ended_within(STOP_MAX).await;
    assert_eq!(ended.code(), Some(0), "{}", server.log());
}

fn is_error(span: &Span) -> bool {
    let status = span.status.as_ref();
    status.is_some_and(|status| status.code() == StatusCode::Error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_a_trace_with_each_attempt_of_its_transaction() {
    let (folder, collector) = (folder(), Collector::start().await);
    let database = TestDatabase::seeded().await;
    let variables = [(ENDPOINT, collector.url())];
    let mut server = server_with(folder.path(), database.url(), &variables).await;
    // The version changes between the read and the write of the first attempt.
    let by_hand = database.by_hand().await;
    by_hand.run("BEGIN").await;
    by_hand
        .run("UPDATE stock SET version = version + 1 WHERE product_id = 1")
        .await;
    let buying = http_client()
        .post(format!("{}/api/purchase?strategy=optimistic", server.url))
        .header("traceparent", traceparent())
        .json(&json!({ "productId": 1, "quantity": 1 }))
        .send();
    let buying = tokio::spawn(buying);
    wait_until_blocked(&by_hand, 1).await;
    by_hand.run("COMMIT").await;
    let bought = buying.await.expect("it does not panic");
    let bought = bought.expect("the server answers");
    assert_eq!(bought.status(), 200, "{}", server.log());
    let request_id = bought.headers()["x-request-id"].to_str().expect("text");
    // The last spans are exported during the shutdown.
    stop(&mut server).await;

    let spans = collector.spans();
    let request = spans.iter().find(|span| span.name == "POST /api/purchase");
    let request = request.unwrap_or_else(|| panic!("no request in {spans:#?}"));
    assert_eq!(request.kind(), SpanKind::Server);
    assert!(
        request.parent_span_id.is_empty(),
        "a client chooses no trace"
    );
    assert_ne!(hex::encode(&request.trace_id), FOREIGN_TRACE);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/purchase"),
        ("http.response.status_code", "200"),
        ("request_id", request_id),
    ] {
        assert_eq!(attribute(request, key).as_deref(), Some(value), "{key}");
    }
    let purchase = child(&spans, request, "purchase");
    assert_eq!(
        attribute(purchase, "strategy").as_deref(),
        Some("optimistic")
    );
    let transaction = child(&spans, purchase, "transaction optimistic");
    assert_eq!(attribute(transaction, "attempts").as_deref(), Some("2"));
    for span in [purchase, transaction] {
        assert_eq!(attribute(span, "outcome").as_deref(), Some("success"));
        assert!(!is_error(span), "{span:#?}");
    }
    let attempts = children(&spans, transaction);
    let [first, second] = attempts.as_slice() else {
        panic!("{} attempts: {attempts:#?}", attempts.len());
    };
    assert!(is_error(first), "{first:#?}");
    assert_ne!(attribute(first, "outcome").as_deref(), Some("success"));
    assert_eq!(attribute(second, "outcome").as_deref(), Some("success"));
    assert_eq!(attribute(second, "number").as_deref(), Some("2"));
    assert!(first.end_time_unix_nano <= second.start_time_unix_nano);
    for resource in collector.resources() {
        let mut attributes = resource.attributes.iter();
        let is_named = attributes.any(|attribute| attribute.key == "service.name");
        assert!(is_named, "{resource:#?}");
    }
}

/// The headers `traceparent` that a payment provider has received.
type Continued = Arc<Mutex<Vec<String>>>;

/// A payment provider that captures every charge. Returns its URL, and what stops it.
async fn provider(continued: &Continued) -> (String, AbortOnDropHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new()
        .route("/v1/charges", post(capture))
        .with_state(Arc::clone(continued));
    let serving = async move { axum::serve(listener, router).await.expect("it serves") };
    (url, AbortOnDropHandle::new(tokio::spawn(serving)))
}

async fn capture(
    State(continued): State<Continued>,
    headers: HeaderMap,
    Json(charge): Json<Value>,
) -> Json<Value> {
    let traceparent = headers.get("traceparent").map(|value| value.to_str());
    let traceparent = traceparent.map_or("none", |value| value.expect("text"));
    let mut continued = continued.lock().expect("no panic under this lock");
    continued.push(traceparent.to_owned());
    Json(json!({
        "reference": charge["reference"],
        "state": "captured",
        "amountCents": charge["amountCents"],
        "currency": charge["currency"],
        "declineReason": null,
    }))
}

/// A browser without JavaScript.
struct Browser<'a> {
    client: Client,
    server: &'a Server,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn of(server: &'a Server) -> Self {
        let client = doorbuster::http_client::builder()
            .redirect(Policy::none())
            .no_proxy();
        Self {
            client: client.build().expect("a client"),
            server,
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let pairs = self.cookies.iter();
        let cookies: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header(ACCEPT, "text/html")
            .header(COOKIE, cookies.join("; "))
            .header("traceparent", traceparent());
        let answer = request.send().await.expect("the server answers");
        for set in answer.headers().get_all(SET_COOKIE) {
            let set = set.to_str().expect("text");
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a name and a value");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    async fn page(&mut self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.server.url));
        let page = self.send(request).await;
        assert_eq!(page.status(), 200, "{path}: {}", self.server.log());
        page.text().await.expect("text")
    }

    /// Sends a form from `page`. Returns where it leads.
    async fn submit(&mut self, page: &str, form: &str, fields: String) -> String {
        let url = &self.server.url;
        let request = self
            .client
            .post(format!("{url}/api/form/{form}"))
            .header(REFERER, format!("{url}{page}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(fields);
        let answer = self.send(request).await;
        let location = answer.headers().get(LOCATION);
        let location = location.unwrap_or_else(|| panic!("{}", self.server.log()));
        location.to_str().expect("text").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_continues_the_trace_of_a_trusted_proxy_and_names_no_person() {
    let (folder, collector) = (folder(), Collector::start().await);
    let database = TestDatabase::seeded().await;
    let continued = Continued::default();
    let (provider_url, _provider) = provider(&continued).await;
    let variables = [
        (ENDPOINT, collector.url()),
        ("PAYMENT_PROVIDER_URL", provider_url.as_str()),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = server_with(folder.path(), database.url(), &variables).await;
    let mut browser = Browser::of(&server);
    let product = "/products/flash-sale-smartphone";
    let fields = "product_id=1&quantity=1".to_owned();
    let checkout = browser.submit(product, "cart/buy-now", fields).await;
    assert_eq!(checkout, "/checkout/now");
    let page = browser.page(&checkout).await;
    let fields = format!(
        "{}&cart_id={}&name=Ann+Secret&email=ann.secret%40example.com&street=7+Hidden+Lane\
         &postal_code=98765&city=Nowhereville&country=DE&card_number=4242424242424242\
         &card_expiry=11%2F39&card_cvc=987",
        hidden_fields(&page),
        value_of(&page, "cart_id")
    );
    let order = browser.submit(&checkout, "checkout/pay", fields).await;
    assert!(order.starts_with("/orders/"), "{order}: {}", server.log());
    browser.page(&order).await;

    let function = "server function /api/form/checkout/pay";
    let function = collector.until(function).await;
    collector.until("transaction settle payment").await;
    collector.until("GET /orders/{public_id}").await;
    let spans = collector.spans();
    let request = spans
        .iter()
        .find(|span| span.span_id == function.parent_span_id);
    let request = request.unwrap_or_else(|| panic!("no request in {spans:#?}"));
    assert_eq!(request.name, "POST /api/form/{*path}");
    assert_eq!(hex::encode(&request.trace_id), FOREIGN_TRACE);
    assert_eq!(hex::encode(&request.parent_span_id), FOREIGN_SPAN);
    for transaction in ["transaction begin payment", "transaction settle payment"] {
        let transaction = child(&spans, &function, transaction);
        assert!(!children(&spans, transaction).is_empty(), "{spans:#?}");
    }
    let payment = child(&spans, &function, "payment charge");
    assert_eq!(payment.kind(), SpanKind::Client);
    let status = attribute(payment, "http.response.status_code");
    assert_eq!(status.as_deref(), Some("200"));
    let span = hex::encode(&payment.span_id);
    let continued = continued.lock().expect("no panic under this lock").clone();
    assert_eq!(continued, [format!("00-{FOREIGN_TRACE}-{span}-01")]);
    let loading = spans.iter().find(|span| span.name == "GET /checkout/now");
    let loading = loading.unwrap_or_else(|| panic!("no page in {spans:#?}"));
    child(&spans, loading, "page");

    let exported = collector.text();
    for personal in [
        "Secret",
        "ann.secret",
        "Hidden Lane",
        "98765",
        "Nowhereville",
        "4242424242424242",
        order.trim_start_matches("/orders/"),
        "127.0.0.1",
        "SELECT",
        "INSERT",
    ] {
        assert!(!exported.contains(personal), "{personal} is exported");
    }
}

/// Returns the number of spans with this end.
async fn spans_at(metrics: &str, end: &str) -> Option<u64> {
    let text = http_client()
        .get(format!("http://{metrics}/metrics"))
        .send()
        .await;
    let text = text
        .expect("the server answers")
        .text()
        .await
        .expect("text");
    let series = format!(r#"(?m)^doorbuster_trace_spans_total\{{end="{end}"\}} (\d+)$"#);
    let series = Regex::new(&series).expect("a pattern");
    let found = series.captures(&text)?;
    Some(found[1].parse().expect("a number"))
}

/// Reads the metrics as Prometheus does.
async fn open_metrics(metrics: &str) -> String {
    let accepted = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3";
    let request = http_client().get(format!("http://{metrics}/metrics"));
    let answer = request.header(ACCEPT, accepted).send().await;
    let answer = answer.expect("the server answers");
    assert_eq!(
        answer.headers()[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = answer.text().await.expect("text");
    assert!(text.ends_with("# EOF\n"), "{text}");
    text
}

/// Returns the traces of the exemplars of a histogram.
fn exemplars(text: &str, histogram: &str, label: &str) -> Vec<String> {
    let line = format!(
        r#"(?m)^{histogram}_bucket\{{le="[^"]+",{label}\}} [1-9]\d* # \{{trace_id="([0-9a-f]{{32}})"\}} [\d.]+ \d+\.\d{{3}}$"#
    );
    let line = Regex::new(&line).expect("a pattern");
    let found = line.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_leads_to_the_trace_of_its_latest_duration() {
    let (folder, collector) = (folder(), Collector::start().await);
    let database = TestDatabase::seeded().await;
    let metrics_port = ReservedPort::reserve();
    let metrics = metrics_port.address().to_string();
    let variables = [
        (ENDPOINT, collector.url()),
        ("METRICS_ADDR", metrics.as_str()),
    ];
    let server = server_with(folder.path(), database.url(), &variables).await;
    server.buy(&http_client(), "a-traced-order-1").await;
    let request = collector.until("POST /api/purchase").await;
    let trace = hex::encode(&request.trace_id);
    let text = open_metrics(&metrics).await;
    for (histogram, label) in [
        (
            "doorbuster_checkout_duration_seconds",
            r#"journey="express""#,
        ),
        (
            "doorbuster_transaction_duration_seconds",
            r#"transaction="row-lock""#,
        ),
        ("doorbuster_http_request_duration_seconds", r#"class="api""#),
    ] {
        let found = exemplars(&text, histogram, label);
        assert_eq!(found, [trace.as_str()], "{histogram} in\n{text}");
    }
    // An exemplar is a part of a series, and the other format has none.
    let plain = http_client()
        .get(format!("http://{metrics}/metrics"))
        .send()
        .await;
    let plain = plain.expect("the server answers").text().await;
    let plain = plain.expect("text");
    let series = "\ndoorbuster_checkout_duration_seconds_bucket{";
    assert_eq!(plain.matches(series).count(), text.matches(series).count());
    assert!(!plain.contains("trace_id"), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_traced_is_no_exemplar() {
    let collector = Collector::start().await;
    for (endpoint, sampler) in [("", "always_on"), (collector.url(), "always_off")] {
        let folder = folder();
        let database = TestDatabase::seeded().await;
        let metrics_port = ReservedPort::reserve();
        let metrics = metrics_port.address().to_string();
        let variables = [
            (ENDPOINT, endpoint),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("METRICS_ADDR", metrics.as_str()),
        ];
        let server = server_with(folder.path(), database.url(), &variables).await;
        server.buy(&http_client(), "an-untraced-order-").await;
        let text = open_metrics(&metrics).await;
        let counted = "doorbuster_checkout_duration_seconds_count{journey=\"express\"} 1";
        assert!(text.contains(counted), "{text}");
        assert!(!text.contains("trace_id"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_delays_neither_requests_nor_the_stop() {
    let folder = folder();
    let database = TestDatabase::seeded().await;
    // It accepts connections, as the operating system does it for every listener, and reads none.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let metrics_port = ReservedPort::reserve();
    let metrics = metrics_port.address().to_string();
    let variables = [
        (ENDPOINT, endpoint.as_str()),
        ("METRICS_ADDR", metrics.as_str()),
    ];
    let mut server = server_with(folder.path(), database.url(), &variables).await;
    let client = http_client();
    server.buy(&client, "before-the-export-").await;
    let begin = Instant::now();
    while spans_at(&metrics, "dropped").await == Some(0) {
        assert!(begin.elapsed() < PATIENCE, "the queue is not full");
        for _ in 0..AT_ONCE {
            let request = || client.get(format!("{}/api/nothing", server.url)).send();
            for answer in join_all((0..AT_ONCE).map(|_| request())).await {
                answer.expect("the server answers");
            }
        }
    }
    let begin = Instant::now();
    server.buy(&client, "during-the-export-").await;
    assert!(begin.elapsed() < ANSWER_MAX, "{:?}", begin.elapsed());
    assert_eq!(spans_at(&metrics, "exported").await, Some(0));
    let begin = Instant::now();
    while spans_at(&metrics, "failed").await == Some(0) {
        assert!(begin.elapsed() < PATIENCE, "no export has failed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(&mut server).await;
    let log = server.log();
    let warnings = log.matches("the collector does not receive traces");
    assert_eq!(warnings.count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_nothing_is_exported() {
    let (folder, collector) = (folder(), Collector::start().await);
    let database = TestDatabase::seeded().await;
    let traces = format!("{}/v1/traces", collector.url());
    let metrics_port = ReservedPort::reserve();
    let metrics = metrics_port.address().to_string();
    let variables = [
        (ENDPOINT, ""),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.as_str()),
        ("METRICS_ADDR", metrics.as_str()),
    ];
    let mut server = server_with(folder.path(), database.url(), &variables).await;
    server.buy(&http_client(), "an-untraced-order-").await;
    assert_eq!(spans_at(&metrics, "dropped").await, None);
    stop(&mut server).await;
    assert!(collector.spans().is_empty(), "{:#?}", collector.spans());
}

#[tokio::test]
async fn a_wrong_setting_is_refused_with_a_sentence() {
    for (variable, value) in [
        (ENDPOINT, "ftp://collector.test"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = doorbuster(folder.path(), &["serve"]);
        command
            .env(ENDPOINT, "http://127.0.0.1:9")
            .env("OTEL_TRACES_SAMPLER", "traceidratio")
            .env(variable, value);
        let ended = end_of(command, &folder).await;
        ended.check_code(2);
        assert!(ended.stderr.contains(variable), "{}", ended.stderr);
        assert!(ended.left_nothing, "{variable}");
    }
}
