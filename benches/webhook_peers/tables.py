"""Tables of medians, their spread, and ratios to callgate: tables.py RESULTS.jsonl..."""
import json, statistics as st, sys
rows = [json.loads(line) for path in sys.argv[1:] for line in open(path)]
NAMES = ["callgate", "axum-echo", "axum-aho", "go-petar", "go-trie", "java", "node", "python", "python-httpx"]

def pick(phase, **where):
    return [r for r in rows if r["phase"] == phase and all(r.get(k) == v for k, v in where.items())]

def table(title, phase, key, unit, fmt="{:.1f}", warm=True, **where):
    found = {n: [r for r in pick(phase, name=n, **where) if not (warm and r.get("round") == 0)] for n in NAMES}
    if not any(found.values()):
        return
    print(f"\n### {title}\n\n| server | median, {unit} | min to max | rounds | ratio to callgate, median of the rounds (min to max) | errors | wrong |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    base = {r.get("round"): r[key] for r in found["callgate"] if r.get(key)}
    for n in NAMES:
        values = [r[key] for r in found[n] if r.get(key) is not None]
        if not values:
            continue
        ratios = [r[key] / base[r.get("round")] for r in found[n] if r.get(key) is not None and base.get(r.get("round"))]
        ratio = f"{st.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
        print(f"| {n} | {fmt.format(st.median(values))} | {fmt.format(min(values))} to {fmt.format(max(values))} | {len(values)} | {ratio} | {sum(r.get('errors', 0) for r in found[n])} | {sum(r.get('wrong', 0) for r in found[n])} |")
    others = [r["others_on_core"] for rs in found.values() for r in rs if "others_on_core" in r]
    if others:
        print(f"\nOther programs took {st.median(others) * 100:.0f} % of the server's core (median; {min(others) * 100:.0f} to {max(others) * 100:.0f} %).")

print("# callgate beside webhook servers written by hand\n\nOne core for each server, medians over interleaved rounds. Ratios above 1: the peer needs more than callgate (CPU, time, memory).")
v = pick("verdicts")
if v:
    v = {r["name"]: r for r in v}
    print("\n### Verdicts (1 = block; `policy` is what NFKC + case fold + substring says)\n\n| text | policy | " + " | ".join(n for n in NAMES if n in v) + " |\n| --- |" + " --- |" * (1 + len(v)))
    for text, expect in next(iter(v.values()))["expected"].items():
        print(f"| {text} | {expect} | " + " | ".join(g if (g := v[n]["got"][text]) == expect else f"**{g}**" for n in NAMES if n in v) + " |")
table("CPU a request, short text, 32 connections, saturated", "short", "cpu_us", "us")
table("CPU a request, text of 20 kB, saturated", "long", "cpu_us", "us")
table("CPU a request, forwarded, saturated", "forward", "cpu_us", "us")
for phase, what in [("short", "short text, saturated, 32 connections"), ("long", "20 kB, saturated"), ("forward", "forwarded, saturated")]:
    table(f"Requests a second of CPU: {what}", phase, "per_cpu_second", "requests", "{:.0f}")
    table(f"p99: {what}", phase, "p99", "us", "{:.0f}")
for phase, what in [("rate", "2,000 a second, short text"), ("forward_rate", "2,000 a second, forwarded (java and python 1,000, python-httpx 300)"), ("forward_rate1000", "1,000 a second, forwarded")]:
    for key in ["p50", "p99", "cpu_us"]:
        table(f"{key}: {what}", phase, key, "us", "{:.0f}")
for words, what in [("words.txt", "100,000 words"), ("tiny.txt", "20 words")]:
    table(f"Start to the first answer, {what}", "startup", "ms", "ms", "{:.0f}", False, words=words)
    table(f"CPU of the start, {what}", "startup", "cpu_s", "s", "{:.2f}", False, words=words)
    table(f"Memory after the start, {what}: resident", "startup", "rss", "MiB", "{:.1f}", False, words=words)
    table(f"Peak of the start, {what}: resident", "startup", "hwm", "MiB", "{:.1f}", False, words=words)
table("Memory after the load: resident", "memory_loaded", "rss", "MiB", "{:.1f}", False, forward=False)
table("Memory after the load, forwarding: resident", "memory_loaded", "rss", "MiB", "{:.1f}", False, forward=True)
idle = pick("idle_connections")
if idle:
    print("\n### 10,000 idle connections\n\n| server | before, MiB | with them, MiB | KiB a connection | ratio of all to callgate | still open |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    base = next(r for r in idle if r["name"] == "callgate")
    for r in idle:
        print(f"| {r['name']} | {r['before']['rss']} | {r['after']['rss']} | {(r['after']['rss'] - r['before']['rss']) * 1024 / r['open']:.1f} | {r['after']['rss'] / base['after']['rss']:.2f} | {r['alive']} |")
for phase, what in [("reload_quiet", "1,000 a second, before the reloads"), ("reload", "1,000 a second, 3 reloads in 12 s")]:
    for key in ["p50", "p99", "p999", "max"]:
        table(f"{key}: {what}", phase, key, "us", "{:.0f}", False)
table("Memory after 3 reloads under load: peak", "reload", "hwm", "MiB", "{:.1f}", False)
