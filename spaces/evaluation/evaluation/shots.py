"""The examples before a document's question: those that lm-eval draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from shared.errors import VisitorError

MAX_SHOTS = 25
"""Examples before a document's question."""
MAX_POOL = 5_000
"""Documents that examples are drawn from."""
SEED = 1234
"""Of lm-eval's draws where its command is given none."""
SAMPLERS = ("default", "first_n")
SPLITS = ("fewshot_split", "training_split", "validation_split", "test_split")
"""Where lm-eval takes examples from: the first of these that a task names."""


@dataclass
class Shots:
    """Examples in the order of the documents, drawn in one stream as lm-eval's samplers
    (`api.samplers.ContextSampler` and `FirstNSampler`) draw them.

    Args:
        task: that asks for them.
        pool: the documents that they are drawn from.
        more: whether the split has more.
        words: of a document the question and the answer that it is as an example.
    """

    task: Mapping[str, Any]
    pool: Sequence[dict[str, Any]]
    more: bool
    words: Callable[[dict[str, Any]], tuple[str, str]]
    random: Random = field(default_factory=lambda: Random(SEED))  # noqa: S311  a draw, no secret
    known: dict[int, tuple[str, str]] = field(default_factory=dict)

    def of(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A document's examples, which do not hold the document itself where lm-eval leaves it out.

        Raises:
            VisitorError: there are too few.
        """
        count = self.task.get("num_fewshot", 0)
        if not count:
            return []
        out = self.task.get("fewshot_split") == self.task.get("test_split")
        others = [one for one in self.pool if not out or one != document]
        if len(others) < count or len(self.pool) < count + out:
            raise VisitorError(
                f"The split has {len(others)} documents for the {count} examples of num_fewshot.",
                "Lower num_fewshot, or give more documents.",
            )
        if self.task.get("fewshot_config", {}).get("sampler") == "first_n":
            return others[:count]
        drawn = self.random.sample(self.pool, count + out)
        if not out:
            return drawn
        found = [one for one in drawn if one != document][:count]
        return found if len(found) == count else self.random.sample(others, count)

    def told(self, drawn: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
        """Questions and answers of examples; each is written once, however often it is drawn."""
        for one in drawn:
            if id(one) not in self.known:
                self.known[id(one)] = self.words(one)
        return [self.known[id(one)] for one in drawn]
