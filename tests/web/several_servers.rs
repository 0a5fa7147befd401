//! Two servers of one database: the pages of one follow what the other does within a second, also
//! after the connection that receives the notices was lost.

use std::time::Duration;

use doorbuster::{
    db::notices::SESSION_NAME,
    feed::{Feed, RESYNC_INTERVAL},
    model::{SimulationPlan, StrategyKey, plan::Arrivals},
    payment::gateway::ChargeState,
    shop::Shop,
    simulation::Engine,
    web::ConnectionLimits,
};

use super::{
    support::{TestShop, administrator, parts},
    test_server::TestServer,
};
use crate::support::{
    PATIENCE, ScriptedProvider, TestProduct, http_client, program, proxy::Proxy, sessions,
    shop::POOL, within,
};

/// How far a page may lag behind another server.
const SECOND: Duration = Duration::from_secs(1);
/// More changes than a server that polls every three seconds could show within a second each.
const REPEATS: i64 = 4;

/// A server that shares with the test's shop only the database.
struct OtherServer {
    server: TestServer,
    shop: Shop,
}

impl OtherServer {
    /// Starts a server that listens to notices at `notices_url`.
    async fn start(shop: &TestShop, notices_url: &str) -> Self {
        let own = Shop::new(shop.database.pool(POOL).await, Feed::default());
        let limits = ConnectionLimits::new(1_000, 500, 10_000);
        let server = TestServer::start(shop, limits, |of_shop| {
            *of_shop = parts(own.clone(), shop.database.url(), "http://shop.test");
            of_shop.notices_url = notices_url.into();
        })
        .await;
        Self { server, shop: own }
    }

    /// Waits until notices arrive, or no longer do.
    async fn until_receiving(&self, receives: bool) {
        until_receiving(&self.shop, receives).await;
    }

    fn receives(&self) -> bool {
        self.shop.feed().receives_notices()
    }

    /// Opens a stream, as a page does.
    async fn follow(&self, path: &str) -> OpenStream {
        let url = format!("http://{}{path}", self.server.address);
        let response = http_client()
            .get(url)
            .send()
            .await
            .expect("the server answers");
        assert_eq!(response.status(), 200, "{path}");
        OpenStream {
            response,
            text: String::new(),
        }
    }

    async fn follow_stock(&self, product: &TestProduct) -> OpenStream {
        let path = format!("/live/stock?products={}", product.id);
        let mut stream = self.follow(&path).await;
        // The last of the first events.
        within(PATIENCE, "the clock", stream.until("event: clock")).await;
        stream
    }
}

async fn until_receiving(shop: &Shop, receives: bool) {
    let known = async {
        while shop.feed().receives_notices() != receives {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(PATIENCE, "the state of the notices", known).await;
}

struct OpenStream {
    response: reqwest::Response,
    /// What was received and not yet awaited.
    text: String,
}

impl OpenStream {
    /// Waits for this part of an event.
    async fn until(&mut self, part: &str) {
        loop {
            if let Some(at) = self.text.find(part) {
                self.text.drain(..at + part.len());
                return;
            }
            let chunk = self.response.chunk().await.expect("it is readable");
            let chunk = chunk.unwrap_or_else(|| panic!("the stream ended: {}", self.text));
            self.text += &String::from_utf8_lossy(&chunk);
        }
    }

    async fn until_stock(&mut self, product: &TestProduct, available: i64) {
        let stock = format!("data: {}:{available}\n", product.id);
        within(SECOND, "the stock on the other server", self.until(&stock)).await;
    }
}

/// Buys a unit at the shop. Returns the remaining units.
async fn buy(shop: &TestShop, product: &TestProduct) -> i64 {
    let receipt = shop.buy(product).await.expect("it is sold");
    receipt.remaining_stock.expect("it has one line")
}

/// Buys a unit at the shop, as often as given; each time, the page has to follow.
async fn check_page_follows(
    shop: &TestShop,
    product: &TestProduct,
    page: &mut OpenStream,
    times: i64,
) {
    for _ in 0..times {
        let remaining = buy(shop, product).await;
        page.until_stock(product, remaining).await;
    }
}

/// The ids of the listening sessions.
async fn listening(shop: &TestShop) -> Vec<i64> {
    let all = sessions::all(&shop.by_hand).await.into_iter();
    let listening = all.filter(|session| session.name == SESSION_NAME);
    listening.map(|session| session.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_purchases_on_another_server_before_and_after_its_connection_is_cut() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let _here = TestServer::of(&shop).await;
    let there = OtherServer::start(&shop, shop.database.url()).await;
    there.until_receiving(true).await;
    let mut page = there.follow_stock(&product).await;
    check_page_follows(&shop, &product, &mut page, REPEATS).await;
    assert!(there.receives(), "notices, and not polling");

    until_receiving(&shop, true).await;
    let before = listening(&shop).await;
    assert_eq!(before.len(), 2, "one session for each server");
    for session in &before {
        sessions::end(&shop.by_hand, *session).await;
    }
    check_page_follows(&shop, &product, &mut page, 1).await;
    let again = async {
        loop {
            let now = listening(&shop).await;
            if now.len() == 2 && now.iter().all(|pid| !before.contains(pid)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(PATIENCE, "two new sessions", again).await;
    there.until_receiving(true).await;
    check_page_follows(&shop, &product, &mut page, REPEATS).await;
    assert!(there.receives(), "notices, and not polling");
}

/// Behind a pooler in transaction mode, a connection that receives nothing looks the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_receives_nothing_is_noticed_and_replaced_by_polling() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let _here = TestServer::of(&shop).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let there = OtherServer::start(&shop, proxy.url()).await;
    there.until_receiving(true).await;
    let mut page = there.follow_stock(&product).await;
    check_page_follows(&shop, &product, &mut page, REPEATS).await;

    proxy.drop_traffic();
    let remaining = buy(&shop, &product).await;
    let lost = format!("data: {}:{remaining}\n", product.id);
    let resynchronised = RESYNC_INTERVAL + SECOND;
    within(resynchronised, "a change without notice", page.until(&lost)).await;
    there.until_receiving(false).await;
    check_page_follows(&shop, &product, &mut page, REPEATS).await;
    assert!(!there.receives());

    proxy.restore();
    there.until_receiving(true).await;
    check_page_follows(&shop, &product, &mut page, REPEATS).await;
    assert!(there.receives(), "notices, and not polling");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_notice_was_lost_is_seen_at_the_next_resynchronisation() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let there = OtherServer::start(&shop, shop.database.url()).await;
    there.until_receiving(true).await;
    let mut page = there.follow_stock(&product).await;
    let id = product.id;
    let silent = format!("UPDATE product SET price_cents = 4200 WHERE id = {id}");
    shop.by_hand.run(&silent).await;
    let limit = RESYNC_INTERVAL + SECOND;
    within(limit, "the new price", page.until("€42.00")).await;
    assert!(there.receives());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_order_follows_a_payment_on_another_server() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(9).await;
    let _here = TestServer::of(&shop).await;
    let there = OtherServer::start(&shop, shop.database.url()).await;
    there.until_receiving(true).await;
    for _ in 0..REPEATS {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let request = shop.checkout(cart, "ann@example.com");
        let through = shop.paid_through(&scripted);
        let pending = shop.start_payment(through, &scripted, request).await;
        let path = format!("/live/orders/{}", pending.order_id);
        let mut page = there.follow(&path).await;
        within(PATIENCE, "the open order", page.until("data: open")).await;
        scripted.answer(pending.charge, Ok(ChargeState::Captured));
        pending.answer().await.expect("it is paid");
        within(SECOND, "the payment", page.until("data: Paid")).await;
    }
    assert!(there.receives(), "notices, and not polling");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_the_command_that_changes_its_sale() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let there = OtherServer::start(&shop, shop.database.url()).await;
    there.until_receiving(true).await;
    let mut page = there.follow_stock(&product).await;
    let slug = format!("SELECT slug FROM product WHERE id = {}", product.id);
    let slug: String = shop.by_hand.value(&slug).await;
    for act in ["end", "open", "end", "open"] {
        let arguments = ["sale", act, "--product", slug.as_str()];
        let ended = program::run(Some(shop.database.url()), &arguments).await;
        ended.check_code(0);
        within(SECOND, "the changed sale", page.until("event: sale\n")).await;
    }
    assert!(there.receives(), "notices, and not polling");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audience_on_another_server_follows_a_run_to_its_end() {
    let shop = TestShop::new().await;
    let there = OtherServer::start(&shop, shop.database.url()).await;
    there.until_receiving(true).await;
    let engine = Engine::new(shop.database.url().to_owned(), Feed::default());
    let plan = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 60,
        stock: 60,
        arrivals: Arrivals::Open { rate_per_s: 20 },
        ..SimulationPlan::preset()
    };
    let started = engine.start(&administrator(), plan).await;
    let started = started.expect("the run starts");
    let mut page = there
        .follow(&format!("/live/present/{}", started.id()))
        .await;
    let begin = page.until("\"state\":\"running\"");
    within(PATIENCE, "the run in progress", begin).await;
    let run = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let figures = page.until("event: moments");
    within(PATIENCE, "figures of the run", figures).await;
    assert!(!run.is_finished(), "the figures arrive during the run");
    let ended = within(PATIENCE, "the end of the run", run).await;
    ended.expect("no panic").expect("it has a verdict");
    let end = page.until("\"state\":\"finished\"");
    within(SECOND, "the end on the other server", end).await;
}
