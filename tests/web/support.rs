//! A shop with its complete router, and helpers to send requests to it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use doorbuster::{
    db::session_store::DbSessionStore,
    feed::Feed,
    shop::{Shop, inventory::gate::StockGate},
    simulation::Engine,
    web::{
        AppState, ServerParts, admission::AdmissionLimits, api_routes, rate_limit::RateLimits,
        server, shared_catalog::SharedCatalog,
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::documented;
pub use crate::support::{TestShop, administrator};

/// The administrator's password in these tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// Returns the state of a server of `shop` at `public_url`.
pub fn state(shop: Shop, database_url: &str, public_url: &str) -> AppState {
    AppState::new(parts(shop, database_url, public_url))
}

/// Returns the parts of a server of `shop` at `public_url`.
pub fn parts(shop: Shop, database_url: &str, public_url: &str) -> ServerParts {
    ServerParts {
        engine: Engine::new(database_url.to_owned(), Feed::default())
            .with_gate(shop.gate().cloned()),
        sessions: DbSessionStore::new(shop.db().clone()),
        limits: RateLimits::new(None).into(),
        // A busy machine would make the limit adapt.
        admission: AdmissionLimits::unlimited(),
        streams_max: u64::MAX,
        stock_watch: Default::default(),
        stored_runs: Default::default(),
        notices_url: database_url.into(),
        // Tests change rows by hand and expect the next page to show it.
        catalog: SharedCatalog::new(shop.clone(), Duration::ZERO),
        audit_hour: 3,
        audit_db: shop.db().clone(),
        retention: Default::default(),
        health: Default::default(),
        traces: None,
        live: Default::default(),
        public_url: public_url.into(),
        listens_on: ([127, 0, 0, 1], 3000).into(),
        secure: public_url.starts_with("https"),
        sells_by_express: true,
        payment_secret: crate::support::provider::SECRET.into(),
        trusted_proxies: Arc::new([]),
        unlisted_proxies: Default::default(),
        failure_log: Default::default(),
        shutdown: CancellationToken::new(),
        shop,
    }
}

/// A client of the router that keeps its cookies.
pub struct Visitor {
    router: Router,
    cookies: BTreeMap<String, String>,
}

/// A complete response.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestResponse {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| {
            value.to_str().expect("the server's headers are text")
        })
    }

    /// Returns the `detail` of a problem response.
    pub fn detail(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("not a problem: {} {}", self.status, self.body));
        problem["detail"].as_str().unwrap_or_default().to_owned()
    }
}

impl Visitor {
    /// Creates a client of a server of `shop` over http, without a session.
    pub fn of(shop: &TestShop) -> Self {
        Self::of_server(shop, shop.handle())
    }

    /// The same for a server with these gates, or without Redis if there are none.
    pub fn of_gated(shop: &TestShop, gate: Option<StockGate>) -> Self {
        Self::of_server(shop, shop.handle().with_gate(gate))
    }

    /// The same for this server of `shop`.
    pub fn of_server(shop: &TestShop, server: Shop) -> Self {
        Self::at(state(server, shop.database.url(), "http://shop.test"))
    }

    /// Creates a client of this server, without a session.
    pub fn at(state: AppState) -> Self {
        Self {
            router: server::router(state).expect("the public URL is an origin"),
            cookies: BTreeMap::new(),
        }
    }

    /// Returns another window of the same browser, as it is at this moment.
    pub fn with_the_same_cookies(&self) -> Self {
        Self {
            router: self.router.clone(),
            cookies: self.cookies.clone(),
        }
    }

    /// Stores a cookie that the server has not set.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Deletes all cookies, as a browser's settings can.
    pub fn forget_cookies(&mut self) {
        self.cookies.clear();
    }

    /// Returns the stored cookies as a header, if there are any.
    pub fn cookie_header(&self) -> Option<String> {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Sends a request with the stored cookies, and stores the cookies of the response. An answer
    /// of the API must be one that its document describes.
    pub async fn send(&mut self, mut request: Request<Body>) -> TestResponse {
        if let Some(cookies) = self.cookie_header() {
            let cookies = cookies.parse().expect("the server's cookies are valid");
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router is infallible");
        let (parts, body) = response.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("the server's cookies are text");
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').expect("a name and a value");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = to_bytes(body, usize::MAX).await.expect("the body ends");
        let response = TestResponse {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        documented::check(&method, &path, &response);
        response
    }

    /// Returns the value of the session's cookie.
    pub fn cookie(&self) -> Option<&str> {
        let names = ["doorbuster", "__Host-doorbuster"];
        names
            .iter()
            .find_map(|name| self.cookies.get(*name))
            .map(String::as_str)
    }

    /// Requests a page as a browser does.
    pub async fn page(&mut self, path: &str) -> TestResponse {
        let request = Request::get(path).header(header::ACCEPT, "text/html");
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    /// Submits a form from `page` as a browser without JavaScript does.
    pub async fn submit(&mut self, page: &str, path: &str, fields: &str) -> TestResponse {
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::REFERER, format!("http://shop.test{page}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(fields.to_owned().into()).expect("a request"))
            .await
    }

    /// Posts a form as a program does.
    pub async fn post_form(&mut self, path: &str, fields: &str) -> TestResponse {
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(fields.to_owned().into()).expect("a request"))
            .await
    }

    /// Calls the JSON API with these headers.
    pub async fn post_json_with(
        &mut self,
        path: &str,
        json: &str,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(json.to_owned().into()).expect("a request"))
            .await
    }

    /// The same for a purchase, whose order is followed until it does not wait in the queue any
    /// more. Returns the last answer.
    pub async fn purchase(
        &mut self,
        path: &str,
        json: &str,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let answer = self.post_json_with(path, json, headers).await;
        self.follow(answer).await
    }

    /// Asks for the order of an answer until it does not wait in the queue any more.
    pub async fn follow(&mut self, mut answer: TestResponse) -> TestResponse {
        while answer.status == StatusCode::ACCEPTED {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            let address = answer.header("location").to_owned();
            answer = self.page(&address).await;
        }
        answer
    }

    /// Opens an event stream. Returns its body once the response has begun.
    pub async fn open_stream(&self, path: &str) -> Body {
        let mut request = Request::get(path).header(header::ACCEPT, "text/event-stream");
        if let Some(cookies) = self.cookie_header() {
            request = request.header(header::COOKIE, cookies);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await;
        let response = response.expect("the router is infallible");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.into_body()
    }

    /// Calls the JSON API.
    pub async fn post_json(&mut self, path: &str, json: &str) -> TestResponse {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(json.to_owned().into()).expect("a request"))
            .await
    }

    /// Signs in as the administrator, at the start of a visit.
    pub async fn sign_in(&mut self, shop: &TestShop) {
        self.sign_in_to(shop, "/admin").await;
    }

    /// Signs in as the administrator. Leads to `address`, the page that was requested before.
    pub async fn sign_in_to(&mut self, shop: &TestShop, address: &str) {
        shop.administrators()
            .ensure_password(Some(PASSWORD))
            .await
            .expect("the password is stored");
        let fields = format!("password={}", PASSWORD.replace(' ', "+"));
        let answer = self
            .submit("/admin/login", "/api/form/admin/login", &fields)
            .await;
        assert_eq!(answer.header("location"), address, "{answer:?}");
    }
}

/// Returns the value of a hidden field.
#[track_caller]
pub fn value_of(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    page.split(&field)
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("the page has no field {name}"))
        .to_owned()
}

/// Returns the hidden fields with which a browser sends a form of this page.
pub fn hidden_fields(page: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["idempotency_key", "from_page"] {
        query.append_pair(name, &value_of(page, name));
    }
    if page.contains("name=\"had_cookie\"") {
        query.append_pair("had_cookie", "1");
    }
    query.finish()
}

/// Sends a form as a browser that sends no `Referer`.
pub async fn send_from_page(visitor: &mut Visitor, form: &str, fields: &str) -> TestResponse {
    let request = Request::post(format!("/api/form/{form}"))
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(fields.to_owned().into());
    visitor.send(request.expect("a request")).await
}

/// Returns every route: pages from the router, server functions from their registry, and the tables
/// of the API and of other routes. Path parameters are replaced by a value that parses.
pub fn every_route() -> Vec<(Method, String)> {
    let pages = server::page_routes()
        .into_iter()
        .map(|route| (Method::GET, route.path().to_owned()));
    let forms =
        leptos::server_fn::axum::server_fn_paths().map(|(path, method)| (method, path.to_owned()));
    let api = api_routes::api_routes()
        .into_iter()
        .flat_map(|(_, described, _)| described.paths)
        .map(|(path, item)| {
            let is_post = item.post.is_some();
            (if is_post { Method::POST } else { Method::GET }, path)
        });
    let others = server::other_routes()
        .into_iter()
        .map(|(path, _)| (Method::GET, path.to_owned()));
    pages
        .chain(forms)
        .chain(api)
        .chain(others)
        .map(|(method, path)| (method, fill_in(&path)))
        .collect()
}

fn fill_in(path: &str) -> String {
    path.split('/')
        .map(|part| {
            if part.starts_with('{') || part.starts_with(':') {
                "01890000-0000-7000-8000-000000000000"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}
