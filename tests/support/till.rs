//! A payment provider played by the test: a charge waits until the test says how it went.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use doorbuster::payment::gateway::{
    Charge, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{PATIENCE, within};

/// See the module's documentation. Every clone is the same till.
#[derive(Clone, Debug, Default)]
pub struct Till(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// References of the charges that were asked for, in turn.
    asked: watch::Sender<Vec<Uuid>>,
    answers: watch::Sender<HashMap<Uuid, Result<ChargeState, GatewayError>>>,
    /// How a charge stands, for who asks or voids later.
    states: Mutex<HashMap<Uuid, ChargeState>>,
    voided: Mutex<Vec<Uuid>>,
    refunded: Mutex<Vec<RefundRequest>>,
    refund_answer: Mutex<Result<RefundState, GatewayError>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            asked: watch::Sender::default(),
            answers: watch::Sender::default(),
            states: Mutex::default(),
            voided: Mutex::default(),
            refunded: Mutex::default(),
            refund_answer: Mutex::new(Ok(RefundState::Succeeded)),
        }
    }
}

pub fn lost() -> GatewayError {
    GatewayError::Unknown("the answer is lost".to_owned())
}

pub fn declined() -> ChargeState {
    ChargeState::Declined {
        reason: "The card was declined.".to_owned(),
    }
}

impl Till {
    /// Returns the references of all charges once there are `count` of them.
    #[track_caller]
    pub fn asked(&self, count: usize) -> impl Future<Output = Vec<Uuid>> + use<> {
        let mut asked = self.0.asked.subscribe();
        within(PATIENCE, "charges at the till", async move {
            let asked = asked.wait_for(|asked| asked.len() >= count).await;
            asked.expect("the till outlives its charges").clone()
        })
    }

    /// Answers a charge, now or when it is asked for.
    pub fn answer(&self, reference: Uuid, answer: Result<ChargeState, GatewayError>) {
        if let Ok(state) = &answer {
            self.stands(reference, state.clone());
        }
        self.0
            .answers
            .send_modify(|answers| drop(answers.insert(reference, answer)));
    }

    /// From now on this is how a charge stands.
    pub fn stands(&self, reference: Uuid, state: ChargeState) {
        let mut states = self.0.states.lock().expect("no panic under this lock");
        states.insert(reference, state);
    }

    /// Charges that somebody wanted withdrawn.
    pub fn voided(&self) -> Vec<Uuid> {
        let voided = self.0.voided.lock().expect("no panic under this lock");
        voided.clone()
    }

    /// Refunds that were asked for, in turn.
    pub fn refunded(&self) -> Vec<RefundRequest> {
        let refunded = self.0.refunded.lock().expect("no panic under this lock");
        refunded.clone()
    }

    /// From now on this is what a refund is answered.
    pub fn answer_refunds(&self, answer: Result<RefundState, GatewayError>) {
        let mut kept = self.0.refund_answer.lock().expect("no panic here");
        *kept = answer;
    }
}

#[async_trait]
impl PaymentGateway for Till {
    async fn charge(&self, charge: &Charge) -> Result<ChargeState, GatewayError> {
        let reference = charge.reference;
        self.0.asked.send_modify(|asked| asked.push(reference));
        let mut answers = self.0.answers.subscribe();
        let answers = answers.wait_for(|answers| answers.contains_key(&reference));
        let answers = answers.await.map_err(|_| lost())?;
        answers[&reference].clone()
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeState>, GatewayError> {
        let states = self.0.states.lock().expect("no panic under this lock");
        Ok(states.get(&reference).cloned())
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeState, GatewayError> {
        let mut voided = self.0.voided.lock().expect("no panic under this lock");
        voided.push(reference);
        let mut states = self.0.states.lock().expect("no panic under this lock");
        let state = states.entry(reference).or_insert(ChargeState::Voided);
        if *state == ChargeState::Processing {
            *state = ChargeState::Voided;
        }
        Ok(state.clone())
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let mut refunded = self.0.refunded.lock().expect("no panic under this lock");
        refunded.push(refund.clone());
        self.0.refund_answer.lock().expect("no panic here").clone()
    }
}
