"""What the figures of all Spaces have in common: the types of their data."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Failure(TypedDict):
    """Why there is no result, in words for the visitor."""

    what: str
    """One sentence of what happened."""
    remedy: str
    """One sentence of what to do."""


class Failed(TypedDict):
    """What stands where a figure would."""

    error: Failure


class Share(TypedDict):
    """A count out of so many, with the 95 % Wilson interval of its share."""

    count: int
    of: int
    low: float
    high: float


class Mean(TypedDict):
    """A mean and how sure it is."""

    mean: float
    sigma: float | None
    """Its standard error; None where a single cluster leaves it unknown."""
    of: int
    """Values."""
    clusters: int
    """Independent groups of values, which the standard error counts."""


class Origin(TypedDict):
    """The model that numbers are of."""

    model: str
    revision: str
    source: str
    dtype: str


class Progress(TypedDict):
    """How far a run has come."""

    label: str
    value: float
    max: float


class Code(TypedDict):
    """A program that reproduces a figure."""

    label: str
    text: str
    """`{this demo}` stands for the page's address."""


class Panel(TypedDict):
    """What the panel below a figure shows."""

    title: str
    code: list[Code]
    query: str
    """The permalink's query; empty where the run has a file of the visitor's own."""
    live: bool
    """Whether the page's address follows the query."""
    filled: NotRequired[str]
    """What to say of the figure above while the room's fields hold another request, of the page's link."""
    made: list[str]
    """Names of the visitor's shelf in the link or the code."""
    hub: str | None
    """The Hub's page of this Space, where links go; null elsewhere."""
    gradio: str
    """Gradio's version."""
    asked: dict[str, Any] | None
    """The request of the figure, as its data has it."""
    opened: NotRequired[str]
    """The query of the page's address, where it asked for this figure."""


class TourStep(TypedDict):
    """One step through a room."""

    says: str
    view: str
    seen: dict[str, Any]
    asked: dict[str, Any]
    """The request of the step's figure."""


class Tour(TypedDict):
    """The steps through a room."""

    room: str
    steps: list[TourStep]


class Term(TypedDict):
    """A word of the field."""

    words: list[str]
    says: str


Rooms = dict[str, list[str]]
"""The names of a page's runs by their tab's label, a room's own first."""


class Glossary(TypedDict):
    """What a page explains where it stands, and the rooms that it has."""

    terms: list[Term]
    rooms: Rooms
    runs: list[str]
    """All that a link may name as its room, those of pages without tabs too."""
