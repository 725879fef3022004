"""A visitor's private repository of the Hub, brought to their shelf with their own sign-in.

What is private is opened by nobody else because the shelf is nobody else's: the files go to a result's folder
and never into the Hub's cache, and from then on the thing has a name of the shelf.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared import files, hub, models, owner, shelf
from shared.errors import VisitorError

DATASETS = "datasets/"
MAX_RANK = 512
"""Of a LoRA."""
_PAGE = "https://huggingface.co/"

NEEDS = (
    "A model or adapter in safetensors as owner/name, rows as datasets/owner/name. It comes to your shelf, "
    "for you alone, for two hours."
)


def named(text: str) -> tuple[str, str, str]:
    """What a visitor names: the repository's kind, its owner/name, and of a dataset the file, where it is
    said.

    Raises:
        VisitorError: it has not the form of one.
    """
    given = text.strip().removeprefix(_PAGE).rstrip("/")
    dataset = given.startswith(DATASETS)
    kind = "dataset" if dataset else "model"
    parts = given.removeprefix(DATASETS).split("/")
    repository, file = "/".join(parts[:2]), "/".join(parts[2:])
    if not dataset and file:
        raise VisitorError(f"“{given[:60]}” names a file of a model.", "Name the whole model, owner/name.")
    hub.check_id(repository, kind)
    if "/" not in repository:
        raise VisitorError(f"“{repository}” has no owner.", "Write it as owner/name.")
    return kind, repository, file


def brought(text: str, token: str | None) -> shelf.Made:
    """Put a private repository on the shelf of whoever asks.

    Args:
        text: as `named` reads it.
        token: theirs.

    Raises:
        VisitorError: as `named` and `hub.bring`; their browser keeps no cookie.
    """
    kind, repository, file = named(text)
    if owner.visitor() is None:
        raise VisitorError(
            "Your browser keeps no cookie of this page.", "Allow cookies, and reload the page."
        )
    folder = files.result_folder() / "brought"
    folder.mkdir()
    try:
        names, licence = hub.bring(repository, kind, token, models.largest_model(), folder, file)
        made = _shelved(kind, repository, names, licence, folder)
    except Exception:
        files.remove(folder.parent)
        raise
    assert made is not None  # the visitor is known
    return made


def _shelved(kind: str, repository: str, names: list[str], licence: str, folder: Path) -> shelf.Made | None:
    about: dict[str, Any] = {"says": "brought from the private repository", "parents": [repository]}
    words = repository.rpartition("/")[2]
    if kind == "dataset":
        path = folder / names[0]
        return shelf.put(path.parent, "rows", words, **about, relation="", licence=licence, file=path.name)
    adapter = "adapter_config.json" in names
    if adapter:
        _check_adapter(folder / "adapter_config.json", repository)
    relation: shelf.Relation = "adapter" if adapter else "finetune"
    return shelf.put(
        folder, "adapter" if adapter else "model", words, **about, relation=relation, licence=licence
    )


def _check_adapter(path: Path, repository: str) -> None:
    """Refuse an adapter that is no plain LoRA on a model of the Hub: PEFT makes its matrices as large as its
    configuration says, and runs what some ways of filling them ask for.
    """
    remedy = "Push the merged model instead."
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        hub.check_id(stated["base_model_name_or_path"])
        ranks = [stated["r"], *(stated.get("rank_pattern") or {}).values()]
        plain = (
            stated["peft_type"] == "LORA"
            and all(type(rank) is int and 0 < rank <= MAX_RANK for rank in ranks)
            and type(stated.get("init_lora_weights", True)) is bool
            and not any(stated.get(key) for key in ("auto_mapping", "megatron_config"))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, VisitorError):
        raise VisitorError(f"The adapter {repository} names no base of the Hub.", remedy) from None
    if not plain:
        raise VisitorError(f"{repository} is no LoRA of rank {MAX_RANK} or less.", remedy)
