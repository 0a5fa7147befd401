//! Off by one in a counter script: `>= 0` is asked before the counter is lowered, so that the buyer who finds nothing is sold something.

use super::{
    counted,
    shopper::{buy_one, was_sold},
    stage::Stage,
};
use crate::{
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Ending, Figure},
    },
    simulation::store::{self, ShelfFacts},
};

/// Units that are there.
const STOCK: u32 = 20;
/// Buyers, who come one after the other: this bug needs no race.
const BUYERS: u32 = 25;

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let exhibit = stage.exhibit("Game console", STOCK).await?;
    let mut wrong_refused = 0;
    for _ in 0..BUYERS {
        let sold = store::count_then_sell(stage.db(), &exhibit).await?;
        wrong_refused += i64::from(!sold);
    }
    let wrong = stage.facts(&exhibit).await?;

    let shelf = stage.shelf("Game console", STOCK).await?;
    let mut shop_refused = 0;
    for _ in 0..BUYERS {
        let bought = buy_one(stage.shop(), StrategyKey::ConditionalUpdate, &shelf).await;
        shop_refused += i64::from(!was_sold(bought)?);
    }
    let shop = stage.facts(&shelf).await?;
    Ok(LessonResult {
        figures: vec![
            Figure::count("Came in", wrong.total, shop.total),
            Figure::count("Buyers", BUYERS.into(), BUYERS.into()),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count("Told no", wrong_refused, shop_refused),
            Figure::count("The counter says", wrong.available, shop.available),
        ],
        wrong: ending(wrong),
        shop: ending(shop),
    })
}

fn ending(facts: ShelfFacts) -> Ending {
    let oversold = facts.ordered - facts.total;
    let broken = oversold > 0;
    let means = if broken {
        format!(
            "{} for {} units: {} for something that was never there, though no two buyers came at the same moment.",
            counted(facts.ordered, "order"),
            facts.total,
            counted(oversold, "order")
        )
    } else {
        format!(
            "{} for {} units, and the counter ends at {}.",
            counted(facts.ordered, "order"),
            facts.total,
            facts.available
        )
    };
    Ending { broken, means }
}
