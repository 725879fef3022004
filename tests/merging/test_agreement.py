"""The check beside mergekit itself on every method in every shape that people write: models too few and too
many, with and without a base, with and without the parameters that a method needs, in slices, as curves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import yaml

from merging.check import check
from merging.methods import catalogue

REFERENCE = """
import json, logging, sys, tempfile
logging.disable(logging.CRITICAL)
import yaml
from mergekit.config import MergeConfiguration
from mergekit.io.tasks import LoaderCache
from mergekit.merge import MergeOptions, run_merge
said = {}
for name, text in json.load(sys.stdin).items():
    LoaderCache().loaders.clear()
    with tempfile.TemporaryDirectory() as out:
        try:
            run_merge(
                MergeConfiguration.model_validate(yaml.safe_load(text)),
                out,
                MergeOptions(write_model_card=False, quiet=True, random_seed=0),
            )
            said[name] = ""
        except BaseException as error:
            said[name] = f"{type(error).__name__}: {error}"[:200]
print("SAID" + json.dumps(said))
"""
SHAPES = (
    ("one", "a", False),
    ("two", "ab", False),
    ("three", "abc", False),
    ("base and one", "a", True),
    ("base and two", "ab", True),
    ("base and three", "abc", True),
    ("base among two", "Bab", True),
)
"""Names of models, B for the base, and whether it is named as such."""
DISAGREE: dict[str, str] = {}
"""What the check refuses although mergekit merges it, or the other way round, with the reason."""


def grid(family) -> Iterator[tuple[str, str]]:
    """Recipes by name."""
    for method, known in catalogue().items():
        for shape, models, based in SHAPES:
            for filled in (True, False):
                needs = {one.name: 0.5 for one in known.parameters if one.required}
                if not filled and not needs:
                    continue
                each = {one.name: 0.5 for one in known.parameters if one.required and one.each}
                shared = {name: value for name, value in needs.items() if name not in each}
                recipe = {
                    "merge_method": method,
                    "models": [
                        {
                            "model": family["base" if name == "B" else name],
                            **({"parameters": each} if each and filled else {}),
                        }
                        for name in models
                    ],
                    **({"base_model": family["base"]} if based else {}),
                    **({"parameters": shared} if shared and filled else {}),
                    "dtype": "float32",
                }
                name = f"{method}, {shape}{'' if filled else ', without what it needs'}"
                yield name, yaml.safe_dump(recipe, sort_keys=False)


def test_the_check_agrees_with_mergekit_on_every_method(family):
    texts = dict(grid(family))
    assert len(texts) >= 150
    done = subprocess.run(
        [sys.executable, "-c", REFERENCE],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("SAID"))
    said = json.loads(line.removeprefix("SAID"))
    wrong = {}
    for name, text in texts.items():
        found = check(text)
        if found.ok != (said[name] == "") and name not in DISAGREE:
            first = next((str(one) for one in found.findings if one.level == "error"), "no error")
            wrong[name] = f"check: {first}; mergekit: {said[name] or 'merges'}"
    assert not wrong, json.dumps(wrong, indent=1)
    assert {name for name in DISAGREE if check(texts[name]).ok != (said[name] == "")} == set(DISAGREE)
    merged = sum(not reason for reason in said.values())
    assert merged >= 50 <= len(said) - merged, "the grid holds both kinds"
