//! The actors of a session: each with a connection, a gate and a task of its own.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{
    cart::Cart,
    gate::{Bell, Gate},
    late::Late,
};
use crate::{
    db::{
        Db, PoolSettings, sessions,
        txn::{self, Isolation, Policy},
    },
    feed::Feed,
    model::{
        Quantity, ShopError,
        stepper::{IsolationChoice, Role},
    },
    shop::{Shop, inventory::PurchaseRequest},
    simulation::store::SteppedGround,
};

/// What the actors of a session share.
#[derive(Clone, Debug)]
pub struct Stage {
    pub ground: SteppedGround,
    pub late: Option<Late>,
    /// Past the gates.
    pub plain: Shop,
    /// From the first statement to the last, however long the attendee thinks.
    pub patience: Duration,
}

/// One who takes part.
#[derive(Debug)]
pub struct Actor {
    pub role: Role,
    pub gate: Arc<Gate>,
    /// The server's process of its connection.
    pub pid: i32,
    db: Db,
}

impl Actor {
    /// Opens the connection of actor number `index`.
    ///
    /// # Errors
    /// What a database failure means.
    pub async fn seat(
        role: Role,
        bell: &Bell,
        control: &Db,
        url: &str,
        ground: &SteppedGround,
    ) -> Result<Self, ShopError> {
        let isolation = match role {
            Role::Buyer(seat) => isolation(seat.isolation),
            _ => None,
        };
        let ids = ground.offers.iter().map(|offer| offer.id).collect();
        let gate = Gate::new(Arc::clone(bell), isolation, ids);
        let stop = Some(Arc::clone(&gate) as _);
        let db = control
            .beside(url, PoolSettings::STEPPER, stop)
            .await
            .map_err(|error| {
                tracing::warn!(%error, "a connection for the stepper");
                ShopError::Unavailable { retry_after_s: 2 }
            })?;
        let pid = sessions::own_pid(&db).await.map_err(txn::read_error)?;
        Ok(Self {
            role,
            gate,
            pid,
            db,
        })
    }

    /// Sets it going, to its first stop.
    pub fn start(&self, index: usize, stage: &Stage) -> JoinHandle<()> {
        let (role, gate, stage) = (self.role, Arc::clone(&self.gate), stage.clone());
        // Nothing in memory is shared: as with a server for each.
        let shop = Shop::new(self.db.clone(), Feed::default())
            .with_deadline(stage.patience)
            .as_in_another_process();
        tokio::spawn(async move {
            let (told, served) = match play(role, index, &shop, &stage).await {
                Ok(told) => told,
                Err(error) => (error.to_string(), false),
            };
            gate.end(told, served);
        })
    }

    /// Gives the connection back.
    pub async fn leave(&self) {
        self.db.clone().close_transactions().await;
    }
}

fn isolation(choice: IsolationChoice) -> Option<Isolation> {
    match choice {
        IsolationChoice::AsStrategy => None,
        IsolationChoice::ReadCommitted => Some(Isolation::ReadCommitted),
        IsolationChoice::RepeatableRead => Some(Isolation::RepeatableRead),
        IsolationChoice::Serializable => Some(Isolation::Serializable),
    }
}

/// What it was told, and whether that was yes.
async fn play(
    role: Role,
    index: usize,
    shop: &Shop,
    stage: &Stage,
) -> Result<(String, bool), ShopError> {
    let policy = |name| Policy {
        deadline: stage.patience,
        ..Policy::request(name)
    };
    match role {
        Role::Buyer(seat) => {
            let lane = stage.ground.run.lanes.first();
            let lane = lane.ok_or(ShopError::UnknownProduct)?;
            let request = PurchaseRequest {
                product_id: lane.product_id,
                quantity: Quantity::new(seat.units.into())?,
                claim: None,
                lane_id: Some(lane.id),
            };
            shop.purchase(seat.strategy, request).await.result?;
            let units = match seat.units {
                1 => "1 unit".to_owned(),
                units => format!("{units} units"),
            };
            Ok((format!("Purchase successful: {units}."), true))
        }
        Role::CartAsItComes | Role::CartInOrder => {
            let mut offers = stage.ground.offers.clone();
            if !index.is_multiple_of(2) {
                offers.reverse();
            }
            let cart = Cart {
                offers,
                in_order: role == Role::CartInOrder,
                policy: policy("stepper cart"),
            };
            cart.buy(shop).await.result?;
            Ok(("Purchase successful: 1 unit of each.".to_owned(), true))
        }
        Role::Payment => late(stage)?.settle(shop, &stage.plain).await,
        Role::Sweeper => late(stage)?.sweep(shop, policy("stepper sweep")).await,
    }
}

fn late(stage: &Stage) -> Result<&Late, ShopError> {
    stage.late.as_ref().ok_or(ShopError::UnknownOrder)
}
