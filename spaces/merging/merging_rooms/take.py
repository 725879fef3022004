"""The room where a merge is taken home, a chat Space made, and an adapter extracted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from merging import child as children
from merging.child import Child
from merging.report import Progress
from merging.run import extract_lora
from shared import chat_room, experts, page
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import for_visitor
from shared.files import result_folder
from shared.room import LIGHT, MODEL, QUIET, Values


def merge_of(child: Child | None) -> tuple[Path, str]:
    """The files of the merge that was made last, and how it was made.

    Raises:
        VisitorError: as `children.still_here`.
    """
    merge = children.still_here(child)
    return merge.folder, f"A merge by mergekit: {merge.title}. Nobody tested whether its answers are right."


def which_of(child: Child | None) -> str:
    """Which merge is taken home, as a sentence."""
    return f"This is of the merge that was made last: {child.title}." if child else "No merge was made yet."


def build(child: gr.State) -> None:
    """Controls and their events.

    Args:
        child: the merge that was made last.
    """
    gr.Markdown("## Push the merged model")
    which = gr.HTML(page.quiet(which_of(None)), elem_classes="quiet", elem_id="push-which")
    child.change(lambda made: page.quiet(which_of(made)), [child], [which], **LIGHT)
    page.push_row("Model repository to create or update, owner/name", children.push, [child])
    chat_room.build("merge", merge_of, [child])
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

    extract.click(extraction, [tuned, base, rank], [adapter, progress], **MODEL, **QUIET)
