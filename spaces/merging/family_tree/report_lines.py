"""The parts of a report as one sentence each, with a verdict."""

from __future__ import annotations

from family_tree.published_recipe import CONSTANT
from merging import data
from shared.numbers import counted

EXPLAINED = 0.98
"""Share of the task vector that the declared parents must explain to be the whole list."""
TRIMMING = (
    "ties",
    "dare_ties",
    "dare_linear",
    "della",
    "della_linear",
    "breadcrumbs",
    "breadcrumbs_ties",
    "sce",
    "model_stock",
    "nearswap",
    "arcee_fusion",
    "ram",
    "ramplus_tl",
)
"""Methods that no sum of task vectors explains in full."""


def lines_of(found: data.ModelReport, *, read: bool) -> list[data.ReportLine]:
    """One line for each part that is known.

    Args:
        found: the report as far as it is written.
        read: whether the recipe's models could be asked for.
    """
    parts = [("recipe", _recipe(found, read))]
    if found["replay"]:
        parts.append(("replay", _replay(found["replay"])))
    if found["replay"] and (found["paternity"] or found["untested"]):
        parts.append(("parents", _parents(found)))
    parts += [
        ("licences", _licences(found["licences"])),
        ("shares", _shares(found)),
        ("unread", _unread(found)),
    ]
    told: list[data.ReportLine] = [
        {"chapter": chapter, "verdict": verdict, "says": says}  # type: ignore[typeddict-item]
        for chapter, (verdict, says) in parts
    ]
    return told


Line = tuple[data.Verdict, str]


def _recipe(found: data.ModelReport, read: bool) -> Line:
    if found["recipe"] is None:
        return "open", "It publishes no recipe: neither a file of mergekit's nor one in its card."
    levels = [finding["level"] for finding in found["findings"]]
    errors, warnings = levels.count("error"), levels.count("warning")
    if errors and not read:
        return "open", "Models of its recipe could not be had here, so that it was checked in part."
    name, recipe = "The recipe", found["recipe"]
    if len(recipe["choices"]) > 1 and recipe["number"]:
        name = f"Recipe {recipe['number']} of the {len(recipe['choices'])} that it publishes"
    if errors:
        return "bad", f"{name} cannot be run as it is published: {counted(errors, 'mistake')}."
    if warnings:
        return "mixed", f"{name} can be run; {counted(warnings, 'warning')}."
    return "good", f"{name} can be run, and the check finds no mistake in it."


def _replay(replay: data.ReplayedModel) -> Line:
    counts = replay["counts"]
    if any(counts.get(state) for state in ("different", "shape", "missing", "extra")):
        return "bad", replay["says"]
    if replay["how"] in ("none", "headers"):
        return "open", replay["says"]
    return ("mixed" if counts.get("rounded") else "good"), replay["says"]


def _parents(found: data.ModelReport) -> Line:
    test, replay = found["paternity"], found["replay"]
    assert replay is not None
    proven = _replay(replay)[0] == "good"
    if test is None:
        if proven and replay["how"] == "all":
            return "good", "The recipe's parents give these very bytes."
        return "open", found["untested"]
    apart = [one for one in found["fitted"] if not one["agrees"]]
    absent = [one["name"] for one in test["parents"] if one["verdict"].startswith("no trace")]
    share = f"{100 * test['explained']:.1f} %"
    method = found["recipe"]["method"] if found["recipe"] else ""
    if proven:
        return "good", f"The declared parents explain {share} of the model's change, and give its very bytes."
    equal = replay["counts"].get("same", 0) + replay["counts"].get("rounded", 0)
    if 2 * equal >= replay["compared"] > 0:
        return "good", f"The declared parents give {equal} of {replay['compared']} tensors as they are."
    whole = test["explained"] >= EXPLAINED
    if absent and not whole:
        return "bad", f"{', '.join(absent)} left no trace in the weights: a declared parent is wrong."
    if method in CONSTANT and not whole:
        return "bad", (
            f"The declared parents explain {share} of its change, and those of a {method} merge explain all "
            "of it: one is wrong or not declared."
        )
    if apart:
        one = apart[0]
        return "bad", (
            f"The recipe states {one['declared']:g} of {one['name']}; the weights hold "
            f"{one['found']:.3g} ± {one['sigma']:.1g}."
        )
    if absent:
        return "mixed", f"{', '.join(absent)} left no trace; the others explain {share} of the change."
    if not whole and method not in TRIMMING:
        return "mixed", f"The declared parents are in the model, and explain {share} of its change."
    return "good", f"The declared parents are in the model, and explain {share} of its change."


def _licences(licences: data.Licences) -> Line:
    own = licences["own"]
    if licences["conflicts"]:
        many = len(licences["conflicts"])
        return "bad", f"{licences['conflicts'][0]['message']}" + (
            f" {counted(many - 1, 'further conflict')}." if many > 1 else ""
        )
    if laxer := licences.get("laxer"):
        return "mixed", laxer[0]["message"]
    unknown = counted(len(licences["unknown"]), "model")
    if not own:
        return "mixed", f"No licence of its own could be read; the terms of {unknown} are not known."
    if licences["unknown"]:
        return (
            "mixed",
            f"Nothing that could be read conflicts with {own}; the terms of {unknown} are not known.",
        )
    return "good", f"Nothing that its ancestors' licences ask conflicts with {own}."


def _shares(found: data.ModelReport) -> Line:
    roots, total = found["roots"], found["total"]
    if not roots or total is None:
        return "open", "No ancestor is known."
    ghosts = [root for root in roots if root["status"] not in ("ok", "here")]
    exact = total[0] == total[1]
    many = counted(len(roots), "root")
    if exact and abs(total[0] - 1) > 1e-4:
        percent = f"{100 * total[0]:.4g} %"
        return "mixed", f"The shares of {many} sum to {percent}: its weights do not sum to 1."
    if len(roots) == 1:
        says = f"All of it goes back to {roots[0]['id']}: 100 %."
    else:
        says = f"The shares of {many} sum to 100 %" + (
            "." if exact else "; where a method trims or elects, or no weight is stated, a share is a range."
        )
    if ghosts:
        return "mixed", f"{says} {counted(len(ghosts), 'root')} could not be read."
    return "good", says


def _unread(found: data.ModelReport) -> Line:
    unread = found["unread"]
    if not unread:
        return "good", "Everything that it names could be read."
    first = unread[0]
    more = f" {len(unread) - 1} more." if len(unread) > 1 else ""
    return "mixed", f"{first['what']}: {first['reason'].rstrip('.')}.{more}"
