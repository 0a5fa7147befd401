//! One multiplexed connection, which is opened again after a failure.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ::redis::{
    AsyncConnectionConfig, Client, FromRedisValue, InfoDict, RedisError, aio::MultiplexedConnection,
};
use tokio::time::timeout;

use crate::resilience::{
    Breaker, Change, Thresholds,
    breaker::{self, Pass},
};

/// How long a call may take. A server next to the shop answers in less than a millisecond.
pub const COMMAND_MAX: Duration = Duration::from_millis(200);
/// How long a connection may take, with its first question.
const CONNECT_MAX: Duration = Duration::from_millis(200);

/// The shop goes on without Redis, so one failure is enough. Shoppers must not notice that it is
/// gone for more than a second, nor that it is back. A new connection is the probe.
const THRESHOLDS: Thresholds = Thresholds {
    failures: 1,
    open_for: Duration::from_millis(500),
    probe_max: CONNECT_MAX,
};

/// Redis did not answer, or not as expected: the caller goes on without it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Redis is not available: {0}")]
pub struct Unavailable(String);

/// A script that runs in Redis in one piece: no other call runs in between. Its first argument is
/// the [incarnation](Redis::incarnation) of the server, the caller's follow.
#[derive(Debug)]
pub struct Script(::redis::Script);

impl Script {
    /// Creates a script from Lua code.
    pub fn new(code: &str) -> Self {
        Self(::redis::Script::new(code))
    }
}

/// A handle on Redis; its clones share one connection.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    url: String,
    client: Client,
    session: Mutex<Option<Session>>,
    /// Held by the call that opens a connection.
    opening: tokio::sync::Mutex<()>,
    breaker: Breaker,
}

/// A connection, and the incarnation of the server that it leads to.
#[derive(Clone)]
struct Session {
    connection: MultiplexedConnection,
    incarnation: Arc<str>,
}

/// Does not print the URL, which may contain a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

impl Redis {
    /// Creates a handle on the server at `url`, which opens its connection with the first call.
    ///
    /// # Errors
    /// [`Unavailable`] if it is not the URL of a Redis server. The error does not contain the URL.
    pub fn at(url: &str) -> Result<Self, Unavailable> {
        let client = Client::open(url)
            .map_err(|_| Unavailable("its URL is not one of a Redis server".to_owned()))?;
        Ok(Self(Arc::new(Inner {
            url: url.to_owned(),
            client,
            session: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            breaker: Breaker::new(THRESHOLDS),
        })))
    }

    /// The URL, for a process that is started on the same server. It may contain a password.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The breaker of its calls.
    pub fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Returns an identifier of this start of this server. It changes with each restart and with
    /// each failover, both of which can lose data that was written before.
    pub async fn incarnation(&self) -> Result<Arc<str>, Unavailable> {
        Ok(self.session().await?.0.incarnation)
    }

    /// Runs a script.
    pub async fn run<T: FromRedisValue + Send>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, Unavailable> {
        let (session, pass) = self.session().await?;
        let mut invocation = script.0.prepare_invoke();
        for key in keys {
            invocation.key(key.as_str());
        }
        invocation.arg(&*session.incarnation);
        for argument in arguments {
            invocation.arg(argument.as_str());
        }
        let mut connection = session.connection.clone();
        match timeout(COMMAND_MAX, invocation.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.note(self.0.breaker.succeed(pass), "");
                Ok(answer)
            }
            // The server answers: only this key is unusable, because it is not the shop's.
            Ok(Err(error)) if error.code() == Some("WRONGTYPE") => {
                self.note(self.0.breaker.succeed(pass), "");
                Err(Unavailable(error.to_string()))
            }
            Ok(Err(error)) => Err(self.lose(&session, pass, error.to_string())),
            Err(_) => Err(self.lose(&session, pass, format!("no answer within {COMMAND_MAX:?}"))),
        }
    }

    /// Returns a setting of the server; `None` if it does not tell, as a hosted one may not.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Unavailable> {
        let (session, pass) = self.session().await?;
        let mut connection = session.connection.clone();
        let mut command = ::redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        let asked = command.query_async::<Vec<String>>(&mut connection);
        match timeout(COMMAND_MAX, asked).await {
            Ok(Err(error)) if error.is_io_error() => {
                Err(self.lose(&session, pass, error.to_string()))
            }
            Err(_) => {
                let reason = format!("no answer within {COMMAND_MAX:?}");
                Err(self.lose(&session, pass, reason))
            }
            Ok(answer) => {
                self.note(self.0.breaker.succeed(pass), "");
                Ok(answer.ok().and_then(|answer| answer.into_iter().nth(1)))
            }
        }
    }

    /// Returns the session with the permission to use it, and opens it if there is none. While one
    /// call opens it, all others are refused instead of waiting.
    async fn session(&self) -> Result<(Session, Pass), Unavailable> {
        let pass = self.admit()?;
        let current = self.current().clone();
        if let Some(session) = current {
            return Ok((session, pass));
        }
        let Ok(_opening) = self.0.opening.try_lock() else {
            return Err(Unavailable("it is being connected".to_owned()));
        };
        let opened = match timeout(CONNECT_MAX, self.open()).await {
            Ok(Ok(session)) if session.incarnation.is_empty() => {
                Err("INFO shows no run_id, so a restart would not be noticed".to_owned())
            }
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {CONNECT_MAX:?}")),
        };
        match opened {
            Ok(session) => {
                *self.current() = Some(session.clone());
                self.note(self.0.breaker.succeed(pass), "");
                // The probe has ended; the call itself is another one.
                Ok((session, self.admit()?))
            }
            Err(reason) => Err(self.fail(pass, reason)),
        }
    }

    fn admit(&self) -> Result<Pass, Unavailable> {
        let pass = self.0.breaker.admit(Instant::now());
        pass.map_err(|breaker::Refused| Unavailable("it failed a moment ago".to_owned()))
    }

    async fn open(&self) -> Result<Session, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(COMMAND_MAX));
        let client = &self.0.client;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let server: InfoDict = ::redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await?;
        let incarnation: String = server.get("run_id").unwrap_or_default();
        Ok(Session {
            connection,
            incarnation: incarnation.into(),
        })
    }

    /// Forgets a session that has failed, unless another call has replaced it.
    fn lose(&self, session: &Session, pass: Pass, reason: String) -> Unavailable {
        let mut current = self.current();
        let is_current = current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(&current.incarnation, &session.incarnation));
        if !is_current {
            return Unavailable(reason);
        }
        *current = None;
        drop(current);
        self.fail(pass, reason)
    }

    fn fail(&self, pass: Pass, reason: String) -> Unavailable {
        self.note(self.0.breaker.fail(pass, Instant::now()), &reason);
        Unavailable(reason)
    }

    fn note(&self, change: Change, reason: &str) {
        match change {
            Change::None => {}
            Change::Opened => {
                tracing::warn!(
                    reason,
                    "Redis is unavailable: the shop continues without it"
                )
            }
            Change::Closed => tracing::info!("Redis is back"),
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Session>> {
        self.0
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shoppers_wait_for_less_than_a_second() {
        assert!(THRESHOLDS.open_for + COMMAND_MAX * 2 < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_server_that_is_gone_gets_no_requests_and_its_url_is_never_shown() {
        let redis = Redis::at("redis://:hush@127.0.0.1:1/").expect("it is a URL");
        assert!(!format!("{redis:?}").contains("hush"));
        let refused = redis
            .incarnation()
            .await
            .expect_err("nothing listens there");
        assert!(!refused.to_string().contains("hush"), "{refused}");
        let start = Instant::now();
        let again = redis.incarnation().await.expect_err("the breaker is open");
        assert_eq!(
            again.to_string(),
            "Redis is not available: it failed a moment ago"
        );
        assert!(start.elapsed() < COMMAND_MAX, "at once");
        let url = Redis::at("http://:hush@nowhere").expect_err("not a Redis URL");
        assert!(!url.to_string().contains("hush"), "{url}");
    }
}
