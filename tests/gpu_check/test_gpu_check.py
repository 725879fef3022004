"""The GPU check itself, on a CPU: it runs without gradio, notices a wrong device, fits what was planted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from tests.gpu_check import __main__ as command
from tests.gpu_check import constants, parts, report, setting
from tests.gpu_check.checks import Check, largest, worst

SPACES = {"decoding", "quantization", "merging", "abliteration"}
WITHOUT_GRADIO = """
import runpy, sys

for name in ("gradio", "gradio_client", "fastapi", "pydantic", "spaces", "xllamacpp"):
    sys.modules[name] = None
sys.argv[1:] = ["--tiny", "--out", sys.argv[1]]
runpy.run_module("tests.gpu_check", run_name="__main__")
"""


@pytest.fixture
def arguments(monkeypatch, tmp_path):
    """Set the command's arguments; returns where the JSON will be."""

    def given(*words: str):
        path = tmp_path / "check.json"
        monkeypatch.setattr(sys, "argv", ["gpu_check", *words, "--out", str(path)])
        return path

    return given


def one_animal(monkeypatch) -> None:
    """Every Space is checked, on one animal alone."""
    monkeypatch.setattr(parts, "ANIMALS", ("llama3",))
    monkeypatch.setattr(parts, "TINY", ("llama3",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_do(arguments, capsys):
    arguments()
    assert command.main() == 2
    sentence = capsys.readouterr().err
    assert "no GPU" in sentence and "--tiny" in sentence
    assert sentence.count(".\n") == 1


def test_it_needs_engines_alone(tmp_path):
    """All of it, in small, where neither gradio nor `spaces` nor llama.cpp is installed."""
    path = tmp_path / "check.json"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GRADIO, str(path)], cwd=setting.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(path.read_text())
    assert {check["space"] for check in outcome["checks"]} == {
        "decoding",
        "quantization",
        "merging",
        "abliteration",
    }
    assert all(check["holds"] for check in outcome["checks"]) and not outcome["skipped"]
    assert {"START", "MOVE", "READ float32", "WRITE bfloat16", "RECORD float32"} <= outcome["fits"].keys()
    assert len(outcome["speed"]) == 4
    assert all(len(record["jobs"]) >= 6 for record in outcome["speed"])


def test_a_device_that_computes_something_else_is_noticed(arguments, monkeypatch, capsys):
    """The copy on the other device has one weight in a hundred changed by one part in twenty."""
    path = arguments("--tiny", "--part", "agreement")
    usual = setting.moved

    def moved(loaded, name):
        copy = usual(loaded, name)
        with torch.no_grad():
            for parameter in copy.model.parameters():
                parameter.view(-1)[::100] *= 1.05
        return copy

    monkeypatch.setattr(setting, "moved", moved)
    one_animal(monkeypatch)
    assert command.main() == 1
    failed = {check["space"] for check in json.loads(path.read_text())["checks"] if not check["holds"]}
    assert failed == SPACES
    assert "FAILS" in capsys.readouterr().out


def test_what_raises_is_named_and_the_rest_goes_on(arguments, monkeypatch, capsys):
    from tests.gpu_check import abliteration

    def broken(*_):
        raise RuntimeError("no such module")

    path = arguments("--tiny", "--part", "agreement")
    monkeypatch.setattr(abliteration, "against_cpu", broken)
    one_animal(monkeypatch)
    assert command.main() == 1
    outcome = json.loads(path.read_text())
    assert outcome["skipped"] == ["abliteration llama3: RuntimeError: no such module"]
    assert {check["space"] for check in outcome["checks"]} == {"decoding", "quantization", "merging"}


def test_a_fit_finds_planted_constants():
    rows = [((1.0, size), 2.0 + 3.0 * size, size) for size in (0.1, 0.4, 1.1, 3.0, 8.0)]
    found = constants.fit(rows)
    assert found.coefficients == pytest.approx((2.0, 3.0))
    assert (found.count, found.low, found.high) == (5, 0.1, 8.0) and found.worst < 1e-9
    assert constants.fit(rows[:1]) is None
    falling = constants.fit([((1.0, size), 4.0 - size, size) for size in (1.0, 2.0, 3.0)])
    assert min(falling.coefficients) >= 0 and falling.worst > 0.2


def test_a_difference_that_is_no_number_fails():
    assert not Check("s", "w", "m", "float32", float("nan"), 1.0).holds
    assert largest([1.0, float("-inf")], [1.5, float("-inf")]) == 0.5
    assert largest([1.0], [1.0, 2.0]) != largest([1.0], [1.0, 2.0])  # NaN
    assert largest([0.0], [float("-inf")]) == float("inf")


def test_the_worst_model_stands_for_all():
    checks = [
        Check("s", "w", name, "float32", value, 1.0) for name, value in (("a", 0.1), ("b", 0.9), ("c", 0.5))
    ]
    ((check, models),) = worst(checks)
    assert (check.model, models) == ("b", 3)
    ((check, _),) = worst([*checks, Check("s", "w", "d", "float32", float("nan"), 1.0)])
    assert check.model == "d" and "FAILS" in report.agreement([check])
