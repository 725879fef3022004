"""Files that are not UTF-8: which encoding they are in, and their text in UTF-8."""

from __future__ import annotations

import codecs
import re
import tempfile
import unicodedata
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

WESTERN = (
    *("àâæçèéêëîïôœùûüÿ", "äöüß", "áéíñóúü¿¡", "áâãàçéêíóôõúü", "àèéìíòóùú", "åäöæøé", "ëéïèöüáóíú"),
    "áðéíóúýþæö",
)
LANGUAGES = {
    "cp1252": WESTERN,
    "cp1250": (
        *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž"),
        "äöüß",
    ),
    "cp1254": ("çğışöüâîû",),
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž"),
    "mac_roman": WESTERN,
}
"""By page the letters of each of its languages: French, German, …; a short text is in one."""

ALPHABETS = {
    **dict.fromkeys(CYRILLIC, USUAL),
    "cp1253": "αοιετσνηυρςάέίόή",
    "cp1255": "יוהלאתרמשבםנ",
    "cp1256": "اليمنرتوبة",
    "cp874": "านรอกเงมยล",
}
"""By page the usual letters of an alphabet that has none of ASCII's."""
LAST = "ςםןףץך"
"""Letters that end a word and stand nowhere else in it."""
FEWEST_LETTERS = 6
LEAD = 0.2
"""Of an alphabet by its usual letters: below so many letters, or so little before the next one, it is not
guessed at.
"""
SIGNS = "’–—‘“”„…«»°€§\u00a0"
"""Signs of any language; those from the fourth on stand between no two letters."""

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
    ASCII to guess by. Where none of them is UTF-8, it is the only page under which they are a text of one
    language; "utf-8", which they are not, where none is or two differ.

    Raises:
        VisitorError: as `encoding_of`.
    """
    found = encoding_of(path)
    if found != "utf-8":
        return found
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    high = sum(byte > 127 for byte in head)
    if not high or high >= FEWEST or _broken(head) < high:  # UTF-8, and be it damaged
        return found
    return (_alphabet(head) or _language(head) or found).replace("_", "-")


def _alphabet(head: bytes) -> str:
    """Of the pages of other alphabets the one under which clearly most letters are usual ones; "" for none,
    or where letters past ASCII stand in a word with others.
    """
    words = [word for word in re.findall(rb"[A-Za-z\x80-\xff]+", head) if max(word) > 127]
    if sum(map(len, words)) < FEWEST_LETTERS or any(min(word) < 128 for word in words):
        return ""
    shares = {page: _share(words, page) for page in ALPHABETS}
    best = max(shares, key=lambda page: shares[page])
    text = b" ".join(words)
    others = [page for page in ALPHABETS if text.decode(page, "replace") != text.decode(best, "replace")]
    return best if shares[best] >= max(USUAL_SHARE, *(shares[page] + LEAD for page in others)) else ""


def _share(words: list[bytes], page: str) -> float:
    """Of letters those that are usual under a page; 0 where one stands where it cannot: one that ends words
    within a word, an accent at its beginning.
    """
    read = [word.decode(page, "replace") for word in words]
    if any(unicodedata.combining(word[0]) or set(word[:-1]) & set(LAST) for word in read):
        return 0.0
    letters = "".join(read)
    return sum(map(letters.count, ALPHABETS[page])) / len(letters)


def _language(head: bytes) -> str:
    """Of the pages of Latin letters the one under which all letters are of one language; "" for none, or
    where two of them are other texts.
    """
    read = {page: head.decode(page, "replace") for page in LANGUAGES}
    fits = [page for page, known in LANGUAGES.items() if any(_fits(read[page], one) for one in known)]
    return fits[0] if len({read[page] for page in fits}) == 1 else ""


def _fits(text: str, letters: str) -> bool:
    """Whether what is past ASCII in a text can be of a language with these letters: small within words,
    beside letters of ASCII or alone.
    """
    if any(len(word) > 1 and not re.search("[A-Za-z]", word) for word in re.findall(r"[^\W\d_]+", text)):
        return False
    for at, letter in enumerate(text):
        if letter < "\x80":
            continue
        before, behind = text[at - 1 : at], text[at + 1 : at + 2]
        if letter in SIGNS:
            if SIGNS.index(letter) > 2 and before.isalpha() and behind.isalpha():
                return False
            continue
        capital = letter.isupper() and before.isalpha() and (before + behind).upper() != before + behind
        if letter.lower() not in letters or capital:
            return False
    return True


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
