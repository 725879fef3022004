"""What this suite knows of its own models without the Hub."""

from __future__ import annotations

from family_tree.facts import Facts
from shared import experts, hub
from shared.embedded_model import EMBEDDED_MODEL

PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
"""What the embedded model was tuned from, as its own card says."""
PARAMETERS = 134_515_008
SECTION = "This suite"
"""The author of what comes with the demos."""
VISITOR = "you, in this session"
"""The author of what a visitor made here."""


def known_here(name: str) -> Facts | None:
    """The experts, and the embedded model where the Hub is away; None for what the Hub is to be asked."""
    owner = name.split("/")[0]
    if name in experts.NAMES:
        return Facts(
            name,
            "here",
            "An expert of this suite: a LoRA adapter in its repository.",
            card={"base_model": EMBEDDED_MODEL, "base_model_relation": "adapter"},
            author=SECTION,
            licence="apache-2.0",
            parameters=PARAMETERS,
        )
    if hub.reachable():
        return None
    if name == EMBEDDED_MODEL:
        return Facts(
            name,
            "here",
            "The embedded copy; the Hub was not asked.",
            card={"base_model": PRETRAINED, "base_model_relation": "finetune"},
            author=owner,
            licence="apache-2.0",
            parameters=PARAMETERS,
        )
    return Facts(name, "unread", "The Hub cannot be reached from here.", author=owner)
