"""Connections to the server: how many there may be, how long one may take to say what it wants, and what is
said to one that cannot be read.

uvicorn holds a connection that has sent nothing, or half a request, for as long as its client likes.
"""

from __future__ import annotations

import ipaddress
from asyncio import BaseTransport, TimerHandle

import h11
from uvicorn import config
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared import limits
from shared.errors import VisitorError

_NO_REQUEST = VisitorError("That is no HTTP request.", "Open the address in a browser.")
LONG = VisitorError(
    f"The address is longer than the {limits.MAX_ADDRESS:,} characters that are read.",
    "Open the page without what follows the question mark, and paste your text into it.",
)


def bound() -> None:
    """Have every server of this process bound its connections; before it starts."""
    config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"


class Connection(H11Protocol):
    """A connection that is refused where there are too many, and closed where its request does not come."""

    _deadline: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > limits.MAX_CONNECTIONS or self._neighbours() > limits.MAX_NEIGHBOURS:
            self.transport.abort()
        else:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:  # the request's head is not complete
            self._await_request()
        else:
            self._unset_deadline()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request that is read here, in two sentences."""
        del msg  # uvicorn's own
        status, said = 400, _NO_REQUEST
        if len(self.conn.trailing_data[0]) > limits.MAX_ADDRESS:
            status, said = 414, LONG
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=f"{said}\n".encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def _neighbours(self) -> int:
        """Connections of this one's address; of loopback none count, where a proxy's clients come from."""
        if self.client is None or ipaddress.ip_address(self.client[0].partition("%")[0]).is_loopback:
            return 0
        others = (getattr(other, "client", None) for other in self.connections)
        return sum(other is not None and other[0] == self.client[0] for other in others)

    def _await_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(limits.STALL_SECONDS, self._close)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if self in self.connections:  # else it became a WebSocket
            self.transport.abort()
