"""The zoo: tiny language models of every shape that people bring, as folders such as the Hub holds.

Nearly every wrong number in this project came from a model unlike the embedded one. An animal is a folder
with config.json, safetensors, a tokenizer trained on the suite's own texts, and often generation settings and
a chat template; its traits say what is unusual about it. Weights are random, but never flat: every bias and
gain is random too, so that a forgotten one shows, and logits spread by about 2.5.

    @pytest.mark.parametrize("name", zoo.names("adds_bos"))
    def test_first_token(name):
        loaded = zoo.opened(name)

A folder is made when it is first named, in a fraction of a second, and kept in build/zoo-…, a name that
changes with this code, the texts and the libraries. Tests read these folders and never write into them.
"""

from __future__ import annotations

import functools

from shared import models
from tests.zoo import families, outcasts  # noqa: F401  they fill the list of animals
from tests.zoo.folders import ANIMALS, Animal, folder

__all__ = ["ANIMALS", "Animal", "folder", "names", "opened", "refused"]


def names(*traits: str, without: tuple[str, ...] = ()) -> list[str]:
    """Names of the animals that open and have every one of `traits` and none of `without`."""
    if unknown := {*traits, *without} - {trait for one in ANIMALS.values() for trait in one.traits}:
        raise KeyError(f"no animal is {unknown}")
    return [
        one.name
        for one in ANIMALS.values()
        if one.reason is None and one.traits.issuperset(traits) and one.traits.isdisjoint(without)
    ]


def refused() -> list[str]:
    """Names of the animals that no room may open."""
    return [one.name for one in ANIMALS.values() if one.reason is not None]


@functools.cache
def opened(name: str) -> models.Loaded:
    """An animal as `models.open_folder` gives it, opened once a session; tests must not change it."""
    return models.open_folder(folder(name), f"zoo/{name}", "zoo", "zoo")
