//! How a member tells a probe what it holds: over a pair of sockets, one end of which is the
//! member's standard input. That needs no address, works from any network namespace, and the
//! kernel closes it with the process.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as Plain,
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Mutex,
};

/// The member's end.
pub struct Teller(Mutex<UnixStream>);

impl Teller {
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        Ok(Self(Mutex::new(stream(end.into())?)))
    }

    /// The end that this process was started with.
    pub fn inherited() -> io::Result<Self> {
        Self::new(io::stdin().as_fd().try_clone_to_owned()?)
    }

    /// Tells the probe, and waits until that has heard it. The number is read when it is this
    /// message's turn, so one that only grows is heard to grow.
    pub async fn tell(&self, what: u8, number: impl FnOnce() -> u64) -> io::Result<()> {
        let mut end = self.0.lock().await;
        let mut message = [what; 9];
        message[1..].copy_from_slice(&number().to_be_bytes());
        end.write_all(&message).await?;
        end.read_u8().await.map(drop)
    }
}

/// The probe's end: hears what a member tells.
pub struct Listener(UnixStream);

impl Listener {
    /// Until the member is gone.
    pub async fn listen(mut self, mut hear: impl FnMut(u8, u64)) {
        while let Ok(what) = self.0.read_u8().await {
            let Ok(number) = self.0.read_u64().await else {
                return;
            };
            hear(what, number);
            if self.0.write_all(&[what]).await.is_err() {
                return;
            }
        }
    }
}

/// The end for a member, and that for the probe.
pub fn pair() -> io::Result<(OwnedFd, Listener)> {
    let (member, probe) = Plain::pair()?;
    Ok((member.into(), Listener(stream(probe)?)))
}

fn stream(end: Plain) -> io::Result<UnixStream> {
    end.set_nonblocking(true)?;
    UnixStream::from_std(end)
}
