"""The engine against `generate()`, brute force, and the known mistakes of other tools."""

from __future__ import annotations

import itertools
import json
import math
import sys
import types
from pathlib import Path

import pytest
import torch

from decoding import presets
from decoding.decoders import beams
from decoding.engine import decode, next_token_distribution
from decoding.prepare import prepare
from decoding.record import Recorder
from decoding.request import Request
from shared import models
from shared.errors import VisitorError
from shared.tokens import Texts
from tests.decoding.tiny import EOS, tiny

PROMPT = "w3 w5 w2"
KINDS = ("gpt2", "llama")


def asking(loaded, configs, prompt=PROMPT, new=8, seed=0, chat=False):
    """The request for some configs."""
    return Request.parse(
        prompt=prompt, model=loaded.id, strategies=configs, max_new_tokens=new, seed=seed, chat=chat
    )


def run(loaded, configs, **values):
    """The finished trace of some configs."""
    *_, trace = decode(asking(loaded, configs, **values), loaded)
    assert trace.done
    return trace


def reference(loaded, config, prompt=PROMPT, new=8, seed=0, prefix=()):
    """What `generate` returns, with scores and logits."""
    ids = torch.tensor([[*loaded.tokenizer(prompt)["input_ids"], *prefix]])
    torch.manual_seed(seed)
    return ids.shape[1], loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        **{"do_sample": False, **config},
        max_new_tokens=new,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
    )


def trimmed(row: list[int], eos: int = EOS) -> list[int]:
    """A sequence up to its first EOS: `generate` pads the shorter ones of a batch."""
    return row[: row.index(eos) + 1] if eos in row else row


PENALTIES = {
    "repetition_penalty": 1.4,
    "no_repeat_ngram_size": 2,
    "min_new_tokens": 3,
    "bad_words_ids": [[4], [5, 6]],
    "sequence_bias": [[[7], 1.5]],
}
SAMPLERS = [
    {"top_k": 0},
    {},
    {"temperature": 0.6, "top_k": 7, "top_p": 0.8},
    {"temperature": 1.7, "top_k": 0, "min_p": 0.1, "typical_p": 0.9},
    {"top_k": 0, "top_h": 0.6},
    {"top_k": 0, "epsilon_cutoff": 0.02, "eta_cutoff": 0.02},
    {"top_k": 6, "top_p": 0.9, **PENALTIES},
    {"top_k": 0, "num_return_sequences": 4},
]
BEAMS = [
    {"num_beams": beams, "length_penalty": penalty, "early_stopping": early, "num_return_sequences": returned}
    for beams, penalty, early, returned in [
        (2, 1.0, False, 1),
        (3, 0.0, False, 3),
        (3, 1.0, True, 2),
        (4, 2.0, False, 4),
        (4, -1.0, "never", 2),
        (5, 1.0, "never", 5),
        (5, 0.5, True, 1),
        (2, -1.0, False, 2),
    ]
] + [
    {"num_beams": 4, "num_return_sequences": 2, **PENALTIES},
    {"num_beams": 3, "renormalize_logits": True, "repetition_penalty": 1.3},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "config", [{}, PENALTIES, {"min_length": 9}, *[{"do_sample": True, **config} for config in SAMPLERS]]
)
@pytest.mark.parametrize("seed", [0, 3])
def test_greedy_and_sampling_equal_generate(kind, config, seed):
    loaded = tiny(kind, seed=seed)
    trace = run(loaded, [config], seed=seed)
    length, output = reference(loaded, config, seed=seed)
    expected = [trimmed(row) for row in output.sequences[:, length:].tolist()]
    assert [list(sequence.token_ids) for sequence in trace.runs[0].sequences] == expected
    check_nodes(trace, output, length)


def check_nodes(trace, output, length):
    """Every recorded candidate against `logits` and `scores`, to 1e-4."""
    part = trace.runs[0]
    by_path = {
        tuple(row[length : length + step]): (index, step)
        for step in range(len(output.scores))
        for index, row in enumerate(output.sequences.tolist())
    }
    checked = 0
    for node in part.nodes[1:]:
        path = path_of(part, node.parent)
        if path not in by_path:
            continue
        row, step = by_path[path]
        raw = torch.log_softmax(output.logits[step][row], -1)
        processed = torch.log_softmax(output.scores[step][row], -1)
        assert node.logprob_raw == pytest.approx(float(raw[node.token_id]), abs=1e-4)
        if math.isinf(node.logprob_processed):
            assert processed[node.token_id] == -math.inf
            assert node.status == "filtered"
        else:
            assert node.logprob_processed == pytest.approx(float(processed[node.token_id]), abs=1e-4)
        checked += 1
    assert checked > 5


def path_of(part, node) -> tuple[int, ...]:
    """Tokens from the root to a node."""
    tokens: list[int] = []
    while part.nodes[node].parent is not None:
        tokens.insert(0, part.nodes[node].token_id)
        node = part.nodes[node].parent
    return tuple(tokens)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", BEAMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_beams_equal_generate(kind, config, seed):
    loaded = tiny(kind, seed=seed)
    check_beams(loaded, config, seed)


def check_beams(loaded, config, seed, new=8):
    trace = run(loaded, [config], seed=seed, new=new)
    length, output = reference(loaded, config, seed=seed, new=new)
    part = trace.runs[0]
    expected = [trimmed(row) for row in output.sequences[:, length:].tolist()]
    assert [list(sequence.token_ids) for sequence in part.sequences] == expected
    assert [sequence.score for sequence in part.sequences] == pytest.approx(
        output.sequences_scores.tolist(), abs=1e-4
    )
    transitions = loaded.model.compute_transition_scores(
        output.sequences, output.scores, output.beam_indices, normalize_logits=False
    )
    lengths = (output.beam_indices >= 0).sum(1)
    penalty = config.get("length_penalty", 1.0)
    for sequence, total, steps in zip(
        part.sequences, transitions.sum(1).tolist(), lengths.tolist(), strict=True
    ):
        node = part.nodes[sequence.node]
        assert node.cumulative_logprob == pytest.approx(total, abs=1e-4)
        assert node.score == pytest.approx(total / steps**penalty, abs=1e-4)
        assert node.step == steps
        assert node.status == "finished"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_beam_sampling_equals_generate(kind, seed):
    loaded = tiny(kind, seed=seed)
    for config in (
        {"num_beams": 3, "do_sample": True, "top_k": 0},
        {"num_beams": 4, "do_sample": True, "temperature": 1.5, "top_p": 0.9},
    ):
        check_beams(loaded, config, seed)


def test_every_beam_candidate_equals_generates(monkeypatch):
    """Spy on transformers' own candidate selection: same tokens, same totals, same order, at every step."""
    loaded = tiny("llama", seed=5)
    config = {"num_beams": 4, "length_penalty": 1.0}
    seen = []
    original = type(loaded.model)._get_top_k_continuations

    def spy(self, **arguments):
        result = original(self, **arguments)
        current = arguments["cur_len"]
        seen.append((result[0][0].tolist(), result[1][0, :, 3 : current + 1].tolist()))
        return result

    monkeypatch.setattr(type(loaded.model), "_get_top_k_continuations", spy)
    reference(loaded, config)
    part = run(loaded, [config]).runs[0]
    for step, (totals, texts) in enumerate(seen, 1):
        mine = sorted(
            (node for node in part.nodes if node.step == step and node.rank), key=lambda node: node.rank
        )
        real = [(total, tuple(text)) for total, text in zip(totals, texts, strict=True) if total > -1e8]
        assert [path_of(part, node.id) for node in mine] == [text for _, text in real]
        assert [node.cumulative_logprob for node in mine] == pytest.approx(
            [total for total, _ in real], abs=1e-4
        )


def best_text(loaded, new, exponent=1.0):
    """Enumerate every text and return the best by total / length^exponent."""
    prompt = loaded.tokenizer(PROMPT)["input_ids"]
    size = loaded.model.config.vocab_size
    best, mass = (-math.inf, ()), 0.0
    for text in itertools.product(range(size), repeat=new):
        ended = trimmed(list(text))
        if list(text) != ended + [EOS] * (new - len(ended)):
            continue
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([[*prompt, *ended]])).logits[0].double()
        logprobs = torch.log_softmax(logits, -1)[len(prompt) - 1 : -1].gather(1, torch.tensor(ended)[:, None])
        total = float(logprobs.sum())
        mass += math.exp(total)
        best = max(best, (total / len(ended) ** exponent, tuple(ended)))
    return best, mass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_a_wide_enough_beam_finds_the_best_text(kind, exponent):
    loaded = tiny(kind, vocabulary=4, seed=2, sharp=2.0)
    (score, text), mass = best_text(loaded, 3, exponent)
    assert mass == pytest.approx(1.0, abs=1e-5)
    config = {"num_beams": 16, "length_penalty": exponent, "early_stopping": "never"}
    sequence = run(loaded, [config], new=3).runs[0].sequences[0]
    assert sequence.token_ids == text
    assert sequence.score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_children_and_the_rest_make_up_the_parent(kind):
    """Recorded candidates and what is not recorded sum to one; so does a beam's cumulative score along its
    path.
    """
    for config in ({"num_beams": 4}, {}, {"do_sample": True, "top_k": 5}):
        part = run(tiny(kind), [config]).runs[0]
        for node, decision in part.decisions.items():
            children = [child for child in part.nodes if child.parent == node]
            assert sum(
                math.exp(child.logprob_raw) for child in children
            ) + decision.rest_mass == pytest.approx(1.0, abs=1e-5)
        for node in part.nodes[1:]:
            parent = part.nodes[node.parent]
            assert node.cumulative_logprob == pytest.approx(
                parent.cumulative_logprob + node.logprob_processed, abs=1e-5
            ) or math.isinf(node.logprob_processed)


def test_fates_of_a_beam_add_up():
    part = run(tiny("gpt2"), [{"num_beams": 3}]).runs[0]
    for step in range(1, 8):
        ranked = [node for node in part.nodes if node.step == step and node.rank]
        assert sum(node.status == "kept" for node in ranked) <= 3
        assert all(node.reason for node in ranked)
        kept = [node.cumulative_logprob for node in ranked if node.status == "kept"]
        lost = [
            node.cumulative_logprob for node in ranked if node.status == "pruned" and node.token_id != EOS
        ]
        if kept and lost and step < 8:
            assert min(kept) >= max(lost) - 1e-6


# The strategies that left transformers' core, against plain implementations without cache or batch


def full(loaded, ids):
    with torch.inference_mode():
        return loaded.model(torch.tensor([ids]), output_hidden_states=True)


@pytest.mark.parametrize("kind", KINDS)
def test_contrastive_search_equals_the_formula(kind):
    loaded, alpha, k = tiny(kind, seed=4), 0.6, 4
    ids = list(loaded.tokenizer(PROMPT)["input_ids"])
    expected: list[int] = []
    for _ in range(8):
        out = full(loaded, ids + expected)
        p, tokens = torch.softmax(out.logits[0, -1].double(), -1).topk(k)
        before = out.hidden_states[-1][0].double()
        values = []
        for probability, token in zip(p.tolist(), tokens.tolist(), strict=True):
            state = full(loaded, [*ids, *expected, token]).hidden_states[-1][0, -1].double()
            values.append(
                (1 - alpha) * probability - alpha * float(torch.cosine_similarity(state[None], before).max())
            )
        expected.append(int(tokens[values.index(max(values))]))
        if expected[-1] == EOS:
            break
    trace = run(loaded, [{"penalty_alpha": alpha, "top_k": k}])
    assert list(trace.runs[0].sequences[0].token_ids) == expected
    chosen = [node for node in trace.runs[0].nodes if node.status == "chosen" and node.step]
    assert all("highest of 4" in node.reason for node in chosen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choice", ["low", "high", [1, 3]])
def test_dola_equals_the_formula(kind, choice):
    loaded = tiny(kind, seed=4, layers=6)
    tied = kind == "gpt2"
    layers = choice if isinstance(choice, list) else ([2] if tied else [0, 2]) if choice == "low" else [3, 5]
    ids = list(loaded.tokenizer(PROMPT)["input_ids"])
    expected: list[int] = []
    head = loaded.model.get_output_embeddings()
    for _ in range(6):
        out = full(loaded, ids + expected)
        final = torch.softmax(out.logits[0, -1].double(), -1)
        best = None
        for layer in layers:
            with torch.inference_mode():
                early = torch.softmax(head(out.hidden_states[layer][0, -1]).double(), -1)
            middle = (final + early) / 2
            js = float((final * (final / middle).log() + early * (early / middle).log()).sum() / 2)
            if best is None or js > best[0]:
                best = (js, early)
        contrast = final.log() - best[1].log()
        contrast[final < 0.1 * final.max()] = -math.inf
        expected.append(int(contrast.argmax()))
        if expected[-1] == EOS:
            break
    part = run(loaded, [{"dola_layers": choice}], new=6).runs[0]
    assert list(part.sequences[0].token_ids) == expected


def test_dola_gives_the_reason_of_whoever_removed_a_token():
    loaded = tiny("llama", seed=4, layers=6)
    first = run(loaded, [{"dola_layers": "high"}], new=1).runs[0].sequences[0].token_ids[0]
    nodes = run(loaded, [{"dola_layers": "high", "bad_words_ids": [[first]]}], new=1).runs[0].nodes[1:]
    reasons = {node.token_id: node.reason for node in nodes if node.status == "filtered"}
    assert reasons.pop(first).startswith("bad_words_ids")
    assert reasons and all(reason.startswith("dola_layers") for reason in reasons.values())


def plain_diverse_beams(loaded, beams, groups, penalty, new):
    """Diverse beam search with lists and no cache, for a model whose texts never end early."""
    ids = list(loaded.tokenizer(PROMPT)["input_ids"])
    size = beams // groups
    running = [[((), 0.0)] for _ in range(groups)]
    for _ in range(new):
        taken: list[int] = []
        for group in range(groups):
            candidates = []
            for text, total in running[group]:
                logprobs = torch.log_softmax(full(loaded, [*ids, *text]).logits[0, -1].float(), -1).tolist()
                for token, value in enumerate(logprobs):
                    candidates.append((total + value - penalty * taken.count(token), (*text, token)))
            candidates.sort(key=lambda entry: -entry[0])
            running[group] = [(text, total) for total, text in candidates[:size]]
            taken += [text[-1] for text, _ in running[group]]
    return sorted(((total / new, text) for texts in running for text, total in texts), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_diverse_beams_equal_plain_lists(kind):
    loaded = tiny(kind, vocabulary=20, seed=3)
    loaded.model.generation_config.eos_token_id = (
        None  # no text ends early, so that all groups stop at the same step
    )
    config = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.5, "num_return_sequences": 4}
    mine = run(loaded, [config], new=5).runs[0].sequences
    expected = plain_diverse_beams(loaded, 4, 2, 1.5, 5)
    assert [list(sequence.token_ids) for sequence in mine] == [list(text) for _, text in expected]
    assert [sequence.score for sequence in mine] == pytest.approx([score for score, _ in expected], abs=1e-4)


# Mistakes of other tools, brought in on purpose: the checks above must notice


def test_a_wrong_length_penalty_is_noticed(monkeypatch):
    """A known visualiser computes step + 1**penalty: the penalty then never matters."""
    monkeypatch.setattr(Recorder, "score", lambda self, total, length: total / length)
    with pytest.raises(AssertionError):
        for seed in range(3):
            check_beams(
                tiny("llama", seed=seed),
                {"num_beams": 4, "length_penalty": 2.0, "num_return_sequences": 4},
                seed,
            )


def test_normalising_by_the_whole_text_is_noticed(monkeypatch):
    """A known notebook divides by prompt + new tokens."""
    monkeypatch.setattr(Recorder, "score", lambda self, total, length: total / (length + 3))
    with pytest.raises(AssertionError):
        check_beams(tiny("llama"), {"num_beams": 3}, 0)


def test_finishing_outside_the_beam_is_noticed(monkeypatch):
    """A known visualiser finishes an EOS of any rank; only one among the first num_beams may."""
    source = Path(beams.__file__).read_text()
    broken = source.replace("counts = hit & (torch.arange(len(hit), device=device) < size)", "counts = hit")
    assert broken != source
    swap(monkeypatch, broken)
    with pytest.raises(AssertionError):
        for seed in range(12):
            check_beams(
                tiny("gpt2", seed=seed, vocabulary=6, sharp=2.0),
                {"num_beams": 2, "num_return_sequences": 2, "length_penalty": -1.0},
                seed,
            )


def test_beams_that_are_never_pruned_are_noticed(monkeypatch):
    """A known notebook follows every branch (b^d): it then finds the best text where a real beam search does
    not.
    """
    source = Path(beams.__file__).read_text()
    broken = source.replace(
        "keep = torch.topk(running, size).indices",
        "keep = torch.arange(size, device=device)[torch.randperm(size)] + size",
    )
    assert broken != source
    swap(monkeypatch, broken)
    with pytest.raises(AssertionError):
        check_beams(tiny("llama"), {"num_beams": 3}, 0)


def test_scores_that_ignore_temperature_are_noticed(monkeypatch):
    from decoding import engine

    original = engine.prepare

    def without_temperature(*arguments):
        plan = original(*arguments)
        plan.stages = tuple(stage for stage in plan.stages if stage[0] != "temperature")
        plan.recorder.names = tuple(name for name, _ in plan.stages)
        return plan

    monkeypatch.setattr(engine, "prepare", without_temperature)
    loaded = tiny("llama")
    config = {"do_sample": True, "temperature": 0.5, "top_k": 0}
    trace = run(loaded, [config])
    length, output = reference(loaded, config)
    with pytest.raises(AssertionError):
        assert [list(s.token_ids) for s in trace.runs[0].sequences] == [
            trimmed(r) for r in output.sequences[:, length:].tolist()
        ]
        check_nodes(trace, output, length)


def swap(monkeypatch, source: str) -> None:
    """Run the engine on another source of the beam search."""
    module = types.ModuleType("broken")
    monkeypatch.setitem(sys.modules, "broken", module)
    exec(compile(source, "broken.py", "exec"), module.__dict__)
    monkeypatch.setattr(beams, "steps", module.steps)


# Properties


@pytest.mark.parametrize("kind", KINDS)
def test_alone_or_together_with_others_is_the_same(kind):
    loaded = tiny(kind, seed=6)
    configs = [{}, {"num_beams": 3}, {"do_sample": True, "top_k": 0}, {"penalty_alpha": 0.5, "top_k": 3}]
    together = run(loaded, configs, seed=9)
    for place, config in enumerate(configs):
        alone = run(loaded, [config], seed=9).runs[0]
        assert [s.token_ids for s in together.runs[place].sequences] == [s.token_ids for s in alone.sequences]
        assert [n.logprob_raw for n in together.runs[place].nodes] == pytest.approx(
            [n.logprob_raw for n in alone.nodes], abs=1e-4
        )


def test_samples_follow_the_distribution():
    """Chi-square of 1,500 first tokens against the model's distribution, at the 0.1 % level."""
    loaded = tiny("llama", seed=1, vocabulary=8, sharp=2.0)
    counts = [0] * 8
    for seed in range(100):
        for sequence in (
            run(loaded, [{"do_sample": True, "top_k": 0, "num_return_sequences": 15}], new=1, seed=seed)
            .runs[0]
            .sequences
        ):
            counts[sequence.token_ids[0]] += 1
    ids = torch.tensor([loaded.tokenizer(PROMPT)["input_ids"]])
    with torch.inference_mode():
        p = torch.softmax(loaded.model(ids).logits[0, -1].double(), -1).tolist()
    used = [i for i in range(8) if p[i] * 1500 >= 5]
    statistic = sum((counts[i] - 1500 * p[i]) ** 2 / (1500 * p[i]) for i in used)
    assert len(used) >= 3
    assert statistic < 24.3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_beams": 3, "repetition_penalty": 1.4},
        {"do_sample": True, "top_k": 0},
        {"penalty_alpha": 0.5, "top_k": 3},
    ],
)
def test_a_branch_equals_generate_on_prompt_and_prefix(kind, config):
    loaded = tiny(kind, seed=7)
    trace = run(loaded, [{**config, "prefix": [6, 2]}], seed=5)
    part = trace.runs[0]
    chosen = [node for node in part.nodes if node.reason == "Chosen by hand."]
    assert [node.token_id for node in chosen] == [6, 2]
    assert all(list(sequence.token_ids[:2]) == [6, 2] for sequence in part.sequences)
    if "penalty_alpha" in config:
        return
    length, output = reference(loaded, config, new=6, seed=5, prefix=(6, 2))
    assert [list(s.token_ids[2:]) for s in part.sequences] == [
        trimmed(row) for row in output.sequences[:, length:].tolist()
    ]


def test_partial_traces_grow():
    loaded = tiny("llama")
    request = asking(loaded, [{}, {"num_beams": 2}], new=5)
    traces = list(decode(request, loaded))
    assert [trace.done for trace in traces] == [False] * (len(traces) - 1) + [True]
    sizes = [sum(len(part.nodes) for part in trace.runs) for trace in traces]
    assert sizes == sorted(sizes)
    json.dumps(traces[0].to_json(), allow_nan=False)


def test_distribution_of_any_place_equals_the_traces_own():
    loaded = tiny("gpt2")
    config = {"repetition_penalty": 1.4, "do_sample": False}
    trace = run(loaded, [config], new=4)
    part = trace.runs[0]
    prompt = trace.prompt["token_ids"]
    for node, stored in part.distributions.items():
        fetched = next_token_distribution(loaded, [*prompt, *path_of(part, node)], config, len(prompt), None)
        for key in ("raw", "base"):
            mine = dict(zip(stored["ids"], stored[key] or stored["raw"], strict=True))
            theirs = dict(zip(fetched["ids"], fetched[key] or fetched["raw"], strict=True))
            assert mine == pytest.approx(theirs, abs=1e-4)


# Errors


def test_numbers_that_are_not_finite_are_said():
    loaded = tiny("llama")
    loaded.model.lm_head.weight.data[3] = math.nan
    with pytest.raises(VisitorError, match="not finite"):
        run(loaded, [{}])


def test_prompt_limits_and_chat_template():
    loaded = tiny("llama")
    with pytest.raises(VisitorError, match="no chat template"):
        run(loaded, [{}], chat=True)
    with pytest.raises(VisitorError, match="57 tokens of prompt and 8 new ones are more than the 64"):
        run(loaded, [{}], prompt="w3 " * 57)
    with pytest.raises(VisitorError, match="tokens; the limit is 1,024"):
        run(loaded, [{}], prompt="w3 " * 1025)
    with pytest.raises(VisitorError, match="not in the vocabulary"):
        run(loaded, [{"bad_words_ids": [[99]]}])
    with pytest.raises(VisitorError, match="has no layer 9"):
        run(loaded, [{"dola_layers": [9]}])


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_window_is_used_to_its_end(kind):
    """GPT-2 has no position past its window: one token too many would fail."""
    loaded = tiny(kind)
    loaded.model.generation_config.eos_token_id = None
    trace = run(
        loaded,
        [{}, {"num_beams": 2}, {"penalty_alpha": 0.5, "top_k": 3}, {"dola_layers": "high"}],
        prompt="w3 " * 24,
        new=40,
    )
    assert [len(part.sequences[0].token_ids) for part in trace.runs] == [40] * 4


def test_the_most_extreme_settings_still_draw():
    settings = {
        "do_sample": True,
        "top_k": 0,
        "temperature": 0.01,
        "repetition_penalty": 0.01,
        "sequence_bias": [[[5], 10_000.0]],
    }
    for config in (
        settings,
        {**settings, "num_beams": 3},
        {**settings, "temperature": 100.0, "repetition_penalty": 100.0},
    ):
        assert len(run(tiny("llama"), [config]).runs[0].nodes) > 8


@pytest.mark.parametrize(("ends", "kept"), [(None, 2), (1, 2), ([1, 2], 3)])
def test_the_trace_says_what_the_filters_must_leave(ends, kept):
    """As transformers gave it to its own filters: a number for the browser's chain."""
    loaded = tiny("llama")
    loaded.model.generation_config.eos_token_id = ends
    request = asking(
        loaded, [{"do_sample": True, "top_p": 0.5, "num_beams": beams} for beams in (1, 3)], new=4
    )
    *_, trace = decode(request, loaded)
    assert [part["min_tokens_to_keep"] for part in trace.to_json()["runs"]] == [1, kept]
    for part, strategy in zip(trace.runs, request.strategies, strict=True):
        filters = dict(prepare(strategy, request, loaded, [3, 5], Texts(loaded.tokenizer)).stages)
        assert filters["top_p"].min_tokens_to_keep == part.min_tokens_to_keep


# The embedded model


def test_four_strategies_on_the_embedded_model(embedded):
    names = ["greedy", "beam 5", "nucleus .9", "contrastive .6"]
    configs = [{"name": name, **presets.PRESETS[name]} for name in names]
    trace = run(embedded, configs, prompt="The lighthouse keeper opened the door and", new=32, seed=4)
    for part, config in zip(trace.runs[:3], configs, strict=False):
        settings = {key: value for key, value in config.items() if key != "name"}
        length, output = reference(
            embedded, settings, prompt="The lighthouse keeper opened the door and", new=32, seed=4
        )
        assert [list(s.token_ids) for s in part.sequences] == [
            trimmed(r, 2) for r in output.sequences[:, length:].tolist()
        ]
    text = json.dumps(trace.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    assert len(text.encode()) <= 500_000
    assert trace.provenance["source"] == models.EMBEDDED_SOURCE


def test_stored_examples_are_what_the_engine_computes(embedded):
    """The first paint shows real results: the same tokens as a fresh run."""
    folder = Path(presets.__file__).parents[1] / "examples"
    for name in presets.EXAMPLES:
        stored = json.loads((folder / f"{name}.json").read_text())
        request = Request.parse(**stored["request"])
        assert request == presets.example_request(name)
        *_, trace = decode(request, embedded)
        fresh = trace.to_json()
        for old, new in zip(stored["runs"], fresh["runs"], strict=True):
            assert [s["token_ids"] for s in old["sequences"]] == [s["token_ids"] for s in new["sequences"]]
            assert len(old["nodes"]) == len(new["nodes"])


def test_chat_template_wraps_the_prompt(embedded):
    trace = run(embedded, [{}], prompt="Hi", new=3, chat=True)
    assert "<|im_start|>user" in "".join(trace.prompt["tokens"])


def test_between_two_steps_the_thread_is_in_no_mode_of_its_own():
    """Another run may get the thread, or this one may be left there for good."""
    loaded = tiny("llama")
    steps = decode(asking(loaded, [{}]), loaded)
    next(steps)
    assert not torch.is_inference_mode_enabled()
    steps.close()
