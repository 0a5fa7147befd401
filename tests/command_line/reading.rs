//! Commands that read, or that change rows only: none of them creates a database or changes its
//! schema.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    TestDatabase,
    database::ByHand,
    program::{Ended, doorbuster, end_of, run},
};

/// The commands that need the schema of their version.
const READING: [&[&str]; 7] = [
    &["audit"],
    &["audit", "--json"],
    &["redis", "inspect"],
    &["redis", "seed"],
    &["redis", "reconcile"],
    &["sale", "list"],
    &["sale", "end", "--product", "flash-sale-smartphone"],
];
const PREFLIGHT: [&str; 4] = ["preflight", "--sale", "flash-sale-smartphone", "--json"];

/// Runs the program with the URL of a Redis that does not answer.
async fn run_with_redis(database: &TestDatabase, arguments: &[&str]) -> Ended {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), arguments);
    command
        .env("DATABASE_URL", database.url())
        .env("REDIS_URL", "redis://127.0.0.1:1/0");
    end_of(command, &folder).await
}

/// Checks that each command is refused with a sentence that contains `reason`.
async fn check_refused(database: &TestDatabase, reason: &str) {
    for arguments in READING {
        let ended = run_with_redis(database, arguments).await;
        ended.check_code(1);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {}", ended.stdout);
        let stderr = &ended.stderr;
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
        assert!(ended.left_nothing, "{arguments:?}");
    }
    let report = run_with_redis(database, &PREFLIGHT).await;
    let report = report.check_code(3).json();
    assert_eq!(report["checks"][0]["check"], Value::from("schema"));
    let detail = report["checks"][0]["detail"].as_str().expect("a text");
    assert!(detail.contains(reason), "{detail}");
    assert_eq!(report["checks"][1], Value::Null, "{report:#}");
}

#[tokio::test]
async fn a_missing_database_is_named_and_not_created() {
    let database = TestDatabase::absent().await;
    check_refused(&database, "the database does not exist").await;
    let status = run(Some(database.url()), &["migrate", "status"]).await;
    let lines = &status.check_code(0).stdout;
    assert!(!lines.is_empty());
    assert!(lines.lines().all(|line| line.starts_with("pending")));
    assert!(ByHand::try_new(database.url()).await.is_none());
}

#[tokio::test]
async fn pending_migrations_are_named_and_not_applied() {
    let database = TestDatabase::empty().await;
    check_refused(&database, "migrations are pending").await;
    let status = run(Some(database.url()), &["migrate", "status"]).await;
    status.check_code(0);
    let by_hand = database.by_hand().await;
    let tables: i64 = by_hand
        .value(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()",
        )
        .await;
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn the_schema_of_a_newer_version_is_named() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    by_hand
        .run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)")
        .await;
    check_refused(&database, "a newer version has changed the schema").await;
}

#[tokio::test]
async fn a_folder_without_a_database_stays_empty() {
    for arguments in [
        &["audit"][..],
        &["sale", "list"],
        &["migrate", "status"],
        &PREFLIGHT,
    ] {
        let ended = run(None, arguments).await;
        let stderr = &ended.check_code(1).stderr;
        assert!(
            stderr.contains("there is no database in the folder ./data"),
            "{arguments:?}: {stderr}"
        );
        assert!(ended.left_nothing, "{arguments:?}");
    }
}
