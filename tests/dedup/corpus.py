"""Real short documents: the docstrings and comment blocks of the Python packages that are installed here.

They hold what real datasets hold: exact copies, boilerplate with one word changed, texts that share a
paragraph.
"""

from __future__ import annotations

import json
import random
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedup.read import Dataset


def rows_of(rows: list[dict[str, Any]], name: str) -> Dataset:
    """The dataset that a JSON list of these rows is."""
    from dedup.read import Dataset

    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Dataset(name, "json", len(rows), columns, [json.dumps(row).encode() for row in rows])


@cache
def documents(count: int, seed: int = 0) -> tuple[str, ...]:
    """`count` blocks of 8 to 250 words, in random order.

    Blocks are what blank lines part in the sources of the standard library and of transformers, torch and
    gradio.
    """
    folders = [
        Path(sysconfig.get_paths()["stdlib"]),
        *(Path(sysconfig.get_paths()["purelib"]) / name for name in ("transformers", "gradio", "torch")),
    ]
    blocks: list[str] = []
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if folder == folders[0] and "site-packages" in path.parts:
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            blocks += [
                block.strip()
                for block in text.split("\n\n")
                if 8 <= len(block.split()) <= 250 and "<|im_start|>" not in block
            ]
            if len(blocks) > 6 * count:
                break
    random.Random(seed).shuffle(blocks)
    assert len(blocks) >= count, f"only {len(blocks)} blocks of text on this machine"
    return tuple(blocks[:count])
