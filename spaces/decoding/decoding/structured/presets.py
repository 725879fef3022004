"""The constraints that the page offers."""

from __future__ import annotations

import json

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "born": {"type": "integer", "minimum": 1000, "maximum": 2025},
        "fields": {
            "type": "array",
            "items": {"enum": ["mathematics", "physics", "chemistry", "biology"]},
            "minItems": 1,
            "maxItems": 2,
        },
    },
    "required": ["name", "born", "fields"],
    "additionalProperties": False,
}

EXAMPLES: dict[str, tuple[str, str]] = {
    "a person as JSON": ("json_schema", json.dumps(PERSON)),
    "yes or no": ("regex", r"(Yes|No)\."),
    "a date": ("regex", r" ?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"),
    "without the letter e": ("regex", r"[^eE]+[.!?]"),
    "sums": ("lark", 'start: sum "=" NUMBER\nsum: NUMBER | sum "+" NUMBER\nNUMBER: /[1-9][0-9]{0,2}/'),
}
"""By what a button says: kind and text."""


def first_of(kind: str) -> str:
    """The text of the first example of a kind; empty where there is none."""
    return next((text for one, text in EXAMPLES.values() if one == kind), "")
