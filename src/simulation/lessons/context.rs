//! What a card runs on: the shop, and private products that are created for it.

use uuid::Uuid;

use crate::{
    config::ShopTerms,
    db::Db,
    model::{LessonKey, ShopError},
    shop::{Shop, administrator::Administrator},
    simulation::store::{self, LessonProduct, LessonStock, NewLessonProduct},
};

/// Lifetime of a hold in a lesson, in seconds. It is much longer than a lesson takes, whatever the
/// shop's own terms are, so that the real clock does not influence the result.
pub const HOLD_TTL_S: u32 = 600;

/// The shop and the private products of a card's run.
#[derive(Debug)]
pub struct LessonContext {
    administrator: Administrator,
    shop: Shop,
    run_id: Uuid,
    lesson: LessonKey,
}

impl LessonContext {
    pub fn new(
        administrator: &Administrator,
        shop: &Shop,
        run_id: Uuid,
        lesson: LessonKey,
    ) -> Self {
        let terms = ShopTerms {
            hold_ttl_s: HOLD_TTL_S,
            ..shop.terms().clone()
        };
        Self {
            administrator: administrator.clone(),
            shop: shop.clone().without_holder().with_terms(terms),
            run_id,
            lesson,
        }
    }

    /// The administrator who runs the card.
    pub fn administrator(&self) -> &Administrator {
        &self.administrator
    }

    /// The shop, for the shop's rule.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The database, for the wrong rule.
    pub fn db(&self) -> &Db {
        self.shop.db()
    }

    /// Adds a private product without constraints, for the wrong rule.
    pub async fn add_exhibit(
        &self,
        name: &'static str,
        units: u32,
    ) -> Result<LessonProduct, ShopError> {
        self.add_product(name, units, false).await
    }

    /// Adds a private product with the same constraints as the shop's products, for the shop's
    /// rule.
    pub async fn add_safe_product(
        &self,
        name: &'static str,
        units: u32,
    ) -> Result<LessonProduct, ShopError> {
        self.add_product(name, units, true).await
    }

    async fn add_product(
        &self,
        name: &'static str,
        units: u32,
        guarded: bool,
    ) -> Result<LessonProduct, ShopError> {
        let new = NewLessonProduct {
            name,
            units,
            guarded,
        };
        let made = store::add_lesson_product(self.db(), self.run_id, self.lesson, new).await;
        made.map_err(ShopError::from)
    }

    /// Reads the current stock of a product.
    pub async fn read_stock(&self, product: &LessonProduct) -> Result<LessonStock, ShopError> {
        store::read_lesson_stock(self.db(), product.product_id).await
    }
}
