"""What the ancestors' licences ask of a model: obligations, the way each came, and where two cannot both be
met.

The table says what a licence asks in a few words, each with the text that it was read in. It is not legal
advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from merging import data

SHARE_ALIKE, NON_COMMERCIAL, NO_DERIVATIVES = "share alike", "no commercial use", "no changed versions"
USE_LIMITS, NAMING, SIZE_LIMIT, CREDIT = (
    "use restrictions",
    "name in the model’s name",
    "limit on users",
    "credit",
)
STRICTNESS = (NO_DERIVATIVES, NON_COMMERCIAL, SHARE_ALIKE, USE_LIMITS, SIZE_LIMIT, NAMING, CREDIT)
"""Obligations, the strictest first."""


@dataclass(frozen=True)
class Licence:
    """What a licence asks of those who share a model that was made from another under it.

    Args:
        id: as the Hub writes it.
        asks: some of STRICTNESS.
        url: of its text.
    """

    id: str
    asks: tuple[str, ...]
    url: str


_SPDX = "https://spdx.org/licenses/"
_CC = "https://creativecommons.org/licenses/"
_RAIL = (USE_LIMITS, CREDIT)
_LLAMA = (USE_LIMITS, SIZE_LIMIT, CREDIT)
TABLE: dict[str, Licence] = {
    item.id: item
    for item in (
        Licence("apache-2.0", (CREDIT,), "https://www.apache.org/licenses/LICENSE-2.0"),
        Licence("mit", (CREDIT,), f"{_SPDX}MIT.html"),
        Licence("bsd-2-clause", (CREDIT,), f"{_SPDX}BSD-2-Clause.html"),
        Licence("bsd-3-clause", (CREDIT,), f"{_SPDX}BSD-3-Clause.html"),
        Licence("isc", (CREDIT,), f"{_SPDX}ISC.html"),
        Licence("unlicense", (), f"{_SPDX}Unlicense.html"),
        Licence("cc0-1.0", (), "https://creativecommons.org/publicdomain/zero/1.0/legalcode"),
        Licence("wtfpl", (), f"{_SPDX}WTFPL.html"),
        Licence("artistic-2.0", (CREDIT,), f"{_SPDX}Artistic-2.0.html"),
        Licence("cc-by-4.0", (CREDIT,), f"{_CC}by/4.0/legalcode"),
        Licence("cc-by-3.0", (CREDIT,), f"{_CC}by/3.0/legalcode"),
        Licence("cc-by-sa-4.0", (SHARE_ALIKE, CREDIT), f"{_CC}by-sa/4.0/legalcode"),
        Licence("cc-by-sa-3.0", (SHARE_ALIKE, CREDIT), f"{_CC}by-sa/3.0/legalcode"),
        Licence("cc-by-nc-4.0", (NON_COMMERCIAL, CREDIT), f"{_CC}by-nc/4.0/legalcode"),
        Licence("cc-by-nc-3.0", (NON_COMMERCIAL, CREDIT), f"{_CC}by-nc/3.0/legalcode"),
        Licence("cc-by-nc-sa-4.0", (NON_COMMERCIAL, SHARE_ALIKE, CREDIT), f"{_CC}by-nc-sa/4.0/legalcode"),
        Licence("cc-by-nd-4.0", (NO_DERIVATIVES, CREDIT), f"{_CC}by-nd/4.0/legalcode"),
        Licence("cc-by-nc-nd-4.0", (NO_DERIVATIVES, NON_COMMERCIAL, CREDIT), f"{_CC}by-nc-nd/4.0/legalcode"),
        Licence("gpl-2.0", (SHARE_ALIKE, CREDIT), f"{_SPDX}GPL-2.0-only.html"),
        Licence("gpl-3.0", (SHARE_ALIKE, CREDIT), "https://www.gnu.org/licenses/gpl-3.0.html"),
        Licence("lgpl-3.0", (SHARE_ALIKE, CREDIT), "https://www.gnu.org/licenses/lgpl-3.0.html"),
        Licence("agpl-3.0", (SHARE_ALIKE, CREDIT), "https://www.gnu.org/licenses/agpl-3.0.html"),
        Licence("mpl-2.0", (SHARE_ALIKE, CREDIT), "https://www.mozilla.org/MPL/2.0/"),
        Licence("openrail", _RAIL, "https://huggingface.co/blog/open_rail"),
        Licence(
            "openrail++",
            _RAIL,
            "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
        ),
        Licence(
            "creativeml-openrail-m", _RAIL, "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
        ),
        Licence("bigscience-openrail-m", _RAIL, "https://www.licenses.ai/bigscience-openrail-m-preview"),
        Licence(
            "bigcode-openrail-m",
            _RAIL,
            "https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement",
        ),
        Licence("bigscience-bloom-rail-1.0", _RAIL, "https://huggingface.co/spaces/bigscience/license"),
        Licence("llama2", _LLAMA, "https://ai.meta.com/llama/license/"),
        Licence("llama3", (*_LLAMA, NAMING), "https://www.llama.com/llama3/license/"),
        Licence("llama3.1", (*_LLAMA, NAMING), "https://www.llama.com/llama3_1/license/"),
        Licence("llama3.2", (*_LLAMA, NAMING), "https://www.llama.com/llama3_2/license/"),
        Licence("llama3.3", (*_LLAMA, NAMING), "https://www.llama.com/llama3_3/license/"),
        Licence("llama4", (*_LLAMA, NAMING), "https://www.llama.com/llama4/license/"),
        Licence("gemma", (USE_LIMITS, CREDIT), "https://ai.google.dev/gemma/terms"),
        Licence(
            "deepfloyd-if-license",
            (NON_COMMERCIAL, USE_LIMITS),
            "https://huggingface.co/spaces/DeepFloyd/deepfloyd-if-license",
        ),
    )
}
UNKNOWN = ("", "other", "unknown")


def of(name: str) -> Licence | None:
    """The licence of a Hub id, None where its terms are not known here."""
    return TABLE.get(name.lower())


def inherited(start: str, licences: Mapping[str, str], parents: Mapping[str, Sequence[str]]) -> data.Licences:
    """The obligations that reach a model, each with the shortest way it came, and what stands against what.

    Args:
        start: the model.
        licences: Hub id of the licence by model; "" where none is stated.
        parents: of each model, those whose weights enter it.
    """
    ways: dict[str, list[str]] = {start: [start]}
    queue = [start]
    for model in queue:
        for parent in parents.get(model, []):
            if parent not in ways:
                ways[parent] = [*ways[model], parent]
                queue.append(parent)
    duties: dict[str, data.Obligation] = {}
    unknown: list[data.UnknownTerms] = []
    for model in queue:
        known = of(licences.get(model, ""))
        if known is None:
            unknown.append({"from": model, "licence": licences.get(model, ""), "path": ways[model]})
            continue
        for ask in known.asks:
            duties.setdefault(
                ask, {"asks": ask, "from": model, "licence": known.id, "url": known.url, "path": ways[model]}
            )
    return {
        "own": licences.get(start, ""),
        "obligations": [duties[ask] for ask in STRICTNESS if ask in duties],
        "unknown": unknown,
        "conflicts": list(_conflicts(start, queue, licences)),
        "note": "Read from stated licences; this is not legal advice.",
    }


def _conflicts(start: str, models: Iterable[str], licences: Mapping[str, str]) -> Iterator[data.Conflict]:
    known = {model: terms for model in models if (terms := of(licences.get(model, "")))}
    own = known.get(start)
    ancestors = {model: terms for model, terms in known.items() if model != start}
    askers: dict[str, list[str]] = {}
    for model, terms in ancestors.items():
        for ask in terms.asks:
            askers.setdefault(ask, []).append(model)
    if NO_DERIVATIVES in askers:
        model = askers[NO_DERIVATIVES][0]
        yield {
            "message": f"{model} ({ancestors[model].id}) allows no changed versions to be shared.",
            "resolve": f"Ask its author, or leave {model} out.",
        }
    for ask in (NON_COMMERCIAL, SHARE_ALIKE, USE_LIMITS):
        if own and ask in askers and ask not in own.asks:
            model = askers[ask][0]
            yield {
                "message": f"{start} states {own.id}; {model} ({ancestors[model].id}) asks for: {ask}.",
                "resolve": f"State {ancestors[model].id}'s terms, or leave {model} out.",
            }
    yield from _added_terms({ancestors[model].id: model for model in askers.get(SHARE_ALIKE, [])}, ancestors)


def _added_terms(alike: Mapping[str, str], ancestors: Mapping[str, Licence]) -> Iterator[data.Conflict]:
    """The first licence that adds terms to one that wants the same terms for all.

    Args:
        alike: a model by each licence that wants that.
        ancestors: licences by model.
    """
    for one, model in alike.items():
        for other, terms in ancestors.items():
            adds = set(terms.asks) & {NON_COMMERCIAL, USE_LIMITS}
            if adds and terms.id != one and not set(terms.asks) <= set(TABLE[one].asks):
                yield {
                    "message": f"{model} ({one}) wants the same terms for all; {other} ({terms.id}) adds "
                    "terms of its own.",
                    "resolve": f"Leave {model} or {other} out, or ask one of the authors for other terms.",
                }
                return
