//! Where a card is played: the shop, and private products that are made for it.

use uuid::Uuid;

use crate::{
    config::ShopTerms,
    db::Db,
    model::{LessonKey, ShopError},
    shop::Shop,
    simulation::store::{self, NewShelf, Shelf, ShelfFacts},
};

/// How long a hold stands in a lesson, in seconds. Much longer than a lesson takes, whatever the shop's own terms are: the real clock
/// decides nothing here.
pub const HOLD_TTL_S: u32 = 600;

/// Where a card is played.
#[derive(Debug)]
pub struct Stage {
    shop: Shop,
    run_id: Uuid,
    lesson: LessonKey,
}

impl Stage {
    pub fn new(shop: &Shop, run_id: Uuid, lesson: LessonKey) -> Self {
        let terms = ShopTerms {
            hold_ttl_s: HOLD_TTL_S,
            ..shop.terms().clone()
        };
        Self {
            shop: shop.clone().with_terms(terms),
            run_id,
            lesson,
        }
    }

    /// The shop's own code.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Where the wrong rule speaks to the database.
    pub fn db(&self) -> &Db {
        self.shop.db()
    }

    /// A private product for the wrong rule: nothing stands in its way.
    pub async fn exhibit(&self, name: &'static str, units: u32) -> Result<Shelf, ShopError> {
        self.add(name, units, false).await
    }

    /// A private product for the shop's rule, guarded as all that it sells.
    pub async fn shelf(&self, name: &'static str, units: u32) -> Result<Shelf, ShopError> {
        self.add(name, units, true).await
    }

    async fn add(&self, name: &'static str, units: u32, guarded: bool) -> Result<Shelf, ShopError> {
        let new = NewShelf {
            name,
            units,
            guarded,
        };
        let made = store::add_shelf(self.db(), self.run_id, self.lesson, new).await;
        made.map_err(ShopError::from)
    }

    /// What the database says about a shelf now.
    pub async fn facts(&self, shelf: &Shelf) -> Result<ShelfFacts, ShopError> {
        store::shelf_facts(self.db(), shelf.product_id).await
    }
}
