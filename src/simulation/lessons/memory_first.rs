//! Stock decremented in memory before the database: if the purchase then fails, the counter in
//! memory is never incremented again, and units stay unsold.

use super::{
    context::LessonContext,
    count::count_of,
    shopper::{buy_one, was_sold},
};
use crate::{
    db::txn::TxnError,
    model::{
        LessonResult, ShopError, StrategyKey,
        lesson::{Figure, LessonOutcome},
    },
    shop::{
        Shop,
        inventory::{InjectionPoint, injection_point::Fault},
    },
    simulation::store::{LessonProduct, LessonStock},
};

/// Units in stock.
const STOCK: u32 = 5;
/// Whether each buyer's connection is cut during the purchase. The buyers come one after the other.
const CUT: [bool; 7] = [false, true, false, true, false, false, false];

/// What happened to the buyers.
#[derive(Default)]
struct BuyerResponses {
    sold_out: i64,
    disconnected: i64,
    /// The final value of the counter in memory; `None` if there is no such counter.
    in_memory: Option<i64>,
}

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let exhibit = context.add_exhibit("Sneakers", STOCK).await?;
    let wrong_responses = sell(context.shop(), &exhibit, Some(STOCK.into())).await?;
    let wrong = context.read_stock(&exhibit).await?;

    let product = context.add_safe_product("Sneakers", STOCK).await?;
    let shop_responses = sell(context.shop(), &product, None).await?;
    let shop = context.read_stock(&product).await?;
    let buyers = i64::try_from(CUT.len()).unwrap_or(i64::MAX);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Units received", wrong.total, shop.total),
            Figure::count("Buyers", buyers, buyers),
            Figure::count(
                "Connections cut",
                wrong_responses.disconnected,
                shop_responses.disconnected,
            ),
            Figure::count("Sold", wrong.ordered, shop.ordered),
            Figure::count(
                "Rejected as sold out",
                wrong_responses.sold_out,
                shop_responses.sold_out,
            ),
            Figure::count(
                "Counter used to reject",
                wrong_responses.in_memory.unwrap_or(wrong.available),
                shop_responses.in_memory.unwrap_or(shop.available),
            ),
            Figure::count("Available", wrong.available, shop.available),
        ],
        wrong: outcome(wrong, &wrong_responses),
        shop: outcome(shop, &shop_responses),
    })
}

/// Sells to all buyers in turn under a row lock, with or without a counter in memory in front of
/// it.
async fn sell(
    shop: &Shop,
    product: &LessonProduct,
    mut in_memory: Option<i64>,
) -> Result<BuyerResponses, ShopError> {
    let mut responses = BuyerResponses::default();
    for cut in CUT {
        if let Some(counter) = &mut in_memory {
            if *counter <= 0 {
                responses.sold_out += 1;
                continue;
            }
            *counter -= 1;
        }
        match buy(shop, product, cut).await {
            Err(error) if cut && !matches!(error, TxnError::Refused(_)) => {
                responses.disconnected += 1
            }
            bought => responses.sold_out += i64::from(!was_sold(bought)?),
        }
    }
    Ok(BuyerResponses {
        in_memory,
        ..responses
    })
}

async fn buy(shop: &Shop, product: &LessonProduct, cut: bool) -> Result<(), TxnError> {
    let injection_point = if cut {
        InjectionPoint::Fault(Fault::DropConnection)
    } else {
        InjectionPoint::Disabled
    };
    let shop = shop.clone().with_injection_point(injection_point);
    buy_one(&shop, StrategyKey::RowLock, product).await
}

fn outcome(stock: LessonStock, responses: &BuyerResponses) -> LessonOutcome {
    let undersold = stock.available.min(responses.sold_out);
    let broken = undersold > 0;
    let explanation = if broken {
        format!(
            "{} got “sold out” although {} remained, which no one can buy any more: {} undersold.",
            count_of(responses.sold_out, "buyer"),
            count_of(stock.available, "unit"),
            count_of(undersold, "unit")
        )
    } else {
        format!(
            "{} lost the connection, and their units went to later buyers: {} sold, {} remaining.",
            count_of(responses.disconnected, "buyer"),
            stock.ordered,
            stock.available
        )
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
