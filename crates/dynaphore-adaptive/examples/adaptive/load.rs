//! The load: an open loop, whose requests come when they are due, whatever becomes of
//! those before. A request's time counts from when it was due.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use dynaphore_adaptive::sim::Random;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Connection = http1::SendRequest<Empty<Bytes>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Since the load began.
    pub due: Duration,
    pub took: Duration,
    pub served: bool,
}

#[derive(Clone, Default)]
struct Client {
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Client {
    async fn connect(server: SocketAddr) -> Result<Connection, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(send)
    }

    async fn request(&self, server: SocketAddr) -> Result<bool, Error> {
        let idle = self.idle.lock().expect("no panic under it").pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Self::connect(server).await?,
        };
        let request = Request::get("/")
            .header("host", "localhost")
            .body(Empty::new());
        let response = connection.send_request(request?).await?;
        let status = response.status();
        response.into_body().collect().await?;
        connection.ready().await?;
        self.idle
            .lock()
            .expect("no panic under it")
            .push(connection);
        Ok(status == StatusCode::OK)
    }
}

/// Asks `rate` times a second in each stretch of time, one after the other.
///
/// # Errors
///
/// When the server refuses a connection or breaks one.
pub fn run(server: SocketAddr, stretches: &[(f64, Duration)]) -> Result<Vec<Answer>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let client = Client::default();
    let stretches = stretches.to_vec();
    // It sleeps more precisely than a runtime's timer.
    let clock = thread::spawn(move || {
        let began = Instant::now();
        let mut random = Random::new(0x9E37_79B9_7F4A_7C15);
        let mut requests = Vec::new();
        let mut end = Duration::ZERO;
        for (rate, length) in stretches {
            let mut due = end;
            end += length;
            loop {
                due += Duration::from_secs_f64(random.exponential(1.0 / rate));
                if due >= end {
                    break;
                }
                thread::sleep((began + due).saturating_duration_since(Instant::now()));
                let client = client.clone();
                requests.push(handle.spawn(async move {
                    let served = client.request(server).await?;
                    let took = began.elapsed().saturating_sub(due);
                    Ok::<_, Error>(Answer { due, took, served })
                }));
            }
        }
        requests
    });
    runtime.block_on(async {
        while !clock.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut answers = Vec::new();
        for request in clock.join().expect("the clock does not panic") {
            answers.push(request.await??);
        }
        Ok(answers)
    })
}

/// Requests a second that `users` get who ask again as soon as they have an answer.
///
/// # Errors
///
/// As [`run`].
pub fn closed_loop(server: SocketAddr, users: usize, length: Duration) -> Result<f64, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let until = Instant::now() + length;
    let client = Client::default();
    runtime.block_on(async {
        let users: Vec<_> = (0..users)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    let mut served = 0_u32;
                    while Instant::now() < until {
                        served += u32::from(client.request(server).await?);
                    }
                    Ok::<_, Error>(served)
                })
            })
            .collect();
        let mut served = 0;
        for user in users {
            served += user.await??;
        }
        Ok(f64::from(served) / length.as_secs_f64())
    })
}
