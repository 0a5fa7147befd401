//! The timer of a hold, reset by adding an item: who adds and removes something cheap now and then keeps the last unit for ever.

use time::OffsetDateTime;

use super::{
    counted,
    shopper::{Shopper, buy_one, was_sold},
    stage::{HOLD_TTL_S, Stage},
};
use crate::{
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Ending, Figure, FigureUnit},
    },
    simulation::store::{self, Shelf, ShelfFacts},
};

/// What is left of the hold when the bot begins.
const LEFT_S: u32 = 60;
/// What goes by after it: the hold that was promised is over then.
const GONE_BY_S: u32 = LEFT_S + 1;
/// How often the bot adds the cheap item and takes it out again.
const ADDED: u32 = 3;

/// The two rules about what adding does to a hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It begins anew.
    Reset,
    /// It keeps its time.
    Keep,
}

/// What came of one of the two.
struct Side {
    /// Seconds by which adding moved the hold's end.
    moved_s: i64,
    /// Units held for the bot once its time is over and the sweeper has been.
    held_after: i64,
    /// Whether the next shopper got the unit.
    next_sold: bool,
    facts: ShelfFacts,
}

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let exhibit = stage.exhibit("Last phone", 1).await?;
    let cheap = stage.exhibit("Cable", 1).await?;
    let wrong = keep_busy(stage, &exhibit, &cheap, Rule::Reset).await?;

    let shelf = stage.shelf("Last phone", 1).await?;
    let cheap = stage.shelf("Cable", 1).await?;
    let shop = keep_busy(stage, &shelf, &cheap, Rule::Keep).await?;
    let (left, seconds) = (i64::from(LEFT_S), FigureUnit::Seconds);
    Ok(LessonResult {
        figures: vec![
            Figure::of("Left of the hold at first", seconds, left, left),
            Figure::count("Items added", ADDED.into(), ADDED.into()),
            Figure::of(
                "Adding moved its end by",
                seconds,
                wrong.moved_s,
                shop.moved_s,
            ),
            Figure::count(
                "Still held when it should be over",
                wrong.held_after,
                shop.held_after,
            ),
            Figure::count(
                "Next shopper told no",
                i64::from(!wrong.next_sold),
                i64::from(!shop.next_sold),
            ),
            Figure::count("Sold", wrong.facts.ordered, shop.facts.ordered),
        ],
        wrong: ending(&wrong),
        shop: ending(&shop),
    })
}

/// A bot holds the last unit, keeps adding something cheap, and its time goes by; then somebody wants to buy.
async fn keep_busy(
    stage: &Stage,
    last: &Shelf,
    cheap: &Shelf,
    rule: Rule,
) -> Result<Side, ShopError> {
    let (db, shop) = (stage.db(), stage.shop());
    let bot = Shopper::with_one_of(shop, last).await?;
    bot.reserve().await?;
    store::age_holds(db, bot.cart_id(), HOLD_TTL_S - LEFT_S).await?;
    let before = store::end_of_holds(db, bot.cart_id(), last.product_id).await?;
    for _ in 0..ADDED {
        bot.add(cheap).await?;
        if rule == Rule::Reset {
            store::renew_holds(db, bot.cart_id(), HOLD_TTL_S).await?;
        }
        bot.remove(cheap).await?;
    }
    let after = store::end_of_holds(db, bot.cart_id(), last.product_id).await?;
    store::age_holds(db, bot.cart_id(), GONE_BY_S).await?;
    shop.sweep_expired_holds().await?;
    let held_after = stage.facts(last).await?.reserved;
    let bought = buy_one(shop, StrategyKey::RowLock, last).await;
    Ok(Side {
        moved_s: seconds_between(before, after),
        held_after,
        next_sold: was_sold(bought)?,
        facts: stage.facts(last).await?,
    })
}

fn seconds_between(before: OffsetDateTime, after: OffsetDateTime) -> i64 {
    (after - before).whole_seconds()
}

fn ending(side: &Side) -> Ending {
    let broken = side.moved_s > 0 || side.held_after > 0;
    let means = if broken {
        format!(
            "Adding a cable pushed the end {} s away. A minute later {} still stood aside for the bot, and the next shopper was told no. \
             It can go on like this for ever.",
            side.moved_s,
            counted(side.held_after, "unit")
        )
    } else if side.next_sold {
        "The end did not move by a second. The sweeper gave the unit back, and the next shopper bought it."
            .to_owned()
    } else {
        "The end did not move, and the sweeper gave the unit back, but the next shopper did not get it."
            .to_owned()
    };
    Ending { broken, means }
}
