//! The database behind a command: the one that the settings name, or the embedded one.

use std::path::PathBuf;

use doorbuster::{
    config::DatabaseSettings,
    db::{Db, PoolSettings, connect, embedded::EmbeddedPostgres, schema},
    shop::seed,
};

use crate::Failure;

/// A database that is there. The embedded server, if this process owns it, runs until [`OpenDatabase::close`].
pub struct OpenDatabase {
    pub url: String,
    /// The folder in which the embedded one lies.
    pub data: PathBuf,
    embedded: Option<EmbeddedPostgres>,
}

impl OpenDatabase {
    /// Starts or attaches to the embedded server if the settings name no other, and creates the database if it is absent.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, Failure> {
        let (url, embedded) = match &settings.database_url {
            Some(url) if !url.is_empty() => (url.clone(), None),
            _ => {
                let embedded = EmbeddedPostgres::start(&settings.data).await?;
                (embedded.url().to_owned(), Some(embedded))
            }
        };
        let data = settings.data.clone();
        let open = Self {
            url,
            data,
            embedded,
        };
        match connect::ensure_database(&open.url).await {
            Ok(()) => Ok(open),
            Err(error) => {
                open.close().await?;
                Err(error.into())
            }
        }
    }

    /// Applies missing migrations and fills an empty shop, under the schema's lock.
    pub async fn prepare(&self) -> Result<(), Failure> {
        schema::migrate(&self.url, schema::Step::Up).await?;
        self.seed().await.map(drop)
    }

    /// Fills an empty shop. Returns how many products were written.
    pub async fn seed(&self) -> Result<usize, Failure> {
        let db = self.pool(PoolSettings::COMMAND).await?;
        let written =
            schema::under_lock(&self.url, async |_| Ok(seed::fill_if_empty(&db).await)).await;
        db.close().await;
        Ok(written??)
    }

    /// A pool on it.
    pub async fn pool(&self, settings: PoolSettings) -> Result<Db, Failure> {
        Ok(Db::connect(&self.url, settings).await?)
    }

    /// Stops the embedded server, if it is ours.
    pub async fn close(self) -> Result<(), Failure> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }

    /// Opens, does `work`, and closes again, however `work` ends.
    pub async fn with<T>(
        settings: &DatabaseSettings,
        work: impl AsyncFnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let database = Self::open(settings).await?;
        let result = work(&database).await;
        let closed = database.close().await;
        let value = result?;
        closed?;
        Ok(value)
    }
}
