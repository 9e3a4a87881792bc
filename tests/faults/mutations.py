"""Makes bad inputs out of good ones: every mutator takes a good input and a source of chance, and returns a bad one.

    mutate_bytes(data, random)                   any file
    mutate_text(text, random)                    any file of text: encodings, line ends, bytes
    mutate_json(document, random)                JSON: types, keys, numbers, nesting; the text in bytes
    mutate_table(text, random)                   CSV, TSV and other lines of cells
    mutate_xml(text, random)                     tags, attributes, entities
    misplace(path, random)                       a folder, pipe, socket, link or device instead of a file

The same state of `random` gives the same bad input. Most are bad; some are read as good.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

RAW, TWIN = "@raw@", "@twin@"
"""Signs in a document for what JSON's writer would not write: a bare token, and a key that is there already."""

TEXTS = (
    *("", " ", "\n", "\0", "a\0b", "a" * 50_000, "../../x", "/etc/passwd", "..", ".", "C:\\x", "a/b", "~", "-x"),
    *("\u202eabc", "\ud800", "\udcff", "\ufeff", "e\u0301", "\u2028", "\x1b[31mred", "<script>", "&amp;", "%s{0}"),
    *("NaN", "inf", "-1", "1e400", "1_000", "٣", "𝟙", "0x10", "None", "null", "true", '"', "'", ",", "\t", "=1+1"),
)
"""Words that a reader may stumble over."""

NUMBERS = (
    *(0, -1, 1, 2**31, -(2**63) - 1, 10**30, 10**400, -0.0, 1e-320, 1e308, -1e308, 0.1, 1 + 1e-15),
    *(float("nan"), float("inf"), float("-inf"), True, False),
    *(f"{RAW}{token}{RAW}" for token in ("1e400", "-1e999", "9" * 5000, "0123", "+1", ".5", "1.", "0x1", "Infinity")),
)
"""Numbers that a reader may stumble over."""

VALUES = (*TEXTS, *NUMBERS, None, [], {}, [[]], [None], {"": None}, [[[[]]]], f"{RAW}undefined{RAW}", f"{RAW}{RAW}")


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Flip, cut, double, insert or overwrite bytes in one to three places."""
    edits = (_flip, _cut_end, _cut_start, _drop, _double, _insert, _overwrite, _append)
    for _ in range(random.randint(1, 3)):
        data = random.choice(edits)(data, random)
    return data


def mutate_text(text: str, random: Random) -> bytes:
    """Write a text in another way, or damage its bytes."""
    written = text.encode("utf-8", "surrogatepass")
    return random.choice(_ENCODINGS)(text, written, random)


_ENCODINGS: tuple[Callable[[str, bytes, Random], bytes], ...] = (
    lambda text, data, random: mutate_bytes(data, random),
    lambda text, data, random: b"\xef\xbb\xbf" + data,
    lambda text, data, random: text.encode("utf-16", "replace"),
    lambda text, data, random: text.encode("utf-32", "replace"),
    lambda text, data, random: text.encode("utf-16-be", "replace"),
    lambda text, data, random: text.encode("latin-1", "replace") + b"\xe9",
    lambda text, data, random: data.replace(b"\n", b"\r\n"),
    lambda text, data, random: data.replace(b"\n", b"\r"),
    lambda text, data, random: data.replace(b"\n", b""),
    lambda text, data, random: random.choice((b"", b" ", b"\n\n", b"\0" * 100, b"\xff" * 100, b"{", b"[", b"<", b"#")),
)


def mutate_json(document: Any, random: Random) -> bytes:
    """Change one to three places of a document; may write the text in another way too."""
    document = copy.deepcopy(document)
    for _ in range(random.randint(1, 3)):
        document = _edit_node(document, random)
    text = json_text(document)
    if random.random() < 0.05:
        depth = random.choice((200, 5_000, 100_000))
        text = random.choice(("[" * depth, '{"a":' * depth, text[:-1] + ',"x":' + "[" * depth + "]" * depth + "}"))
    return mutate_text(text, random) if random.random() < 0.15 else text.encode("utf-8", "surrogatepass")


def json_text(document: Any) -> str:
    """Write a document with its bare tokens and doubled keys."""
    text = json.dumps(document, ensure_ascii=False).replace(TWIN, "")
    return re.sub(f'"{RAW}(.*?){RAW}"', lambda found: found[1], text)


def mutate_table(text: str, random: Random, separator: str = ",") -> bytes:
    """Change one to three rows or cells of a table; may write the text in another way too."""
    rows = [line.split(separator) for line in text.splitlines()]
    for _ in range(random.randint(1, 3)):
        random.choice(_ROW_EDITS)(rows, random)
    other = random.choice((",", ";", "\t", "&", "|", " ")) if random.random() < 0.05 else separator
    changed = "\n".join(other.join(row) for row in rows) + "\n"
    return mutate_text(changed, random) if random.random() < 0.15 else changed.encode("utf-8", "surrogatepass")


def mutate_xml(text: str, random: Random) -> bytes:
    """Drop, double or change one to three tags or attributes, or add entities; or write the text in another way."""
    for _ in range(random.randint(1, 3)):
        text = random.choice(_XML_EDITS)(text, random)
    return mutate_text(text, random) if random.random() < 0.15 else text.encode("utf-8", "surrogatepass")


def misplace(path: Path, random: Random) -> str:
    """Put something else in the place of a file; returns what."""
    name = random.choice(tuple(MISPLACED))
    path.unlink()
    MISPLACED[name](path)
    return name


def replaced(path: Path) -> None:
    """Remove whatever `misplace` put at `path`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as place:  # a socket's path is short: bound from its folder
        before = os.open(".", os.O_RDONLY)
        os.chdir(path.parent)
        try:
            place.bind(path.name)
        finally:
            os.fchdir(before)
            os.close(before)


MISPLACED: dict[str, Callable[[Path], None]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a socket": _bind,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "an unreadable file": lambda path: path.touch(mode=0),
}


def _place(data: bytes, random: Random) -> int:
    return random.randrange(min(len(data), random.choice((64, 1024, len(data)))) or 1) if data else 0


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(random.choice((1, 1, 2, 8))):
        changed[_place(bytes(changed), random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut_end(data: bytes, random: Random) -> bytes:
    return data[: random.choice((_place(data, random), random.randrange(len(data) + 1), max(len(data) - 1, 0)))]


def _cut_start(data: bytes, random: Random) -> bytes:
    return data[_place(data, random) :]


def _drop(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    return data[:start] + data[start + random.choice((1, 2, 16, 256)) :]


def _double(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    end = start + random.choice((1, 2, 16, 256, len(data)))
    return data[:end] + data[start:end] + data[end:]


def _insert(data: bytes, random: Random) -> bytes:
    start = _place(data, random)
    return data[:start] + random.randbytes(random.choice((1, 4, 64))) + data[start:]


def _overwrite(data: bytes, random: Random) -> bytes:
    start, filling = _place(data, random), random.choice((b"\0", b"\xff", b"\x80", b"9", b'"'))
    count = random.choice((1, 4, 64))
    return data[:start] + filling * count + data[start + count :]


def _append(data: bytes, random: Random) -> bytes:
    return data + random.choice((b"\0", b"\n", b"}", b"PK\x03\x04", random.randbytes(64), data[:4096]))


def _edit_node(node: Any, random: Random) -> Any:
    """Go down a random way and change what is there; the node itself where that is a leaf."""
    inside = isinstance(node, dict | list) and node
    if not inside or random.random() < 0.05:
        return random.choice((_value(random), _value(random), _value(random), [node], {"x": node}, str(node)[:50]))
    key = random.choice(list(node)) if isinstance(node, dict) else random.randrange(len(node))
    if random.random() < 0.85:
        node[key] = _edit_node(node[key], random)
    elif isinstance(node, dict):
        _edit_keys(node, key, random)
    else:
        _edit_items(node, key, random)
    return node


def _value(random: Random) -> Any:
    return copy.deepcopy(random.choice(VALUES))  # a later edit may go into it


def _edit_keys(node: dict[str, Any], key: str, random: Random) -> None:
    name = random.choice(("drop", "rename", "twin", "other", "more"))
    value = node.pop(key) if name in ("drop", "rename") else node[key]
    if name == "rename":
        node[random.choice((*TEXTS, key.upper(), f"{key} "))] = value
    elif name == "twin":
        node[TWIN + key] = random.choice((value, _value(random)))
    elif name == "other":
        node[key] = random.choice(list(node.values()))
    elif name == "more":
        node[random.choice(TEXTS)] = _value(random)


def _edit_items(node: list[Any], place: int, random: Random) -> None:
    name = random.choice(("drop", "double", "swap", "insert", "many"))
    if name == "drop":
        del node[place]
    elif name == "swap":
        node.reverse()
    elif name == "insert":
        node.insert(place, _value(random))
    else:
        node[place:place] = [node[place]] * (1 if name == "double" else 50)


def _edit_cell(rows: list[list[str]], random: Random) -> None:
    row = random.choice(rows or [[""]])
    if row:
        numbers = [str(number).replace(RAW, "") for number in NUMBERS if number != 10**400]
        row[random.randrange(len(row))] = random.choice((*TEXTS, *numbers))


def _move_cells(rows: list[list[str]], random: Random) -> None:
    row = random.choice(rows or [[""]])
    place = random.randrange(len(row) or 1)
    row[place : place + 1] = random.choice(([], row[place : place + 1] * 2, row[:2], ["x"] * 500))


def _edit_rows(rows: list[list[str]], random: Random) -> None:
    place = random.randrange(min(len(rows), random.choice((1, 3, len(rows)))) or 1)
    rows[place : place + 1] = random.choice(([], rows[place : place + 1] * 2, rows[:1], [[]], [[""] * 9], [["#"]]))


def _leave_quote_open(rows: list[list[str]], random: Random) -> None:
    row = random.choice(rows or [[""]])
    row[:1] = [random.choice(('"', '"a"b', 'a"', "'", '""', "\\"))]


_ROW_EDITS = (_edit_cell, _edit_cell, _edit_cell, _move_cells, _edit_rows, _leave_quote_open)

TAG, ATTRIBUTE = re.compile(r"<[^>]*>"), re.compile(r'"([^"]*)"')


def _edit_match(text: str, found: list[re.Match[str]], random: Random, replacements: Callable[[str], Any]) -> str:
    if not found:
        return text
    match = random.choice(found)
    return text[: match.start()] + random.choice(replacements(match[0])) + text[match.end() :]


def _edit_tag(text: str, random: Random) -> str:
    others = ("", "<x>", "</x>", "<x/>", "<!--", "<![CDATA[", "<?xml?>", "&bomb;", "&#0;", "<x>" * 20_000)
    return _edit_match(text, list(TAG.finditer(text)), random, lambda tag: (*others, tag * 2, tag.upper(), tag[:-1]))


def _edit_attribute(text: str, random: Random) -> str:
    others = [f'"{value}"' for value in TEXTS] + ["", '"', '"-1"', '"99999999999999999999"', '"ts999"', '"1.5"']
    return _edit_match(text, list(ATTRIBUTE.finditer(text)), random, lambda _: others)


def _add_entities(text: str, random: Random) -> str:
    """Put entities that grow without end, or that are files, before the first tag."""
    bomb = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    outside = '<!ENTITY i SYSTEM "file:///etc/passwd">'
    start = text.find("?>") + 2 if "?>" in text else 0
    changed = text[start:].replace("</", "&i;</", random.choice((1, 3)))
    return f"{text[:start]}<!DOCTYPE x [{random.choice((bomb, outside))}]>{changed}"


_XML_EDITS = (_edit_tag, _edit_tag, _edit_attribute, _edit_attribute, _edit_attribute, _add_entities)
