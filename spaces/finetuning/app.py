"""The fine-tuning Space: what is trained on. The engine is in `finetuning`, its picture in `finetuning/js`,
the page in `finetuning_rooms`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# a staged Space carries `shared`, the repository shares it
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parents[1]
sys.path[:0] = [path for path in (str(HERE), str(ROOT)) if path not in sys.path]

from shared import gpu  # noqa: F401  isort: skip  imports spaces, which must come before torch

from finetuning.request import MaskRequest
from finetuning_rooms import mask
from finetuning_rooms.common import RENDERER, TITLE
from shared import page, server
from shared.api import endpoint
from shared.figure import stylesheet

SENTENCE = (
    "See which tokens of your rows are trained on, and why, before a run costs you a night: TRL, Axolotl and "
    "Unsloth side by side."
)

MASK = [
    "rows",
    "model",
    "trainer",
    "template",
    "file",
    "dataset",
    "split",
    "config",
    "max_length",
    "packing",
    "eot_tokens",
    "instruction_part",
    "response_part",
    "pad_token",
    "limit",
]

css = stylesheet(RENDERER)

with page.page(TITLE, SENTENCE) as demo:
    mask.build(demo)
    page.about(HERE / "README.md")
    endpoint(mask.mask, MaskRequest, MASK, **mask.QUEUE)

if __name__ == "__main__":
    server.launch(demo, css)
