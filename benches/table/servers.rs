//! The processes that are measured: callgate, a bare tonic echo, a bare axum server, which is the
//! business server too. `CALLGATE=/another/callgate` measures another build.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use callgate::proto::v1;
use callgate::proto::v1::hook_service_server::{HookService, HookServiceServer};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::memory;

/// Words in the list that every decision is checked against.
pub const WORDS: usize = 100_000;

/// Between the last write of a file and its rename.
const PUBLISHED_AFTER: Duration = Duration::from_millis(30);

/// Beside it lies what this callgate alone keeps: of others, and of earlier ones, nothing counts.
const POLICIES: &str = "policies";

/// The callgate that is measured.
pub fn program() -> OsString {
    let other = std::env::var_os("CALLGATE");
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_callgate").into())
}

/// A server process; killed when dropped.
pub struct Process {
    child: Child,
    /// Of callgate, its gRPC port.
    pub address: SocketAddr,
    /// Of callgate, its port for IM servers; the same as `address` for all others.
    pub http: SocketAddr,
    /// Of callgate, its port for operators; the same as `address` for all others.
    pub admin: SocketAddr,
    directory: Option<tempfile::TempDir>,
}

impl Process {
    /// This program again, in another role.
    pub fn own(role: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("we run from a file"));
        command.arg(format!("--server={role}"));
        command.env(memory::BY_HAND, "1");
        Process::start(command, ["listening "; 3].map(str::to_owned), None)
    }

    /// callgate with a policy of `WORDS` words, forwarding to `business` if one is given.
    pub fn callgate(business: Option<SocketAddr>) -> Process {
        Process::callgate_with(program(), &policy(business))
    }

    /// Some callgate with a policy that may use the list of `WORDS` words.
    pub fn callgate_with(program: OsString, policy: &str) -> Process {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        write_policy(directory.path(), policy);
        let command = serve(program, directory.path());
        Process::start(command, lines("http"), Some(directory))
    }

    /// The same with settings of engine.yaml, such as `HISTORY__ENABLED`, and a data directory of
    /// its own.
    pub fn callgate_set(settings: &[(&str, &str)]) -> Process {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        write_policy(directory.path(), &policy(None));
        let mut command = serve(program(), directory.path());
        for (name, value) in settings {
            command.env(format!("CALLGATE_ENGINE__{name}"), value);
        }
        Process::start(command, lines("http"), Some(directory))
    }

    /// The same for callers with a token, over TLS on its port for IM servers.
    pub fn callgate_secured(cert: &str, key: &str, token_sha256: &str) -> Process {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        write_policy(directory.path(), &policy(None));
        let path = |name: &str| directory.path().join(POLICIES).join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).expect("the directory can be written");
        };
        let read = |name: &str| std::fs::read_to_string(path(name)).expect("it was written");
        write("server.crt", cert);
        write("server.key", key);
        let policy = read("policy.yaml");
        let caller = format!("callers: {{pipeline: {{token_sha256: {token_sha256}}}}}\n");
        write("policy.yaml", &(policy + &caller));
        let tls = format!(
            "http: {{listen: \"127.0.0.1:0\", tls: {{cert: {}, key: {}}}}}",
            path("server.crt").display(),
            path("server.key").display()
        );
        let engine = read("engine.yaml");
        write(
            "engine.yaml",
            &engine.replace("http: {listen: \"127.0.0.1:0\"}", &tls),
        );
        let command = serve(program(), directory.path());
        Process::start(command, lines("https"), Some(directory))
    }

    /// Starts a program that prints its addresses behind these texts, in this order.
    fn start(
        mut command: Command,
        lines_begin: [String; 3],
        directory: Option<tempfile::TempDir>,
    ) -> Process {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut line = String::new();
        let [address, http, admin] = lines_begin.map(|begin| {
            let address = |line: &str| {
                let address = line.strip_prefix(&*begin)?.split([' ', '/']).next()?;
                address.parse().ok()
            };
            loop {
                if let Some(address) = address(&line) {
                    break address;
                }
                let next = lines.next().expect("the server prints its address");
                line = next.expect("the server prints text");
            }
        });
        // Keep reading, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        std::thread::sleep(Duration::from_millis(200));
        Process {
            child,
            address,
            http,
            admin,
            directory,
        }
    }

    /// Where its policy lies.
    pub fn policies(&self) -> PathBuf {
        let directory = self.directory.as_ref();
        directory
            .expect("it runs with a policy")
            .path()
            .join(POLICIES)
    }

    /// Writes a file of the policy, as an editor does: whole, on disk, under its name. A list that
    /// lost half of its entries is taken for one that is cut off, unless its rename is some
    /// milliseconds after its last write.
    pub fn write(&self, name: &str, text: &str) {
        let directory = self.policies();
        let draft = directory.join(format!(".{name}.draft"));
        std::fs::write(&draft, text).expect("the directory can be written");
        std::thread::sleep(PUBLISHED_AFTER);
        std::fs::rename(&draft, directory.join(name)).expect("the directory can be written");
    }

    /// What of its memory is in RAM now.
    pub fn resident_kib(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("Linux has /proc");
        let mut words = status.split_whitespace();
        words.find(|word| *word == "VmRSS:");
        let kib = words.next().and_then(|kib| kib.parse().ok());
        kib.expect("it is a number")
    }

    /// User and system time spent so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("Linux has /proc");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let ticks: u64 = [11, 12]
            .iter()
            .map(|at| fields[*at].parse::<u64>().unwrap_or(0))
            .sum();
        ticks as f64 / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands before the addresses in what callgate prints when it has started.
fn lines(scheme: &str) -> [String; 3] {
    [
        "  gRPC    ".to_owned(),
        format!("  HTTP    {scheme}://"),
        "  status  http://".to_owned(),
    ]
}

fn policy(business: Option<SocketAddr>) -> String {
    let endpoint = match business {
        Some(address) => format!(
            "endpoints:\n  business: {{url: \"http://{address}/callback\", in_flight_max: 1024}}\n"
        ),
        None => String::new(),
    };
    let forward = if business.is_some() {
        ", endpoint: business"
    } else {
        ""
    };
    format!(
        "{endpoint}lists:\n  words: {{file: words.txt, action: block}}\nhooks:\n  beforeSendSingleMsg: {{filters: [words], timeout: 2{forward}}}\n"
    )
}

fn serve(program: OsString, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("serve")
        .arg("--policies")
        .arg(directory.join(POLICIES));
    command.env("CALLGATE_ENGINE__DATA", directory.join("data"));
    command
}

fn write_policy(directory: &Path, policy: &str) {
    let engine = "grpc: {listen: \"127.0.0.1:0\"}\nhttp: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\noutbox: {kind: memory}\nlog: {level: error}\n";
    let directory = directory.join(POLICIES);
    std::fs::create_dir(&directory).expect("the directory can be written");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.join(name), text).expect("the directory can be written");
    };
    write("policy.yaml", policy);
    write("engine.yaml", engine);
    write("words.txt", &super::scan::words(WORDS).join("\n"));
}

/// Runs one of our own servers until it is killed.
pub fn run(role: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        println!("listening {address}");
        match role {
            "echo" => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let _ = tonic::transport::Server::builder()
                    .add_service(HookServiceServer::new(Echo))
                    .serve_with_incoming(incoming)
                    .await;
            }
            role => {
                let takes = match role {
                    "slow" => Duration::from_millis(50),
                    _ => Duration::ZERO,
                };
                let answer = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;
                let app = Router::new().fallback(post(move |_: axum::body::Bytes| async move {
                    if !takes.is_zero() {
                        tokio::time::sleep(takes).await;
                    }
                    answer
                }));
                let _ = axum::serve(listener, app).await;
            }
        }
    });
    ExitCode::SUCCESS
}

/// Decodes the request and answers with as much as an allow needs.
struct Echo;

#[tonic::async_trait]
impl HookService for Echo {
    async fn before(
        &self,
        request: Request<v1::BeforeRequest>,
    ) -> Result<Response<v1::BeforeResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(v1::BeforeResponse {
            action: 1,
            content: request.message.map(|message| message.content),
            request_id: request.request_id,
            ..v1::BeforeResponse::default()
        }))
    }

    type BeforeStreamStream = tokio_stream::Empty<Result<v1::BeforeResponse, Status>>;

    async fn before_stream(
        &self,
        _: Request<Streaming<v1::BeforeRequest>>,
    ) -> Result<Response<Self::BeforeStreamStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn after(
        &self,
        _: Request<v1::AfterRequest>,
    ) -> Result<Response<v1::AfterResponse>, Status> {
        Ok(Response::new(v1::AfterResponse::default()))
    }

    async fn capabilities(
        &self,
        _: Request<v1::CapabilitiesRequest>,
    ) -> Result<Response<v1::CapabilitiesResponse>, Status> {
        Ok(Response::new(v1::CapabilitiesResponse::default()))
    }
}
