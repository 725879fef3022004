"""GGUF files that others made, as rows: how a visitor names them, where they lie, and their headers.

A file is named `owner/model-GGUF/file.gguf`, `owner/model-GGUF:Q4_K_M` as llama.cpp's own tools take it, by
its address on the Hub, or by the path of an upload; the owner of the machine may name a file of it. A
repository without a file stands for all its files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantization import gguf_header
from quantization.gguf_header import Header
from shared import files, hub_files, limits, owner
from shared.errors import VisitorError
from shared.hub_files import Listing

ENGINE = "published"
"""What stands before the names of such rows, and in the place of an engine."""

_UPLOAD = "upload:"
_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_HUB = re.compile(r"(?P<repository>[\w.\-]+/[\w.\-]+?)(?::(?P<tag>[\w.\-]+)|/(?P<path>[^\\:]+))?", re.ASCII)
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_LISTED_SECONDS = 60
_LONGEST = 300
_EXAMPLE = "bartowski/SmolLM2-135M-Instruct-GGUF"


def spec_of(name: str) -> str | None:
    """What stands after "published:" of a name that means a published file; None where it means none.

    Raises:
        VisitorError: the name says already that the file cannot be read here.
    """
    text = name.strip()
    if len(text) > _LONGEST:
        return None
    stated = text.startswith(f"{ENGINE}:")
    spec = text.removeprefix(f"{ENGINE}:").strip()
    if _ADDRESS.match(spec):
        stated, spec = True, _from_address(spec)
    spec = _as_upload(spec)
    if not stated and not _looks_like_one(spec):
        return None
    if spec.startswith((_UPLOAD, "/", "~", "./", "../")):
        _check_name(PurePosixPath(spec.removeprefix(_UPLOAD)).name)
        return spec
    match = _HUB.fullmatch(spec)
    if not match or ".." in spec:
        raise VisitorError(
            f"“{spec[:60]}” names no GGUF file.", f"Write owner/model-GGUF, for example {_EXAMPLE}."
        )
    if match["path"]:
        _check_name(PurePosixPath(match["path"]).name)
    return spec


def _looks_like_one(text: str) -> bool:
    """Whether a name without an engine means a file."""
    return text.lower().endswith(".gguf") or ("/" in text and "gguf" in text.lower())


def _as_upload(spec: str) -> str:
    """A path as the API answers an upload with it, as the name of that upload; any other name as it is."""
    if spec.startswith("/"):
        with suppress(OSError, ValueError):
            return f"{_UPLOAD}{Path(spec).resolve().relative_to(files.upload_folder()).as_posix()}"
    return spec


def _from_address(address: str) -> str:
    parts = _ADDRESS.sub("", address).partition("?")[0].strip("/").split("/")
    if len(parts) > 4 and parts[2] in ("blob", "resolve"):
        return "/".join([*parts[:2], *parts[4:]])
    return "/".join(parts[:2])


def _check_name(name: str) -> None:
    """Refuse by its name what is no whole language model."""
    lower = name.lower()
    if not lower.endswith(".gguf"):
        what = "an importance matrix" if "imatrix" in lower else "no GGUF file"
        raise VisitorError(f"{name[:60]} is {what}.", "Name a file that ends in .gguf.")
    if _SPLIT.search(lower):
        raise VisitorError(
            f"{name[:80]} is one part of a file that is split.",
            "Choose a file in one piece, or join the parts with llama-gguf-split --merge.",
        )
    if "mmproj" in lower:
        raise VisitorError(
            f"{name[:80]} is a vision projector, without a language model.",
            "Choose the file with the language model.",
        )
    if "imatrix" in lower:
        raise VisitorError(f"{name[:80]} is an importance matrix, no model.", "Choose a model's file.")


_MATRICES = (".gguf", ".dat", ".imatrix")
"""How the names of importance matrices end."""


def matrix_spec(name: str) -> str:
    """The name of an importance matrix, as a visitor may write it; "" for none.

    Raises:
        VisitorError: it names no file.
    """
    spec = name.strip().removeprefix(f"{ENGINE}:").strip()
    if _ADDRESS.match(spec):
        spec = _from_address(spec)
    spec = _as_upload(spec)
    if not spec:
        return ""
    local = spec.startswith((_UPLOAD, "/", "~", "./", "../"))
    match = None if local else _HUB.fullmatch(spec)
    if len(spec) > _LONGEST or ".." in spec or not (local or (match and match["path"])):
        raise VisitorError(
            f"“{spec[:60]}” names no importance matrix.",
            "Write owner/model-GGUF/model.imatrix.gguf, or upload the file.",
        )
    if not spec.lower().endswith(_MATRICES):
        raise VisitorError(
            f"{PurePosixPath(spec).name[:80]} is no importance matrix by its name.",
            f"Name a file that ends in {', '.join(_MATRICES)}.",
        )
    return spec


def label(spec: str) -> str:
    """A file's short name: who made it, and what its name has beyond the model's."""
    if spec.startswith((_UPLOAD, "/", "~", ".")):
        return PurePosixPath(spec).name.removesuffix(".gguf")
    match = _HUB.fullmatch(spec)
    if match is None:
        return spec
    maker, _, repository = match["repository"].partition("/")
    if not match["path"]:
        return f"{maker} {match['tag'] or repository}"
    stem = PurePosixPath(match["path"]).name
    stem = stem[: -len(".gguf")]
    model = re.sub(r"[-_.]?gguf$", "", repository, flags=re.IGNORECASE)
    for known in (f"{maker}_{model}", model):
        if stem.lower().startswith(known.lower()) and len(stem) > len(known):
            stem = stem[len(known) :].lstrip("-_.")
            break
    return f"{maker} {stem}"


@dataclass(frozen=True)
class Place:
    """Where a file lies.

    Args:
        spec: its name.
        name: of the file alone.
        size: bytes.
        revision: the commit, or what changes with a file of this machine.
        path: on this machine, or None.
        listed: its repository on the Hub, or None.
        inside: the path in it.
    """

    spec: str
    name: str
    size: int
    revision: str
    path: Path | None = None
    listed: Listing | None = None
    inside: str = ""

    def header(self) -> Header:
        """The file's header, by ranges where the file is on the Hub.

        Raises:
            VisitorError: as `gguf_header.read_header` and `hub_files.ranges`.
        """
        here = self.path or (hub_files.kept(self.listed, self.inside) if self.listed else None)
        if here is not None:
            read, size = gguf_header.of_path(here)
            return gguf_header.read_header(read, size, self.name)
        assert self.listed is not None
        return gguf_header.read_header(hub_files.ranges(self.listed, self.inside), self.size, self.name)

    def is_here(self) -> bool:
        """Whether nothing is left to download."""
        return self.path is not None or (
            self.listed is not None and hub_files.kept(self.listed, self.inside) is not None
        )

    def fetched(self) -> Path:
        """The file on this machine.

        Raises:
            VisitorError: as `hub_files.download`.
        """
        if self.path is not None:
            return self.path
        assert self.listed is not None
        return hub_files.download(self.listed, self.inside)


_listings: dict[tuple[str, bool], tuple[float, Listing]] = {}


def _listing(repository: str) -> Listing:
    """A repository's files, asked for at most once a minute."""
    key = repository, owner.is_here()
    known = _listings.get(key)
    if known and time.monotonic() - known[0] < _LISTED_SECONDS:
        return known[1]
    found = hub_files.listing(repository)
    while len(_listings) > 100:
        _listings.pop(next(iter(_listings)))
    _listings[key] = (time.monotonic(), found)
    return found


def _models(listed: Listing) -> list[str]:
    """Files of a repository that are whole models, the largest first.

    Raises:
        VisitorError: there are none.
    """
    found, reasons = [], set()
    for path in listed.sizes:
        if path.lower().endswith(".gguf"):
            try:
                _check_name(PurePosixPath(path).name)
                found.append(path)
            except VisitorError as error:
                reasons.add(error.what.partition(" is ")[2].rstrip("."))
    if not found:
        why = f": what it has is {'; '.join(sorted(reasons))}" if reasons else ""
        raise VisitorError(
            f"{listed.repository} has no GGUF file that can be read here{why}.",
            f"Name a repository that has some, for example {_EXAMPLE}.",
        )
    return sorted(found, key=lambda path: (-listed.sizes[path], path))


def expanded(specs: Sequence[str]) -> list[str]:
    """Every file that is named, one by one: a repository without a file stands for all of its files, and a
    tag for the file that ends in it.

    Raises:
        VisitorError: there is no such repository or file, or they are more than
            `limits.MAX_COMPARED_FILES`.
    """
    found: list[str] = []
    for spec in specs:
        match = None if spec.startswith((_UPLOAD, "/", "~", ".")) else _HUB.fullmatch(spec)
        if match is None or match["path"]:
            found.append(spec)
            continue
        listed = _listing(match["repository"])
        paths = _models(listed)
        if match["tag"]:
            paths = [_tagged(paths, match["tag"], listed.repository)]
        found += [f"{match['repository']}/{path}" for path in paths]
    found = list(dict.fromkeys(found))
    check_count(len(found))
    return found


def check_count(count: int) -> None:
    """Raise a VisitorError for more files than are compared at once."""
    if count > limits.MAX_COMPARED_FILES:
        raise VisitorError(
            f"{count} files were named.", f"Compare at most {limits.MAX_COMPARED_FILES} at once."
        )


def _tagged(paths: Iterable[str], tag: str, repository: str) -> str:
    """The file whose name ends in a tag."""
    ends = re.compile(rf"(^|[-_.]){re.escape(tag)}\.gguf$", re.IGNORECASE)
    for path in paths:
        if ends.search(PurePosixPath(path).name):
            return path
    raise VisitorError(
        f"{repository} has no file that ends in {tag[:40]}.gguf.", "Name one of its files, or none for all."
    )


def place(spec: str) -> Place:
    """Where a named file lies; a file of this machine is its owner's alone, an upload must be one.

    Raises:
        VisitorError: it is not there.
    """
    if spec.startswith(_UPLOAD):
        return _local(spec, files.upload_folder() / spec.removeprefix(_UPLOAD), files.upload_folder())
    if spec.startswith(("/", "~", "./", "../")):
        if not owner.is_here():
            raise VisitorError(
                "Files of this machine are its owner's.", "Upload the file, or name one of the Hub."
            )
        return _local(spec, Path(spec).expanduser(), None)
    match = _HUB.fullmatch(spec)
    assert match is not None and match["path"], "`expanded` comes before"
    listed = _listing(match["repository"])
    inside = match["path"]
    if inside not in listed.sizes:
        raise VisitorError(
            f"{listed.repository} has no file {inside[:80]}.", "Name one of its files, or none for all."
        )
    name = PurePosixPath(inside).name
    return Place(spec, name, listed.sizes[inside], listed.revision, listed=listed, inside=inside)


def _local(spec: str, path: Path, within: Path | None) -> Place:
    try:
        real = path.resolve()
        known = real.is_file() and (within is None or within in real.parents)
        facts = real.stat() if known else None
    except (OSError, ValueError):
        facts = None
    if facts is None:
        what = "The uploaded file is gone" if within else f"There is no file {path.name[:80]}"
        raise VisitorError(f"{what}.", "Upload it again." if within else "Check the path.")
    return Place(spec, real.name, facts.st_size, f"{facts.st_size}-{facts.st_mtime_ns}", path=real)


def is_upload(name: str) -> bool:
    """Whether a row's name means a file that a visitor has uploaded, which nobody else has."""
    return name.startswith(f"{ENGINE}:{_UPLOAD}")


def is_file(name: str) -> bool:
    """Whether a format, as a visitor may write it, means a published file."""
    try:
        return spec_of(name) is not None
    except VisitorError:  # it means one that cannot be read
        return True


def on_hub(name: str) -> tuple[str, str] | None:
    """Repository and path of a row's file on the Hub; None for every other row."""
    spec = name.removeprefix(f"{ENGINE}:")
    match = _HUB.fullmatch(spec) if spec != name and not is_upload(name) else None
    return (match["repository"], match["path"]) if match and match["path"] else None


def uploaded(path: str, matrix: bool = False) -> str:
    """The name of a row for a file that a visitor has uploaded, or of an importance matrix.

    Raises:
        VisitorError: it is no upload, or its name says that it cannot be read here.
    """
    real = Path(path).resolve()
    if files.upload_folder() not in real.parents:
        raise VisitorError("That file was not uploaded here.", "Upload it again.")
    spec = f"{_UPLOAD}{real.relative_to(files.upload_folder()).as_posix()}"
    if matrix:
        return matrix_spec(spec)
    _check_name(real.name)
    return f"{ENGINE}:{spec}"
