"""What is refused before a second is spent, and links that come back as the same request."""

from __future__ import annotations

import pickle

import pytest

from quantization import formats
from quantization.request import LabRequest, Request, SetRequest, TakeRequest
from quantization_rooms.common import example
from shared import limits, texts
from shared.errors import VisitorError


def test_a_link_comes_back_as_the_same_request():
    for values in (
        {},
        {"formats": ["gguf:Q4_K_M", "own:gptq-int3-g64"], "windows": 2, "rotated": True, "budget": 84.5},
        {
            "sensitivity": ["Q4_0", "Q8_0"],
            "prompt": "",
            "do_sample": True,
            "seed": 7,
            "text": "a short text & more",
        },
        {"formats": [], "budget": 100},
    ):
        request = Request.parse(**values)
        assert Request.from_query(request.to_query()) == request
        assert pickle.loads(pickle.dumps(request)) == request == Request.parse(**request.to_json())
    default = "model=HuggingFaceTB%2FSmolLM2-135M-Instruct"
    assert Request.parse().to_query() == default, "a link of its own, too"
    lab = LabRequest.parse(tensor="a.weight", method="rtn", settings={"bits": 3}, rotation=True)
    assert LabRequest.from_query(lab.to_query()) == lab
    take = TakeRequest.parse(format="mix:100", text="some text & more")
    assert TakeRequest.from_query(take.to_query()) == take


def test_a_bare_link_to_a_set_asks_for_the_stored_one():
    """So it is shown without a run."""
    assert SetRequest.parse() == SetRequest.parse(**example("set")["request"])


EARLIER = (
    "room=compare&rotated=1&formats=gguf%3AQ4_K_M&formats=own%3Artn-int3-g64&context=64&windows=1&prompt="
    "&do_sample=1&seed=7&sensitivity=Q4_0&budget=84.5&text=short+%26+more"
)


def test_links_of_earlier_versions_open():
    assert Request.from_query(EARLIER) == Request.parse(
        rotated=True,
        formats=["gguf:Q4_K_M", "own:rtn-int3-g64"],
        context=64,
        windows=1,
        prompt="",
        do_sample=True,
        seed=7,
        sensitivity=["Q4_0"],
        budget=84.5,
        text="short & more",
    )
    assert Request.from_query("room=compare&formats=&budget=100").formats == ()
    settings = "room=lab&method=rtn&settings=%7B%22bits%22%3A3%2C%22group%22%3A32%7D&rotation=1&compare=0"
    lab = LabRequest.from_query(settings)
    assert (lab.settings["bits"], lab.settings["group"], lab.rotation, lab.compare) == (3, 32, True, False)


def test_a_long_text_of_the_visitor_is_in_no_link():
    assert Request.parse(text="word " * 5_000).to_query() is None


def test_a_file_is_a_comparison_of_one_row():
    """That makes no answers, and whose only row has files."""
    row = TakeRequest.parse(model="a/b", format="bitsandbytes:nf4", text="words", calibration="more")
    assert row.comparison() == Request.parse(
        model="a/b", formats=["bitsandbytes:nf4"], text="words", calibration="more", prompt=""
    )
    mix = TakeRequest.parse(format=" mix:84.5 ").comparison()
    assert (mix.formats, mix.budget) == ((), 84.5)
    assert TakeRequest.parse(format="script:awq").script == "awq"


@pytest.mark.parametrize(
    ("format", "sentence"),
    [
        (None, "no format to take home"),
        (" ", "no format to take home"),
        ("mix:", "The mix has no size"),
        ("mix", "The mix has no size"),
        ("mix:much", "budget is much"),
        ("script:foo", "no script “foo”"),
        ("gguf:Q9", "gguf has no format"),
        ("nf4", "There is no format"),
    ],
)
def test_what_cannot_be_taken_home_is_refused(format, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        TakeRequest.parse(format=format)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"formats": ["gguf:Q4_K_X"]}, "gguf has no format"),
        ({"formats": ["exl3:4"]}, "There is no format"),
        ({"formats": ["own:rtn-int4-g7"]}, "group"),
        ({"formats": ["own:magic"]}, "There is no own format"),
        ({"formats": []}, "no format to compare"),
        ({"formats": 5}, "formats is 5"),
        ({"formats": ["own:nf4", None]}, "formats is"),
        ({"formats": ["own:rtn-int4-g" + "9" * 5_000]}, "There is no own format"),
        ({"sensitivity": 5}, "sensitivity is 5"),
        ({"formats": ["own:nf4"] * 2, "windows": 0}, "windows"),
        (
            {
                "formats": [
                    f"own:rtn-int{bits}-g{group}" for bits in (2, 3, 4, 5, 6, 7, 8) for group in (32, 64, 128)
                ]
            },
            "at most",
        ),
        ({"windows": "many"}, "windows"),
        ({"windows": float("nan")}, "windows"),
        ({"context": 10**6}, "context"),
        ({"budget": -1}, "budget"),
        ({"budget": "inf"}, "budget"),
        ({"sensitivity": ["IQ1_S"]}, "Layers are not measured"),
        ({"text": 3}, "text is 3, not text"),
        ({"text": "half \ud83d"}, "half of a character"),
        ({"model": " "}, "model is blank"),
        ({"text": "x" * (limits.MAX_TEXT_CHARACTERS + 1)}, "characters"),
        ({"do_sample": "perhaps"}, "do_sample"),
        ({"bits": 4}, "no setting"),
    ],
)
def test_refusals_name_the_value(values, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        Request.parse(**values)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "magic"}, "There is no method"),
        ({"settings": "{bits: 4}"}, "not a JSON object"),
        ({"settings": "[4]"}, "not a JSON object"),
        ({"settings": "[" * 100_000}, "not a JSON object"),
        ({"settings": [["bits", 4]]}, "not a JSON object"),
        ({"settings": {"bits": 10**400}}, "bits is 1000"),
        ({"settings": {"bits": 99}}, "bits"),
        ({"settings": {"unknown": 1}}, "unknown"),
        ({"tensor": 4}, "tensor is 4, not text"),
    ],
)
def test_the_lab_refuses(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        LabRequest.parse(**values)


def test_every_listed_format_is_understood():
    names = formats.all_formats()
    assert {name.partition(":")[0] for name in names} == set(formats.ENGINES)
    for name in names:
        form = formats.parse(name)
        assert form.name == name and isinstance(formats.is_calibrated(form), bool)
    assert set(formats.DEFAULT) <= set(names)


def test_a_missing_engine_is_said(monkeypatch):
    monkeypatch.setitem(formats.PACKAGES, "hqq", "no_such_module")
    assert not any(name.startswith("hqq:") for name in formats.all_formats())
    with pytest.raises(VisitorError, match="not installed"):
        formats.parse("hqq:int4-g64")


def test_the_two_samples_share_no_sentence():
    sentences = [
        {sentence.strip() for sentence in texts.sample(name).split(".") if len(sentence) > 20}
        for name in ("evaluation", "calibration")
    ]
    assert not sentences[0] & sentences[1]
