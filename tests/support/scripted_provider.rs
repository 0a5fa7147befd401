//! A payment provider with scripted responses: a charge waits until the test answers it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use doorbuster::payment::gateway::{
    Charge, ChargeReport, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{PATIENCE, within};

/// See the module's documentation. All clones share one state.
#[derive(Clone, Debug, Default)]
pub struct ScriptedProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The references of the requested charges, in order.
    charges: watch::Sender<Vec<Uuid>>,
    answers: watch::Sender<HashMap<Uuid, Result<ChargeReport, GatewayError>>>,
    /// The state of each charge, for later status queries and voids.
    states: Mutex<HashMap<Uuid, ChargeReport>>,
    voided: Mutex<Vec<Uuid>>,
    refunded: Mutex<Vec<RefundRequest>>,
    refund_answer: Mutex<Result<RefundState, GatewayError>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            charges: watch::Sender::default(),
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

impl ScriptedProvider {
    /// Waits for `count` charges, and returns the references of all charges.
    #[track_caller]
    pub fn charges(&self, count: usize) -> impl Future<Output = Vec<Uuid>> + use<> {
        let mut charges = self.0.charges.subscribe();
        within(PATIENCE, "charges at the scripted provider", async move {
            let charges = charges.wait_for(|charges| charges.len() >= count).await;
            charges.expect("the provider outlives its charges").clone()
        })
    }

    /// Sets the answer to a charge, also before the charge is requested.
    pub fn answer(&self, reference: Uuid, answer: Result<ChargeState, GatewayError>) {
        self.report(reference, answer.map(ChargeReport::from));
    }

    /// The same with the captured amount.
    pub fn report(&self, reference: Uuid, answer: Result<ChargeReport, GatewayError>) {
        if let Ok(report) = &answer {
            self.set_report(reference, report.clone());
        }
        self.0
            .answers
            .send_modify(|answers| drop(answers.insert(reference, answer)));
    }

    /// Sets the state of a charge.
    pub fn set_state(&self, reference: Uuid, state: ChargeState) {
        self.set_report(reference, state.into());
    }

    /// The same with the captured amount.
    pub fn set_report(&self, reference: Uuid, report: ChargeReport) {
        let mut states = self.0.states.lock().expect("no panic under this lock");
        states.insert(reference, report);
    }

    /// Returns the charges that the shop asked to void.
    pub fn voided(&self) -> Vec<Uuid> {
        let voided = self.0.voided.lock().expect("no panic under this lock");
        voided.clone()
    }

    /// Returns the requested refunds, in order.
    pub fn refunded(&self) -> Vec<RefundRequest> {
        let refunded = self.0.refunded.lock().expect("no panic under this lock");
        refunded.clone()
    }

    /// Sets the answer to all later refunds.
    pub fn answer_refunds(&self, answer: Result<RefundState, GatewayError>) {
        let mut kept = self.0.refund_answer.lock().expect("no panic here");
        *kept = answer;
    }
}

#[async_trait]
impl PaymentGateway for ScriptedProvider {
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError> {
        let reference = charge.reference;
        self.0
            .charges
            .send_modify(|charges| charges.push(reference));
        let mut answers = self.0.answers.subscribe();
        let answers = answers.wait_for(|answers| answers.contains_key(&reference));
        let answers = answers.await.map_err(|_| lost())?;
        answers[&reference].clone()
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        let states = self.0.states.lock().expect("no panic under this lock");
        Ok(states.get(&reference).cloned())
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError> {
        let mut voided = self.0.voided.lock().expect("no panic under this lock");
        voided.push(reference);
        let mut states = self.0.states.lock().expect("no panic under this lock");
        let voided = ChargeReport::from(ChargeState::Voided);
        let report = states.entry(reference).or_insert(voided.clone());
        if report.state == ChargeState::Processing {
            *report = voided;
        }
        Ok(report.clone())
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let mut refunded = self.0.refunded.lock().expect("no panic under this lock");
        refunded.push(refund.clone());
        self.0.refund_answer.lock().expect("no panic here").clone()
    }
}
