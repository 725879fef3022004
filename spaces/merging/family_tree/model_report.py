"""The report on a published merge: what its recipe's check finds, whether the recipe gives the weights, whose
they are, what the licences ask, whose share is how large, and what could not be read.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from family_tree import declared, hub_reader, published_recipe, replayed
from family_tree.facts import Facts
from family_tree.grow import grow
from family_tree.hub_reader import Exhausted, Unread
from family_tree.local_models import read_folder
from family_tree.own_models import known_here
from family_tree.parents import CARD, RECIPES, Files
from family_tree.report_card import badge_of, section
from family_tree.report_lines import lines_of
from family_tree.report_request import ReportRequest
from family_tree.request import MERGED_HERE, TreeRequest
from merging import data, presets
from merging import recipe as recipes
from merging.check import Check, check
from merging.child import Child
from merging.finding import note
from merging.names import is_folder
from merging.report import Progress
from merging.sources import Source, resolve
from merging.tensors import read_headers
from shared import hub
from shared.errors import VisitorError
from shared.numbers import counted
from shared.steps import UPDATE_SECONDS

MOST_UNREAD = 40


@dataclass
class _Draft:
    """A report as far as it is written."""

    request: ReportRequest
    began: float = field(default_factory=time.monotonic)
    values: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Reasons by what could not be read."""

    def shown(self, progress: Progress | None) -> data.ModelReport:
        """The report as the figure draws it; complete where there is no progress."""
        told: Any = {
            **self.values,
            "unread": [
                {"what": what, "reason": why} for what, why in list(self.unread.items())[:MOST_UNREAD]
            ],
            "done": progress is None,
            "progress": progress
            and {"label": progress.label, "value": progress.done, "max": max(1, progress.total)},
        }
        found: data.ModelReport = told
        found["lines"] = lines_of(found, read=self.values["read"])
        del told["read"]
        if progress is None:
            found["seconds"] = round(time.monotonic() - self.began, 1)
            found["badge"] = badge_of(found)
            found["card"] = section(found)
        return found


def report(request: ReportRequest, child: Child | None = None) -> Iterator[data.ModelReport | data.Waiting]:
    """Report on a model; yields the report as it grows, the complete one last, with `done`.

    Args:
        request: the model, and how much of its weights is read.
        child: the merge that was made last, for a report on it.

    Raises:
        VisitorError: there is no such model, or the Hub did not answer for it.
    """
    draft = _Draft(request)
    tree: data.Tree | None = None
    asked = TreeRequest(request.model, descendants=0, recipe=_own_recipe(request), which=request.which)
    for tree in grow(asked):
        if tree["progress"]:
            yield _waiting(request, tree["progress"])
    assert tree is not None
    start = next(node for node in tree["nodes"] if node["id"] == tree["start"])
    if start["status"] in ("missing", "unread", "disabled", "private"):
        raise VisitorError(f"{start['id']} could not be read: {start['reason']}", "Name another model.")
    facts, files = _small_files(request, tree["start"], child)
    recipe = published_recipe.published(facts, files, start["recipe"], request.seed)
    many = len(recipe["choices"]) if recipe else 0
    if request.which is not None and request.which > max(1, many):
        raise VisitorError(
            f"{start['id']} publishes {counted(many, 'recipe')} that can be read; there is no number "
            f"{request.which}.",
            "Choose another number, or none.",
        )
    _begin(draft, tree, start, recipe, files)
    yield draft.shown(Progress("Checking the recipe"))
    found = _check(draft, start, recipe, files)
    yield draft.shown(Progress("Looking for the weights"))
    with _scratch() as scratch:
        yield from _paced(draft, _weights(draft, tree, recipe, found, child, scratch))
    yield draft.shown(None)


def _own_recipe(request: ReportRequest) -> str:
    return request.recipe if request.model == MERGED_HERE else ""


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="report-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _waiting(request: ReportRequest, progress: data.Progress) -> data.Waiting:
    return {
        "kind": "report",
        "run_id": "",
        "drawable": False,
        "done": False,
        "request": request.to_json(),
        "progress": progress,
    }


def _paced(draft: _Draft, steps: Iterator[Progress]) -> Iterator[data.ModelReport]:
    """The growing report, seldom enough for a page."""
    shown = 0.0
    for step in steps:
        if time.monotonic() - shown >= UPDATE_SECONDS:
            yield draft.shown(step)
            shown = time.monotonic()


def _small_files(request: ReportRequest, name: str, child: Child | None) -> tuple[Facts, Files]:
    """What the model's own files tell; the tree has asked for most of them already."""
    if request.model == MERGED_HERE:
        texts = {RECIPES[0]: request.recipe or presets.PRESETS[presets.IN_FULL]}
        if child is not None and child.recipe == texts[RECIPES[0]]:
            texts[CARD] = child.card
        return Facts(MERGED_HERE, "here"), Files(texts)
    if is_folder(name):
        return read_folder(name)
    if own := known_here(name):
        return own, Files()
    facts = hub_reader.read_model(name)
    texts, unread = {}, {}
    for file in (*RECIPES, CARD):
        if file not in facts.files or facts.status != "ok":
            continue
        try:
            texts[file] = hub_reader.read_file(facts.id, facts.sha, file) or ""
        except Unread as error:
            unread[file] = str(error)
        except Exhausted:
            unread[file] = "the Hub's limit was reached"
    return facts, Files(texts, unread)


def _begin(
    draft: _Draft,
    tree: data.Tree,
    start: data.Member,
    recipe: data.PublishedRecipe | None,
    files: Files,
) -> None:
    """What is known before a weight is read: the family, its licences and shares."""
    nodes = {node["id"]: node for node in tree["nodes"]}
    roots: list[data.Root] = []
    for name in tree["roots"]:
        node = nodes[name]
        if node["share"] not in (None, (0.0, 0.0)):
            roots.append(
                {
                    "id": name,
                    "share": node["share"],
                    "licence": node["licence"],
                    "status": node["status"],
                    "reason": node["reason"],
                }
            )
    roots.sort(key=lambda root: (-sum(root["share"]), root["id"]))
    ends = [[root["share"][end] for root in roots] for end in (0, 1)]
    draft.values = {
        "kind": "report",
        "drawable": True,
        "run_id": f"report-{draft.request.to_query() or time.time_ns()}",
        "request": draft.request.to_json(),
        "model": tree["start"],
        "sha": start["sha"],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "recipe": recipe,
        "findings": [],
        "replay": None,
        "paternity": None,
        "fitted": [],
        "untested": "",
        "roots": roots,
        "total": (round(sum(ends[0]), 6), round(sum(ends[1]), 6)) if roots else None,
        "start": tree["start"],
        "licences": tree["licences"],
        "badge": None,
        "card": "",
        "versions": {},
        "seconds": None,
        "read": True,
    }
    for node in tree["nodes"]:
        if node["status"] not in ("ok", "here"):
            draft.unread[node["id"]] = node["reason"]
    for file, reason in files.unread.items():
        draft.unread[file] = f"{reason[:1].upper()}{reason[1:]}."
    if told := [warning for warning in tree["warnings"] if " is now called " not in warning]:
        draft.unread["a part of the tree"] = " ".join(told)
    if tree["cut"]:
        draft.unread["more ancestors"] = f"{tree['cut']} models lie beyond the limit of {len(nodes)}."


def _check(
    draft: _Draft, start: data.Member, recipe: data.PublishedRecipe | None, files: Files
) -> Check | None:
    """Check the recipe; what cannot be had of its models is told among what could not be read, too."""
    disagree = [note("", told, "") for told in start["notes"] if "could not be read" not in told]
    draft.values["findings"] = [finding.to_json() for finding in disagree]
    if recipe is None:
        return None
    found = check(recipe["text"])
    mistakes = [finding for finding in found.findings if finding not in found.limits]
    mistakes += [*published_recipe.disagreement(recipe, files), *disagree]
    rank = ("error", "warning", "note")
    mistakes.sort(key=lambda finding: rank.index(finding.level))
    draft.values["findings"] = [finding.to_json() for finding in mistakes]
    try:
        parsed = recipes.parse(recipe["text"])
    except VisitorError:
        return found
    absent = [name for name in recipes.models_of(parsed) if name not in found.sources]
    places = {holder[key]: where for holder, key, where in reversed(list(recipes.named(parsed)))}
    for name in absent:
        told = next((one for one in found.findings if one.where == places[name]), None)
        if told:
            draft.unread.setdefault(name, told.message)
    # without the Hub nothing can be said of a recipe whose models would come from there
    draft.values["read"] = not absent or hub.reachable()
    return found


def _weights(
    draft: _Draft,
    tree: data.Tree,
    recipe: data.PublishedRecipe | None,
    found: Check | None,
    child: Child | None,
    scratch: Path,
) -> Iterator[Progress]:
    """Replay the recipe, and test the parents from the weights."""
    if recipe is None and not declared.declared(tree, recipe)[1]:
        draft.values["replay"] = replayed.none(
            "It publishes no recipe, so there is nothing to replay."
        ).replay
        draft.values["untested"] = "It declares no parent beside a base, so there is nothing to test."
        return
    try:
        published = _published(draft.request, tree["start"], draft.values["sha"], recipe, child)
    except VisitorError as error:
        if draft.request.model != MERGED_HERE:
            draft.unread[f"weights of {tree['start']}"] = error.what
        draft.values["replay"] = replayed.none(f"Its weights could not be read. {error.what}").replay
        draft.values["untested"] = error.what
        return
    outcome = None
    mistakes = [one for one in draft.values["findings"] if one["level"] == "error"]
    if recipe is None or found is None:
        outcome = replayed.none("It publishes no recipe to replay.")
    elif mistakes or found.plan is None:
        where = f"{mistakes[0]['where']}: " if mistakes and mistakes[0]["where"] else ""
        why = f"{where}{mistakes[0]['message']}" if mistakes else "It could not be planned."
        outcome = replayed.none(f"The recipe cannot be run. {why}")
    else:
        try:
            for step in replayed.replay(recipe, found, published, draft.request.weights, scratch):
                if isinstance(step, Progress):
                    yield step
                else:
                    outcome = step
        except VisitorError as error:
            outcome = replayed.none(f"The replay broke off. {error.what}")
            draft.unread["weights for the replay"] = error.what
    assert outcome is not None
    draft.values["replay"], draft.values["versions"] = outcome.replay, dict(outcome.versions)
    yield Progress("Testing the parents from the weights")
    try:
        opened = outcome.opened or declared.opened(draft.request.weights, tree, recipe, found, published)
        draft.values["paternity"], draft.values["fitted"] = declared.tested(tree, recipe, opened)
    except VisitorError as error:
        draft.values["untested"] = error.what


def _published(
    request: ReportRequest, name: str, sha: str, recipe: data.PublishedRecipe | None, child: Child | None
) -> Source:
    """The reported model as a check resolves it, at the commit that was read.

    Raises:
        VisitorError: its weights are nowhere.
    """
    if request.model != MERGED_HERE:
        return resolve(name if is_folder(name) or not sha else f"{name}@{sha}", whole=False)
    if child is None or recipe is None or child.recipe != recipe["text"] or not child.folder.is_dir():
        raise VisitorError("This merge was not made here, or its files are gone.", "Merge it first.")
    return Source(MERGED_HERE, child.folder, "made here", read_headers(child.folder), "", here=True)
