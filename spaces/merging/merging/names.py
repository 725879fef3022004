"""A model's name as a recipe has it, `model@revision+adapter`, or one of this suite's experts."""

from __future__ import annotations

from shared import card, experts, hub, owner
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError

ADAPTERS = "shared/experts"
"""Where this project's repository holds the experts' adapters."""


def split(name: str) -> tuple[str, str | None, str | None]:
    """Model, revision and adapter of a name, as mergekit reads it.

    Raises:
        VisitorError: more than one @ or +.
    """
    model, *lora = name.split("+")
    if len(lora) > 1:
        raise VisitorError(f"“{name[:60]}” has two adapters.", "Write model+adapter.")
    model, *revision = model.split("@")
    if len(revision) > 1:
        raise VisitorError(f"“{name[:60]}” has two revisions.", "Write model@revision.")
    return model.strip(), revision[0].strip() if revision else None, lora[0].strip() if lora else None


def expert_of(name: str) -> str | None:
    """The expert that a name stands for, alone or as the embedded model with its adapter; None for any other
    model.
    """
    model, revision, lora = split(name)
    expert = model if lora is None else lora if model == EMBEDDED_MODEL else None
    return expert if expert in experts.NAMES and revision is None else None


def check_name(name: str) -> None:
    """Raise a VisitorError unless the text names an expert, a Hub model, or for the owner a folder."""
    model, revision, lora = split(name)
    if model in experts.NAMES and revision is not None:
        raise VisitorError(f"“{name[:60]}” names a revision of an expert.", f"Write {model}.")
    hub.check_revision(revision)
    for part in [model, *([lora] if lora is not None else [])]:
        if part in experts.NAMES or is_folder(part):
            continue
        if part.startswith(("/", "./", "../", "~")) or "\\" in part:
            raise VisitorError(
                f"There is no folder “{part[:60]}”." if owner.is_here() else f"“{part[:60]}” is a path.",
                "Name a model of the Hub as owner/name, or an expert.",
            )
        hub.check_id(part)


def is_folder(part: str) -> bool:
    """Whether a part of a name is a folder of this machine that may be read."""
    try:
        return hub.is_local_path(part)
    except (OSError, RuntimeError, ValueError):  # too long, a ~user who is not there, or a null in it
        return False


def for_mergekit(name: str) -> str:
    """A name as mergekit's own command reads it: an expert is the embedded model plus its adapter, which lies
    in this project's repository.
    """
    expert = expert_of(name)
    model, lora = (EMBEDDED_MODEL, expert) if expert else (name.split("+")[0], split(name)[2])
    return f"{model}+{ADAPTERS}/{lora}" if lora in experts.NAMES else name


def hub_model(name: str) -> str | None:
    """The Hub's model that a name stands for: an expert's is the one that it was trained on; None for a
    folder.
    """
    model, _, _ = split(name)
    if model in experts.NAMES:
        return EMBEDDED_MODEL
    return card.hub_id(model)
