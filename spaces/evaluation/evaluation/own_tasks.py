"""Tasks that ship with the page, in the form of lm-eval's files: a YAML, and documents that are made here.

One for each kind of answer that is no choice: sums told as a story, whose answers are written; the last word
of a fact, whose likelihood is read; paragraphs, whose every token is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared import item_texts, texts

MADE = 200
"""Documents that a generated task has."""


@dataclass(frozen=True)
class OwnTask:
    """A task by name.

    Args:
        says: what it asks, in a few words.
        yaml: as lm-eval reads it.
        documents: for a seed.
    """

    says: str
    yaml: str
    documents: Callable[[int], list[dict[str, Any]]]


SUMS = r"""task: worked_sums
output_type: generate_until
test_split: test
fewshot_split: test
num_fewshot: 4
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:", "\n\n"], max_gen_toks: 48, do_sample: false}
filter_list:
  - name: strict-match
    filter:
      - {function: regex, regex_pattern: "#### (\\-?[0-9\\.\\,]+)"}
      - {function: take_first}
  - name: flexible-extract
    filter:
      - {function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"}
      - {function: take_first}
metric_list:
  - metric: exact_match
    ignore_case: true
    regexes_to_ignore: [",", "\\$", "(?s).*#### ", "\\.$"]
"""
WORDS = """task: last_words
output_type: loglikelihood
test_split: test
doc_to_text: "{{text}}"
doc_to_target: "{{' ' + word}}"
metric_list: [{metric: acc}, {metric: perplexity}]
"""
PARAGRAPHS = """task: paragraphs
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]
"""


def _sums(seed: int) -> list[dict[str, Any]]:
    """Sums, differences and products of small numbers as a story, with the working as GSM8K writes it."""
    draw = random.Random(f"worked sums {seed}")  # noqa: S311  a draw, no secret
    found: dict[str, dict[str, Any]] = {}
    while len(found) < MADE:
        name, other = draw.sample(item_texts.NAMES, 2)
        thing = draw.choice(["apples", "stamps", "books", "coins", "pens", "shells", "cards", "eggs"])
        a, b = draw.randint(3, 20), draw.randint(2, 9)
        told, working, right = draw.choice(
            [
                (f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?",
                 f"{a} + {b}", a + b),
                (f"{name} has {a + b} {thing} and gives {b} to {other}. How many {thing} are left?",
                 f"{a + b} - {b}", a),
                (f"{name} has {b} boxes with {a} {thing} in each. How many {thing} is that?",
                 f"{b} * {a}", a * b),
            ]
        )  # fmt: skip
        found.setdefault(told, {"question": told, "answer": f"{working} = {right}.\n#### {right}"})
    return list(found.values())


def _words(_: int) -> list[dict[str, Any]]:
    """Facts of the sets with choices, without the choices."""
    capitals = [(f"The capital of {land} is", city) for land, city in item_texts.CAPITALS]
    opposites = [(f"The opposite of {word} is", other) for word, other in item_texts.OPPOSITES]
    both = [one for pair in zip(capitals, opposites, strict=False) for one in pair]
    return [{"text": text, "word": word} for text, word in both]


def _paragraphs(_: int) -> list[dict[str, Any]]:
    """Paragraphs of the text on which the suite measures perplexity."""
    return [{"text": one.strip()} for one in texts.sample("evaluation").split("\n\n") if one.strip()]


OWN: dict[str, OwnTask] = {
    "worked sums": OwnTask("sums told as a story, the answer written with its working", SUMS, _sums),
    "last words": OwnTask("the word that ends a fact: is it what the model would write?", WORDS, _words),
    "paragraphs": OwnTask("how well a model expects plain prose, word by word", PARAGRAPHS, _paragraphs),
}
"""By name, in the order in which a page lists them."""
