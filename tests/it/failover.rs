//! A synchronous standby takes the place of a server that is killed while replicas accept: nothing
//! that was acknowledged is lost, conversations keep their order, the books balance.
//!
//! Two failovers, or with `CALLGATE_LONG=1` twenty; the totals are printed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::cluster::{Cluster, free_port};
use crate::harness::{Callgate, Random, Setup, wait_for};
use crate::outbox_kill::{
    CONVERSATIONS, Seen, Temper, check_seen, dead_ids, drained, policy, produce, receiver,
};
use crate::replicas::{on, terminate};

const REPLICAS: usize = 2;
/// Two for each replica: a conversation stays on one of them.
const PRODUCERS: usize = 4;
/// Of a producer, between two events: what a busy machine delivers too.
const PAUSE: Duration = Duration::from_millis(40);
const HEAL: Duration = Duration::from_secs(120);
/// Events that are acknowledged between two acts.
const SOME: usize = 20;

/// Two servers, of which one is written to at a time; each name of theirs stays.
struct Pair {
    primary: Cluster,
    standby: Cluster,
}

impl Pair {
    fn start() -> Option<Pair> {
        let primary = Cluster::start()?;
        let standby = primary.standby(free_port()?);
        Some(Pair { primary, standby })
    }

    /// Cuts the primary off from its standby.
    fn cut_off(&self) {
        self.standby.stop_following();
    }

    /// Kills the primary.
    fn fail_over(&mut self, random: &mut Random) {
        self.primary.crash();
        thread::sleep(Duration::from_millis(random.below(500) as u64));
        self.standby.promote();
        std::mem::swap(&mut self.primary, &mut self.standby);
    }

    /// The one that was killed comes back as if nothing had happened, first in the URL of some
    /// replica: nobody writes to it any more.
    fn old_one_comes_back(&self, goes_on: impl FnOnce()) {
        let old = &self.standby;
        old.start_again();
        // It would wait for the standby that it had.
        old.ask("ALTER SYSTEM SET synchronous_standby_names = ''");
        old.ask("SELECT pg_reload_conf()");
        let known = "SELECT count(*) FROM callgate.known";
        let before = old.ask(known);
        terminate(&self.primary);
        goes_on();
        assert_ne!(before, "");
        assert_eq!(old.ask(known), before);
        old.crash();
    }

    /// Waits until every replica says to the one that is written to that it lives.
    fn has_all(&self) {
        let since = self.primary.ask("SELECT now()");
        let living = format!(
            "SELECT count(*) >= {REPLICAS} FROM callgate.replica WHERE beat_at > '{since}'"
        );
        wait_for(
            "all replicas at the server that is written to",
            HEAL,
            || (self.primary.ask(&living) == "t").then_some(()),
        );
    }

    /// The one that is down becomes the standby of the other.
    fn rebuild(&mut self) {
        let port = self.standby.port;
        self.standby = self.primary.standby(port);
    }
}

/// A replica that knows both servers, one of them first.
fn replica(number: usize, url: &str, ports: [u16; 2], fault: Option<&str>) -> Callgate {
    let first = ports[number % 2];
    let second = ports[(number + 1) % 2];
    let options = ["", "?target_session_attrs=read-write"][number % 2];
    let both = format!(
        "postgres://callgate:callgate@127.0.0.1:{first},127.0.0.1:{second}/postgres{options}"
    );
    let name = format!("replica-{number}");
    let setup = Setup::new(&policy(url)).engine("storage.replica", &name);
    let mut setup = on(setup, &both);
    if let Some(fault) = fault {
        setup = setup.env("CALLGATE_FAULT", fault);
    }
    setup.start()
}

/// Runs to the end and checks everything; the error is what was broken.
fn run(rounds: usize, fault: Option<&'static str>) -> Result<String, String> {
    let Some(mut pair) = Pair::start() else {
        return Err("no PostgreSQL".to_owned());
    };
    let mut random = Random::from_env("failover");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let temper = Arc::new(Temper::default());
    let business = receiver(random.split(), seen.clone(), temper.clone());
    let ports = [pair.primary.port, pair.standby.port];
    let start = |number| replica(number, &business.url(), ports, fault);
    let replicas: Vec<Callgate> = (0..REPLICAS).map(start).collect();
    let addresses: Vec<_> = (replicas.iter())
        .map(|one| Mutex::new(Some(one.http)))
        .collect();
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(BTreeSet::new());
    let goes_on = |what: &str| {
        let wanted = acknowledged.lock().unwrap().len() + SOME;
        wait_for(what, HEAL, || {
            (acknowledged.lock().unwrap().len() >= wanted).then_some(())
        });
    };
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let address = &addresses[producer % REPLICAS];
            let (stop, acknowledged) = (&stop, &acknowledged);
            scope.spawn(move || produce(producer, PAUSE, address, stop, acknowledged));
        }
        // Whatever fails here, the producers end.
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                goes_on("events before a failover");
                let is_cut_off = round % 2 == 1;
                if is_cut_off {
                    // What is delivered is not lost with the server.
                    temper.refuse(true);
                    pair.cut_off();
                    match fault {
                        Some(_) => goes_on("events that the standby does not know"),
                        None => thread::sleep(Duration::from_millis(500)),
                    }
                }
                pair.fail_over(&mut random);
                temper.refuse(false);
                goes_on("events while it fails over");
                pair.has_all();
                if round % 2 == 0 {
                    pair.old_one_comes_back(|| {
                        goes_on("events while the old one is back");
                        pair.has_all();
                    });
                }
                if round + 1 < rounds {
                    pair.rebuild();
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        failed.unwrap_or_else(|why| std::panic::resume_unwind(why));
    });
    temper.be_good();
    let acknowledged = acknowledged.into_inner().unwrap();
    for replica in &replicas {
        wait_for("an empty spool", HEAL, || {
            let shared = replica.status()["outbox"]["shared"].take();
            (shared["away"].is_null() && shared["spooled"] == 0).then_some(())
        });
    }
    let first = &replicas[0];
    drained(first, HEAL)?;
    let dead = dead_ids(first);
    let server = format!("http://{}", first.admin);
    let replay = ["outbox", "replay", "--rate", "10000", "--server", &server];
    first.setup().run(&replay);
    let books = drained(first, HEAL)?;
    let seen = seen.lock().unwrap();
    let repeats = check_seen(&seen, &acknowledged, &dead)?;
    let of = |name: &str| books[name].as_u64().unwrap() as usize;
    if of("accepted") != acknowledged.len() || of("delivered") != of("accepted") {
        return Err(format!("{} acknowledged, but {books}", acknowledged.len()));
    }
    // At each end of connections one for each conversation that was being told.
    let repeats_max = 2 * rounds * PRODUCERS * CONVERSATIONS;
    if repeats > repeats_max {
        return Err(format!("{repeats} repeats, {repeats_max} are expected"));
    }
    Ok(format!(
        "{rounds} failovers, {} events acknowledged, 0 lost, {} requests, {repeats} repeats, {} dead and replayed",
        acknowledged.len(),
        seen.attempts.len(),
        dead.len()
    ))
}

#[test]
fn what_was_acknowledged_outlives_the_server_and_an_old_one_is_not_written_to() {
    if !crate::cluster::is_here() {
        return;
    }
    let long = std::env::var_os("CALLGATE_LONG").is_some();
    match run(if long { 20 } else { 2 }, None) {
        Ok(totals) => println!("{totals}"),
        Err(why) => panic!("{why}"),
    }
}

/// Negative control: a run that cannot fail proves nothing.
#[cfg(feature = "faults")]
#[test]
fn commits_that_do_not_wait_for_the_standby_are_seen() {
    if !crate::cluster::is_here() {
        return;
    }
    let why = run(2, Some("no_sync")).expect_err("the run saw nothing");
    println!("{why}");
    assert!(why.contains("lost"), "{why}");
}
