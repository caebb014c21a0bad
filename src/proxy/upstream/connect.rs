//! Opening a connection to an endpoint, within a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::http1::Connection;
use crate::proxy::backend::Endpoint;
use crate::proxy::error::{ErrorKind, ProxyError, is_out_of_resources};
use crate::proxy::outbound::OutboundPermit;
use crate::proxy::timer::Timers;

/// Opens a connection. `localhost` is whichever of its addresses answers; the one that did is tried first the next time.
pub async fn connect(endpoint: &Arc<Endpoint>, permit: OutboundPermit, limit: Duration, timers: &Timers) -> Result<Connection, ProxyError> {
    match timers.after(limit).limit(open_any(endpoint)).await {
        Some(Ok(stream)) => Ok(Connection::new(stream, endpoint.connected(permit))),
        Some(Err(error)) if is_out_of_resources(&error) => Err(ProxyError::new(ErrorKind::OutOfResources, error)),
        Some(Err(error)) => Err(ProxyError::new(ErrorKind::ConnectFailed, error)),
        None => Err(ErrorKind::ConnectTimedOut.into()),
    }
}

async fn open_any(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let candidates: Vec<SocketAddr> = endpoint.identity.address.candidates().collect();
    let first = endpoint.candidate();
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for offset in 0..candidates.len() {
        let index = (first + offset) % candidates.len();
        result = open(candidates[index]).await;
        if result.is_ok() {
            if index != first {
                endpoint.set_candidate(index);
            }
            break;
        }
    }
    result
}

/// For so long may what was sent go without an acknowledgement (TCP_USER_TIMEOUT, tcp(7)). A host that is gone without a
/// word acknowledges nothing, where one that is slow to answer has acknowledged the request at once: the one is lost and
/// may be sent elsewhere, the other is waited for. Long enough for four packets lost in a row.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Opens a connection to an address.
pub async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A port of our own that the kernel happened to connect to itself (simultaneous open) is nobody's backend.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(stream)
}
