//! Ports that the parent process keeps open over a restart: callers wait in their backlog while
//! one process ends and the next begins.
//!
//! The environment says so as systemd does: `LISTEN_PID`, `LISTEN_FDS`, and `LISTEN_FDNAMES`.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// What a port is called in `LISTEN_FDNAMES`.
pub const PORT_NAMES: [&str; 3] = ["http", "grpc", "admin"];

/// Listeners that were handed over and not taken yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, TcpListener)>);

impl Inherited {
    /// Takes what the environment of this process names.
    ///
    /// `names` is `LISTEN_FDNAMES`: names with colons between them, in the order of the sockets.
    /// Errors: one is not a TCP listener.
    pub fn take_over(names: Option<&str>) -> io::Result<Inherited> {
        let mut fds = listenfd::ListenFd::from_env();
        let mut names = names.unwrap_or_default().split(':');
        let mut listeners = Vec::new();
        for place in 0..fds.len() {
            let name = names.next().unwrap_or_default().to_owned();
            if let Some(listener) = fds.take_tcp_listener(place)? {
                listener.set_nonblocking(true)?;
                listeners.push((name, listener));
            }
        }
        Ok(Inherited(listeners))
    }

    /// The listener of a port: the one with its name, or else an unnamed one with its number.
    pub fn take(&mut self, name: &str, configured: SocketAddr) -> Option<TcpListener> {
        let by_name = self.0.iter().position(|(own, _)| own == name);
        let by_number = || {
            self.0.iter().position(|(own, listener)| {
                let address = listener.local_addr().ok();
                !PORT_NAMES.contains(&own.as_str())
                    && address.is_some_and(|address| address.port() == configured.port())
            })
        };
        let place = by_name.or_else(by_number)?;
        Some(self.0.remove(place).1)
    }

    /// What no port wants, in words; `None` when nothing is left.
    pub fn left(&self) -> Option<String> {
        let words: Vec<_> = self
            .0
            .iter()
            .map(|(name, listener)| match listener.local_addr() {
                Ok(address) => format!("`{name}` at {address}"),
                Err(_) => format!("`{name}`"),
            })
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_the_listener_of_its_name_or_of_its_number() {
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let [named, numbered, other] = [listener(), listener(), listener()];
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let [by_name, by_number, rest] = [&named, &numbered, &other].map(address);
        let mut inherited = Inherited(vec![
            ("callgate.socket".to_owned(), numbered),
            ("grpc".to_owned(), named),
            ("else".to_owned(), other),
        ]);
        let anywhere = "127.0.0.1:1".parse().unwrap();
        let grpc = inherited.take("grpc", anywhere).unwrap();
        assert_eq!(grpc.local_addr().unwrap(), by_name);
        let http = inherited.take("http", by_number).unwrap();
        assert_eq!(http.local_addr().unwrap(), by_number);
        assert!(inherited.take("admin", anywhere).is_none());
        assert_eq!(inherited.left(), Some(format!("`else` at {rest}")));
    }
}
