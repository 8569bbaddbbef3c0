//! A business server that misbehaves on command, on real sockets and with a thread a connection.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::http::find;
use super::{PATIENCE, wait_for};

/// How often a thread that waits looks whether the test has ended.
const TICK: Duration = Duration::from_millis(20);

/// What the server does with one call.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Answer {
        status: u16,
        kind: &'static str,
        body: Vec<u8>,
    },
    /// A status with a header line, and no body.
    Headed {
        status: u16,
        header: String,
    },
    /// Something else, later.
    After(Duration, Box<Behaviour>),
    /// Reads the call and never answers.
    Hang,
    /// A head that promises a body which never comes.
    HeadThenHang,
    /// The body comes at one byte a second.
    Drip,
    /// `Content-Length` is `declared`, whatever the body; then the connection is closed.
    Length {
        declared: usize,
        body: Vec<u8>,
    },
    Close,
    /// Closes with RST.
    Reset,
    EndlessChunks,
    /// `100 Continue` again and again.
    ContinueForEver,
    RedirectTo(String),
    /// Not HTTP.
    Garbage,
    /// An allow that nobody asked to be compressed.
    Gzip,
}

impl Behaviour {
    pub fn answer(body: impl Into<Vec<u8>>) -> Behaviour {
        Behaviour::Answer {
            status: 200,
            kind: "application/json",
            body: body.into(),
        }
    }

    pub fn allow() -> Behaviour {
        Behaviour::answer(super::calls::ALLOW)
    }

    pub fn block() -> Behaviour {
        Behaviour::answer(super::calls::block(20123, "not here", "rule 7"))
    }

    pub fn replace(content: &str) -> Behaviour {
        let mut answer: serde_json::Value = serde_json::from_str(super::calls::ALLOW).unwrap();
        answer["content"] = serde_json::json!({ "content": content }).to_string().into();
        Behaviour::answer(answer.to_string())
    }

    pub fn status(status: u16, body: &str) -> Behaviour {
        Behaviour::Answer {
            status,
            kind: "text/html",
            body: body.into(),
        }
    }

    pub fn html(body: &str) -> Behaviour {
        Behaviour::status(200, body)
    }

    pub fn after(self, wait: Duration) -> Behaviour {
        Behaviour::After(wait, Box::new(self))
    }

    /// True when the connection can be used again.
    fn play(&self, stream: &mut TcpStream, stop: &AtomicBool) -> bool {
        match self {
            Behaviour::Answer { status, kind, body } => {
                let head = head(*status, &format!("Content-Type: {kind}\r\n"), body.len());
                send(stream, &head) && send(stream, body)
            }
            Behaviour::Headed { status, header } => {
                send(stream, &head(*status, &format!("{header}\r\n"), 0))
            }
            Behaviour::After(wait, behaviour) => {
                thread::sleep(*wait);
                behaviour.play(stream, stop)
            }
            Behaviour::Hang => wait_for_end(stream, stop),
            Behaviour::HeadThenHang => {
                send(stream, &head(200, "", 72)) && wait_for_end(stream, stop)
            }
            Behaviour::Drip => {
                send(stream, &head(200, "", 1000));
                while !stop.load(Ordering::Relaxed) && send(stream, b" ") {
                    for _ in 0..50 {
                        if stop.load(Ordering::Relaxed) || is_closed(stream) {
                            return false;
                        }
                    }
                }
                false
            }
            Behaviour::Length { declared, body } => {
                send(stream, &head(200, "", *declared));
                send(stream, body);
                false
            }
            Behaviour::Close => false,
            Behaviour::Reset => {
                let socket = socket2::SockRef::from(&*stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                false
            }
            Behaviour::EndlessChunks => {
                send(
                    stream,
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                );
                let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
                while !stop.load(Ordering::Relaxed) && send(stream, chunk.as_bytes()) {}
                false
            }
            Behaviour::ContinueForEver => {
                while !stop.load(Ordering::Relaxed)
                    && send(stream, b"HTTP/1.1 100 Continue\r\n\r\n")
                {
                    thread::sleep(Duration::from_millis(2));
                }
                false
            }
            Behaviour::RedirectTo(to) => {
                send(stream, &head(302, &format!("Location: {to}\r\n"), 0))
            }
            Behaviour::Garbage => {
                send(
                    stream,
                    b"\x16\x03\x01\x02\x00 this is no HTTP at all\r\n\r\n",
                );
                false
            }
            Behaviour::Gzip => {
                let head = head(200, "Content-Encoding: gzip\r\n", GZIP_ALLOW.len());
                send(stream, &head) && send(stream, GZIP_ALLOW)
            }
        }
    }
}

/// `{}` as gzip, one stored block.
const GZIP_ALLOW: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x02\x00\xfd\xff{}\x43\xbf\xa6\xa3\x02\x00\x00\x00";

/// A call as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; empty when there is none. `name` is in lower case.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// In lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Choose = dyn Fn(&Request) -> Behaviour + Send + Sync;

struct Shared {
    choose: Mutex<Arc<Choose>>,
    requests: Mutex<Vec<Request>>,
    stop: AtomicBool,
}

/// The server; stops listening and closes its connections when dropped.
pub struct Business {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Business {
    /// Does the same with every call.
    pub fn start(behaviour: Behaviour) -> Business {
        Business::choosing(move |_| behaviour.clone())
    }

    /// Chooses by the call.
    pub fn choosing(choose: impl Fn(&Request) -> Behaviour + Send + Sync + 'static) -> Business {
        Business::listen(TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(choose))
    }

    /// Starts where another one was before.
    pub fn start_at(address: SocketAddr, behaviour: Behaviour) -> Business {
        let listener = wait_for("a free address", PATIENCE, || {
            TcpListener::bind(address).ok()
        });
        Business::listen(listener, Arc::new(move |_: &Request| behaviour.clone()))
    }

    /// The same, where another one was before.
    pub fn start_choosing_at(
        address: SocketAddr,
        choose: impl Fn(&Request) -> Behaviour + Send + Sync + 'static,
    ) -> Business {
        let listener = wait_for("a free address", PATIENCE, || {
            TcpListener::bind(address).ok()
        });
        Business::listen(listener, Arc::new(choose))
    }

    fn listen(listener: TcpListener, choose: Arc<Choose>) -> Business {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            choose: Mutex::new(choose),
            requests: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if for_thread.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&for_thread);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Business {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    pub fn set(&self, behaviour: Behaviour) {
        *self.shared.choose.lock().unwrap() = Arc::new(move |_: &Request| behaviour.clone());
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until this many calls have arrived, and returns all.
    pub fn wait_for(&self, calls: usize) -> Vec<Request> {
        wait_for(
            &format!("{calls} calls of the business server"),
            PATIENCE,
            || Some(self.requests()).filter(|requests| requests.len() >= calls),
        )
    }
}

impl Drop for Business {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; if it cannot be reached it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_read_timeout(Some(TICK)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut buffer, &shared.stop) {
        let choose = Arc::clone(&shared.choose.lock().unwrap());
        let behaviour = choose(&request);
        shared.requests.lock().unwrap().push(request);
        if !behaviour.play(&mut stream, &shared.stop) {
            return;
        }
    }
}

fn next_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    stop: &AtomicBool,
) -> Option<Request> {
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some((request, length)) = parse(buffer) {
            buffer.drain(..length);
            return Some(request);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            Err(error) if is_tick(&error) && !stop.load(Ordering::Relaxed) => {}
            Err(_) => return None,
        }
    }
}

/// A complete request and its length in the buffer.
fn parse(buffer: &[u8]) -> Option<(Request, usize)> {
    let head_end = find(buffer, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..head_end]).unwrap();
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().unwrap();
    let body = buffer.get(head_end..head_end + length)?.to_vec();
    let request = Request {
        path,
        headers,
        body,
    };
    Some((request, head_end + length))
}

fn head(status: u16, headers: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes()
}

/// False when the caller has gone.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// Holds the connection until the caller closes it or the test ends.
fn wait_for_end(stream: &mut TcpStream, stop: &AtomicBool) -> bool {
    while !stop.load(Ordering::Relaxed) && !is_closed(stream) {}
    false
}

/// Looks for at most one tick.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1024]) {
        Ok(read) => read == 0,
        Err(error) => !is_tick(&error),
    }
}

fn is_tick(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
