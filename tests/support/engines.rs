//! The tests that are about something that only PostgreSQL has. They do not run on MySQL: the task
//! `./makew test --engine mariadb` passes their names to the test runner, which counts them as
//! filtered out, and prints them with their reasons. One that is run there all the same fails.

use std::collections::BTreeSet;

use doorbuster::db::engine::Engine;

/// A test, or a module if it ends with `::`, and why it does not run on MySQL.
const POSTGRES_ONLY: &[(&str, &str)] = &[
    (
        "audit::changes::sequences_of_audited_tables_have_no_cache",
        "reads the catalog of sequences; AUTO_INCREMENT has no cache for each session",
    ),
    (
        "database::clock::",
        "gives sessions another clock_timestamp(); MySQL's functions cannot be replaced",
    ),
    (
        "database::indexes::",
        "compares PostgreSQL's catalog and plans; InnoDB gives every foreign key an index",
    ),
    (
        "database::dropped_futures::without_the_rollback_a_write_is_lost",
        "shows what the driver for PostgreSQL loses, and why its pool rolls back",
    ),
    (
        "database::longer_names::",
        "reverts a migration of PostgreSQL's history; MySQL begins with one baseline",
    ),
    (
        "database::refolding::",
        "reverts a migration of PostgreSQL's history; MySQL begins with one baseline",
    ),
    (
        "database::transactions::a_connection_lost_in_commit_is_an_unknown_outcome",
        "ends the session in a deferred trigger; MySQL has none",
    ),
    ("embedded::", "starts the embedded PostgreSQL"),
    (
        "inventory::statements::early_release_runs_the_single_statement",
        "early-release does not run there",
    ),
    (
        "payment::processes::a_provider_survives_an_outage_of_its_database",
        "closes one database to connections, which MySQL cannot",
    ),
    (
        "simulation::lock_view::the_lock_view_counts_the_read_marks_of_serializable_transactions",
        "InnoDB has no read marks: SERIALIZABLE locks what it reads",
    ),
    (
        "simulation::lock_view::the_lock_view_shows_the_queue_at_a_row_as_the_database_does",
        "compares with pg_locks and pg_blocking_pids",
    ),
    (
        "simulation::lock_view::the_lock_view_shows_the_queue_at_an_advisory_lock",
        "compares with pg_locks; MySQL does not show who holds a named lock",
    ),
];

fn is_meant(name: &str, listed: &str) -> bool {
    name == listed || (listed.ends_with("::") && name.starts_with(listed))
}

/// Fails a test that is about PostgreSQL and was started on MySQL. The test runner names the thread
/// of a test after it.
pub fn refuse_if_postgres_only(engine: Engine) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    let listed = POSTGRES_ONLY
        .iter()
        .find(|(listed, _)| is_meant(name, listed));
    if let (Engine::MySql, Some((_, reason))) = (engine, listed) {
        panic!("{name} does not run on MySQL: {reason}");
    }
}

/// Not a test: prints the list for the task that runs the tests on MySQL.
#[test]
fn print_postgres_only() {
    for (name, reason) in POSTGRES_ONLY {
        println!("postgres-only {name} {reason}");
    }
}

/// The names are those of tests, so that none that is renamed is forgotten; and none is a part of
/// another test's name, because the runner skips by parts of names.
#[test]
fn the_listed_tests_exist_and_no_other_is_skipped_with_them() {
    let program = std::env::current_exe().expect("this program has a path");
    let listing = std::process::Command::new(program).arg("--list").output();
    let listing = String::from_utf8(listing.expect("it runs").stdout).expect("text");
    let tests: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    for (listed, _) in POSTGRES_ONLY {
        assert!(tests.iter().any(|name| is_meant(name, listed)), "{listed}");
        let also: Vec<_> = tests
            .iter()
            .filter(|name| name.contains(listed) && !is_meant(name, listed))
            .collect();
        let others = POSTGRES_ONLY.iter().map(|(other, _)| *other);
        let others: Vec<_> = others.filter(|other| other != listed).collect();
        for name in also {
            let is_listed = others.iter().any(|other| is_meant(name, other));
            assert!(is_listed, "{name} would be skipped with {listed}");
        }
    }
}
