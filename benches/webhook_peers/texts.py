"""Writes the word list and the request bodies: texts.py CALLGATE_SOURCE OUT [BEYOND].

words.txt    100,000 words: those of callgate's `cargo bench --bench table` (same generator), the last
             ones replaced by the words that the verdict texts are about
tiny.txt     the 20 words of the verdict texts alone (to tell the build of the list from the start)
short.txt    a request a line, `0|1 TAB body`: 2,000 chat lines of 36 to 44 characters, 1 % with a word
long.txt     64 texts of 20 kB, without a word
verdicts.txt `name TAB expected TAB body`; expected is what NFKC + case fold + substring says
"""
import json
import random
import sys
import unicodedata

import ahocorasick

source, out = sys.argv[1:3]
# A file of lines that a peer finds something in beyond NFKC + case fold (callgate and sensitive-word fold
# traditional characters): they are left out, so that all do the same work.
beyond = set(open(sys.argv[3], encoding="utf-8").read().split("\n")) if len(sys.argv) > 3 else set()
chat = open(f"{source}/benches/data/zh_chat.txt", encoding="utf-8").read().split("\n")
chat = [line for line in chat if line]
template = open(f"{source}/tests/fixtures/openim/before_send_single_msg.text.request.json", encoding="utf-8").read().strip()
template = json.loads(template)

def listed(count):
    alphabet = sorted({c for line in chat for c in line if "\u4e00" <= c < "\ua000"})
    state = 0x9E3779B97F4A7C15
    def rnd(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (state >> 33) % below
    seen, words = set(), []
    while len(words) < count:
        length = 2 + rnd(3)
        word = "".join(alphabet[rnd(len(alphabet))] for _ in range(length))
        if word not in seen:
            seen.add(word)
            words.append(word)
    return words

MINE = ["赌博", "online casino", "casino", "加我微信", "网上赌场大全", "上赌", "哈哈嘿", "cunt", "strasse",
        "カジノ", "真人荷官", "abcd", "bce", "六合彩", "badword", "vip88", "é", "刷单兼职", "日结工资", "小姐服务"]
MINE[16] = "café society"
words = listed(100_000 - len(MINE)) + MINE
assert len(set(words)) == 100_000

def fold(text):
    return unicodedata.normalize("NFKC", text).casefold()

automaton = ahocorasick.Automaton()
for word in words:
    automaton.add_word(fold(word), word)
automaton.make_automaton()
def hit(text):
    return next(automaton.iter(fold(text)), None) is not None

def body(text):
    made = dict(template, content=json.dumps({"content": text}, ensure_ascii=False))
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))

rng = random.Random(1)
clean = [line for line in chat if not hit(line) and line not in beyond]
with open(f"{out}/clean.txt", "w", encoding="utf-8") as file:
    file.writelines(f"0\t{body(line)}\n" for line in clean)
with open(f"{out}/clean_lines.txt", "w", encoding="utf-8") as file:
    file.writelines(f"{line}\n" for line in clean)
forty = [line for line in clean if 36 <= len(line) <= 44]
rng.shuffle(forty)
while len(forty) < 2000:
    a, b = rng.choice(clean), rng.choice(clean)
    line = a + "，" + b
    if 36 <= len(line) <= 44 and not hit(line):
        forty.append(line)
forty = forty[:2000]
with open(f"{out}/short.txt", "w", encoding="utf-8") as file:
    for at, line in enumerate(forty):
        if at % 100 == 50:
            cut = rng.randrange(len(line))
            line = line[:cut] + " " + rng.choice(["赌博", "casino", "真人荷官", words[at]]) + " " + line[cut:]
            if not hit(line):
                raise SystemExit(line)
            # Latin words count as whole words in callgate, so they stand alone.
        file.write(f"{int(hit(line))}\t{body(line)}\n")
with open(f"{out}/long.txt", "w", encoding="utf-8") as file:
    for _ in range(64):
        text = ""
        while len(text.encode()) < 20_000:
            text += rng.choice(clean) + "。"
        while len(text.encode()) > 20_000:
            text = text[:-1]
        assert not hit(text)
        file.write(f"0\t{body(text)}\n")
TEXTS = [
    ("clean", "明天八点在老地方见，别忘了带书"), ("plain", "我们去赌博吧朋友们"), ("start", "赌博去吗"), ("end", "要不要去赌博"),
    ("upper", "try ONLINE CASINO now"), ("full_width", "ｏｎｌｉｎｅ　ｃａｓｉｎｏ tonight"), ("inside_longer", "网上赌场"),
    ("repeat_prefix", "哈哈哈嘿"), ("failed_prefix", "xx abce yy"), ("circled", "ⓒⓐⓢⓘⓝⓞ tonight"), ("sharp_s", "the STRAẞE is long"),
    ("half_kana", "ｶｼﾞﾉ に行く"), ("after_emoji", "😀😀 a casino."), ("html_escape", "<b>casino</b> & more"), ("decomposed", "cafe\u0301 society"),
    ("two_words", "六合彩和赌博"), ("empty", ""), ("near_miss", "casin 赌 博士 vip8"),
    ("in_latin_word", "Scunthorpe United"), ("zero_width", "赌\u200b博"), ("space", "赌 博"), ("newline", "赌\n博"), ("traditional", "賭博"),
    ("accent", "càsino"), ("cyrillic", "саsino"), ("repeated", "cassssino"), ("soft_hyphen", "ca\u00adsino"), ("squared", "🅲🅰🆂🅸🅽🅾"),
]
with open(f"{out}/verdicts.txt", "w", encoding="utf-8") as file:
    for name, text in TEXTS:
        file.write(f"{name}\t{int(hit(text))}\t{body(text)}\n")
open(f"{out}/words.txt", "w", encoding="utf-8").write("\n".join(words) + "\n")
open(f"{out}/tiny.txt", "w", encoding="utf-8").write("\n".join(MINE) + "\n")
print("clean", len(clean), "of", len(chat), "lines of 36 to 44:", len([l for l in clean if 36 <= len(l) <= 44]))
