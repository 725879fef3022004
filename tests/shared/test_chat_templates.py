"""Chat templates in a process of their own: transformers' texts, and an end to whatever has none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split
from transformers.utils.chat_template_utils import render_jinja_template

from shared import chat_templates, limits, talk, worker
from shared.errors import VisitorError
from tests.shared.test_talk import with_template

TALK = [{"role": "user", "content": "Why is the sea salty? <b> “ \ud800 🙂"}]

EVERYTHING = """
{%- set ns = namespace(found=false, n=0) -%}
{%- macro line(word, times=2) -%}{{ word * times }}{%- endmacro -%}
    {% for message in messages %}
  {% if loop.first %}{{ messages | tojson(indent=1) }}{% continue %}{% endif %}
{% endfor %}
{%- for n in range(5) %}{% if n == 3 %}{% break %}{% endif %}{% set ns.n = ns.n + n %}{% endfor -%}
{% generation %}{{ bos_token }}{{ line(messages[0].content | trim) }}{% endgeneration %}
{{ ns.n }} {{ ns.found }} {{ dict(a=1, **{'b': 2}) }} {{ dict.fromkeys(['x']) }} {{ strftime_now('%Y') }}
{%- if tools is none and documents is none and add_generation_prompt %}go{{ absent }}{% endif %}
"""


def test_a_template_writes_what_transformers_writes():
    variables = {"add_generation_prompt": True, "bos_token": "<s>", "tools": None, "documents": None}
    (expected,), _ = render_jinja_template(conversations=[TALK], chat_template=EVERYTHING, **variables)
    assert chat_templates.fill(EVERYTHING, {"messages": TALK, **variables}) == expected
    assert "go" in expected and "3 False" in expected


MARKS = """
{%- macro said(m) -%}{% generation %}<{{ m.content }}>{% endgeneration %}{%- endmacro -%}
{%- set kept -%}{% generation %}kept{% endgeneration %}{%- endset -%}
{% for m in messages %}{{ m.role }}: {% generation %}{{ m.content }}🙂
{% endgeneration %}{{ said(m) }}{% endfor %}{{ kept }}{% generation %}{% endgeneration %}
"""


def test_what_the_model_said_stands_where_transformers_sees_it():
    """In macros and in `set` too, where transformers itself is off."""
    talk = [{"role": "user", "content": "é"}, {"role": "assistant", "content": "b"}]
    (text,), (spans,) = render_jinja_template(
        conversations=[talk], chat_template=MARKS, return_assistant_tokens_mask=True
    )
    told = chat_templates.fill_marked(MARKS, {"messages": talk, "tools": None, "documents": None})
    assert told == (text, spans) and len(spans) == 6


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ raise_exception('Roles must alternate.') }}", "Roles must alternate."),
        ("{% if %}", "Expected an expression"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ namespace(_x=1) }}", "_x"),
    ],
)
def test_what_a_template_raises_is_told(template, says):
    with pytest.raises(chat_templates.Failed, match=says):
        chat_templates.fill(template, {"messages": []})


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 20000000 }}",
        "{{ 'a' * 20000000000 }}",
        "{% for i in range(100000) %}{{ 'a' * 100 }}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{{ range(100000) | join(',' * 100000) | length }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ 7 ** (7 ** 9) }}",
        "{{ 'x' }}" * 30_000,
        "{{ " + "(" * 40_000,
    ],
    ids=range(11),
)
def test_a_template_without_end_ends(template):
    with pytest.raises((chat_templates.TooMuch, chat_templates.Failed)):
        chat_templates.fill(template, {})
    assert chat_templates.fill("{{ a }}", {"a": "still here"}) == "still here"


def test_a_visitor_reads_whose_template_it_was():
    loaded = with_template("{{ messages[0].content }}{{ 'a' * 20000000 }}")
    with pytest.raises(
        VisitorError, match=r"template of zoo/llama3 takes .* or writes more than 100,000"
    ) as told:
        talk.prompt_ids(loaded, "Hi.")
    assert "plain text" in told.value.remedy
    assert talk.prompt_ids(loaded, "Hi.", "plain")


def test_many_are_answered_as_one_by_one():
    """An error, a text that is too long, and a mark each stay with their own."""
    template = (
        "{% if n == 1 %}{{ raise_exception('No.') }}{% endif %}{{ 'a' * n * size }}"
        "{% generation %}b{% endgeneration %}"
    )
    shared = {"size": limits.MAX_TEMPLATE_CHARACTERS // 3}
    first, second, *_, last = chat_templates.fill_each(template, shared, [{"n": n} for n in (0, 1, 2, 9)])
    assert first == chat_templates.fill_marked(template, {**shared, "n": 0}) == ("b", [(0, 1)])
    assert isinstance(second, chat_templates.Failed) and str(second) == "No."
    assert isinstance(last, chat_templates.TooMuch)


def test_a_process_that_does_not_answer_is_stopped(monkeypatch):
    chat_templates.fill("", {})
    monkeypatch.setattr(worker, "_DEADLINE", 0.05)
    assert chat_templates._worker.process is not None
    os.kill(chat_templates._worker.process.pid, 19)  # it stands still, and takes no time of the processor
    with pytest.raises(chat_templates.TooMuch):
        chat_templates.fill("{{ 1 }}", {})
    monkeypatch.undo()
    assert chat_templates.fill("{{ 1 }}", {}) == "1"


def test_a_forked_process_asks_one_of_its_own():
    chat_templates.fill("", {})
    before = chat_templates._worker.process
    child = os.fork()
    if not child:
        try:
            right = chat_templates._worker.process is None and chat_templates.fill("{{ 2 }}", {}) == "2"
            chat_templates._worker.end()
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert chat_templates.fill("{{ 3 }}", {}) == "3" and chat_templates._worker.process is before


def test_the_process_ends_with_the_one_that_started_it(tmp_path):
    import subprocess
    import sys

    script = "from shared import chat_templates as it; it.fill('', {}); print(it._worker.process.pid)"
    pid = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, check=True
    ).stdout
    for _ in range(100):
        if not Path(f"/proc/{int(pid)}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_the_limits_leave_room_for_real_templates():
    assert limits.MAX_TEMPLATE_CHARACTERS > 4 * limits.MAX_PROMPT_CHARACTERS


def test_a_pattern_that_takes_too_many_steps_is_given_up():
    loaded = with_template(None)
    loaded.tokenizer.backend_tokenizer.pre_tokenizer = Split(Regex("(a+)+b"), "isolated")
    assert talk.prompt_ids(loaded, "aaab c", "plain")
    with pytest.raises(VisitorError, match="its pattern takes too many steps"):
        talk.prompt_ids(loaded, "a" * 40, "plain")
