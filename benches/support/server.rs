//! A database server of a benchmark, and a fresh database with the shop's schema for each
//! measurement.

use std::sync::atomic::{AtomicU32, Ordering};

use doorbuster::{
    db::{
        Db, PoolSettings, connect::ensure_database, dialect, embedded::EmbeddedPostgres,
        engine::Engine, schema,
    },
    shop::seed,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use url::Url;

use crate::{
    Failure,
    folders::target_folder,
    fresh_database::{FreshDatabase, connect},
    mariadb::PrivateMariaDb,
};

/// A database server.
pub struct Server {
    engine: Engine,
    /// The URL of any database on the server; its database name is replaced.
    url: Url,
    own: OwnServer,
    maintenance: DatabaseConnection,
    /// Distinguishes the databases of this process.
    run: u32,
    created: AtomicU32,
}

/// The server that this process has started.
enum OwnServer {
    /// `DATABASE_URL` names another one.
    None,
    Postgres(Box<EmbeddedPostgres>),
    MariaDb(PrivateMariaDb),
}

/// What a report says about the server.
pub struct ServerFacts {
    /// Its name and its version.
    pub version: String,
    /// `on` if its commits are durable.
    pub fsync: String,
}

impl Server {
    /// Connects to `DATABASE_URL`'s server if it has this engine. Otherwise starts one: durable,
    /// with the default settings.
    pub async fn start(engine: Engine) -> Result<Self, Failure> {
        let (url, own) = match configured(engine)? {
            Some(url) => (url, OwnServer::None),
            None => start_own(engine).await?,
        };
        let mut maintenance = url.clone();
        maintenance.set_path(match engine {
            Engine::Postgres => "postgres",
            Engine::MySql => "/",
        });
        let server = Self {
            engine,
            maintenance: connect(maintenance.as_str()).await?,
            url,
            own,
            run: std::process::id(),
            created: AtomicU32::new(0),
        };
        server.drop_leftovers().await?;
        if engine == Engine::Postgres {
            server.make_template().await?;
        }
        Ok(server)
    }

    /// Drops the template database, and stops the server if this process has started it.
    pub async fn stop(self) -> Result<(), Failure> {
        if self.engine == Engine::Postgres {
            self.drop_database(&self.template()).await?;
        }
        self.maintenance.close().await?;
        match self.own {
            OwnServer::None => {}
            OwnServer::Postgres(embedded) => embedded.stop().await?,
            OwnServer::MariaDb(private) => drop(private),
        }
        Ok(())
    }

    /// Creates a migrated and seeded database, so that the tables are as small for the last cell as
    /// for the first.
    pub async fn fresh(&self) -> Result<FreshDatabase, Failure> {
        let fresh = self.new_database();
        match self.engine {
            Engine::Postgres => {
                let (name, template) = (&fresh.name, self.template());
                self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
                    .await?;
            }
            // There are no templates, and the schema is one migration.
            Engine::MySql => {
                ensure_database(&fresh.url).await?;
                prepare(&fresh.url).await?;
            }
        }
        Ok(fresh)
    }

    /// Creates a database without tables.
    pub async fn empty(&self) -> Result<FreshDatabase, Failure> {
        let empty = self.new_database();
        self.execute(&format!("CREATE DATABASE {}", empty.name))
            .await?;
        Ok(empty)
    }

    /// Runs a checkpoint now, so that it does not run during the next measurement. Needs a
    /// superuser.
    pub async fn checkpoint(&self) {
        let checkpoint = match self.engine {
            Engine::Postgres => "CHECKPOINT",
            Engine::MySql => "SET GLOBAL innodb_log_checkpoint_now = ON",
        };
        if let Err(error) = self.maintenance.execute_unprepared(checkpoint).await {
            eprintln!("bench: no checkpoint between cells: {error}");
        }
    }

    /// Drops a database.
    pub async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.execute(&match self.engine {
            Engine::Postgres => format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            Engine::MySql => format!("DROP DATABASE IF EXISTS {name}"),
        })
        .await
    }

    /// Returns the server's version, and whether its commits are durable.
    pub async fn facts(&self) -> Result<ServerFacts, Failure> {
        let facts = dialect::server(&self.maintenance).await?;
        Ok(ServerFacts {
            version: facts.name,
            fsync: facts.fsync,
        })
    }

    fn new_database(&self) -> FreshDatabase {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("doorbuster_bench_{}_{number}", self.run);
        FreshDatabase {
            url: self.url_of(&name),
            name,
        }
    }

    fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    fn template(&self) -> String {
        format!("doorbuster_bench_{}_template", self.run)
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.maintenance.execute_unprepared(sql).await?;
        Ok(())
    }

    /// Drops the databases of a benchmark that was killed. Only on an own server, where no other
    /// process can be using them.
    async fn drop_leftovers(&self) -> Result<(), Failure> {
        if matches!(self.own, OwnServer::None) {
            return Ok(());
        }
        let sql = match self.engine {
            Engine::Postgres => {
                "SELECT datname FROM pg_database WHERE datname LIKE 'doorbuster\\_bench\\_%'"
            }
            Engine::MySql => {
                "SELECT schema_name FROM information_schema.schemata \
                 WHERE schema_name LIKE 'doorbuster\\_bench\\_%'"
            }
        };
        for row in self
            .maintenance
            .query_all_raw(dialect::statement(sql, []))
            .await?
        {
            let name: String = row.try_get_by_index(0)?;
            self.drop_database(&name).await?;
        }
        Ok(())
    }

    async fn make_template(&self) -> Result<(), Failure> {
        let template = self.template();
        self.execute(&format!("CREATE DATABASE {template} TEMPLATE template0"))
            .await?;
        prepare(&self.url_of(&template)).await
    }
}

/// Returns the URL of `DATABASE_URL` if it names a server of this engine.
fn configured(engine: Engine) -> Result<Option<Url>, Failure> {
    let Some(url) = std::env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
    else {
        return Ok(None);
    };
    let (named, url) = Engine::of_url(&url)?;
    if named == engine {
        return Ok(Some(url));
    }
    eprintln!(
        "bench: DATABASE_URL names a server of {}; starting an own one of {}",
        named.name(),
        engine.name()
    );
    Ok(None)
}

async fn start_own(engine: Engine) -> Result<(Url, OwnServer), Failure> {
    match engine {
        Engine::Postgres => {
            let embedded = EmbeddedPostgres::start(&target_folder("bench-postgres")).await?;
            let url = Url::parse(embedded.url())?;
            Ok((url, OwnServer::Postgres(Box::new(embedded))))
        }
        Engine::MySql => {
            let (private, url) = PrivateMariaDb::start()?;
            Ok((url, OwnServer::MariaDb(private)))
        }
    }
}

/// Creates the schema and the catalogue.
async fn prepare(url: &str) -> Result<(), Failure> {
    schema::migrate(url, schema::Step::Up).await?;
    let db = Db::connect(url, PoolSettings::COMMAND).await?;
    let filled = seed::fill_if_empty(&db).await;
    db.close().await;
    filled?;
    Ok(())
}
