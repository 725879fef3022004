"""What the licences of the Hub's list ask of those who share a model that was made from another, and which of
two that both want their own terms can be met together.

Each stands with the text that it was read in. It is not legal advice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


def _creative_commons() -> Iterator[Licence]:
    """Every version of the Creative Commons licences that the Hub lists."""
    asks = {"nc": NON_COMMERCIAL, "sa": SHARE_ALIKE, "nd": NO_DERIVATIVES}
    for kind, versions in {
        "by": ("2.0", "2.5", "3.0", "4.0"),
        "by-sa": ("3.0", "4.0"),
        "by-nc": ("2.0", "3.0", "4.0"),
        "by-nc-sa": ("2.0", "3.0", "4.0"),
        "by-nd": ("4.0",),
        "by-nc-nd": ("3.0", "4.0"),
    }.items():
        for version in versions:
            url = f"https://creativecommons.org/licenses/{kind}/{version}/legalcode"
            told = tuple(asks[part] for part in kind.split("-")[1:])
            yield Licence(f"cc-{kind}-{version}", (*told, CREDIT), url)


_PERMISSIVE = {
    "mit": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear",
    "isc": "ISC",
    "afl-3.0": "AFL-3.0",
    "artistic-2.0": "Artistic-2.0",
    "bsl-1.0": "BSL-1.0",
    "ecl-2.0": "ECL-2.0",
    "etalab-2.0": "etalab-2.0",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "odc-by": "ODC-By-1.0",
    "postgresql": "PostgreSQL",
    "ncsa": "NCSA",
    "zlib": "Zlib",
}
_FREE = {"unlicense": "Unlicense", "wtfpl": "WTFPL", "pddl": "PDDL-1.0"}
_COPYLEFT = {
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "agpl-3.0": "AGPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "mpl-2.0": "MPL-2.0",
    "epl-1.0": "EPL-1.0",
    "epl-2.0": "EPL-2.0",
    "eupl-1.1": "EUPL-1.1",
    "eupl-1.2": "EUPL-1.2",
    "osl-3.0": "OSL-3.0",
    "ms-pl": "MS-PL",
    "odbl": "ODbL-1.0",
    "gfdl": "GFDL-1.3-only",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
}
_RAIL = (USE_LIMITS, CREDIT)
_LLAMA = (USE_LIMITS, SIZE_LIMIT, CREDIT)
_SPACES = "https://huggingface.co/spaces/"

TABLE: dict[str, Licence] = {
    item.id: item
    for item in (
        Licence("apache-2.0", (CREDIT,), "https://www.apache.org/licenses/LICENSE-2.0"),
        Licence("cc0-1.0", (), "https://creativecommons.org/publicdomain/zero/1.0/legalcode"),
        *(Licence(name, (CREDIT,), f"{_SPDX}{spdx}.html") for name, spdx in _PERMISSIVE.items()),
        *(Licence(name, (), f"{_SPDX}{spdx}.html") for name, spdx in _FREE.items()),
        *(Licence(name, (SHARE_ALIKE, CREDIT), f"{_SPDX}{spdx}.html") for name, spdx in _COPYLEFT.items()),
        *_creative_commons(),
        Licence("openrail", _RAIL, "https://huggingface.co/blog/open_rail"),
        Licence(
            "openrail++",
            _RAIL,
            "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
        ),
        Licence("creativeml-openrail-m", _RAIL, f"{_SPACES}CompVis/stable-diffusion-license"),
        Licence("bigscience-openrail-m", _RAIL, "https://www.licenses.ai/bigscience-openrail-m-preview"),
        Licence("bigcode-openrail-m", _RAIL, f"{_SPACES}bigcode/bigcode-model-license-agreement"),
        Licence("bigscience-bloom-rail-1.0", _RAIL, f"{_SPACES}bigscience/license"),
        Licence("llama2", _LLAMA, "https://ai.meta.com/llama/license/"),
        Licence("llama3", (*_LLAMA, NAMING), "https://www.llama.com/llama3/license/"),
        Licence("llama3.1", (*_LLAMA, NAMING), "https://www.llama.com/llama3_1/license/"),
        Licence("llama3.2", (*_LLAMA, NAMING), "https://www.llama.com/llama3_2/license/"),
        Licence("llama3.3", (*_LLAMA, NAMING), "https://www.llama.com/llama3_3/license/"),
        Licence("llama4", (*_LLAMA, NAMING), "https://www.llama.com/llama4/license/"),
        Licence("gemma", (USE_LIMITS, CREDIT), "https://ai.google.dev/gemma/terms"),
        Licence(
            "deepfloyd-if-license", (NON_COMMERCIAL, USE_LIMITS), f"{_SPACES}DeepFloyd/deepfloyd-if-license"
        ),
        Licence(
            "fair-noncommercial-research-license",
            (NON_COMMERCIAL, USE_LIMITS, CREDIT),
            "https://huggingface.co/facebook/fair-noncommercial-research-license/blob/main/LICENSE",
        ),
        # names that cards give beside `license: other`
        Licence(
            "qwen-research",
            (NON_COMMERCIAL, CREDIT),
            "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
        ),
        Licence(
            "tongyi-qianwen",
            (SIZE_LIMIT, CREDIT),
            "https://huggingface.co/Qwen/Qwen1.5-7B-Chat/blob/main/LICENSE",
        ),
        Licence("mrl", (NON_COMMERCIAL, CREDIT), "https://mistral.ai/licenses/MRL-0.1.md"),
        Licence("mnpl", (NON_COMMERCIAL, CREDIT), "https://mistral.ai/licenses/MNPL-0.1.md"),
    )
}
UNKNOWN = ("", "other", "unknown")

ALSO_UNDER: dict[str, tuple[str, ...]] = {
    "gpl-3.0": ("agpl-3.0",),
    "lgpl-2.1": ("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    "lgpl-3.0": ("gpl-3.0", "agpl-3.0"),
    "mpl-2.0": ("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0"),
    "cc-by-sa-3.0": ("cc-by-sa-4.0",),
    "cc-by-sa-4.0": ("gpl-3.0",),
    "cc-by-nc-sa-2.0": ("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    "cc-by-nc-sa-3.0": ("cc-by-nc-sa-4.0",),
    "eupl-1.1": ("eupl-1.2", "gpl-2.0", "osl-3.0", "epl-1.0"),
    "eupl-1.2": ("gpl-2.0", "gpl-3.0", "agpl-3.0", "osl-3.0", "mpl-2.0", "lgpl-2.1", "lgpl-3.0", "epl-1.0"),
}
"""Licences that want the same terms for all, with those under which they let a joint work be shared as well:
https://www.gnu.org/licenses/license-list.html and its matrix (https://www.gnu.org/licenses/gpl-faq.html), the
lists of Creative Commons (https://creativecommons.org/share-your-work/licensing-considerations/compatible-licenses/)
and the appendix of the EUPL.
"""

AGAINST: dict[frozenset[str], str] = {
    frozenset(("gpl-2.0", "apache-2.0")): "Apache-2.0 ends patent rights where GPL-2 allows no further terms",
    frozenset(("gpl-2.0", "afl-3.0")): "AFL-3.0 asks for more than GPL-2 allows to be asked",
    frozenset(("gpl-3.0", "afl-3.0")): "AFL-3.0 asks for more than GPL-3 allows to be asked",
    frozenset(("gpl-2.0", "ecl-2.0")): "ECL-2.0 ends patent rights where GPL-2 allows no further terms",
    frozenset(("gpl-2.0", "cc-by-4.0")): "CC BY 4.0 forbids technical locks, a term that GPL-2 does not have",
}
"""Pairs of which only one wants the same terms for all and which still cannot be met together, each with the
reason, from https://www.gnu.org/licenses/license-list.html.
"""


def of(name: str) -> Licence | None:
    """The licence of a Hub id, None where its terms are not known here."""
    return TABLE.get(name.lower())


def fits_under(one: Licence, other: Licence) -> bool:
    """Whether a joint work of something under `one`, which wants the same terms for all, may be shared under
    `other`.
    """
    return other.id == one.id or other.id in ALSO_UNDER.get(one.id, ())


def joint(one: Licence, other: Licence) -> bool:
    """Whether there are terms under which a joint work of two licences that both want their own terms may be
    shared.
    """
    return bool({one.id, *ALSO_UNDER.get(one.id, ())} & {other.id, *ALSO_UNDER.get(other.id, ())})
