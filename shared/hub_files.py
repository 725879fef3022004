"""Single files of a model's repository on the Hub: their list, a few bytes of one, one whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared import hub, limits
from shared.errors import VisitorError, reason


@dataclass(frozen=True)
class Listing:
    """A repository's files.

    Args:
        repository: owner/name.
        revision: the commit that was listed.
        sizes: bytes by path.
    """

    repository: str
    revision: str
    sizes: dict[str, int]


def listing(repository: str, revision: str | None = None) -> Listing:
    """A repository's files at a revision, by default those of this moment.

    Raises:
        VisitorError: malformed id, missing, private or gated, or the Hub did not answer.
    """
    hub.check_id(repository)
    if not hub.reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Choose what is on this machine.")
    info = hub._metadata(repository, revision)
    if info.gated:
        hub._check_access(repository)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    return Listing(repository, info.sha or "main", sizes)


def ranges(listed: Listing, path: str) -> Callable[[int, int], bytes]:
    """What reads bytes of a file without the rest: called with the first byte and how many.

    Args:
        listed: the repository, whose commit is read.
        path: of the file in it.

    Raises (the reader, too):
        VisitorError: the Hub did not answer, or with something else than those bytes.
    """
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(listed.repository, path, revision=listed.revision, endpoint=constants.ENDPOINT)
    headers = build_hf_headers(token=hub.token_for())

    def read(first: int, count: int) -> bytes:
        count = min(count, listed.sizes[path] - first)
        if count <= 0:
            return b""
        try:
            wanted = {**headers, "Range": f"bytes={first}-{first + count - 1}", "Accept-Encoding": "identity"}
            with get_session().stream(
                "GET", url, headers=wanted, timeout=5 * limits.HUB_TIMEOUT, follow_redirects=True
            ) as answer:
                if answer.status_code != 206:  # a server that sends the whole file is not listened to
                    raise OSError(f"status {answer.status_code}")
                content = bytearray()
                for part in answer.iter_raw():
                    content += part
                    if len(content) > count:
                        raise OSError("more bytes than were asked for")
        except Exception as error:  # of whatever transport
            raise VisitorError(
                f"The Hub did not answer for {path} of {listed.repository} ({reason(error)}).",
                "Try again in a minute.",
            ) from error
        if len(content) != count:
            raise VisitorError(
                f"The Hub broke off in the middle of {path} of {listed.repository}.", "Try again in a minute."
            )
        return bytes(content)

    return read


def kept(listed: Listing, path: str) -> Path | None:
    """Where a file lies in the Hub's cache already; None where it does not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(listed.repository, path, revision=listed.revision)
    return Path(found) if isinstance(found, str) else None


def download(listed: Listing, path: str) -> Path:
    """A whole file, in the Hub's cache; asking again costs nothing.

    Raises:
        VisitorError: no room on the disk, or the download broke off.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    if found := kept(listed, path):
        with suppress(OSError):
            os.utime(hub._kept_at(listed.repository))  # it was used now
        return found
    hub.make_room(listed.repository, listed.sizes[path])
    try:
        return Path(hf_hub_download(listed.repository, path, revision=listed.revision, token=hub.token_for()))
    except (HfHubHTTPError, OSError) as error:
        raise VisitorError(
            f"The download of {path} of {listed.repository} broke off ({reason(error)}).",
            "Try again, or choose another file.",
        ) from error
