"""Training: TRL's own losses, closed forms, cached activations against the whole model, and bad input."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from shared.errors import VisitorError
from shared.steps import last
from shared.suite import load_app
from tests import zoo
from tests.finetuning.training import CASES, LABELLED, ROWS

load_app("finetuning")
from finetuning import losses, pairs
from finetuning import train as training
from finetuning.lora import Cache, Net, adapted
from finetuning.snapshot import Snapshot
from finetuning.train import Since
from finetuning.train_request import TrainRequest

TRL = json.loads((Path(__file__).with_name("training.json")).read_text(encoding="utf-8"))
TINY = {"steps": 6, "batch": 3, "rank": 4, "layers": 1, "learning_rate": 0.01, "answers": 1, "max_length": 80}


@pytest.fixture(autouse=True)
def little(animals, monkeypatch):
    """Little is read beside the rows."""
    for name, value in {"WINDOWS": 2, "ELSEWHERE": 2, "ANSWER_TOKENS": 4}.items():  # minutes saved
        monkeypatch.setattr(f"finetuning.watch.{name}", value)


def asked(animal: str, rows=ROWS, **settings) -> TrainRequest:
    return TrainRequest.parse(
        model=str(zoo.folder(animal)),
        rows=json.dumps(rows) if rows else "",
        limit=100,
        **{**TINY, **settings},
    )


def prepared(request: TrainRequest, *, all_rows: bool = False):
    loaded, rows = training.prepared(request)
    if all_rows:
        rows = replace(rows, train=tuple(sorted((*rows.train, *rows.held), key=lambda one: one.number)))
    return loaded, rows


def trained(request: TrainRequest, *, all_rows: bool = False, **more):
    """The complete figure, and the snapshots by run and step."""
    loaded, rows = prepared(request, all_rows=all_rows)
    kept: dict[tuple[int, int], Snapshot] = {}
    data = None
    for step in training.train(request, loaded, rows, **more):
        data, snapshot = step
        if snapshot:
            kept[snapshot.run, snapshot.step] = snapshot
    assert data and data["done"]
    return data, kept


def of(run: dict, name: str) -> list[float]:
    return [step[name] for step in run["steps"]]


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_are_those_of_trls_own_trainer(name):
    animal, settings = CASES[name]
    rows = LABELLED if settings["objective"] == "kto" else ROWS
    data, _ = trained(asked(animal, rows, **{"max_length": 256, **settings}), all_rows=True)
    run, theirs = data["runs"][0], TRL[name]
    assert of(run, "loss")[:2] == pytest.approx(theirs["losses"][:2], rel=1e-5, abs=1e-6)
    # later the rounding of earlier steps stands in the weights
    assert of(run, "loss") == pytest.approx(theirs["losses"], rel=2e-4, abs=1e-5)
    assert of(run, "norm") == pytest.approx(theirs["norms"], rel=1e-3, abs=1e-5)
    assert of(run, "rate") == pytest.approx(theirs["rates"])
    moved = {f"{at}.{key}": size for key, at, size, _ in run["marks"][-1]["norms"]}
    assert moved == pytest.approx(theirs["moved"], rel=3e-3)
    if "margins" in theirs:
        ours = [settings.get("beta", 0.1) * (one["chosen"] - one["rejected"]) for one in run["steps"]]
        assert ours == pytest.approx(theirs["margins"], rel=1e-3, abs=1e-4)
    if "z0" in theirs:
        assert of(run, "z0") == pytest.approx(theirs["z0"], rel=1e-3, abs=1e-4)
        assert max(theirs["z0"]) > 0.1, "a reference point that is never above 0 tests nothing"
    if "nll" in theirs:
        assert of(run, "nll") == pytest.approx(theirs["nll"], rel=2e-4)


def test_dpo_is_its_closed_form():
    logs = [
        torch.tensor(row, dtype=torch.float64) for row in ([-3.0, -5], [-4.0, -2], [-3.5, -6], [-2.0, -2.5])
    ]
    wanted = sum(
        math.log(1 + math.exp(-0.3 * ((c - c0) - (r - r0))))
        for c, r, c0, r0 in zip(*map(list, logs), strict=True)
    )
    assert float(losses.dpo(*logs, 0.3)) == pytest.approx(wanted / 2, rel=1e-12)
    assert float(losses.dpo(logs[0], logs[1], logs[0], logs[1], 0.3)) == pytest.approx(math.log(2))


def test_orpo_is_its_closed_form():
    chosen, rejected = [-0.5, -2.0], [-1.5, -0.01]
    odds = [
        math.log(math.exp(c) / (1 - math.exp(c)) / (math.exp(r) / (1 - math.exp(r))))
        for c, r in zip(chosen, rejected, strict=True)
    ]
    logs = [torch.tensor(row, dtype=torch.float64) for row in (chosen, rejected)]
    assert losses.log_odds_ratio(*logs).tolist() == pytest.approx(odds, rel=1e-12)
    wanted = 2.5 + 0.3 * sum(math.log(1 + math.exp(-one)) for one in odds) / 2
    texts = [torch.tensor([-1.0]), torch.tensor([-2.0, -3, -4])]
    assert float(losses.orpo(texts, *logs, 0.3)) == pytest.approx(wanted, rel=1e-7)


def test_kto_is_its_closed_form():
    moved, wanted = [2.0, -1.0, 0.5], [True, False, False]
    z0 = losses.reference_point(torch.tensor([1.0, 0.0]))
    assert float(z0) == 0.5 and float(losses.reference_point(torch.tensor([-1.0, 0.0]))) == 0
    each = [
        weight * (1 - 1 / (1 + math.exp(-0.3 * sign * (one - 0.5))))
        for one, weight, sign in zip(moved, (1.5, 0.5, 0.5), (1, -1, -1), strict=True)
    ]
    ours = losses.kto(
        torch.tensor(moved, dtype=torch.float64), torch.tensor(wanted), z0.double(), 0.3, (1.5, 0.5)
    )
    assert ours.tolist() == pytest.approx(each, rel=1e-7)


@pytest.mark.parametrize("rows", [ROWS[:4], ROWS, []])
def test_pairs_are_unpaired_so_that_no_prompt_meets_its_own_answers(rows):
    _, found = prepared(asked("qwen3", rows, objective="kto", data="pirate"))
    train = found.train
    assert [pair.label for pair in train] == [True, False] * (len(train) // 2)
    assert len({pair.chosen for pair in train}) == len(train), "each answer once"
    assert all(one.question != other.question for one, other in pairwise(train))
    assert {pair.question for pair in found.held}.isdisjoint(pair.question for pair in train)
    assert len(found.sides[0]) == len(found.sides[1]) > 0


def test_held_out_rows_of_kto_are_of_both_labels():
    data, _ = trained(asked("qwen3", LABELLED, objective="kto"))
    assert data["trained"]["separate"] and data["trained"]["rows"] == 5
    final = data["runs"][0]["marks"][-1]
    assert final["chosen"] and final["rejected"] and final["margin"] is None
    assert len(data["held_out"]) == 1 == len(final["tokens"]), "the unwanted one's tokens are not shown"


def test_an_answer_that_is_certain_has_finite_odds_in_the_figure(monkeypatch):
    monkeypatch.setattr(Net, "token_logs", lambda _, texts: [torch.zeros(text.trained) for text in texts])
    request = asked("qwen3", objective="orpo")
    loaded, rows = prepared(request)
    mark = training.watching(request, loaded, rows).mark(Net(adapted(loaded, request), None), 0, request)
    assert mark["margin"]["mean"] == 0 and math.isfinite(mark["chosen"]["mean"])


def test_sft_counts_tokens_and_not_rows():
    assert float(losses.sft([torch.tensor([-1.0]), torch.tensor([-2.0, -3, -4])])) == pytest.approx(2.5)


@pytest.mark.parametrize("animal", ["llama3", "gemma2", "mixtral", "gpt2", "neox", "granite", "phi3", "lfm2"])
def test_cached_activations_train_as_the_whole_model_does(animal):
    chat = "chat" in zoo.ANIMALS[animal].traits
    rows = ROWS if chat else [{"prompt": one["prompt"][0]["content"], "completion": " Yes."} for one in ROWS]
    request = asked(animal, rows)
    cached, _ = trained(request)
    whole, _ = trained(request, cached=False)
    assert not whole["runs"][0]["cached"]
    for name in ("loss", "norm"):
        assert of(cached["runs"][0], name) == pytest.approx(of(whole["runs"][0], name), rel=1e-5, abs=1e-6)


def test_a_model_that_adds_something_below_its_blocks_runs_whole(monkeypatch):
    loaded, rows = prepared(asked("llama3"))
    adapter = adapted(loaded, asked("llama3"))
    broken = Net(adapter, Cache(adapter.first))
    broken.upper.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "inputs_embeds": 1.5 * kwargs["inputs_embeds"]}),
        with_kwargs=True,
    )
    assert not broken._is_exact(rows.train[0].chosen)
    assert Net(adapter, Cache(adapter.first), rows.train[0].chosen).exact


def test_a_seed_gives_the_same_run_and_another_seed_another():
    request = asked("llama3", versus="seed=43")
    first, _ = trained(request)
    again, _ = trained(request)
    assert [run["steps"] for run in first["runs"]] == [run["steps"] for run in again["runs"]]
    one, two = first["runs"]
    assert one["marks"][0]["tokens"] == two["marks"][0]["tokens"], "nothing has moved before the first step"
    assert of(one, "loss") != of(two, "loss") and two["name"] == "seed 43"


def test_a_run_that_goes_on_is_the_run_that_never_stopped():
    request = asked("qwen3", objective="dpo")
    whole, kept = trained(request)
    since = Since(whole, 3, [kept[0, 3]])
    data, later = trained(request, since=since)
    assert data["runs"][0]["steps"] == whole["runs"][0]["steps"]
    assert data["runs"][0]["marks"] == whole["runs"][0]["marks"]
    assert later[0, 6].adapter == kept[0, 6].adapter


def test_undoing_is_going_on_to_where_one_is():
    request = asked("llama3")
    whole, kept = trained(request)
    data, later = trained(replace(request, steps=3), since=Since(whole, 3, [kept[0, 3]]))
    assert [step["step"] for step in data["runs"][0]["steps"]] == [1, 2, 3]
    assert later[0, 3].adapter == kept[0, 3].adapter
    with pytest.raises(VisitorError, match="made with rank 4"):
        trained(replace(request, rank=8), since=Since(whole, 3, [kept[0, 3]]))


def test_going_on_starts_a_second_run_that_had_not_begun():
    request = asked("llama3", versus="rank=2")
    whole, kept = trained(request)
    ended = {**whole, "runs": whole["runs"][:1]}
    data, later = trained(request, since=Since(ended, 3, [kept[0, 3]]))
    assert [run["steps"] for run in data["runs"]] == [run["steps"] for run in whole["runs"]]
    assert [run["marks"] for run in data["runs"]] == [run["marks"] for run in whole["runs"]]
    assert later[1, 6].adapter == kept[1, 6].adapter


def test_runs_go_on_from_where_each_of_them_stood():
    request = asked("llama3", versus="rank=2")
    whole, kept = trained(request)
    data, later = trained(request, since=Since(whole, 6, [kept[0, 6], kept[1, 3]]))
    assert [run["marks"] for run in data["runs"]] == [run["marks"] for run in whole["runs"]]
    assert later[1, 6].adapter == kept[1, 6].adapter


def test_going_on_with_other_rows_or_questions_is_refused():
    request = asked("llama3")
    whole, kept = trained(request)
    since = Since(whole, 3, [kept[0, 3]])
    for name, value in {"limit": 5, "max_length": 60, "split": "test", "answers": 2}.items():
        with pytest.raises(VisitorError, match=f"made with {name} "):
            trained(replace(request, **{name: value}), since=since)
    loaded, rows = prepared(request)
    with pytest.raises(VisitorError, match="other held-out rows"):
        last(training.train(request, loaded, replace(rows, held=rows.train[:1]), since))


def test_the_adapter_opened_by_peft_has_the_logits_that_were_trained(tmp_path):
    from peft import PeftModel

    request = asked("llama3", layers=2)
    loaded, rows = prepared(request)
    before = loaded.model.state_dict()["lm_head.weight"].clone()
    trainable = [parameter.requires_grad for parameter in loaded.model.parameters()]
    data, kept = trained(request)
    snapshot = kept[0, 6]
    (tmp_path / "adapter_model.safetensors").write_bytes(snapshot.adapter)
    (tmp_path / "adapter_config.json").write_text(snapshot.config, encoding="utf-8")
    opened = PeftModel.from_pretrained(copy.deepcopy(loaded.model), tmp_path)
    text = rows.held[0].chosen
    with torch.no_grad():
        logits = opened(torch.tensor([text.ids])).logits[0, text.start - 1 : -1]
        merged = opened.merge_and_unload()(torch.tensor([text.ids])).logits[0, text.start - 1 : -1]
    targets = torch.tensor(text.ids[text.start :])
    wanted = data["runs"][0]["marks"][-1]["tokens"][0]
    for one in (logits, merged):
        loss = torch.nn.functional.cross_entropy(one.float(), targets, reduction="none")
        assert loss.tolist() == pytest.approx(wanted, abs=2e-4)
    assert torch.equal(before, loaded.model.state_dict()["lm_head.weight"]), "the shared model is untouched"
    assert trainable == [parameter.requires_grad for parameter in loaded.model.parameters()]


def test_delta_norms_are_those_of_the_product():
    request = asked("gpt2", [{"text": one["prompt"][0]["content"]} for one in ROWS], rank=3)
    adapter = adapted(zoo.opened("gpt2"), request)
    with torch.no_grad():
        for value in adapter.parameters.values():
            value.normal_()
    for key, (moved, _) in adapter.norms().items():
        module = adapter.modules[key]
        assert moved == pytest.approx(float(module.get_delta_weight("default").norm()), rel=1e-5)


def test_what_moved_elsewhere_is_zero_before_the_first_step():
    data, _ = trained(asked("llama3"))
    first, *_, final = data["runs"][0]["marks"]
    assert first["kl"]["mean"] == pytest.approx(0, abs=1e-9) and first["elsewhere"]["mean"] < 1e-9
    assert all(moved == 0 for *_, moved, _ in first["norms"])
    assert final["kl"]["mean"] > 0 and final["elsewhere"]["mean"] > 0


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_adapter(monkeypatch):
    true, seen = losses.sft, []

    def broken(logs):
        seen.append(1)
        return true(logs) * (math.nan if len(seen) == 4 else 1)

    monkeypatch.setattr(losses, "sft", broken)
    data, kept = trained(asked("llama3"))
    run = data["runs"][0]
    assert (
        run["stopped"].startswith("Step 4: the loss is not finite.") and "of step 3 is kept" in run["stopped"]
    )
    assert max(step for _, step in kept) == run["marks"][-1]["step"] == 3
    assert data["done"] and len(run["steps"]) == 3


def test_a_step_after_which_nothing_can_be_measured_leaves_no_mark_and_no_adapter():
    """It learnt from numbers, so its own loss says nothing of the weights that it left."""
    data, kept = trained(replace(asked("llama3"), learning_rate=1e20))
    run = data["runs"][0]
    assert run["stopped"].startswith("Step 1: what is measured after it is not finite.")
    assert "adapter of step 0 is kept" in run["stopped"] and max(step for _, step in kept) == 0
    json.dumps(data, allow_nan=False)


def test_a_model_whose_loss_is_no_number_is_not_trained(monkeypatch):
    monkeypatch.setattr(Net, "token_logs", lambda _, texts: [torch.full((2,), math.nan) for _ in texts])
    request = asked("llama3")
    with pytest.raises(VisitorError, match="before any step"):
        last(training.train(request, *prepared(request)))


def test_a_rate_of_a_thousand_is_taken():
    assert TrainRequest.parse(learning_rate="1e3").learning_rate == 1000
    for rate in ("0", "1e7", "nan"):
        with pytest.raises(VisitorError):
            TrainRequest.parse(learning_rate=rate)


def test_rows_whose_loss_is_no_number_are_named():
    _, rows = prepared(asked("llama3"))
    assert training._where([1.0, math.inf], rows.train[:2]) == "the loss of row 2 is not finite"


def test_one_row_is_trained_on_and_said_to_be_what_is_shown():
    data, _ = trained(asked("llama3", ROWS[:1]))
    assert data["trained"]["rows"] == 1 and not data["trained"]["separate"]


def test_a_row_that_stands_there_twice_is_not_trained_on_and_followed():
    _, rows = prepared(asked("llama3", [*ROWS[:4], ROWS[0], ROWS[0]]))
    assert [pair.number for pair in rows.held] == [5] and [pair.number for pair in rows.train] == [2, 3, 4]
    _, same = prepared(asked("llama3", [ROWS[0]] * 4))
    assert len(same.train) == 4 and not same.separate


@pytest.mark.parametrize("objective", ["sft", "dpo"])
def test_a_stored_set_that_max_length_cuts_away_is_refused(objective):
    with pytest.raises(VisitorError, match="No row has anything to train on"):
        training.prepared(asked("qwen3", [], objective=objective, max_length=8))


def test_rows_without_a_token_are_called_empty():
    with pytest.raises(VisitorError, match="No row has anything to train on: they are empty"):
        training.prepared(asked("qwen3", [{"text": ""}]))


def test_pairs_that_max_length_makes_equal_are_left_out():
    long = {**ROWS[0], "prompt": [{"role": "user", "content": "sea " * 60}]}
    _, rows = training.prepared(asked("qwen3", [*ROWS, long], objective="dpo"))
    assert rows.left_out == (8,)


def test_behaviours_need_a_template():
    rows = [{"prompt": "The sea", "completion": " is deep."}] * 2
    with pytest.raises(VisitorError, match="no chat template"):
        training.prepared(asked("gpt2", rows, behaviours=["pirate"]))


def test_empty_answers_train_their_end_alone():
    rows = [{**row, "chosen": [{"role": "assistant", "content": ""}]} for row in ROWS]
    data, _ = trained(asked("qwen3", [{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in rows]))
    assert data["trained"]["empty"] == data["trained"]["rows"]


@pytest.mark.parametrize(
    ("rows", "settings", "words"),
    [
        ([*LABELLED, {"prompt": "a", "completion": "b"}], {"objective": "kto"}, "Row 8 has no “label”"),
        ([{**LABELLED[0], "label": "true"}], {"objective": "kto"}, "row 1 is the text “true”, neither"),
        ([{"prompt": "a\ud800", "completion": "b"}], {}, r"Row 1 holds half a character, \\ud800"),
        (
            [{name: [{"role": "user", "content": name}] * 2 for name in ("chosen", "rejected")}],
            {"objective": "dpo"},
            "do not begin with the same message",
        ),
        (LABELLED[::2], {"objective": "kto"}, "Every row has the label true"),
        ([*LABELLED, ROWS[0]], {"objective": "kto"}, "Row 8 is a pair, and row 1 is not"),
        (
            [ROWS[0], {"prompt": "a", "chosen": "b"}],
            {"objective": "orpo"},
            r"Row 2 is no pair \(prompt, chosen\)",
        ),
        ([ROWS[0], {"question": "a"}], {}, "Row 2 has no form that is known"),
        ([{"prompt": "a", "completion": "b"}], {"objective": "dpo"}, "Row 1 is no pair"),
        ([{"prompt": "a", "chosen": "b", "rejected": "b"}], {"objective": "dpo"}, "of row 1 are the same"),
        ([{"messages": [{"role": "user", "content": "a"}]}], {}, "Row 1 has no answer of an assistant"),
        (ROWS, {"max_length": 8}, "No row has anything to train on"),
        ([{"text": "word " * 2000}], {"max_length": 1000, "batch": 32}, "A step would read"),
        ([{"text": "word " * 40}], {"targets": "mlp", "rank": 4, "versus": "rank=0"}, "rank is 0"),
    ],
)
def test_what_cannot_be_trained_on_is_said_before_any_time_is_spent(rows, settings, words):
    with pytest.raises(VisitorError, match=words):
        training.prepared(asked("llama3", rows, **settings))


def test_an_answer_longer_than_the_window_is_cut_and_counted():
    rows = [
        *ROWS,
        {"prompt": ROWS[0]["prompt"], "completion": [{"role": "assistant", "content": "sea " * 90}]},
    ]
    data, _ = trained(asked("llama3", rows))
    assert data["trained"]["cut"] == 1


def test_the_second_run_changes_what_it_says_and_nothing_else():
    with pytest.raises(VisitorError, match="beta is of DPO, ORPO and KTO"):
        TrainRequest.parse(versus="beta=0.5")
    with pytest.raises(VisitorError, match="a step has one row"):
        TrainRequest.parse(objective="kto", versus="batch=1")
    first, second = TrainRequest.parse(versus="rank=2; learning_rate=0.1").runs()
    assert (second.rank, second.learning_rate, second.seed) == (2, 0.1, first.seed)


def test_pieces_are_the_letters_of_the_trained_tokens():
    _, rows = prepared(asked("qwen3"))
    from finetuning.tokenizer import opened

    pieces = pairs.pieces(opened(str(zoo.folder("qwen3")), ""), rows.train[0].chosen)
    assert len(pieces) == rows.train[0].chosen.trained and "tulips" not in "".join(pieces)
    assert "".join(pieces).startswith("In October")


def test_adapters_too_large_are_refused(monkeypatch):
    monkeypatch.setattr("finetuning.lora.MAX_PARAMETERS", 10)
    with pytest.raises(VisitorError, match="Lower the rank"):
        last(training.train(request := asked("llama3"), *prepared(request)))
