//! Negative quantity: an order of minus three units adds three units to the stock, and its total is
//! negative.

use super::{context::LessonContext, count::count_of};
use crate::{
    model::{
        LessonResult, Quantity, ShopError,
        lesson::{Figure, FigureUnit, LessonOutcome},
    },
    simulation::store::{self, LessonStock, UncheckedChange},
};

/// Units in stock.
const STOCK: u32 = 10;
/// Units that the order requests.
const REQUESTED: i64 = -3;

/// See the module's documentation.
pub async fn play(context: &LessonContext) -> Result<LessonResult, ShopError> {
    let exhibit = context.add_exhibit("Headphones", STOCK).await?;
    let unchecked_wrong =
        store::take_any_quantity(context.db(), exhibit.product_id, REQUESTED).await?;
    let wrong = context.read_stock(&exhibit).await?;
    let wrong_bill = bill_cents(&unchecked_wrong);

    // First through the validation that every form and every caller passes; then around it, with
    // the exhibit's own statement.
    let product = context.add_safe_product("Headphones", STOCK).await?;
    let rejected = Quantity::new(REQUESTED).err();
    let unchecked_shop =
        store::take_any_quantity(context.db(), product.product_id, REQUESTED).await?;
    let shop = context.read_stock(&product).await?;
    let shop_bill = bill_cents(&unchecked_shop);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Requested quantity", REQUESTED, REQUESTED),
            Figure::count("Stock before", wrong.total, shop.total),
            Figure::count("Stock after", wrong.available, shop.available),
            Figure::of("Order total", FigureUnit::Cents, wrong_bill, shop_bill),
            Figure::count("Rejected", 0, i64::from(rejected.is_some())),
        ],
        wrong: outcome(wrong, wrong_bill, rejection_text(None, &unchecked_wrong)),
        shop: outcome(
            shop,
            shop_bill,
            rejection_text(rejected.as_ref(), &unchecked_shop),
        ),
    })
}

fn bill_cents(change: &UncheckedChange) -> i64 {
    match change {
        UncheckedChange::Took { bill_cents } => *bill_cents,
        UncheckedChange::RejectedBy(_) => 0,
    }
}

/// Describes which checks rejected the quantity.
fn rejection_text(rejected: Option<&ShopError>, unchecked: &UncheckedChange) -> String {
    let first = match rejected {
        Some(error) => format!("The shop answered: “{error}”"),
        None => "The shop accepted it.".to_owned(),
    };
    match unchecked {
        UncheckedChange::RejectedBy(constraint) => format!(
            "{first} The wrong statement, sent around that check, was rejected by the database constraint {constraint}."
        ),
        UncheckedChange::Took { .. } => {
            format!("{first} The wrong statement, sent around that check, succeeded.")
        }
    }
}

fn outcome(stock: LessonStock, bill_cents: i64, rejection: String) -> LessonOutcome {
    let added = stock.available - stock.total;
    let broken = added != 0 || bill_cents < 0;
    let explanation = if broken {
        format!(
            "{} in stock that were never received, and the shop owes the shopper {}.",
            count_of(added, "unit"),
            FigureUnit::Cents.format(-bill_cents)
        )
    } else {
        rejection
    };
    LessonOutcome {
        broken,
        explanation,
    }
}
