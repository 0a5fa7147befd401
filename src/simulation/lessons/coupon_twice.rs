//! A coupon spent twice: two orders read that one use is left, both compare, both write.
//!
//! The shop's own table of codes would not let the exhibit happen, and the audit would find it there. So the exhibit keeps its code on a
//! private shelf, where one unit is one use left, and is sold by the strategy `unguarded`: the same read, compare and write.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{
    counted,
    shopper::{Shopper, buy_one, was_sold},
    stage::Stage,
};
use crate::{
    db::{dialect, txn},
    model::{
        DiscountValue, LessonResult, ShopError, StrategyKey,
        lesson::{Ending, Figure},
    },
    shop::{discounts::NewCode, inventory::Seam},
    simulation::store,
};

/// How often the code may be used.
const USES_MAX: u32 = 1;
/// Orders that use it at once.
const ORDERS: usize = 2;
/// What it takes off.
const OFF_CENTS: i64 = 500;
/// The code is for this long in the shop, at the most: nobody but the lesson is to use it.
const CODE_STANDS: time::Duration = time::Duration::seconds(60);

/// What came of one of the two ways.
struct Side {
    /// Uses that the code's counter has.
    counted: i64,
    /// Orders that stand and used it.
    orders: i64,
    refused: i64,
}

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let wrong = read_compare_write(stage).await?;
    let shop = take_under_lock(stage).await?;
    let uses_max = i64::from(USES_MAX);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Uses allowed", uses_max, uses_max),
            Figure::count("Orders that used the code", wrong.orders, shop.orders),
            Figure::count("Uses that its counter has", wrong.counted, shop.counted),
            Figure::count("Told no", wrong.refused, shop.refused),
        ],
        wrong: ending(&wrong),
        shop: ending(&shop),
    })
}

/// The wrong rule, with both orders between reading and writing at the same moment.
async fn read_compare_write(stage: &Stage) -> Result<Side, ShopError> {
    let code = stage.exhibit("Code with one use left", USES_MAX).await?;
    let shop = stage.shop().clone().with_seam(meeting_of(ORDERS));
    let order = || buy_one(&shop, StrategyKey::Unguarded, &code);
    let (one, other) = tokio::join!(order(), order());
    let refused = i64::from(!was_sold(one)?) + i64::from(!was_sold(other)?);
    let facts = stage.facts(&code).await?;
    Ok(Side {
        counted: facts.sold,
        orders: facts.ordered,
        refused,
    })
}

/// A seam in which everybody waits until `count` are there.
fn meeting_of(count: usize) -> Seam {
    let barrier = Arc::new(Barrier::new(count));
    Seam::Hook(Arc::new(move || {
        let barrier = Arc::clone(&barrier);
        Box::pin(async move {
            barrier.wait().await;
        })
    }))
}

/// The shop's rule: the code's row is locked, and asked and counted while it is.
async fn take_under_lock(stage: &Stage) -> Result<Side, ShopError> {
    let shelf = stage.shelf("T-shirt", 2).await?;
    let code = store::code_of(&shelf);
    make_code(stage, &code).await?;
    let one = Shopper::with_one_of(stage.shop(), &shelf).await?;
    let other = Shopper::with_one_of(stage.shop(), &shelf).await?;
    one.reserve().await?;
    other.reserve().await?;
    let (first, second) = tokio::join!(one.pay(Some(code.clone())), other.pay(Some(code.clone())));
    store::end_code(stage.db(), &code).await?;
    let refused = i64::from(was_refused(first)?) + i64::from(was_refused(second)?);
    let standing = store::code_standing(stage.db(), &code).await?;
    Ok(Side {
        counted: standing.uses,
        orders: standing.orders,
        refused,
    })
}

async fn make_code(stage: &Stage, code: &str) -> Result<(), ShopError> {
    let now = dialect::now(stage.db().reader()).await;
    let new = NewCode {
        code: code.to_owned(),
        value: DiscountValue::Cents(OFF_CENTS),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: Some(now.map_err(txn::read_error)? + CODE_STANDS),
        uses_max: USES_MAX,
        per_customer_limit: None,
    };
    stage.shop().create_code(new, None).await
}

fn was_refused(paid: Result<(), ShopError>) -> Result<bool, ShopError> {
    match paid {
        Ok(()) => Ok(false),
        Err(ShopError::CodeUsedUp(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn ending(side: &Side) -> Ending {
    let beyond = side.orders - i64::from(USES_MAX);
    let broken = beyond > 0;
    let means = if broken {
        format!(
            "{} used a code that was for {USES_MAX}, and its counter says {}: not even the books show the discount that was given away.",
            counted(side.orders, "order"),
            side.counted
        )
    } else {
        format!(
            "{} used it, the counter says {}, and {} told that it is used up. Cart and hold of whoever was refused are as they were.",
            counted(side.orders, "order"),
            side.counted,
            if side.refused == 1 {
                "one shopper was".to_owned()
            } else {
                format!("{} shoppers were", side.refused)
            }
        )
    };
    Ending { broken, means }
}
