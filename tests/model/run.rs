//! Running the sequences: 2,000 steps in the ordinary tests, and as many as `DOORBUSTER_MODEL_STEPS` says in the soak.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::runtime::{Builder, Runtime};

use super::{
    act::Act,
    stage::Stage,
    world::{Machine, World},
};
use crate::support::{TestShop, check_audit_clean, retries::Retries, seed};

const STEPS: u32 = 2_000;
/// Of one sequence.
const STEPS_OF_CASE: usize = 100;
/// Sequences on one database; the next ones get another, lest the audit read more and more.
const CASES_OF_DATABASE: u32 = 20;
const AUDIT_EVERY_STEPS: usize = 50;
/// A sequence that fails is shortened by playing so many parts of it.
const SHRINKS_MAX: u32 = 150;
/// When it was meant to fail.
const SHRINKS_OF_MEANT_MAX: u32 = 3;

#[test]
fn the_shop_does_what_a_model_of_it_predicts() {
    let steps = std::env::var("DOORBUSTER_MODEL_STEPS").ok();
    let steps = steps.map_or(STEPS, |steps| steps.parse().expect("a number of steps"));
    let (mut seeds, started) = (StdRng::seed_from_u64(seed()), Instant::now());
    let cases = steps.div_ceil(u32::try_from(STEPS_OF_CASE).expect("small"));
    let mut played = 0;
    while played < cases {
        let now = CASES_OF_DATABASE.min(cases - played);
        let played_well = Theatre::open(false).play_all(now, seeds.random());
        played_well.unwrap_or_else(|why| panic!("{why}"));
        played += now;
        let played = played as usize * STEPS_OF_CASE;
        eprintln!(
            "{played} of {steps} steps, {} s",
            started.elapsed().as_secs()
        );
    }
}

/// The model finds out a shop that does something else.
#[test]
fn a_shop_that_takes_no_note_of_what_comes_in_is_found_out() {
    let found_out = Theatre::open(true).play_all(5, [7; 32]);
    let why = found_out.expect_err("units come in now and then");
    assert!(
        why.contains("Receive") && why.contains("the tables say"),
        "{why}"
    );
}

/// A database with a shop on it, where sequences are played one after the other.
struct Theatre {
    retries: Retries,
    shop: TestShop,
    /// Whether the shop does other than it should.
    is_forgetful: bool,
    // Last: what lives on it goes first.
    runtime: Runtime,
}

impl Theatre {
    fn open(is_forgetful: bool) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self {
            retries: Retries::listen(),
            shop: runtime.block_on(TestShop::new()),
            is_forgetful,
            runtime,
        }
    }

    /// Plays so many sequences. Of one that fails, says why and tells the shortest part that fails as well.
    fn play_all(self, cases: u32, seed: [u8; 32]) -> Result<(), String> {
        let config = Config {
            cases,
            failure_persistence: None,
            max_shrink_iters: if self.is_forgetful {
                SHRINKS_OF_MEANT_MAX
            } else {
                SHRINKS_MAX
            },
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let number = AtomicU64::new(0);
        let sequences = Machine::sequential_strategy(STEPS_OF_CASE);
        let result =
            TestRunner::new_with_rng(config, rng).run(&sequences, |(world, acts, seen)| {
                let number = number.fetch_add(1, Ordering::Relaxed);
                // Steps that were never reached need no shortening.
                let seen = || {
                    if let Some(seen) = &seen {
                        seen.fetch_add(1, Ordering::SeqCst);
                    }
                };
                self.runtime.block_on(self.play(number, world, acts, seen))
            });
        result.map_err(|error| {
            self.shop.without_final_audit();
            match error {
                TestError::Fail(why, (world, acts, _)) => {
                    format!("{why}\nit began with {world:#?}\nand went on with {acts:#?}")
                }
                TestError::Abort(why) => why.to_string(),
            }
        })
    }

    async fn play(
        &self,
        number: u64,
        mut world: World,
        acts: Vec<Act>,
        seen: impl Fn(),
    ) -> Result<(), TestCaseError> {
        let mut stage = Stage::set(&self.shop, number, &world).await;
        if self.is_forgetful {
            stage = stage.forgetful();
        }
        compare("the beginning", &world, &stage).await?;
        for (index, act) in acts.iter().enumerate() {
            seen();
            world = Machine::apply(world, act);
            let said = stage.perform(act).await;
            let step = format!("step {index}, {act:?}");
            agree(&step, world.said, &said)?;
            compare(&step, &world, &stage).await?;
            if index % AUDIT_EVERY_STEPS == 0 {
                check_audit_clean(&self.shop).await;
                stage.look().await;
            }
        }
        check_audit_clean(&self.shop).await;
        agree("retries", Vec::<String>::new(), self.retries.heard())
    }
}

async fn compare(step: &str, world: &World, stage: &Stage<'_>) -> Result<(), TestCaseError> {
    let (expected, found) = (world.told(), stage.told().await);
    if expected != found {
        let why = format!("{step}: the model says\n{expected}\nthe tables say\n{found}");
        return Err(TestCaseError::fail(why));
    }
    agree(step, world.provider_books(), stage.provider_books())
}

fn agree<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    step: &str,
    expected: A,
    found: B,
) -> Result<(), TestCaseError> {
    if expected == found {
        return Ok(());
    }
    let why = format!("{step}: the model says {expected:?}, the shop says {found:?}");
    Err(TestCaseError::fail(why))
}
