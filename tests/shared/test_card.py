"""Cards hold strangers' words as text, whatever they are, and never a path of this machine."""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt

from shared import card

EVIL = (
    "mit\ntags: [owned]",
    "mit\n---\n# owned",
    "a: b",
    "- x",
    "{x: y}",
    "yes",
    "1.0",
    "null",
    "“quoted” 'and' \"so\"",
    "*anchor",
    "!tag x",
    "#",
    "…" * 200,
    "<img src=x onerror=alert(1)>",
    "a|b",
    "a\nb",
    "`` ` ``",
    "[x](javascript:alert(1))",
    "**x** _y_ ~~z~~ $z$",
    "\\",
    "1. one",
    "# title",
    "---",
)


def head_of(text):
    """The YAML head as the Hub reads it."""
    return yaml.safe_load(re.fullmatch(r"---\n(.*?)\n---\n.*", text, re.DOTALL)[1])


def shown(markdown):
    """Markdown as a page shows it: its text, and the tags that it became."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    tags = re.findall(r"<(\w+)", page)
    cells = re.findall(r"<(?:td|th)>(.*?)</(?:td|th)>", page, re.DOTALL)
    plain = [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in cells]
    return tags, plain, html.unescape(re.sub(r"<[^>]*>", "", page)).strip()


@pytest.mark.parametrize("licence", EVIL)
def test_a_strangers_licence_cannot_break_the_head(licence):
    for head in (
        card.model_head(library="transformers", tags=["merge"], licences=[licence], base=["a/b"]),
        card.dataset_head(tags=["deduplicated"], licences=[licence], sources=["a/b"]),
    ):
        fields = head_of(head)
        assert isinstance(fields["license"], str) and re.fullmatch(r"[a-z0-9.+-]+", fields["license"])
        if fields["license"] == "other":
            assert fields["license_name"] == " ".join(licence.split())[:80]
        assert fields["tags"] in (["merge"], ["deduplicated"])
        known = {"library_name", "pipeline_tag", "base_model", "source_datasets"}
        assert set(fields) <= {"license", "license_name", "tags", *known}


def test_licences_of_several_sources():
    assert card.licence_fields(["apache-2.0", "apache-2.0"]) == {"license": "apache-2.0"}
    assert card.licence_fields(["MIT"]) == {"license": "mit"}
    assert (
        card.licence_fields(["mit", "llama3.1"]) == card.licence_fields(["mit", ""]) == {"license": "other"}
    )
    assert card.licence_fields([]) == card.licence_fields([""]) == {}
    named = {"license": "other", "license_name": "qwen-research"}
    assert card.licence_fields(["other: qwen-research"] * 2) == named
    assert card.licence_fields(["other: qwen-research", "other: mine"]) == {"license": "other"}


def test_the_heads_of_models():
    whole = card.model_head(
        library="peft", tags=["a", "b", "a"], licences=["mit"], base=["x/y", "x/y"], relation="adapter"
    )
    assert head_of(whole) == {
        "base_model": "x/y",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "license": "mit",
        "pipeline_tag": "text-generation",
        "tags": ["a", "b"],
    }
    several = head_of(
        card.model_head(
            library="transformers",
            tags=["merge"],
            base=["x/y", "/home/me/z", "pirate", "u/v"],
            relation="merge",
        )
    )
    assert several["base_model"] == ["x/y", "u/v"] and several["base_model_relation"] == "merge"
    local = head_of(card.model_head(library="gguf", tags=["t"], base=["../mine/model"], relation="quantized"))
    assert not {"base_model", "base_model_relation", "license"} & set(local)
    assert ModelCard(whole + "\n# Text").data.base_model == "x/y"


def test_the_heads_of_datasets():
    head = card.dataset_head(tags=["deduplicated"], sources=["x/y", "C:\\data"], data_files="data/kept.jsonl")
    assert head_of(head) == {
        "tags": ["deduplicated"],
        "source_datasets": ["x/y"],
        "configs": [{"config_name": "default", "data_files": "data/kept.jsonl"}],
    }
    assert DatasetCard(head + "\n# Text").data.source_datasets == ["x/y"]


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("owner/name-1.0", "owner/name-1.0"),
        ("/home/me/models/my-model", "my-model"),
        ("/home/me/models/my-model/", "my-model"),
        ("./model", "model"),
        ("../..", card.LOCAL),
        ("~", card.LOCAL),
        ("~/secret/run 3", "run 3"),
        ("C:\\Users\\me\\model", "model"),
        ("C:\\", card.LOCAL),
        ("/", card.LOCAL),
        ("", card.LOCAL),
        ("pirate", "pirate"),
        ("rows.csv", "rows.csv"),
        ("a/b/c", "c"),
        ("a/..", "a"),
    ],
)
def test_names_of_folders_become_their_last_part(name, public):
    assert card.public_name(name) == public
    assert card.hub_id(name) == (name if name == "owner/name-1.0" else None)


def test_no_path_of_the_machine_in_a_card():
    home, temporary = Path.home(), tempfile.gettempdir()
    recipe = f"models:\n  - model: /data/models/mine\n  - model: {home}/secret/other\n  - model: x/y"
    text = card.card(
        card.model_head(library="transformers", tags=["merge"]),
        "# Title",
        "",
        card.fenced(recipe, "yaml"),
        f"Written to `{temporary}/abc/out.gguf` from {Path.cwd()}.",
        "See https://huggingface.co/x/y and `/v1/chat`.",
        private=["/data/models/mine", "x/y", "pirate"],
    )
    assert "/data" not in text and str(home) + "/" not in text and temporary not in text
    assert str(Path.cwd()) not in text
    for kept in (
        "model: mine",
        "model: other",
        "model: x/y",
        "`out.gguf`",
        "https://huggingface.co/x/y",
        "/v1/chat",
    ):
        assert kept in text, kept
    assert "\n\n\n" not in text and text.endswith(".\n")


@pytest.mark.parametrize("text", EVIL)
def test_strangers_words_are_shown_as_they_are(text):
    line = " ".join(text.split())
    tags, cells, _ = shown(card.table(["name", "value"], [[text, card.code(text)], [1.5, None]]))
    assert cells == ["name", "value", line, line, "1.5", "None"], "every cell in its place, as it was"
    assert set(tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    tags, _, plain = shown(card.escape(text))
    assert plain == line and tags == ["p"]
    tags, _, plain = shown(card.fenced(text, "yaml"))
    assert plain == text.strip() and tags == ["pre", "code"]


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="3 cells in a table of 2 columns"):
        card.table(["a", "b"], [[1, 2, 3]])
    _, cells, _ = shown(card.table(["", "b"], [["KL(base ‖ edited)", card.Markdown("**2** | x")]]))
    assert cells == ["", "b", "KL(base ‖ edited)", "2 | x"]


def test_a_pipeline_states_every_step():
    steps = [
        card.Step("Read 3 rows.", settings={"file": "a|b.csv"}),
        card.Step("- Compared <all>.", "rensa 0.5", {"num_perm": 128, "seed": 0}),
        card.Step("Done."),
    ]
    assert card.pipeline(steps).splitlines() == [
        "1. Read 3 rows. (file `a|b.csv`)",
        "2. \\- Compared &lt;all&gt;. (rensa 0.5, num_perm `128`, seed `0`)",
        "3. Done.",
    ]
