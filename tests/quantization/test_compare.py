"""The comparison as a whole: what streams, what is remembered, what is refused, what a card says."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace

import pytest
import torch

from quantization import compare as engine
from quantization import formats, metrics, modules, rowcache
from quantization.card import model_card
from quantization.compare import compare
from quantization.plan import estimate
from quantization.request import Request
from shared import limits, models
from shared.errors import VisitorError

SMALL = {"context": 32, "windows": 2, "prompt": "Hello", "answer_tokens": 4}


@pytest.fixture(autouse=True)
def _nothing_remembered():
    rowcache.rows.forget()


def finished(loaded, **values):
    *_, run = compare(Request.parse(**{**SMALL, **values}), loaded)
    return run


def test_rows_stream_in_the_order_asked_for(tiny_gguf):
    seen = []
    for step in compare(Request.parse(formats=["own:rtn-int4-g32", "own:absmax-int8"], **SMALL), tiny_gguf):
        data = step.to_json()
        seen.append([row["status"] for row in data["rows"]])
        assert [row["format"] for row in data["rows"]] == ["own:rtn-int4-g32", "own:absmax-int8"], (
            "room for all rows from the start"
        )
        assert data["done"] == ("progress" not in data)
    assert seen[0] == ["waiting", "waiting"] and ["done", "running"] in seen and seen[-1] == ["done", "done"]


def test_numbers_are_those_of_the_quantized_weights(tiny_gguf):
    """A row's divergence is that of a model in which every weight was replaced by hand."""
    run = finished(tiny_gguf, formats=["own:absmax-int8", "own:rtn-int3-g32"])
    from quantization.methods import check_settings, quantize

    for row, (method, settings) in zip(
        run.rows, [("absmax", {"bits": 8}), ("rtn", {"bits": 3, "group": 32})], strict=True
    ):
        copy = models.twin(tiny_gguf.model)
        stored = 0
        for name in modules.linear_names(tiny_gguf.model):
            made = quantize(
                modules.weight_of(tiny_gguf.model, name).detach(), method, check_settings(method, settings)
            )
            modules.replace_weight(copy, name, made.values)
            stored += made.stored_bytes
        *_, scores = metrics.score(copy, run.base)
        expected = float(scores.kl.mean())
        assert row.facts["kld"]["mean"] == pytest.approx(expected, rel=1e-6) and expected > 0
        others = sum(
            p.numel() * p.element_size()  # a file keeps the dtype of its source
            for n, p in tiny_gguf.model.named_parameters()
            if n not in modules.linear_names(tiny_gguf.model)
        )
        assert row.facts["file_bytes"] == stored + others
        assert row.facts["bits_quantized"] == pytest.approx(
            8 * stored / sum(t["shape"][0] * t["shape"][1] for t in row.facts["tensors"])
        )
        assert all(
            0 < tensor["distinct_codes"] <= 256 and tensor["mse"] > 0 for tensor in row.facts["tensors"]
        )
    assert run.rows[0].facts["kld"]["mean"] < run.rows[1].facts["kld"]["mean"]


def test_the_microscope_agrees_with_the_row(tiny_gguf):
    run = finished(tiny_gguf, formats=["own:rtn-int2-g32"])
    data = run.to_json()
    part = data["microscope"]["rows"]["own:rtn-int2-g32"]
    scored = sum(data["tokens"]["scored"])
    assert (
        scored
        == len(part["kld"])
        == len(part["top"])
        == len(data["microscope"]["base"])
        == data["model"]["scored"]
        == 2 * 15
    )
    assert len(data["tokens"]["pieces"]) == len(data["tokens"]["window"]) == 64
    assert sum(part["kld"]) / scored == pytest.approx(data["rows"][0]["kld"]["mean"], rel=1e-3)
    mine, base = (scores.top_ids[..., 0] for scores in (run.rows[0].scores, run.base.scores))
    assert float((mine == base).double().mean()) == data["rows"][0]["same_top"]
    words = [tiny_gguf.tokenizer.decode([token]) for token in mine.flatten().tolist()]
    assert [top[0][0] for top in part["top"]] == words
    assert [item["format"] for item in data["answers"]["items"]] == ["base", "own:rtn-int2-g32"]


def test_a_row_that_fails_leaves_the_others(tiny_gguf, monkeypatch):
    real = formats.quantize

    def refuse(loaded, form, *rest):
        if form.spec == "nf4":
            raise VisitorError("It does not fit.", "Take another.")
        return real(loaded, form, *rest)

    monkeypatch.setattr(formats, "quantize", refuse)
    data = finished(tiny_gguf, formats=["own:nf4", "own:absmax-int8"]).to_json()
    assert [row["status"] for row in data["rows"]] == ["failed", "done"]
    assert (
        data["rows"][0]["error"] == {"what": "It does not fit.", "remedy": "Take another."}
        and "rank" not in data["rows"][0]
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(AssertionError("odd"), "own:nf4 failed in a way"), (MemoryError(), "ran out of memory")],
)
def test_an_engine_that_breaks_leaves_the_other_rows(tiny_gguf, monkeypatch, caplog, error, sentence):
    """Also after its model was made; the traceback goes to the log."""
    real = metrics.score

    def broken(model, base):
        yield 1
        raise error

    monkeypatch.setattr(
        metrics, "score", lambda model, base: broken(model, base) if next(first, False) else real(model, base)
    )
    first = iter([True])
    run = finished(tiny_gguf, formats=["own:nf4", "own:absmax-int8"])
    rows = run.to_json()["rows"]
    assert [row["status"] for row in rows] == ["failed", "done"] and sentence in rows[0]["error"]["what"]
    assert "own:nf4 failed" in caplog.text and run.rows[0].scores is None


def test_a_budget_that_is_too_small_is_a_row_that_failed(mixable):
    data = finished(mixable, formats=["own:nf4"], budget=1, prompt="").to_json()
    assert (
        [row["status"] for row in data["rows"]] == ["done", "failed"] and data["done"] and data["sensitivity"]
    )
    assert "smallest mix" in data["rows"][1]["error"]["what"] and data["rows"][1]["format"] == "gguf:mix-1MB"


def test_a_quantized_copy_is_gone_after_its_row(tiny_gguf, monkeypatch):
    """Without a search for cycles, which takes long where a model is large; bitsandbytes alone leaves
    some.
    """
    made = []
    real = formats.quantize

    def watched(loaded, form, *rest):
        model = real(loaded, form, *rest)
        made.append(weakref.ref(model.model))
        return model

    monkeypatch.setattr(formats, "quantize", watched)
    monkeypatch.setattr(engine.gc, "collect", lambda: pytest.fail("cycles were searched for"))
    finished(tiny_gguf, formats=["own:nf4", "gguf:Q4_0"], prompt="")
    assert len(made) == 2 and all(one() is None for one in made)


def test_a_format_that_does_not_round_is_no_row(tiny_gguf, monkeypatch):
    """torchao once had a GGUF setting that changed nothing: such a row must not carry its name."""
    from quantization.methods import model

    real = model.own_model

    def unrounded(*values):
        made = real(*values)
        return replace(
            made,
            tensors=tuple(
                replace(tensor, distinct_codes=4_000, squared_error=0.0) for tensor in made.tensors
            ),
        )

    monkeypatch.setattr(model, "own_model", unrounded)
    data = finished(tiny_gguf, formats=["own:absmax-int8"]).to_json()
    assert data["rows"][0]["status"] == "failed" and "did not quantize" in data["rows"][0]["error"]["what"]


def test_finished_rows_are_remembered_for_the_same_text_only(tiny_gguf, monkeypatch):
    calls = []
    real = formats.quantize
    monkeypatch.setattr(
        formats, "quantize", lambda loaded, form, *rest: calls.append(form.name) or real(loaded, form, *rest)
    )
    first = finished(tiny_gguf, formats=["own:absmax-int8"])
    second = finished(tiny_gguf, formats=["own:absmax-int8", "own:nf4"])
    assert calls == ["own:absmax-int8", "own:nf4"] and second.rows[0].facts == first.rows[0].facts
    finished(tiny_gguf, formats=["own:absmax-int8"], text="another text about something else entirely " * 20)
    assert len(calls) == 3


def test_a_cancelled_run_stops_at_the_next_step(tiny_gguf):
    steps = compare(Request.parse(formats=["own:absmax-int8", "own:nf4"], **SMALL), tiny_gguf)
    next(steps)
    steps.close()
    assert not rowcache.rows


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"text": "too short"}, "tokens"),
        ({"calibration": "too short"}, "tokens"),
        ({"context": 1024}, "reads at most"),
        ({"prompt": "word " * 1_500}, "prompt has"),
        ({"prompt": "1 " * 990}, "tokens"),
    ],
)
def test_refused_before_anything_is_computed(tiny_gguf, values, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        next(compare(Request.parse(**{**SMALL, "formats": ["own:nf4"], **values}), tiny_gguf))
    assert caught.value.remedy


def test_a_large_model_is_refused_on_a_cpu(tiny_gguf, monkeypatch):
    monkeypatch.setattr(limits, "MAX_QUANTIZED_PARAMETERS_CPU", 1_000)
    with pytest.raises(VisitorError, match="million parameters"):
        next(compare(Request.parse(formats=["own:nf4"], **SMALL), tiny_gguf))


def test_a_comparison_that_would_take_hours_is_refused(tiny_gguf, monkeypatch):
    """By the windows that the text really has."""
    values = {**SMALL, "windows": 64, "formats": ["own:nf4"]}
    seconds = estimate(
        Request.parse(**{**values, "windows": 3}), sum(p.numel() for p in tiny_gguf.model.parameters())
    )["seconds"]
    monkeypatch.setattr(limits, "MAX_COMPARE_SECONDS", seconds)
    with pytest.raises(VisitorError, match="would take about") as caught:
        next(compare(Request.parse(**values), tiny_gguf))
    assert "Lower windows or context" in caught.value.remedy
    each = len(tiny_gguf.tokenizer("word and number ").input_ids)
    two_windows = "word and number " * (80 // each)
    next(compare(Request.parse(**values, text=two_windows), tiny_gguf))


def test_the_plan_counts_all_that_is_done():
    """What the embedded model took on two idle cores, within a third."""
    measured = {
        221: {
            "formats": [
                "gguf:Q4_0",
                "gguf:Q4_K_M",
                "hqq:int4-g64",
                "own:gptq-int4-g64",
                "bitsandbytes:nf4",
                "own:rtn-int4-g64",
                "torchao:int8-weight-only",
            ],
            "budget": 110,
        },
    }
    for seconds, values in measured.items():
        assert estimate(Request.parse(**values), 134_515_008)["seconds"] == pytest.approx(seconds, rel=0.33)
    calibrated, plain = (
        estimate(Request.parse(formats=[name]), 10**8)["memory"]
        for name in ("own:gptq-int4-g64", "own:rtn-int4-g64")
    )
    assert calibrated > plain


@pytest.mark.parametrize(("bits", "said"), [(8, False), (5, True), (4, True), (3, False), (2, False)])
def test_only_rows_of_four_to_five_bits_are_called_flattered(tiny_gguf, bits, said):
    on_grid = replace(tiny_gguf, source=models.EMBEDDED_SOURCE)
    (row,) = finished(on_grid, formats=[f"own:rtn-int{bits}-g64"], windows=1, prompt="").rows
    assert any("Flattered" in note for note in row.facts["notes"]) == said


def test_the_embedded_copy_is_said_to_lie_on_a_grid(embedded):
    """Q4_1 is lossless on it, the other 4-bit rows are marked; the rotated equivalent carries no such
    note.
    """
    if embedded.source != models.EMBEDDED_SOURCE:
        pytest.skip("the Hub answered")
    values = {"formats": ["gguf:Q4_1"], "context": 64, "windows": 1, "prompt": ""}
    data = finished(embedded, **values).to_json()
    assert any("4-bit grid" in warning for warning in data["warnings"])
    (row,) = data["rows"]
    inside = [tensor for tensor in row["tensors"] if "layers" in tensor["name"]]
    assert all(tensor["type"] == "Q4_1" for tensor in inside)
    assert sum(tensor["sqnr"] is None for tensor in inside) > 0, "some weights lie exactly on Q4_1's grid"
    assert any("Lossless" in note or "Flattered" in note for note in row["notes"])
    rotated = finished(embedded, rotated=True, **values).to_json()
    assert (
        not any("4-bit grid" in warning for warning in rotated["warnings"])
        and "rotated" in rotated["model"]["source"]
    )
    assert rotated["rows"][0]["kld"]["mean"] > 10 * max(row["kld"]["mean"], 1e-9)
    assert rotated["base"]["ppl"] == pytest.approx(data["base"]["ppl"], rel=1e-3), "the same function"


def test_the_mix_fits_its_budget_and_is_measured(mixable):
    plan = finished(mixable, formats=[], sensitivity=["Q4_0"], prompt="").budget
    smallest = plan.fixed_bytes + sum(unit[0].bytes for unit in plan.sensitivity.options)
    largest = plan.fixed_bytes + sum(unit[-1].bytes for unit in plan.sensitivity.options)
    budget = (smallest + largest) / 2e6
    run = finished(mixable, formats=["gguf:Q4_0"], sensitivity=["Q4_0"], budget=budget, prompt="")
    mix = run.rows[-1]
    assert mix.status == "done", mix.error
    assert mix.form.name == f"gguf:mix-{run.request.budget:g}MB"
    quantized = sum(
        tensor["bits"] * tensor["shape"][0] * tensor["shape"][1] / 8 for tensor in mix.facts["tensors"]
    )
    assert mix.facts["file_bytes"] <= budget * 1e6, "the whole file fits, tokenizer included"
    assert quantized <= budget * 1e6 and len({tensor["type"] for tensor in mix.facts["tensors"]}) >= 2
    assert "predicts" in mix.facts["notes"][0]
    weights = sum(parameter.numel() for parameter in mixable.model.parameters())
    for row in run.rows:
        listed = row.facts["tensors"]
        stored = sum(one["bits"] * math.prod(one["shape"]) for one in listed)
        plain = weights - sum(math.prod(one["shape"]) for one in listed)
        assert row.facts["bits"] == pytest.approx((stored + 32 * plain) / weights), "the weights alone"
        assert row.facts["bits"] < 8 * row.facts["file_bytes"] / weights, "a file holds its tokenizer too"
    planned = run.budget.mix(budget * 1e6)[0]
    assert {tensor["name"]: tensor["type"] for tensor in mix.facts["tensors"]} == planned


def test_a_mix_can_be_taken_home(mixable, tmp_path):
    """One file that fits, whose tensors have the types that were chosen; its metadata claim no file type."""
    import gguf

    plan = finished(mixable, formats=[], sensitivity=["Q4_0"], prompt="").budget
    budget = (plan.fixed_bytes + sum(unit[-1].bytes for unit in plan.sensitivity.options)) / 1e6 - 0.05
    *_, run = compare(
        Request.parse(**{**SMALL, "prompt": "", "formats": [], "budget": budget}), mixable, tmp_path
    )
    (path,) = run.rows[-1].files
    assert "mix" in path.name and path.stat().st_size <= budget * 1e6
    reader = gguf.GGUFReader(path)
    assert int(reader.fields["general.file_type"].parts[-1][0]) == gguf.LlamaFileType.GUESSED
    written = sorted(tensor.tensor_type.name for tensor in reader.tensors if tensor.tensor_type.name != "F32")
    assert written == sorted(tensor["type"] for tensor in run.rows[-1].facts["tensors"])


def test_calibration_matters_only_to_those_that_learn_from_it(tiny_gguf):
    other = "Numbers and names: " + " ".join(f"{number} sheep," for number in range(200))
    one = finished(tiny_gguf, formats=["own:rtn-int3-g32", "own:gptq-int3-g32"])
    two = finished(tiny_gguf, formats=["own:rtn-int3-g32", "own:gptq-int3-g32"], calibration=other)
    assert one.rows[0].facts["kld"] == two.rows[0].facts["kld"]
    assert one.rows[1].facts["kld"] != two.rows[1].facts["kld"]


def test_the_card_holds_the_measured_table(tiny_gguf, tmp_path):
    *_, run = compare(Request.parse(formats=["gguf:Q4_0"], **SMALL), tiny_gguf, tmp_path)
    card = model_card(run, run.rows[0])
    facts = run.rows[0].facts
    assert (
        f"{facts['kld']['mean']:.5f}" in card
        and f"{facts['file_bytes'] / 1e6:,.1f}" in card
        and "library_name: gguf" in card
    )
    assert (
        run.rows[0].files[0].suffix == ".gguf" and run.rows[0].files[0].stat().st_size >= facts["file_bytes"]
    )


def test_own_formats_have_no_files(tiny_gguf, tmp_path):
    with pytest.raises(VisitorError, match="cannot be taken home: nothing loads such a file"):
        list(compare(Request.parse(formats=["own:nf4"], **SMALL), tiny_gguf, tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_request_of_a_result_repeats_it(tiny_gguf):
    data = finished(tiny_gguf, formats=["own:nf4"]).to_json()
    assert Request.parse(**data["request"]) == Request.parse(**{**SMALL, "formats": ["own:nf4"]})
    again = finished(tiny_gguf, **{**data["request"], "model": "tiny/llama"}).to_json()
    assert again["rows"][0]["kld"] == data["rows"][0]["kld"]


def test_torch_threads_are_left_as_they_were(tiny_gguf):
    before = torch.get_num_threads(), torch.get_default_dtype()
    finished(tiny_gguf, formats=["own:nf4"])
    assert (torch.get_num_threads(), torch.get_default_dtype()) == before
