"""A file from a public address of the web, of bounded size, for clients that cannot upload."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from shared import files, limits
from shared.errors import VisitorError

REDIRECTS = 3

_OTHER = "Give another address, or upload the file."


def is_address(text: object) -> bool:
    """Whether a text begins as the address of a file on the web."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


def file_of(file: Any) -> tuple[Path, str]:
    """The path and name of an uploaded file, from a component or from an API call, which may give a public
    address instead.

    Raises:
        VisitorError: the path is no upload of this server; or as `fetch`.
    """
    if is_address(file):
        return fetch(file)
    try:
        path = Path(file["path"] if isinstance(file, dict) else file)
        name = str((isinstance(file, dict) and file.get("orig_name")) or path.name)
        uploaded = files.upload_folder() in path.resolve().parents and path.is_file()
    except (TypeError, KeyError, ValueError, OSError):  # no path at all, or one that no file can have
        uploaded = False
    if not uploaded:
        raise VisitorError("That file was not uploaded here.", "Upload it, or give its public address.")
    return path, name


def fetch(address: str) -> tuple[Path, str]:
    """Download a file from a public address into a result's folder.

    The host's name is resolved once and that address is connected to, so that no name can lead to this
    machine's own network; the same holds for every redirect.

    Args:
        address: http or https.

    Returns:
        The file and its name.

    Raises:
        VisitorError: no public address, no answer in `limits.FETCH_SECONDS`, or more than
            `limits.MAX_FILE_BYTES`.
    """
    end = time.monotonic() + limits.FETCH_SECONDS
    try:
        url = httpx.URL(address)
        with httpx.Client(trust_env=False, timeout=limits.HUB_TIMEOUT) as client:
            for _ in range(1 + REDIRECTS):
                with _get(client, url, end) as answer:
                    if not answer.has_redirect_location:
                        return _saved(answer, Path(unquote(url.path)).name[-80:] or "file", end)
                    url = url.join(answer.headers["Location"])
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise VisitorError(f"That address did not answer ({type(error).__name__}).", _OTHER) from error
    raise VisitorError("That address redirects too many times.", _OTHER)


def _get(client: httpx.Client, url: httpx.URL, end: float) -> AbstractContextManager[httpx.Response]:
    """Ask for an address at its host's public number, under the host's own name; nothing comes after `end`.

    The client's own limit of time is one for each piece that it waits for: headers that come letter by letter
    would keep it for days.
    """
    if url.scheme not in ("http", "https") or not url.host:
        raise VisitorError("That is not a web address.", _OTHER)
    pinned = url.copy_with(host=_public(url.host, url.port or {"http": 80, "https": 443}[url.scheme]))
    headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}

    def trace(event: str, told: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            line = told["return_value"].get_extra_info("socket")
            clock = threading.Timer(max(0.0, end - time.monotonic()), _hang_up, [line])
            clock.daemon = True
            clock.start()

    return client.stream(
        "GET", pinned, headers=headers, extensions={"sni_hostname": url.host, "trace": trace}
    )


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        line.shutdown(socket.SHUT_RDWR)


def _saved(answer: httpx.Response, name: str, end: float) -> tuple[Path, str]:
    if answer.status_code != 200:
        raise VisitorError(f"That address answered with status {answer.status_code}.", _OTHER)
    path = files.result_folder() / "fetched"
    size = 0
    try:
        with path.open("wb") as target:
            for part in answer.iter_raw():
                size += target.write(part)
                if size > limits.MAX_FILE_BYTES:
                    limit = f"{limits.MAX_FILE_BYTES / 1e6:,.0f} MB"
                    raise VisitorError(f"The file at that address is larger than {limit}.", _OTHER)
                if time.monotonic() > end:
                    what = f"The file took longer than {limits.FETCH_SECONDS:.0f} seconds."
                    raise VisitorError(what, _OTHER)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return path, name


def _public(host: str, port: int) -> str:
    """The first public IPv4 address of a host.

    Raises:
        VisitorError: it has none.
    """
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    for *_, place in found:
        if ipaddress.ip_address(place[0]).is_global:
            return str(place[0])
    raise VisitorError("That address is not on the public web.", _OTHER)
