"""A result as a pull request in its model's repository: the file of `.eval_results`, and the card with its
scores and a section.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.request import named
from evaluation.share import DATASET
from shared import hub
from shared.errors import VisitorError

RESULTS = ".eval_results/evaluation.yaml"
BEGIN, END = "<!-- evaluation: begin -->", "<!-- evaluation: end -->"
TITLE = "Evaluation results"


def place_of(data: Mapping[str, Any], repository: str) -> int:
    """The model of a result whose repository it is.

    Raises:
        VisitorError: none is.
    """
    for place, asked in enumerate(data["request"]["models"]):
        one = named(asked)
        if one.model == repository and not one.rounding:
            return place
    raise VisitorError(
        f"{repository[:80]} is none of the models that were compared as they are.",
        "Compare that model of the Hub, then open the request in its repository.",
    )


def files_of(data: Mapping[str, Any], place: int, dataset: str, card: str) -> dict[str, str]:
    """The files of the request, by path.

    Args:
        data: a complete evaluation.
        place: of the model.
        dataset: of the Hub, that the items are in.
        card: the repository's README.md, "" for none.

    Raises:
        VisitorError: the head of the card is no YAML that the Hub's client reads.
    """
    texts, markdown = data["summary"]["models"][place], data["summary"]["markdown"]
    results = "".join(
        line for line in texts["results"].splitlines(keepends=True) if not line.startswith("#")
    ).replace(DATASET, dataset)
    return {
        RESULTS: results,
        "README.md": _card(card, texts["head"].replace(DATASET, dataset), markdown),
    }


def _card(card: str, head: str, markdown: str) -> str:
    """A card with a result's scores in its head and a section at its end, in the place of an earlier one."""
    from huggingface_hub import ModelCard

    section = f"{BEGIN}\n\n## Evaluation\n\n{markdown}\n{END}\n"
    try:
        mine: Any = ModelCard(head)
        theirs: Any = ModelCard(card) if card.strip() else mine
    except Exception as error:  # noqa: BLE001  YAML of any kind, a model-index of any shape
        raise VisitorError(
            f"The head of the repository's card cannot be read ({type(error).__name__}).",
            "Mend its YAML, or copy the section from Share.",
        ) from None
    if theirs is not mine:
        fresh = {_key(one) for one in mine.data.eval_results}
        kept = [one for one in theirs.data.eval_results or [] if _key(one) not in fresh]
        theirs.data.eval_results = [*kept, *mine.data.eval_results]
        theirs.data.model_name = theirs.data.model_name or mine.data.model_name
    text = theirs.text
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    body = before + behind.lstrip("\n") if begin and end else text
    theirs.text = f"{body.rstrip()}\n\n{section}".lstrip("\n")
    return f"---\n{theirs.data.to_yaml()}\n---\n\n{theirs.text}"


def _key(one: Any) -> tuple[str, str, str]:
    return one.dataset_type, str(one.dataset_config), one.metric_type


def propose(data: Mapping[str, Any] | None, dataset: str, repository: str, token: str | None) -> str:
    """Open the request; its URL.

    Raises:
        VisitorError: there is no complete result, the model is none of its, no dataset is named, or as
            `hub.propose`.
    """
    if not data or not data.get("summary"):
        raise VisitorError("There is no complete result.", "Compare models first.")
    if data.get("example"):
        raise VisitorError("This is the stored example.", "Compare your own models first.")
    if not dataset.strip() or "/" not in dataset:
        raise VisitorError(
            "The items' dataset is not named.", "Write owner/name of the dataset of the Hub that holds them."
        )
    hub.check_id(dataset.strip(), "dataset")
    place = place_of(data, repository)
    return hub.propose(
        repository,
        lambda card: files_of(data, place, dataset.strip(), card),
        TITLE,
        data["verdicts"][0],
        token,
    )
