"""A finished merge as something to take home: its files, with card and recipe beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merging import data
from merging import recipe as recipes
from merging.card import folders, model_card, title
from merging.names import expert_of, split
from merging.report import Report
from shared import hub, shelf
from shared.card import without_paths
from shared.errors import VisitorError

RECIPE_FILES = {"merge": "mergekit_config.yml", "mixture": "mergekit_moe_config.yml"}
"""By kind of merge, how mergekit names the recipe beside the weights."""


@dataclass(frozen=True)
class Child:
    """A merge's files.

    Args:
        folder: with the weights.
        recipe: that made it, as written.
        card: its text.
        title: what it is, in a few words.
    """

    folder: Path
    recipe: str
    card: str
    title: str = ""

    @property
    def files(self) -> list[Path]:
        """Every file that can be taken home."""
        return sorted(self.folder.iterdir())


def child_of(report: Report, figure: data.Merge | None = None) -> Child:
    """Put card and recipe beside a merge's weights.

    Args:
        report: of the merge.
        figure: its comparison with the parents, where there is one.
    """
    text = model_card(report, figure)
    (report.folder / "README.md").write_text(text, encoding="utf-8")
    recipe = without_paths(report.recipe, folders(report.sources))
    (report.folder / RECIPE_FILES[report.kind]).write_text(recipe, encoding="utf-8")
    return Child(report.folder, report.recipe, text, title(report))


def shelved(report: Report) -> shelf.Made | None:
    """Put a merge on the shelf of whoever made it."""
    recipe = recipes.parse(report.recipe)
    method = "mergekit-moe" if report.kind == "mixture" else str(recipe.get("merge_method"))
    base = str(recipe.get("base_model"))
    names = sorted(report.sources, key=lambda name: name != base)
    parents = list(dict.fromkeys(expert_of(name) or split(name)[0] for name in names))
    licences = {source.licence for source in report.sources.values()}
    words = [method, *(name.split("/")[-1] for name in parents if len(parents) == 1 or name != base)]
    return shelf.put(
        report.folder,
        "model",
        " ".join(words),
        says=f"merged by {method} of",
        parents=parents,
        relation="merge",
        licence=licences.pop() if len(licences) == 1 else "",
    )


def still_here(child: Child | None) -> Child:
    """The merge that was made last.

    Raises:
        VisitorError: there is none, or its files have been removed.
    """
    if child is None:
        raise VisitorError("There is no merge yet.", "Press Merge and compare in the first room.")
    if not child.folder.is_dir():
        raise VisitorError("The merge's files are gone: they are kept for two hours at most.", "Merge again.")
    return child


def push(child: Child | None, repository: str, token: str | None) -> str:
    """Upload the child and its card; the repository's URL.

    Raises:
        VisitorError: as `still_here` and `hub.push`.
    """
    merge = still_here(child)
    files = {path.name: path for path in merge.files if path.name != "README.md"}
    return hub.push(repository, "model", files, merge.card, token)
