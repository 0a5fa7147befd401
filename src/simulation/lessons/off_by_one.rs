//! Off by one in a counter script: it checks `>= 0` before it decrements the counter, so it sells
//! one unit that does not exist.

use super::{
    context::LessonContext,
    count::count_of,
    shopper::{buy_one, was_sold},
};
use crate::{
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Figure, LessonOutcome},
    },
    simulation::store::{self, LessonStock},
};

/// Units in stock.
const STOCK: u32 = 20;
/// Buyers, one after the other: this bug needs no race.
const BUYERS: u32 = 25;

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let exhibit = context.add_exhibit("Game console", STOCK).await?;
    let mut wrong_rejected = 0;
    for _ in 0..BUYERS {
        let sold = store::count_then_sell(context.db(), &exhibit).await?;
        wrong_rejected += i64::from(!sold);
    }
    let wrong = context.read_stock(&exhibit).await?;

    let product = context.add_safe_product("Game console", STOCK).await?;
    let mut shop_rejected = 0;
    for _ in 0..BUYERS {
        let bought = buy_one(context.shop(), StrategyKey::ConditionalUpdate, &product).await;
        shop_rejected += i64::from(!was_sold(bought)?);
    }
    let shop = context.read_stock(&product).await?;
    Ok(LessonResult {
        figures: vec![
            Figure::count("Units received", wrong.total, shop.total),
            Figure::count("Buyers", BUYERS.into(), BUYERS.into()),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count("Rejected", wrong_rejected, shop_rejected),
            Figure::count("Stock counter", wrong.available, shop.available),
        ],
        wrong: outcome(wrong),
        shop: outcome(shop),
    })
}

fn outcome(stock: LessonStock) -> LessonOutcome {
    let oversold = stock.ordered - stock.total;
    let broken = oversold > 0;
    let explanation = if broken {
        format!(
            "{} for {} units: {} for a unit that does not exist, although no two buyers came at the same time.",
            count_of(stock.ordered, "order"),
            stock.total,
            count_of(oversold, "order")
        )
    } else {
        format!(
            "{} for {} units, and the counter ends at {}.",
            count_of(stock.ordered, "order"),
            stock.total,
            stock.available
        )
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
