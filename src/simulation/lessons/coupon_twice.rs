//! A coupon used twice: two orders both read that one use is left, both compare, and both write.
//!
//! The shop's own table of codes prevents this bug, and the audit would report it there. So the
//! exhibit stores its code as a private product, where one unit is one remaining use, and sells it
//! with the strategy `unguarded`, which performs the same read, comparison and write.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{
    context::LessonContext,
    count::count_of,
    shopper::{Shopper, buy_one, was_sold},
};
use crate::{
    db::{dialect, txn},
    model::{
        DiscountValue, LessonResult, ShopError, StrategyKey,
        lesson::{Figure, LessonOutcome},
    },
    shop::{discounts::NewCode, inventory::InjectionPoint},
    simulation::store,
};

/// How often the code may be used.
const USES_MAX: u32 = 1;
/// Orders that use it concurrently.
const ORDERS: usize = 2;
/// The discount.
const OFF_CENTS: i64 = 500;
/// Maximum lifetime of the code in the shop, because only the lesson should use it.
const CODE_LIFETIME: time::Duration = time::Duration::seconds(60);

/// The result under one of the two rules.
struct RuleResult {
    /// Uses according to the code's counter.
    counter: i64,
    /// Paid or placed orders that used the code.
    orders: i64,
    rejected: i64,
}

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let wrong = read_compare_write(context).await?;
    let shop = consume_under_lock(context).await?;
    let uses_max = i64::from(USES_MAX);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Uses allowed", uses_max, uses_max),
            Figure::count("Orders that used the code", wrong.orders, shop.orders),
            Figure::count("Uses counted", wrong.counter, shop.counter),
            Figure::count("Rejected", wrong.rejected, shop.rejected),
        ],
        wrong: outcome(&wrong),
        shop: outcome(&shop),
    })
}

/// The wrong rule: both orders wait for each other between reading and writing.
async fn read_compare_write(context: &LessonContext) -> Result<RuleResult, ShopError> {
    let code = context
        .add_exhibit("Code with one use left", USES_MAX)
        .await?;
    let shop = context
        .shop()
        .clone()
        .with_injection_point(barrier_of(ORDERS));
    let order = || buy_one(&shop, StrategyKey::Unguarded, &code);
    let (one, other) = tokio::join!(order(), order());
    let rejected = i64::from(!was_sold(one)?) + i64::from(!was_sold(other)?);
    let stock = context.read_stock(&code).await?;
    Ok(RuleResult {
        counter: stock.sold,
        orders: stock.ordered,
        rejected,
    })
}

/// An injection point at which each buyer waits until `count` have arrived.
fn barrier_of(count: usize) -> InjectionPoint {
    let barrier = Arc::new(Barrier::new(count));
    InjectionPoint::Hook(Arc::new(move || {
        let barrier = Arc::clone(&barrier);
        Box::pin(async move {
            barrier.wait().await;
        })
    }))
}

/// The shop's rule: the code's row is locked, and checked and updated under that lock.
async fn consume_under_lock(context: &LessonContext) -> Result<RuleResult, ShopError> {
    let product = context.add_safe_product("T-shirt", 2).await?;
    let code = store::new_lesson_code(&product);
    create_code(context, &code).await?;
    let one = Shopper::with_one_of(context.shop(), &product).await?;
    let other = Shopper::with_one_of(context.shop(), &product).await?;
    one.reserve().await?;
    other.reserve().await?;
    let (first, second) = tokio::join!(one.pay(Some(code.clone())), other.pay(Some(code.clone())));
    store::end_code(context.db(), &code).await?;
    let rejected = i64::from(was_rejected(first)?) + i64::from(was_rejected(second)?);
    let usage = store::read_code_usage(context.db(), &code).await?;
    Ok(RuleResult {
        counter: usage.uses.into(),
        orders: usage.orders,
        rejected,
    })
}

async fn create_code(context: &LessonContext, code: &str) -> Result<(), ShopError> {
    let now = dialect::now(context.db().reader()).await;
    let new = NewCode {
        code: code.to_owned(),
        value: DiscountValue::Cents(OFF_CENTS),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: Some(now.map_err(txn::read_error)? + CODE_LIFETIME),
        uses_max: USES_MAX,
        per_customer_limit: None,
    };
    context
        .shop()
        .discount_administration(context.administrator())
        .create(new, None)
        .await
}

fn was_rejected(paid: Result<(), ShopError>) -> Result<bool, ShopError> {
    match paid {
        Ok(()) => Ok(false),
        Err(ShopError::CodeUsedUp(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn outcome(result: &RuleResult) -> LessonOutcome {
    let overused = result.orders - i64::from(USES_MAX);
    let broken = overused > 0;
    let explanation = if broken {
        format!(
            "{} used a code with {USES_MAX} allowed use, but its counter shows {}: the extra discount is not even recorded.",
            count_of(result.orders, "order"),
            result.counter
        )
    } else {
        format!(
            "{} used the code, its counter shows {}, and {} rejected because the code was used up. A rejected shopper keeps cart and hold.",
            count_of(result.orders, "order"),
            result.counter,
            if result.rejected == 1 {
                "one shopper was".to_owned()
            } else {
                format!("{} shoppers were", result.rejected)
            }
        )
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
