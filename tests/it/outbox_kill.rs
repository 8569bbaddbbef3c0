//! The real program, killed at random while events come and a receiver misbehaves: nothing that
//! was acknowledged is lost, repeats are few, conversations keep their order, the books balance.
//!
//! 100 kills, or with `CALLGATE_LONG=1` 1,000; the totals are printed. With the feature `faults`
//! the same run is made of programs that are broken on purpose, and must see each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, Random, Request, Setup, http};

const AFTER: &str = "afterSendSingleMsg";
const PRODUCERS: usize = 4;
/// Each with one event after the other.
pub const CONVERSATIONS: usize = 5;
/// Of a producer, between two events.
const PAUSE: Duration = Duration::from_millis(1);
/// After the last kill and the end of the receiver's misbehaviour, everything arrives in this.
const HEAL: Duration = Duration::from_secs(60);

struct Plan {
    kills: usize,
    heal: Duration,
    fault: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Totals {
    kills: usize,
    acknowledged: usize,
    attempts: usize,
    repeats: usize,
    dead: usize,
}

/// What the receiver saw, in order.
#[derive(Default)]
pub struct Seen {
    /// The id, and whether the answer was a success.
    pub attempts: Vec<(String, bool)>,
    /// The hash of the body that came with an id.
    bodies: BTreeMap<String, u64>,
    /// An id that came with two bodies.
    changed: Option<String>,
}

/// What a receiver does; at first it fails in every way now and then.
#[derive(Debug, Default)]
pub struct Temper {
    good: AtomicBool,
    refuses: AtomicBool,
}

impl Temper {
    pub fn be_good(&self) {
        self.good.store(true, Ordering::Relaxed);
    }

    /// Takes nothing, until told otherwise.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Of a hundred, as below.
    fn roll(&self, chance: &Mutex<Random>) -> usize {
        if self.refuses.load(Ordering::Relaxed) {
            80
        } else if self.good.load(Ordering::Relaxed) {
            0
        } else {
            chance.lock().unwrap().below(100)
        }
    }
}

/// A receiver that is of this temper.
pub fn receiver(mut random: Random, seen: Arc<Mutex<Seen>>, temper: Arc<Temper>) -> Business {
    let chance = Mutex::new(random.split());
    Business::choosing(move |request| {
        let roll = temper.roll(&chance);
        let behaviour = match roll {
            0..70 => Behaviour::allow(),
            70..76 => Behaviour::allow().after(Duration::from_millis(30)),
            76..80 => Behaviour::Length {
                declared: 5000,
                body: b"{".to_vec(),
            },
            80..88 => Behaviour::status(503, "busy"),
            88..91 => Behaviour::Headed {
                status: 429,
                header: "Retry-After: 0".to_owned(),
            },
            91..95 => Behaviour::Close,
            95..98 => Behaviour::Reset,
            _ => Behaviour::Garbage,
        };
        see(&mut seen.lock().unwrap(), request, roll < 80);
        behaviour
    })
}

fn see(seen: &mut Seen, request: &Request, success: bool) {
    let id = request.json()["serverMsgID"].as_str().unwrap().to_owned();
    let mut hasher = DefaultHasher::new();
    request.body.hash(&mut hasher);
    let hash = hasher.finish();
    if *seen.bodies.entry(id.clone()).or_insert(hash) != hash {
        seen.changed = Some(id.clone());
    }
    seen.attempts.push((id, success));
}

/// `p0-c3-17`: producer, conversation, number.
fn conversation_of(id: &str) -> (&str, usize) {
    let (conversation, number) = id.rsplit_once('-').unwrap();
    (conversation, number.parse().unwrap())
}

/// Tells of one event after the other, each until it is acknowledged, with a pause between them.
pub fn produce(
    producer: usize,
    pause: Duration,
    address: &Mutex<Option<SocketAddr>>,
    stop: &AtomicBool,
    acknowledged: &Mutex<BTreeSet<String>>,
) {
    let mut connection: Option<(SocketAddr, http::Connection)> = None;
    for n in 0.. {
        let conversation = n % CONVERSATIONS;
        let id = format!("p{producer}-c{conversation}-{}", n / CONVERSATIONS);
        let receiver = format!("p{producer}-c{conversation}");
        let body = calls::body_with_id(AFTER, "hello", &id).replace("user2", &receiver);
        loop {
            let Some(now) = *address.lock().unwrap() else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            if connection.as_ref().is_none_or(|(to, _)| *to != now) {
                connection = http::Connection::try_open(now).map(|open| (now, open));
            }
            let Some((_, open)) = &mut connection else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            match open.post(&calls::path(AFTER), body.as_bytes()) {
                Ok(answer) if answer.status == 200 => break,
                // Refused, or broken off: whether it was stored is not known.
                _ => connection = None,
            }
        }
        acknowledged.lock().unwrap().insert(id);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(pause);
    }
}

pub fn policy(url: &str) -> String {
    let waits = ["20ms"; 60].join(", ");
    format!(
        "endpoints: {{business: {{url: \"{url}\", breaker: {{failures: 1000000, calls_min: 1000000}}, retry_waits: [{waits}], events: {{timeout: 2s}}}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}}}\n"
    )
}

/// Runs to the end and checks everything; the error is what was broken.
fn run(plan: &Plan, mut random: Random) -> Result<Totals, String> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let temper = Arc::new(Temper::default());
    let business = receiver(random.split(), seen.clone(), temper.clone());
    let mut setup = Setup::new(&policy(&business.url()));
    if let Some(fault) = plan.fault {
        setup = setup.env("CALLGATE_FAULT", fault);
    }
    let address = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(BTreeSet::new());
    let callgate = thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (address, stop, acknowledged) = (&address, &stop, &acknowledged);
            scope.spawn(move || produce(producer, PAUSE, address, stop, acknowledged));
        }
        let mut callgate = setup.start();
        for _ in 0..plan.kills {
            *address.lock().unwrap() = Some(callgate.http);
            thread::sleep(Duration::from_millis(10 + random.below(240) as u64));
            *address.lock().unwrap() = None;
            callgate = match random.below(10) {
                0 => {
                    callgate.signal("TERM");
                    callgate.ended_within(Duration::from_secs(10));
                    callgate.into_setup().start()
                }
                _ => callgate.kill().start(),
            };
        }
        *address.lock().unwrap() = Some(callgate.http);
        thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        callgate
    });
    temper.be_good();
    let acknowledged = acknowledged.into_inner().unwrap();
    let first = drained(&callgate, plan.heal)?;
    // What was in flight at too many ends is dead; it is there all the same.
    let dead = dead_ids(&callgate);
    let server = format!("http://{}", callgate.admin);
    let replay = ["outbox", "replay", "--rate", "10000", "--server", &server];
    callgate.setup().run(&replay);
    let books = drained(&callgate, plan.heal)?;
    let seen = seen.lock().unwrap();
    let totals = Totals {
        kills: plan.kills,
        acknowledged: acknowledged.len(),
        attempts: seen.attempts.len(),
        repeats: check_seen(&seen, &acknowledged, &dead)?,
        dead: dead.len(),
    };
    if first["dead"] != dead.len() {
        return Err(format!("{} dead letters, but {first}", dead.len()));
    }
    let of = |name: &str| books[name].as_u64().unwrap() as usize;
    if of("accepted") != acknowledged.len() || of("delivered") != of("accepted") {
        let acknowledged = acknowledged.len();
        return Err(format!("{acknowledged} acknowledged, but {books}"));
    }
    // One for each conversation that was being told at an end.
    let repeats_max = plan.kills * PRODUCERS * CONVERSATIONS;
    if totals.repeats > repeats_max {
        return Err(format!("{totals:?}: more than {repeats_max} repeats"));
    }
    Ok(totals)
}

pub fn drained(callgate: &Callgate, limit: Duration) -> Result<Value, String> {
    let started = Instant::now();
    loop {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        if books["conserved"] != true {
            return Err(format!("the books do not balance: {books}"));
        }
        if books["pending"] == 0 {
            return Ok(books);
        }
        if started.elapsed() > limit {
            return Err(format!("still pending after {limit:?}: {books}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The receiver's names of the dead letters.
pub fn dead_ids(callgate: &Callgate) -> BTreeSet<String> {
    let server = format!("http://{}", callgate.admin);
    let args = [
        "outbox", "dead", "--json", "--limit", "1000000", "--server", &server,
    ];
    let listed = callgate.setup().run(&args);
    let text = String::from_utf8(listed.stdout).unwrap();
    let ids = text.lines().map(|line| {
        let letter: Value = serde_json::from_str(line).unwrap();
        let id = letter["id"].as_str().unwrap();
        // The natural id holds the server's id of the message.
        let start = id.find('p').unwrap();
        let name = |character: char| character.is_ascii_alphanumeric() || character == '-';
        id[start..].chars().take_while(|one| name(*one)).collect()
    });
    ids.collect()
}

/// Acknowledged is received, in order; counts the repeated successes.
pub fn check_seen(
    seen: &Seen,
    acknowledged: &BTreeSet<String>,
    dead: &BTreeSet<String>,
) -> Result<usize, String> {
    if let Some(id) = &seen.changed {
        return Err(format!("{id} came with two bodies"));
    }
    let mut received: BTreeMap<&str, usize> = BTreeMap::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, success) in &seen.attempts {
        if !success {
            continue;
        }
        let times = received.entry(id).or_default();
        *times += 1;
        let (conversation, number) = conversation_of(id);
        if *times > 1 || dead.contains(id) {
            continue;
        }
        match last.insert(conversation, number) {
            Some(before) if before > number => {
                return Err(format!("{id} came after {conversation}-{before}"));
            }
            _ => {}
        }
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !received.contains_key(id.as_str()))
        .collect();
    if !lost.is_empty() {
        let count = lost.len();
        return Err(format!(
            "{count} of {} lost: {:?}",
            acknowledged.len(),
            &lost[..count.min(9)]
        ));
    }
    Ok(received.values().map(|times| times - 1).sum())
}

#[test]
fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let long = std::env::var_os("CALLGATE_LONG").is_some();
    let plan = Plan {
        kills: if long { 1000 } else { 100 },
        heal: HEAL,
        fault: None,
    };
    let totals = run(&plan, Random::from_env("outbox_kill")).unwrap_or_else(|why| panic!("{why}"));
    assert!(totals.acknowledged > plan.kills * 10, "{totals:?}");
    println!(
        "{} kills, {} events acknowledged, 0 lost, {} requests, {} repeats, {} dead and replayed",
        totals.kills, totals.acknowledged, totals.attempts, totals.repeats, totals.dead
    );
}

/// Negative controls: a run that cannot fail proves nothing.
#[cfg(feature = "faults")]
mod broken_on_purpose {
    use super::*;

    fn check(fault: &'static str, wanted: &[&str]) {
        let plan = Plan {
            kills: 25,
            heal: Duration::from_secs(15),
            fault: Some(fault),
        };
        let why = run(&plan, Random::from_env(fault)).expect_err("the run saw nothing");
        println!("{fault}: {why}");
        assert!(wanted.iter().any(|wanted| why.contains(wanted)), "{why}");
    }

    #[test]
    fn an_acknowledgement_before_the_commit_is_seen() {
        check("ack_early", &["lost", "acknowledged, but"]);
    }

    #[test]
    fn an_end_before_the_answer_is_seen() {
        check("delete_early", &["lost"]);
    }

    #[test]
    fn a_retry_that_is_forgotten_is_seen() {
        check("lost_requeue", &["still pending"]);
    }

    #[test]
    fn two_of_a_key_in_flight_are_seen() {
        check("key_race", &["came after"]);
    }
}
