"""What the rooms of the merging Space share."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

from family_tree.report_request import ReportRequest
from family_tree.request import MERGED_HERE, TreeRequest
from shared import page
from shared.errors import VisitorError

TITLE = "Merging"
HERE = Path(__file__).parents[1]
RENDERER = HERE / "merging" / "js"

example = partial(page.stored, HERE / "examples")

Asked = TypeVar("Asked", TreeRequest, ReportRequest)


def named(request: Asked) -> Asked:
    """A request over the API, which knows no merge that was made on a page.

    Raises:
        VisitorError: no model is named.
    """
    if request.model == MERGED_HERE:
        raise VisitorError(
            "No model was named.", "Write a model id, such as HuggingFaceTB/SmolLM2-135M-Instruct."
        )
    return request
