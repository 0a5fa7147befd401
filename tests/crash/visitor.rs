//! A browser without JavaScript, for a server that may be killed while it answers.

use doorbuster::http_client;
use regex::Regex;
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, REFERER, SET_COOKIE},
    redirect::Policy,
};

use super::strategies::follow;
use crate::support::shop::long_key;

/// The page that a rejected form redirects to.
const FORM: &str = "/form";
/// How often a purchase is sent again to a server that is too busy to answer in time.
const BUSY_MAX: u32 = 20;

pub struct Visitor {
    client: Client,
    cookie: Option<String>,
    cart_id: Option<String>,
    /// The key that the shop wrote into the form of a product page.
    issued_key: Option<String>,
    /// Acknowledged orders: the server redirected to their page.
    pub orders: Vec<String>,
    /// The number of forms that were accepted.
    pub done: usize,
}

impl Visitor {
    pub fn new() -> Self {
        let client = http_client::builder().redirect(Policy::none()).no_proxy();
        Self {
            client: client.build().expect("a client"),
            cookie: None,
            cart_id: None,
            issued_key: None,
            orders: Vec::new(),
            done: 0,
        }
    }

    /// Returns the key of the form on a product page, which the visitor opened once.
    pub async fn issued_key(&mut self, url: &str) -> String {
        if self.issued_key.is_none() {
            let page = self.page(url, "/products/flash-sale-smartphone").await;
            let named = Regex::new(r#"name="idempotency_key" value="([^"]+)""#).expect("a pattern");
            let found = named.captures(page.as_deref().unwrap_or_default());
            self.issued_key = found.map(|found| found[1].to_owned());
        }
        self.issued_key.clone().unwrap_or_default()
    }

    /// Posts a form with `key`; see [`long_key`]. Does nothing if the server is killed before it
    /// answers.
    pub async fn press(&mut self, url: &str, form: &str, key: &str, fields: &[(&str, &str)]) {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("idempotency_key", &long_key(key))
            .extend_pairs(fields)
            .finish();
        let mut request = self
            .client
            .post(format!("{url}/api/form/{form}"))
            .header(ACCEPT, "text/html")
            .header(REFERER, format!("{url}{FORM}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let Ok(answer) = request.send().await else {
            return;
        };
        if let Some(set) = answer.headers().get(SET_COOKIE) {
            let set = set.to_str().expect("text");
            self.cookie = set.split(';').next().map(ToOwned::to_owned);
        }
        let location = answer.headers().get(LOCATION);
        let location = location
            .and_then(|location| location.to_str().ok())
            .unwrap_or(FORM);
        if let Some(order) = location.strip_prefix("/orders/") {
            self.orders.push(order.to_owned());
        }
        if location != FORM {
            self.done += 1;
        }
    }

    /// Reads the cart id from the form on the page at `path`. Returns the last one if the page has
    /// no form now.
    pub async fn cart_id(&mut self, url: &str, path: &str) -> String {
        let page = self.page(url, path).await.unwrap_or_default();
        let named = Regex::new(r#"name="cart_id" value="([^"]+)""#).expect("a pattern");
        if let Some(found) = named.captures(&page) {
            self.cart_id = Some(found[1].to_owned());
        }
        self.cart_id.clone().unwrap_or_default()
    }

    /// Reads a page, if there is one.
    pub async fn page(&self, url: &str, path: &str) -> Option<String> {
        let mut request = self
            .client
            .get(format!("{url}{path}"))
            .header(ACCEPT, "text/html");
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// Makes an express purchase.
    pub async fn buy(&mut self, url: &str, strategy: &str, product_id: i64) {
        let body = serde_json::json!({ "productId": product_id, "quantity": 1 });
        let purchase = || {
            self.client
                .post(format!("{url}/api/purchase?strategy={strategy}"))
                .header("Idempotency-Key", long_key("express"))
                .json(&body)
                .send()
        };
        let Ok(mut answer) = purchase().await else {
            return;
        };
        // A busy server does not answer in time: the client sends the same key again.
        for _ in 0..BUSY_MAX {
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            let Ok(again) = purchase().await else {
                return;
            };
            answer = again;
        }
        let is_queued = answer.status() == StatusCode::ACCEPTED;
        let answer: serde_json::Value = answer.json().await.unwrap_or_default();
        if let Some(order) = answer["orderId"].as_str() {
            let sold = match is_queued {
                true => follow(&self.client, url, order).await,
                false => Some(order.to_owned()),
            };
            let Some(sold) = sold else {
                return;
            };
            self.orders.push(sold);
            self.done += 1;
        }
    }
}
