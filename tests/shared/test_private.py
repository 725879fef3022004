"""A private repository opens by its visitor's own sign-in, and then for them alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared import entrances, files, hub, models, owner, page, private, shelf, suite
from shared.errors import VisitorError
from tests import zoo
from tests.shared.hub_server import Repo, the_hub

MINE, TOKEN = "m" * 32, "hf_mine"
LORA = {
    "peft_type": "LORA",
    "r": 4,
    "base_model_name_or_path": "me/model",
    "target_modules": ["q_proj"],
    "init_lora_weights": True,
}


def of_folder(folder: Path, **changes: object) -> Repo:
    """A private repository with a folder's files."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return Repo(found, parameters=1000, private=True, reader=TOKEN, **changes)


def adapter(**changes: object) -> Repo:
    return Repo(
        {
            "adapter_config.json": json.dumps(LORA | changes).encode(),
            "adapter_model.safetensors": b"\2" + b"\0" * 7 + b"{}",
        },
        private=True,
        reader=TOKEN,
    )


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """Whoever asks, by name: a list whose last is asking now, on a Space whose sign-in reads."""
    asking = [MINE]
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("SPACE_ID", "us/quantization")
    monkeypatch.setenv("OAUTH_SCOPES", "openid contribute-repos read-repos")
    monkeypatch.delenv("LLM_COURSE_SUITE", raising=False)
    monkeypatch.setattr(files, "_sessions", {})
    monkeypatch.setattr(owner, "visitor", lambda scope=None: asking[-1])
    return asking


@pytest.fixture
def the_repos(tmp_path, asking):
    model = of_folder(zoo.folder("llama3"))
    model.files |= {"pytorch_model.bin": b"x", "code.py": b"x", "README.md": b"x"}
    rows = {"data/kept.jsonl": b'{"text": "secret"}\n', "README.md": b"x"}
    repos = {
        "me/model": model,
        "me/adapter": adapter(),
        "datasets/me/rows": Repo(rows, private=True, reader=TOKEN),
        "datasets/me/two": Repo({**rows, "b.csv": b"a\n1\n"}, private=True, reader=TOKEN),
    }
    with the_hub(repos, tmp_path / "cache") as server:
        yield server


def test_it_comes_to_the_shelf_with_the_visitors_own_sign_in(the_repos, asking, tmp_path):
    made = private.brought("https://huggingface.co/me/model/", TOKEN)
    assert made.sentence == "brought from the private repository me/model"
    assert not {"pytorch_model.bin", "code.py", ".cache"} & {path.name for path in made.folder.iterdir()}
    loaded = models.load(made.name)
    assert sum(one.numel() for one in loaded.model.parameters()) > 0
    assert the_repos.tokens == {f"Bearer {TOKEN}"}
    assert not list((tmp_path / "cache").rglob("*.safetensors")), "the Hub's cache is everyone's"
    rows = private.brought("datasets/me/rows", TOKEN)
    assert hub.dataset_rows(rows.name, None, "train", 5)[0].to_pylist() == [{"text": "secret"}]
    assert private.brought("datasets/me/two/b.csv", TOKEN).file == "b.csv"
    assert private.brought("me/adapter", TOKEN).kind == "adapter"
    asking.append("y" * 32)
    assert models.in_memory(made.name) is None
    for read in (lambda: models.load(made.name), lambda: hub.dataset_rows(rows.name, None, "train", 5)):
        with pytest.raises(VisitorError, match="on your shelf"):
            read()
    with pytest.raises(VisitorError, match="no public model me/model"):
        models.load("me/model")


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        ("me/model", None, "not signed in"),
        ("me/model", "hf_other", "shows your sign-in no repository me/model"),
        ("datasets/me/rows", "hf_other", "shows your sign-in no repository me/rows"),
        ("me/none", TOKEN, "no repository me/none"),
        ("me/model/../../etc", TOKEN, "names a file of a model"),
        ("datasets/me/rows/../x.csv", TOKEN, "no such file of rows"),
        ("datasets/me/two", TOKEN, "has 2 files of rows"),
        ("model", TOKEN, "has no owner"),
        ("/etc/passwd", TOKEN, "names a file of a model"),
        ("", TOKEN, "is not a model id"),
    ],
)
def test_what_cannot_be_read_is_said_and_leaves_nothing(the_repos, asking, name, token, said):
    with pytest.raises(VisitorError, match=said):
        private.brought(name, token)
    assert shelf.listed() == [] and not any(path.exists() for path in files.own_results())


@pytest.mark.parametrize(
    "changes",
    [{"r": 10**9}, {"peft_type": "PROMPT"}, {"rank_pattern": {"q": 10**9}}, {"init_lora_weights": "pissa"}],
)
def test_no_other_adapter_than_a_plain_one_is_opened(the_repos, asking, changes):
    the_repos.repos["me/adapter"] = adapter(**changes)
    with pytest.raises(VisitorError, match="no LoRA of rank"):
        private.brought("me/adapter", TOKEN)
    the_repos.repos["me/adapter"] = adapter(base_model_name_or_path="/etc")
    with pytest.raises(VisitorError, match="names no base"):
        private.brought("me/adapter", TOKEN)


def test_a_page_has_the_field_where_the_sign_in_reads_and_says_so_where_not(asking, monkeypatch):
    monkeypatch.setattr("gradio.routes.attach_oauth", lambda app: None)

    def labels():
        with page.page("A page", "It is one.") as demo:
            pass
        return [getattr(block, "label", "") for block in demo.blocks.values()]

    pushed = ("me/it", "https://huggingface.co/datasets/me/it")
    assert "A private repository of yours" in labels()
    assert "spaces/us/dedup?private=datasets%2Fme%2Fit" in entrances.after_push(*pushed)
    assert "“A private repository of yours”" in hub._sign_in()
    monkeypatch.setenv("OAUTH_SCOPES", "openid contribute-repos")
    assert "A private repository of yours" not in labels()
    said = entrances.after_push(*pushed)
    assert "private=" not in said and "<code>read-repos</code>" in said


def test_what_was_brought_opens_in_a_room_of_the_page(asking, monkeypatch):
    """Each Space finds its own room for it."""
    monkeypatch.delenv("SPACE_ID")
    folder = files.result_folder()
    model = shelf.put(folder, "model", "x", says="", parents=["a/b"], relation="merge")
    for space in suite.names():
        query = entrances._room_in(suite.load_app(space).demo, entrances.MODEL_ROOMS)
        assert query == entrances.MODEL_ROOMS.get(space), space
    said = entrances.links(model, suite.load_app("quantization").demo)
    assert f'href="?room=take&amp;model=made%2F{model.name.removeprefix("made/")}&amp;fill=1"' in said
