//! Callers that are known by their certificates, on real connections of both ports, and secrets
//! and certificates that change while calls come in.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use callgate::policy::Digest;
use callgate::proto::v1;
use callgate::proto::v1::hook_service_client::HookServiceClient;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tonic::transport::Endpoint;

use crate::harness::calls::{self, SINGLE};
use crate::harness::tls::{Authority, HERE, Issued, Valid, call, client, replace};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const TOKEN: &str = "token-of-the-pipeline";

struct Files {
    directory: tempfile::TempDir,
    servers: Authority,
    callers: Authority,
}

impl Files {
    fn new() -> Files {
        let files = Files {
            directory: tempfile::tempdir().unwrap(),
            servers: Authority::new("servers"),
            callers: Authority::new("callers"),
        };
        files.renew();
        replace(&files.path("callers.pem"), &files.callers.pem);
        files
    }

    /// Another certificate of the server, by the same authority.
    fn renew(&self) {
        let issued = self.servers.issue(&HERE, Valid::Now);
        issued.write(self.directory.path(), "server");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Both ports take certificates of callers, and let in whoever has none.
    fn start(&self, policy: &str) -> Callgate {
        let mut setup = Setup::new(policy);
        for port in ["http", "grpc"] {
            for (key, name) in [
                ("cert", "server.pem"),
                ("key", "server.key"),
                ("client_ca", "callers.pem"),
            ] {
                let path = self.path(name).display().to_string();
                setup = setup.engine(&format!("{port}.tls.{key}"), &path);
            }
        }
        setup.start()
    }
}

fn policy(callers: &str) -> String {
    format!("callers: {{{callers}}}\nhooks: {{{SINGLE}: {{}}}}\n")
}

fn fingerprint(issued: &Issued) -> String {
    let der = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap();
    format!("sha256:{}", Digest::of(&der))
}

fn request(lines: &str) -> Vec<u8> {
    let body = calls::body(SINGLE, "hello");
    let mut request = http::head("POST", &calls::path(SINGLE), Some(body.len()));
    request.truncate(request.len() - 2);
    request.extend_from_slice(format!("{lines}\r\n{body}").as_bytes());
    request
}

/// The status of a call over HTTP, on a connection of its own.
fn over_http(gate: &Callgate, files: &Files, shows: Option<&Issued>) -> String {
    let config = client(&files.servers.pem, shows);
    let answer = call(gate.http, &config, &request("")).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// The same over gRPC, through tonic.
fn over_grpc(
    gate: &Callgate,
    files: &Files,
    shows: Option<&Issued>,
) -> Result<v1::BeforeResponse, tonic::Status> {
    let mut config = (*client(&files.servers.pem, shows)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let address = gate.grpc;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let stream = tokio::net::TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").unwrap();
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connect).await.unwrap();
        let answer = HookServiceClient::new(channel)
            .before(calls::request(SINGLE, "hello"))
            .await;
        answer.map(tonic::Response::into_inner)
    })
}

#[test]
fn a_certificate_is_a_caller_by_name_or_fingerprint_until_the_policy_says_otherwise() {
    let files = Files::new();
    let mesh = files.callers.issue(&["spiffe://cluster/im"], Valid::Now);
    let named = files.callers.issue(&["im.example"], Valid::Now);
    let pinned = files.callers.issue(&["any.example"], Valid::Now);
    let other = files.callers.issue(&["other.example"], Valid::Now);
    let all = format!(
        "mesh: {{certificates: [\"spiffe://cluster/im\"]}}, named: {{certificates: [IM.example]}}, pinned: {{certificates: [\"{}\"]}}",
        fingerprint(&pinned)
    );
    let gate = files.start(&policy(&all));
    for good in [&mesh, &named, &pinned] {
        assert_eq!(over_http(&gate, &files, Some(good)), "200");
        assert!(over_grpc(&gate, &files, Some(good)).is_ok());
    }
    for bad in [Some(&other), None] {
        assert_eq!(over_http(&gate, &files, bad), "401");
        let refused = over_grpc(&gate, &files, bad).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    }
    let refused = "callgate_callers_refused_total{reason=\"certificate\"}";
    assert_eq!(gate.metric(refused), 2.0);
    assert_eq!(
        gate.metric("callgate_caller_calls_total{caller=\"pinned\"}"),
        2.0
    );
    assert!(
        gate.log().contains("reason=\"certificate\""),
        "{}",
        gate.log()
    );
    // Taken out of the policy while it runs, also on a connection that is open.
    let config = client(&files.servers.pem, Some(&mesh));
    let mut open = crate::harness::tls::connect(gate.http, "localhost", &config).unwrap();
    let mut again = || crate::harness::tls::exchange(&mut open, &request("")).unwrap();
    assert!(again().starts_with("HTTP/1.1 200"));
    gate.setup()
        .write("policy.yaml", policy("named: {certificates: [im.example]}"));
    wait_for("the removal", PATIENCE, || {
        (over_http(&gate, &files, Some(&pinned)) == "401").then_some(())
    });
    assert!(again().starts_with("HTTP/1.1 401"));
    let refused = over_grpc(&gate, &files, Some(&mesh)).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    assert_eq!(over_http(&gate, &files, Some(&named)), "200");
}

/// The server's certificate, the callers' authority, a caller's certificate, its token in the policy
/// and its token in a file: each is changed some times while honest callers call.
#[test]
fn no_honest_call_fails_while_secrets_and_certificates_change() {
    let files = Files::new();
    let token_file = files.path("token");
    fs::write(&token_file, "file-token-0-of-sixteen\n").unwrap();
    let other = Authority::new("new callers");
    let by_certificate = files.callers.issue(&["im.example"], Valid::Now);
    let by_new_authority = other.issue(&["im.example"], Valid::Now);
    let rules = |tokens: &str| {
        policy(&format!(
            "mesh: {{certificates: [im.example]}}, pipeline: {{token_sha256: [{tokens}]}}, filed: {{token_file: {}}}",
            token_file.display()
        ))
    };
    let sha = |token: &str| Digest::of(token.as_bytes()).to_string();
    let gate = files.start(&rules(&sha(TOKEN)));
    let (stop, made, turns) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let ask = |shows: Option<&Issued>, token: &str| {
        let config = client(&files.servers.pem, shows);
        let lines = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        call(gate.http, &config, &request(&lines))
    };
    let honest = |shows: Option<&Issued>, token: &str| {
        while !stop.load(Ordering::Relaxed) {
            let answer = ask(shows, token).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{token}: {answer}");
            made.fetch_add(1, Ordering::Relaxed);
        }
    };
    // So many calls of the honest later.
    let later = |calls: usize| {
        let from = made.load(Ordering::Relaxed);
        wait_for("honest calls", PATIENCE, || {
            (made.load(Ordering::Relaxed) >= from + calls).then_some(())
        });
    };
    let wait_until = |what: &str, shows: Option<&Issued>, token: &str| {
        wait_for(what, PATIENCE, || {
            let answer = ask(shows, token).ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
        turns.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        let callers = [
            scope.spawn(|| honest(Some(&by_certificate), "")),
            scope.spawn(|| honest(None, TOKEN)),
            scope.spawn(|| honest(None, "file-token-0-of-sixteen")),
        ];
        let renewed = || gate.status()["tls"].to_string();
        for turn in 1..4 {
            let before = renewed();
            files.renew();
            wait_for("the new certificate", PATIENCE, || {
                (renewed() != before).then_some(())
            });
            // Both authorities, then both tokens, each new one beside the old one.
            let both = format!("{}{}", files.callers.pem, other.pem);
            replace(&files.path("callers.pem"), &both);
            wait_until("the new authority", Some(&by_new_authority), "");
            let token = format!("policy-token-{turn}-of-sixteen");
            let both = format!("{}, {}", sha(TOKEN), sha(&token));
            gate.setup().write("policy.yaml", rules(&both));
            wait_until("the new token", None, &token);
            let token = format!("file-token-{turn}-of-sixteen");
            fs::write(&token_file, format!("file-token-0-of-sixteen {token}\n")).unwrap();
            wait_until("the new token of the file", None, &token);
            later(5);
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().unwrap();
        }
    });
    assert_eq!(turns.load(Ordering::Relaxed), 9);
}
