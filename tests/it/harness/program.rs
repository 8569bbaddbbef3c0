//! The real program: its files, its start, its ports and its end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Grpc, PATIENCE, http, wait_for};

/// A policy directory with what else a start needs; deleted at the end of the test.
pub struct Setup {
    directory: TempDir,
    env: Vec<(String, String)>,
    /// What a shell does before it becomes the program.
    before: Option<String>,
}

impl Setup {
    /// A directory with this `policy.yaml`, all ports free ones, the outbox beside it.
    pub fn new(policy: &str) -> Setup {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("policies")).unwrap();
        let setup = Setup {
            directory,
            env: Vec::new(),
            before: None,
        };
        let engine = format!(
            "grpc: {{listen: \"127.0.0.1:0\"}}\nhttp: {{listen: \"127.0.0.1:0\"}}\n\
             admin: {{listen: \"127.0.0.1:0\"}}\nshutdown_grace: 5s\n\
             outbox: {{path: {}}}\n",
            setup.directory.path().join("data/outbox.db").display()
        );
        setup.write("policy.yaml", policy);
        setup.write("engine.yaml", &engine);
        setup
    }

    /// Starts with the policy that is shipped.
    pub fn shipped() -> Setup {
        let setup = Setup::new("");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        copy_all(&shipped, &setup.policies());
        setup
    }

    pub fn policies(&self) -> PathBuf {
        self.directory.path().join("policies")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.policies().join(name), text).unwrap();
    }

    /// Sets one engine setting, such as `http.body_bytes_max`.
    pub fn engine(self, key: &str, value: &str) -> Setup {
        let key = key.to_uppercase().replace('.', "__");
        self.env(&format!("CALLGATE_ENGINE__{key}"), value)
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs these commands of a shell first, such as `ulimit -n 256`.
    pub fn shell(mut self, before: &str) -> Setup {
        self.before = Some(before.to_owned());
        self
    }

    /// The program with arguments, and nothing of the environment but what this test set.
    pub fn command(&self, args: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_callgate");
        let mut command = Command::new(program);
        if let Some(before) = &self.before {
            command = Command::new("bash");
            let script = format!("{before}; exec \"$0\" \"$@\"");
            command.args(["-c", &script, program]);
        }
        command
            .args(args)
            .arg("--policies")
            .arg(self.policies())
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.iter().cloned());
        command
    }

    /// Runs a command that ends by itself.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn start(self) -> Callgate {
        let running = self.start_with_log(Stdio::piped());
        wait_for("/readyz", PATIENCE, || {
            (http::get(running.admin, "/readyz").status == 200).then_some(())
        });
        running
    }

    /// Starts with a log that goes elsewhere; what is not `piped` cannot be read back.
    pub fn start_with_log(self, log: Stdio) -> Callgate {
        let mut command = self.command(&["serve"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let stderr = child.stderr.take().map(collect).unwrap_or_default();
        let mut running = Callgate {
            child,
            setup: Some(self),
            stderr,
            started: String::new(),
            grpc: ([0, 0, 0, 0], 0).into(),
            http: ([0, 0, 0, 0], 0).into(),
            admin: ([0, 0, 0, 0], 0).into(),
        };
        running.read_start(&lines);
        running
    }
}

/// A running program; killed when dropped.
pub struct Callgate {
    child: Child,
    setup: Option<Setup>,
    stderr: Arc<Mutex<String>>,
    /// What it printed when it started.
    pub started: String,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Callgate {
    /// Starts with this policy and all defaults.
    pub fn start(policy: &str) -> Callgate {
        Setup::new(policy).start()
    }

    pub fn setup(&self) -> &Setup {
        self.setup.as_ref().unwrap()
    }

    pub fn grpc(&self) -> Grpc {
        Grpc::connect(self.grpc)
    }

    /// Calls a hook over HTTP as OpenIM does.
    pub fn call(&self, hook: &str, text: &str) -> http::Answer {
        let body = super::calls::body(hook, text);
        http::post(self.http, &super::calls::path(hook), body)
    }

    /// The same from a certain sender.
    pub fn call_from(&self, sender: &str, hook: &str, text: &str) -> http::Answer {
        let body = super::calls::body_from(sender, hook, text);
        http::post(self.http, &super::calls::path(hook), body)
    }

    pub fn status(&self) -> serde_json::Value {
        http::get(self.admin, "/status").json()
    }

    /// The value of a metric with its labels; 0 when it was never counted.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = http::get(self.admin, "/metrics");
        metrics
            .text()
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(key, _)| *key == name)
            .map_or(0.0, |(_, value)| value.parse().unwrap())
    }

    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends what traces the process (see [`Setup::shell`]), which then goes on by itself.
    pub fn kill_tracer(&self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        let killed = Command::new("kill")
            .args(["-KILL", line.unwrap().trim()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// The most memory that the process ever had, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Sends `TERM`, `INT` or `KILL`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid)
            .status();
        assert!(sent.unwrap().success());
    }

    /// How the process ended.
    pub fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        wait_for("the end of the process", limit, || {
            self.child.try_wait().unwrap()
        })
    }

    /// Ends the process as a crash would, and leaves its files to be started again.
    pub fn kill(mut self) -> Setup {
        self.signal("KILL");
        self.ended_within(PATIENCE);
        self.into_setup()
    }

    /// The files of a process that has ended.
    pub fn into_setup(mut self) -> Setup {
        self.setup.take().unwrap()
    }

    fn read_start(&mut self, lines: &Receiver<String>) {
        let until = Instant::now() + PATIENCE;
        while !self.started.contains("try it:") {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                // The rest of its last words.
                let ended = self.child.try_wait();
                thread::sleep(Duration::from_millis(50));
                panic!(
                    "it did not start ({ended:?}): {}{}",
                    self.started,
                    self.log()
                );
            };
            if let Ok(started) = serde_json::from_str::<serde_json::Value>(&line) {
                let address = |name: &str| started[name].as_str().unwrap().parse().unwrap();
                self.grpc = address("grpc");
                self.http = address("http");
                self.admin = address("admin");
                self.started = line;
                return;
            }
            let mut words = line.split_whitespace();
            let address = |word: Option<&str>| {
                let word = word.unwrap_or_default();
                let rest = word.trim_start_matches("http://");
                let rest = rest.trim_start_matches("https://");
                rest.trim_end_matches("/status").parse().unwrap()
            };
            match words.next() {
                Some("gRPC") => self.grpc = address(words.next()),
                Some("HTTP") => self.http = address(words.next()),
                Some("status") => self.admin = address(words.next()),
                _ => {}
            }
            self.started.push_str(&line);
            self.started.push('\n');
        }
    }
}

impl Drop for Callgate {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}{}", self.started, self.log());
        }
    }
}

/// Lines as they come; the pipe is read to its end, so that the program never waits for us.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // After the start nobody listens any more.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let all = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&all);
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut chunk) {
            let text = String::from_utf8_lossy(&chunk[..read]).into_owned();
            into.lock().unwrap().push_str(&text);
        }
    });
    all
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else if entry.file_name() != "engine.yaml" {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
