//! Load generator and business server; one thread, epoll, no runtime.
//!
//! load closed   ADDR PATH BODIES CONNS COUNT         as fast as it goes
//! load rate     ADDR PATH BODIES CONNS RATE SECONDS  constant rate; latency from the scheduled moment
//! load idle     ADDR PATH BODIES CONNS               a request on each, then holds them until stdin ends
//! load ask      ADDR PATH BODIES                     prints the verdict of each body
//! load first    ADDR PATH BODIES                     waits for the first good answer, prints nothing
//! load business ADDR                                 answers allow to everything

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

struct Epoll(i32);
impl Epoll {
    fn new() -> Self {
        Epoll(unsafe { libc::epoll_create1(0) })
    }
    fn ctl(&self, op: i32, fd: i32, token: u64, events: i32) {
        let mut e = libc::epoll_event {
            events: events as u32,
            u64: token,
        };
        let r = unsafe { libc::epoll_ctl(self.0, op, fd, &mut e) };
        assert_eq!(r, 0, "epoll_ctl: {}", std::io::Error::last_os_error());
    }
    fn wait<'a>(&self, events: &'a mut [libc::epoll_event], ms: i32) -> &'a [libc::epoll_event] {
        let n = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), events.len() as i32, ms) };
        &events[..n.max(0) as usize]
    }
}
const IN: i32 = libc::EPOLLIN;
const OUT: i32 = libc::EPOLLOUT;

struct Body {
    expect: bool,
    request: Vec<u8>,
}

fn bodies(file: &str, addr: &str, path: &str) -> Vec<Body> {
    let text = std::fs::read_to_string(file).expect("bodies");
    text.lines().map(|line| {
        let mut cut = line.rsplitn(2, '\t');
        let (body, head) = (cut.next().unwrap(), cut.next().unwrap_or("0"));
        let expect = head.ends_with('1');
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\nContent-Type: application/json; charset=utf-8\r\nOperationid: 37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5\r\nAccept-Encoding: identity\r\n\r\n{body}",
            body.len()).into_bytes();
        Body { expect, request }
    }).collect()
}

struct Conn {
    stream: TcpStream,
    body: usize,
    sent: usize,
    busy: bool,
    want_out: bool,
    buf: Vec<u8>,
    from: Instant,
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

/// Length of the first whole message in `buf`, and where its body begins.
fn whole(buf: &[u8]) -> Option<(usize, usize)> {
    let head = find(buf, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buf[..head]).ok()?;
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            let n: usize = value.trim().parse().ok()?;
            return (buf.len() >= head + n).then_some((head + n, head));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return find(&buf[head - 2..], b"\r\n0\r\n\r\n").map(|at| (head - 2 + at + 7, head));
        }
    }
    Some((head, head))
}

/// Some(blocked), or None for what is no answer.
fn verdict(message: &[u8], head: usize) -> Option<bool> {
    if !message.starts_with(b"HTTP/1.1 200") {
        return None;
    }
    let at = find(&message[head..], b"\"nextCode\":")? + head + 11;
    match message.get(at..)?.iter().find(|b| **b != b' ')? {
        b'0' => Some(false),
        b'1' => Some(true),
        _ => None,
    }
}

#[derive(Default)]
struct Tally {
    done: u64,
    errors: u64,
    wrong: u64,
    blocked: u64,
    reopened: u64,
    first_error: Option<String>,
    latencies: Vec<u32>,
}

struct Load {
    addr: String,
    epoll: Epoll,
    conns: Vec<Conn>,
    idle: VecDeque<usize>,
    bodies: Vec<Body>,
    next: usize,
    tally: Tally,
}

impl Load {
    fn new(addr: &str, path: &str, file: &str, conns: usize) -> Self {
        let epoll = Epoll::new();
        let mut load = Load {
            addr: addr.into(),
            epoll,
            conns: vec![],
            idle: (0..conns).collect(),
            bodies: bodies(file, addr, path),
            next: 0,
            tally: Tally::default(),
        };
        for at in 0..conns {
            let stream = load.open();
            load.epoll
                .ctl(libc::EPOLL_CTL_ADD, stream.as_raw_fd(), at as u64, IN);
            load.conns.push(Conn {
                stream,
                body: 0,
                sent: 0,
                busy: false,
                want_out: false,
                buf: Vec::new(),
                from: Instant::now(),
            });
        }
        load
    }
    fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.addr).expect("connect");
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
    fn start(&mut self, at: usize, from: Instant) {
        let body = self.next % self.bodies.len();
        self.next += 1;
        let c = &mut self.conns[at];
        (c.body, c.sent, c.busy, c.from) = (body, 0, true, from);
        c.buf.clear();
        self.push(at);
    }
    fn push(&mut self, at: usize) {
        let c = &mut self.conns[at];
        let request = &self.bodies[c.body].request;
        while c.sent < request.len() {
            match c.stream.write(&request[c.sent..]) {
                Ok(n) => c.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => {
                    let e = e.to_string();
                    return self.fail(at, e);
                }
            }
        }
        let want = c.sent < request.len();
        if want != c.want_out {
            c.want_out = want;
            self.epoll.ctl(
                libc::EPOLL_CTL_MOD,
                c.stream.as_raw_fd(),
                at as u64,
                if want { IN | OUT } else { IN },
            );
        }
    }
    fn fail(&mut self, at: usize, why: String) {
        let was_busy = self.conns[at].busy;
        if was_busy {
            self.tally.errors += 1;
            self.tally.done += 1;
            self.tally.first_error.get_or_insert(why);
        }
        self.tally.reopened += 1;
        let stream = self.open();
        self.epoll
            .ctl(libc::EPOLL_CTL_ADD, stream.as_raw_fd(), at as u64, IN);
        let c = &mut self.conns[at];
        c.stream = stream;
        (c.busy, c.want_out) = (false, false);
        if was_busy {
            self.idle.push_back(at);
        }
    }
    /// Reads what came; true when an answer is whole.
    fn pull(&mut self, at: usize, chunk: &mut [u8]) -> bool {
        loop {
            let c = &mut self.conns[at];
            match c.stream.read(chunk) {
                Ok(0) => {
                    self.fail(at, "closed".into());
                    return false;
                }
                Ok(n) => {
                    c.buf.extend_from_slice(&chunk[..n]);
                    if let Some((_, head)) = whole(&c.buf) {
                        let v = verdict(&c.buf, head);
                        self.tally.done += 1;
                        match v {
                            None => {
                                self.tally.errors += 1;
                                let text = String::from_utf8_lossy(&c.buf[..c.buf.len().min(300)])
                                    .into_owned();
                                self.tally.first_error.get_or_insert(text);
                            }
                            Some(b) => {
                                self.tally.blocked += u64::from(b);
                                self.tally.wrong += u64::from(b != self.bodies[c.body].expect);
                            }
                        }
                        self.tally.latencies.push(
                            (c.from.elapsed().as_nanos() / 100).min(u128::from(u32::MAX)) as u32,
                        );
                        c.busy = false;
                        let close = find(&c.buf[..head], b"onnection: close").is_some();
                        if close {
                            let _ = c.stream.shutdown(std::net::Shutdown::Both);
                            self.fail(at, "close".into());
                        }
                        self.idle.push_back(at);
                        return true;
                    }
                    if n < chunk.len() {
                        return false;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
                Err(e) => {
                    let e = e.to_string();
                    self.fail(at, e);
                    return false;
                }
            }
        }
    }
    fn report(mut self, seconds: f64) {
        let l = &mut self.tally.latencies;
        l.sort_unstable();
        let at = |share: f64| {
            if l.is_empty() {
                0.0
            } else {
                f64::from(l[((l.len() - 1) as f64 * share) as usize]) / 10.0
            }
        };
        println!(
            "{{\"done\":{},\"errors\":{},\"wrong\":{},\"blocked\":{},\"reopened\":{},\"seconds\":{seconds:.4},\"p50\":{:.1},\"p90\":{:.1},\"p99\":{:.1},\"p999\":{:.1},\"max\":{:.1},\"first_error\":{:?}}}",
            self.tally.done,
            self.tally.errors,
            self.tally.wrong,
            self.tally.blocked,
            self.tally.reopened,
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0),
            self.tally.first_error.clone().unwrap_or_default()
        );
    }
}

fn closed(mut load: Load, count: u64) {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut chunk = vec![0; 65536];
    let (started, limit) = (Instant::now(), Duration::from_secs(120));
    let mut issued = 0;
    while load.tally.done < count && started.elapsed() < limit {
        while issued < count {
            let Some(at) = load.idle.pop_front() else {
                break;
            };
            load.start(at, Instant::now());
            issued += 1;
        }
        let ready: Vec<(usize, u32)> = load
            .epoll
            .wait(&mut events, 100)
            .iter()
            .map(|e| (e.u64 as usize, e.events))
            .collect();
        for (at, what) in ready {
            if what & OUT as u32 != 0 {
                load.push(at);
            }
            if what & !(OUT as u32) != 0 {
                load.pull(at, &mut chunk);
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    load.report(seconds);
}

fn rate(mut load: Load, rate: f64, seconds: f64) {
    let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
    const TIMER: u64 = u64::MAX;
    load.epoll.ctl(libc::EPOLL_CTL_ADD, timer, TIMER, IN);
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut chunk = vec![0; 65536];
    let step = Duration::from_secs_f64(1.0 / rate);
    let total = (rate * seconds) as u64;
    let started = Instant::now() + Duration::from_millis(5);
    let mut due = started;
    let (mut scheduled, mut waiting) = (0u64, VecDeque::new());
    let limit = Duration::from_secs_f64(seconds * 3.0 + 10.0);
    while load.tally.done < total && started.elapsed() < limit {
        let now = Instant::now();
        while scheduled < total && due <= now {
            waiting.push_back(due);
            due += step;
            scheduled += 1;
        }
        while let Some(from) = waiting.front().copied() {
            let Some(at) = load.idle.pop_front() else {
                break;
            };
            waiting.pop_front();
            load.start(at, from);
        }
        if scheduled < total {
            let left = due
                .saturating_duration_since(Instant::now())
                .max(Duration::from_nanos(1));
            let spec = libc::itimerspec {
                it_interval: libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: libc::timespec {
                    tv_sec: left.as_secs() as i64,
                    tv_nsec: i64::from(left.subsec_nanos()),
                },
            };
            unsafe { libc::timerfd_settime(timer, 0, &spec, std::ptr::null_mut()) };
        }
        let ready: Vec<(u64, u32)> = load
            .epoll
            .wait(&mut events, 100)
            .iter()
            .map(|e| (e.u64, e.events))
            .collect();
        for (at, what) in ready {
            if at == TIMER {
                let mut n = [0u8; 8];
                unsafe { libc::read(timer, n.as_mut_ptr().cast(), 8) };
                continue;
            }
            if what & OUT as u32 != 0 {
                load.push(at as usize);
            }
            if what & !(OUT as u32) != 0 {
                load.pull(at as usize, &mut chunk);
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    load.report(seconds);
}

fn idle(addr: &str, path: &str, file: &str, conns: usize) {
    let bodies = bodies(file, addr, path);
    let mut open = Vec::new();
    let mut failed = 0;
    let mut chunk = vec![0; 65536];
    for at in 0..conns {
        let Ok(mut stream) = TcpStream::connect(addr) else {
            failed += 1;
            continue;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let mut buf = Vec::new();
        let ok = stream.write_all(&bodies[at % bodies.len()].request).is_ok()
            && loop {
                match stream.read(&mut chunk) {
                    Ok(0) | Err(_) => break false,
                    Ok(n) => {
                        buf.extend_from_slice(&chunk[..n]);
                        if whole(&buf).is_some() {
                            break true;
                        }
                    }
                }
            };
        if ok {
            open.push(stream)
        } else {
            failed += 1;
            if failed > 20 {
                break;
            }
        }
    }
    println!("{{\"open\":{},\"failed\":{failed}}}", open.len());
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    // How many the server has not closed meanwhile.
    let alive = open
        .iter()
        .filter(|s| {
            s.set_nonblocking(true).unwrap();
            let mut b = [0; 1];
            matches!(s.peek(&mut b), Err(e) if e.kind() == ErrorKind::WouldBlock)
        })
        .count();
    println!("{{\"alive\":{alive}}}");
}

fn ask_once(addr: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request)?;
    let (mut buf, mut chunk) = (Vec::new(), vec![0; 65536]);
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Ok(buf);
        }
        buf.extend_from_slice(&chunk[..n]);
        if let Some((end, _)) = whole(&buf) {
            buf.truncate(end);
            return Ok(buf);
        }
    }
}

fn business(addr: &str) {
    let listener = TcpListener::bind(addr).expect("bind");
    listener.set_nonblocking(true).unwrap();
    let epoll = Epoll::new();
    epoll.ctl(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), u64::MAX, IN);
    let body = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nX-Request-Id: 37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let mut conns: Vec<Option<(TcpStream, Vec<u8>)>> = Vec::new();
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut chunk = vec![0; 65536];
    loop {
        let ready: Vec<u64> = epoll.wait(&mut events, -1).iter().map(|e| e.u64).collect();
        for at in ready {
            if at == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let slot = conns.iter().position(Option::is_none).unwrap_or_else(|| {
                        conns.push(None);
                        conns.len() - 1
                    });
                    epoll.ctl(libc::EPOLL_CTL_ADD, stream.as_raw_fd(), slot as u64, IN);
                    conns[slot] = Some((stream, Vec::new()));
                }
                continue;
            }
            let mut gone = false;
            if let Some((stream, buf)) = &mut conns[at as usize] {
                loop {
                    match stream.read(&mut chunk) {
                        Ok(0) => {
                            gone = true;
                            break;
                        }
                        Ok(n) => {
                            buf.extend_from_slice(&chunk[..n]);
                            if n < chunk.len() {
                                break;
                            }
                        }
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                        Err(_) => {
                            gone = true;
                            break;
                        }
                    }
                }
                while let Some((end, _)) = whole(buf) {
                    buf.drain(..end);
                    if stream.write_all(&answer).is_err() {
                        gone = true;
                        break;
                    }
                }
            }
            if gone {
                conns[at as usize] = None;
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let a: Vec<&str> = args.iter().map(String::as_str).collect();
    match a[1..] {
        ["closed", addr, path, file, conns, count] => closed(
            Load::new(addr, path, file, conns.parse().unwrap()),
            count.parse().unwrap(),
        ),
        ["rate", addr, path, file, conns, r, secs] => rate(
            Load::new(addr, path, file, conns.parse().unwrap()),
            r.parse().unwrap(),
            secs.parse().unwrap(),
        ),
        ["idle", addr, path, file, conns] => idle(addr, path, file, conns.parse().unwrap()),
        ["ask", addr, path, file] => {
            for body in bodies(file, addr, path) {
                let answer = ask_once(addr, &body.request).expect("an answer");
                let head = find(&answer, b"\r\n\r\n").map_or(0, |at| at + 4);
                println!(
                    "{}\t{}",
                    match verdict(&answer, head) {
                        Some(true) => "1",
                        Some(false) => "0",
                        None => "?",
                    },
                    String::from_utf8_lossy(&answer[head..]).replace(['\n', '\r'], " ")
                );
            }
        }
        ["first", addr, path, file] => {
            let bodies = bodies(file, addr, path);
            let started = Instant::now();
            loop {
                if let Ok(answer) = ask_once(addr, &bodies[0].request) {
                    if answer.starts_with(b"HTTP/1.1 200") {
                        break;
                    }
                }
                if started.elapsed() > Duration::from_secs(120) {
                    panic!("no answer in 120 s");
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        ["business", addr] => business(addr),
        _ => panic!("usage"),
    }
}
