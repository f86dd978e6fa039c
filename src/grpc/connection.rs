//! Connections that end when nothing comes of them, so that a peer that says nothing, or says it for ever, holds nothing.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// A connection that is closed when this side has written nothing for a while: the peer has asked for nothing, has not
/// finished its request, or does not read the answer.
#[derive(Debug)]
pub struct Attended<S> {
    io: S,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Held as long as the connection lives.
    _close: Arc<CancellationToken>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<S> Attended<S> {
    /// Closes `io` when nothing was written for as long as `patience`, or `close` comes. `close` and `permit` are held until
    /// then.
    #[must_use]
    pub fn new(
        io: S,
        patience: Duration,
        close: Arc<CancellationToken>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let closed = Box::pin(close.as_ref().clone().cancelled_owned());
        Self { io, patience, deadline: Box::pin(sleep(patience)), closed, _close: close, _permit: permit }
    }

    /// For a side that is not ready: waits on, or ends the connection.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let is_over =
            self.closed.as_mut().poll(context).is_ready() || self.deadline.as_mut().poll(context).is_ready();
        if is_over { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(outcome) => {
                if outcome.as_ref().is_ok_and(|bytes| *bytes > 0) {
                    let deadline = Instant::now() + self.patience;
                    self.deadline.as_mut().reset(deadline);
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => self.wait(context),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_read(context, buffer) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.wait(context),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_shutdown(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.wait(context),
        }
    }
}

impl<S: Connected> Connected for Attended<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn attended() -> (Attended<DuplexStream>, DuplexStream, Arc<CancellationToken>) {
        let (own, peer) = duplex(16);
        let close = Arc::new(CancellationToken::new());
        (Attended::new(own, PATIENCE, Arc::clone(&close), None), peer, close)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_finishes_its_request_is_not_waited_for() {
        let (mut connection, mut peer, _) = attended();
        let begun = Instant::now();
        let drip = tokio::spawn(async move {
            while peer.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(7)).await;
            }
        });
        let mut read = Vec::new();
        let error = connection.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), read.len()), (io::ErrorKind::TimedOut, 5));
        assert_eq!(begun.elapsed(), PATIENCE);
        drop(connection);
        drip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_gives_the_peer_its_time_anew() {
        let (mut connection, mut peer, _) = attended();
        let begun = Instant::now();
        for _ in 0..3 {
            sleep(PATIENCE - Duration::from_secs(1)).await;
            peer.write_all(b"?").await.unwrap();
            let _ = connection.read_u8().await.unwrap();
            connection.write_all(b"!").await.unwrap();
        }
        assert_eq!(connection.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), PATIENCE * 4 - Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_not_waited_for() {
        let (mut connection, _peer, _) = attended();
        let error = connection.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_closed_when_it_is_told_to() {
        let (mut connection, _peer, close) = attended();
        let begun = Instant::now();
        close.cancel();
        assert_eq!(connection.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed().is_zero());
    }
}
