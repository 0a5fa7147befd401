//! Buyers who meet at one product, in an interleaving that the test chooses.

use doorbuster::model::{Receipt, ShopError, StrategyKey};
use futures::future::join_all;

use super::SAFE;
use crate::support::{
    Gate, PATIENCE, TestProduct, TestShop, check_audit_clean, shop::Counters, within,
};

type Bought = Result<Receipt, ShopError>;

/// One of the two has the unit, the other the sentence.
fn check_one_of_two(results: [Bought; 2], product: &TestProduct, how: &str) {
    let [first, second] = results;
    let (sold, refused) = match (first, second) {
        (Ok(sold), Err(refused)) | (Err(refused), Ok(sold)) => (sold, refused),
        other => panic!("{how}: one unit, and {other:?}"),
    };
    assert_eq!(sold.remaining_stock, Some(0), "{how}");
    assert_eq!(refused, product.insufficient(0, 1), "{how}");
}

#[tokio::test]
async fn last_unit_sells_once_by_row_lock() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let gate = Gate::closed();
    let first = shop.buy(&product).at(gate.seam()).spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).at(gate.seam()).spawn();
    shop.until_blocked(1).await;
    assert_eq!(
        gate.count(),
        1,
        "the second has not read the row that the first has locked"
    );
    gate.open();
    let results = [
        first.await.expect("it ends"),
        second.await.expect("it ends"),
    ];
    assert!(results[0].is_ok(), "who holds the lock decides first");
    check_one_of_two(results, &product, "row-lock");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn last_unit_sells_once_by_conditional_update() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let gate = Gate::closed();
    let buyers = [(); 2].map(|()| {
        let purchase = shop.buy(&product).by(StrategyKey::ConditionalUpdate);
        purchase.at(gate.seam()).spawn()
    });
    gate.arrivals(2).await;
    // Both updates are sent before either can have the row.
    let rival = shop.database.by_hand().await;
    rival
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            product.id
        ))
        .await;
    gate.open();
    shop.until_blocked(2).await;
    rival.run("COMMIT").await;
    let [first, second] = buyers;
    let results = [
        first.await.expect("it ends"),
        second.await.expect("it ends"),
    ];
    check_one_of_two(results, &product, "conditional-update");
    check_audit_clean(&shop).await;
}

/// The lost update's own interleaving: one buyer stands between reading and writing while another buys the last unit from under them.
#[tokio::test]
async fn a_sale_in_the_middle_of_a_conditional_update_is_noticed() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let gate = Gate::closed();
    let slow = shop
        .buy(&product)
        .by(StrategyKey::ConditionalUpdate)
        .at(gate.seam())
        .spawn();
    gate.arrivals(1).await;
    shop.buy(&product)
        .by(StrategyKey::ConditionalUpdate)
        .await
        .expect("the quick one buys it");
    gate.open();
    assert_eq!(
        slow.await.expect("it ends"),
        Err(product.insufficient(0, 1))
    );
    check_audit_clean(&shop).await;
}

/// Never undersold: units that are on their way back are waited for before anybody is refused.
#[tokio::test]
async fn a_refusal_waits_for_units_that_are_coming_in() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let product = shop.with_product(0).await;
        let delivery = shop.database.by_hand().await;
        delivery.run("BEGIN").await;
        delivery
            .run(&crate::support::shop::restocking(&product, 1))
            .await;
        let buyer = shop.buy(&product).by(strategy).spawn();
        shop.until_blocked(1).await;
        delivery.run("COMMIT").await;
        let receipt = buyer.await.expect("it ends");
        assert_eq!(
            receipt.map(|receipt| receipt.remaining_stock),
            Ok(Some(0)),
            "{strategy}"
        );
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn thirty_three_buyers_share_twenty_units() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let product = shop.with_product(20).await;
        let buyers = (0..33).map(|_| shop.buy(&product).by(strategy).spawn());
        let results: Vec<Bought> = within(PATIENCE, "33 buyers", join_all(buyers))
            .await
            .into_iter()
            .map(|joined| joined.expect("it ends"))
            .collect();
        let mut left: Vec<i64> = results
            .iter()
            .flatten()
            .filter_map(|receipt| receipt.remaining_stock)
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            (0..20).collect::<Vec<_>>(),
            "{strategy}: each success left another number"
        );
        let refusals: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert_eq!(refusals, vec![product.insufficient(0, 1); 13], "{strategy}");
        let expected = Counters {
            total: 20,
            available: 0,
            reserved: 0,
            sold: 20,
        };
        assert_eq!(shop.level(&product).await, expected, "{strategy}");
        assert_eq!(shop.units_ordered(&product).await, 20, "{strategy}");
        check_audit_clean(&shop).await;
    }
}

/// Three do not fit into what is left; whoever asks for less still gets it.
#[tokio::test]
async fn large_quantities_never_split_a_unit() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let product = shop.with_product(20).await;
        let buyers = (0..10).map(|_| shop.buy(&product).by(strategy).quantity(3).spawn());
        let sold = within(PATIENCE, "10 buyers", join_all(buyers))
            .await
            .into_iter()
            .filter(|joined| matches!(joined, Ok(Ok(_))))
            .count();
        assert_eq!(sold, 6, "{strategy}: 6 times 3 of 20");
        let refusal = shop.buy(&product).by(strategy).quantity(3).await;
        assert_eq!(refusal, Err(product.insufficient(2, 3)), "{strategy}");
        let rest = shop.buy(&product).by(strategy).quantity(2).await;
        assert_eq!(
            rest.map(|receipt| receipt.remaining_stock),
            Ok(Some(0)),
            "{strategy}"
        );
        check_audit_clean(&shop).await;
    }
}
