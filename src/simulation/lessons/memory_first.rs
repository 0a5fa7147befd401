//! Stock decremented in memory before the database: what goes wrong in between is never added back, and stays on the shelf unsold.

use super::{
    counted,
    shopper::{buy_one, was_sold},
    stage::Stage,
};
use crate::{
    db::txn::TxnError,
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Ending, Figure},
    },
    shop::{
        Shop,
        inventory::{Seam, seam::Fault},
    },
    simulation::store::{Shelf, ShelfFacts},
};

/// Units that are there.
const STOCK: u32 = 5;
/// Whether the connection of each buyer is cut while they buy. They come one after the other.
const CUT: [bool; 7] = [false, true, false, true, false, false, false];

/// What the buyers were told.
#[derive(Default)]
struct Told {
    no: i64,
    cut_off: i64,
    /// What the counter in memory says at the end; none without one.
    in_memory: Option<i64>,
}

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let exhibit = stage.exhibit("Sneakers", STOCK).await?;
    let wrong_told = sell(stage.shop(), &exhibit, Some(STOCK.into())).await?;
    let wrong = stage.facts(&exhibit).await?;

    let shelf = stage.shelf("Sneakers", STOCK).await?;
    let shop_told = sell(stage.shop(), &shelf, None).await?;
    let shop = stage.facts(&shelf).await?;
    let buyers = i64::try_from(CUT.len()).unwrap_or(i64::MAX);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Came in", wrong.total, shop.total),
            Figure::count("Buyers", buyers, buyers),
            Figure::count("Connections cut", wrong_told.cut_off, shop_told.cut_off),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count("Told that it is sold out", wrong_told.no, shop_told.no),
            Figure::count(
                "What refusals go by says",
                wrong_told.in_memory.unwrap_or(wrong.available),
                shop_told.in_memory.unwrap_or(shop.available),
            ),
            Figure::count("On the shelf", wrong.available, shop.available),
        ],
        wrong: ending(wrong, &wrong_told),
        shop: ending(shop, &shop_told),
    })
}

/// Sells to everybody in turn, by the row; with a counter in memory in front of it, or without.
async fn sell(shop: &Shop, shelf: &Shelf, mut in_memory: Option<i64>) -> Result<Told, ShopError> {
    let mut told = Told::default();
    for cut in CUT {
        if let Some(counter) = &mut in_memory {
            if *counter <= 0 {
                told.no += 1;
                continue;
            }
            *counter -= 1;
        }
        match buy(shop, shelf, cut).await {
            Err(error) if cut && !matches!(error, TxnError::Refused(_)) => told.cut_off += 1,
            bought => told.no += i64::from(!was_sold(bought)?),
        }
    }
    Ok(Told { in_memory, ..told })
}

async fn buy(shop: &Shop, shelf: &Shelf, cut: bool) -> Result<(), TxnError> {
    let seam = if cut {
        Seam::Fault(Fault::DropConnection)
    } else {
        Seam::Closed
    };
    let shop = shop.clone().with_seam(seam);
    buy_one(&shop, StrategyKey::RowLock, shelf).await
}

fn ending(facts: ShelfFacts, told: &Told) -> Ending {
    let undersold = facts.available.min(told.no);
    let broken = undersold > 0;
    let means = if broken {
        format!(
            "{} had to hear that it is sold out, with {} on the shelf that nobody can buy: {} undersold.",
            counted(told.no, "buyer"),
            counted(facts.available, "unit"),
            counted(undersold, "unit")
        )
    } else {
        format!(
            "{} lost the connection, and what they did not take went to the next: {} sold, {} left.",
            counted(told.cut_off, "buyer"),
            facts.ordered,
            facts.available
        )
    };
    Ending { broken, means }
}
