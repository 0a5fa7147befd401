//! A shop with its own database, and builders for its test data.

use std::{
    future::IntoFuture,
    ops::Deref,
    panic::Location,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use doorbuster::{
    config::ShopTerms,
    db::{
        Db, PoolSettings,
        txn::{self, Outcome},
    },
    feed::Feed,
    model::{
        CartView, Contact, PaymentCard, Quantity, Receipt, ShopError, SimulationPlan, StrategyKey,
    },
    payment::provider::test_cards,
    shop::{
        Shop,
        administrator::Administrator,
        audit::{self, AuditReport},
        cart::{CheckoutDraft, KeyedCart},
        checkout::OrderRequest,
        idempotency::{Claim, Key},
        inventory::{InjectionPoint, PurchaseRequest, layout},
        payments::PaymentResponse,
    },
    simulation::run_secret::RunSecret,
};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{
    PATIENCE, ScriptedProvider, TestDatabase,
    database::ByHand,
    patient,
    provider::OnDemand,
    race::{self},
    redis,
    server::on_support,
    within,
};

/// The pool of a test shop. It is small because many tests share one server.
pub const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test",
    transactions_max: 6,
    readers_max: 2,
    ..PoolSettings::SHOP
};

/// The pool of the audit.
const AUDIT_POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test audit",
    transactions_max: 1,
    readers_max: 1,
    acquire_timeout: Duration::from_secs(30),
    ..PoolSettings::COMMAND
};

/// A seeded shop. It is audited at the end of its test, even if the test does not do so.
pub struct TestShop {
    shop: Shop,
    pub by_hand: ByHand,
    audited: AtomicBool,
    products_made: AtomicU32,
    // The last field: the database is dropped after everything else.
    pub database: TestDatabase,
}

impl Deref for TestShop {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl TestShop {
    pub async fn new() -> Self {
        Self::with_pool(POOL).await
    }

    pub async fn with_pool(settings: PoolSettings) -> Self {
        Self::on(TestDatabase::seeded().await, settings).await
    }

    /// A shop on a server that the test itself started.
    pub async fn on_own_server(url: &str) -> Self {
        Self::on(TestDatabase::on_own_server(url).await, POOL).await
    }

    async fn on(database: TestDatabase, settings: PoolSettings) -> Self {
        let gateway = OnDemand::on(database.url());
        Self {
            shop: Shop::new(database.pool(settings).await, Feed::default())
                .with_gateway(std::sync::Arc::new(gateway))
                .with_gate(redis::shared_gate()),
            by_hand: database.by_hand().await,
            audited: AtomicBool::new(false),
            products_made: AtomicU32::new(0),
            database,
        }
    }

    /// Returns a handle for a spawned task.
    pub fn handle(&self) -> Shop {
        self.shop.clone()
    }

    /// Returns the same shop for what a test prepares: that is no request, and may take longer.
    pub fn patient(&self) -> Shop {
        self.shop.clone().with_deadline(PATIENCE)
    }

    /// Returns the same shop with this injection point.
    pub fn at(&self, injection_point: InjectionPoint) -> Shop {
        self.shop.clone().with_injection_point(injection_point)
    }

    /// Returns the same shop with these terms.
    pub fn on_terms(&self, terms: ShopTerms) -> Shop {
        self.shop.clone().with_terms(terms)
    }

    /// Returns the same shop with this payment provider.
    pub fn paid_through(&self, scripted: &ScriptedProvider) -> Shop {
        let scripted = std::sync::Arc::new(scripted.clone());
        self.shop.clone().with_gateway(scripted)
    }

    /// Skips the final audit, for a test that corrupts the data on purpose.
    pub fn without_final_audit(&self) {
        self.audited.store(true, Ordering::Relaxed);
    }

    /// Starts building a product of the shop.
    pub fn product(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            shop: self,
            name: None,
            stock: 10,
            limit: None,
            price_cents: 1_000,
            starts: None,
            ends: None,
        }
    }

    /// Creates a product of the shop with `stock` units.
    pub async fn with_product(&self, stock: i64) -> TestProduct {
        self.product().stock(stock).create().await
    }

    /// Creates a private product of the workbench, in the stock layout of the strategy.
    pub async fn with_lane(&self, strategy: StrategyKey, stock: i64) -> TestProduct {
        let product = self.with_product(0).await;
        let (run, secret) = (Uuid::now_v7(), RunSecret::random());
        let plan = serde_json::to_string(&SimulationPlan::preset()).expect("a plan is JSON");
        self.by_hand
            .run(&format!(
                "INSERT INTO simulation_run (id, state, plan, buyer_secret) VALUES ('{run}', 'finished', '{plan}', '{}')",
                secret.hash()
            ))
            .await;
        let lane_id: i64 = self
            .by_hand
            .value(&format!(
                "INSERT INTO simulation_lane (run_id, strategy, product_id) VALUES ('{run}', '{strategy}', {}) RETURNING id",
                product.id
            ))
            .await;
        self.by_hand
            .run(&format!(
                "UPDATE product SET lane_id = {lane_id} WHERE id = {id}; DELETE FROM stock WHERE product_id = {id}",
                id = product.id
            ))
            .await;
        let id = product.id;
        txn::run_for_result(self.db(), patient("lay out"), move |work| {
            Box::pin(layout::lay_out(work, id, stock, strategy))
        })
        .await
        .expect("the lane is laid out");
        TestProduct {
            lane: Some(TestLane {
                id: lane_id,
                secret,
            }),
            ..product
        }
    }

    /// Creates a product that the strategy may sell: a product of the shop, or a private product in
    /// its stock layout.
    pub async fn with_stock_for(&self, strategy: StrategyKey, stock: i64) -> TestProduct {
        if strategy.may_sell_in_shop() {
            self.with_product(stock).await
        } else {
            self.with_lane(strategy, stock).await
        }
    }

    /// Builds a purchase, by default of one unit by `row-lock`, of a buyer of the product's lane if
    /// it has one. Await it, or spawn it.
    pub fn buy(&self, product: &TestProduct) -> Purchase {
        Purchase {
            shop: self.shop.clone(),
            product_id: product.id,
            lane_id: product.lane_id(),
            strategy: StrategyKey::RowLock,
            quantity: 1,
            key: None,
        }
    }

    /// Fills a new cart with `(product, units)` in this order.
    pub async fn cart_of(&self, lines: &[(&TestProduct, u32)]) -> Uuid {
        let (shop, mut cart) = (self.patient(), None);
        for (product, units) in lines {
            let added = shop
                .carts()
                .add(cart, product.id, units_of(*units), None)
                .await;
            cart = Some(added.expect("it goes into the cart"));
        }
        cart.expect("a cart has at least one line")
    }

    /// Builds the request of a checkout form, with a new idempotency key.
    pub fn checkout(&self, cart_id: Uuid, email: &str) -> OrderRequest {
        OrderRequest {
            cart_id,
            contact: contact(email),
            code: None,
            expected_total_cents: None,
            expected_items: None,
            claim: claim(
                &Uuid::now_v7().to_string(),
                "checkout",
                &[&cart_id.to_string()],
            ),
            lane_id: None,
        }
    }

    /// Reads a cart, without the moment at which its products were read.
    pub async fn cart_without_time(&self, cart_id: Uuid) -> CartView {
        let view = self.carts().view(Some(cart_id)).await;
        let mut view = view.expect("the cart is read");
        for line in &mut view.lines {
            line.product.read_at_ms = 0;
        }
        view
    }

    /// Places and pays an order of `lines`. Returns its public id.
    pub async fn paid(&self, lines: &[(&TestProduct, u32)], email: &str) -> String {
        let cart = self.cart_of(lines).await;
        let request = self.checkout(cart, email);
        let paid = self.patient().place_order(request).await;
        paid.result.expect("it is paid").receipt.order_id
    }

    /// Starts a payment at `shop`, whose provider is `scripted`, and leaves the charge unanswered.
    pub async fn start_payment(
        &self,
        shop: Shop,
        scripted: &ScriptedProvider,
        request: OrderRequest,
    ) -> PendingPayment {
        let before = scripted.charges(0).await.len();
        let paying = tokio::spawn(async move {
            let outcome = shop
                .payments()
                .pay(request, card(test_cards::CAPTURED))
                .await;
            outcome.result.map_err(ShopError::from)
        });
        let charges = scripted.charges(before + 1).await;
        let charge = charges[before];
        let order_id = self
            .by_hand
            .value(&format!(
                "SELECT o.public_id::text FROM customer_order o JOIN payment p ON p.order_id = o.id WHERE p.reference = '{charge}'"
            ))
            .await;
        PendingPayment {
            paying,
            charge,
            order_id,
        }
    }

    /// Lets all active holds expire without sweeping them.
    pub async fn expire_holds(&self) {
        let expire = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE state = 'held'";
        self.by_hand.run(expire).await;
    }

    /// Makes every open status query to the provider due now.
    pub async fn make_status_queries_due(&self) {
        for table in ["payment", "refund"] {
            let due = format!("UPDATE {table} SET ask_at = CURRENT_TIMESTAMP");
            self.by_hand.run(&due).await;
        }
    }

    /// Returns the ledger of a product after its first receipt, as in `hold 2 #, sell 2 @#`: `@`
    /// is an order, `#` for a hold.
    pub async fn ledger_of(&self, product: &TestProduct) -> String {
        self.by_hand
            .value(&format!(
                "SELECT coalesce(string_agg(trim(kind || ' ' || quantity || ' ' || CASE WHEN order_id IS NULL THEN '' ELSE '@' END \
                 || CASE WHEN hold_id IS NULL THEN '' ELSE '#' END), ', ' ORDER BY id), '') \
                 FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM stock_movement WHERE product_id = {}) m \
                 WHERE n > 1 OR kind <> 'receive'",
                product.id
            ))
            .await
    }

    /// Returns the id of an order's line of `product`.
    pub async fn line_id(&self, order_id: &str, product: &TestProduct) -> i64 {
        self.by_hand
            .value(&format!(
                "SELECT l.id FROM order_line l JOIN customer_order o ON o.id = l.order_id \
                 WHERE o.public_id = '{order_id}' AND l.product_id = {}",
                product.id
            ))
            .await
    }

    /// Receives units, with their ledger entry, in one statement.
    pub async fn restock(&self, product: &TestProduct, units: i64) {
        self.by_hand.run(&restocking(product, units)).await;
    }

    /// Reads the counters in any stock layout.
    pub async fn level(&self, product: &TestProduct) -> Counters {
        let column = async |name: &str| -> i64 {
            let sql = format!(
                "SELECT {name} FROM stock_level WHERE product_id = {}",
                product.id
            );
            self.by_hand.value(&sql).await
        };
        Counters {
            total: column("total").await,
            available: column("available").await,
            reserved: column("reserved").await,
            sold: column("sold").await,
        }
    }

    /// Counts the units on order lines.
    pub async fn units_ordered(&self, product: &TestProduct) -> i64 {
        self.by_hand
            .value(&format!(
                "SELECT coalesce(sum(quantity), 0)::bigint FROM order_line WHERE product_id = {}",
                product.id
            ))
            .await
    }

    /// Counts the rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        self.by_hand
            .value(&format!("SELECT count(*) FROM {table}"))
            .await
    }

    /// Waits until `count` of this shop's transactions are blocked by a lock.
    pub async fn until_blocked(&self, count: i64) {
        race::wait_until_blocked(&self.by_hand, count).await;
    }

    /// Runs the audit.
    pub async fn audit(&self) -> AuditReport {
        let db = self.database.pool(AUDIT_POOL).await;
        let report = audit::run(&db).await.expect("the audit runs");
        db.close().await;
        report
    }
}

/// Builds the statements that [`TestShop::restock`] runs.
pub fn restocking(product: &TestProduct, units: i64) -> String {
    format!(
        "UPDATE stock SET total = total + {units}, available = available + {units}, version = version + 1 \
         WHERE product_id = {id}; \
         INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({id}, 'receive', {units})",
        id = product.id
    )
}

impl Drop for TestShop {
    fn drop(&mut self) {
        if std::thread::panicking() || self.audited.load(Ordering::Relaxed) {
            return;
        }
        let url = self.database.url().to_owned();
        let report = on_support(async move {
            let db = Db::connect(&url, AUDIT_POOL)
                .await
                .expect("the audit's pool opens");
            let report = audit::run(&db).await.expect("the audit runs");
            db.close().await;
            report
        });
        refuse_violations(&report);
    }
}

/// Fails the test if stock, orders and ledger do not agree.
#[track_caller]
pub fn check_audit_clean(shop: &TestShop) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let report = shop.audit().await;
        assert!(report.is_clean(), "at {caller}: {}", violations(&report));
    }
}

#[track_caller]
fn refuse_violations(report: &AuditReport) {
    assert!(
        report.is_clean(),
        "the audit at the test's end: {}",
        violations(report)
    );
}

fn violations(report: &AuditReport) -> String {
    report
        .rules
        .iter()
        .filter(|rule| rule.violations > 0)
        .map(|rule| format!("{}: {}\n", rule.rule, rule.listed.join("\n  ")))
        .collect()
}

/// The counters of a stock row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

/// A product made for a test.
#[derive(Clone, Debug)]
pub struct TestProduct {
    pub id: i64,
    pub name: String,
    /// The lane that owns it, if it is a private product.
    pub lane: Option<TestLane>,
}

/// A lane made for a test, with the secret of its run.
#[derive(Clone, Copy, Debug)]
pub struct TestLane {
    pub id: i64,
    pub secret: RunSecret,
}

impl TestProduct {
    /// A product of the shop.
    pub fn of_shop(id: i64, name: String) -> Self {
        Self {
            id,
            name,
            lane: None,
        }
    }

    pub fn lane_id(&self) -> Option<i64> {
        self.lane.map(|lane| lane.id)
    }

    /// What a buyer of its lane sends over HTTP; empty for a product of the shop.
    pub fn buyer_token(&self) -> String {
        self.lane
            .map(|lane| lane.secret.token())
            .unwrap_or_default()
    }

    /// The error when `requested` units exceed the `available` ones.
    pub fn insufficient(&self, available: u64, requested: u32) -> ShopError {
        ShopError::InsufficientStock {
            product: self.name.clone(),
            available,
            requested,
        }
    }
}

/// A payment that waits for the provider.
pub struct PendingPayment {
    pub paying: tokio::task::JoinHandle<Result<PaymentResponse, ShopError>>,
    /// The charge's reference.
    pub charge: Uuid,
    pub order_id: String,
}

impl PendingPayment {
    /// Waits for the shopper's response.
    pub async fn answer(self) -> Result<PaymentResponse, ShopError> {
        let answer = within(PATIENCE, "the payment's answer", self.paying).await;
        answer.expect("it ends")
    }
}

/// See [`TestShop::product`].
pub struct ProductBuilder<'a> {
    shop: &'a TestShop,
    name: Option<&'static str>,
    stock: i64,
    limit: Option<u32>,
    price_cents: i64,
    starts: Option<&'static str>,
    ends: Option<&'static str>,
}

impl ProductBuilder<'_> {
    pub fn named(self, name: &'static str) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    pub fn stock(self, stock: i64) -> Self {
        Self { stock, ..self }
    }

    pub fn limit(self, limit: u32) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    pub fn price_cents(self, price_cents: i64) -> Self {
        Self {
            price_cents,
            ..self
        }
    }

    /// The sale opens at `now() + interval`, as in `1 hour` or `-1 hour`.
    pub fn starts_in(self, interval: &'static str) -> Self {
        Self {
            starts: Some(interval),
            ..self
        }
    }

    /// The sale ends at `now() + interval`.
    pub fn ends_in(self, interval: &'static str) -> Self {
        Self {
            ends: Some(interval),
            ..self
        }
    }

    pub async fn create(self) -> TestProduct {
        let number = self.shop.products_made.fetch_add(1, Ordering::Relaxed);
        let name = match self.name {
            Some(name) => name.to_owned(),
            None => format!("Test Product {number}"),
        };
        let moment = |interval: Option<&str>| match interval {
            Some(interval) => format!("CURRENT_TIMESTAMP + INTERVAL '{interval}'"),
            None => "NULL".to_owned(),
        };
        let limit = self
            .limit
            .map_or("NULL".to_owned(), |limit| limit.to_string());
        let id: i64 = self
            .shop
            .by_hand
            .value(&format!(
                "INSERT INTO product (slug, name, description, category, artwork, price_cents, currency, per_customer_limit, \
                 sale_starts_at, sale_ends_at) \
                 VALUES ('test-product-{number}', '{name}', '', 'Test', '', {}, 'EUR', {limit}, {}, {}) RETURNING id",
                self.price_cents,
                moment(self.starts),
                moment(self.ends),
            ))
            .await;
        let product = TestProduct::of_shop(id, name);
        let by_hand = &self.shop.by_hand;
        by_hand
            .run(&format!(
                "INSERT INTO stock (product_id, total, available) VALUES ({id}, 0, 0)"
            ))
            .await;
        if self.stock > 0 {
            self.shop.restock(&product, self.stock).await;
        }
        product
    }
}

/// See [`TestShop::buy`].
#[derive(Clone)]
pub struct Purchase {
    shop: Shop,
    product_id: i64,
    lane_id: Option<i64>,
    strategy: StrategyKey,
    quantity: u32,
    key: Option<String>,
}

impl Purchase {
    pub fn by(self, strategy: StrategyKey) -> Self {
        Self { strategy, ..self }
    }

    pub fn quantity(self, quantity: u32) -> Self {
        Self { quantity, ..self }
    }

    /// Makes it a purchase of a stranger, who is no buyer of a lane.
    pub fn by_a_stranger(self) -> Self {
        Self {
            lane_id: None,
            ..self
        }
    }

    /// Makes it a purchase of a buyer of this lane.
    pub fn by_a_buyer_of(self, lane_id: i64) -> Self {
        Self {
            lane_id: Some(lane_id),
            ..self
        }
    }

    /// Sets the idempotency key; see [`long_key`].
    pub fn key(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    pub fn at(self, injection_point: InjectionPoint) -> Self {
        Self {
            shop: self.shop.with_injection_point(injection_point),
            ..self
        }
    }

    /// Sets the shop that handles the purchase.
    pub fn on(self, shop: &Shop) -> Self {
        Self {
            shop: shop.clone(),
            ..self
        }
    }

    /// Simulates another server process, which shares the database but no memory.
    pub fn in_another_process(self) -> Self {
        Self {
            shop: self.shop.as_in_another_process(),
            ..self
        }
    }

    /// Spawns the purchase as a task.
    pub fn spawn(self) -> tokio::task::JoinHandle<Result<Receipt, ShopError>> {
        tokio::spawn(self.into_future())
    }
}

impl IntoFuture for Purchase {
    type Output = Result<Receipt, ShopError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let request = self.request();
        Box::pin(async move {
            let outcome = self.shop.purchase(self.strategy, request).await;
            outcome.result.map_err(ShopError::from)
        })
    }
}

impl Purchase {
    fn request(&self) -> PurchaseRequest {
        let parts = [self.product_id.to_string(), self.quantity.to_string()];
        PurchaseRequest {
            product_id: self.product_id,
            quantity: units_of(self.quantity),
            claim: self
                .key
                .as_deref()
                .map(|key| claim(key, "purchase", &[&parts[0], &parts[1]])),
            lane_id: self.lane_id,
        }
    }
}

/// Returns the administrator, for their acts.
pub fn administrator() -> Administrator {
    Administrator::at_the_command_line()
}

pub fn units_of(units: u32) -> Quantity {
    Quantity::new(units.into()).expect("a quantity in range")
}

/// Makes an idempotency key of a name: long enough, and without spaces.
pub fn long_key(name: &str) -> String {
    format!("{:-<16}", name.replace(' ', "-"))
}

/// Returns the claim of a caller who is not known; see [`long_key`].
pub fn claim(name: &str, operation: &str, parts: &[&str]) -> Claim {
    let key = Key::of_unknown_caller(&long_key(name)).expect("a valid key");
    Claim::new(key, operation, parts)
}

/// Places orders with a card that the provider accepts.
pub trait PlacesOrders {
    /// Reserves the cart if necessary, places the order, and pays it.
    fn place_order(
        &self,
        request: OrderRequest,
    ) -> impl Future<Output = Outcome<PaymentResponse>> + Send;
}

impl PlacesOrders for Shop {
    async fn place_order(&self, request: OrderRequest) -> Outcome<PaymentResponse> {
        self.payments()
            .pay(request, card(test_cards::CAPTURED))
            .await
    }
}

/// Returns a card with this number.
pub fn card(number: &str) -> PaymentCard {
    PaymentCard {
        number: number.to_owned(),
        expiry: "12/40".to_owned(),
        cvc: "123".to_owned(),
    }
}

/// Returns a cart change without an idempotency key.
pub fn unkeyed(cart_id: Uuid) -> KeyedCart {
    KeyedCart {
        cart_id,
        claim: None,
    }
}

/// Returns a checkout draft without a discount code.
pub fn draft(contact: Contact) -> CheckoutDraft {
    CheckoutDraft {
        contact,
        code: String::new(),
    }
}

/// Returns the contact details of a guest.
pub fn contact(email: &str) -> Contact {
    Contact {
        name: "Ann Buyer".to_owned(),
        email: email.to_owned(),
        street: "1 Test Street".to_owned(),
        postal_code: "12345".to_owned(),
        city: "Testford".to_owned(),
        country: "Testland".to_owned(),
    }
}
