//! The hot product of a cell: a private lane, as a simulation opens it.

use doorbuster::{
    db::{Db, PoolSettings},
    model::{SimulationPlan, StrategyKey},
    simulation::store::{self, Opening},
};

use crate::Failure;

/// The product on which everybody buys.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    pub id: i64,
    pub product_id: i64,
}

impl Lane {
    /// A fresh one in the database at `url`, with `stock` units laid out as the strategy wants them.
    pub async fn open(url: &str, strategy: StrategyKey, stock: u32) -> Result<Self, Failure> {
        let db = Db::connect(url, PoolSettings::COMMAND).await?;
        let plan = SimulationPlan {
            strategies: vec![strategy],
            stock,
            ..SimulationPlan::preset()
        };
        let opened = store::open(&db, &plan, None).await;
        db.close().await;
        match opened? {
            Opening::New(run) => {
                let lane = run.lanes.first().ok_or("a run without a lane")?;
                Ok(Self {
                    id: lane.id,
                    product_id: lane.product_id,
                })
            }
            Opening::Known(_) => Err("a run without a key was known".into()),
        }
    }
}
