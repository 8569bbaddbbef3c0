"""Measures callgate beside webhook servers written by hand.

    measure.py measure OUT [phase...]   phases: verdicts startup load memory reload; appended to OUT
    measure.py beyond OUT               writes the clean lines that a server finds something in

Every server runs on core 0, the load generator and the business server on core 1. CPU is user and
system time of the server's process. From the environment: CALLGATE (the program), PEERS (names with
commas between), ROUNDS, BASE_PORT, CALM (seconds to wait for quiet cores).
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CALLGATE = os.environ["CALLGATE"]
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BASE = int(os.environ.get("BASE_PORT", "23000"))
TARGET = f"{HERE}/target"
LOAD = f"{TARGET}/rust/release/load"
PATH = "/openim/callbackBeforeSendSingleMsgCommand"
DATA = f"{TARGET}/data"
BUSINESS = f"127.0.0.1:{BASE + 900}"
# name: port offset, requests in a saturated run of short texts, long texts, forwarded
SERVERS = {
    "callgate": (2, 60_000, 4_000, 30_000),
    "axum-echo": (10, 60_000, 8_000, 30_000),
    "axum-aho": (11, 60_000, 1_500, 30_000),
    "go-petar": (12, 20_000, 500, 10_000),
    "go-trie": (13, 20_000, 600, 10_000),
    "java": (14, 6_000, 60, 4_000),
    "node": (15, 15_000, 500, 8_000),
    "python": (16, 8_000, 300, 4_000),
    "python-httpx": (17, 0, 0, 1_500),
}
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
PEERS = os.environ.get("PEERS", "").replace(" ", ",").split(",")
SERVERS = {name: numbers for name, numbers in SERVERS.items() if name == "callgate" or name in PEERS}
OUT = sys.argv[2]


def port_of(name, forward):
    return BASE + SERVERS[name][0] + (100 if forward else 0)


def record(**row):
    row["at"] = time.strftime("%H:%M:%S")
    row["loadavg"] = open("/proc/loadavg").read().split()[0]
    with open(OUT, "a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


class Server:
    def __init__(self, name, forward, words="words.txt"):
        self.name, self.forward, self.port = name, forward, port_of(name, forward)
        self.folder = f"{TARGET}/run/{name}{'-forward' if forward else ''}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.words = f"{self.folder}/words.txt"
        shutil.copy(f"{DATA}/{words}", self.words)
        url = f"http://{BUSINESS}/callback" if forward else ""
        env = dict(os.environ, PORT=str(self.port), WORDS=self.words, BUSINESS=url)
        if name == "callgate":
            argv = self.policy(url)
        elif name == "axum-echo":
            argv = [f"{TARGET}/rust/release/naive", "echo"]
        elif name == "axum-aho":
            argv = [f"{TARGET}/rust/release/naive"]
        elif name.startswith("go-"):
            argv, env["AC"] = [f"{TARGET}/go-server"], name[3:]
        elif name == "java":
            argv = ["java", "-Xmx512m", "-jar", f"{HERE}/java/target/server.jar"]
        elif name == "node":
            argv = ["node", f"{HERE}/node/server.js"]
        else:
            argv = [f"{TARGET}/venv/bin/python", f"{HERE}/python/server.py"]
            env["CLIENT"] = "httpx" if name.endswith("httpx") else "aiohttp"
        self.addr = f"127.0.0.1:{self.port}"
        started = time.time()
        self.log = open(f"{self.folder}/log", "w")
        self.child = subprocess.Popen(["taskset", "-c", "0", *argv], env=env, cwd=self.folder, stdout=self.log, stderr=self.log)
        load("first", self.addr, PATH, f"{DATA}/verdicts.txt")
        self.start_ms = (time.time() - started) * 1000
        self.pid = self.child.pid

    def policy(self, url):
        folder = f"{self.folder}/policies"
        os.makedirs(folder)
        os.rename(self.words, f"{folder}/words.txt")
        self.words = f"{folder}/words.txt"
        head = f"callbackUrl: {url}\n" if url else ""
        with open(f"{folder}/policy.yaml", "w") as file:
            file.write(f"{head}lists:\n  words: {{file: words.txt}}\nhooks:\n  beforeSendSingleMsg: {{timeout: 500ms, failedContinue: true}}\n")
        with open(f"{folder}/engine.yaml", "w") as file:
            for at, what in enumerate(["grpc", "http", "admin"]):
                file.write(f"{what}: {{listen: \"127.0.0.1:{self.port - 1 + at}\"}}\n")
        return [CALLGATE, "serve", "--policies", folder]

    def cpu(self):
        return sum(int(n) for n in open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]) / 100

    def memory(self):
        status = dict(line.split(":", 1) for line in open(f"/proc/{self.pid}/status"))
        mib = lambda key: round(int(status[key].split()[0]) / 1024, 1)
        return {"rss": mib("VmRSS"), "anon": mib("RssAnon"), "hwm": mib("VmHWM")}

    def reload(self, edit):
        draft = self.words + ".draft"
        text = open(f"{DATA}/words.txt", encoding="utf-8").read()
        with open(draft, "w", encoding="utf-8") as file:
            file.write(f"probe{edit}word\n" + text)
        os.rename(draft, self.words)
        if self.name != "callgate":
            os.kill(self.pid, signal.SIGHUP)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def load(*args, json_out=False):
    out = subprocess.run(["taskset", "-c", "1", LOAD, *map(str, args)], stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out) if json_out else out


def busy():
    """Busy seconds of core 0 and core 1."""
    rows = [line.split() for line in open("/proc/stat") if line.startswith("cpu")]
    return [(sum(map(int, row[1:9])) - int(row[4]) - int(row[5])) / 100 for row in rows[1:3]]


CALM = float(os.environ.get("CALM", "40"))


def calm():
    """Waits until others leave the cores alone."""
    until = time.time() + CALM
    while time.time() < until:
        before = busy()
        time.sleep(0.4)
        if all(b - a < 0.05 for a, b in zip(before, busy())):
            return
        time.sleep(0.3)


def measured(server, phase, round, *args):
    calm()
    cpu, cores, started = server.cpu(), busy(), time.time()
    row = load(*args, json_out=True)
    elapsed = time.time() - started
    used = server.cpu() - cpu
    others = (busy()[0] - cores[0] - used) / elapsed
    record(phase=phase, round=round, name=server.name, cpu_us=round_to(used * 1e6 / row["done"]), per_cpu_second=round_to(row["done"] / used) if used else None,
           per_second=round_to(row["done"] / row["seconds"]), others_on_core=round_to(others), **row)


def round_to(x):
    return round(x, 3)


def started(names, forward=False):
    return [Server(name, forward) for name in names]


PLAIN = [name for name in SERVERS if name != "python-httpx"]


def verdicts():
    rows = [line.rstrip("\n").split("\t") for line in open(f"{DATA}/verdicts.txt", encoding="utf-8")]
    for server in started([name for name in PLAIN if name != "axum-echo"]):
        out = load("ask", server.addr, PATH, f"{DATA}/verdicts.txt").splitlines()
        got = {name: line.split("\t")[0] for (name, _, _), line in zip(rows, out)}
        record(phase="verdicts", name=server.name, got=got, expected={name: expect for name, expect, _ in rows})
        server.stop()


def startup():
    for round in range(ROUNDS):
        for name in PLAIN:
            for words in ["words.txt", "tiny.txt"]:
                calm()
                server = Server(name, False, words)
                cpu = server.cpu()
                time.sleep(1)
                record(phase="startup", round=round, name=name, words=words, ms=round_to(server.start_ms), cpu_s=cpu, **server.memory())
                server.stop()


def run_load():
    business = subprocess.Popen(["taskset", "-c", "1", LOAD, "business", BUSINESS])
    time.sleep(0.3)
    plain, forward = started(PLAIN), started(SERVERS, True)
    try:
        for server in plain + forward:
            record(phase="memory_idle", name=server.name, forward=server.forward, **server.memory())
        for round in range(ROUNDS + 1):  # round 0 warms up, the JVM longer than the others
            for server in plain:
                _, short, long, _ = SERVERS[server.name]
                if not round and server.name == "java":
                    load("closed", server.addr, PATH, f"{DATA}/short.txt", 32, 5 * short)
                measured(server, "short", round, "closed", server.addr, PATH, f"{DATA}/short.txt", 32, short)
                measured(server, "long", round, "closed", server.addr, PATH, f"{DATA}/long.txt", 32, long)
            for server in forward:
                if not round and server.name == "java":
                    load("closed", server.addr, PATH, f"{DATA}/short.txt", 32, 60_000)
                measured(server, "forward", round, "closed", server.addr, PATH, f"{DATA}/short.txt", 32, SERVERS[server.name][3])
        for server in plain + forward:
            record(phase="memory_loaded", name=server.name, forward=server.forward, **server.memory())
        global CALM
        CALM = float(os.environ.get("CALM_RATE", CALM))
        until = time.time() + 60 * float(os.environ.get("RATE_MINUTES", "12"))
        for round in range(1, ROUNDS + 1):
            for server in plain + forward:
                if time.time() > until:
                    return
                phase = "forward_rate" if server.forward else "rate"
                rate = 300 if server.name == "python-httpx" else 1000 if server.name in ("python", "java") and server.forward else 2000
                measured(server, phase, round, "rate", server.addr, PATH, f"{DATA}/short.txt", 32, rate, 3)
                if server.name in ("callgate", "axum-aho", "go-petar", "go-trie") and server.forward:
                    measured(server, "forward_rate1000", round, "rate", server.addr, PATH, f"{DATA}/short.txt", 32, 1000, 3)
    finally:
        for server in plain + forward:
            server.stop()
        business.terminate()
        business.wait()


def memory():
    for name in PLAIN:
        server = Server(name, False)
        load("closed", server.addr, PATH, f"{DATA}/short.txt", 32, 2000)
        time.sleep(1)
        before = server.memory()
        idle = subprocess.Popen(["taskset", "-c", "1", LOAD, "idle", server.addr, PATH, f"{DATA}/short.txt", "10000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened = json.loads(idle.stdout.readline())
        time.sleep(3)
        after = server.memory()
        idle.stdin.write("\n")
        idle.stdin.close()
        alive = json.loads(idle.stdout.readline())
        idle.wait()
        record(phase="idle_connections", name=name, before=before, after=after, **opened, **alive)
        server.stop()


def reload():
    for round in range(int(os.environ.get("RELOAD_ROUNDS", "3"))):
        for name in PLAIN:
            if name == "axum-echo":
                continue
            server = Server(name, False)
            load("closed", server.addr, PATH, f"{DATA}/short.txt", 32, SERVERS[name][1])
            args = ["rate", server.addr, PATH, f"{DATA}/short.txt", 32, 1000]
            measured(server, "reload_quiet", round, *args, 5)
            calm()
            cpu = server.cpu()
            loading = subprocess.Popen(["taskset", "-c", "1", LOAD, *map(str, args), "12"], stdout=subprocess.PIPE, text=True)
            for edit in range(3):
                time.sleep(1 if edit == 0 else 4)
                server.reload(edit)
            row = json.loads(loading.communicate()[0])
            record(phase="reload", round=round, name=name, cpu_s=round_to(server.cpu() - cpu), **server.memory(), **row)
            server.stop()


def beyond():
    """The clean lines in which callgate or sensitive-word find something that the others do not."""
    lines = open(f"{DATA}/clean_lines.txt", encoding="utf-8").read().split("\n")[:-1]
    found = set()
    for server in started([name for name in PLAIN if name in ("callgate", "java")]):
        answers = load("ask", server.addr, PATH, f"{DATA}/clean.txt").split("\n")[:-1]
        assert len(answers) == len(lines), (len(answers), len(lines))
        found.update(line for line, answer in zip(lines, answers) if not answer.startswith("0"))
        server.stop()
    with open(OUT, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in sorted(found))


STAGES = {"verdicts": verdicts, "startup": startup, "load": run_load, "memory": memory, "reload": reload}
if sys.argv[1] == "beyond":
    beyond()
else:
    for phase in sys.argv[3:] or STAGES:
        STAGES[phase]()
