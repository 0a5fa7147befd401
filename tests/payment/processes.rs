//! The provider as a process: killed, restarted, idle, supervised; and with an unavailable
//! database.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use doorbuster::payment::{
    gateway::{ChargeState, GatewayAddress, HttpGateway, PaymentGateway},
    provider::test_cards,
    provider_process::{ProviderLaunch, ProviderProcess, SECRET_VARIABLE},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::support::{
    SECRET, StateOf as _, TestProvider, WebhookReceiver, charge_to, gateway, is_unknown, until,
};
use crate::support::{
    PATIENCE, TestDatabase, database::ByHand, program::doorbuster, server::Server, within,
};

/// `doorbuster provider`, killed when the test ends.
struct Program {
    child: Child,
    url: Url,
    _folder: TempDir,
}

impl Program {
    async fn start(database: &TestDatabase, arguments: &'static [&'static str]) -> Self {
        let url = database.url().to_owned();
        let started = tokio::task::spawn_blocking(move || {
            let folder = TempDir::new().expect("a temporary folder");
            let mut command = doorbuster(folder.path(), &["provider"]);
            command
                .args(arguments)
                .env("DATABASE_URL", url)
                .env(SECRET_VARIABLE, SECRET)
                .stdout(Stdio::piped());
            let mut child = command.spawn().expect("the program starts");
            let mut line = String::new();
            let stdout = child.stdout.take().expect("a pipe");
            BufReader::new(stdout).read_line(&mut line).expect("a line");
            Self {
                child,
                url: Url::parse(line.trim()).expect("the URL that it listens on"),
                _folder: folder,
            }
        });
        within(PATIENCE, "the provider's URL", started)
            .await
            .expect("no panic")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        kill(Pid::from_raw(pid), signal).expect("it is our child");
    }

    async fn ended(mut self) -> Option<i32> {
        let status = tokio::task::spawn_blocking(move || self.child.wait());
        let status = within(PATIENCE, "the provider's end", status).await;
        status.expect("no panic").expect("it is our child").code()
    }
}

#[tokio::test]
async fn the_next_provider_finishes_the_work_of_a_killed_one() {
    let database = TestDatabase::empty().await;
    let killed = Program::start(&database, &["--latency-ms", "1500"]).await;
    let charge = charge_to(test_cards::CAPTURED);
    let first = gateway(killed.url.clone());
    let request = tokio::spawn({
        let (gateway, charge) = (gateway(killed.url.clone()), charge.clone());
        async move { gateway.charge(&charge).await.state() }
    });
    until("the charge in the tables", async || {
        let state = first.charge_state(charge.reference).await.state();
        (state == Ok(Some(ChargeState::Processing))).then_some(())
    })
    .await;
    killed.signal(Signal::SIGKILL);
    let answer = request.await.expect("no panic");
    assert!(is_unknown(&answer), "{answer:?}");
    killed.ended().await;
    let receiver = WebhookReceiver::open().await;
    let next = TestProvider::with(&database, Duration::from_millis(20), Some(&receiver)).await;
    next.wait_for_state(charge.reference, ChargeState::Captured)
        .await;
    receiver.wait_for(3).await;
}

#[tokio::test]
async fn a_provider_exits_on_a_signal_or_when_idle() {
    let database = TestDatabase::empty().await;
    let signalled = Program::start(&database, &[]).await;
    signalled.signal(Signal::SIGTERM);
    assert_eq!(signalled.ended().await, Some(0));
    let idle = Program::start(&database, &["--exit-when-idle-s", "1"]).await;
    assert_eq!(idle.ended().await, Some(0));
}

#[tokio::test]
async fn a_provider_without_secret_or_database_reports_the_missing_setting() {
    let folder = TempDir::new().expect("a temporary folder");
    for (given, missing) in [
        ("DATABASE_URL", SECRET_VARIABLE),
        (SECRET_VARIABLE, "DATABASE_URL"),
    ] {
        let mut command = doorbuster(folder.path(), &["provider"]);
        command.env(given, "postgres://nobody@127.0.0.1:1/nothing");
        let ended = tokio::task::spawn_blocking(move || command.output());
        let ended = ended.await.expect("no panic").expect("the program starts");
        assert_eq!(ended.status.code(), Some(2));
        let message = String::from_utf8_lossy(&ended.stderr);
        assert!(message.contains(missing), "{message}");
    }
}

#[tokio::test]
async fn a_provider_survives_an_outage_of_its_database() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let provider = TestProvider::with(&database, Duration::from_millis(20), Some(&receiver)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let name = Url::parse(database.url()).expect("a URL").path()[1..].to_owned();
    let elsewhere = ByHand::new(&Server::get().url_of("postgres")).await;
    let let_in = |yes: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}");
    elsewhere.run(&let_in(false)).await;
    elsewhere
        .run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    let lost = charge_to(test_cards::CAPTURED);
    let answer = provider.gateway.charge(&lost).await.state();
    assert!(is_unknown(&answer), "{answer:?}");
    elsewhere.run(&let_in(true)).await;
    until("an answer", async || {
        let answer = provider.gateway.charge(&lost).await.state();
        (answer == Ok(ChargeState::Captured)).then_some(())
    })
    .await;
    receiver.wait_for(6).await;
}

fn launch(database: &TestDatabase, data: &Path, receiver: &WebhookReceiver) -> ProviderLaunch {
    ProviderLaunch {
        program: env!("CARGO_BIN_EXE_doorbuster").into(),
        database_url: database.url().to_owned(),
        data: data.to_owned(),
        secret: SECRET.to_owned(),
        webhook_url: Some(receiver.url.clone()),
    }
}

/// The process in the provider file.
fn announced(data: &Path) -> Option<Pid> {
    let text = std::fs::read(data.join("provider.json")).ok()?;
    let message: Value = serde_json::from_slice(&text).expect("JSON");
    let pid = message["pid"].as_i64().expect("a process id");
    Some(Pid::from_raw(i32::try_from(pid).expect("small")))
}

fn is_alive(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

async fn is_charged(address: &GatewayAddress) -> bool {
    let gateway = HttpGateway::new(address.clone(), SECRET).expect("a client");
    let answer = gateway
        .charge(&charge_to(test_cards::CAPTURED))
        .await
        .state();
    answer == Ok(ChargeState::Captured)
}

#[tokio::test]
async fn a_killed_provider_is_restarted_and_stops_with_its_shop() {
    let database = TestDatabase::empty().await;
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let receiver = WebhookReceiver::open().await;
    let started = ProviderProcess::ensure(launch(&database, &data, &receiver)).await;
    let (process, address) = started.expect("a provider");
    assert!(is_charged(&address).await);
    let (first_url, first) = (address.url(), announced(&data).expect("a file"));
    kill(first, Signal::SIGKILL).expect("it is there");
    until("another provider", async || {
        (address.url() != first_url).then_some(())
    })
    .await;
    assert!(is_charged(&address).await);
    let second = announced(&data).expect("a file");
    assert_ne!(first, second);
    process.stop().await;
    assert!(!is_alive(second));
    assert_eq!(announced(&data), None);
}

#[tokio::test]
async fn a_provider_that_outlived_its_shop_is_adopted_by_the_next_one() {
    let database = TestDatabase::empty().await;
    let folder = TempDir::new().expect("a temporary folder");
    let (killed, next) = (WebhookReceiver::open().await, WebhookReceiver::open().await);
    let first = ProviderProcess::ensure(launch(&database, folder.path(), &killed)).await;
    let (first, address) = first.expect("a provider");
    let pid = announced(folder.path()).expect("a file");
    let second = ProviderProcess::ensure(launch(&database, folder.path(), &next)).await;
    let (second, same) = second.expect("the same provider");
    assert_eq!(same.url(), address.url());
    assert!(is_charged(&same).await);
    next.wait_for(3).await;
    assert_eq!(killed.received(), []);
    second.stop().await;
    assert!(
        is_alive(pid),
        "the second shop did not start it, so it must not stop it"
    );
    let other_database = TestDatabase::empty().await;
    let third = ProviderProcess::ensure(launch(&other_database, folder.path(), &next)).await;
    let (third, other) = third.expect("a provider");
    assert_ne!(other.url(), address.url(), "it works on another database");
    third.stop().await;
    first.stop().await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_program_that_is_not_a_provider_is_an_error() {
    let database = TestDatabase::empty().await;
    let folder = TempDir::new().expect("a temporary folder");
    let receiver = WebhookReceiver::open().await;
    for program in ["/bin/true", "/nowhere"] {
        let mut launch = launch(&database, folder.path(), &receiver);
        launch.program = program.into();
        let failed = ProviderProcess::ensure(launch).await;
        assert!(failed.is_err(), "{program}");
        assert_eq!(announced(folder.path()), None);
    }
}
