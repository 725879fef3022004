"""Make the example datasets and the stored results again; everything follows from a seed.

`kitchen.jsonl` is a set of short notes (`notes.txt`), some of which come back changed in the ways that real
datasets repeat themselves; `statements.jsonl` says some things twice, and their opposites;
`quiz_train.jsonl` and `quiz_test.jsonl` share questions (`questions.txt`) that they should not.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from dedup import warming
from dedup.contamination import Contamination, compare
from dedup.engine import Result, deduplicate
from dedup.examples import FOLDER, KITCHEN, QUIZ, STATEMENTS
from dedup.meaning import sentences
from dedup.outcome import outcome
from dedup.report import to_json
from dedup_rooms.source import open_rows, open_splits
from shared.steps import last

STATED = 8
"""Sentences of the dataset of statements."""

CHANGES = (
    "copy",
    "case and punctuation",
    "one word",
    "two words",
    "sentence added",
    "sentence dropped",
    "header",
    "order",
)


def changed(text: str, how: str, rng: random.Random, other: str) -> str:
    """A note as it comes back."""
    words = text.split()
    if how == "case and punctuation":
        return text.upper().replace(".", " !").replace(",", "")
    if how in ("one word", "two words"):
        for _ in range(1 if how == "one word" else 2):
            words[rng.randrange(len(words))] = rng.choice(["always", "gently", "perhaps", "well", "soon"])
        return " ".join(words)
    first, _, rest = text.partition(". ")
    if how == "sentence added":
        return f"{text} {other.split('. ')[0]}."
    if how == "sentence dropped":
        return f"{first}. {rest.split('. ')[0]}" if ". " in rest else f"{rest} {first}."
    if how == "header":
        return f"Tip of the day: {text}"
    if how == "order":
        return f"{rest} {first}."
    return text


def kitchen() -> list[dict[str, object]]:
    """The notes and their repetitions, shuffled."""
    rng = random.Random(7)
    notes = (FOLDER / "notes.txt").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, object]] = [{"text": note, "source": "notebook"} for note in notes]
    for place, note in enumerate(notes):
        for how in rng.sample(CHANGES, rng.choice([0, 0, 1, 1, 2, 3, 5])):
            rows.append({"text": changed(note, how, rng, notes[place - 1]), "source": how})
    rows += [{"text": "", "source": "empty"}, {"text": " … ", "source": "empty"}]
    rng.shuffle(rows)
    return [{"id": number, **row, "likes": rng.randrange(200)} for number, row in enumerate(rows)]


def quiz() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Questions to train on and to test with; three of the test's are in both, one inside a longer text."""
    rng = random.Random(3)
    questions = (FOLDER / "questions.txt").read_text(encoding="utf-8")
    items = [line.split("|") for line in questions.splitlines()]
    train = [{"text": f"Question: {question} Answer: {answer}"} for question, answer in items[:11]]
    test: list[dict[str, object]] = [{"text": question} for question, _ in items[11:]]
    test += [
        {"text": items[2][0]},
        {"text": f"Question: {items[5][0]} Answer: {items[5][1]}"},
        {"text": changed(items[7][0], "one word", rng, "")},
    ]
    return train, test


def statements() -> list[dict[str, object]]:
    """Sentences with what restates them, denies them, and speaks of the same; by none of them anything was
    chosen (see `dedup.meaning`).
    """
    rng = random.Random(11)
    how = ("text", "same", "near", "opposite", "topic")
    rows: list[dict[str, object]] = [
        {"text": one[key], "source": key} for one in sentences(True)[:STATED] for key in how
    ]
    rng.shuffle(rows)
    return [{"id": number, **row} for number, row in enumerate(rows)]


def store(name: str, figure: object) -> None:
    """Write a figure's data."""
    text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {len(text.encode()) / 1000:.0f} kB")


def main() -> None:
    """Write the datasets and the stored results."""
    warming.warm().join()  # as in a server, so that the seconds are those of a run
    train, test = quiz()
    datasets = {"kitchen": kitchen(), "statements": statements(), "quiz_train": train, "quiz_test": test}
    for name, rows in datasets.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")
    for name, request in (("kitchen", KITCHEN), ("statements", STATEMENTS)):
        result = last(deduplicate(open_rows(request), request))
        assert isinstance(result, Result)
        store(name, to_json(result, outcome(result)))
    leaks = last(compare(open_splits(QUIZ), QUIZ))
    assert isinstance(leaks, Contamination)
    store("quiz", leaks.to_json())


if __name__ == "__main__":
    main()
