//! A PostgreSQL of the tests' own: a fresh cluster in a folder of its own on a free port, never the
//! machine's. It ends with the process that started it, however that ends: a shell waits for the end
//! of a pipe that only this process holds open.
//!
//! With `CALLGATE_TEST_POSTGRES` a cluster that `tests/run` started serves all of its processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// What starts a cluster, says so, waits for the end of its input, and removes everything.
///
/// As root it goes on as another user, for PostgreSQL does not run as root. With the URL of a
/// server it makes a standby of that one.
const KEEPER: &str = r#"
trap '' HUP INT TERM
bin=$1 folder=$2 port=$3 primary=$4 as=
if [ "$(id -u)" -eq 0 ]; then
    user=$(getent passwd postgres nobody | head -n 1 | cut -d: -f1)
    chown "$user" "$folder"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
cd "$folder" || exit 1
{
    if [ -n "$primary" ]; then
        $as "$bin/pg_basebackup" -R --no-sync -c fast -d "$primary" -D "$folder/data"
        rm -f data/log
        echo "synchronous_standby_names = ''" >>data/postgresql.auto.conf
        echo "port = $port" >>data/postgresql.conf
    else
        echo callgate >password
        chmod 644 password
        $as "$bin/initdb" --no-sync -A scram-sha-256 -U callgate --pwfile=password -E UTF8 --no-locale -D "$folder/data"
        cat >>data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 300
max_locks_per_transaction = 64
log_min_messages = warning
END
    fi
    $as "$bin/pg_ctl" start -w -t 120 -D "$folder/data" -l "$folder/data/log"
} >"$folder/start" 2>&1 && echo started || { cat "$folder/start" "$folder/data/log" >&2; echo failed; }
read -r _
$as "$bin/pg_ctl" stop -m immediate -D "$folder/data" >/dev/null 2>&1
cd / && rm -rf "$folder"
"#;

/// One running server.
pub(crate) struct Cluster {
    pub(crate) port: u16,
    /// Of the server's programs, and of its data: to stop and kill it.
    pub(crate) bin: PathBuf,
    pub(crate) data: PathBuf,
    _keeper: Option<(Child, ChildStdin)>,
}

impl Cluster {
    /// Starts one; `None` where PostgreSQL 15 or later is not installed, which is said.
    pub(crate) fn start() -> Option<Cluster> {
        if !is_here() {
            return None;
        }
        let bin = programs()?;
        for _ in 0..5 {
            // Another program may take the port before the server does.
            if let Some(cluster) = Cluster::try_start(&bin, free_port()?, "") {
                return Some(cluster);
            }
        }
        panic!("no PostgreSQL could be started");
    }

    /// Starts a standby of this server on a port, and waits until every commit waits for it.
    pub(crate) fn standby(&self, port: u16) -> Cluster {
        // Another program may have the port for a while.
        let start = |_| Cluster::try_start(&self.bin, port, &self.url());
        let standby = (0..10).find_map(start).expect("a standby can be started");
        self.ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.ask("SELECT pg_reload_conf()");
        let state = "SELECT sync_state FROM pg_stat_replication";
        while self.ask(state) != "sync" {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        standby
    }

    /// Makes a standby the server that is written to.
    pub(crate) fn promote(&self) {
        let mut promote = self.control();
        promote
            .args(["promote", "-w", "-t", "120", "-D"])
            .arg(&self.data);
        promote.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(promote.status().expect("pg_ctl").success());
    }

    /// Has a standby receive nothing more, as if its network were cut.
    pub(crate) fn stop_following(&self) {
        self.ask("ALTER SYSTEM SET primary_conninfo = ''");
        self.ask("SELECT pg_reload_conf()");
        while self.ask("SELECT count(*) FROM pg_stat_wal_receiver") != "0" {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// The first column of what the server answers; empty when it does not.
    pub(crate) fn ask(&self, sql: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([&self.url(), "-Atc", sql]).stderr(Stdio::null());
        let answer = psql.output().expect("psql").stdout;
        String::from_utf8_lossy(&answer).trim().to_owned()
    }

    /// Starts one whose commits are on the disk of a folder, as a real one's are.
    pub(crate) fn start_on_disk(folder: &Path) -> Option<Cluster> {
        let bin = is_here().then(programs)??;
        let cluster = Cluster::try_start_in(Some(folder), &bin, free_port()?, "")?;
        cluster
            .set("fsync = on\nfull_page_writes = on\nshared_buffers = 512MB\nmax_wal_size = 4GB\n");
        cluster.stop_at_once();
        cluster.start_again();
        Some(cluster)
    }

    fn try_start(bin: &Path, port: u16, primary: &str) -> Option<Cluster> {
        Cluster::try_start_in(None, bin, port, primary)
    }

    fn try_start_in(
        parent: Option<&Path>,
        bin: &Path,
        port: u16,
        primary: &str,
    ) -> Option<Cluster> {
        // In memory where the machine offers it: syncs are not what is tested.
        let prefixed = |parent: &Path| {
            let mut made = tempfile::Builder::new();
            made.prefix("callgate-postgres-").tempdir_in(parent)
        };
        let folder = prefixed(parent.unwrap_or(Path::new("/dev/shm")));
        let folder = folder.or_else(|_| prefixed(&std::env::temp_dir()));
        let folder = folder.ok()?.keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([bin, &folder])
            .args([port.to_string().as_str(), primary])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let stdin = keeper.stdin.take()?;
        let mut said = String::new();
        BufReader::new(keeper.stdout.take()?)
            .read_line(&mut said)
            .ok()?;
        (said.trim() == "started").then(|| Cluster {
            port,
            bin: bin.to_owned(),
            data: folder.join("data"),
            _keeper: Some((keeper, stdin)),
        })
    }

    /// The one that all tests of this process share.
    pub(crate) fn shared() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        let start = || match std::env::var("CALLGATE_TEST_POSTGRES") {
            Ok(port) => Some(Cluster {
                port: port.parse().expect("CALLGATE_TEST_POSTGRES is a port"),
                bin: programs()?,
                data: PathBuf::new(),
                _keeper: None,
            }),
            Err(_) => Cluster::start(),
        };
        SHARED.get_or_init(start).as_ref()
    }

    /// Ends the server as a power failure would, but for the disk: nothing is written any more.
    pub(crate) fn crash(&self) {
        let pids = fs::read_to_string(self.data.join("postmaster.pid")).expect("it runs");
        let pid = pids
            .lines()
            .next()
            .expect("the first line is its process")
            .to_owned();
        let children = Command::new("pgrep")
            .args(["-P", &pid])
            .output()
            .expect("pgrep");
        let children = String::from_utf8(children.stdout).expect("numbers");
        // The parent first, so that it tidies nothing up after the others.
        let mut kill = Command::new("kill");
        kill.arg("-9").arg(&pid).args(children.split_whitespace());
        kill.stderr(Stdio::null()).status().expect("kill");
    }

    /// Stops the server without tidying up.
    pub(crate) fn stop_at_once(&self) {
        let mut stop = self.control();
        stop.args(["stop", "-m", "immediate", "-D"]).arg(&self.data);
        stop.stdout(Stdio::null()).stderr(Stdio::null());
        stop.status().expect("pg_ctl");
    }

    /// `pg_ctl`, as the user that the data belongs to.
    fn control(&self) -> Command {
        let program = self.bin.join("pg_ctl");
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let owner = fs::metadata(&self.data).expect("its data");
        let (uid, gid) = (owner.uid().to_string(), owner.gid().to_string());
        let mut control = Command::new("setpriv");
        control
            .args(["--reuid", &uid, "--regid", &gid, "--clear-groups"])
            .arg(program);
        control
    }

    /// Sets what `postgresql.conf` says, for the next start.
    pub(crate) fn set(&self, lines: &str) {
        let file = self.data.join("postgresql.conf");
        let before = fs::read_to_string(&file).expect("its settings");
        fs::write(file, before + lines).expect("its settings");
    }

    /// A file in its folder that it alone can read.
    pub(crate) fn add(&self, name: &str, text: &str) {
        let file = self.data.join(name);
        fs::write(&file, text).expect("its folder");
        let owner = fs::metadata(&self.data).expect("its data");
        std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).expect("its owner");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    /// Starts the server again, after a crash or `pg_ctl stop`.
    pub(crate) fn start_again(&self) {
        for _ in 0..200 {
            let mut start = self.control();
            start
                .args(["start", "-w", "-t", "60", "-D"])
                .arg(&self.data);
            start.arg("-l").arg(self.data.join("log"));
            start.stdout(Stdio::null()).stderr(Stdio::null());
            // Processes of before may still be ending.
            if start.status().expect("setpriv").success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL does not start again");
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://callgate:callgate@127.0.0.1:{}/postgres",
            self.port
        )
    }
}

/// Whether PostgreSQL is installed; if not, that is said.
pub(crate) fn is_here() -> bool {
    let is_here = programs().is_some();
    if !is_here {
        let skipped = "skipped: no PostgreSQL 15 or later (Debian: apt-get install postgresql-15)";
        eprintln!("{skipped}");
        // Who runs everything leaves nothing out.
        assert!(
            std::env::var_os("CALLGATE_SKIP_NOTHING").is_none(),
            "{skipped}"
        );
    }
    is_here
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Option<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").ok()?;
    Some(listener.local_addr().ok()?.port())
}

/// The newest server's programs, where Debian and others put them.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let numbered = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let bin = version.path().join("bin");
        (number >= 15 && bin.join("initdb").exists()).then_some((number, bin))
    });
    numbered.max().map(|(_, bin)| bin)
}
