"""Compute the stored examples again, or those that are named: a comparison, a look at one weight, a file, and
a set of files, all of the embedded model.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from quantization.compare import compare
from quantization.effect import look, tensor_names
from quantization.request import LabRequest, Request, SetRequest, TakeRequest
from quantization.sets import make
from quantization.take import take
from shared import models
from shared.models import Loaded
from shared.steps import last

COMPARE = Request.parse(
    rotated=True,
    formats=(
        "gguf:Q8_0",
        "gguf:Q6_K",
        "gguf:Q5_K_M",
        "gguf:Q4_K_M",
        "gguf:Q4_0",
        "gguf:Q2_K",
        "bitsandbytes:nf4",
        "hqq:int4-g64",
        "torchao:int8-weight-only",
        "own:gptq-int4-g64",
        "own:rtn-int4-g64",
        "own:rtn-int3-g64",
    ),
    sensitivity=("Q4_0",),
    budget=110,
    floor=True,
    kinds=True,
    questions=24,
)
LAB = LabRequest.parse(
    tensor="model.layers.10.mlp.down_proj.weight", method="rtn", settings={"bits": 4, "group": 64}
)
TAKE = TakeRequest.parse(format="gguf:Q4_K_M")
SET = SetRequest.parse()


def comparison(loaded: Loaded) -> Mapping[str, Any]:
    """The stored comparison."""
    for step in compare(COMPARE, loaded):
        print(step.progress[0])
    return step.to_json()


def weight(loaded: Loaded) -> Mapping[str, Any]:
    """The stored look at one weight, with the names of all."""
    return {**look(loaded, LAB), "tensors": tensor_names(loaded)}


def file(loaded: Loaded) -> Mapping[str, Any]:
    """What is stored of a file that was taken home."""
    with tempfile.TemporaryDirectory() as folder:
        return last(take(TAKE, loaded, Path(folder))).figure


def several(loaded: Loaded) -> Mapping[str, Any]:
    """What is stored of a set that was written."""
    with tempfile.TemporaryDirectory() as folder:
        return last(make(SET, loaded, Path(folder))).figure


EXAMPLES = {"compare": comparison, "lab": weight, "take": file, "set": several}


def main(names: list[str]) -> None:
    """Compute and store the examples of these names."""
    loaded = models.load(models.EMBEDDED_MODEL)
    (HERE / "examples").mkdir(exist_ok=True)
    for name in names:
        figure = {**EXAMPLES[name](loaded), "run_id": "example"}
        text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        (HERE / "examples" / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(text) / 1e3:,.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:] or list(EXAMPLES))
