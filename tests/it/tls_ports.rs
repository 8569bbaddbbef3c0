//! TLS on the ports: who gets in, what is said to and of those who do not, and certificates that
//! change while calls come in.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::harness::tls::{
    Authority, HERE, Issued, Valid, call, client, connect, exchange, replace, self_signed,
};
use crate::harness::{Callgate, PATIENCE, Setup, calls, http, wait_for};

const POLICY: &str = "lists: {ads: {file: ads.txt, action: block}}\n\
                      hooks: {beforeSendSingleMsg: {filters: [ads]}}\n";
/// A caller's certificate; `None`: it has none.
type Shown<'a> = Option<&'a Issued>;

struct Files {
    directory: tempfile::TempDir,
    server: Authority,
    callers: Authority,
}

impl Files {
    /// A server's certificate, and an authority of callers.
    fn new() -> Files {
        let files = Files {
            directory: tempfile::tempdir().unwrap(),
            server: Authority::new("servers"),
            callers: Authority::new("callers"),
        };
        let issued = files.server.issue(&HERE, Valid::Now);
        issued.write(files.directory.path(), "server");
        replace(&files.path("callers.pem"), &files.callers.pem);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A start with TLS on these ports.
    fn setup(&self, ports: &[&str], client_required: Option<bool>) -> Setup {
        let setup = Setup::new(POLICY);
        setup.write("ads.txt", "spam\n");
        let mut setup = setup;
        for port in ports {
            let path = |name: &str| self.path(name).display().to_string();
            setup = setup
                .engine(&format!("{port}.tls.cert"), &path("server.pem"))
                .engine(&format!("{port}.tls.key"), &path("server.key"));
            if let Some(required) = client_required {
                setup = setup
                    .engine(&format!("{port}.tls.client_ca"), &path("callers.pem"))
                    .engine(
                        &format!("{port}.tls.client_required"),
                        &required.to_string(),
                    );
            }
        }
        setup
    }
}

fn request(text: &str) -> Vec<u8> {
    let body = calls::body("beforeSendSingleMsg", text);
    let mut request = http::head(
        "POST",
        &calls::path("beforeSendSingleMsg"),
        Some(body.len()),
    );
    request.extend_from_slice(body.as_bytes());
    request
}

/// What becomes of a call over TLS.
fn outcome(gate: &Callgate, trusts: &Authority, shows: Shown<'_>) -> Result<(), String> {
    let config = client(&trusts.pem, shows);
    let answer = call(gate.http, &config, &request("hello")).map_err(|error| error.to_string())?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

fn wait_for_log(gate: &Callgate, words: &str) {
    wait_for(words, PATIENCE, || gate.log().contains(words).then_some(()));
}

#[test]
fn a_call_over_tls_is_decided_as_one_without() {
    let files = Files::new();
    let gate = files.setup(&["http"], None).start();
    let config = client(&files.server.pem, None);
    let plain_admin = http::get(gate.admin, "/healthz");
    assert_eq!(plain_admin.status, 200);
    let mut connection = connect(gate.http, "localhost", &config).unwrap();
    for (text, blocked) in [("hello", false), ("spam", true), ("hello", false)] {
        let answer = exchange(&mut connection, &request(text)).unwrap();
        assert_eq!(answer.contains("\"nextCode\":1"), blocked, "{answer}");
    }
    assert!(
        gate.started.contains("HTTP    https://"),
        "{}",
        gate.started
    );
}

#[test]
fn callers_without_a_good_certificate_get_a_clear_refusal_and_so_does_the_log() {
    let files = Files::new();
    let gate = files.setup(&["http"], Some(true)).start();
    let good = files.callers.issue(&["spiffe://cluster/im"], Valid::Now);
    assert_eq!(outcome(&gate, &files.server, Some(&good)), Ok(()));
    let stranger = Authority::new("strangers").issue(&["im"], Valid::Now);
    let expired = files.callers.issue(&["im"], Valid::NoLonger);
    let early = files.callers.issue(&["im"], Valid::NotYet);
    let check = |shows: Shown<'_>, theirs: &str, ours: &str| {
        let refused = outcome(&gate, &files.server, shows).unwrap_err();
        assert!(refused.contains(theirs), "{refused}");
        wait_for_log(&gate, ours);
    };
    check(
        None,
        "CertificateRequired",
        "the caller showed no certificate",
    );
    check(Some(&stranger), "alert", "signed by nobody in `client_ca`");
    check(
        Some(&expired),
        "CertificateExpired",
        "the caller's certificate has expired",
    );
    check(
        Some(&early),
        "alert",
        "the caller's certificate is not valid yet",
    );
    // What the caller does not like is said on both sides too.
    let untrusting = outcome(&gate, &files.callers, Some(&good)).unwrap_err();
    assert!(untrusting.contains("UnknownIssuer"), "{untrusting}");
    wait_for_log(&gate, "the caller does not trust the authority");
    let config = client(&files.server.pem, Some(&good));
    let other_name = connect(gate.http, "callgate.example", &config)
        .err()
        .unwrap();
    assert!(
        other_name.to_string().contains("not valid for name"),
        "{other_name}"
    );
    let counted = |reason: &str| {
        let name = "callgate_tls_handshakes_failed_total";
        gate.metric(&format!("{name}{{port=\"http\",reason=\"{reason}\"}}"))
    };
    assert_eq!(counted("no_certificate"), 1.0);
    assert_eq!(counted("certificate"), 3.0);
    wait_for("both alerts", PATIENCE, || {
        (counted("alert") == 2.0).then_some(())
    });
}

#[test]
fn a_certificate_is_asked_for_but_not_required() {
    let files = Files::new();
    let gate = files.setup(&["http"], Some(false)).start();
    assert_eq!(outcome(&gate, &files.server, None), Ok(()));
    let stranger = Authority::new("strangers").issue(&["im"], Valid::Now);
    assert!(outcome(&gate, &files.server, Some(&stranger)).is_err());
    // One that signed itself is good when it stands in the file itself.
    let own = self_signed(&["im"]);
    assert!(outcome(&gate, &files.server, Some(&own)).is_err());
    replace(&files.path("callers.pem"), &own.cert);
    wait_for("the new file", PATIENCE, || {
        outcome(&gate, &files.server, Some(&own)).ok()
    });
}

#[test]
fn certificates_and_authorities_are_renewed_under_load_without_a_failed_call() {
    let files = Files::new();
    let gate = Arc::new(files.setup(&["http"], Some(true)).start());
    let good = files.callers.issue(&["im"], Valid::Now);
    let next_callers = Authority::new("next callers");
    let next = next_callers.issue(&["im"], Valid::Now);
    let both = format!("{}{}", files.callers.pem, next_callers.pem);
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let config = client(&files.server.pem, Some(&good));
    let load = |fresh: bool| {
        let (gate, stop, calls) = (gate.clone(), stop.clone(), calls.clone());
        let config = config.clone();
        thread::spawn(move || {
            let mut kept = connect(gate.http, "localhost", &config).unwrap();
            while !stop.load(Ordering::Relaxed) {
                if fresh {
                    kept = connect(gate.http, "localhost", &config).unwrap();
                }
                exchange(&mut kept, &request("hello")).unwrap();
                calls.fetch_add(1, Ordering::Relaxed);
            }
            // What was open before a change still is after it.
            exchange(&mut kept, &request("hello")).unwrap();
        })
    };
    let loads = [load(false), load(true), load(true)];
    let fingerprint = || {
        gate.status()["tls"][0]["sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for _ in 0..2 {
        let before = fingerprint();
        let renewed = files.server.issue(&HERE, Valid::Now);
        renewed.write(files.directory.path(), "server");
        wait_for("the renewed certificate", PATIENCE, || {
            (fingerprint() != before).then_some(())
        });
    }
    replace(&files.path("callers.pem"), &both);
    wait_for("the authority that was added", PATIENCE, || {
        outcome(&gate, &files.server, Some(&next)).ok()
    });
    let so_far = calls.load(Ordering::Relaxed);
    wait_for("calls after it", PATIENCE, || {
        (calls.load(Ordering::Relaxed) > so_far + 10).then_some(())
    });
    stop.store(true, Ordering::Relaxed);
    for load in loads {
        load.join().unwrap();
    }
    // The one that was taken away: not even a session from before lets it in.
    replace(&files.path("callers.pem"), &next_callers.pem);
    wait_for("the authority that was removed", PATIENCE, || {
        let config = config.clone();
        call(gate.http, &config, &request("hello")).err()
    });
    assert_eq!(outcome(&gate, &files.server, Some(&next)), Ok(()));
}

#[test]
fn bad_files_leave_what_was_there_before_in_force_and_are_reported() {
    let files = Files::new();
    let gate = files.setup(&["http"], None).start();
    let rejected = "callgate_tls_files_rejected{used_by=\"http\"}";
    let days = gate.metric("callgate_tls_certificate_days_left{used_by=\"http\"}");
    assert!(days > 1000.0, "{days}");
    assert_eq!(gate.metric(rejected), 0.0);
    let cert = files.path("server.pem");
    let whole = fs::read_to_string(&cert).unwrap();
    let half = &whole[..whole.len() / 2];
    let other = files.server.issue(&HERE, Valid::Now).cert;
    let expired = files.server.issue(&HERE, Valid::NoLonger);
    let expect = |words: &str| {
        let problem = wait_for(words, PATIENCE, || {
            let problem = gate.status()["tls"][0]["problems"][0].clone();
            problem["what"].as_str()?.contains(words).then_some(problem)
        });
        assert_eq!(problem["file"], cert.display().to_string());
        assert_eq!(problem["path"], "http.tls");
        assert!(!problem["way_out"].as_str().unwrap().is_empty());
        wait_for_log(&gate, words);
        assert_eq!(gate.metric(rejected), 1.0);
        assert_eq!(outcome(&gate, &files.server, None), Ok(()));
    };
    fs::write(&cert, half).unwrap();
    expect("is cut off");
    replace(&cert, &other);
    expect("the key does not fit the certificate");
    fs::write(&cert, "").unwrap();
    expect("is empty");
    fs::remove_file(&cert).unwrap();
    expect("cannot be read");
    expired.write(files.directory.path(), "server");
    expect("expired on 2020-01-01");
    // As Kubernetes does it: the files are links, and what they lead through is swapped.
    let good = files.server.issue(&HERE, Valid::Now);
    let mounted = files.path("..data");
    fs::create_dir(files.path("v1")).unwrap();
    good.write(&files.path("v1"), "server");
    std::os::unix::fs::symlink(files.path("v1"), &mounted).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::remove_file(files.path(name)).unwrap();
        std::os::unix::fs::symlink(mounted.join(name), files.path(name)).unwrap();
    }
    wait_for("the files behind links", PATIENCE, || {
        (gate.metric(rejected) == 0.0).then_some(())
    });
    let before = gate.status()["tls"][0]["sha256"].clone();
    let renewed = files.server.issue(&HERE, Valid::Now);
    fs::create_dir(files.path("v2")).unwrap();
    renewed.write(&files.path("v2"), "server");
    std::os::unix::fs::symlink(files.path("v2"), files.path("..next")).unwrap();
    fs::rename(files.path("..next"), &mounted).unwrap();
    wait_for("the swapped link", PATIENCE, || {
        (gate.status()["tls"][0]["sha256"] != before).then_some(())
    });
    assert_eq!(outcome(&gate, &files.server, None), Ok(()));
}

#[test]
fn half_handshakes_hold_no_place_for_longer_than_a_head_may_take_and_keep_nobody_out() {
    let files = Files::new();
    let gate = files
        .setup(&["http"], None)
        .engine("connections.head_timeout", "2s")
        .engine("http.connections_max", "200")
        .engine("http.connections_per_peer_max", "200")
        .start();
    let hello = [0x16, 3, 1, 2, 0, 1];
    let started = Instant::now();
    let mut silent = TcpStream::connect(gate.http).unwrap();
    let halves: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(gate.http).unwrap();
            let _ = stream.write_all(&hello);
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(outcome(&gate, &files.server, None), Ok(()));
    }
    let mut all = halves;
    all.push(silent.try_clone().unwrap());
    for stream in &mut all {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A close or a reset: its end.
        let ended = stream.read(&mut [0; 64]);
        assert!(
            !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "{ended:?}"
        );
    }
    let _ = silent.read(&mut [0; 1]);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[test]
fn bytes_of_the_wrong_language_get_a_clear_word_and_break_nothing() {
    let files = Files::new();
    let gate = files
        .setup(&["http", "grpc"], None)
        .engine("log.level", "debug")
        .start();
    let answer = http::post(gate.http, "/callbackExample", "{}");
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("call it by https://"),
        "{}",
        answer.text()
    );
    wait_for_log(&gate, "it speaks plain text");
    for bytes in [
        &b"\x00\xff\x00garbage"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x80\x80",
        b"\x16\x03\x01\x00\x02\x01\x00",
    ] {
        let mut stream = TcpStream::connect(gate.http).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // The reverse: TLS to the operators' port, which speaks plain text.
    let config = client(&files.server.pem, None);
    assert!(connect(gate.admin, "localhost", &config).is_err());
    wait_for_log(&gate, "TLS came to a port that speaks plain text");
    // The gRPC port offers h2 alone.
    let mut old = (*config).clone();
    old.alpn_protocols = vec![b"http/1.1".to_vec()];
    let refused = connect(gate.grpc, "localhost", &Arc::new(old))
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    let mut new = (*config).clone();
    new.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let connection = connect(gate.grpc, "localhost", &Arc::new(new)).unwrap();
    assert_eq!(connection.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(outcome(&gate, &files.server, None), Ok(()));
}

#[test]
fn check_and_the_start_say_what_is_wrong_with_the_files() {
    let files = Files::new();
    let directory = files.directory.path();
    let issued = files.server.issue(&HERE, Valid::Now);
    let check = |cert: &str, key: &str, words: &[&str]| {
        replace(&files.path("server.pem"), cert);
        replace(&files.path("server.key"), key);
        let setup = files.setup(&["admin"], None);
        let output = setup.run(&["check"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), words.is_empty(), "{text}");
        let started = setup.command(&["serve"]);
        if !words.is_empty() {
            let mut started = started;
            let output = started.output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{errors}");
            for word in words {
                assert!(errors.contains(word), "{word} in {errors}");
            }
        }
        for word in words {
            assert!(text.contains(word), "{word} in {text}");
        }
        let lines = text.lines().filter(|line| line.contains("admin.tls"));
        assert_eq!(lines.count(), usize::from(!words.is_empty()), "{text}");
    };
    check(&issued.cert, &issued.key, &[]);
    let chain = format!("{}{}", issued.cert, files.server.pem);
    check(&chain, &issued.key, &[]);
    let reversed = format!("{}{}", files.server.pem, issued.cert);
    check(
        &reversed,
        &issued.key,
        &["server.pem: admin.tls: is in the wrong order", "first"],
    );
    let unrelated = format!("{}{}", issued.cert, files.callers.pem);
    check(
        &unrelated,
        &issued.key,
        &["certificate 2 did not sign certificate 1"],
    );
    let other = files.server.issue(&HERE, Valid::Now);
    check(
        &issued.cert,
        &other.key,
        &["the key does not fit the certificate"],
    );
    let expired = files.server.issue(&HERE, Valid::NoLonger);
    check(
        &expired.cert,
        &expired.key,
        &[
            "the certificate expired on 2020-01-01T00:00:00Z",
            "renew it",
        ],
    );
    let early = files.server.issue(&HERE, Valid::NotYet);
    check(
        &early.cert,
        &early.key,
        &["is not valid before 2110-01-01", "clock"],
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(
        &issued.cert,
        encrypted,
        &[
            "server.key: admin.tls: the key is encrypted",
            "openssl pkey",
        ],
    );
    check(
        &issued.cert,
        &issued.cert,
        &["server.key: admin.tls: holds no private key"],
    );
    check(
        &issued.key,
        &issued.key,
        &["server.pem: admin.tls: holds no certificate"],
    );
    check(
        "0\u{1}",
        &issued.key,
        &["is DER and not PEM", "openssl x509 -inform der"],
    );
    issued.write(directory, "server");
    fs::remove_file(files.path("server.key")).unwrap();
    let output = files.setup(&["admin"], None).run(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("server.key: admin.tls: cannot be read: No such file"),
        "{text}"
    );
}
