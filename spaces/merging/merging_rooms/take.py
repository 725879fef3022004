"""The room where a merge is taken home, a chat Space made, and an adapter extracted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from merging import child as children
from merging.chat_space import files
from merging.report import Progress
from merging.run import extract_lora
from shared import experts, hub, page
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError, for_visitor
from shared.files import result_folder
from shared.room import MODEL, QUIET, Values


def chat_files(model: str) -> dict[str, Path]:
    """The chat Space's files, written into a folder of this visitor.

    Raises:
        VisitorError: the model's name is malformed.
    """
    texts = files(model.strip())
    folder = result_folder()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in texts}


def push_chat(model: str, repository: str, token: str | None) -> str:
    """Upload a chat Space for a pushed model; the Space's URL.

    Raises:
        VisitorError: as `chat_files` and `hub.push`.
    """
    paths = chat_files(model)
    card = paths.pop("README.md").read_text(encoding="utf-8")
    return hub.push(repository, "space", paths, card, token)


def build(child: gr.State) -> None:
    """Controls and their events.

    Args:
        child: the merge that was made last.
    """
    gr.Markdown("## Push the merged model")
    page.push_row("Model repository to create or update, owner/name", children.push, [child])
    gr.Markdown("## A chat Space for it")
    with gr.Row(equal_height=True):
        model = gr.Textbox(label="The pushed model, owner/name", max_lines=1, scale=2, elem_id="chat-model")
        make = gr.Button("Write the files", scale=0, min_width=140, elem_classes="run", elem_id="make-chat")
    chat = gr.Files(label="The chat Space", visible=False, interactive=False, elem_id="chat-files")
    advice = gr.HTML("", elem_classes="quiet")
    page.push_row("Space to create or update, owner/name", push_chat, [model], "Push the Space")
    gr.Markdown("## Extract a LoRA adapter")
    with gr.Row(equal_height=True):
        tuned, base = (
            page.model_field(value, label, elem_id=name)
            for value, label, name in (
                (experts.NAMES[1], "Fine-tuned model", "tuned"),
                (EMBEDDED_MODEL, "Its base", "tuned-from"),
            )
        )
        rank = gr.Textbox("8", label="Largest rank", max_lines=1, min_width=100)
        extract = gr.Button("Extract", scale=0, min_width=110, elem_classes="run", elem_id="extract")
    adapter = gr.Files(label="The adapter", visible=False, interactive=False, elem_id="adapter")
    progress = gr.HTML("", elem_classes="quiet", elem_id="extracted")

    def chat_space(name: str) -> Values:
        try:
            paths = chat_files(name)
        except VisitorError as error:
            return {chat: gr.Files(visible=False), advice: page.alert(error)}
        value = gr.Files([str(path) for path in paths.values()], visible=True, interactive=False)
        sentence = "Put these three files into a new Space with ZeroGPU hardware."
        return {chat: value, advice: page.quiet(sentence)}

    def extraction(name: str, base_name: str, most: str) -> Iterator[Values]:
        try:
            for step in extract_lora(name.strip(), base_name.strip(), most, result_folder()):
                if isinstance(step, Progress):
                    count = f" ({step.done} of {step.total})" if step.total else ""
                    yield {progress: page.quiet(f"{step.label}{count}")}
                    continue
                paths = [str(path) for path in sorted(step.folder.iterdir())]
                size = sum(step.files.values()) / 1e6
                yield {
                    adapter: gr.Files(paths, visible=True, interactive=False),
                    progress: page.quiet(f"Extracted in {step.seconds:.0f} s: {size:,.1f} MB."),
                }
        except Exception as error:  # noqa: BLE001  the page must go on whatever happened
            yield {adapter: gr.Files(visible=False), progress: page.alert(for_visitor(error))}

    make.click(chat_space, [model], [chat, advice], **QUIET)
    extract.click(extraction, [tuned, base, rank], [adapter, progress], **MODEL, **QUIET)
