//! Wrong settings exit with 2, as wrong usage does: a supervisor need not start the program again.

use tempfile::TempDir;

use super::NO_SERVER;
use crate::support::program::{doorbuster, end_of};

/// Runs a command with settings in the environment, and checks that it is refused with a sentence
/// that names `setting`.
async fn check_refused(arguments: &[&str], settings: &[(&str, &str)], setting: &str) {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), arguments);
    command
        .env("DATABASE_URL", NO_SERVER)
        .env("DOORBUSTER_ADDR", "127.0.0.1:0")
        .envs(settings.iter().copied());
    let ended = end_of(command, &folder).await;
    let stderr = &ended.stderr;
    assert_eq!(ended.code, Some(2), "{arguments:?} {settings:?}: {stderr}");
    assert!(ended.stdout.is_empty(), "{arguments:?} {settings:?}");
    assert!(
        stderr.contains(setting),
        "{arguments:?} {settings:?}: {stderr}"
    );
    assert!(!stderr.contains("hush"), "{stderr}");
    assert!(ended.left_nothing, "{arguments:?} {settings:?}");
}

#[tokio::test]
async fn a_server_with_wrong_settings_exits_with_2() {
    let public = ("PUBLIC_URL", "https://shop.test");
    for (settings, setting) in [
        (&[("CONNECTIONS_MAX", "many")][..], "many"),
        (&[("HOLD_TTL_S", "0")], "--hold-ttl-s"),
        (&[("SHOP_STRATEGY", "redis-hold")], "needs Redis"),
        (&[("REDIS_URL", "http://:hush@x")], "REDIS_URL"),
        (
            &[("DATABASE_DIRECT_URL", "sqlite://u:hush@x/y")],
            "DATABASE_DIRECT_URL",
        ),
        (&[public, ("EXPRESS_PURCHASE", "on")], "PURCHASE_RATE_PER_S"),
    ] {
        check_refused(&["serve"], settings, setting).await;
        check_refused(&[], settings, setting).await;
    }
}

#[tokio::test]
async fn a_database_url_that_is_none_exits_with_2() {
    for url in [
        "sqlite://user:hush@localhost/shop",
        "not a url",
        "postgres://user:hush@127.0.0.1:1/shop?sslmode=perhaps",
    ] {
        for arguments in [
            &["serve"][..],
            &["audit"],
            &["sale", "list"],
            &["migrate"],
            &["migrate", "status"],
            &["seed"],
            &["preflight", "--sale", "flash-sale-smartphone"],
            &["simulate", "--buyers", "3", "--stock", "1"],
        ] {
            check_refused(arguments, &[("DATABASE_URL", url)], "DATABASE_URL").await;
        }
    }
}

#[tokio::test]
async fn a_provider_without_its_settings_exits_with_2() {
    check_refused(&["provider"], &[], "PAYMENT_SECRET").await;
    for url in ["", "sqlite://user:hush@localhost/shop"] {
        let settings = [("DATABASE_URL", url), ("PAYMENT_SECRET", "hush")];
        check_refused(&["provider"], &settings, "DATABASE_URL").await;
    }
}

#[test]
fn systemd_does_not_start_a_server_with_wrong_settings_again() {
    let unit = include_str!("../../ops/doorbuster.service");
    assert!(
        unit.lines()
            .any(|line| line == "RestartPreventExitStatus=2")
    );
}
