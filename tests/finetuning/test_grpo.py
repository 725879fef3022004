"""GRPO: TRL's own trainer on the same answers, rewards, sampling, what it costs, and bad input."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import VisitorError
from shared.suite import load_app
from shared.talk import Answer
from tests import zoo
from tests.finetuning.grpo_cases import CASES, PROMPTS

load_app("finetuning")
from finetuning import grpo, grpo_programs, grpo_step, grpo_watch, losses, questions, rewards
from finetuning.grpo_request import GrpoRequest
from finetuning.lora import Cache, Net, adapted
from finetuning.pairs import Text
from finetuning.rewards import Written

TRL = json.loads(Path(__file__).with_name("grpo.json").read_text(encoding="utf-8"))
TINY = {"group": 3, "tokens": 5, "steps": 3, "rank": 4, "layers": 1, "learning_rate": 0.05, "answers": 2}


@pytest.fixture(autouse=True)
def little(animals, monkeypatch):
    """Little is read beside the rows."""
    for name, value in {"WINDOWS": 2, "ELSEWHERE": 2}.items():
        monkeypatch.setattr(f"finetuning.watch.{name}", value)


def asked(animal: str = "qwen3", **settings) -> GrpoRequest:
    given = {"rows": "What is a verb?\nHow deep is the sea?", **TINY, **settings}
    return GrpoRequest.parse(model=str(zoo.folder(animal)), **given)


def trained(request: GrpoRequest, **more):
    """The complete figure, all that came before it, and the snapshots by step."""
    loaded, questions = grpo.prepared(request)
    kept, seen = {}, []
    for data, snapshot in grpo.train(request, loaded, questions, **more):
        seen.append(data)
        if snapshot:
            kept[snapshot.step] = snapshot
    assert seen[-1]["done"]
    return seen[-1], seen, kept


@pytest.mark.parametrize("name", CASES)
def test_advantages_losses_and_gradients_are_those_of_trls_own_trainer(name, monkeypatch):
    animal, settings = CASES[name]
    theirs = TRL[name]
    steps = iter(theirs["steps"])
    loaded = zoo.opened(animal)

    def replayed(request, loaded, adapter, some, generator, seen):
        step = next(steps)
        replayed.step = step
        said = [Answer(tuple(ids), False) for ids in step["answers"]]
        shown = [grpo_step._shown(loaded, one) for one in said]
        seen["groups"] = [
            {"answers": shown[at : at + request.group]} for at in range(0, len(shown), request.group)
        ]
        texts = [Text((*ids, *one.ids), len(ids)) for ids, one in zip(step["prompts"], said, strict=True)]
        yield grpo_step.Answers(texts, said)

    monkeypatch.setattr(grpo, "sampled", replayed)
    monkeypatch.setattr(rewards, "paid", lambda *_: [[value] for value in replayed.step["rewards"]])
    monkeypatch.setattr(grpo_watch.GrpoWatch, "mark", lambda *_: iter(()))
    rows = json.dumps(PROMPTS * 5)
    data, _, _ = trained(asked(animal, rows=rows, answers=1, **settings))
    rounds = data["rounds"]
    for ours, step in zip(rounds, theirs["steps"], strict=True):
        advantages = [one["advantage"] for group in ours["groups"] for one in group["answers"]]
        assert advantages == pytest.approx(step["advantages"], rel=1e-5, abs=1e-5)
    told = {key: [value for one in rounds for value in one[key]] for key in ("losses", "norms", "clipped")}
    first = settings["iterations"]
    assert told["losses"][:2] == pytest.approx(theirs["losses"][:2], rel=1e-5, abs=1e-6)
    # later the rounding of earlier steps stands in the weights
    assert told["losses"] == pytest.approx(theirs["losses"], rel=2e-3, abs=2e-5)
    assert told["norms"] == pytest.approx(theirs["norms"], rel=5e-3, abs=1e-5)
    assert told["clipped"] == pytest.approx(theirs["clipped"], abs=0.011)
    assert max(theirs["clipped"]) > 0.05, "a clip that never acts tests nothing"
    rates = [rate for one in rounds for rate in one["rates"]]
    assert rates == pytest.approx(theirs["rates"], rel=1e-5)
    assert [one["entropy"] for one in rounds] == pytest.approx(theirs["entropy"][::first], rel=1e-3)
    if settings.get("beta"):
        assert [one["kl"] for one in rounds] == pytest.approx(theirs["kl"][::first], rel=5e-3, abs=1e-6)
        assert max(theirs["kl"]) > 1e-3
    assert loaded.model.get_input_embeddings() is not None


def test_advantages_are_their_closed_form():
    paid = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    deviation = math.sqrt(2)
    assert losses.advantages(paid, "group").tolist() == [
        pytest.approx([-1 / (deviation + 1e-4), 1 / (deviation + 1e-4)]),
        [0, 0],
    ]
    assert losses.advantages(paid, "none").tolist() == [[-1, 1], [0, 0]]
    every = float(paid.std()) + 1e-4
    assert losses.advantages(paid, "batch")[0, 1] == pytest.approx(1 / every)


def test_the_clip_takes_the_gradient_away_and_nothing_else():
    old = torch.zeros(4)
    now = torch.tensor([0.5, 0.5, -0.5, -0.5], requires_grad=True)
    advantage = torch.tensor([1.0, -1, 1, -1])
    each, beyond = losses.grpo_tokens(now, old, old, advantage, 0.0, 0.2)
    each.sum().backward()
    assert beyond.tolist() == [True, False, False, True]
    wanted = [0, math.exp(0.5), -math.exp(-0.5), 0]
    assert now.grad is not None and now.grad.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("line", "text", "pays"),
    [
        ("about 8 characters", "The sea.", 0.0),
        ("about 4 words", "It is deep.", -0.25),
        ("2 * about 3 tokens", "It is deep.", 0.0),
        ("contains sea | ocean", "The Ocean is deep.", 1.0),
        ("contains sea", "The seal.", 0.0),
        ("-0.5 × starts with It", "It is deep.", -0.5),
        ("at most 3 words", "It is deep.", 1.0),
        ("at least 2 sentences", "It is deep.", 0.0),
        (r"matches ^\w+ is", "It is deep.", 1.0),
        ("language English", "It is the deepest of all the seas.", 1.0),
        ("does not end", "It is deep.", 0.0),
        ("answer", "That is 12, not 2.", 1.0),
        ("answer", "That is 112.", 0.0),
        ("0.5 * likelihood", "", -1.5),
    ],
)
def test_a_part_pays_what_it_says(line, text, pays):
    parts = rewards.parts_of(line)
    written = [Written(text, True, 3, "12", -3.0)]
    assert rewards.total(parts, rewards.paid(parts, written)[0]) == pytest.approx(pays)
    assert rewards.parts_of(rewards.text_of(parts)) == parts


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "no part"),
        ("be nice", "“be nice” is no part of a reward"),
        ("refuses politely", "no part of a reward"),
        ("contains", "has no value"),
        ("about 0 words", "no length to aim at"),
        ("0 * answer", "counts for nothing"),
        ("answer\n2 * answer", "stands there twice"),
        ("\n".join(f"contains {at}" for at in range(7)), "has 7 parts"),
        ("matches (", "not a regular expression"),
        (5, "no text"),
    ],
)
def test_what_is_no_reward_is_refused_in_two_sentences(value, words):
    with pytest.raises(VisitorError, match=re.escape(words)) as caught:
        rewards.parts_of(value)
    assert len(caught.value.what) + len(caught.value.remedy) <= 300


def test_a_run_of_a_seed_is_the_same_and_what_moved_is_what_became_likelier():
    request = asked(beta=0.1)
    first, seen, kept = trained(request)
    again, _, later = trained(request)
    assert first["rounds"] == again["rounds"] and first["marks"] == again["marks"]
    assert kept[3].adapter == later[3].adapter and set(kept) == {0, 2, 3}
    opening = next(data for data in seen if data["rounds"] and data["rounds"][0]["reward"])
    assert not opening["marks"], "the first group is seen before anything else is measured"
    answers = [one for group in first["rounds"][0]["groups"] for one in group["answers"]]
    assert all(one["kl"] == pytest.approx([0] * len(one["kl"]), abs=1e-6) for one in answers)
    assert sum(one["advantage"] for one in answers) == pytest.approx(0, abs=1e-4)
    pushed = sum(one["advantage"] * sum(one["moved"]) for one in answers)
    assert pushed > 0, "what was paid more than the group's mean became likelier"
    other, _, _ = trained(asked(beta=0.1, seed=43))
    assert other["rounds"] != first["rounds"]


def test_cached_activations_give_the_whole_models_run():
    request = asked("llama3", iterations=2)
    cached, _, _ = trained(request)
    whole, _, _ = trained(request, cached=False)
    assert cached["cached"] and not whole["cached"]
    for ours, theirs in zip(cached["rounds"], whole["rounds"], strict=True):
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-4, abs=1e-6)
        assert ours["norms"] == pytest.approx(theirs["norms"], rel=1e-4, abs=1e-6)


def test_the_untrained_model_is_the_model_before_training():
    loaded = zoo.opened("qwen3")
    adapter = adapted(loaded, asked())
    text = Text((5, 6, 7, 8), 2)
    net = Net(adapter, Cache(adapter.first), text)
    before = net.token_logs([text])[0]
    with torch.no_grad():
        for value in adapter.parameters.values():
            value.normal_()
    assert not torch.allclose(net.token_logs([text])[0], before)
    with net.untrained():
        assert torch.equal(net.token_logs([text])[0], before)
    assert all(value.requires_grad for value in adapter.parameters.values())


def test_equal_rewards_move_nothing():
    data, _, _ = trained(asked(reward="contains zebra", steps=1))
    (group,) = data["rounds"][0]["groups"]
    assert group["deviation"] == 0 and {one["advantage"] for one in group["answers"]} == {0}
    assert all(value == 0 for one in group["answers"] for value in one["moved"])


def test_a_rate_that_breaks_the_model_ends_the_run_and_keeps_the_last_good_adapter(monkeypatch):
    true = losses.grpo
    calls = []

    def broken(*args):
        calls.append(1)
        return true(*args) * (math.nan if len(calls) == 6 else 1)

    monkeypatch.setattr(losses, "grpo", broken)
    data, _, kept = trained(asked(iterations=2))
    assert data["stopped"].startswith("Step 3: the loss is not finite.")
    assert data["verdict"] == data["stopped"]
    assert "of step 2 is kept" in data["stopped"] and set(kept) == {0, 2}


def test_repeated_text_and_what_a_reward_costs_are_told():
    assert grpo_watch.repeated([1, 2, 3, 4]) == 0 and grpo_watch.repeated([7] * 5) == pytest.approx(2 / 3)
    first = {"reward": [-1.0, -0.8], "text": [3.0, 3.2], "elsewhere": [0.0], "repeated": [0.0]}
    first["ended"] = [1.0]
    last = {**first, "reward": [-0.2, 0.0], "text": [4.0, 4.4], "repeated": [0.6]}
    changes = grpo_watch.changes(first, last)
    assert [one["verdict"] for one in changes] == ["better", "worse", "same", "worse", "same"]
    data = {"stopped": None, "changes": changes, "rounds": [1], "marks": [{"asked": [1, 2]}]}
    told = grpo_watch.verdict(data)
    assert told.startswith("Held-out reward −0.9 → −0.1 (by ")
    assert ", n = 2), and the model pays for it: loss of a plain text" in told
    one_prompt = {name: values[:1] for name, values in first.items()}
    assert grpo_watch.changes(one_prompt, {**one_prompt, "reward": [0.5]})[0]["verdict"] == "unsure"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rows": '{"question": "a"}'}, r"Row 1 has no prompt \(question\)"),
        (
            {"rows": "question,answer\n1 + 1?,2"},
            "no prompt .question, answer.. Rename the column question",
        ),
        ({"rows": "Question,Answer\n1 + 1?,2"}, "This is CSV, and its columns .“Question”, “Answer”. are"),
        ({"rows": "sea " * 40_000}, "writes more than 100,000 characters"),
        ({"rows": '["a", 5]'}, "Row 2 is no prompt"),
        ({"rows": '{"prompt": " "}'}, "The prompt of row 1 is empty"),
        ({"rows": '{"prompt": "a", "messages": []}\n{"prompt": []}'}, "Row 2 has"),
        ({"reward": "answer"}, "row 1 states none"),
        ({"rows": "sea " * 300}, "The prompt of row 1 has"),
        ({"group": 1}, "group is 1"),
        ({"steps": 100, "tokens": 96}, "would sample up to"),
        ({"learning_rate": 0}, "learning_rate is 0"),
    ],
)
def test_what_cannot_be_sampled_for_is_said_before_any_time_is_spent(settings, words):
    with pytest.raises(VisitorError, match=words):
        grpo.prepared(asked(**settings))


def test_lines_with_another_end_of_line_are_questions():
    assert questions.are_lines("What is a?\rWhat is b?\nWhat is c, then?")
    assert not questions.are_lines("prompt,answer\na,b") and not questions.are_lines('{"prompt": "a"}')


def test_a_model_without_template_continues_texts_and_is_not_asked_questions():
    with pytest.raises(VisitorError, match="no chat template"):
        grpo.prepared(asked("gpt2"))
    rows = json.dumps([{"prompt": f"Once {at}"} for at in range(6)])
    data, _, _ = trained(asked("gpt2", rows=rows, steps=1, batch=2))
    assert len(data["rounds"][0]["groups"]) == 2 and data["marks"][0]["elsewhere"] is None
    assert data["questions"]["separate"]


@pytest.mark.parametrize(
    "settings",
    [
        {"reward": "about 9 characters\n0.5 * likelihood\n-1 * contains a | b", "beta": 0.2, "batch": 2},
        {
            "rows": json.dumps(PROMPTS),
            "loss": "grpo",
            "scale": "batch",
            "temperature": 0.8,
            "reward": "likelihood",
        },
    ],
)
def test_the_printed_program_is_the_run(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    request = asked(layers=0, iterations=2, **settings)
    data, _, _ = trained(request)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(grpo_programs.loop(request, data), {"__name__": "printed"})
    told = re.findall(r"reward (\S+), loss (\S+), norm (\S+)", printed.getvalue())
    wanted = [
        (one["reward"]["mean"], loss, norm)
        for one in data["rounds"]
        for loss, norm in zip(one["losses"], one["norms"], strict=True)
    ]
    for at, most in enumerate((1e-5, 1e-4, 1e-3)):
        values = [float(row[at]) for row in told]
        assert values == pytest.approx([row[at] for row in wanted], rel=most, abs=5e-6)
    compile(grpo_programs.trl(request, data), "printed", "exec")


def test_a_step_that_leaves_no_numbers_ends_the_run():
    request = replace(asked(iterations=1, steps=2), learning_rate=1e20)
    data, _, kept = trained(request)
    assert data["stopped"].startswith("Step 1: the log-probabilities after it are not finite.")
    assert "adapter of step 0 is kept" in data["stopped"] and sorted(kept) == [0]
    json.dumps(data, allow_nan=False)
