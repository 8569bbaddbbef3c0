//! Three replicas of the real program on one PostgreSQL, while all of it is killed, stopped and cut off
//! at random and a receiver misbehaves: nothing that was acknowledged is lost, conversations keep
//! their order, repeats are few, the books balance.
//!
//! 48 acts of violence, or with `CALLGATE_LONG=1` 500; the totals are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::harness::{Callgate, Random, Setup, wait_for};
use crate::outbox_kill::{
    CONVERSATIONS, Seen, Temper, check_seen, dead_ids, drained, policy, produce, receiver,
};

const REPLICAS: usize = 3;
/// Two for each replica: a conversation stays on one of them.
const PRODUCERS: usize = 6;
/// Of a producer, between two events: what a busy machine delivers too while it is all at war.
const PAUSE: Duration = Duration::from_millis(40);
/// After the last act and the end of the receiver's misbehaviour, everything arrives in this.
const HEAL: Duration = Duration::from_secs(180);
/// Of the replicas; a stop is longer.
const LEASE: Duration = Duration::from_secs(3);

/// Settings for a replica on the server at a URL.
pub fn on(setup: Setup, url: &str) -> Setup {
    setup
        .engine("storage.kind", "postgres")
        .engine("storage.url", url)
        .engine("storage.tls.mode", "plain")
        .engine("storage.lease", "3s")
        .engine("storage.takeover_after", "1s")
}

/// What stands between a replica and the server, and is cut now and then.
struct Proxy {
    port: u16,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            is_cut: Arc::default(),
            open: Arc::default(),
        };
        let (is_cut, open) = (Arc::clone(&proxy.is_cut), Arc::clone(&proxy.open));
        thread::spawn(move || {
            for one in listener.incoming().map_while(Result::ok) {
                let Ok(other) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let mut all = open.lock().unwrap();
                all.extend([one.try_clone().unwrap(), other.try_clone().unwrap()]);
                let (back, forth) = (one.try_clone().unwrap(), other.try_clone().unwrap());
                thread::spawn(move || copy(one, other));
                thread::spawn(move || copy(forth, back));
            }
        });
        proxy
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Ends every connection of callgate, whatever it is doing.
pub fn terminate(cluster: &Cluster) {
    cluster.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'callgate'",
    );
}

struct Replica {
    running: Option<Callgate>,
    address: Arc<Mutex<Option<SocketAddr>>>,
}

impl Replica {
    fn callgate(&self) -> &Callgate {
        self.running.as_ref().unwrap()
    }

    fn kill(&mut self) {
        *self.address.lock().unwrap() = None;
        let setup = self.running.take().unwrap().kill();
        self.started(setup);
    }

    fn started(&mut self, setup: Setup) {
        let running = setup.start();
        *self.address.lock().unwrap() = Some(running.http);
        self.running = Some(running);
    }
}

/// One act of violence; says of which kind.
fn act(
    number: usize,
    random: &mut Random,
    replicas: &mut [Replica],
    cluster: &Cluster,
    proxy: &Proxy,
) -> &'static str {
    let chosen = random.below(REPLICAS);
    match number % 12 {
        // The whole of the lease passes, and a zombie comes back.
        5 => {
            let stopped = replicas[chosen].callgate();
            stopped.signal("STOP");
            thread::sleep(LEASE + Duration::from_millis(1500));
            stopped.signal("CONT");
            "stopped for longer than the lease"
        }
        1 => {
            cluster.crash();
            thread::sleep(Duration::from_millis(random.below(500) as u64));
            cluster.start_again();
            "kill -9 of the postmaster"
        }
        7 => {
            cluster.stop_at_once();
            thread::sleep(Duration::from_millis(random.below(500) as u64));
            cluster.start_again();
            "pg_ctl stop -m immediate"
        }
        3 | 9 => {
            terminate(cluster);
            "pg_terminate_backend"
        }
        11 => {
            proxy.cut();
            thread::sleep(Duration::from_millis(500));
            proxy.mend();
            "the network cut"
        }
        _ => {
            replicas[chosen].kill();
            "kill -9 of a replica"
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_whatever_of_three_replicas_ends() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let long = std::env::var_os("CALLGATE_LONG").is_some();
    let acts = if long { 500 } else { 48 };
    let mut random = Random::from_env("replicas");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let temper = Arc::new(Temper::default());
    let business = receiver(random.split(), seen.clone(), temper.clone());
    let proxy = Proxy::start(cluster.port);
    let mut replicas: Vec<Replica> = Vec::new();
    for number in 0..REPLICAS {
        let port = if number == 0 {
            proxy.port
        } else {
            cluster.port
        };
        let mut replica = Replica {
            running: None,
            address: Arc::default(),
        };
        let name = format!("replica-{number}");
        let setup = Setup::new(&policy(&business.url())).engine("storage.replica", &name);
        let own = format!(":{}/", cluster.port);
        let url = cluster.url().replace(&own, &format!(":{port}/"));
        replica.started(on(setup, &url));
        replicas.push(replica);
    }
    let addresses: Vec<_> = replicas
        .iter()
        .map(|one| Arc::clone(&one.address))
        .collect();
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(BTreeSet::new());
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let address = &addresses[producer % REPLICAS];
            let (stop, acknowledged) = (&stop, &acknowledged);
            scope.spawn(move || produce(producer, PAUSE, address, stop, acknowledged));
        }
        for number in 0..acts {
            thread::sleep(Duration::from_millis(20 + random.below(200) as u64));
            let kind = act(number, &mut random, &mut replicas, &cluster, &proxy);
            *done.entry(kind).or_default() += 1;
        }
        thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
    });
    temper.be_good();
    let acknowledged = acknowledged.into_inner().unwrap();
    for replica in &replicas {
        wait_for("an empty spool", HEAL, || {
            let shared = replica.callgate().status()["outbox"]["shared"].take();
            (shared["away"].is_null() && shared["spooled"] == 0).then_some(())
        });
    }
    let fail = |why: String| -> ! { panic!("{why}\n{done:?}") };
    let first = replicas[0].callgate();
    drained(first, HEAL).unwrap_or_else(|why| fail(why));
    // What was in flight at too many ends is dead; it is there all the same.
    let dead = dead_ids(first);
    let server = format!("http://{}", first.admin);
    let replay = ["outbox", "replay", "--rate", "10000", "--server", &server];
    first.setup().run(&replay);
    for replica in &replicas {
        let books = drained(replica.callgate(), HEAL).unwrap_or_else(|why| fail(why));
        let of = |name: &str| books[name].as_u64().unwrap() as usize;
        assert_eq!(of("accepted"), acknowledged.len(), "{books}");
        assert_eq!(of("delivered"), acknowledged.len(), "{books}");
    }
    let seen = seen.lock().unwrap();
    let repeats = check_seen(&seen, &acknowledged, &dead).unwrap_or_else(|why| fail(why));
    // One for each conversation that was being told at an end.
    let repeats_max = acts * PRODUCERS * CONVERSATIONS;
    assert!(repeats <= repeats_max, "{repeats} repeats");
    assert!(
        acknowledged.len() > acts * 10,
        "{} events",
        acknowledged.len()
    );
    println!(
        "{done:?}, {} events acknowledged, 0 lost, {} requests, {repeats} repeats, {} dead and replayed",
        acknowledged.len(),
        seen.attempts.len(),
        dead.len()
    );
}
