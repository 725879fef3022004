"""What is refused before a second is spent, and links that come back as the same request."""

from __future__ import annotations

import pytest

from quantization import formats
from quantization.request import LabRequest, Request, validate, validate_lab
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
        asked = validate(**values)
        query = asked.to_query()
        assert query.startswith("room=compare")
        assert Request.from_query(query) == asked
    lab = validate_lab(tensor="a.weight", method="rtn", settings={"bits": 3}, rotation=True)
    assert LabRequest.from_query(lab.to_query()) == lab and "room=lab" in lab.to_query()


def test_a_long_text_of_the_visitor_is_in_no_link():
    assert validate(text="word " * 5_000).to_query() == ""


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
        ({"sensitivity": ["IQ1_S"]}, "no type that layers"),
        ({"text": 3}, "not a text"),
        ({"text": "x" * (limits.MAX_TEXT_CHARACTERS + 1)}, "characters"),
        ({"do_sample": "perhaps"}, "do_sample"),
        ({"bits": 4}, "no setting"),
    ],
)
def test_refusals_name_the_value(values, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        validate(**values)
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
        ({"tensor": 4}, "not a text"),
    ],
)
def test_the_lab_refuses(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        validate_lab(**values)


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
