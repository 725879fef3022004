"""Tasks of every kind that lm-eval was asked about, with answers that a model might have written, see
`make_whole_tasks.py`.
"""

from __future__ import annotations

from typing import Any

SUMS = [
    {"question": f"{name} has {a} eggs, buys {b}. How many?", "answer": f"{a} + {b} = {a + b}.\n#### {n}"}
    for name, a, b, n in (
        ("Ann", 2, 3, "5"), ("Bob", 700, 300, "1,000"), ("Cid", 4, 4, "8"), ("Dan", 5, 5, "10"),
        ("Eve", 6, 1, "7"), ("Fay", 1, 1, "2"), ("Gus", 2, 2, "4"), ("Hal", 9, 9, "18"),
    )
]  # fmt: skip
ANSWERED = [
    " 2 + 3 = 5.\n#### 5",
    " That is 1000 in all, so #### 1,000.",
    " so he has $8.00",
    "",
    " #### 8 and then #### 7",
    " two",
    " 2 + 2 is -4, no, 4.",
    "18",
]
TRIVIA = [
    {"q": "Red planet", "answer": {"aliases": ["Mars", "the planet Mars"]}},
    {"q": "Big cat", "answer": {"aliases": ["A lion!", "Tiger"]}},
    {"q": "Sea", "answer": {"aliases": ["North Sea"]}},
    {"q": "It's", "answer": {"aliases": ["it's", 'a "thing"']}},
]
FACTS = [
    {"text": "The sea is deep and wide", "label": 1, "n": 12, "ref": "The cat sat on the mat."},
    {"text": "Snow is white,  cold", "label": 0, "n": 3, "ref": "It is 3.5 km away, isn't it?"},
    {"text": "Grass is\ngreen ", "label": 1, "n": 40, "ref": "A well-known & old house"},
    {"text": "Ünder die Brücke geht es", "label": 0, "n": 7, "ref": "one two three four five six"},
    {"text": "Coal is black", "label": 1, "n": 7, "ref": "Rain"},
]
GREEDY = "output_type: generate_until\ntest_split: test\n"
SCRIPTED: dict[str, tuple[str, list[dict[str, Any]], list[str]]] = {
    "sums": (
        GREEDY
        + r"""task: sums
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Q:"], do_sample: false, temperature: 0.0}
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
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: false
    regexes_to_ignore: [",", "\\$", "(?s).*#### ", "\\.$"]
""",
        SUMS,
        ANSWERED,
    ),
    "aliases": (
        GREEDY
        + """task: aliases
doc_to_text: "{{q}}"
doc_to_target: "{{answer.aliases}}"
filter_list:
  - name: remove_whitespace
    filter: [{function: remove_whitespace}, {function: take_first}]
metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true}]
""",
        TRIVIA,
        [" MARS. ", "a lion", "South Sea", "ITS"],
    ),
    "choices": (
        GREEDY
        + """task: choices
doc_to_text: text
doc_to_choice: ["no", "yes"]
doc_to_target: label
filter_list:
  - name: mapped
    filter:
      - {function: lowercase}
      - {function: remove_whitespace}
      - {function: map, mapping_dict: {"y": "yes", "n": "no"}, default_value: "none"}
      - {function: take_first}
  - name: as it is
    filter: [{function: take_first}]
metric_list: [{metric: exact_match}]
""",
        FACTS,
        [" Y", "n", "no", "no", "yes"],
    ),
    "numbers": (
        GREEDY
        + """task: numbers
doc_to_text: text
doc_to_target: n
filter_list:
  - name: groups
    filter: [{function: regex, regex_pattern: "(a)?(b)?(\\\\d*)", fallback: "none"}, {function: take_first}]
  - name: kept
    filter: [{function: majority_vote}, {function: uppercase}, {function: take_first}]
metric_list: [{metric: exact_match, ignore_numbers: true}]
""",
        FACTS,
        ["12", "ab", "c40", "", "7x"],
    ),
    "overlap": (
        GREEDY
        + """task: overlap
doc_to_text: text
doc_to_target: ref
metric_list: [{metric: bleu}, {metric: chrf}, {metric: exact_match}]
""",
        FACTS,
        [
            "The cat sat on a mat.",
            "It is 3.5 km, isn't it?",
            "A well-known &amp; old\nhouse, yes",
            "one two three four five six",
            "",
        ],
    ),
}
"""By name: YAML, documents, and the answer to each."""
READ: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "written": (
        GREEDY
        + """task: written
doc_to_text: "{{text}} so"
doc_to_target: "{{n}}"
num_fewshot: 1
fewshot_split: test
target_delimiter: "="
description: "Say it. "
generation_kwargs: {until: ["e", "\\n"], max_gen_toks: 10}
""",
        FACTS,
    ),
    "last words": (
        """task: last
output_type: loglikelihood
test_split: test
doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' '+text.split(' ')[-1]}}"
metric_list: [{metric: perplexity}, {metric: acc}]
""",
        FACTS,
    ),
    "whole texts": (
        """task: rolled
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{text}}"
""",
        [*FACTS, {**FACTS[0], "text": "A long road leads from the sea to the hills. " * 60}],
    ),
    "labels": (
        """task: labels
output_type: multiple_choice
test_split: test
doc_to_text: text
doc_to_choice: ["no", "yes"]
doc_to_target: label
metric_list: [{metric: acc}, {metric: acc_norm}, {metric: f1}, {metric: mcc}, {metric: brier_score}]
""",
        FACTS,
    ),
}
"""By name: YAML and documents, of what models of the zoo are asked."""
ANIMALS = ("llama3", "gpt2")
"""The models: one puts BOS before every text, the other does not."""
