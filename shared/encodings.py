"""Files that are not UTF-8: which encoding they are in, and their text in UTF-8."""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import VisitorError

SAMPLE = 200_000
"""Bytes by which an encoding is guessed."""

FEWEST = 20
"""Bytes that are not UTF-8 from which on there is something to guess by; fewer stay as they are."""

CANDIDATES = (
    *(f"cp125{page}" for page in range(9)),
    *("koi8_r", "koi8_u", "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949", "cp874"),
)
"""What files are in that spreadsheets and older programs have written."""

LATIN = {
    "cp1252": "àáâãäåæçèéêëìíîïñòóôõöøœùúûüß¿¡",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžľĺŕôäőűöüăâîşţđ",
    "cp1254": "ğışçöüâîû",
    "cp1257": "āčēģīķļņšūžąęėįųõäöüåøæ",
}
"""Letters of the languages that each page is for; in short texts the pages look alike."""

CYRILLIC = ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5")
"""In each of them a letter of the others is another letter, a line of a table, or Thai."""

USUAL = "оеаинтсрвлі"
"""The letters of which half a text in Russian, Ukrainian or Bulgarian consists."""

USUAL_SHARE = 0.5
RUN_SHARE = 0.8
"""Of the bytes past ASCII: are such letters at least, and stand beside another one. In texts of Latin letters
they stand alone.
"""

PIECE = 1 << 20

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(path: Path) -> str:
    """A text file's encoding, as Python names it; "utf-8" too where only a few bytes are not.

    Raises:
        VisitorError: nothing is like it.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return name
        zeros = [head[place::2].count(0) / max(1, len(head[place::2])) for place in (0, 1)]
        if max(zeros) > 0.3:  # every other byte: Latin letters in UTF-16
            return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        broken = _broken(head)
        if broken < FEWEST or 100 * broken < sum(byte > 127 for byte in head):
            return "utf-8"
    if cyrillic := _cyrillic(head):
        return cyrillic.replace("_", "-")
    from charset_normalizer import from_bytes

    best = from_bytes(head, cp_isolation=list(CANDIDATES)).best()
    if best is None or best.encoding in ("utf_8", "ascii"):
        raise VisitorError(
            "The file is not UTF-8, and its encoding could not be recognised.",
            "Save it as UTF-8, and try again.",
        )
    return _latin(head) if best.encoding in LATIN else best.encoding.replace("_", "-")


def encoding_of_all(path: Path) -> str:
    """As `encoding_of`, for a reader that leaves no byte aside: also of a text with too few letters past
    ASCII to guess by. Where none of them is UTF-8, it is the page of Cyrillic letters or else of Latin ones
    under which at least half of them are usual, Windows' western one (cp1252) where several are alike.

    Raises:
        VisitorError: as `encoding_of`.
    """
    found = encoding_of(path)
    if found != "utf-8":
        return found
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    high = sum(byte > 127 for byte in head)
    if not high or _broken(head) < high:  # UTF-8, and be it damaged
        return found
    if cyrillic := _cyrillic(head):
        return cyrillic.replace("_", "-")
    page = _latin(head)
    return page if _usual(head, page) >= USUAL_SHARE * high else found


def _cyrillic(head: bytes) -> str:
    """Of the pages of Cyrillic letters the one under which most letters are usual ones; "" for none."""
    runs = re.findall(rb"[\x80-\xff]+", head)
    high = sum(map(len, runs))
    if sum(len(run) for run in runs if len(run) > 1) < RUN_SHARE * high:
        return ""
    share = {page: sum(map(b"".join(runs).decode(page, "replace").count, USUAL)) / high for page in CYRILLIC}
    best = max(CYRILLIC, key=lambda page: share[page])
    return best if share[best] >= USUAL_SHARE else ""


def _latin(head: bytes) -> str:
    """Of the pages of Latin letters the one under which most of the text's own letters are usual."""
    return max(LATIN, key=lambda page: _usual(head, page))


def _usual(head: bytes, page: str) -> int:
    """Of the bytes past ASCII those that are usual under a page."""
    high = bytes(byte for byte in head if byte > 127).decode(page, "replace")
    return sum(letter.lower() in LATIN[page] + "’‘“”„–—…«»°€§\u00a0" for letter in high)


def _broken(head: bytes) -> int:
    """Bytes that are not UTF-8; a character that the end cuts is none of them."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    return sum("\udc80" <= character <= "\udcff" for character in text)


@contextmanager
def as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """A file that has the text of another one in UTF-8; the other itself where it is UTF-8 already.

    Raises:
        VisitorError: it is not what it begins as.
    """
    if encoding in ("utf-8", "utf-8-sig"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path.name
        try:
            convert(path, encoding, target, "utf-8")
        except UnicodeError:
            raise VisitorError(
                f"The file begins as {encoding.upper()} but cannot be read as it.", "Save it as UTF-8."
            ) from None
        yield target


def convert(source: Path, encoding: str, target: Path, other: str) -> None:
    """Write a file's text in another encoding, a piece at a time.

    Raises:
        UnicodeError: a byte is not of the first encoding.
    """
    with (
        source.open(
            encoding=encoding, newline="", errors="strict" if other == "utf-8" else "surrogateescape"
        ) as read,
        target.open("w", encoding=other, newline="", errors="surrogateescape") as written,
    ):
        while piece := read.read(PIECE):
            written.write(piece)
