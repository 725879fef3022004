"""Show me: the steps through the Space's rooms, by the rooms' names in links."""

from __future__ import annotations

from typing import Any

from shared.tour import Step


def _sizes(data: Any) -> str:
    rows = [row for row in data["rows"] if row["engine"] == "gguf" and row["front"]]
    near, small = max(rows, key=lambda row: row["file_bytes"]), min(rows, key=lambda row: row["file_bytes"])
    whole = data["base"]["file_bytes"]
    return (
        f"Each mark is a format. {near['label']} takes {near['file_bytes'] / whole:.0%} of the file and "
        f"hardly moves a prediction; {small['label']} takes {small['file_bytes'] / whole:.0%} and moves them "
        "by far."
    )


def _taken(data: Any) -> str:
    return (
        f"{data['title'].rpartition(', ')[2]}: {data['row']['file_bytes'] / 1e6:.0f} MB, measured as it will "
        f"run: a KL divergence of {data['row']['kld']['mean']:.3f} nats from the original."
    )


def _set(data: Any) -> str:
    return (
        f"{len(data['request']['formats'])} formats as one set: {len(data['files'])} files, each written, "
        "read back and measured."
    )


TOURS = {
    "compare": (
        Step("compare", _sizes),
        Step(
            "compare",
            "The text token by token: dark where the format's prediction moved. Press a token to see both "
            "distributions.",
            "tokens",
        ),
        Step(
            "compare",
            "Which parts of the model suffer: each cell is one part of one layer rounded alone. The slider "
            "spends a budget where it hurts least.",
            "layers",
        ),
    ),
    "lab": (
        Step(
            "lab",
            "The worst block of the tensor: one large weight stretches the grid, and its neighbours fall "
            "between the lines.",
        ),
        Step(
            "lab",
            "A typical block: the grid fits, and every weight lies near a line.",
            "block",
            {"block": [175, 11, 0]},
        ),
        Step("lab", "Every method on this same tensor: fewer bits to the left, less noise above.", "methods"),
    ),
    "take": (
        Step("take", _taken),
        Step(
            "take",
            "Tensor by tensor: which type each one got, and which could not have the format's.",
            "tensors",
        ),
        Step("take", "The card that goes with the file: every number is of this file, read back.", "card"),
    ),
    "set": (
        Step("set", _set),
        Step("set", "Size against what is lost, of these very files.", "size"),
        Step("set", "Say how much memory there is: the verdict names the file to take.", "fits"),
    ),
}
