//! Negative quantity: a line of minus three takes minus three from the shelf, and costs less than nothing.

use super::{counted, stage::Stage};
use crate::{
    model::{
        LessonResult, Quantity, ShopError,
        lesson::{Ending, Figure, FigureUnit},
    },
    simulation::store::{self, ShelfFacts, Unchecked},
};

/// Units that are there.
const STOCK: u32 = 10;
/// Units that are asked for.
const ASKED: i64 = -3;

/// See the module's documentation.
pub async fn play(stage: &Stage) -> Result<LessonResult, ShopError> {
    let exhibit = stage.exhibit("Headphones", STOCK).await?;
    let unchecked = store::take_any_quantity(stage.db(), exhibit.product_id, ASKED).await?;
    let wrong = stage.facts(&exhibit).await?;
    let wrong_bill = bill_cents(&unchecked);

    // First as every form and every caller comes in; then past it, with the very statement of the exhibit.
    let shelf = stage.shelf("Headphones", STOCK).await?;
    let refused = Quantity::new(ASKED).err();
    let behind = store::take_any_quantity(stage.db(), shelf.product_id, ASKED).await?;
    let shop = stage.facts(&shelf).await?;
    let shop_bill = bill_cents(&behind);
    Ok(LessonResult {
        figures: vec![
            Figure::count("Asked for", ASKED, ASKED),
            Figure::count("On the shelf before", wrong.total, shop.total),
            Figure::count("On the shelf after", wrong.available, shop.available),
            Figure::of("The bill", FigureUnit::Cents, wrong_bill, shop_bill),
            Figure::count("Told no", 0, i64::from(refused.is_some())),
        ],
        wrong: ending(wrong, wrong_bill, told(None, &unchecked)),
        shop: ending(shop, shop_bill, told(refused.as_ref(), &behind)),
    })
}

fn bill_cents(taken: &Unchecked) -> i64 {
    match taken {
        Unchecked::Took { bill_cents } => *bill_cents,
        Unchecked::RejectedBy(_) => 0,
    }
}

/// Who refused it, and how.
fn told(refused: Option<&ShopError>, behind: &Unchecked) -> String {
    let first = match refused {
        Some(error) => format!("The shop answered: “{error}”"),
        None => "The shop let it pass.".to_owned(),
    };
    match behind {
        Unchecked::RejectedBy(constraint) => format!(
            "{first} The wrong statement, sent past that answer, was rejected by the database’s constraint {constraint}."
        ),
        Unchecked::Took { .. } => {
            format!("{first} The wrong statement, sent past that answer, went through.")
        }
    }
}

fn ending(facts: ShelfFacts, bill_cents: i64, told: String) -> Ending {
    let grown = facts.available - facts.total;
    let broken = grown != 0 || bill_cents < 0;
    let means = if broken {
        format!(
            "{} on the shelf that never came in, and the shop owes the shopper {}.",
            counted(grown, "unit"),
            FigureUnit::Cents.told(-bill_cents)
        )
    } else {
        told
    };
    Ending { broken, means }
}
