//! Notices between the processes of one database: by PostgreSQL's `LISTEN` and `NOTIFY`, and by a
//! table that is polled on MySQL. The process that sends one also receives it.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    ConnectionTrait, DbErr, RuntimeErr,
    sqlx::{
        self,
        postgres::{PgConnectOptions, PgListener, PgPoolOptions},
    },
};
use tokio::time::timeout;

use super::{
    Db,
    connect::ConnectError,
    dialect,
    engine::{Engine, mysql},
};

/// The channel of the notices. A channel belongs to one database.
const CHANNEL: &str = "doorbuster_changes";
/// The application name of the sessions that listen.
pub const SESSION_NAME: &str = "doorbuster notices";
/// How long the connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Sends a notice of at most 7,999 bytes to every process that listens.
///
/// Never call this in a transaction of the shop: a commit with a notice takes a lock of the whole
/// server. This statement is its own transaction, and does not wait for the disk: a notice that a
/// crash loses is one of those that readers do without.
pub async fn send(db: &Db, text: &str) -> Result<(), DbErr> {
    match Engine::of(db.reader()) {
        Engine::Postgres => {
            let sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
            db.reader()
                .execute_raw(dialect::statement(sql, [CHANNEL.into(), text.into()]))
                .await
                .map(drop)
        }
        Engine::MySql => mysql::notices::send(db.transactions(), text).await,
    }
}

/// A session that receives the notices. It has a connection of its own, which no pooler in
/// transaction mode may share.
#[derive(Debug)]
pub struct Listener(Session);

#[derive(Debug)]
enum Session {
    Postgres(PgListener),
    MySql(mysql::notices::Listener),
}

impl Listener {
    /// Listens in the database at `url`: every notice that is sent after this call arrives, while
    /// the connection lasts.
    ///
    /// # Errors
    /// [`ConnectError::Url`] and [`ConnectError::Unreachable`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let connect = async {
            match Engine::of_url(url)?.0 {
                Engine::Postgres => {
                    let options = PgConnectOptions::from_str(url).map_err(unreachable)?;
                    let options = options.application_name(SESSION_NAME);
                    Self::listen(options).await.map_err(unreachable)
                }
                Engine::MySql => mysql::notices::Listener::connect(url, SESSION_NAME)
                    .await
                    .map(|listener| Self(Session::MySql(listener)))
                    .map_err(unreachable),
            }
        };
        timeout(CONNECT_MAX, connect)
            .await
            .unwrap_or_else(|_| Err(unreachable(sqlx::Error::PoolTimedOut)))
    }

    async fn listen(options: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_MAX)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options)
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // A new connection begins with a new `Listener`, so that its user knows of the break.
        listener.eager_reconnect(false);
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        Ok(Self(Session::Postgres(listener)))
    }

    /// Waits for the next notice and returns its text; `None` if the connection is lost. A wait
    /// that is dropped loses no notice.
    pub async fn receive(&mut self) -> Option<String> {
        let received = match &mut self.0 {
            Session::Postgres(listener) => match listener.try_recv().await {
                Ok(notice) => Ok(notice.map(|notice| notice.payload().to_owned())),
                Err(error) => Err(error),
            },
            Session::MySql(listener) => listener.receive().await.map(Some),
        };
        match received {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(%error, "the connection for notices failed");
                None
            }
        }
    }
}

fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
