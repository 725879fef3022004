"""Show me: three steps through a room. Each shows a stored result in some view, and says what to look at.

A step sets the room's controls as a link to that result would; leaving gives the visitor's own back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        example: name of the stored result.
        says: what to look at, in one sentence or two; made of the result where it quotes a number.
        view: of the figure; "" for the first.
        seen: in that view, as links hold it.
    """

    example: str
    says: str | Callable[[Any], str]
    view: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)

    def sentence(self, data: Data) -> str:
        """What the step says of its result."""
        return self.says if isinstance(self.says, str) else self.says(data)
