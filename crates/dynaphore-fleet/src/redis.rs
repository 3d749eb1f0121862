//! Shares in Redis.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::{
    Client, IntoConnectionInfo, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;

use crate::{
    error::StoreError,
    message::{FleetSnapshot, Grant, MemberSnapshot, Refusal, Report},
    store::{BoxFuture, Calls, Store},
};

/// How long a connection, a subscription and an answer are waited for. Members wait for a
/// third of their lease, where that is less.
const PATIENCE: Duration = Duration::from_secs(2);

/// The store in a Redis server, version 7, or in Valkey. A clone has connections of its own.
///
/// Each member has two connections: one for its reports, one on which it is called.
///
/// # Keys
///
/// For the fleet `NAME` the hash `dynaphore:{NAME}` and the channel
/// `dynaphore:{NAME}:calls`, and nothing else. The hash has no time to live: it holds the
/// fleet's max, also while nobody is there. A user needs no more than
///
/// ```text
/// ACL SETUSER fleet on >PASSWORD resetkeys resetchannels ~dynaphore:* &dynaphore:* -@all
///   +evalsha +script|load +hgetall +hset +hdel +publish +subscribe +unsubscribe +time
///   +info +ping
/// ```
///
/// The client library names itself with `CLIENT SETINFO`, and goes on where it may not.
///
/// # Clusters and replicas
///
/// Both keys have the same hash tag. A replica that takes over may lack the last writes:
/// the crate's overview says what that means.
pub struct Redis {
    client: Client,
    connection: Option<ConnectionManager>,
    script: Script,
}

impl Redis {
    /// A store at an address such as `redis://user:password@127.0.0.1:6379`. Connects
    /// when a member joins.
    ///
    /// # Errors
    ///
    /// [`Address`](StoreError::Address) when that is not valid.
    pub fn new(address: impl IntoConnectionInfo) -> Result<Self, StoreError> {
        Client::open(address)
            .map(Self::with_client)
            .map_err(|error| StoreError::Address(Arc::new(error)))
    }

    /// A store behind a client, which may use TLS.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self {
            client,
            connection: None,
            script: Script::new(include_str!("sync.lua")),
        }
    }

    /// The connection, taken out: it goes back when it has proved to work. So one that
    /// hangs, and is given up on, is not used again.
    async fn connection(&mut self) -> Result<ConnectionManager, RedisError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        self.client.get_connection_manager_with_config(config).await
    }

    async fn run(&mut self, fleet: &str, arguments: &[String]) -> Result<Vec<String>, StoreError> {
        let mut connection = self.connection().await?;
        let mut call = self.script.key(key(fleet));
        call.key(channel(fleet)).arg(arguments);
        let answer: Vec<String> = call.invoke_async(&mut connection).await?;
        self.connection = Some(connection);
        let Some(kind) = answer.first() else {
            return Err(no_answer());
        };
        match kind.as_str() {
            "stale" => Err(Refusal::Stale.into()),
            "members" => Err(Refusal::TooManyMembers.into()),
            "lease" => Err(Refusal::OtherLease.into()),
            "nobody" => Err(Refusal::NoFleet.into()),
            "foreign" => Err(StoreError::Foreign(
                answer.get(1).cloned().unwrap_or_default(),
            )),
            _ => Ok(answer),
        }
    }
}

impl Clone for Redis {
    fn clone(&self) -> Self {
        Self::with_client(self.client.clone())
    }
}

impl fmt::Debug for Redis {
    // Without the address: it may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        if error.code() == Some("WRONGTYPE") || error.to_string().contains("WRONGTYPE") {
            return Self::Foreign("the key holds no hash".to_owned());
        }
        Self::lost(error)
    }
}

fn key(fleet: &str) -> String {
    format!("dynaphore:{{{fleet}}}")
}

fn channel(fleet: &str) -> String {
    format!("dynaphore:{{{fleet}}}:calls")
}

fn no_answer() -> StoreError {
    StoreError::lost("an answer that is none")
}

/// All numbers of some words, if all are.
fn numbers<'a, const N: usize>(
    words: impl Iterator<Item = &'a str>,
) -> Result<[u64; N], StoreError> {
    let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
    numbers
        .ok()
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(no_answer)
}

fn count(number: u64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| no_answer())
}

impl Store for Redis {
    fn sync<'a>(
        &'a mut self,
        fleet: &'a str,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<Grant, StoreError>> {
        Box::pin(async move {
            let arguments = [
                "sync".to_owned(),
                report.id.to_string(),
                report.seq.to_string(),
                report.share.to_string(),
                report.out.to_string(),
                report.demand.to_string(),
                report.max.to_string(),
                report.version.to_string(),
                report.lease.as_micros().to_string(),
                report.grace.as_micros().to_string(),
                u8::from(report.leaving).to_string(),
                report.fence.to_string(),
            ];
            let answer = self.run(fleet, &arguments).await?;
            let [fence, share, max, version, contended, short, next] =
                numbers(answer.iter().skip(1).map(String::as_str))?;
            Ok(Grant {
                fence,
                share: count(share)?,
                max: count(max)?,
                version,
                contended: contended == 1,
                short: short == 1,
                next_expiry: (next > 0).then(|| Duration::from_micros(next)),
            })
        })
    }

    fn set_max<'a>(
        &'a mut self,
        fleet: &'a str,
        max: u32,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.run(fleet, &["max".to_owned(), max.to_string()])
                .await?;
            Ok(())
        })
    }

    fn snapshot<'a>(
        &'a mut self,
        fleet: &'a str,
    ) -> BoxFuture<'a, Result<FleetSnapshot, StoreError>> {
        Box::pin(async move {
            let answer = self.run(fleet, &["snapshot".to_owned()]).await?;
            let [max, complete] = numbers(answer.iter().skip(1).take(2).map(String::as_str))?;
            let mut members = Vec::new();
            for line in answer.iter().skip(3) {
                let [fence, share, counted, out, demand] = numbers(line.split(' '))?;
                members.push(MemberSnapshot {
                    fence,
                    share: count(share)?,
                    counted: count(counted)?,
                    out: count(out)?,
                    demand: count(demand)?,
                });
            }
            members.sort_by_key(|member| member.fence);
            Ok(FleetSnapshot {
                max: count(max)?,
                members,
                complete: complete == 1,
            })
        })
    }

    fn calls<'a>(&'a mut self, fleet: &'a str) -> BoxFuture<'a, Result<Calls, StoreError>> {
        Box::pin(async move {
            let subscribed = async {
                let mut connection = self.client.get_async_pubsub().await?;
                connection.subscribe(channel(fleet)).await?;
                Ok::<_, RedisError>(connection)
            };
            // The client library waits here for ever.
            let connection = timeout(PATIENCE, subscribed)
                .await
                .map_err(StoreError::lost)??;
            let calls = connection.into_on_message().map(|message| {
                let text: String = message.get_payload().unwrap_or_default();
                text.split(' ')
                    .filter_map(|fence| fence.parse().ok())
                    .collect()
            });
            Ok(Box::pin(calls) as Calls)
        })
    }
}
