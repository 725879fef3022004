"""Compute the stored examples again: a comparison and a look at one weight, both of the embedded model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from quantization.compare import compare
from quantization.effect import look, tensor_names
from quantization.request import validate, validate_lab
from shared import models

COMPARE = validate(
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
)
LAB = validate_lab(
    tensor="model.layers.10.mlp.down_proj.weight", method="rtn", settings={"bits": 4, "group": 64}
)


def write(name: str, data: dict) -> None:
    """Store a result."""
    (HERE / "examples").mkdir(exist_ok=True)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (HERE / "examples" / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {len(text) / 1e3:,.0f} kB")


def main() -> None:
    """Compute both."""
    loaded = models.load(models.EMBEDDED_MODEL)
    data = look(loaded, LAB)
    write("lab", {**data, "run_id": "example", "tensors": tensor_names(loaded)})
    for step in compare(COMPARE, loaded):
        print(step.progress[0])
    write("compare", {**step.to_json(), "run_id": "example"})


if __name__ == "__main__":
    main()
