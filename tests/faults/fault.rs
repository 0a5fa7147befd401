//! A fault: what causes it, what cures it, and the metric that shows it.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use doorbuster::{db::engine::Engine, payment::provider::test_cards};
use futures::future::LocalBoxFuture;

use super::{
    clock, database, disk, locks, metrics::Metric, network, payment, redis, scene::Scene, server,
};

/// A step of a fault.
pub type Step = for<'s> fn(&'s mut Scene) -> LocalBoxFuture<'s, ()>;

/// See the module's documentation.
#[derive(Clone, Copy)]
pub struct Fault {
    /// The name in the table.
    pub name: &'static str,
    pub cause: Step,
    /// Removes the cause. It is gone when this step ends.
    pub cure: Step,
    /// How long it lasts after its cause.
    pub lasts: Duration,
    /// The longest time until its metric moves, if that is longer.
    pub lasts_max: Duration,
    /// What an operator must see.
    pub moves: Metric,
    /// What shows that it was felt, if no request is refused, unanswered or slow.
    pub felt_by: Option<Metric>,
    /// Why it cannot be caused here; `None` if it can.
    pub not_here: fn(&Scene) -> Option<&'static str>,
    /// The card of the shoppers.
    pub card: &'static str,
}

impl Fault {
    /// No fault: what the others begin with. In a healthy shop the metric of no fault may move, and
    /// no request may be refused or slow: otherwise the other rows of the table would show nothing.
    pub const NONE: Self = Self {
        name: "none, for comparison",
        cause: |_| Box::pin(std::future::ready(())),
        cure: |scene| Box::pin(scene.release()),
        lasts: Duration::from_secs(3),
        lasts_max: Duration::ZERO,
        moves: Metric::PURCHASES,
        felt_by: None,
        not_here: |_| None,
        card: test_cards::CAPTURED,
    };
}

/// The faults of all families.
pub fn all() -> Vec<Fault> {
    [on_usual_disk().as_slice(), on_small_disk()].concat()
}

/// Those that need a disk that can be filled.
pub fn on_small_disk() -> &'static [Fault] {
    disk::FAULTS
}

/// The others, in the order in which they are caused.
pub fn on_usual_disk() -> Vec<Fault> {
    [
        network::FAULTS,
        database::FAULTS,
        locks::FAULTS,
        server::FAULTS,
        clock::FAULTS,
        payment::FAULTS,
        redis::FAULTS,
    ]
    .concat()
}

/// A reason for [`Fault::not_here`].
pub fn needs_processes(scene: &Scene) -> Option<&'static str> {
    let is_postgres = scene.engine() == Engine::Postgres;
    (!is_postgres).then_some("the sessions of this engine are threads of one process")
}

#[test]
fn each_fault_has_a_name_of_its_own_that_fits_into_a_table() {
    let faults = all();
    let names: BTreeSet<_> = faults.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), faults.len());
    assert!(names.iter().all(|name| !name.contains(['|', '\n'])));
}

#[test]
fn the_metrics_of_all_faults_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/health");
    let sources = ["exposition.rs", "exposition/resilience.rs"]
        .map(|file| fs::read_to_string(folder.join(file)).expect("the source of the metrics"));
    for fault in all().iter().chain([&Fault::NONE]) {
        let metrics = [Some(fault.moves), fault.felt_by];
        let metrics = metrics.iter().flatten();
        for family in metrics.flat_map(|metric| metric.families()) {
            let quoted = format!("\"{family}\"");
            let exists = sources.iter().any(|source| source.contains(&quoted));
            assert!(exists, "{}: {family}", fault.name);
        }
    }
}
