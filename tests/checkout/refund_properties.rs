//! Random orders, refunded, returned and cancelled in random parts: the parts add up to what was
//! paid, whatever their order.
//!
//! The first tests compute, thousands of times; the last ones act on a shop. Each prints its seed.

use doorbuster::{
    model::{
        Bill, Currency, DiscountValue, Money, OrderStatus, OrderView, ShopError,
        shares::{paid_for_units, share_between},
    },
    shop::{discounts::NewCode, refunds::OrderAction},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::runtime::Builder;

use crate::support::{
    PlacesOrders, TestProduct, TestShop, administrator, check_audit_clean, seed, shop::units_of,
};

const COMPUTED_CASES: u32 = 5_000;
const SHOP_CASES: u32 = 25;
const SHRINKS_MAX: u32 = 60;
/// The limit per customer of each product.
const LIMIT: u32 = 6;

/// An order, and the parts in which it is refunded.
#[derive(Clone, Debug)]
struct Case {
    /// Price in cents and units of each line.
    lines: Vec<(i64, u32)>,
    discount: Option<DiscountValue>,
    /// Which line, how many units, and what happens to them.
    parts: Vec<(usize, u32, Part)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Refund,
    Return,
    RefundRest,
    Cancel,
}

fn any_discount() -> impl Strategy<Value = Option<DiscountValue>> {
    prop_oneof![
        Just(None),
        (1..=100_u8).prop_map(|percent| Some(DiscountValue::Percent(percent))),
        (1..=9_000_i64).prop_map(|cents| Some(DiscountValue::Cents(cents))),
    ]
}

fn any_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        12 => Just(Part::Refund),
        12 => Just(Part::Return),
        1 => Just(Part::RefundRest),
        1 => Just(Part::Cancel),
    ]
}

fn any_case(price_max: i64, units_max: u32) -> impl Strategy<Value = Case> {
    (
        vec((1..=price_max, 1..=units_max), 1..=4),
        any_discount(),
        vec((0..4_usize, 1..=units_max, any_part()), 1..=14),
    )
        .prop_map(|(lines, discount, parts)| Case {
            lines,
            discount,
            parts,
        })
}

impl Case {
    fn subtotal(&self) -> i64 {
        let amounts = self.lines.iter();
        amounts
            .map(|(price, units)| price * i64::from(*units))
            .sum()
    }

    fn bill(&self) -> Bill {
        let subtotal = Money::new(self.subtotal(), Currency::EUR);
        Bill::with_delivery(subtotal, self.discount).expect("it fits")
    }

    /// What was paid for the first `units` of a line.
    fn paid_for(&self, line: usize, units: u32) -> i64 {
        let before: i64 = self.lines[..line]
            .iter()
            .map(|(price, units)| price * i64::from(*units))
            .sum();
        let total = self.bill().total.cents;
        paid_for_units(
            total,
            self.subtotal(),
            before,
            self.lines[line].0,
            units.into(),
        )
    }

    /// Lines and units in the order of the parts, then everything that is left.
    fn steps(&self) -> Vec<(usize, u32)> {
        let mut refunded = vec![0_u32; self.lines.len()];
        let parts = self.parts.iter().map(|(line, units, _)| (*line, *units));
        let rest = (0..self.lines.len()).map(|line| (line, u32::MAX));
        let mut steps = Vec::new();
        for (line, units) in parts.chain(rest) {
            let line = line % self.lines.len();
            let units = units.min(self.lines[line].1 - refunded[line]);
            refunded[line] += units;
            if units > 0 {
                steps.push((line, units));
            }
        }
        steps
    }
}

/// Runs `test` on `cases` random values, with a seed that is printed.
fn run<S>(
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), TestError<S::Value>>
where
    S: Strategy,
{
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: SHRINKS_MAX,
        ..Config::default()
    };
    let random: [u8; 32] = StdRng::seed_from_u64(seed()).random();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &random);
    TestRunner::new_with_rng(config, rng).run(&strategy, test)
}

#[test]
fn the_units_of_an_order_add_up_in_every_order_of_the_parts() {
    let result = run(COMPUTED_CASES, any_case(70_000, 40), |case| {
        let bill = case.bill();
        let (total, tax) = (bill.total.cents, bill.tax.cents);
        let mut refunded = vec![0_u32; case.lines.len()];
        let (mut sum, mut tax_sum) = (0_i64, 0_i64);
        for (line, units) in case.steps() {
            let until = refunded[line] + units;
            let cents = case.paid_for(line, until) - case.paid_for(line, refunded[line]);
            refunded[line] = until;
            prop_assert!(cents >= 0, "a negative part of line {}", line);
            let exact = i128::from(case.lines[line].0) * i128::from(units) * i128::from(total);
            let distance = exact - i128::from(cents) * i128::from(case.subtotal());
            prop_assert!(
                distance.abs() <= i128::from(case.subtotal()),
                "off by a cent"
            );
            tax_sum += share_between(tax, sum, sum + cents, total);
            sum += cents;
            prop_assert!(sum <= total, "more than was paid");
        }
        prop_assert_eq!((sum, tax_sum), (total, tax));
        Ok(())
    });
    result.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_shop_refunds_what_was_paid_and_counts_what_is_kept() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let shop = runtime.block_on(TestShop::new());
    let number = std::sync::atomic::AtomicU32::new(0);
    let result = run(SHOP_CASES, any_case(9_000, LIMIT), |case| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        runtime.block_on(act(&shop, &case, number))
    });
    if result.is_err() {
        shop.without_final_audit();
    }
    // The shop is dropped on its runtime.
    runtime.block_on(async { drop(shop) });
    result.unwrap_or_else(|why| panic!("{why}"));
}

/// An order in a shop, with what the test expects of it.
struct Bought<'a> {
    shop: &'a TestShop,
    id: String,
    email: String,
    /// Product, units, returned units and refunded units of each line.
    lines: Vec<(TestProduct, u32, u32, u32)>,
    is_cancelled: bool,
}

async fn act(shop: &TestShop, case: &Case, number: u32) -> Result<(), TestCaseError> {
    let mut bought = buy(shop, case, number).await?;
    let whole = bought.order().await;
    for (line, units, part) in &case.parts {
        bought.apply(line % case.lines.len(), *units, *part).await?;
        bought.check(&whole).await?;
    }
    // Whatever is left is refunded line by line.
    for index in 0..bought.lines.len() {
        let (_, units, _, refunded) = bought.lines[index];
        if refunded < units && !bought.is_cancelled {
            bought.apply(index, units - refunded, Part::Refund).await?;
        }
    }
    let order = bought.order().await;
    prop_assert_eq!(order.refunded_cents(), whole.bill.total.cents);
    let tax = order.refunded().map(|(_, tax)| tax);
    prop_assert_eq!(tax, Some(whole.bill.tax));
    bought.check_limits().await?;
    check_audit_clean(shop).await;
    Ok(())
}

/// Creates the products and the code of a case, and orders.
async fn buy<'a>(
    shop: &'a TestShop,
    case: &Case,
    number: u32,
) -> Result<Bought<'a>, TestCaseError> {
    let mut lines = Vec::new();
    for (price, units) in &case.lines {
        let product = shop.product().stock(100).limit(LIMIT).price_cents(*price);
        lines.push((product.create().await, *units, 0, 0));
    }
    let in_cart: Vec<_> = lines
        .iter()
        .map(|(product, units, ..)| (product, *units))
        .collect();
    let email = format!("ann{number}@example.com");
    let mut request = shop.checkout(shop.cart_of(&in_cart).await, &email);
    if let Some(value) = case.discount {
        let code = format!("CODE-{number}");
        request.code = Some(code.clone());
        let new = NewCode {
            code,
            value,
            min_subtotal_cents: 0,
            starts_at: None,
            ends_at: None,
            uses_max: 1,
            per_customer_limit: Some(1),
        };
        shop.discount_administration(&administrator())
            .create(new, None)
            .await
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
    let paid = shop.place_order(request).await.result;
    let paid = paid.map_err(|error| TestCaseError::fail(ShopError::from(error).to_string()))?;
    Ok(Bought {
        shop,
        id: paid.receipt.order_id,
        email,
        lines,
        is_cancelled: false,
    })
}

impl Bought<'_> {
    async fn order(&self) -> OrderView {
        let order = self.shop.orders().find(&self.id).await;
        order.expect("the order exists")
    }

    /// Applies a part, and compares the shop's answer with the expected one.
    async fn apply(&mut self, line: usize, units: u32, part: Part) -> Result<(), TestCaseError> {
        let line_id = self.shop.line_id(&self.id, &self.lines[line].0).await;
        let quantity = units_of(units);
        let has_due = self.order().await.refunded_cents() < self.order().await.bill.total.cents;
        let (_, bought, returned, refunded) = &mut self.lines[line];
        let (action, is_allowed) = match part {
            Part::Refund => (
                OrderAction::RefundLine { line_id, quantity },
                !self.is_cancelled && has_due && *refunded + units <= *bought,
            ),
            Part::Return => (
                OrderAction::ReturnLine { line_id, quantity },
                !self.is_cancelled && *returned + units <= *bought,
            ),
            Part::RefundRest => (OrderAction::RefundAll, !self.is_cancelled && has_due),
            Part::Cancel => (OrderAction::Cancel, !self.is_cancelled),
        };
        let result = self
            .shop
            .order_administration(&administrator())
            .apply(&self.id, action, None)
            .await;
        prop_assert_eq!(result.is_ok(), is_allowed, "{:?}: {:?}", action, result);
        if is_allowed {
            match part {
                Part::Refund => *refunded += units,
                Part::Return => *returned += units,
                Part::RefundRest => {
                    for (_, bought, _, refunded) in &mut self.lines {
                        *refunded = *bought;
                    }
                }
                Part::Cancel => self.is_cancelled = true,
            }
        }
        Ok(())
    }

    /// Never more than was paid, and each line as counted.
    async fn check(&self, whole: &OrderView) -> Result<(), TestCaseError> {
        let order = self.order().await;
        prop_assert!(order.refunded_cents() <= whole.bill.total.cents);
        for (line, (_, _, returned, refunded)) in order.lines.iter().zip(&self.lines) {
            prop_assert_eq!(line.refunded, *refunded);
            if !self.is_cancelled {
                prop_assert_eq!(line.returned, *returned);
            }
        }
        let is_cancelled = order.status == OrderStatus::Cancelled;
        prop_assert_eq!(is_cancelled, self.is_cancelled);
        Ok(())
    }

    /// The customer may buy as many units as they do not keep, and not one more.
    async fn check_limits(&self) -> Result<(), TestCaseError> {
        for (product, bought, returned, _) in &self.lines {
            let kept = if self.is_cancelled {
                0
            } else {
                bought - returned
            };
            for (units, is_allowed) in [(LIMIT - kept + 1, false), (LIMIT - kept, true)] {
                if (1..=LIMIT).contains(&units) {
                    let cart = self.shop.cart_of(&[(product, units)]).await;
                    let request = self.shop.checkout(cart, &self.email);
                    let placed = self.shop.place_order(request).await.result;
                    prop_assert_eq!(placed.is_ok(), is_allowed, "{} of {}", units, kept);
                }
            }
        }
        Ok(())
    }
}
