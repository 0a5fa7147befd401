//! A hold whose timer is reset by adding an item: a bot that keeps adding and removing a cheap item
//! keeps the last unit reserved for ever.

use time::OffsetDateTime;

use super::{
    context::{HOLD_TTL_S, LessonContext},
    count::count_of,
    shopper::{Shopper, buy_one, was_sold},
};
use crate::{
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Figure, FigureUnit, LessonOutcome},
    },
    simulation::store::{self, LessonProduct, LessonStock},
};

/// Remaining time of the hold when the bot starts.
const REMAINING_S: u32 = 60;
/// Time that passes afterwards: by then, the original hold has expired.
const ELAPSED_S: u32 = REMAINING_S + 1;
/// How often the bot adds the cheap item and removes it again.
const ADDED: u32 = 3;

/// What adding an item does to the timer of a hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The timer restarts.
    Reset,
    /// The timer is unchanged.
    Keep,
}

/// The result under one of the two rules.
struct RuleResult {
    /// Seconds by which adding an item extended the hold.
    moved_s: i64,
    /// Units still held for the bot after the original expiry and a run of the sweeper.
    held_after: i64,
    /// Whether the next shopper got the unit.
    next_sold: bool,
    stock: LessonStock,
}

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let exhibit = context.add_exhibit("Last phone", 1).await?;
    let cheap = context.add_exhibit("Cable", 1).await?;
    let wrong = run_bot(context, &exhibit, &cheap, Rule::Reset).await?;

    let product = context.add_safe_product("Last phone", 1).await?;
    let cheap = context.add_safe_product("Cable", 1).await?;
    let shop = run_bot(context, &product, &cheap, Rule::Keep).await?;
    let (left, seconds) = (i64::from(REMAINING_S), FigureUnit::Seconds);
    Ok(LessonResult {
        figures: vec![
            Figure::of("Hold time left at start", seconds, left, left),
            Figure::count("Items added", ADDED.into(), ADDED.into()),
            Figure::of("Hold extended by", seconds, wrong.moved_s, shop.moved_s),
            Figure::count("Still held after expiry", wrong.held_after, shop.held_after),
            Figure::count(
                "Next shopper rejected",
                i64::from(!wrong.next_sold),
                i64::from(!shop.next_sold),
            ),
            Figure::count("Sold", wrong.stock.ordered, shop.stock.ordered),
        ],
        wrong: outcome(&wrong),
        shop: outcome(&shop),
    })
}

/// A bot holds the last unit and keeps adding a cheap item until the original hold has expired.
/// Then another shopper tries to buy the unit.
async fn run_bot(
    context: &LessonContext,
    last: &LessonProduct,
    cheap: &LessonProduct,
    rule: Rule,
) -> Result<RuleResult, ShopError> {
    let (db, shop) = (context.db(), context.shop());
    let bot = Shopper::with_one_of(shop, last).await?;
    bot.reserve().await?;
    store::age_holds(db, bot.cart_id(), HOLD_TTL_S - REMAINING_S).await?;
    let before = store::end_of_holds(db, bot.cart_id(), last.product_id).await?;
    for _ in 0..ADDED {
        bot.add(cheap).await?;
        if rule == Rule::Reset {
            store::renew_holds(db, bot.cart_id(), HOLD_TTL_S).await?;
        }
        bot.remove(cheap).await?;
    }
    let after = store::end_of_holds(db, bot.cart_id(), last.product_id).await?;
    store::age_holds(db, bot.cart_id(), ELAPSED_S).await?;
    shop.reservations().sweep_expired().await?;
    let held_after = context.read_stock(last).await?.reserved;
    let bought = buy_one(shop, StrategyKey::RowLock, last).await;
    Ok(RuleResult {
        moved_s: seconds_between(before, after),
        held_after,
        next_sold: was_sold(bought)?,
        stock: context.read_stock(last).await?,
    })
}

fn seconds_between(before: OffsetDateTime, after: OffsetDateTime) -> i64 {
    (after - before).whole_seconds()
}

fn outcome(result: &RuleResult) -> LessonOutcome {
    let broken = result.moved_s > 0 || result.held_after > 0;
    let explanation = if broken {
        format!(
            "Adding a cable extended the hold by {} s. A minute later {} was still reserved for the bot, and the next shopper was rejected. \
             The bot can repeat this for ever.",
            result.moved_s,
            count_of(result.held_after, "unit")
        )
    } else if result.next_sold {
        "The expiry did not change. The sweeper released the unit, and the next shopper bought it."
            .to_owned()
    } else {
        "The expiry did not change, and the sweeper released the unit, but the next shopper did not get it."
            .to_owned()
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
