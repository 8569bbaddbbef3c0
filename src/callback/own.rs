//! Our own listeners, seen from the other side: a call that would come back is not made.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::net::TcpStream;

/// The endpoint's address is one that we listen on.
#[derive(Debug, thiserror::Error)]
#[error("{0} is an address of callgate itself, so the call would come back")]
pub(super) struct OwnAddress(SocketAddr);

/// Where we listen, and the name that our calls carry.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    listeners: RwLock<Vec<SocketAddr>>,
}

impl OwnAddresses {
    pub(super) fn set(&self, listeners: Vec<SocketAddr>) {
        *self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner) = listeners;
    }

    /// Looks at where a connection has led, whatever it was named by.
    pub(super) fn check(&self, stream: &TcpStream) -> Result<(), OwnAddress> {
        match (stream.local_addr(), stream.peer_addr()) {
            (Ok(local), Ok(peer)) if self.has(local.ip(), peer) => Err(OwnAddress(peer)),
            _ => Ok(()),
        }
    }

    /// A connection to this very machine has the same address at both ends, or a loopback one.
    fn has(&self, local: IpAddr, peer: SocketAddr) -> bool {
        let (local, at) = (local.to_canonical(), peer.ip().to_canonical());
        if local != at && !at.is_loopback() {
            return false;
        }
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.iter().any(|listener| {
            let own = listener.ip().to_canonical();
            listener.port() == peer.port() && (own.is_unspecified() || own == at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_would_come_back_is_known_at_both_its_ends() {
        for (listener, local, peer, expected) in [
            ("127.0.0.1:7", "127.0.0.1", "127.0.0.1:7", true),
            ("0.0.0.0:7", "127.0.0.1", "127.0.0.9:7", true),
            ("0.0.0.0:7", "10.0.0.5", "10.0.0.5:7", true),
            ("[::]:7", "10.0.0.5", "10.0.0.5:7", true),
            ("[::]:7", "::1", "[::1]:7", true),
            ("10.0.0.5:7", "10.0.0.5", "10.0.0.5:7", true),
            ("127.0.0.1:7", "127.0.0.1", "127.0.0.9:7", false),
            ("0.0.0.0:7", "127.0.0.1", "127.0.0.1:8", false),
            ("0.0.0.0:7", "10.0.0.5", "10.0.0.6:7", false),
            ("10.0.0.5:7", "127.0.0.1", "127.0.0.1:7", false),
        ] {
            let own = OwnAddresses::default();
            own.set(vec![listener.parse().unwrap()]);
            let found = own.has(local.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(found, expected, "{listener}: {local} to {peer}");
        }
    }
}
