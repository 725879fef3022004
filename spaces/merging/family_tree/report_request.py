"""Which published merge a visitor wants a report on."""

from __future__ import annotations

from dataclasses import dataclass

from family_tree.request import MERGED_HERE, OfModel, check_model, check_which
from merging.request import check_recipe
from shared.checks import SEED, one_of
from shared.request import setting

WEIGHTS = ("auto", "all", "sample", "none")


@dataclass(frozen=True)
class ReportRequest(OfModel):
    """Everything that determines a report."""

    model: str = setting(
        MERGED_HERE, check_model, "a Hub id, or one of the experts cautious, pirate, concise", link="report"
    )
    seed: int | None = setting(
        None, SEED, "of methods that draw (dare, della); by default the one that the card states, else 0"
    )
    weights: str = setting(
        "auto",
        one_of(*WEIGHTS),
        "how many are read: all, a sample, none; auto: all where that is a download of a few gigabytes and "
        "the merge can be made here, else a sample",
    )
    which: int | None = setting(
        None,
        check_which,
        "of several recipes that the model publishes, its number from 1, as the report counts them; by "
        "default the one that agrees best with the parents that are stated",
    )
    recipe: str = setting(
        "", check_recipe, f"of “{MERGED_HERE}”, which is not on the Hub; by default two experts added in full"
    )
