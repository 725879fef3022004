"""A merge recipe as text: read without trusting it, its models named, and written again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from shared import checks
from shared.errors import VisitorError

MAX_CHARACTERS = 60_000
"""Longest recipe, in characters; mergekit's own examples have under 3,000."""
MAX_DEPTH = 12
"""Deepest nesting; a recipe with modules, slices, sources, parameters and filters needs 9."""
MAX_NODES = 20_000
"""Values and keys that a recipe stands for, each alias (*name) written out."""


class _Loader(yaml.SafeLoader):
    """YAML as a recipe needs it: text, finite numbers, booleans, lists and mappings; no key twice, and no
    aliases that swell to gigabytes.
    """

    def compose_document(self) -> Any:
        node = super().compose_document()
        if node and (size := _size(node, {})) > MAX_NODES:
            raise VisitorError(
                f"The recipe comes to {size:,} values once its aliases (*name) are written out.",
                f"A recipe has at most {MAX_NODES:,}.",
            )
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MAX_DEPTH:
            raise VisitorError(
                f"The recipe is nested more than {MAX_DEPTH} levels deep.", "Write it flatter."
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key.start_mark.line + 1
            if key.tag == _TAG + "merge":  # <<: *name, whose keys yield to those that stand here
                continue
            if key.tag != _TAG + "str" or not isinstance(key, yaml.ScalarNode):
                raise VisitorError(f"A key in line {line} of the recipe is not text.", "Put it in quotes.")
            if key.value in seen:
                raise VisitorError(
                    f"“{key.value[:40]}” appears twice, the second time in line {line}.",
                    "Remove one of the two.",
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise VisitorError(
                f"Line {node.start_mark.line + 1} of the recipe holds half a character.",
                "Write the whole character.",
            )
        return value

    def finite(self, node: Any) -> Any:
        value = self.construct_yaml_int(node) if node.tag == _TAG + "int" else self.construct_yaml_float(node)
        largest = 2**53 if isinstance(value, int) else math.inf
        if not abs(checks.finite(value)) < largest:  # true of NaN as well
            line = node.start_mark.line + 1
            raise VisitorError(
                f"“{node.value[:40]}” in line {line} of the recipe cannot be used as a number.",
                "Write a finite number of ordinary size.",
            )
        return value


_TAG = "tag:yaml.org,2002:"


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes below and with a node, those behind an alias counted at each of its places.

    Raises:
        VisitorError: an alias stands inside what it stands for.
    """
    if id(node) not in known:
        known[id(node)] = 0  # until all below it is counted
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    elif not known[id(node)]:
        raise VisitorError(
            f"Line {node.start_mark.line + 1} of the recipe holds an alias of itself.", "Write the value out."
        )
    return known[id(node)]


def _apart(value: Any) -> Any:
    """A copy in which no two places share a value, as aliases let them."""
    if isinstance(value, dict):
        return {key: _apart(item) for key, item in value.items()}
    return [_apart(item) for item in value] if isinstance(value, list) else value


# What JSON can hold, and no more: a date stays the text that it was written as.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != _TAG + "timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    **{
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (None, *(_TAG + kind for kind in ("str", "bool", "null", "map", "seq")))
    },
    **dict.fromkeys((_TAG + "int", _TAG + "float"), _Loader.finite),
}


def parse(text: str) -> dict[str, Any]:
    """Read a recipe; what it holds can be written as JSON.

    Raises:
        VisitorError: too long, too deep, not YAML, too large once its aliases are written out, several
            documents, a tag, a key twice, a number that is not finite, or not a mapping.
    """
    if len(text) > MAX_CHARACTERS:
        raise VisitorError(
            f"The recipe has {len(text):,} characters.", f"A recipe has at most {MAX_CHARACTERS:,}."
        )
    try:
        documents = [_apart(value) for value in yaml.load_all(text, Loader=_Loader)]  # SafeLoader with less
    except yaml.constructor.ConstructorError as error:
        mark = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise VisitorError(
            f"The recipe holds a tag or key that is not allowed{mark}.", "Use plain text, numbers and lists."
        ) from None
    except yaml.YAMLError as error:
        spot = getattr(error, "problem_mark", None)
        mark = f" in line {spot.line + 1}, column {spot.column + 1}" if spot else ""
        problem = str(getattr(error, "problem", "") or "").split("\n")[0][:120]
        raise VisitorError(
            f"The recipe is not YAML{mark}{f': {problem}' if problem else ''}.",
            "Check colons and indentation.",
        ) from None
    except (ValueError, RecursionError):
        raise VisitorError(
            "The recipe holds a value that cannot be read.", "Use plain text, numbers and lists."
        ) from None
    if len(documents) > 1:
        raise VisitorError(
            f"The text holds {len(documents)} recipes separated by ---, the stages of mergekit-multi.",
            "Check and merge one stage at a time, and name the result of the first in the next.",
        )
    value = documents[0] if documents else None
    if not isinstance(value, dict):
        raise VisitorError(
            "The recipe is empty." if value is None else "The recipe is not a mapping of keys to values.",
            "Begin with merge_method: linear.",
        )
    return value


class _Dumper(yaml.SafeDumper):
    """Block style, with lists of numbers on one line."""

    def represent_list(self, data: Any) -> Any:
        return self.represent_sequence(
            "tag:yaml.org,2002:seq", data, flow_style=all(isinstance(item, (int, float)) for item in data)
        )

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(list, _Dumper.represent_list)


def to_yaml(recipe: dict[str, Any]) -> str:
    """A recipe as text, keys in their order."""
    return str(yaml.dump(recipe, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def is_moe(recipe: dict[str, Any]) -> bool:
    """Whether the recipe is one of mergekit-moe."""
    return "experts" in recipe


def places(recipe: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Every place where mergekit reads a model: the mapping that holds it, its key there, and its path for a
    reader.

    What stands there may be anything. A place that may be left empty is there where it is not.
    """
    yield from _filled(recipe, "base_model", "base_model")
    if recipe.get("tokenizer_source") not in ("union", "base"):
        yield from _filled(recipe, "tokenizer_source", "tokenizer_source")
    tokenizer = recipe.get("tokenizer")
    if isinstance(tokenizer, dict):
        if tokenizer.get("source") not in ("union", "base"):
            yield from _filled(tokenizer, "source", "tokenizer.source")
        for token, setting in _pairs(tokenizer.get("tokens")):
            if isinstance(setting, dict):
                yield from _token(setting, f"tokenizer.tokens.{token}.source")
    for key in ("experts", "shared_experts"):
        for where, expert in items(recipe.get(key), key):
            yield expert, "source_model", f"{where}.source_model"
    for path, part in parts(recipe):
        for where, model in items(part.get("models"), f"{path}models"):
            yield model, "model", f"{where}.model"
    for where, output in slices(recipe):
        yield from _filled(output, "base_model", f"{where}.base_model")
        for inner, source in items(output.get("sources"), f"{where}.sources"):
            yield source, "model", f"{inner}.model"


def _filled(holder: dict[str, Any], key: str, where: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    if holder.get(key) is not None:
        yield holder, key, where


def _token(setting: dict[str, Any], where: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Where a token's row comes from: a model, a token of a model, or zeros."""
    source = setting.get("source")
    if not isinstance(source, dict):
        yield from _filled(setting, "source", where)
    elif source.get("kind") == "model_token" and set(source) <= {"kind", "model", "token", "token_id"}:
        yield source, "model", f"{where}.model"
    elif source != {"kind": "zero"}:
        yield setting, "source", where


def named(recipe: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Of `places` those that name a model, as text; the check refuses the others."""
    return (place for place in places(recipe) if isinstance(place[0].get(place[1]), str))


def parts(recipe: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The recipe itself and its modules, each with what its paths begin with."""
    yield "", recipe
    for name, module in _pairs(recipe.get("modules")):
        if isinstance(module, dict):
            yield f"modules.{name}.", module


def slices(recipe: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every output slice of a recipe, with its path."""
    for path, part in parts(recipe):
        yield from items(part.get("slices"), f"{path}slices")


def items(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The mappings of a list, each with its path; anything else is left out."""
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield f"{where}[{index}]", item


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def models_of(recipe: dict[str, Any]) -> list[str]:
    """The models that a recipe names, each once, in the order of their first place, the base first."""
    return list(dict.fromkeys(holder[key] for holder, key, _ in named(recipe)))
