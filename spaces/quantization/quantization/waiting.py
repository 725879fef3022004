"""A run before anything of it can be drawn."""

from __future__ import annotations

from quantization import data


def waiting(kind: data.Kind, title: str, label: str, value: float = 0, most: float = 1) -> data.Waiting:
    """A figure's data while it waits.

    Args:
        kind: of the figure.
        title: of it.
        label: what is done now.
        value: how far it is.
        most: where the end is.
    """
    return {
        "kind": kind,
        "run_id": "",
        "drawable": False,
        "done": False,
        "title": title,
        "progress": {"label": label, "value": value, "max": most},
    }
