//! A plain HTTP/1.1 client: no pool, no retry, nothing between a test and the bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No answer takes longer than this, whatever a test does.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// From the first byte sent to the last byte received.
    pub took: Duration,
}

impl Answer {
    /// The value of a header; empty when there is none. `name` is in lower case.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &head("GET", path, None))
}

pub fn post(address: SocketAddr, path: &str, body: impl AsRef<[u8]>) -> Answer {
    Connection::open(address).post(path, body.as_ref()).unwrap()
}

/// Sends bytes as they are and reads one answer.
pub fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    connection.exchange(bytes).unwrap()
}

pub fn head(method: &str, path: &str, length: Option<usize>) -> Vec<u8> {
    let length = length.map_or_else(String::new, |length| {
        format!("Content-Length: {length}\r\n")
    });
    format!(
        "{method} {path} HTTP/1.1\r\nHost: im\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Type: application/json; charset=utf-8\r\n{length}\r\n"
    )
    .into_bytes()
}

/// One connection that is kept open, as an IM server keeps it.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream }
    }

    /// `None` when nobody listens.
    pub fn try_open(address: SocketAddr) -> Option<Connection> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(READ_TIMEOUT)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Connection { stream })
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        let mut bytes = head("POST", path, Some(body.len()));
        bytes.extend_from_slice(body);
        self.exchange(&bytes)
    }

    /// Sends part of a call.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Errors: the connection broke before the answer was complete.
    pub fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let started = Instant::now();
        // A server may answer and close before it has read everything: the answer counts.
        let written = self.write(bytes);
        self.read(started).or_else(|error| {
            written?;
            Err(error)
        })
    }

    pub fn read(&mut self, started: Instant) -> io::Result<Answer> {
        let mut buffer = Vec::new();
        let head_end = loop {
            if let Some(at) = find(&buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill(&mut buffer)?;
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, head.clone()))?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: buffer.split_off(head_end),
            took: Duration::ZERO,
        };
        // A stream of gRPC, of which the head says all: how much of it is here is chance.
        if answer.header("transfer-encoding") == "chunked" {
            answer.took = started.elapsed();
            return Ok(answer);
        }
        let length = answer.header("content-length").parse().unwrap_or(0);
        while answer.body.len() < length {
            self.fill(&mut answer.body)?;
        }
        assert_eq!(answer.body.len(), length, "more came than was announced");
        answer.took = started.elapsed();
        Ok(answer)
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                buffer.extend_from_slice(&chunk[..read]);
                Ok(())
            }
        }
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
