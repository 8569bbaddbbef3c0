"""Python's word filters as `src/scripts.rs` asks them: `peers.py PEER WORDS`."""

import json
import sys
import time


def ahocorasick_rs(words):
    import ahocorasick_rs

    automaton = ahocorasick_rs.AhoCorasick(words)
    return lambda text: [[start, end] for _, start, end in automaton.find_matches_as_indexes(text)]


def pyahocorasick(words):
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, len(word))
    automaton.make_automaton()
    return lambda text: [[end + 1 - length, end + 1] for end, length in automaton.iter(text)]


def hyperscan(words):
    import hyperscan

    database = hyperscan.Database()
    literals = [word.encode() for word in words]
    database.compile(
        expressions=literals, ids=list(range(len(words))), elements=len(words), literal=True
    )

    def look(text):
        hits = []
        database.scan(text.encode(), lambda *hit: hits.append(True) and None)
        return bool(hits)

    return look


PEERS = {"ahocorasick_rs": ahocorasick_rs, "pyahocorasick": pyahocorasick, "hyperscan": hyperscan}


def lines_of(file):
    with open(file, encoding="utf-8", newline="\n") as opened:
        return opened.read().split("\n")


def ns_a_message(lines, limit_ms, look):
    """Looks at lines, over and over, and reads the clock seldom enough not to be measured."""
    started = time.process_time_ns()
    done, check = 0, 1
    while True:
        for line in lines:
            look(line)
            done += 1
            if done == check:
                elapsed = time.process_time_ns() - started
                if elapsed > limit_ms * 1_000_000:
                    return elapsed / done
                check += min(done, 256)


def check(look):
    """Fails on a known case, so that no table is made of wrong answers."""
    found = look("去赌博吧")
    assert found is True or found == [[1, 3]], f"赌博 in 去赌博吧 is found as {found}"
    assert not look("去吧"), "nothing is in 去吧"


def main(peer, words):
    check(PEERS[peer](["赌博"]))
    words = lines_of(words)
    started = time.process_time()
    look = PEERS[peer](words)
    print(time.process_time() - started, flush=True)
    for line in sys.stdin:
        # A path may hold blanks, neither the command nor the limit does.
        command, rest = line.rstrip("\n").split(" ", 1)
        if command == "time":
            file, limit_ms = rest.rsplit(" ", 1)
            print(ns_a_message(lines_of(file), int(limit_ms), look), flush=True)
        else:
            print(json.dumps([look(text) for text in lines_of(rest)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
