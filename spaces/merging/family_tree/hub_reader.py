"""Metadata, small files and children of the Hub's models; bounded in requests, patient when asked to wait,
cached.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import quote

from family_tree.facts import Facts, facts_of
from merging import data
from shared import hub, owner
from shared.errors import VisitorError

Answer = TypeVar("Answer")

FIELDS = (
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "createdAt",
    "disabled",
    "downloads",
    "gated",
    "lastModified",
    "private",
    "safetensors",
    "sha",
    "siblings",
    "tags",
)
CHILD_FIELDS = tuple(name for name in FIELDS if name != "siblings")
WINDOW, API_CALLS, FILE_READS = 300.0, 450, 2_700
"""Seconds, and the requests within them that stay below the Hub's anonymous limits of 500 API calls and 3,000
file reads.
"""
TIMEOUT = 8.0
LONGEST_WAIT = 12.0
"""Seconds that a run waits when the Hub asks for patience; beyond that it shows what it has."""
MAX_FILE = 200_000
FRESH = 300.0
"""Seconds that metadata counts as current."""
KEPT = 2_000


class Unread(Exception):
    """A file of a model that may be there, but could not be read; says why, as a part of a sentence."""


class Exhausted(Exception):
    """The Hub's limit is reached, or it asked for more patience than a visitor has."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


_lock = threading.Lock()
_calls: dict[str, deque[float]] = {"api": deque(), "file": deque()}
_resume_at = 0.0
_known: dict[tuple[Any, ...], tuple[float, Any]] = {}


def forget() -> None:
    """Empty the cache and the counts, for tests and benchmarks."""
    global _resume_at
    with _lock:
        _known.clear()
        for calls in _calls.values():
            calls.clear()
        _resume_at = 0.0


def calls_in_window() -> data.Requests:
    """Requests of the last five minutes by kind."""
    with _lock:
        since = time.monotonic() - WINDOW
        api, file = (sum(moment > since for moment in _calls[kind]) for kind in ("api", "file"))
        return {"api": api, "file": file}


def _take(kind: str) -> None:
    """Count a request, waiting where the Hub asked for it.

    Raises:
        Exhausted: the window's requests are used up, or the wait would be too long.
    """
    with _lock:
        now = time.monotonic()
        calls = _calls[kind]
        while calls and now - calls[0] >= WINDOW:
            calls.popleft()
        if len(calls) >= (API_CALLS if kind == "api" else FILE_READS):
            raise Exhausted(WINDOW - (now - calls[0]))
        wait = _resume_at - now
        if wait > LONGEST_WAIT:
            raise Exhausted(wait)
        calls.append(now)
    if wait > 0:
        time.sleep(wait)


def _patiently(kind: str, ask: Callable[[], Any]) -> Any:
    """Send a request, and once more each time that the Hub says it has had too many (429).

    Raises:
        Exhausted: it asks for a longer wait than `LONGEST_WAIT`, or again and again.
    """
    global _resume_at
    for turn in range(4):
        _take(kind)
        response = ask()
        if response.status_code != 429:
            return response
        response.close()
        pause = _wanted_pause(response.headers) or 1.0 * 2**turn
        with _lock:
            _resume_at = max(_resume_at, time.monotonic() + pause)
        if pause > LONGEST_WAIT:
            raise Exhausted(pause)
    raise Exhausted(60.0)


def _wanted_pause(headers: Any) -> float:
    """Seconds that the Hub asks to wait, 0 where it does not say: `Retry-After`, or its own `RateLimit`."""
    from huggingface_hub.utils import parse_ratelimit_headers

    wanted = str(headers.get("Retry-After") or "")
    if wanted.isdigit():
        return float(wanted)
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else 0.0


def _get(
    kind: str, path: str, parameters: list[tuple[str, str]] | None = None, *, stream: bool = False
) -> Any:
    """An answer of the Hub; with `stream` its text is still to be read, and it is to be closed."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils import build_hf_headers

    session = get_session()
    headers = build_hf_headers(token=hub.token_for())
    request = session.build_request(
        "GET", constants.ENDPOINT + path, params=tuple(parameters or ()), headers=headers, timeout=TIMEOUT
    )
    return _patiently(kind, lambda: session.send(request, stream=stream, follow_redirects=True))


def _remembered(
    key: tuple[Any, ...],
    fresh: float,
    read: Callable[[], Answer],
    is_answer: Callable[[Answer], bool] = lambda _: True,
) -> Answer:
    """What the Hub answered; the owner, whose token it saw, and visitors have answers of their own.

    Args:
        key: of the question.
        fresh: seconds that an answer holds.
        read: asks the Hub; what it raises is not remembered.
        is_answer: whether what was read is an answer; a failure is asked for again.
    """
    key = (owner.is_here(), *key)
    with _lock:
        known = _known.get(key)
    if known and time.monotonic() - known[0] < fresh:
        return known[1]  # type: ignore[no-any-return]
    answer = read()
    if not is_answer(answer):
        return answer
    with _lock:
        _known[key] = (time.monotonic(), answer)
        while len(_known) > KEPT:
            del _known[next(iter(_known))]
    return answer


def read_model(name: str, revision: str | None = None) -> Facts:
    """Metadata of a model; whatever goes wrong is its status and reason.

    Raises:
        Exhausted: the Hub's limit is reached.
    """
    return _remembered(
        ("model", name, revision or ""),
        FRESH,
        lambda: _read_model(name, revision),
        lambda facts: facts.status != "unread",
    )


def _read_model(name: str, revision: str | None) -> Facts:
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import hf_raise_for_status

    path = f"/api/models/{quote(name)}" + (f"/revision/{quote(revision, safe='')}" if revision else "")
    try:
        hub.check_revision(revision)
        response = _get("api", path, [("expand", name) for name in FIELDS])
        hf_raise_for_status(response)
        return facts_of(response.json(), name)
    except Exhausted:
        raise
    except GatedRepoError:  # a kind of RepositoryNotFoundError, so it comes first
        return Facts(name, "gated", "Its owner asks for a licence to be accepted.")
    except (RevisionNotFoundError, VisitorError):
        return Facts(name, "missing", f"It has no revision {str(revision)[:40]}.")
    except RepositoryNotFoundError:
        return Facts(
            name, "missing", "The Hub has no public model of this name: removed, private or misspelt."
        )
    except DisabledRepoError:
        return Facts(name, "disabled", "The Hub has disabled this model.")
    except Exception as error:  # noqa: BLE001  one bad answer must not end the tree
        return Facts(name, "unread", f"The Hub's answer could not be read ({type(error).__name__}).")


def read_file(name: str, sha: str, file: str) -> str | None:
    """A small text file of a model at a commit; None where there is none.

    Raises:
        Unread: it may be there, but could not be read.
        Exhausted: the Hub's limit is reached.
    """
    return _remembered(("file", name, sha, file), float("inf"), lambda: _read_file(name, sha, file))


def _read_file(name: str, sha: str, file: str) -> str | None:
    try:
        response = _get(
            "file", f"/{quote(name)}/resolve/{quote(sha or 'main', safe='')}/{quote(file)}", stream=True
        )
        with closing(response):
            if response.status_code in (404, 410):
                return None
            if response.status_code != 200:
                raise Unread(f"the Hub answered {response.status_code}")
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_FILE:
                    raise Unread(f"it has more than {MAX_FILE // 1000} kB")
        return content.decode("utf-8", errors="replace")
    except (Exhausted, Unread):
        raise
    except Exception as error:  # noqa: BLE001  one bad answer must not end the tree
        raise Unread(f"the Hub did not answer, {type(error).__name__}") from None


def read_children(name: str, relation: data.Relation, limit: int) -> list[Facts]:
    """A model's children of one relation, the most downloaded first.

    Raises:
        Exhausted: the Hub's limit is reached.
        ValueError: the Hub did not answer.
    """
    return _remembered(
        ("children", name, relation, str(limit)), FRESH, lambda: _read_children(name, relation, limit)
    )


def _read_children(name: str, relation: str, limit: int) -> list[Facts]:
    parameters = [
        ("filter", f"base_model:{relation}:{name}"),
        ("sort", "downloads"),
        ("limit", str(min(1000, limit))),
    ]
    parameters += [("expand", name) for name in CHILD_FIELDS]
    try:
        response = _get("api", "/api/models", parameters)
        response.raise_for_status()
        rows = response.json()
    except Exhausted:
        raise
    except Exception as error:  # noqa: BLE001
        raise ValueError(type(error).__name__) from None  # a bad page of children must not end the tree
    children = [facts_of(row, "") for row in rows] if isinstance(rows, list) else []
    return [facts for facts in children if facts.id][:limit]


def is_dataset(name: str) -> bool:
    """Whether a name is a dataset's."""
    try:
        return bool(_get("api", f"/api/datasets/{quote(name)}").status_code == 200)
    except Exception:  # noqa: BLE001  then nothing can be said
        return False
