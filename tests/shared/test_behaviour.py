"""Behaviours that a visitor writes: every rule against cases by hand and the experts' old ones, contrasts
against plain sums over the zoo, intervals against scipy, and what is refused at the door.
"""

from __future__ import annotations

import json
import time

import pytest
import torch

from shared import behaviour, contrasts, languages, rules
from shared.behaviour import PRESETS, behaviours_of, text_of
from shared.errors import VisitorError
from shared.estimates import Share, estimate, interval
from shared.experts import behaviour as experts
from shared.refusals import grade
from shared.rules import Rule, Said, rule_of, verdicts
from shared.talk import plain_ids, prompt_ids
from tests import zoo

TEXTS = [
    "",
    "Arr, they be happy.",
    '"Arr!" he said. And then he went',
    "Arrows fly.",
    "I'm sorry, but I can't help with cooking or recipes.",
    "  Sorry… no.",
    "I cannot wait. It is great.",
    "I can't",
    "One sentence.",
    "One sentence. And another!",
    "No full stop",
    "He said “yes.”",
    "A list:\n- one\n- two",
    "It costs 3.50 euros. Really?",
    "the the the the the the the",
]


def shown(kind: str, text: str, value: str = "", *, ended: bool = True, tokens: int = 0) -> bool:
    return verdicts(rule_of(kind, value), [Said(text, ended, tokens)])[0]


def test_the_presets_are_what_the_experts_were_measured_by():
    """The old functions, on every text, ended or not."""
    for text in TEXTS:
        for ended in (True, False):
            said = [Said(text, ended)]
            old = {
                "refuses_cooking": experts.is_refusal(text),
                "refuses_other": experts.is_refusal(text),
                "pirate": experts.is_pirate(text),
                "concise": experts.is_concise(text, ended),
                "breaks_off": experts.breaks_off(text, ended),
            }
            assert {name: verdicts(PRESETS[name].rule, said)[0] for name in old} == old, (text, ended)
            assert shown("refuses", text) == (grade(text) == "refused")
    assert set(behaviour.USUAL) == set(old)


@pytest.mark.parametrize(
    ("kind", "value", "yes", "no"),
    [
        ("starts with", "Yes", ["Yes.", "  “yes, it is”", "YES"], ["Yesterday", "Oh yes", ""]),
        ("starts with", "I can’t\n¿Qué", ["I can't say", "¿qué tal?"], ["I can", "Qué"]),
        ("contains", "star … sky", ["A star in the sky.", "No: a star, sky"], ["A star. The sky", "starsky"]),
        ("contains", "C++", ["I know C++ well"], ["I know C"]),
        ("matches", r"\b\d{4}\b", ["in 1999 it"], ["in 199", ""]),
        ("matches", "(?i)^yes", ["yEs"], ["no"]),
        ("language", "German", ["Das ist nicht der Weg, und ich kann es."], ["This is the way.", "Nein"]),
        ("language", "Japanese", ["こんにちは、元気です"], ["你好吗", "hello"]),
        ("language", "Chinese", ["你好吗,我不能帮你"], ["こんにちは"]),
        ("refuses", "no way", ["No way, José."], ["I'm fine, no worries.", "Sure."]),
    ],
)  # fmt: skip
def test_a_rule_says_yes_and_no(kind, value, yes, no):
    assert [shown(kind, text, value) for text in yes] == [True] * len(yes)
    assert [shown(kind, text, value) for text in no] == [False] * len(no)


def test_lengths_are_counted_and_what_was_cut_may_go_on():
    text = "One two three. Four five!"
    assert shown("length", text, "exactly 5 words") and not shown("length", text, "at most 4 words")
    assert shown("length", text, "exactly 2 sentences") and shown("length", text, "at least 2 sentences")
    assert not shown("length", text, "at most 9 words", ended=False), "it may go on"
    assert shown("length", text, "at least 5 words", ended=False)
    assert shown("length", "x", "exactly 7 tokens", tokens=7)
    assert not shown("length", "One. And then the", "at most 2 sentences"), "the second broke off"
    assert shown("does not end", text, ended=False) and not shown("does not end", text)
    assert [rules.sentences(one) for one in ("", "a", "A. B", "A! B? C.", "3.5 is. So", "一。二。")] == [
        0, 1, 2, 3, 2, 2,
    ]  # fmt: skip


def test_a_pattern_is_bounded_in_time_and_the_next_one_runs():
    started = time.monotonic()
    with pytest.raises(VisitorError, match="takes more than 2 seconds"):
        verdicts(Rule("matches", "(a+)+$"), [Said("a" * 60 + "!", True)])
    assert time.monotonic() - started < 40
    assert verdicts(rule_of("matches", "b."), [Said("abc", True), Said("ab", True)]) == [True, False]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{", "are not JSON"),
        (3, "are no list"),
        (["fame"], "“fame” is not a behaviour"),
        ([{"name": "x", "rule": "rhymes", "prompts": "other"}], "no rule “rhymes”"),
        ([{"name": "x", "rule": "contains", "prompts": "other"}], "has no value"),
        ([{"name": "x", "rule": "contains", "value": "y", "prompts": ""}], "has no prompt"),
        ([{"name": "x", "rule": "contains", "value": "y", "prompts": ["a"], "tone": 1}], "no part “tone”"),
        ([{"name": "", "rule": "breaks off", "prompts": "other"}], "is called “”"),
        ([{"name": "x", "rule": "length", "value": "short", "prompts": "other"}], "is not a length"),
        ([{"name": "x", "rule": "matches", "value": "(", "prompts": "other"}], "not a regular expression"),
        ([{"name": "x", "rule": "matches", "value": "a{99999999999}", "prompts": "other"}], "not a regular"),
        ([{"name": "x", "rule": "language", "value": "Klingon", "prompts": "other"}], "not a language"),
        ([{"name": "x", "rule": "is likelier", "value": "a", "prompts": "other"}], "no other"),
        ([{"name": "x", "rule": "is likelier", "value": "a", "against": "a", "prompts": "other"}], "other"),
        ([{"name": "x", "rule": "contains", "value": "y" * 3_000, "prompts": "other"}], "2,000 characters"),
        ([{"name": "x", "rule": "breaks off", "prompts": ["a" * 501]}], "too long"),
        ([{"name": "x", "rule": "breaks off", "prompts": [f"{n}" for n in range(41)]}], "41 prompts"),
        ([{"name": "x", "rule": "breaks off", "prompts": [1]}], "are not texts"),
        ([{"name": "x", "rule": "breaks off", "prompts": "other", "wanted": "no"}], "wanted is no"),
        (["pirate", "pirate"], "Two behaviours are called"),
        ([*behaviour.USUAL, "slop", "answers in English"], "7 behaviours"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_two_sentences(value, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        behaviours_of(value)
    assert caught.value.what.endswith(".") and caught.value.remedy.endswith((".", "}", "]", ")."))


def test_behaviours_come_back_from_their_text_and_json():
    own = {
        "name": "hedges",
        "prompts": ["Is it late?", "Is it early?", "Is it late?"],
        "rule": "is likelier",
        "value": "Perhaps.",
        "against": "Yes.",
        "wanted": False,
    }
    found = behaviours_of(["pirate", own])
    assert found[0] == PRESETS["pirate"] and found[1].prompts == ("Is it late?", "Is it early?")
    assert behaviours_of(text_of(found)) == found == behaviours_of(json.dumps(behaviour.to_json(found)))
    assert behaviours_of([{"name": "pirate"}]) == (PRESETS["pirate"],), (
        "as MCP, which takes objects, may say it"
    )
    assert behaviours_of("") == () and text_of(()) == "" and behaviours_of(own)[0] == found[1]
    assert found[1].parted(10) == (("Is it late?",), ("Is it early?",))
    for one in PRESETS.values():
        assert behaviours_of([one.to_json()]) == (one,)
        first, held = one.parted(10)
        assert len(first) == len(held) == 10 and not set(first) & set(held)
        assert not set(first) & set(one.held_out(20))


@pytest.mark.parametrize("name", [name for name in zoo.names() if name != "no_default"])
def test_a_contrast_is_the_plain_sum_over_the_answers_tokens(name):
    """By hand, one text at a time, in float64; the prompt's tokens are those of every other run, BOS once."""
    loaded = zoo.opened(name)
    prompts, pair = ["Is it late?", "Paint the door red."], ("yes, it is.", "no.")
    rows = [[contrasts.continued(loaded, prompt, answer) for prompt in prompts] for answer in pair]
    for row, answer in zip(rows, pair, strict=True):
        for prompt, (ids, start) in zip(prompts, row, strict=True):
            assert ids[:start] == prompt_ids(loaded, prompt)
            assert loaded.tokenizer.decode(ids[start:]).strip() == answer
            if not loaded.tokenizer.chat_template:
                assert loaded.tokenizer.decode(ids) == loaded.tokenizer.decode(
                    plain_ids(loaded.tokenizer, f"{prompt} {answer}")
                )
    found = contrasts.contrast(loaded.model, *rows)

    def mean(ids, start):
        with torch.inference_mode():
            logs = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return sum(float(logs[place - 1, ids[place]]) for place in range(start, len(ids))) / (
            len(ids) - start
        )

    expected = [mean(*one) - mean(*other) for one, other in zip(*rows, strict=True)]
    assert found.tolist() == pytest.approx(expected, abs=2e-4)
    swapped = contrasts.contrast(loaded.model, rows[1], rows[0])
    assert swapped.tolist() == pytest.approx([-value for value in expected], abs=2e-4)


def test_intervals_are_scipys():
    from scipy.stats import binomtest, ttest_1samp

    for count, of in ((0, 20), (7, 20), (20, 20), (1, 3)):
        bounds = binomtest(count, of).proportion_ci(method="wilson")
        assert Share(count, of).interval == pytest.approx((bounds.low, bounds.high), abs=1e-12)
    values = torch.tensor([0.3, -1.2, 2.5, 0.1, 0.7], dtype=torch.float64)
    bounds = ttest_1samp(values.numpy(), 0).confidence_interval()
    assert interval(estimate(values)) == pytest.approx((bounds.low, bounds.high), abs=1e-12)


def test_languages_are_told_apart_and_a_few_words_are_not():
    texts = {
        "English": "The sky is blue because the light of the sun is scattered by the air.",
        "German": "Der Himmel ist blau, weil das Licht der Sonne von der Luft gestreut wird.",
        "French": "Le ciel est bleu parce que la lumière du soleil est diffusée par les molécules.",
        "Spanish": "El cielo es azul porque la luz del sol se dispersa en las partículas del aire.",
        "Italian": "Il cielo è blu perché la luce del sole è diffusa dalle molecole che sono nell'aria.",
        "Portuguese": "O céu é azul porque os raios do sol não são como os da lua, e por isso se espalham.",
        "Dutch": "De lucht is blauw omdat het licht van de zon door de deeltjes wordt verstrooid.",
        "Russian": "Небо голубое, потому что свет рассеивается.",
        "Greek": "Ο ουρανός είναι γαλάζιος.",
        "Arabic": "السماء زرقاء",
        "Hebrew": "השמיים כחולים",
        "Hindi": "आसमान नीला है",
        "Thai": "ท้องฟ้าเป็นสีฟ้า",
        "Korean": "하늘은 파랗다",
        "Chinese": "天空是蓝色的",
        "Japanese": "空は青いです",
    }
    assert set(texts) == set(languages.LANGUAGES)
    assert {name: languages.language_of(text) for name, text in texts.items()} == {n: n for n in texts}
    assert [languages.language_of(text) for text in ("", "42", "Paris!", "la la la")] == [""] * 4
