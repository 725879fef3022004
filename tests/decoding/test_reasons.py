"""Every reason is a sentence that the trace's own numbers prove: each is read back and recomputed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from decoding.engine import decode
from decoding.reasons import below, less
from decoding.request import Request
from tests import zoo
from tests.decoding.tiny import EOS, tiny

STRATEGIES = [
    {},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"do_sample": True, "top_k": 4, "temperature": 0.8},
    {"do_sample": True, "top_k": 0, "top_p": 0.6},
    {"do_sample": True, "top_k": 0, "min_p": 0.2},
    {"do_sample": True, "top_k": 0, "typical_p": 0.6},
    {"do_sample": True, "top_k": 0, "top_h": 0.5},
    {"do_sample": True, "top_k": 0, "epsilon_cutoff": 0.05},
    {"do_sample": True, "top_k": 0, "eta_cutoff": 0.3},
    {"num_beams": 4, "num_return_sequences": 4},
    {"num_beams": 5, "early_stopping": True, "length_penalty": 0.5},
    {"num_beams": 3, "length_penalty": -1.0, "early_stopping": "never"},
    {"num_beams": 2, "do_sample": True, "top_k": 5},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
    {"penalty_alpha": 0.5, "top_k": 4},
    {"dola_layers": [1]},
]
NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"


def run_of(loaded, config, new=8, prompt="w3 w5 w2", seed=0) -> dict:
    request = Request.parse(
        prompt=prompt, model=loaded.id, strategies=[config], max_new_tokens=new, seed=seed
    )
    *_, trace = decode(request, loaded)
    data = json.loads(json.dumps(trace.to_json()))
    return {**data["runs"][0], "prompt_ids": data["prompt"]["token_ids"]}


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda config: "-".join(config) or "greedy")
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_reasons_are_true(config, seed):
    kind = ("gpt2", "llama")[seed % 2]
    check(run_of(tiny(kind, seed=seed, vocabulary=9, sharp=2.0), config, seed=seed), {EOS}, 8)


@pytest.mark.parametrize(
    "config", [{}, {"num_beams": 5}, {"do_sample": True}], ids=["greedy", "beam", "sample"]
)
@pytest.mark.parametrize("name", ["qwen2", "llama3", "gemma2"])
def test_reasons_are_true_with_a_models_own_settings(name, config):
    loaded = zoo.opened(name)
    ends = loaded.model.generation_config.eos_token_id
    check(
        run_of(loaded, config, prompt="Why do dogs bark?"), set(ends if isinstance(ends, list) else [ends]), 8
    )


@pytest.mark.parametrize("penalty", [1.0, 2.0, -0.5])
def test_a_branch_has_one_score(penalty):
    """That of `generate` on the prompt and the branch's own tokens; sums go on from these tokens' own."""
    loaded, prefix = tiny("llama", seed=3), [6, 2]
    config = {"num_beams": 3, "num_return_sequences": 3, "length_penalty": penalty}
    run = run_of(loaded, {**config, "prefix": prefix})
    check(run, {EOS}, 8)
    ids = torch.tensor([[*run["prompt_ids"], *prefix]])
    output = loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=6,
        output_scores=True,
        return_dict_in_generate=True,
        **config,
    )
    assert [one["score"] for one in run["sequences"]] == pytest.approx(
        output.sequences_scores.tolist(), abs=1e-4
    )
    for sequence in run["sequences"]:
        path = [run["nodes"][sequence["node"]]]
        while path[0]["parent"] is not None:
            path.insert(0, run["nodes"][path[0]["parent"]])
        total = sum(node["logprob_processed"] for node in path[1:])
        assert path[-1]["cumulative_logprob"] == pytest.approx(total, abs=1e-4)


@dataclass(frozen=True)
class Known:
    """What a reason is held to."""

    run: dict
    node: dict
    ends: set[int]
    most: int

    @property
    def own(self) -> float:
        value = self.node["logprob_processed"]
        return 0.0 if value is None else math.exp(value)

    @property
    def below(self) -> list[dict]:
        return [one for one in self.run["nodes"] if one["parent"] == self.node["id"]]

    @property
    def beside(self) -> list[dict]:
        return [one for one in self.run["nodes"] if one["parent"] == self.node["parent"]]

    @property
    def ranked(self) -> list[dict]:
        step = self.node["step"]
        return [one for one in self.run["nodes"] if one["step"] == step and one["rank"] is not None]

    def with_status(self, status: str, nodes: list[dict]) -> list[dict]:
        return [one for one in nodes if one["status"] == status]


def likeliest(known: Known) -> bool:
    return known.own == max(
        math.exp(one["logprob_processed"]) for one in known.beside if one["logprob_processed"] is not None
    )


def less_likely(known: Known, own: str, best: str) -> bool:
    taken = known.with_status("chosen", known.beside)[0]
    right = near(own, 100 * known.own) and near(best, 100 * math.exp(taken["logprob_processed"]))
    return right and float(own) < float(best)


def goes_on(known: Known, total: str) -> bool:
    node = known.node
    open_end = node["step"] < known.most and node["token_id"] not in known.ends
    return node["status"] == "kept" and open_end and close(total, node["cumulative_logprob"])


def not_kept(known: Known, total: str, last: str, size: str) -> bool:
    kept = [one["cumulative_logprob"] for one in known.with_status("kept", known.ranked)]
    right = close(total, known.node["cumulative_logprob"]) and any(close(last, value) for value in kept)
    exact = known.run["kind"] != "beam" or (len(kept) == int(size) and close(last, min(kept)))
    return known.node["status"] == "pruned" and right and exact and float(total) < float(last)


def no_result(known: Known, score: str, worst: str, size: str) -> bool:
    finished = [one["score"] for one in known.with_status("finished", known.run["nodes"])]
    right = close(score, known.node["score"]) and any(close(worst, value) for value in finished)
    return right and float(score) < float(worst) and len(finished) >= int(size)


def too_late(known: Known, size: str) -> bool:
    first = [one["rank"] for one in known.with_status("finished", known.ranked)]
    others = known.run["kind"] == "group_beam" or all(rank <= int(size) for rank in first)
    return known.node["status"] == "pruned" and known.node["rank"] > int(size) and others


def cut_by_floor(known: Known, name: str, setting: str, own: str, floor: str) -> bool:
    right = name != "epsilon_cutoff" or near(floor, 100 * float(setting))
    return right and float(own) < float(floor)


def repeats(known: Known, size: str) -> bool:
    text, node = [], known.node
    while node["parent"] is not None:
        text.insert(0, node["token_id"])
        node = known.run["nodes"][node["parent"]]
    text = [*known.run["prompt_ids"], *text]
    grams = [tuple(text[at : at + int(size)]) for at in range(len(text) - int(size) + 1)]
    return grams[-1] in grams[:-1]


PROOFS: list[tuple[str, Callable[..., bool]]] = [
    (r"^The likeliest token", likeliest),
    (rf"^{NUMBER} % is less than {NUMBER} %, the likeliest token's", less_likely),
    (rf"^(?:Drawn with|Stayed in the draw with) {NUMBER} %", lambda k, own: near(own, 100 * k.own)),
    (
        r"^Drawn with .* by (\d+) samples",
        lambda k, times: k.run["config"]["num_return_sequences"] >= int(times),
    ),
    (
        r"^(?:Rank|Draw) (\d+) of (\d+)",
        lambda k, rank, count: int(rank) == k.node["rank"] <= int(count),
    ),
    (rf"goes on with {NUMBER}", goes_on),
    (rf"of \d+: {NUMBER} is below {NUMBER}, the last of (\d+) beams kept", not_kept),
    (r"ended the text", lambda k: k.node["token_id"] in k.ends),
    (r"reached max_new_tokens", lambda k: k.node["step"] == k.most and k.node["token_id"] not in k.ends),
    (rf"with score {NUMBER}", lambda k, score: close(score, k.node["score"])),
    (rf"its score {NUMBER} is below {NUMBER}, the worst of (\d+) results", no_result),
    (r"only (?:ranks|draws) 1 to (\d+) may finish", too_late),
    (
        r"Died at the next step",
        lambda k: k.below and not {"kept", "finished"} & {one["status"] for one in k.below},
    ),
    (
        rf"The search stopped here: no .*: {NUMBER} is below {NUMBER}, the worst",
        lambda k, best, worst: float(best) < float(worst) and not k.below,
    ),
    (r"The search stopped here: early_stopping", lambda k: not k.below),
    (r"^Not among the (\d+)", lambda k, count: k.node["rank"] is None and k.node["status"] == "pruned"),
    (r"^Impossible under the model", lambda k: k.node["logprob_raw"] is None),
    (r"^top_k (\d+): it ranks ([\d,]+)", lambda k, top, rank: int(rank.replace(",", "")) > int(top)),
    (
        rf"^top_p {NUMBER}: the likelier tokens already hold {NUMBER} %",
        lambda k, p, held: float(held) >= 100 * float(p) - 0.05,
    ),
    (rf"^(min_p|epsilon_cutoff|eta_cutoff) {NUMBER}: {NUMBER} % is below {NUMBER} %", cut_by_floor),
    (
        rf"^typical_p .* is {NUMBER} from the expected .* within {NUMBER}\.$",
        lambda k, own, reach: float(own) >= float(reach),
    ),
    (
        rf"^top_h .* would be {NUMBER} nats; {NUMBER} are allowed",
        lambda k, used, allowed: float(used) >= float(allowed),
    ),
    (r"^no_repeat_ngram_size (\d+)", repeats),
    (
        rf"similarity .* = {NUMBER}, the highest of (\d+)",
        lambda k, own, count: k.node["status"] == "chosen" and k.node["rank"] <= int(count),
    ),
    (
        rf"similarity .* = {NUMBER} is below {NUMBER}, the highest",
        lambda k, own, best: float(own) < float(best),
    ),
    (
        rf"^dola_layers: {NUMBER} % is under a tenth",
        lambda k, own: (
            k.own == 0
            and math.exp(k.node["logprob_raw"]) < 0.1 * math.exp(max(one["logprob_raw"] for one in k.beside))
        ),
    ),
    (
        r"^Gained (most|less) over layer 1",
        lambda k, how: (how == "most") == likeliest(k),
    ),
    (
        r"^(?:Chosen by hand|Another token was chosen by hand)",
        lambda k: k.node["step"] <= len(k.run["prefix"]),
    ),
]
"""A sentence, and what proves it."""


def check(run: dict, ends: set[int], most: int) -> None:
    """Read every reason against the numbers."""
    nodes = {node["id"]: node for node in run["nodes"]}
    for node in run["nodes"][1:]:
        known = Known(run, node, ends, most)
        found = [(match, proof) for text, proof in PROOFS if (match := re.search(text, node["reason"]))]
        assert found, f"nothing proves “{node['reason']}”"
        for match, proof in found:
            assert proof(known, *match.groups()), (node, match[0])
    for sequence in run["sequences"]:
        assert sequence["score"] == nodes[sequence["node"]]["score"], "one definition of the score"
        assert "beam" not in run["kind"] or nodes[sequence["node"]]["status"] == "finished"


def near(text: str, value: float) -> bool:
    """A number of some significant digits."""
    return math.isclose(float(text), value, rel_tol=6e-3, abs_tol=1e-3)


def close(text: str, value: float) -> bool:
    """A number of three decimals or more."""
    return abs(float(text) - value) <= 6e-4


def test_numbers_that_look_alike_get_more_digits():
    assert less(0.33332, 0.33334) == "33.332 % is less than 33.334 %"
    assert less(0.5, 0.5) == "50 % equals 50 %"
    assert below(-1.23456, -1.23451) == "-1.2346 is below -1.2345"
