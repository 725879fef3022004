"""A ready chat Space for a merged model: the three files that ZeroGPU needs."""

from __future__ import annotations

import re
from importlib.metadata import version

from shared.errors import VisitorError

_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[\w.\-]{1,96}")


def files(model: str) -> dict[str, str]:
    """README.md, app.py and requirements.txt of a Space that chats with a model of the Hub.

    Args:
        model: where the merged model is or will be, owner/name.

    Raises:
        VisitorError: not of that form.
    """
    if not _ID.fullmatch(model) or ".." in model:
        raise VisitorError(
            f"“{model[:60]}” is not owner/name.", "Name the model repository for the chat to load."
        )
    return {
        "README.md": _README.format(name=model.split("/")[1][:30], model=model, gradio=version("gradio")),
        "app.py": _APP.replace("MODEL_ID", model),
        "requirements.txt": f"transformers=={version('transformers')}\naccelerate=={version('accelerate')}\n",
    }


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
  - {model}
---

A chat with [{model}](https://huggingface.co/{model}) on ZeroGPU.
"""

_APP = '''"""A chat with one model on ZeroGPU; without a GPU it runs on the CPU."""

import os
from collections.abc import Iterator
from threading import Thread

import spaces  # must come before torch
import gradio as gr
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

MODEL = os.environ.get("MODEL", "MODEL_ID")
MAX_NEW_TOKENS = 512

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto", use_safetensors=True).eval()
if torch.cuda.is_available():
    model.to("cuda")


@spaces.GPU(duration=60)
def chat(message: str, history: list[dict]) -> Iterator[str]:
    """Stream the answer to a message."""
    talk = [{"role": turn["role"], "content": text_of(turn["content"])} for turn in history]
    talk.append({"role": "user", "content": message})
    if tokenizer.chat_template:
        settings = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
        inputs = tokenizer.apply_chat_template(talk, **settings)
    else:
        inputs = tokenizer("\\n".join(turn["content"] for turn in talk), return_tensors="pt")
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=60)
    settings = {**inputs.to(model.device), "max_new_tokens": MAX_NEW_TOKENS, "streamer": streamer}
    Thread(target=model.generate, kwargs=settings, daemon=True).start()
    answer = ""
    for piece in streamer:
        answer += piece
        yield answer


def text_of(content: object) -> str:
    """The text of a turn, which Gradio gives as a string or as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


demo = gr.ChatInterface(chat, title=MODEL.split("/")[-1])

if __name__ == "__main__":
    demo.launch()
'''
