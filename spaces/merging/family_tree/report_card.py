"""A report to take home: a badge, its line for a model's card, and a section of Markdown."""

from __future__ import annotations

import html
from contextlib import suppress

from family_tree.report_request import ReportRequest
from family_tree.request import MERGED_HERE, is_path
from merging import data
from merging import recipe as recipes
from shared import card
from shared.card import Markdown
from shared.errors import VisitorError
from shared.numbers import counted

ADDRESS = "{this demo}"
"""Stands for the demo's address, which the page that shows it knows."""
FILE = "merge-report.svg"
LABEL = "merge report"
COLOURS: dict[data.Verdict, str] = {
    "good": "#0a7f5c",
    "mixed": "#8a5a00",
    "bad": "#b3261e",
    "open": "#5b6472",
}
WORDS: dict[data.Verdict, str] = {
    "good": "holds",
    "mixed": "worth a look",
    "bad": "does not hold",
    "open": "not decided",
}
CHAPTERS: dict[data.Chapter, str] = {
    "recipe": "Recipe",
    "replay": "Replay",
    "parents": "Parents",
    "licences": "Licences",
    "shares": "Shares",
    "unread": "Not read",
}
_NARROW, _WIDE = set("iljtfrI.,:;'|!()[] "), set("mwMW@%")
MOST_ROWS = 12


def badge_of(found: data.ModelReport) -> data.Badge:
    """The report in one line: what the replay found, and what else speaks against the model."""
    verdicts = {line["chapter"]: line["verdict"] for line in found["lines"]}
    message, verdict = _replayed(found["replay"], verdicts.get("replay", "open"))
    against = []
    if found["licences"]["conflicts"]:
        against.append(counted(len(found["licences"]["conflicts"]), "licence conflict"))
    if verdicts.get("parents") == "bad":
        against.append("parents differ")
    if against:
        message, verdict = ", ".join((message, *against)), "bad"
    return {
        "label": LABEL,
        "message": message,
        "verdict": verdict,
        "svg": svg(LABEL, message, COLOURS[verdict]),
        "markdown": _line(found, message),
    }


def _replayed(replay: data.ReplayedModel | None, verdict: data.Verdict) -> tuple[str, data.Verdict]:
    if replay is None:
        return "not replayed", "open"
    counts, compared = replay["counts"], replay["compared"]
    wrong = sum(counts.get(state, 0) for state in ("different", "shape", "missing", "extra"))
    if wrong:
        there = replay["tensors"] + counts.get("extra", 0)  # the recipe's, and those of the model alone
        return f"differs in {wrong} of {there} tensors", "bad"
    if replay["how"] in ("none", "headers"):
        return "not replayed", "open"
    bytes_ = "equal values, other bytes" if counts.get("rounded") else "byte for byte"
    if replay["how"] == "sample":
        return f"{compared} of {replay['tensors']} tensors reproduce, {bytes_}", verdict
    return f"reproduces, {bytes_}", verdict


def link_of(found: data.ModelReport) -> str:
    """The link that holds the report, "" where the model has none."""
    name = found["model"]
    if name == MERGED_HERE or is_path(name):
        return ""
    try:
        asked = ReportRequest.parse(**{**found["request"], "model": name})
    except VisitorError:
        return ""
    query = asked.to_query()
    return f"{ADDRESS}?room=report&{query}" if query else ""


def _line(found: data.ModelReport, message: str) -> str:
    """The badge in Markdown, for a card beside which its file lies."""
    picture = f"![{card.escape(f'{LABEL}: {message}')}]({FILE})"
    link = link_of(found)
    return f"[{picture}]({link})" if link else picture


def svg(label: str, message: str, colour: str) -> str:
    """A badge as an SVG file with no script and no font of its own.

    Args:
        label: on the left.
        message: on the right.
        colour: behind it, as CSS has it.
    """
    left, right = (_width(text) + 16 for text in (label, message))
    whole = html.escape(f"{label}: {message}", quote=True)
    ends = [(left / 2, label), (left + right / 2, message)]
    texts = "".join(
        f'<text x="{at:.1f}" y="15" text-anchor="middle" textLength="{_width(text):.0f}">'
        f"{html.escape(text)}</text>"
        for at, text in ends
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="22" role="img" '
        f'aria-label="{whole}"><title>{whole}</title>'
        f'<rect width="{left + right:.0f}" height="22" rx="4" fill="#2f3742"/>'
        f'<path d="M{left:.0f} 0h{right - 4:.0f}a4 4 0 0 1 4 4v14a4 4 0 0 1 -4 4h-{right - 4:.0f}z" '
        f'fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )


def _width(text: str) -> float:
    """Width of a text of 11 px, about."""
    sizes = (4.2 if letter in _NARROW else 10.2 if letter in _WIDE else 7.0 for letter in text)
    return round(sum(sizes), 1)


def section(found: data.ModelReport) -> str:
    """A section for the model's card: the badge, a line for each part, and what stands behind them."""
    badge = found["badge"]
    assert badge is not None
    rows = [(CHAPTERS[line["chapter"]], WORDS[line["verdict"]], line["says"]) for line in found["lines"]]
    parts: list[str] = [
        "## Merge report",
        badge["markdown"],
        card.table(["", "", ""], rows),
        _findings(found["findings"]),
        _differing(found["replay"]),
        _limits(found["replay"]),
        _roots(found["roots"]),
        _licences(found["licences"]),
        _unread(found["unread"]),
        _origin(found),
    ]
    body = "\n\n".join(part.strip() for part in parts if part.strip())
    return card.without_paths(body, _folders(found)) + "\n"


def _folders(found: data.ModelReport) -> list[str]:
    """Names that may be paths of this machine."""
    named = [found["model"]]
    if found["recipe"]:
        with suppress(VisitorError):
            named += recipes.models_of(recipes.parse(found["recipe"]["text"]))
    return [name for name in named if is_path(name)]


def _findings(findings: list[data.Finding]) -> str:
    rows = [
        (one["level"], card.code(one["where"]) if one["where"] else "", one["message"], one["fix"])
        for one in findings[:MOST_ROWS]
    ]
    return card.table(["", "where", "what", "what to do"], rows) if rows else ""


def _differing(replay: data.ReplayedModel | None) -> str:
    if not replay or not replay["differing"]:
        return ""
    rows = [
        (
            card.code(one["name"]),
            one["state"],
            f"{one['different']:,} of {one['entries']:,}",
            "" if one["largest"] is None else f"{one['largest']:.3g}",
            one["given"],
            one["stored"],
        )
        for one in replay["differing"][:MOST_ROWS]
    ]
    return card.table(["tensor", "", "entries that differ", "by at most", "recipe gives", "stored"], rows)


def _limits(replay: data.ReplayedModel | None) -> str:
    return "\n".join(f"- {card.escape(limit)}" for limit in replay["limits"]) if replay else ""


def share_words(share: data.Span) -> str:
    """A share in percent, or its bounds."""
    low, high = (f"{100 * end:.4g}" for end in share)
    return f"{low} %" if low == high else f"{low} to {high} %"


def _roots(roots: list[data.Root]) -> str:
    rows = [
        (root["id"], share_words(root["share"]), root["licence"] or "not known") for root in roots[:MOST_ROWS]
    ]
    return card.table(["root", "share", "licence"], rows) if rows else ""


def _licences(licences: data.Licences) -> str:
    items = [f"{one['message']} {one['resolve']}" for one in licences["conflicts"]]
    items += [f"{one['message']} {one['resolve']}" for one in licences.get("laxer", [])]
    rows = [
        (duty["asks"], duty["from"], duty["licence"], " ← ".join(duty["path"]))
        for duty in licences["obligations"]
    ]
    told = "\n".join(f"- {card.escape(item)}" for item in items)
    table = card.table(["asked for", "by", "under", "way"], rows) if rows else ""
    return "\n\n".join(part for part in (told, table, str(card.escape(licences["note"]))) if part)


def _unread(unread: list[data.UnreadThing]) -> str:
    rows = [(one["what"], one["reason"]) for one in unread[:MOST_ROWS]]
    return card.table(["not read", "why"], rows) if rows else ""


def _origin(found: data.ModelReport) -> Markdown:
    commit = f" at commit {found['sha'][:12]}" if found["sha"] else ""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    tools = f", with {versions}" if versions else ""
    link = link_of(found)
    again = f" [Make it again]({link})." if link else ""
    return Markdown(f"Read on {found['date']}{commit}{card.escape(tools)}.{again}")
