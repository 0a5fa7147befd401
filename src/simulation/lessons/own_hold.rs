//! A cart blocked by its own hold: who comes to pay is asked whether the unit is still available, and it is not, because it is set aside
//! for them.

use super::{counted, shopper::Shopper, stage::Stage};
use crate::{
    model::{
        LessonResult, ShopError,
        lesson::{Ending, Figure},
    },
    simulation::store::{self, ShelfFacts},
};

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let (wrong, wrong_refused) = ask_the_shelf(stage).await?;
    let (shop, shop_refused) = consume_the_hold(stage).await?;
    Ok(LessonResult {
        figures: vec![
            Figure::count("On the shelf", wrong.available, shop.available),
            Figure::count("Set aside for the shopper", wrong.reserved, shop.reserved),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count("Told no", wrong_refused, shop_refused),
        ],
        wrong: ending(wrong, wrong_refused),
        shop: ending(shop, shop_refused),
    })
}

/// The wrong rule: only what is available may be paid for.
async fn ask_the_shelf(stage: &Stage) -> Result<(ShelfFacts, i64), ShopError> {
    let shelf = stage.exhibit("Last phone", 1).await?;
    let shopper = Shopper::with_one_of(stage.shop(), &shelf).await?;
    shopper.reserve().await?;
    let may_pay = store::is_available(stage.db(), shelf.product_id, 1).await?;
    if may_pay {
        shopper.pay(None).await?;
    }
    Ok((stage.facts(&shelf).await?, i64::from(!may_pay)))
}

/// The shop's: what is held for the cart is what it pays for.
async fn consume_the_hold(stage: &Stage) -> Result<(ShelfFacts, i64), ShopError> {
    let shelf = stage.shelf("Last phone", 1).await?;
    let shopper = Shopper::with_one_of(stage.shop(), &shelf).await?;
    shopper.reserve().await?;
    let refused = match shopper.pay(None).await {
        Ok(()) => 0,
        Err(ShopError::InsufficientStock { .. }) => 1,
        Err(error) => return Err(error),
    };
    Ok((stage.facts(&shelf).await?, refused))
}

fn ending(facts: ShelfFacts, refused: i64) -> Ending {
    let broken = refused > 0 && facts.reserved > 0;
    let means = if broken {
        format!(
            "The shopper was told that nothing is left, while {} stood aside for nobody but them. Nobody can buy it until the hold runs out.",
            counted(facts.reserved, "unit")
        )
    } else {
        format!(
            "The hold became the sale: {} sold, {} set aside, {} left.",
            facts.ordered, facts.reserved, facts.available
        )
    };
    Ending { broken, means }
}
