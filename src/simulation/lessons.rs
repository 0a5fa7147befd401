//! The regression cards: six bugs that real shops had, each played on the database in two ways. By the wrong rule on a private product
//! whose constraints stand aside, and with the same acts by the shop's own code on one that is guarded. What is told afterwards is read
//! from the database.
//!
//! Nothing here waits for luck: acts come one after the other, two who must meet do so at a barrier, and time goes by because the
//! database's rows say so.

mod coupon_twice;
mod hold_timer;
mod memory_first;
mod negative_quantity;
mod off_by_one;
mod own_hold;
mod shopper;
mod stage;

use crate::{
    model::{LessonKey, LessonResult, ShopError},
    shop::{Shop, idempotency::Claim},
    simulation::store::{self, LessonOpening},
};
use stage::Stage;

/// Plays a card to its end, and keeps what came of it. Once for the key.
///
/// The shop's side pays as every shopper does, by the shop's own provider.
///
/// # Errors
/// What the database, or the provider, says; then nothing is kept but that it failed.
pub async fn play(shop: &Shop, lesson: LessonKey, claim: Option<Claim>) -> Result<(), ShopError> {
    let id = match store::open_lesson(shop.db(), lesson, claim).await? {
        LessonOpening::New(id) => id,
        LessonOpening::Known => return Ok(()),
    };
    let stage = Stage::new(shop, id, lesson);
    let result = Box::pin(play_on(&stage, lesson)).await;
    let kept = result.clone().map_err(|error| error.to_string());
    store::close_lesson(shop.db(), id, kept).await?;
    result.map(drop)
}

async fn play_on(stage: &Stage, lesson: LessonKey) -> Result<LessonResult, ShopError> {
    match lesson {
        LessonKey::OwnHold => own_hold::play(stage).await,
        LessonKey::NegativeQuantity => negative_quantity::play(stage).await,
        LessonKey::OffByOne => off_by_one::play(stage).await,
        LessonKey::HoldTimer => hold_timer::play(stage).await,
        LessonKey::MemoryFirst => memory_first::play(stage).await,
        LessonKey::CouponTwice => coupon_twice::play(stage).await,
    }
}

/// `1 order`, `2 orders`.
fn counted(number: i64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}
