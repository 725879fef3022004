"""Several runs beside each other: what each changes, rows that are packed, weights that are rounded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import VisitorError
from shared.suite import load_app
from tests import zoo
from tests.finetuning.test_train import asked, little, of, prepared, trained  # noqa: F401  a fixture
from tests.finetuning.training import ROWS

load_app("finetuning")
from finetuning import losses, nf4, packing
from finetuning.lora import Net, adapted
from finetuning.train_request import TrainRequest

PACKS = json.loads(Path(__file__).with_name("packs.json").read_text(encoding="utf-8"))


def test_rows_are_packed_as_trl_packs_them():
    assert packing.packs(PACKS["lengths"], 40) == PACKS["packs"]
    lengths = [7] * 2_300  # equal ones, in parts of a thousand
    found = packing.packs(lengths, 20)
    assert sorted(row for pack in found for row in pack) == list(range(2_300))
    assert (
        found[0] == [0, 1]
        and [1_000, 1_001] in found
        and not [pack for pack in found if {999, 1_000} <= set(pack)]
    )


def test_a_packed_step_is_the_mean_over_the_tokens_of_its_rows():
    """And its packs are those of the rows as max_length leaves them."""
    request = asked("qwen3", packing=True, batch=1, steps=3, max_length=150)
    loaded, rows = prepared(request)
    packed = packing.packs([len(pair.chosen.ids) for pair in rows.train], 150)
    read = packing.batches(rows.train, request)
    assert any(len(pack) > 1 for pack in packed) and all(batch in packed for batch in read)
    data, _ = trained(request)
    net = Net(adapted(loaded, request), None)
    first = losses.sft(net.token_logs([rows.train[at].chosen for at in read[0]]))
    assert data["runs"][0]["steps"][0]["loss"] == pytest.approx(float(first.detach()), rel=1e-5)


def test_packing_is_of_sft_and_counts_what_a_step_reads(monkeypatch):
    with pytest.raises(VisitorError, match="TRL packs no rows for DPO"):
        TrainRequest.parse(objective="dpo", versus="packing=true")
    monkeypatch.setattr("finetuning.train.MAX_STEP_TOKENS", 100)
    rows = [{"prompt": "a", "completion": f" {at}"} for at in range(200)]
    with pytest.raises(VisitorError, match=r"A step would read .* rows, the longest"):
        prepared(asked("qwen3", rows, packing=True, batch=8, max_length=1_000))


def test_weights_are_rounded_as_bitsandbytes_rounds_them():
    functional = pytest.importorskip("bitsandbytes.functional")
    torch.manual_seed(1)
    weight = torch.randn(96, 64) * torch.rand(96, 1)
    packed, state = functional.quantize_4bit(weight, blocksize=nf4.BLOCK, quant_type="nf4")
    theirs = functional.dequantize_4bit(packed, state)
    assert torch.allclose(nf4.rounded(weight), theirs, rtol=1e-6, atol=1e-7)
    assert torch.equal(nf4.rounded(torch.zeros(3, 3)), torch.zeros(3, 3))
    odd = nf4.rounded(weight[:2, :50])  # a last block of 36, which bitsandbytes takes a minute to compile
    assert torch.equal(odd.flatten()[:64], nf4.rounded(weight[:2, :50].flatten()[:64]))
    assert torch.equal(odd.flatten()[64:], nf4.rounded(weight[:2, :50].flatten()[64:]))


def test_qlora_trains_on_rounded_blocks_and_measures_from_there():
    """What else moved is measured from the rounded model, and the shared one keeps its weights."""
    request = asked("llama3", versus="qlora=true")
    loaded, _ = prepared(request)
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    data, _ = trained(request)
    plain, rounded = data["runs"]
    assert (plain["name"], rounded["name"]) == ("no qlora", "qlora")
    assert plain["marks"][0]["tokens"] != rounded["marks"][0]["tokens"], "another model before training"
    assert rounded["marks"][0]["kl"]["mean"] == pytest.approx(0, abs=1e-9)
    assert rounded["marks"][-1]["kl"]["mean"] > 0
    after = loaded.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    alone, _ = trained(replace(request, versus="", qlora=True))
    assert of(alone["runs"][0], "loss") == of(rounded, "loss")


def test_four_runs_have_names_of_what_each_changes():
    data, kept = trained(asked("qwen3", ROWS[:3], steps=1, versus="seed=1 | seed=2 | rank=2; alpha=4"))
    assert [run["name"] for run in data["runs"]] == [
        "seed 42, rank 4, alpha 16",
        "seed 1",
        "seed 2",
        "rank 2, alpha 4",
    ]
    assert {run for run, _ in kept} == {0, 1, 2, 3}
    listed = TrainRequest.parse(versus=[{"seed": 1}, {"rank": 2, "alpha": 4}])
    assert listed.versus == "seed=1 | rank=2; alpha=4"
    assert [one.rank for one in listed.runs()] == [8, 8, 2]


@pytest.mark.parametrize(
    ("versus", "words"),
    [
        ("seed=1 | seed=2 | seed=3 | seed=4", "4 runs are asked for"),
        ("seed=1 | seed=1", "Run 3 is an earlier one again"),
        ("seed=42", "Run 2 is the first one again"),
        ("seed=1; seed=2", "seed is changed twice for one run"),
        ("steps=1 | seed=1", "no change for a further run"),
    ],
)
def test_runs_that_cannot_stand_beside_the_first_are_refused(versus, words):
    with pytest.raises(VisitorError, match=words):
        TrainRequest.parse(versus=versus)


def test_all_runs_together_stay_within_the_limit(monkeypatch):
    monkeypatch.setattr("finetuning.train.MAX_RUN_TOKENS", 1_500)
    one = asked("qwen3")
    prepared(one)
    with pytest.raises(VisitorError, match="The runs would read up to"):
        prepared(replace(one, versus="seed=1 | seed=2"))


def test_every_animal_with_linear_layers_can_be_rounded():
    for animal in ("gpt2", "llama3", "mixtral"):
        loaded, request = zoo.opened(animal), asked(animal, [{"text": "a b c"}], qlora=True)
        if animal == "gpt2":
            with pytest.raises(VisitorError, match="no linear layers that bitsandbytes takes"):
                adapted(loaded, request, qlora=True)
        else:
            assert adapted(loaded, request, qlora=True).parameters
