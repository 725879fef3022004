"""A ready chat Space for a model that was made here: the three files that ZeroGPU needs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from shared import card, gpu, weights
from shared.checks import system_prompt
from shared.errors import VisitorError

_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[\w.\-]{1,96}")
READ = 4_096
"""Tokens of a conversation that a Space's seconds are asked for."""
MOST_SECONDS = 120
"""What a Space asks for at most: a signed-out visitor has as much a day."""


@dataclass(frozen=True)
class Facts:
    """What a chat needs to know of a model's files.

    Args:
        kind: a whole model, a LoRA adapter, or a GGUF file.
        parameters: of the model that answers; of an adapter, those of its base.
        dtype: that it runs in.
        says: how it was made, a sentence or more for whoever chats with it; "" where nothing is to be said.
        base: the model of the Hub that an adapter is for.
        file: a GGUF's name.
    """

    kind: Literal["model", "adapter", "gguf"]
    parameters: int
    dtype: str
    says: str = ""
    base: str = ""
    file: str = ""


def facts_of(folder: Path, says: str = "") -> Facts:
    """What the files in a folder are.

    Args:
        folder: with safetensors, an adapter, or one GGUF file.
        says: see `Facts`.

    Raises:
        VisitorError: the files are gone, or an adapter's base is no model of the Hub.
    """
    if not folder.is_dir():
        raise VisitorError("The files are gone: they are kept for two hours at most.", "Make them again.")
    if (folder / "adapter_config.json").is_file():
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base = str(settings.get("base_model_name_or_path"))
        if card.hub_id(base) is None:
            raise VisitorError(
                f"The adapter is for {card.public_name(base)[:60]}, which is not on the Hub.",
                "Take the whole model, and push that.",
            )
        from shared import models

        return Facts("adapter", models.most_parameters(base), models.dtype_of(base), says, base=base)
    if files := sorted(folder.glob("*.gguf")):
        from gguf import GGUFReader

        count = sum(int(tensor.n_elements) for tensor in GGUFReader(files[0]).tensors)
        return Facts("gguf", count, "float32", says, file=files[0].name)
    sizes = weights.sizes(folder)
    return Facts("model", sum(sizes), weights.stored_dtype(folder), says)


def files(model: str, facts: Facts, system: str = "") -> dict[str, str]:
    """README.md, app.py and requirements.txt of a Space that chats with a model of the Hub.

    Args:
        model: where it is or will be, owner/name.
        facts: of it.
        system: the system prompt that the chat begins with; whoever chats may change it.

    Raises:
        VisitorError: the name is not of that form, or the system prompt is too long.
    """
    if not _ID.fullmatch(model) or ".." in model or card.hub_id(model) is None:
        raise VisitorError(
            f"“{model[:60]}” is not owner/name.", "Name the model repository for the chat to load."
        )
    values: dict[str, Any] = {
        "MODEL_ID": model,
        "SAYS": facts.says,
        "SYSTEM_PROMPT": system_prompt("system", system),
        "BASE_SECONDS": seconds(facts, 0),
        "SECONDS_A_TOKEN": round((seconds(facts, 100_000) - seconds(facts, 0)) / 100_000, 4),
        "MOST_SECONDS": MOST_SECONDS,
    }
    peft = "from peft import PeftModel\n" if facts.kind == "adapter" else ""
    app = _APP.replace("LOADING", _LOADING[facts.kind]).replace("PEFT\n", peft)
    for name, value in {**values, "BASE_MODEL": facts.base, "GGUF_FILE": facts.file}.items():
        app = app.replace(f"«{name}»", _literal(value))
    packages = ["transformers", "accelerate", *{"adapter": ["peft"], "gguf": ["gguf"]}.get(facts.kind, [])]
    names = [model, *([facts.base] if facts.base else [])]
    return {
        "README.md": _README.format(
            name=model.split("/")[1][:30],
            model=model,
            models="\n".join(f"  - {name}" for name in names),
            gradio=version("gradio"),
            says=card.escape(facts.says),
        ),
        "app.py": app,
        "requirements.txt": "".join(f"{name}=={version(name)}\n" for name in packages),
    }


def seconds(facts: Facts, tokens: int) -> int:
    """GPU seconds for an answer of so many tokens, by the model's size."""
    return gpu.seconds_for(facts.parameters, read=READ, steps=tokens, dtype=facts.dtype)


def _literal(value: Any) -> str:
    """A value as Python writes it, in lines that a reader can follow; text never ends its own quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


_README = """---
title: Chat with {name}
emoji: 💬
colorFrom: blue
colorTo: gray
sdk: gradio
sdk_version: {gradio}
python_version: "3.12"
app_file: app.py
pinned: false
suggested_hardware: zero-a10g
models:
{models}
---

A chat with [{model}](https://huggingface.co/{model}) on ZeroGPU.

{says}
"""

_LOADING = {
    "model": """tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto", use_safetensors=True).eval()""",
    "adapter": """BASE = os.environ.get("BASE", «BASE_MODEL»)
tokenizer = AutoTokenizer.from_pretrained(BASE)
base = AutoModelForCausalLM.from_pretrained(BASE, dtype="auto", use_safetensors=True)
model = PeftModel.from_pretrained(base, MODEL).merge_and_unload().eval()""",
    "gguf": """FILE = «GGUF_FILE»  # transformers computes with its values in float32
tokenizer = AutoTokenizer.from_pretrained(MODEL, gguf_file=FILE)
model = AutoModelForCausalLM.from_pretrained(MODEL, gguf_file=FILE, dtype=torch.float32).eval()""",
}

_APP = '''"""A chat with one model on ZeroGPU; without a GPU it runs on the CPU."""

import math
import os
from collections.abc import Iterator
from threading import Thread

import spaces  # must come before torch
import gradio as gr
import torch
from jinja2 import TemplateError
PEFT
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

MODEL = os.environ.get("MODEL", «MODEL_ID»)
SAYS = «SAYS»
SYSTEM = «SYSTEM_PROMPT»

LOADING
if torch.cuda.is_available():
    model.to("cuda")


def seconds(message: str, history: list[dict], system: str, tokens: int) -> int:
    """What an answer of so many tokens may take on the GPU, by the size of the model."""
    return min(«MOST_SECONDS», math.ceil(«BASE_SECONDS» + «SECONDS_A_TOKEN» * tokens))


@spaces.GPU(duration=seconds)
def chat(message: str, history: list[dict], system: str, tokens: int) -> Iterator[str]:
    """Stream the answer to a message."""
    talk = [{"role": "system", "content": system}] if system.strip() else []
    talk += [{"role": turn["role"], "content": text_of(turn["content"])} for turn in history]
    talk.append({"role": "user", "content": message})
    try:
        inputs = prompt(talk)
    except TemplateError:  # its template knows no system role
        talk = [{**talk[1], "content": f"{system}\\n\\n{talk[1]['content']}"}, *talk[2:]]
        inputs = prompt(talk)
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=60)
    settings = {**inputs.to(model.device), "max_new_tokens": int(tokens), "streamer": streamer}
    Thread(target=model.generate, kwargs=settings, daemon=True).start()
    answer = ""
    for piece in streamer:
        answer += piece
        yield answer


def prompt(talk: list[dict]) -> dict:
    """A conversation as the model reads it."""
    if not tokenizer.chat_template:
        return tokenizer("\\n".join(turn["content"] for turn in talk), return_tensors="pt")
    settings = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    return tokenizer.apply_chat_template(talk, **settings)


def text_of(content: object) -> str:
    """The text of a turn, which Gradio gives as a string or as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


demo = gr.ChatInterface(
    chat,
    title=MODEL.split("/")[-1],
    description=SAYS or None,
    additional_inputs=[
        gr.Textbox(SYSTEM, label="System prompt", lines=2),
        gr.Slider(16, 1024, 256, step=16, label="Tokens of an answer at most"),
    ],
)

if __name__ == "__main__":
    demo.launch()
'''
