"""Ready programs for formats that need CUDA to build. They are not run by this page; each says so."""

from __future__ import annotations

_HEAD = '''\
"""Quantize {safe} to {title}. Needs a GPU.

Written by a page that could not run it: what was checked there is that it compiles, and that the library's
documentation has these names. Install: {install}
"""

import pathlib

MODEL = {model!r}
CALIBRATION = {text!r}
pathlib.Path("calibration.txt").write_text(CALIBRATION, encoding="utf-8")
'''

_EXL3 = """
import subprocess
import sys

from huggingface_hub import snapshot_download

# exllamav3 is run from a checkout: git clone https://github.com/turboderp-org/exllamav3
# Its converter calibrates with a text of its own, so that calibration.txt is not used.
source = snapshot_download(MODEL)
subprocess.run(
    [sys.executable, "convert.py", "-i", source, "-o", "model-exl3", "-w", "work", "-b", "4.0"],
    cwd="exllamav3",
    check=True,
)
"""

_EXL2 = """
import subprocess
import sys

import pyarrow
import pyarrow.parquet
from huggingface_hub import snapshot_download
from transformers import AutoTokenizer

# exllamav2 is run from a checkout: git clone https://github.com/turboderp-org/exllamav2
# It reads calibration text from a parquet file with one column of strings.
rows = [part for part in CALIBRATION.split("\\n\\n") if part.strip()]
pyarrow.parquet.write_table(pyarrow.table({"text": rows}), "calibration.parquet")
source = snapshot_download(MODEL)
# As many rows of tokens as the text fills: by default it wants 100 of 2,048.
tokens = len(AutoTokenizer.from_pretrained(source)(CALIBRATION).input_ids)
length = min(2048, tokens)
count = max(1, tokens // length)
subprocess.run(
    [sys.executable, "convert.py", "-i", source, "-o", "../work", "-cf", "../model-exl2", "-b", "4.0"]
    + ["-c", "../calibration.parquet", "-r", str(count), "-l", str(length)]
    + ["-mr", str(count), "-ml", str(length)],
    cwd="exllamav2",
    check=True,
)
"""

_GPTQ = """
from gptqmodel import GPTQModel, QuantizeConfig
from transformers import AutoConfig

config = AutoConfig.from_pretrained(MODEL)
widths = (config.hidden_size, config.intermediate_size)
group = next(size for size in (128, 64, 32) if all(width % size == 0 for width in widths))
rows = [part for part in CALIBRATION.split("\\n\\n") if part.strip()]
model = GPTQModel.load(MODEL, QuantizeConfig(bits=4, group_size=group))
model.quantize(rows, batch_size=1)
model.save("model-gptq")
"""

_AWQ = """
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.awq import AWQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

config = AutoConfig.from_pretrained(MODEL)
widths = (config.hidden_size, config.intermediate_size)
group = next(size for size in (128, 64, 32) if all(width % size == 0 for width in widths))
weights = {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": group}
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto")
rows = [part for part in CALIBRATION.split("\\n\\n") if part.strip()]
data = Dataset.from_list([tokenizer(row, truncation=True, max_length=512) for row in rows])
groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
recipe = [AWQModifier(), QuantizationModifier(ignore=["lm_head"], config_groups=groups)]
oneshot(model=model, dataset=data, recipe=recipe, max_seq_length=512, num_calibration_samples=len(rows))
model.save_pretrained("model-awq", save_compressed=True)
tokenizer.save_pretrained("model-awq")
"""

SCRIPTS = {
    "exl3": ("EXL3", "pip install exllamav3 huggingface_hub", _EXL3),
    "exl2": ("EXL2", "pip install exllamav2 huggingface_hub pyarrow", _EXL2),
    "gptq": ("GPTQ", "pip install gptqmodel --no-build-isolation", _GPTQ),
    "awq": ("AWQ", "pip install llmcompressor datasets", _AWQ),
}
"""Of each: its title, how to install what it needs, and the program without its head."""

OFFERED = ("exl3", "exl2")
"""Formats that need CUDA to build. GPTQ's and AWQ's files are written by this page (gptq:int4, awq:int4);
their programs stay for links that name them.
"""


def script(name: str, model: str, text: str) -> str:
    """A complete program for one format.

    Args:
        name: exl3, exl2, gptq or awq.
        model: Hub id.
        text: the calibration text; it is embedded as a Python literal, whatever it holds.
    """
    title, install, body = SCRIPTS[name]
    # The model's id stands in a docstring too: what could end it is left out there.
    safe = "".join(character for character in model if character.isalnum() or character in "-_./")
    return _HEAD.format(safe=safe, title=title, install=install, model=model, text=text) + body
