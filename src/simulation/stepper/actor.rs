//! The actors of a session. Each has its own connection, gate and task.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{
    cart::StoryCart,
    gate::{ChangeSignal, StatementGate},
    late_payment::LatePayment,
};
use crate::{
    db::{
        Db, PoolSettings, sessions,
        txn::{self, Policy},
    },
    feed::Feed,
    model::{
        Isolation, Quantity, ShopError,
        stepper::{IsolationChoice, Role},
    },
    shop::{Shop, inventory::PurchaseRequest},
    simulation::{run_task, store::SteppedLanes},
};

/// The data that the actors of a session share.
#[derive(Clone, Debug)]
pub struct StoryContext {
    pub stepped: SteppedLanes,
    pub late_payment: Option<LatePayment>,
    /// The carts of the shoppers, by actor.
    pub carts: Vec<Uuid>,
    /// A shop on the control connection, without a gate.
    pub ungated: Shop,
    /// Deadline of each operation, long enough for an attendee who thinks between two steps.
    pub deadline: Duration,
}

/// A participant of a session: a buyer, a cart, a payment or the sweeper.
#[derive(Debug)]
pub struct Actor {
    pub role: Role,
    pub gate: Arc<StatementGate>,
    /// The session of its connection.
    pub pid: i32,
    db: Db,
}

impl Actor {
    /// Opens the actor's connection, with a gate in front of it.
    pub async fn connect(
        role: Role,
        changes: &ChangeSignal,
        control: &Db,
        url: &str,
        stepped: &SteppedLanes,
    ) -> Result<Self, ShopError> {
        let isolation = isolation(role.isolation());
        let ids = stepped.offers.iter().map(|offer| offer.id).collect();
        let gate = StatementGate::new(Arc::clone(changes), isolation, ids);
        let hook = Some(Arc::clone(&gate) as _);
        let db = control
            .open_hooked_pool(url, PoolSettings::STEPPER, hook)
            .await
            .map_err(|error| {
                tracing::warn!(%error, "could not open a connection for the stepper");
                ShopError::Unavailable { retry_after_s: 2 }
            })?;
        let pid = sessions::backend_pid(&db).await.map_err(txn::read_error)?;
        Ok(Self {
            role,
            gate,
            pid,
            db,
        })
    }

    /// Starts the actor. It runs up to its first statement.
    pub fn start(&self, index: usize, context: &StoryContext) -> JoinHandle<()> {
        let (role, gate, context) = (self.role, Arc::clone(&self.gate), context.clone());
        // Actors share nothing in memory, as if each ran in its own server process.
        let shop = Shop::new(self.db.clone(), Feed::default())
            .with_deadline(context.deadline)
            .as_in_another_process();
        tokio::spawn(async move {
            let run = run_role(role, index, &shop, &context);
            let (message, succeeded) = match run_task::catch("a participant", run).await {
                Ok(Ok(message)) => message,
                Ok(Err(error)) => (error.to_string(), false),
                Err(panic) => {
                    tracing::error!(%panic, "a participant of a stepper session ended");
                    (panic.to_string(), false)
                }
            };
            gate.finish(message, succeeded);
        })
    }

    /// Closes the connection.
    pub async fn close(&self) {
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

/// Runs the actor's operation. Returns its message and whether it succeeded.
async fn run_role(
    role: Role,
    index: usize,
    shop: &Shop,
    context: &StoryContext,
) -> Result<(String, bool), ShopError> {
    let policy = |name| Policy {
        deadline: context.deadline,
        ..Policy::request(name)
    };
    match role {
        Role::Buyer(buyer) => {
            let lane = context.stepped.run.lanes.first();
            let lane = lane.ok_or(ShopError::UnknownProduct)?;
            let request = PurchaseRequest {
                product_id: lane.product_id,
                quantity: Quantity::new(buyer.units.into())?,
                claim: None,
                lane_id: Some(lane.id),
            };
            shop.purchase(buyer.strategy, request).await.result?;
            let units = match buyer.units {
                1 => "1 unit".to_owned(),
                units => format!("{units} units"),
            };
            Ok((format!("Purchase successful: {units}."), true))
        }
        Role::CartInAddedOrder | Role::CartInIdOrder => {
            let mut offers = context.stepped.offers.clone();
            if !index.is_multiple_of(2) {
                offers.reverse();
            }
            let cart = StoryCart {
                offers,
                lock_in_id_order: role == Role::CartInIdOrder,
                policy: policy("stepper cart"),
            };
            cart.buy(shop).await.result?;
            Ok(("Purchase successful: 1 unit of each.".to_owned(), true))
        }
        Role::Shopper => {
            let cart_id = context.carts.get(index).copied();
            let cart_id = cart_id.ok_or(ShopError::CartEmpty)?;
            shop.reservations().reserve(cart_id, None).await.result?;
            Ok(("Reserved: 1 unit.".to_owned(), true))
        }
        Role::Payment => late_payment(context)?.settle(shop, &context.ungated).await,
        Role::Sweeper => {
            late_payment(context)?
                .sweep(shop, policy("stepper sweep"))
                .await
        }
    }
}

fn late_payment(context: &StoryContext) -> Result<&LatePayment, ShopError> {
    context.late_payment.as_ref().ok_or(ShopError::UnknownOrder)
}
