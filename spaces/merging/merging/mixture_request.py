"""Which mixture of experts a visitor wants to see, and the texts whose tokens it routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from merging import recipe as recipes
from merging.recipe import is_moe
from merging.request import Request, check_prompts, check_recipe
from shared import request
from shared.checks import SEED, one_of
from shared.errors import VisitorError
from shared.request import setting

FORMS = ("plain", "chat")
TEXTS = ("The pirate sailed over the sea.", "Boil the soup and add salt.")


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = check_prompts(name, value)
    if not texts:
        raise VisitorError("There is no text to route.", "Write one or more, one a line.")
    return texts


@dataclass(frozen=True)
class MixtureRequest(request.Request):
    """Everything that determines a mixture and the picture of its routing."""

    LINK_CHARACTERS: ClassVar[int] = Request.LINK_CHARACTERS

    recipe: str = setting(
        "",
        check_recipe,
        "YAML of mergekit-moe; models are Hub ids, or the experts cautious, pirate, concise",
        required=True,
    )
    seed: int = setting(0, SEED, "of gates that are drawn")
    texts: tuple[str, ...] = setting(TEXTS, _texts, "whose tokens are routed, at most 6", link="text")
    form: str = setting(
        FORMS[0], one_of(*FORMS), 'how they are read: "plain", or "chat" for questions in the chat template'
    )

    @property
    def parsed(self) -> dict[str, Any]:
        """The recipe.

        Raises:
            VisitorError: it cannot be read, or is no mixture.
        """
        recipe = recipes.parse(self.recipe)
        if not is_moe(recipe):
            raise VisitorError(
                "The recipe has no experts: it is a merge.", "Merge it in the first room, or add experts."
            )
        return recipe
