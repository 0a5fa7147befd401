//! The database of a command: the one in the settings, or the embedded one.

use std::{path::PathBuf, time::Duration};

use doorbuster::{
    config::DatabaseSettings,
    db::{Db, PoolSettings, connect, embedded::EmbeddedPostgres, schema},
    shop::seed,
};

use crate::CommandError;

/// An existing database. If this process owns the embedded server, it runs until
/// [`OpenDatabase::close`].
pub struct OpenDatabase {
    pub url: String,
    /// The addresses of the nodes of the database's cluster.
    pub nodes: Vec<String>,
    /// The data folder of the embedded database.
    pub data: PathBuf,
    embedded: Option<EmbeddedPostgres>,
}

impl OpenDatabase {
    /// Starts the embedded server or attaches to it, unless the settings contain a URL, and creates
    /// the database if it does not exist.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, CommandError> {
        let open = Self::server(settings).await?;
        let ensured = connect::ensure_database(&open.url).await;
        open.unless_failed(ensured).await
    }

    /// The same without creating anything. The database may not exist, or have another schema.
    async fn open_existing(settings: &DatabaseSettings) -> Result<Self, CommandError> {
        if settings.url().is_none() && !EmbeddedPostgres::exists(&settings.data)? {
            let data = settings.data.display();
            return Err(format!(
                "there is no database in the folder {data}: set DATABASE_URL or DOORBUSTER_DATA, \
                 or create one with `doorbuster serve`"
            )
            .into());
        }
        let open = Self::server(settings).await?;
        let found = connect::find_database(&open.url).await;
        open.unless_failed(found.map(drop)).await
    }

    /// Starts the embedded server or attaches to it, unless the settings contain a URL.
    async fn server(settings: &DatabaseSettings) -> Result<Self, CommandError> {
        let (url, embedded) = match settings.url() {
            Some(url) => (url.to_owned(), None),
            None => {
                let embedded = EmbeddedPostgres::start(&settings.data).await?;
                (embedded.url().to_owned(), Some(embedded))
            }
        };
        let data = settings.data.clone();
        Ok(Self {
            url,
            nodes: settings.nodes(),
            data,
            embedded,
        })
    }

    async fn unless_failed(
        self,
        checked: Result<(), connect::ConnectError>,
    ) -> Result<Self, CommandError> {
        match checked {
            Ok(()) => Ok(self),
            Err(error) => {
                self.close().await?;
                Err(error.into())
            }
        }
    }

    /// Keeps the embedded server running, if this process owns it: it is restarted when it ends.
    pub fn supervised(self) -> Self {
        Self {
            embedded: self.embedded.map(EmbeddedPostgres::supervised),
            ..self
        }
    }

    /// Returns why, once the embedded server has ended and cannot be restarted.
    pub async fn lost(&self) -> CommandError {
        match &self.embedded {
            Some(embedded) => embedded.lost().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Applies pending migrations and seeds an empty shop, under the schema lock.
    pub async fn prepare(&self) -> Result<(), CommandError> {
        schema::migrate(&self.url, schema::Step::Up).await?;
        self.seed().await.map(drop)
    }

    /// Seeds an empty shop. Returns the number of products written.
    pub async fn seed(&self) -> Result<usize, CommandError> {
        let db = self.pool(PoolSettings::COMMAND).await?;
        let written =
            schema::under_lock(&self.url, async |_| Ok(seed::fill_if_empty(&db).await)).await;
        db.close().await;
        Ok(written??)
    }

    /// Opens a connection pool.
    pub async fn pool(&self, settings: PoolSettings) -> Result<Db, CommandError> {
        Ok(Db::connect(&self.url, settings).await?)
    }

    /// Stops the embedded server if this process owns it.
    pub async fn close(self) -> Result<(), CommandError> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }

    /// The same in at most `limit`.
    pub async fn close_within(self, limit: Duration) -> Result<(), CommandError> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop_within(limit).await?),
            None => Ok(()),
        }
    }

    /// Opens the database, runs `work`, and closes the database even if `work` fails.
    pub async fn with<T>(
        settings: &DatabaseSettings,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        Self::open(settings).await?.run(work).await
    }

    /// The same without creating the database, whose schema may be another one.
    pub async fn with_existing<T>(
        settings: &DatabaseSettings,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        Self::open_existing(settings).await?.run(work).await
    }

    /// The same for a command that changes neither the database nor its schema: it refuses a
    /// database that is missing, and one with the schema of another version.
    pub async fn with_current_schema<T>(
        settings: &DatabaseSettings,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        Self::with_existing(settings, async |database| {
            match schema::difference(&database.url).await? {
                Some(difference) => Err(difference.into()),
                None => work(database).await,
            }
        })
        .await
    }

    async fn run<T>(
        self,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let result = work(&self).await;
        let closed = self.close().await;
        let value = result?;
        closed?;
        Ok(value)
    }
}
