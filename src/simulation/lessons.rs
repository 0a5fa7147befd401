//! The regression cards: six bugs that real shops had. Each is run on the database in two ways:
//! under the wrong rule, on a private product whose constraints do not apply, and with the same
//! actions through the shop's own code, on a product with all constraints. The figures are then
//! read from the database.
//!
//! The runs are deterministic: actions run one after the other, concurrent ones meet at a barrier,
//! and time passes by changing timestamps in the database.

mod context;
mod count;
mod coupon_twice;
mod hold_timer;
mod memory_first;
mod negative_quantity;
mod off_by_one;
mod own_hold;
mod shopper;

use crate::{
    model::{LessonKey, LessonResult, ShopError},
    shop::{Shop, administrator::Administrator, idempotency::Claim},
    simulation::store::{self, LessonOpening},
};
use context::LessonContext;

/// Runs a card and stores its result, once per idempotency key.
///
/// The shop's side pays through the shop's payment provider, as every shopper does.
///
/// # Errors
/// If the database or the provider fails; then only the failure is stored.
pub async fn play(
    administrator: &Administrator,
    shop: &Shop,
    lesson: LessonKey,
    claim: Option<Claim>,
) -> Result<(), ShopError> {
    let id = match store::open_lesson(shop.db(), lesson, claim.clone()).await? {
        LessonOpening::New(id) => id,
        LessonOpening::Existing => return Ok(()),
    };
    let context = LessonContext::new(administrator, shop, id, lesson);
    let result = Box::pin(play_on(&context, lesson)).await;
    let kept = result.clone().map_err(|error| error.to_string());
    store::close_lesson(shop.db(), id, kept, claim).await?;
    result.map(drop)
}

async fn play_on(context: &LessonContext, lesson: LessonKey) -> Result<LessonResult, ShopError> {
    match lesson {
        LessonKey::OwnHold => own_hold::play(context).await,
        LessonKey::NegativeQuantity => negative_quantity::play(context).await,
        LessonKey::OffByOne => off_by_one::play(context).await,
        LessonKey::HoldTimer => hold_timer::play(context).await,
        LessonKey::MemoryFirst => memory_first::play(context).await,
        LessonKey::CouponTwice => coupon_twice::play(context).await,
    }
}
