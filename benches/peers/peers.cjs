// JavaScript's word filters as `src/scripts.rs` asks them: `peers.cjs PEER WORDS`.

const assert = require("node:assert");
const fs = require("node:fs");
const readline = require("node:readline");

/** A place in UTF-16 units as one in characters. */
const charsBefore = (text, units) => [...text.slice(0, units)].length;

function mintFilter(words) {
  const { Mint } = require("mint-filter");
  const mint = new Mint(words);
  return (text) => !mint.verify(text);
}

function obscenityMatcher(patterns, transformers) {
  const { RegExpMatcher } = require("obscenity");
  const matcher = new RegExpMatcher({ ...patterns, ...transformers });
  return (text) =>
    matcher.getAllMatches(text).map(({ startIndex, endIndex }) => [
      charsBefore(text, startIndex),
      charsBefore(text, endIndex + 1),
    ]);
}

/** The patterns of a list of words, with the sign of a word's boundary at their ends or not. */
function obscenityWords(words, ends = "") {
  const { assignIncrementingIds, parseRawPattern } = require("obscenity");
  const escaped = words.map((word) => word.replace(/[[\]?|\\]/g, "\\$&"));
  return { blacklistedTerms: assignIncrementingIds(escaped.map((word) => parseRawPattern(ends + word + ends))) };
}

function obscenity(words) {
  const { englishRecommendedTransformers } = require("obscenity");
  return obscenityMatcher(obscenityWords(words), englishRecommendedTransformers);
}

/** Words as a whole. */
function obscenityWhole(words) {
  const { englishRecommendedTransformers } = require("obscenity");
  return obscenityMatcher(obscenityWords(words, "|"), englishRecommendedTransformers);
}

/** What is no letter is skipped, and every letter may be repeated. */
function obscenityAll(words) {
  const o = require("obscenity");
  return obscenityMatcher(obscenityWords(words), {
    blacklistMatcherTransformers: [
      o.resolveConfusablesTransformer(),
      o.resolveLeetSpeakTransformer(),
      o.toAsciiLowerCaseTransformer(),
      o.skipNonAlphabeticTransformer(),
      o.collapseDuplicatesTransformer({ defaultThreshold: 1 }),
    ],
  });
}

/** The list that it brings. */
function obscenityOwn() {
  const { englishDataset, englishRecommendedTransformers } = require("obscenity");
  return obscenityMatcher(englishDataset.build(), englishRecommendedTransformers);
}

/** Words as a whole, by the letters of every script. */
function profanity(words) {
  const { Profanity, profaneWords } = require("@2toad/profanity");
  // A language without words of its own.
  profaneWords.set("none", []);
  const filter = new Profanity({ languages: ["none"], wholeWord: true, unicodeWordBoundaries: true });
  filter.addWords(words);
  return (text) => filter.exists(text);
}

/** Words as a whole, by the letters of English. */
function badWords(words) {
  const { Filter } = require("bad-words");
  const filter = new Filter({ emptyList: true });
  filter.addWords(...words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return (text) => filter.isProfane(text);
}

const PEERS = {
  "2toad-profanity": profanity,
  "bad-words": badWords,
  "mint-filter": mintFilter,
  obscenity,
  "obscenity-all": obscenityAll,
  "obscenity-own": obscenityOwn,
  "obscenity-whole": obscenityWhole,
};

const linesOf = (file) => fs.readFileSync(file, "utf8").split("\n");

/** CPU time of this process, in nanoseconds. */
function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}

/** Looks at lines, over and over, and reads the clock seldom enough not to be measured. */
function nsAMessage(lines, limitMs, look) {
  const started = cpuNs();
  let done = 0;
  let check = 1;
  for (;;) {
    for (const line of lines) {
      look(line);
      done += 1;
      if (done === check) {
        const elapsed = cpuNs() - started;
        if (elapsed > limitMs * 1e6) return elapsed / done;
        check += Math.min(done, 256);
      }
    }
  }
}

/** Fails on a known case, so that no table is made of wrong answers. */
function check(peer) {
  assert.strictEqual(charsBefore("😀ab", 3), 2);
  if (peer === "obscenity-own") return;
  const look = PEERS[peer](["badword"]);
  const found = look("😀 a badword.");
  if (found !== true) assert.deepStrictEqual(found, [[4, 11]]);
  const nothing = look("a good one");
  assert.ok(nothing === false || nothing.length === 0, "nothing is in `a good one`");
}

function main(peer, words) {
  check(peer);
  const list = linesOf(words);
  const started = cpuNs();
  const look = PEERS[peer](list);
  console.log((cpuNs() - started) / 1e9);
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    // A path may hold blanks, neither the command nor the limit does.
    const [, file, limitMs] = /^time (.*) (\d+)$/.exec(line) ?? /^find (.*)$/.exec(line);
    if (limitMs) console.log(nsAMessage(linesOf(file), Number(limitMs), look));
    else console.log(JSON.stringify(linesOf(file).map(look)));
  });
}

main(...process.argv.slice(2));
