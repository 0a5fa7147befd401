//! Categories, search and order of the catalogue.

use axum::http::StatusCode;

use super::support::{TestShop, Visitor};

/// Returns the names on the cards of a list.
fn names(page: &str) -> Vec<String> {
    page.split("class=\"card__name\"")
        .skip(1)
        .filter_map(|card| card.split("<a ").nth(1)?.split('>').nth(1))
        .filter_map(|name| name.split('<').next())
        .map(ToOwned::to_owned)
        .collect()
}

async fn found(visitor: &mut Visitor, text: &str) -> Vec<String> {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", text)
        .finish();
    let answer = visitor.page(&format!("/search?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{text:?}: {}", answer.body);
    names(&answer.body)
}

#[tokio::test]
async fn a_category_has_an_address_and_the_old_one_leads_there() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for (old, new) in [
        ("/?category=Outdoors", "/categories/outdoors"),
        ("/?category=No+such", "/categories/no-such"),
    ] {
        let answer = visitor.page(old).await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{old}");
        assert_eq!(answer.header("location"), new);
    }
    let page = visitor.page("/categories/outdoors?sort=nonsense").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<title>Outdoors – Doorbuster</title>"));
    assert!(
        page.body
            .contains("href=\"http://shop.test/categories/outdoors\"")
    );
    let count: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM product WHERE category = 'Outdoors'")
        .await;
    assert_eq!(names(&page.body).len() as i64, count);
    let shouted = visitor.page("/categories/OUTDOORS").await;
    assert_eq!(names(&shouted.body).len() as i64, count);
    for unknown in ["/categories/no-such", "/categories/%00", "/categories/%FF"] {
        let answer = visitor.page(unknown).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(answer.header("x-robots-tag"), "noindex", "{unknown}");
    }
}

#[tokio::test]
async fn all_words_must_occur_in_any_case_and_with_or_without_accents() {
    let shop = TestShop::new().await;
    for name in [
        "Cafetière ÉLÉGANTE 50%_x\\y",
        "Русский Чай Ёлка",
        "قَهْوَة عَرَبِيَّة",
        "字 Ｗｉｄｅ",
    ] {
        shop.product().named(name).create().await;
    }
    let mut visitor = Visitor::of(&shop);
    for (text, expected) in [
        ("cafetiere", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("elegante CAFETIÈRE", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("“elegante” 'cafetière'", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("50%_x\\y", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("cafe\u{301}\0tie", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("ca\u{200b}fetiere\u{7}", "Cafetière ÉLÉGANTE 50%_x\\y"),
        ("ЧАЙ ёлка", "Русский Чай Ёлка"),
        ("чаи", "Русский Чай Ёлка"),
        ("\u{202b}قهوة\u{202c}", "قَهْوَة عَرَبِيَّة"),
        ("wide 字", "字 Ｗｉｄｅ"),
    ] {
        assert_eq!(found(&mut visitor, text).await, [expected], "{text:?}");
    }
    for text in [
        "cafetiere чай",
        "%",
        "_",
        "50%25",
        "cafe%",
        "\\",
        "' OR 1=1 --",
        &"x".repeat(200),
        &"字".repeat(5_000),
    ] {
        let texts = found(&mut visitor, text).await;
        let is_literal = matches!(text, "%" | "_" | "\\");
        assert_eq!(texts.len(), usize::from(is_literal), "{text:?}: {texts:?}");
    }
}

#[tokio::test]
async fn a_search_without_a_result_says_what_to_do_and_shows_the_text_as_text() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let page = visitor.page("/search?q=%22%3E%3Cscript%3Ealert(1)").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("x-robots-tag"), "noindex");
    assert!(
        page.body
            .contains("Check the spelling, use fewer words, or choose a category.")
    );
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let long = format!("/search?q={}", "w+".repeat(300));
    assert!(
        visitor
            .page(&long)
            .await
            .body
            .contains("Only the first words were searched for.")
    );
    let everything = visitor.page("/search").await.body;
    let count: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM product WHERE lane_id IS NULL")
        .await;
    assert_eq!(names(&everything).len() as i64, count);
    for odd in [
        "/search?q=%00",
        "/search?q=%FF%FE",
        "/search?q",
        "/search?q=a&q=b",
        "/search?&=&",
    ] {
        assert_eq!(visitor.page(odd).await.status, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn a_product_of_a_lane_is_never_found() {
    let shop = TestShop::new().await;
    let lane = shop
        .with_lane(doorbuster::model::StrategyKey::RowLock, 5)
        .await;
    shop.by_hand
        .run(&format!(
            "UPDATE product SET name = 'Quintessence', category = 'Secret' WHERE id = {}",
            lane.id
        ))
        .await;
    let mut visitor = Visitor::of(&shop);
    assert_eq!(found(&mut visitor, "quintessence").await, [""; 0]);
    let page = visitor.page("/categories/secret").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_database_orders_a_list() {
    let shop = TestShop::new().await;
    for (name, price, end) in [
        ("Sort b", 300, Some("2 hours")),
        ("sort Á", 100, None),
        ("Sort c", 200, Some("-1 hour")),
        ("Sort d", 300, Some("1 hour")),
    ] {
        let product = shop.product().named(name).price_cents(price);
        match end {
            Some(end) => product.ends_in(end).create().await,
            None => product.create().await,
        };
    }
    let mut visitor = Visitor::of(&shop);
    for (sort, expected) in [
        ("featured", ["Sort b", "sort Á", "Sort c", "Sort d"]),
        ("price-up", ["sort Á", "Sort c", "Sort b", "Sort d"]),
        ("price-down", ["Sort b", "Sort d", "Sort c", "sort Á"]),
        ("name", ["sort Á", "Sort b", "Sort c", "Sort d"]),
        ("ending-soon", ["Sort d", "Sort b", "sort Á", "Sort c"]),
        (
            "'; DROP TABLE product --",
            ["Sort b", "sort Á", "Sort c", "Sort d"],
        ),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", "sort")
            .append_pair("sort", sort)
            .finish();
        let page = visitor.page(&format!("/search?{query}")).await.body;
        let listed: Vec<String> = names(&page)
            .into_iter()
            .filter(|name| name.to_lowercase().starts_with("sort "))
            .collect();
        assert_eq!(listed, expected, "{sort}");
    }
}

/// Creates so many products whose names contain `Pager`.
async fn many(shop: &TestShop, count: usize) {
    shop.by_hand
        .run(&format!(
            "INSERT INTO product (slug, name, description, category, artwork, price_cents, currency) \
               SELECT 'pager-' || n, 'Pager ' || lpad(n::text, 3, '0'), '', 'Pager & Co', '', n, 'EUR' \
               FROM generate_series(1, {count}) n; \
             INSERT INTO stock (product_id, total, available) SELECT id, 0, 0 FROM product WHERE slug LIKE 'pager-%'"
        ))
        .await;
}

fn pagers(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("Pager {number:03}")).collect()
}

#[tokio::test]
async fn a_long_list_has_pages_of_48_that_keep_search_and_order() {
    let shop = TestShop::new().await;
    many(&shop, 100).await;
    let mut visitor = Visitor::of(&shop);
    let first = visitor.page("/search?q=pager&sort=price-down").await.body;
    assert_eq!(names(&first), pagers((53..=100).rev()));
    assert!(first.contains("100 products"), "{first}");
    assert!(first.contains("Page 1 of 3"), "{first}");
    assert!(!first.contains("rel=\"prev\""), "{first}");
    let next = "href=\"/search?q=pager&amp;sort=price-down&amp;page=2\" rel=\"next\"";
    assert!(first.contains(next), "{first}");
    let second = visitor
        .page("/search?q=pager&sort=price-down&page=2")
        .await
        .body;
    assert_eq!(names(&second), pagers((5..=52).rev()));
    assert!(second.contains("Page 2 of 3"), "{second}");
    let previous = "href=\"/search?q=pager&amp;sort=price-down\" rel=\"prev\"";
    assert!(second.contains(previous), "{second}");
    let last = visitor
        .page("/search?q=pager&sort=price-down&page=3")
        .await
        .body;
    assert_eq!(names(&last), pagers((1..=4).rev()));
    assert!(!last.contains("rel=\"next\""), "{last}");
    // Another order begins at its first page.
    assert!(
        last.contains("href=\"/search?q=pager&amp;sort=name\""),
        "{last}"
    );
}

#[tokio::test]
async fn each_page_of_a_category_has_its_own_address_and_neighbours() {
    let shop = TestShop::new().await;
    many(&shop, 97).await;
    let mut visitor = Visitor::of(&shop);
    let link = |relation: &str, page: &str| {
        format!("<link rel=\"{relation}\" href=\"http://shop.test/categories/pager-co{page}\">")
    };
    for (path, canonical, previous, next) in [
        ("/categories/pager-co", "", None, Some("?page=2")),
        ("/categories/pager-co?page=1", "", None, Some("?page=2")),
        (
            "/categories/pager-co?sort=name&page=2",
            "?page=2",
            Some(""),
            Some("?page=3"),
        ),
        (
            "/categories/pager-co?page=3",
            "?page=3",
            Some("?page=2"),
            None,
        ),
    ] {
        let page = visitor.page(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let head = page.body.split("</head>").next().unwrap_or_default();
        assert!(head.contains(&link("canonical", canonical)), "{path}");
        for (relation, neighbour) in [("prev", previous), ("next", next)] {
            let count = usize::from(neighbour.is_some());
            let found = head.matches(&format!("<link rel=\"{relation}\"")).count();
            assert_eq!(found, count, "{relation} of {path}");
            let expected = neighbour.map(|page| link(relation, page));
            assert!(
                expected.is_none_or(|expected| head.contains(&expected)),
                "{relation} of {path}: {head}"
            );
        }
    }
    let second = visitor.page("/categories/pager-co?page=2").await.body;
    assert!(second.contains("<title>Pager &amp; Co · Page 2 – Doorbuster</title>"));
}

#[tokio::test]
async fn a_page_that_does_not_exist_is_404_and_leads_to_the_last_one() {
    let shop = TestShop::new().await;
    many(&shop, 49).await;
    let mut visitor = Visitor::of(&shop);
    for (path, last) in [
        ("/search?q=pager&page=3", "/search?q=pager&amp;page=2"),
        (
            "/search?q=pager&page=4294967295",
            "/search?q=pager&amp;page=2",
        ),
        (
            "/search?q=nothing+at+all&page=2",
            "/search?q=nothing+at+all",
        ),
        ("/categories/pager-co?page=3", "/categories/pager-co?page=2"),
    ] {
        let page = visitor.page(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.header("x-robots-tag"), "noindex", "{path}");
        assert!(page.body.contains("does not exist"), "{path}");
        assert!(
            page.body.contains(&format!("href=\"{last}\"")),
            "{path}: {}",
            page.body
        );
        assert!(!page.body.contains("rel=\"canonical\""), "{path}");
    }
    for path in [
        "/search?page=0",
        "/search?page=-1",
        "/search?page=two",
        "/categories/pager-co?page=4294967296",
    ] {
        let page = visitor.page(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// The state and the price on a card in a list are islands that follow its sale.
#[tokio::test]
async fn lists_follow_the_sales_of_their_products() {
    let shop = TestShop::new().await;
    let lamp = shop
        .product()
        .named("Zeitgeist lamp")
        .stock(5)
        .starts_in("1 hour")
        .create()
        .await;
    let mut visitor = Visitor::of(&shop);
    let page = visitor.page("/search?q=zeitgeist").await.body;
    assert!(page.contains("LiveSales"), "{page}");
    assert!(page.contains("CardState"), "{page}");
    assert!(page.contains("SalePrice"), "{page}");
    assert!(page.contains(&format!("[{}]", lamp.id)), "{page}");
    // Without scripts, the page loads itself again.
    assert!(page.contains("http-equiv=\"refresh\""), "{page}");
    let empty = visitor.page("/search?q=nothing+at+all").await.body;
    assert!(!empty.contains("LiveSales"), "{empty}");
}
