"""The shelf: what one Space made, another opens by its name, `made/…`, for two hours and for its maker alone.

A made thing is a result's folder with a record beside its files: they have one lifetime, and a process that
ZeroGPU forks finds them where they lie. The name ends in the folder's own unguessable part. Whoever asks is
known by the cookie of their browser (`owner.visitor`); nobody else opens the name, by no way: `check` stands
where requests are read, `folder_of` where a name becomes files, `check_path` where files are served or come
back as input.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shared import files, owner
from shared.errors import VisitorError

PREFIX = "made/"
Kind = Literal["model", "adapter", "gguf", "rows", "vector"]
"""A whole model, a LoRA adapter with its base, a GGUF file, a dataset's rows, or directions in a stream."""
MODELS: tuple[Kind, ...] = ("model", "adapter", "gguf")
"""What opens wherever a model is named."""
Relation = Literal["finetune", "adapter", "merge", "quantized"]
"""Of a made thing to its parents, as the Hub has them; "" for rows."""

openers: dict[Kind, Callable[[Made], Path]] = {}
"""By kinds that are no whole model yet: what makes a folder with one. `shared.entrances` fills it."""

_TOKEN = re.compile(rf"{PREFIX}(?:[a-z0-9.]+-)*([a-z2-7]{{{files.TOKEN}}})")
_ANY = re.compile(rf"(?:(?<=hf://)|(?<![\w/.-])){PREFIX}(?:[a-z0-9.]+-)+[a-z2-7]{{{files.TOKEN}}}(?![\w-])")
_RESULT = re.compile(rf"{files.RESULT}([a-z2-7]{{{files.TOKEN}}})", re.IGNORECASE)
_RECORD = ".made.json"
_MOST_WORDS = 32

_WHERE = {
    **dict.fromkeys(MODELS, "Name it where a model is asked for."),
    "rows": "Name it where a dataset is asked for.",
    "vector": "Name it in abliteration, as vector file under Advanced.",
}
"""What is done with a made thing that another kind was asked for."""
_REMEDY = "Made things open for the one who made them, for two hours: make it again, or name another."


@dataclass(frozen=True)
class Made:
    """Something on the shelf.

    Args:
        name: `made/…`.
        kind: see `Kind`.
        says: how it was made, as in "merged by ties"; it goes on where "… of <parents>" ends.
        parents: names of the models or datasets that it was made from, a fine-tune's base first.
        relation: see `Relation`.
        folder: with its files.
        licence: as its card states it, "" where none is.
        file: that holds a dataset's rows.
    """

    name: str
    kind: Kind
    says: str
    parents: tuple[str, ...]
    relation: Relation | Literal[""]
    folder: Path
    licence: str = ""
    file: str = ""

    @property
    def sentence(self) -> str:
        """How it was made, and of what."""
        return f"{self.says} {', '.join(self.parents)}"


def put(
    folder: Path,
    kind: Kind,
    words: str,
    *,
    says: str,
    parents: Iterable[str],
    relation: Relation | Literal[""],
    licence: str = "",
    file: str = "",
) -> Made | None:
    """Put what lies in a result's folder on the shelf of the visitor who made it; None where nobody can be
    told from others (a browser that sends no cookie, a program without one).

    Args:
        folder: that of `files.result_folder`, or one in it.
        kind: of thing.
        words: what its name begins with.
        says, parents, relation, licence, file: as in `Made`.
    """
    who = owner.visitor()
    home = home_of(folder)
    if who is None or home is None:
        return None
    begin = re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.")[:_MOST_WORDS].strip("-.") or kind
    name = f"{PREFIX}{begin}-{home.name.removeprefix(files.RESULT)}"
    made = Made(name, kind, says, tuple(dict.fromkeys(parents)), relation, folder.resolve(), licence, file)
    record = {**asdict(made), "folder": str(made.folder.relative_to(home)), "visitor": _digest(who)}
    with files.written_whole(home / _RECORD, "the shelf's record") as part:
        part.write_text(json.dumps(record), encoding="utf-8")
    return made


def is_made(name: str) -> bool:
    """Whether a name is one of the shelf's, be it there or not; the Hub's owner `made` is not reached."""
    return name.startswith(PREFIX)


def made_of(name: str) -> Made:
    """What lies on the shelf under a name.

    Raises:
        VisitorError: nothing does, or somebody else made it.
    """
    token = _TOKEN.fullmatch(name)
    home = files.upload_folder() / f"{files.RESULT}{token[1]}" if token else None
    record = _read(home) if home else None
    if home is None or record is None or record["name"] != name or not _is_mine(record):
        raise VisitorError(f"There is no {name[:60]} on your shelf.", _REMEDY)
    fields = {key: value for key, value in record.items() if key != "visitor"}
    return Made(**{**fields, "parents": tuple(record["parents"]), "folder": home / record["folder"]})


def is_here(name: str) -> bool:
    """Whether whoever asks may open a name of the shelf."""
    try:
        made_of(name)
    except VisitorError:
        return False
    return True


def names_in(*texts: str) -> list[str]:
    """The names of the shelf that stand in texts, each once."""
    return list(dict.fromkeys(name for text in texts if PREFIX in text for name in _ANY.findall(text)))


def check(text: str) -> None:
    """Raise a VisitorError where a text holds a name of the shelf that whoever asks may not open."""
    for name in names_in(text):
        made_of(name)


def check_path(path: str, who: str | None) -> None:
    """Raise a VisitorError where a path leads to a made thing of somebody else than `who`."""
    home = home_of(Path(path))
    record = _read(home) if home else None
    if record is not None and not _is_of(record, who):
        raise VisitorError("That file is not on your shelf.", _REMEDY)


def check_values(value: Any, who: str | None) -> None:
    """Raise a VisitorError where a value that was sent holds a path, in whatever form, into a folder with a
    made thing of somebody else than `who`.
    """
    if isinstance(value, str):
        for end in _RESULT.findall(value):
            record = _read(files.upload_folder() / f"{files.RESULT}{end.lower()}")
            if record is not None and not _is_of(record, who):
                raise VisitorError("That file is not on your shelf.", _REMEDY)
    elif isinstance(value, Mapping):
        for one in value.values():
            check_values(one, who)
    elif isinstance(value, (list, tuple)):
        for one in value:
            check_values(one, who)


def listed(kinds: Sequence[Kind] = MODELS) -> list[Made]:
    """What whoever asks has on the shelf, the newest first."""
    found = []
    for folder in reversed(files.own_results()):
        record = _read(folder)
        if record is not None and record["kind"] in kinds and _is_mine(record):
            found.append(made_of(record["name"]))
    return found


def history(name: str) -> list[Made]:
    """A made thing and those that it was made from, as far as they are still there, each once."""
    found: dict[str, Made] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop(0)
        if is_made(one) and one not in found:
            try:
                found[one] = made_of(one)
            except VisitorError:
                continue
            waiting += found[one].parents
    return list(found.values())


def origins(name: str) -> list[str]:
    """What a name goes back to that was not made here: itself, or the ends of its `history`."""
    parents = [parent for made in history(name) for parent in made.parents]
    return [one for one in dict.fromkeys(parents or [name]) if not is_made(one)]


def folder_of(name: str) -> Path:
    """The folder of a whole model that a name of the shelf stands for: what is no such folder, an adapter or
    a GGUF file, becomes one at its first opening.

    Raises:
        VisitorError: as `made_of`; it is no model, or cannot become one.
    """
    made = made_of(name)
    if made.kind not in MODELS:
        raise VisitorError(f"{name} is no model.", _WHERE[made.kind])
    return made.folder if made.kind == "model" else openers[made.kind](made)


def rows_of(name: str) -> Path:
    """The file of rows that a name of the shelf stands for.

    Raises:
        VisitorError: as `made_of`; it is no dataset.
    """
    made = made_of(name)
    if made.kind != "rows":
        raise VisitorError(f"{name} is no dataset.", _WHERE[made.kind])
    return made.folder / made.file


def home_of(path: Path) -> Path | None:
    """The result's folder that a path leads into; None for any other path."""
    root = files.upload_folder()
    try:
        parts = path.resolve().relative_to(root).parts
    except (ValueError, OSError, RuntimeError):
        return None
    return root / parts[0] if parts else None


def _read(home: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads((home / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_mine(record: Mapping[str, Any]) -> bool:
    return _is_of(record, owner.visitor())


def _is_of(record: Mapping[str, Any], who: str | None) -> bool:
    return who is not None and record["visitor"] == _digest(who)


def _digest(who: str) -> str:
    return hashlib.sha256(who.encode()).hexdigest()
