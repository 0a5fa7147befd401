//! The form of a simulation, and the pages of runs.

use std::time::Instant;

use super::support::{TestShop, Visitor};
use crate::support::PATIENCE;

const FORM: &str = "target=lane&buyers=12&stock=5&quantity=1&rounds=1&race_window_ms=0&seed=1";

/// Posts the form; returns the path of the redirect.
async fn start(visitor: &mut Visitor, more: &str) -> String {
    let fields = format!("{FORM}&{more}");
    let answer = visitor
        .submit("/admin/simulations", "/api/form/admin/simulate", &fields)
        .await;
    answer.header("location").to_owned()
}

/// Waits until the run has finished; returns its page.
async fn judged(visitor: &mut Visitor, address: &str) -> String {
    assert!(address.starts_with("/admin/simulations/"), "{address}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = visitor.page(address).await.body;
        if page.contains(">Finished<") {
            return page;
        }
        assert!(
            Instant::now() < deadline,
            "the run has not finished: {page}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_page_of_a_run_shows_every_lane() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    for together in ["", "&together=yes&pool_size=4"] {
        let strategies = "strategy[]=row-lock&strategy[]=conditional-update";
        let address = start(&mut admin, &format!("{strategies}{together}")).await;
        let page = judged(&mut admin, &address).await;
        for (part, times) in [
            ("data-lane=\"0\"", 1),
            ("data-lane=\"1\"", 1),
            ("id=\"verdict\"", 1),
            ("data-testid=\"lane-oversold\"", 2),
            ("id=\"plot-title\"", 1),
            ("Nothing oversold, nothing undersold", 1),
        ] {
            assert_eq!(page.matches(part).count(), times, "{part} in {page}");
        }
        let runs = admin.page("/admin/simulations").await.body;
        assert!(
            runs.contains("<td>row-lock, conditional-update</td>"),
            "{runs}"
        );
    }
}

#[tokio::test]
async fn a_single_strategy_may_be_sent_as_a_plain_field() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let address = start(&mut admin, "strategy=conditional-update").await;
    let page = judged(&mut admin, &address).await;
    assert!(
        !page.contains("data-lane=\"0\""),
        "one lane needs no name: {page}"
    );
    assert!(page.contains("Sold out, nothing oversold"), "{page}");
}

#[tokio::test]
async fn six_lanes_run_at_the_same_time_without_a_number_of_connections() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let six = [
        "row-lock",
        "conditional-update",
        "check-constraint",
        "optimistic",
        "advisory-lock",
        "micro-batch",
    ]
    .map(|key| format!("strategy[]={key}"));
    let fields = format!("{}&together=yes&pool_size=", six.join("&"));
    let address = start(&mut admin, &fields).await;
    let page = judged(&mut admin, &address).await;
    assert!(page.contains("<dt>Connections</dt><dd>10</dd>"), "{page}");
    let typed = format!("{}&together=yes&pool_size=16", six.join("&"));
    assert_eq!(start(&mut admin, &typed).await, "/admin/simulations");
    let page = admin.page("/admin/simulations").await.body;
    assert!(
        page.contains("at most 10 connections each, 64 in total"),
        "{page}"
    );
    assert_eq!(focused(&page), "pool_size");
}

/// Returns the id of the only element with the focus; for a check box, its name.
fn focused(page: &str) -> String {
    assert_eq!(page.matches(" autofocus").count(), 1, "{page}");
    let (before, _) = page.split_once(" autofocus").expect("counted above");
    let tag = &before[before.rfind('<').expect("an element")..];
    let value = |name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split('"').next().map(ToOwned::to_owned)
    };
    value("id")
        .or_else(|| value("name"))
        .expect("an id or a name")
}

#[tokio::test]
async fn the_first_error_of_a_plan_is_beside_its_field_and_has_the_focus() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let good = [
        ("target", "lane"),
        ("strategy", "row-lock"),
        ("buyers", "12"),
        ("stock", "5"),
        ("quantity", "1"),
        ("rounds", "1"),
        ("race_window_ms", "0"),
        ("seed", "1"),
    ];
    for (wrong, field, error) in [
        (
            &[("target", "987654")][..],
            "target",
            "This product does not exist.",
        ),
        (
            &[("target", "1"), ("strategy", "unguarded")],
            "strategy[]",
            "is unsafe and can sell",
        ),
        (
            &[("strategy", "luck")],
            "strategy[]",
            "This strategy does not exist.",
        ),
        (
            &[("stock", "x"), ("seed", "x")],
            "stock",
            "Enter a whole number.",
        ),
        (
            &[("journey", "on foot"), ("guess", "x")],
            "journey",
            "Choose one of the journeys.",
        ),
        (
            &[("freeze", "60"), ("abandon", "41")],
            "freeze",
            "must add up to at most 100 %",
        ),
        (&[("guess", "-1")], "guess", "Enter a whole number."),
    ] {
        let unchanged = good
            .iter()
            .filter(|(name, _)| !wrong.iter().any(|(changed, _)| changed == name));
        let fields: Vec<_> = unchanged
            .chain(wrong)
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+")))
            .collect();
        let answer = admin
            .submit(
                "/admin/simulations",
                "/api/form/admin/simulate",
                &fields.join("&"),
            )
            .await;
        assert_eq!(
            answer.header("location"),
            "/admin/simulations",
            "{fields:?}"
        );
        let page = admin.page("/admin/simulations").await.body;
        assert_eq!(focused(&page), field, "{fields:?}");
        let beside = page.split("class=\"field__error\"").skip(1).any(|rest| {
            let text = rest.split("</p>").next().unwrap_or_default();
            text.contains(error)
        });
        assert!(beside, "{error} in {page}");
    }
    assert_eq!(shop.count("simulation_run").await, 0);
}

#[tokio::test]
async fn a_rejected_plan_keeps_its_values_and_opens_the_advanced_fields() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let wrong = "strategy[]=unguarded&strategy[]=row-lock&arrivals=open&rate_per_s=0&think_time_ms=5&pool_size=65&ramp_ms=x";
    assert_eq!(start(&mut admin, wrong).await, "/admin/simulations");
    let page = admin.page("/admin/simulations").await.body;
    for part in [
        "The rate must be from 1 to 100000 arrivals per second.",
        "Open arrivals have no think time",
        "The number of connections must be from 1 to 64.",
        "Enter a whole number.",
        "value=\"unguarded\" checked",
        "value=\"row-lock\" checked",
        "<details open",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("value=\"conditional-update\" checked"));
    assert_eq!(start(&mut admin, "").await, "/admin/simulations");
    let page = admin.page("/admin/simulations").await.body;
    assert!(page.contains("Choose 1 to 24 strategies."), "{page}");
    assert_eq!(shop.count("simulation_run").await, 0);
}

#[tokio::test]
async fn the_form_says_what_is_wrong_with_a_choice_or_a_fault() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let wrong = "strategy[]=micro-batch&arrivals=sometimes&journey=walk&drop_connection=5&quantity=4..2&failed_max=4294967296";
    let fields = format!("{}&{wrong}", FORM.replace("&quantity=1", ""));
    let answer = admin
        .submit("/admin/simulations", "/api/form/admin/simulate", &fields)
        .await;
    assert_eq!(answer.header("location"), "/admin/simulations");
    let page = admin.page("/admin/simulations").await.body;
    for part in [
        "Choose open or closed arrivals.",
        "Choose one of the journeys.",
        "a range must begin with its smaller number: 2..4, not 4..2.",
        "Enter a whole number up to 4,294,967,295.",
        "The fault drop-connection cannot be injected with micro-batch",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(shop.count("simulation_run").await, 0);
}
