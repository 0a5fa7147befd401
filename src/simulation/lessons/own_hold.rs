//! A cart blocked by its own hold: at payment, the shop checks whether the unit is still available.
//! It is not, because it is reserved for this very shopper.

use super::{context::LessonContext, count::count_of, shopper::Shopper};
use crate::{
    model::{
        LessonResult, ShopError,
        lesson::{Figure, LessonOutcome},
    },
    simulation::store::{self, LessonStock},
};

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let (wrong, wrong_rejected) = check_available_only(context).await?;
    let (shop, shop_rejected) = consume_hold(context).await?;
    Ok(LessonResult {
        figures: vec![
            Figure::count("Available", wrong.available, shop.available),
            Figure::count("Reserved for the shopper", wrong.reserved, shop.reserved),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count("Rejected", wrong_rejected, shop_rejected),
        ],
        wrong: outcome(wrong, wrong_rejected),
        shop: outcome(shop, shop_rejected),
    })
}

/// The wrong rule: a shopper may pay only for available units.
async fn check_available_only(context: &LessonContext) -> Result<(LessonStock, i64), ShopError> {
    let product = context.add_exhibit("Last phone", 1).await?;
    let shopper = Shopper::with_one_of(context.shop(), &product).await?;
    shopper.reserve().await?;
    let may_pay = store::is_available(context.db(), product.product_id, 1).await?;
    if may_pay {
        shopper.pay(None).await?;
    }
    Ok((context.read_stock(&product).await?, i64::from(!may_pay)))
}

/// The shop's rule: the cart pays for the units that are held for it.
async fn consume_hold(context: &LessonContext) -> Result<(LessonStock, i64), ShopError> {
    let product = context.add_safe_product("Last phone", 1).await?;
    let shopper = Shopper::with_one_of(context.shop(), &product).await?;
    shopper.reserve().await?;
    let rejected = match shopper.pay(None).await {
        Ok(()) => 0,
        Err(ShopError::InsufficientStock { .. }) => 1,
        Err(error) => return Err(error),
    };
    Ok((context.read_stock(&product).await?, rejected))
}

fn outcome(stock: LessonStock, rejected: i64) -> LessonOutcome {
    let broken = rejected > 0 && stock.reserved > 0;
    let explanation = if broken {
        format!(
            "The shop rejected the shopper as out of stock, although {} was reserved for them. No one can buy it until the hold expires.",
            count_of(stock.reserved, "unit")
        )
    } else {
        format!(
            "The hold became the sale: {} sold, {} reserved, {} remaining.",
            stock.ordered, stock.reserved, stock.available
        )
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
