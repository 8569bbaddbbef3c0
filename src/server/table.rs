//! The open connections of one port, and who may have one more.
//!
//! A port that is full gives the place of its idlest connection to the newcomer, so that sockets
//! which ask nothing keep nobody out. When every connection is busy the newcomer is closed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, Word};
use crate::telemetry::PortMetrics;

/// How many connections a port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub connections_max: usize,
    /// From one address; of IPv6 from one network of 64 bits, which one peer can have all of.
    pub per_peer_max: usize,
}

#[derive(Debug)]
pub(super) struct Table {
    limits: ConnectionLimits,
    metrics: PortMetrics,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (IpAddr, Arc<Connection>)>,
    peers: HashMap<IpAddr, usize>,
}

/// A connection's place in the table; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    table: Arc<Table>,
    number: u64,
    pub connection: Arc<Connection>,
}

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("{0} connections are open and all are busy")]
    Port(usize),
    #[error("{0} connections of this peer are open and all are busy")]
    Peer(usize),
}

impl Table {
    pub(super) fn new(limits: ConnectionLimits, metrics: PortMetrics) -> Table {
        Table {
            limits,
            metrics,
            open: Mutex::default(),
        }
    }

    /// Makes a place for a connection, in exchange for an idle one if need be.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Admitted, Full> {
        let peer = network_of(peer);
        let ConnectionLimits {
            connections_max,
            per_peer_max,
        } = self.limits;
        let mut open = self.lock();
        let of_peer = open.peers.get(&peer).copied().unwrap_or_default();
        if of_peer >= per_peer_max && !self.evict(&mut open, |owner| *owner == peer) {
            self.metrics.refused_peer.inc();
            return Err(Full::Peer(per_peer_max));
        }
        if open.connections.len() >= connections_max && !self.evict(&mut open, |_| true) {
            self.metrics.refused_port.inc();
            return Err(Full::Port(connections_max));
        }
        let connection = Arc::new(Connection::new());
        let number = open.add(peer, Arc::clone(&connection));
        drop(open);
        self.metrics.open.inc();
        Ok(Admitted {
            table: Arc::clone(self),
            number,
            connection,
        })
    }

    /// Tells every connection that the process ends.
    pub(super) fn stop(&self) {
        for (_, connection) in self.lock().connections.values() {
            connection.tell(Word::Stop);
        }
    }

    fn evict(&self, open: &mut Open, of: impl Fn(&IpAddr) -> bool) -> bool {
        let has_room = open.evict(of);
        if has_room {
            self.metrics.evicted_place.inc();
        }
        has_room
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn add(&mut self, peer: IpAddr, connection: Arc<Connection>) -> u64 {
        self.next += 1;
        self.connections.insert(self.next, (peer, connection));
        *self.peers.entry(peer).or_default() += 1;
        self.next
    }

    /// Gives up the idlest connection of a peer; false when all are busy.
    fn evict(&mut self, of: impl Fn(&IpAddr) -> bool) -> bool {
        let idlest = self
            .connections
            .iter()
            .filter(|(_, (peer, connection))| of(peer) && !connection.is_busy())
            .min_by_key(|(_, (_, connection))| connection.worth())
            .map(|(number, _)| *number);
        let Some(number) = idlest else { return false };
        if let Some(connection) = self.remove(number) {
            connection.tell(Word::Evicted);
        }
        true
    }

    /// Does nothing about a connection that was given up before.
    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let (peer, connection) = self.connections.remove(&number)?;
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
        Some(connection)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.table.lock().remove(self.number);
        self.table.metrics.open.dec();
    }
}

/// Whom an address belongs to.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(connections_max: usize, per_peer_max: usize) -> Arc<Table> {
        let limits = ConnectionLimits {
            connections_max,
            per_peer_max,
        };
        Arc::new(Table::new(limits, PortMetrics::default()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_evicted(one: &Admitted) -> bool {
        one.connection.told() == Some(Word::Evicted)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_port_gives_up_what_never_asked_and_then_the_longest_idle() {
        let table = table(3, 3);
        let [pooled, silent, busy] = [(); 3].map(|()| table.admit(ip("10.0.0.1")).unwrap());
        pooled.connection.call_began();
        pooled.connection.call_ended();
        busy.connection.call_began();
        let _first = table.admit(ip("10.0.0.2")).unwrap();
        assert!(is_evicted(&silent));
        assert!(!is_evicted(&pooled));
        _first.connection.call_began();
        let second = table.admit(ip("10.0.0.2")).unwrap();
        assert!(is_evicted(&pooled));
        second.connection.call_began();
        assert_eq!(table.admit(ip("10.0.0.3")).unwrap_err(), Full::Port(3));
        drop(busy);
        assert!(table.admit(ip("10.0.0.3")).is_ok());
        let (evicted, refused) = (&table.metrics.evicted_place, &table.metrics.refused_port);
        assert_eq!((evicted.get(), refused.get()), (2, 1));
        drop((pooled, silent, _first, second));
        assert_eq!(table.metrics.open.get(), 0);
    }

    #[test]
    fn one_peer_takes_its_own_places_alone() {
        let table = table(10, 2);
        let peers = ["10.0.0.1", "::ffff:10.0.0.1"];
        let mine = peers.map(|peer| table.admit(ip(peer)).unwrap());
        let other = table.admit(ip("10.0.0.2")).unwrap();
        let third = table.admit(ip("10.0.0.1")).unwrap();
        assert!(mine.iter().any(is_evicted));
        assert!(!is_evicted(&other));
        third.connection.call_began();
        for one in &mine {
            one.connection.call_began();
        }
        assert_eq!(table.admit(ip("10.0.0.1")).unwrap_err(), Full::Peer(2));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let table = table(10, 1);
        let first = table.admit(ip("2001:db8::1")).unwrap();
        first.connection.call_began();
        assert!(table.admit(ip("2001:db8::2")).is_err());
        assert!(table.admit(ip("2001:db8:0:1::2")).is_ok());
    }
}
