"""Who asks: the owner of this machine, or a visitor; and who is not answered at all.

The owner may do more: read the Hub with this machine's token, open its folders as models, push. A request is
the owner's where the server listens on loopback alone, the request comes from there under a loopback name and
nobody passed it on, or where it carries the secret that was printed at the start. On a Space everyone is a
visitor.

`Gate` settles that once for each request and writes it where only the server can: into the request's ASGI
scope. Gradio keeps the request beside the function that it runs, in a queue or not, for the API, for MCP and
for a figure's own functions; `is_here` reads it there. A thread that such a function starts has to be given
its context (`contextvars.copy_context().run`), else it works for a visitor.

Visitors are told apart by a cookie that a page gives to a browser which has none: what one of them made is
nobody else's (`shared.shelf`). A program that wants to come back to what it made sends such a cookie itself.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared import limits
from shared.errors import VisitorError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECRET = secrets.token_urlsafe(24)
_OWNER = "llm_course_owner"
"""In the scope of a request: whether it is the owner's."""
_VISITOR = "llm_course_visitor"
"""In the scope of a request: the secret of its visitor's cookie."""
_WHO = re.compile(r"[\w-]{22,64}", re.ASCII)
"""Such a secret."""
_works_for: ContextVar[str | None] = ContextVar("works_for")
"""In a process that ZeroGPU forked: the visitor of the run that it does now."""

_FORWARDED = ("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip")
_FORWARDING = ("x-forwarded", "x-original-", "x-envoy-", "x-amzn-", "cf-", "fastly-", "ngrok-", "tailscale-")
"""Headers that proxies and tunnels write, by name and by how their names begin."""

_FRAMES = (
    b"content-security-policy",
    b"frame-ancestors 'self' file: http://localhost:* http://*.localhost:* http://127.0.0.1:* "
    b"https://localhost:* https://*.localhost:* https://127.0.0.1:*",
)
"""The pages that may frame one which the owner alone opens: those of this machine."""

_MCP = "/gradio_api/mcp"

_serves = False
"""Whether this process answers requests; then whoever comes without one is nobody in particular."""


def is_space() -> bool:
    """Whether the app runs as a Hugging Face Space, where everyone is a visitor."""
    return "SPACE_ID" in os.environ


def hub_page() -> str | None:
    """The Hub's page of this Space, which hands a link's query on and knows who is signed in; None elsewhere,
    and in the suite, whose pages it cannot open.
    """
    space = os.environ.get("SPACE_ID")
    return (
        f"https://huggingface.co/spaces/{space}" if space and "LLM_COURSE_SUITE" not in os.environ else None
    )


def is_here() -> bool:
    """Whether what runs at this moment runs for the owner: a function for the owner's request, or a program
    of this machine that serves nobody.
    """
    if is_space():
        return False
    scope = _scope()
    return not _serves if scope is None else bool(scope.get(_OWNER))


def visitor(scope: Scope | None = None) -> str | None:
    """Whose browser what runs at this moment runs for, or a request comes from, as a secret that only it and
    the server know; None where that is not known.
    """
    if scope is not None:
        return scope.get(_VISITOR)
    try:
        return _works_for.get()
    except LookupError:
        scope = _scope()
        return scope.get(_VISITOR) if scope else None


def work_for(visitor: str | None) -> None:
    """Say in a forked process whose run it does: what it inherited is of the one that it was forked for."""
    _works_for.set(visitor)


def _scope() -> Scope | None:
    """The ASGI scope of the request that a function runs for; None where none is known."""
    context = sys.modules.get("gradio.context")
    request = context.LocalContext.request.get(None) if context else None
    if request is None:
        return None
    request = getattr(request, "request", request)  # Gradio's own wraps Starlette's
    return request.scope if request is not None else {}  # type: ignore[no-any-return]


def host() -> str:
    """The address to listen on: `HOST`, or Gradio's own variable, or loopback."""
    return os.environ.get("HOST") or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"


def is_shared() -> bool:
    """Whether others reach the server: it listens beyond loopback, or goes by a name of `ALLOWED_HOSTS`."""
    return not _is_loopback(host()) or bool(_listed("ALLOWED_HOSTS"))


def own_url(port: int) -> str:
    """Where the server finds itself."""
    name = host() if host() not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104  compared, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def notice(port: int) -> str | None:
    """What is said once at the start, with the secret; None where the owner needs none, or nobody is one."""
    if is_space() or not is_shared():
        return None
    return (
        "Whoever reaches this server is a visitor, without this machine's Hub token and folders. You have "
        f"both at {own_url(port)}/?token={_SECRET} or with the header “Authorization: Bearer {_SECRET}”."
    )


class Gate:
    """The middleware that every request comes through first.

    It refuses addresses that are too long, names that are not the server's (a page of any site can point its
    own name at 127.0.0.1), and what other sites' pages send unasked. It takes cookies from other sites'
    requests, and settles whose a request is. `?token=…` becomes a cookie. Where whoever opens a page is the
    owner, no other site's page may frame it: a link runs what it describes, and a frame may be invisible.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        global _serves
        _serves = True
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        from shared import connections

        headers = Headers(scope=scope)
        # Gradio parses the address with a library that raises at a longer one
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.MAX_ADDRESS:
            await PlainTextResponse(f"{connections.LONG}\n", 414)(scope, receive, send)
        elif error := _wrong_name(headers):
            await PlainTextResponse(f"{error}\n", 400)(scope, receive, send)
        elif error := _wrong_site(scope, headers):
            await PlainTextResponse(f"{error}\n", 403)(scope, receive, send)
        elif entrance := _entrance(scope):
            status, answer = entrance
            await PlainTextResponse("", status, answer)(scope, receive, send)
        else:
            kept = _without_lies(scope, headers)
            framed = send if is_space() or is_shared() else _with_header(send, _FRAMES)
            who = _visitor_of(kept)
            if who is None and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                who = secrets.token_urlsafe(24)
                framed = _with_header(framed, (b"set-cookie", _visitors_cookie(scope, who).encode()))
            await self.app({**kept, _OWNER: _is_owner(kept), _VISITOR: who}, receive, framed)


def _with_header(send: Send, header: tuple[bytes, bytes]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), header]}
        await send(message)

    return sent


def _is_owner(scope: Scope) -> bool:
    from starlette.datastructures import Headers
    from starlette.requests import cookie_parser

    headers = Headers(scope=scope)
    if is_space():
        return False
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    cookie = cookie_parser(headers.get("cookie", "")).get(_cookie(scope), "")
    if (scheme.lower() == "bearer" and _is_secret(bearer.strip())) or _is_secret(cookie):
        return True
    if is_shared() or _is_foreign(headers):
        return False
    passed_on = any(name in _FORWARDED or name.startswith(_FORWARDING) for name in headers)
    ends = [(scope.get(end) or ("", 0))[0] for end in ("server", "client")]
    # a proxy without a word in its configuration forwards as HTTP/1.0; no browser or client asks so
    direct = not passed_on and scope["http_version"] != "1.0"
    return direct and all(map(_is_loopback, [*ends, _name(headers["host"]) or ""]))


def _wrong_name(headers: Headers) -> VisitorError | None:
    """What is wrong with the name that a request calls the server by.

    An address is never wrong: a name can be pointed at another machine, an address is where the browser went.
    """
    host, *proxied = _names(headers)
    # a Space's router tells the public name in the second header alone
    for given in proxied or [host] if is_space() else [host, *proxied]:
        name = _name(given)
        if not name or not (_address(name) or _is_own(name)):
            return VisitorError(
                f"This server does not go by the name “{given[:60]}”.",
                "Open it at its address, or start it with that name in ALLOWED_HOSTS.",
            )
    return None


def _names(headers: Headers) -> list[str]:
    """What a request calls the server by; of what a proxy was called by, Gradio takes the first."""
    proxied = headers.get("x-forwarded-host", "").split(",")[0].strip()
    return [headers.get("host", ""), *([proxied] if proxied else [])]


def _wrong_site(scope: Scope, headers: Headers) -> VisitorError | None:
    """What is wrong with a request that another site's page sends.

    Pages may read what is served (Gradio's CORS headers say to whom), and send where their site is known: a
    web component on a page of this machine, or of a site that ALLOWED_HOSTS names. A Space answers everyone,
    since a post anywhere may hold it.
    """
    if is_space() or not _is_foreign(headers):
        return None
    site = _name(headers["origin"].partition("://")[2]) or ""
    if _is_own(site) and (not _is_loopback(site) or _is_loopback(_name(headers["host"]) or "")):
        return None
    if scope["method"] in ("GET", "HEAD", "OPTIONS") and _MCP not in scope["path"]:
        return None
    return VisitorError(
        f"Pages of {headers['origin'][:60]} may not use this server.",
        "Open the demo itself, or start it with that site in ALLOWED_HOSTS.",
    )


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site sent the request; programs name no site."""
    origin = headers.get("origin")
    if origin is None:
        return False
    site = _authority(origin.partition("://")[2])
    return site is None or site not in map(_authority, [*_names(headers), *_listed("SPACE_HOST")])


def _without_lies(scope: Scope, headers: Headers) -> Scope:
    """The request without what another site's page made the browser add, and without the header in which
    Gradio's own front server, which does not run here, would tell the server's address.
    """
    taken = {b"x-gradio-server"} | ({b"cookie"} if _is_foreign(headers) else set())
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in taken]}


def _entrance(scope: Scope) -> tuple[int, dict[str, str]] | None:
    """Where the address has the secret: the same address without it, and the cookie that stands for it."""
    if scope["method"] != "GET" or is_space():
        return None
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not any(name == "token" and _is_secret(value) for name, value in query):
        return None
    left = urlencode([(name, value) for name, value in query if name != "token"])
    path = "/" + scope.get("raw_path", scope["path"].encode()).decode("latin-1").lstrip("/\\")
    cookie = f"{_cookie(scope)}={_SECRET}; Path=/; HttpOnly; SameSite=Strict"
    return 303, {"Location": f"{path}?{left}" if left else path, "Set-Cookie": cookie}


def _cookie(scope: Scope, whose: str = "owner") -> str:
    """The cookie's name; browsers do not keep the cookies of two ports apart."""
    return f"llm-course-{whose}-{(scope.get('server') or ('', 0))[1]}"


def _visitors_cookie(scope: Scope, who: str) -> str:
    """The header that tells a visitor from others; a Space is a frame on the Hub's page, which keeps cookies
    apart by the site around it.
    """
    frame = "SameSite=None; Secure; Partitioned" if is_space() else "SameSite=Lax"
    return f"{_cookie(scope, 'visitor')}={who}; Path=/; HttpOnly; {frame}"


def _visitor_of(scope: Scope) -> str | None:
    """The secret of a visitor's cookie."""
    from starlette.datastructures import Headers
    from starlette.requests import cookie_parser

    sent = cookie_parser(Headers(scope=scope).get("cookie", "")).get(_cookie(scope, "visitor"), "")
    return sent if _WHO.fullmatch(sent) else None


def _is_secret(text: str) -> bool:
    return secrets.compare_digest(text.encode(), _SECRET.encode())


def _authority(text: str) -> tuple[str, int | None] | None:
    """Name and port of `name:port`, the port None where it is the usual one; None where it is neither."""
    try:
        parts = urlsplit(f"//{text}")
        name, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return None
    plain = parts.netloc == text and "@" not in text
    return (name, None if port in (80, 443) else port) if name and plain else None


def _name(text: str) -> str | None:
    known = _authority(text)
    return known[0] if known else None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_own(name: str) -> bool:
    """Whether a name is one of the server's."""
    on_hub = is_space() and name.endswith(".hf.space")  # a Space has several names there
    listed = [host().lower(), *_listed("SPACE_HOST"), *_listed("ALLOWED_HOSTS")]
    return on_hub or _is_loopback(name) or name in listed


def _listed(variable: str) -> list[str]:
    """The names in an environment variable, separated by commas."""
    return [name.strip().lower() for name in os.environ.get(variable, "").split(",") if name.strip()]
