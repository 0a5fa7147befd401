//! The hot product of a cell: a private lane, opened in the same way as for a simulation.

use doorbuster::{
    db::{Db, PoolSettings},
    model::{SimulationPlan, StrategyKey},
    simulation::{
        run_secret::RunSecret,
        store::{self, RunOpening},
    },
};

use crate::Failure;

/// The lane from which all buyers buy.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    pub id: i64,
    pub product_id: i64,
    /// The secret of its run, which buyers over HTTP send.
    pub secret: RunSecret,
}

impl Lane {
    /// Opens a lane in the database at `url`, with `stock` units in the strategy's layout.
    pub async fn open(url: &str, strategy: StrategyKey, stock: u32) -> Result<Self, Failure> {
        let db = Db::connect(url, PoolSettings::COMMAND).await?;
        let plan = SimulationPlan {
            strategies: vec![strategy],
            stock,
            ..SimulationPlan::preset()
        };
        let opened = store::open(&db, uuid::Uuid::now_v7(), &plan, None).await;
        db.close().await;
        match opened? {
            RunOpening::New(run) => {
                let lane = run.lanes.first().ok_or("a run without a lane")?;
                Ok(Self {
                    id: lane.id,
                    product_id: lane.product_id,
                    secret: run.secret,
                })
            }
            RunOpening::Existing(_) => {
                Err("a run without an idempotency key already existed".into())
            }
        }
    }
}
