//! Who gets in: connections whose handshake is done. One that fails leaves a line in the log, since the caller sees no
//! more than a closed connection.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt as _, stream};
use rustls::{AlertDescription, CertificateError, Error as TlsError, ServerConfig};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::Attended;

/// How long a handshake, or the first word of a caller, may take, so that a silent peer holds nothing for long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may bring its caller nothing: longer than two questions whether it lives lie apart, which are
/// asked once it speaks HTTP/2.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections at a time. cluster-autoscaler has one.
const MAX_CONNECTIONS: usize = 64;
/// How long no connection is accepted after that failed, since no file descriptor is left, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What a TLS connection begins with: a handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// How long the same complaint about the same peer is not repeated.
const QUIET_TIME: Duration = Duration::from_secs(60);
/// How many different complaints are remembered; more of them within [`QUIET_TIME`] are not told.
const MAX_COMPLAINTS: usize = 64;

/// Why a connection is refused.
enum Refusal {
    /// Worth a line: somebody has to change something.
    Wrong(&'static str, String),
    /// Nothing was asked for: a probe of the port, or a peer that went away.
    Gone,
}

/// Accepts connections with mutual TLS.
pub(super) fn encrypted<I>(
    incoming: I,
    config: Arc<ServerConfig>,
) -> impl Stream<Item = io::Result<Attended<TlsStream<TcpStream>>>>
where
    I: Stream<Item = io::Result<TcpStream>> + Unpin,
{
    let acceptor = TlsAcceptor::from(config);
    admitted(incoming, move |connection| {
        let handshake = acceptor.accept(connection);
        async move { handshake.await.map_err(|error| refusal(&error)) }
    })
}

/// Accepts connections without TLS.
pub(super) fn plaintext<I>(incoming: I) -> impl Stream<Item = io::Result<Attended<TcpStream>>>
where
    I: Stream<Item = io::Result<TcpStream>> + Unpin,
{
    admitted(incoming, async |connection: TcpStream| {
        let mut first = [0];
        match connection.peek(&mut first).await {
            Ok(1..) if first == [TLS_HANDSHAKE] => Err(Refusal::Wrong(
                "TLS",
                "it speaks TLS, and this service listens in plaintext: give --tls-cert, --tls-key and --tls-client-ca, or \
                 leave key, cert and cacert out of cluster-autoscaler's --cloud-config"
                    .to_owned(),
            )),
            Ok(1..) => Ok(connection),
            Ok(0) | Err(_) => Err(Refusal::Gone),
        }
    })
}

/// The connections that `admit` lets in, in the order in which it is done with them.
fn admitted<I, A, T>(
    incoming: I,
    admit: impl Fn(TcpStream) -> A,
) -> impl Stream<Item = io::Result<Attended<T>>>
where
    I: Stream<Item = io::Result<TcpStream>> + Unpin,
    A: Future<Output = Result<T, Refusal>> + Send + 'static,
    T: Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let state = (incoming, JoinSet::new(), Complaints::default(), admit, places);
    stream::unfold(state, async |(mut incoming, mut handshakes, mut complaints, admit, places)| {
        loop {
            tokio::select! {
                connection = incoming.next() => match connection? {
                    Ok(connection) => {
                        let peer = connection.peer_addr();
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            complaints.refused(peer.ok(), "crowd", &crowded());
                            continue;
                        };
                        let admission = timeout(HANDSHAKE_TIMEOUT, admit(connection));
                        handshakes.spawn(async move {
                            let close = Arc::new(CancellationToken::new());
                            let attended = |io| Attended::new(io, PATIENCE, close, Some(place));
                            (peer, admission.await.map(|admitted| admitted.map(attended)))
                        });
                    }
                    Err(error) => {
                        complaints.refused(None, "accept", &format!("it cannot be accepted: {error}"));
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = handshakes.join_next() => if let Some(connection) = complaints.heard(ended) {
                    return Some((Ok(connection), (incoming, handshakes, complaints, admit, places)));
                },
            };
        }
    })
}

fn crowded() -> String {
    format!("{MAX_CONNECTIONS} connections are open already, which is the most; see who opens them")
}

/// The complaints about each peer, so that one that tries again and again does not fill the log.
#[derive(Default)]
struct Complaints(HashMap<(IpAddr, &'static str), Complaint>);

struct Complaint {
    told_at: Instant,
    untold: u64,
}

type Admission<T> = (io::Result<SocketAddr>, Result<Result<T, Refusal>, tokio::time::error::Elapsed>);

impl Complaints {
    /// The connection, or a word about why there is none.
    fn heard<T>(&mut self, ended: Result<Admission<T>, JoinError>) -> Option<T> {
        let (peer, outcome) = ended.ok()?;
        let (kind, reason) = match outcome {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(Refusal::Wrong(kind, reason))) => (kind, reason),
            Ok(Err(Refusal::Gone)) | Err(_) => {
                debug!("a connection from {} ended before a word was said", shown(peer.ok()));
                return None;
            }
        };
        self.refused(peer.ok(), kind, &reason);
        None
    }

    /// Says that a connection is refused, unless that was said a moment ago.
    fn refused(&mut self, address: Option<SocketAddr>, kind: &'static str, reason: &str) {
        match self.untold(
            address.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip()),
            kind,
            Instant::now(),
        ) {
            Some(0) => warn!("refused a connection from {}: {reason}", shown(address)),
            Some(untold) => warn!(
                "refused a connection from {}, as {untold} others from there since the last line about it: {reason}",
                shown(address)
            ),
            None => debug!("refused a connection from {}: {reason}", shown(address)),
        }
    }

    /// How often this was not told since it was last told; `None` when it is not to be told now either.
    fn untold(&mut self, peer: IpAddr, kind: &'static str, now: Instant) -> Option<u64> {
        let is_over = |complaint: &Complaint| now.saturating_duration_since(complaint.told_at) >= QUIET_TIME;
        if let Some(complaint) = self.0.get_mut(&(peer, kind)) {
            if !is_over(complaint) {
                complaint.untold += 1;
                return None;
            }
            complaint.told_at = now;
            return Some(std::mem::take(&mut complaint.untold));
        }
        if self.0.len() >= MAX_COMPLAINTS {
            self.0.retain(|_, complaint| !is_over(complaint));
        }
        if self.0.len() >= MAX_COMPLAINTS {
            return None;
        }
        self.0.insert((peer, kind), Complaint { told_at: now, untold: 0 });
        Some(0)
    }
}

fn shown(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "an unknown peer".to_owned(), |peer| peer.to_string())
}

/// What a failed handshake says of the caller, and what to do about it.
fn refusal(error: &io::Error) -> Refusal {
    let Some(tls) = error.get_ref().and_then(|source| source.downcast_ref::<TlsError>()) else {
        return Refusal::Gone;
    };
    let (kind, reason) = match tls {
        TlsError::NoCertificatesPresented => (
            "no certificate",
            "it shows no certificate: cluster-autoscaler's --cloud-config needs key and cert".to_owned(),
        ),
        TlsError::InvalidMessage(_) => (
            "plaintext",
            "it does not speak TLS: cluster-autoscaler's --cloud-config needs key, cert and cacert"
                .to_owned(),
        ),
        TlsError::InvalidCertificate(wrong) => ("certificate", of_certificate(wrong)),
        TlsError::AlertReceived(alert) => ("alert", of_alert(*alert)),
        TlsError::PeerIncompatible(why) => (
            "incompatible",
            format!("it has no version or cipher of TLS in common with this service: {why:?}"),
        ),
        TlsError::NoApplicationProtocol => {
            ("protocol", "it speaks TLS, but not HTTP/2 (ALPN h2), which gRPC needs".to_owned())
        }
        other => ("handshake", format!("the TLS handshake failed: {other}")),
    };
    Refusal::Wrong(kind, reason)
}

fn of_certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not signed by the authority of --tls-client-ca".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; are the clocks right?".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not made for clients (extended key usage clientAuth)".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    format!(
        "it does not accept this service's certificate, or went away (TLS alert {alert:?}): its cacert has to be the \
         authority of --tls-cert, and that certificate has to carry the name in its address"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = QUIET_TIME;

    #[test]
    fn the_same_complaint_is_told_once_a_minute() {
        let mut complaints = Complaints::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Instant::now();
        assert_eq!(complaints.untold(one, "plaintext", now), Some(0));
        assert_eq!(complaints.untold(one, "plaintext", now + MINUTE / 2), None);
        assert_eq!(complaints.untold(one, "no certificate", now), Some(0));
        assert_eq!(complaints.untold(other, "plaintext", now), Some(0));
        assert_eq!(complaints.untold(one, "plaintext", now + MINUTE), Some(1));
        assert_eq!(complaints.untold(one, "plaintext", now + 2 * MINUTE), Some(0));
    }

    #[test]
    fn a_crowd_of_peers_does_not_fill_log_or_memory() {
        let mut complaints = Complaints::default();
        let now = Instant::now();
        let crowd = (0..10_000_u32).map(|number| IpAddr::from(number.to_be_bytes()));
        let told = crowd.filter(|peer| complaints.untold(*peer, "plaintext", now).is_some()).count();
        assert_eq!(told, MAX_COMPLAINTS);
        let later = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(complaints.untold(later, "plaintext", now + MINUTE), Some(0));
    }
}
