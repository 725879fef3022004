"""What a visitor asks for: a frozen dataclass whose fields say each setting once.

A field says its default, its check, its sentence and how it stands in a link. From the fields follow the
request's JSON, its permalink, its validation, and the API's signature and documentation (`shared.api`). A
form, a link and the API hand over values that may be text; `Request.parse` makes a request of them once, at
the door. After that the object itself travels: engines take it as it is, and it pickles on its way to the
GPU.

    @dataclass(frozen=True)
    class Request(request.Request):
        threshold: float = setting(0.8, between(0.1, 1), "similarity from which two rows count as duplicates")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs, urlencode

from shared import shelf
from shared.checks import unmarked
from shared.errors import VisitorError

Check = Callable[[str, Any], Any]
"""Called with a setting's name and a value that may be text; returns the value, or raises a VisitorError."""

MAX_LINK_VALUES = 1_000
"""Values in one link."""


def setting(
    default: Any,
    check: Check,
    says: str,
    *,
    blank: bool = False,
    required: bool = False,
    exact: bool = False,
    link: str = "",
) -> Any:
    """One field of a request.

    Args:
        default: the value where a visitor says nothing.
        check: see `Check`.
        says: the setting in one line, for the API's documentation; it goes on where "name: " ends.
        blank: whether an empty text is a value; otherwise it means the default.
        required: whether nothing, or an empty text, is refused by the check.
        exact: whether a model reads the text as it is, so that a byte order mark before it stays.
        link: the setting's name in a link, where that is another.
    """
    metadata = {
        "check": check,
        "says": says,
        "blank": blank,
        "required": required,
        "exact": exact,
        "link": link,
    }
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Request:
    """The base of every Space's requests."""

    DERIVED: ClassVar[tuple[str, ...]] = ()
    """Properties that stand in the JSON beside the settings; a request that is read from JSON leaves them
    aside.
    """

    LINK_CHARACTERS: ClassVar[int] = 3_000
    """Longest query of a link."""

    @classmethod
    def declared(cls) -> dict[str, Field[Any]]:
        """The settings by name."""
        return {one.name: one for one in fields(cls)}

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """A request made of values that may be text; None, and mostly an empty text, means the default.

        Raises:
            VisitorError: a value is refused, by its name, names what somebody else made, or the values do
                not fit each other.
        """
        known = cls.declared()
        for name in sorted(set(values) - set(known) - set(cls.DERIVED)):
            raise VisitorError(f"There is no setting “{name[:40]}”.", f"Known are: {', '.join(known)}.")
        values = {
            name: value if name in known and known[name].metadata["exact"] else unmarked(value)
            for name, value in values.items()
        }
        stated = {
            name: value
            for name, value in values.items()
            if name in known and value is not None and (known[name].metadata["blank"] or value != "")
        }
        needed = {name: "" for name, one in known.items() if one.metadata["required"]}
        checked = {
            name: known[name].metadata["check"](name, value) for name, value in {**needed, **stated}.items()
        }
        made = cls(**checked).consistent()
        for name, value in made.to_json().items():
            shelf.check(_written(name, value))
        return made

    def consistent(self) -> Self:
        """The request where its values fit each other; values that follow from others may be set here.

        Raises:
            VisitorError: they do not fit.
        """
        return self

    def to_json(self) -> dict[str, Any]:
        """The request as the API takes it."""
        values = {name: getattr(self, name) for name in (*self.declared(), *self.DERIVED)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def to_query(self) -> str | None:
        """The request as the query of a URL, defaults left out; None where it is too long for a link.

        Of defaults alone the first is stated: a link without any setting opens a room and runs nothing.
        """
        stated, default = self.to_json(), type(self)().to_json()
        named = [name for name in self.declared() if stated[name] != default[name]]
        pairs: list[tuple[str, Any]] = []
        for name, known in self.declared().items():
            if name in (named or list(self.declared())[:1]):
                items = stated[name] or [""] if self._repeats(name) else [stated[name]]
                pairs += [(known.metadata["link"] or name, _in_link(item)) for item in items]
        query = urlencode(pairs)
        return query if len(query) <= self.LINK_CHARACTERS else None

    @classmethod
    def from_query(cls, query: str, needed: Mapping[str, Any] | None = None) -> Self:
        """The request that a URL's query describes; what is no setting is left aside.

        Args:
            query: of the URL.
            needed: by setting, what those without a default are where the query leaves them out.

        Raises:
            VisitorError: as `parse`.
        """
        try:
            given = parse_qs(query.removeprefix("?"), keep_blank_values=True, max_num_fields=MAX_LINK_VALUES)
        except ValueError:
            raise VisitorError("The link has too many values.", "Open the page without them.") from None
        values: dict[str, Any] = {}
        for name, known in cls.declared().items():
            if items := given.get(known.metadata["link"] or name):
                values[name] = items if cls._repeats(name) else items[-1]
            elif known.metadata["required"] and needed and name in needed:
                values[name] = needed[name]
        return cls.parse(**values)

    @classmethod
    def is_in(cls, query: str) -> bool:
        """Whether a URL's query states a setting."""
        return bool(cls.names_in(query))

    @classmethod
    def names_in(cls, query: str) -> list[str]:
        """The settings that a URL's query states."""
        given = parse_qs(query.removeprefix("?"), keep_blank_values=True)
        return [name for name, known in cls.declared().items() if (known.metadata["link"] or name) in given]

    @classmethod
    def _repeats(cls, name: str) -> bool:
        """Whether a link gives a setting's items one by one; a list of objects is one text of JSON."""
        hint = get_type_hints(cls)[name]
        return get_origin(hint) is tuple and not is_dataclass(get_args(hint)[0])

    def to_form(self) -> dict[str, Any]:
        """The values as the controls show them, by setting; `shared.room` turns them into text where a
        control is one.
        """
        return {name: getattr(self, name) for name in self.declared()}


def _written(name: str, value: Any) -> str:
    """A setting as text, without half of a character, as a wrong cut leaves it: no page, link or tokenizer
    can carry it.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
        text.encode()
        return text
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        raise VisitorError(
            f"{name} contains half of a character (the lone surrogate {half}).",
            "Delete it or paste the text again.",
        ) from None


def _in_link(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
