//! Runs the sequences: 2,000 steps in the ordinary tests, and `DOORBUSTER_MODEL_STEPS` steps in the
//! soak test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::runtime::{Builder, Runtime};

use super::{
    action::Action,
    model_state::{ModelMachine, ModelState},
    tested_shop::TestedShop,
};
use crate::support::{TestShop, check_audit_clean, retries::RetryLog, seed};

const STEPS: u32 = 2_000;
/// The number of steps in one sequence.
const STEPS_OF_CASE: usize = 100;
/// The number of sequences on one database. The next ones get another database, so that the audit
/// does not become slower and slower.
const CASES_OF_DATABASE: u32 = 20;
const AUDIT_EVERY_STEPS: usize = 50;
/// The largest number of attempts to shrink a failing sequence.
const SHRINKS_MAX: u32 = 150;
/// The same limit for a sequence that is expected to fail.
const SHRINKS_OF_MEANT_MAX: u32 = 3;

#[test]
fn the_shop_agrees_with_its_model() {
    let steps = std::env::var("DOORBUSTER_MODEL_STEPS").ok();
    let steps = steps.map_or(STEPS, |steps| steps.parse().expect("a number of steps"));
    let (mut seeds, started) = (StdRng::seed_from_u64(seed()), Instant::now());
    let cases = steps.div_ceil(u32::try_from(STEPS_OF_CASE).expect("small"));
    let mut done = 0;
    while done < cases {
        let now = CASES_OF_DATABASE.min(cases - done);
        let result = SequenceRunner::new(false).run_all(now, seeds.random());
        result.unwrap_or_else(|why| panic!("{why}"));
        done += now;
        let done = done as usize * STEPS_OF_CASE;
        eprintln!("{done} of {steps} steps, {} s", started.elapsed().as_secs());
    }
}

/// The comparison with the model detects a shop that behaves differently.
#[test]
fn the_model_detects_a_shop_that_ignores_received_stock() {
    let result = SequenceRunner::new(true).run_all(5, [7; 32]);
    let why = result.expect_err("some sequence receives stock");
    assert!(
        why.contains("Receive") && why.contains("the tables contain"),
        "{why}"
    );
}

/// Runs sequences one after the other on a shop with its own database.
struct SequenceRunner {
    retries: RetryLog,
    shop: TestShop,
    /// Whether the shop ignores received stock on purpose.
    ignores_receipts: bool,
    // The last field: everything that runs on it is dropped first.
    runtime: Runtime,
}

impl SequenceRunner {
    fn new(ignores_receipts: bool) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self {
            retries: RetryLog::capture(),
            shop: runtime.block_on(TestShop::new()),
            ignores_receipts,
            runtime,
        }
    }

    /// Runs `cases` sequences. Returns the error of a failing sequence, with the shortest part of
    /// it that fails.
    fn run_all(self, cases: u32, seed: [u8; 32]) -> Result<(), String> {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: if self.ignores_receipts {
                SHRINKS_OF_MEANT_MAX
            } else {
                SHRINKS_MAX
            },
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let number = AtomicU64::new(0);
        let sequences = ModelMachine::sequential_strategy(STEPS_OF_CASE);
        let result =
            TestRunner::new_with_rng(config, rng).run(&sequences, |(state, actions, seen)| {
                let number = number.fetch_add(1, Ordering::Relaxed);
                // Counts the executed steps, so that shrinking can skip the others.
                let seen = || {
                    if let Some(seen) = &seen {
                        seen.fetch_add(1, Ordering::SeqCst);
                    }
                };
                self.runtime
                    .block_on(self.run_sequence(number, state, actions, seen))
            });
        result.map_err(|error| {
            self.shop.without_final_audit();
            match error {
                TestError::Fail(why, (state, actions, _)) => {
                    format!("{why}\ninitial state: {state:#?}\nactions: {actions:#?}")
                }
                TestError::Abort(why) => why.to_string(),
            }
        })
    }

    async fn run_sequence(
        &self,
        number: u64,
        mut state: ModelState,
        actions: Vec<Action>,
        seen: impl Fn(),
    ) -> Result<(), TestCaseError> {
        let mut tested = TestedShop::create(&self.shop, number, &state).await;
        if self.ignores_receipts {
            tested = tested.ignoring_receipts();
        }
        compare("the initial state", &state, &tested).await?;
        for (index, action) in actions.iter().enumerate() {
            seen();
            state = ModelMachine::apply(state, action);
            let result = tested.perform(action).await;
            let step = format!("step {index}, {action:?}");
            agree(&step, state.result, &result)?;
            compare(&step, &state, &tested).await?;
            if index % AUDIT_EVERY_STEPS == 0 {
                check_audit_clean(&self.shop).await;
                tested.check_carts().await;
            }
        }
        check_audit_clean(&self.shop).await;
        agree("retries", Vec::<String>::new(), self.retries.lines())
    }
}

async fn compare(
    step: &str,
    state: &ModelState,
    tested: &TestedShop<'_>,
) -> Result<(), TestCaseError> {
    let (expected, found) = (state.summary(), tested.summary().await);
    if expected != found {
        let why = format!("{step}: the model expects\n{expected}\nthe tables contain\n{found}");
        return Err(TestCaseError::fail(why));
    }
    agree(step, state.provider_amounts(), tested.provider_amounts())
}

fn agree<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    step: &str,
    expected: A,
    found: B,
) -> Result<(), TestCaseError> {
    if expected == found {
        return Ok(());
    }
    let why = format!("{step}: the model expects {expected:?}, the shop returned {found:?}");
    Err(TestCaseError::fail(why))
}
