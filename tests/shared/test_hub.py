"""The Hub: what visitors may read and write there, and with whose token."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from shared import hub, limits
from shared.errors import VisitorError
from tests.shared.hub_server import HubServer, Repo, run_against

PUSH = """
from pathlib import Path
from shared import hub
from shared.errors import VisitorError
card = "---\\nlicense: mit\\n---\\n"
for name, private, files in (
    ("me/hidden", True, {}),
    ("me/hidden", True, {}),
    ("me/open", False, {}),
    ("me/public", True, {}),
    ("me/open", False, {"a": Path("/gone")}),
):
    try:
        print(hub.push(name, "model", files, card, "a-token", private=private))
    except VisitorError as error:
        print(error)
"""


def test_what_must_be_private_never_goes_into_a_public_repository(tmp_path):
    hub = HubServer({"me/public": Repo({"README.md": b"mine"})})
    try:
        said = run_against(hub, tmp_path, PUSH).splitlines()
    finally:
        hub.stop()
    assert hub.repos["me/hidden"].private and not hub.repos["me/open"].private
    assert said[:3] == [f"{hub.url}/me/hidden", f"{hub.url}/me/hidden", f"{hub.url}/me/open"]
    assert "everyone can see it" in said[3] and hub.repos["me/public"].files == {"README.md": b"mine"}
    assert "no longer here" in said[4]


LOCAL = """
import os
from shared import hub
from shared.errors import VisitorError
for name in ("text", "csv", "folder/inside", "owner/rows"):
    try:
        print(hub.dataset_rows(name, None, "train", 2))
    except VisitorError as error:
        print(error)
"""


def test_a_dataset_is_never_a_file_of_this_machine(tmp_path, monkeypatch):
    """The datasets library would read a folder of that name, or, for "text", every file around."""
    (tmp_path / "folder/inside").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "folder/inside"):
        (place / "train.txt").write_text("a secret line\n")
    monkeypatch.chdir(tmp_path)
    hub = HubServer(
        {
            "datasets/owner/rows": Repo(
                {"train.jsonl": b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n'}
            )
        }
    )
    try:
        said = run_against(hub, tmp_path / "home", LOCAL)
    finally:
        hub.stop()
    assert (
        "secret" not in said
        and said.count("is not a dataset id") == 2
        and "The Hub has no dataset folder/inside" in said
    )
    assert "one" in said and "two" in said and "three" not in said and "True)" in said, (
        "two rows, and there are more"
    )


STRANGER = """
import os
os.environ["SPACE_ID"], os.environ["HF_TOKEN"] = "owner/space", "hf_owner"
from shared import hub, models
for ask in (
    lambda: models.load("owner/private"),
    lambda: hub.inspect("owner/private", 10**9),
    lambda: hub.weight_headers("owner/private"),
    lambda: hub.licence("owner/private"),
    lambda: hub.dataset_revision("owner/rows"),
    lambda: hub.dataset_rows("owner/rows", None, "train", 2),
    lambda: hub.model_size("owner/private", ["model.safetensors"]),
    lambda: hub._check_access("owner/private"),
):
    try:
        ask()
    except Exception as error:
        print(type(error).__name__, error)
print(hub.local_token(), hub.token_for("hf_visitor"))
"""


def test_a_spaces_own_token_serves_no_visitor(tiny_files, tmp_path):
    rows = Repo({"train.jsonl": b'{"text": "one"}\n'})
    hub = HubServer({"owner/private": Repo(tiny_files, parameters=800_000), "datasets/owner/rows": rows})
    try:
        said = run_against(hub, tmp_path, STRANGER)
    finally:
        hub.stop()
    assert len(hub.requests) > 10 and hub.tokens == {None}
    assert said.splitlines()[-1] == "None hf_visitor"


REVISIONS = """
from pathlib import Path
from family_tree import hub_reader
from merging.check import check
from shared import hub, limits
from shared.errors import VisitorError
recipe = "merge_method: linear\\nmodels:\\n- model: owner/tiny@{}\\n- model: pirate\\n"
PATHS = ("../../../../outside", "a/../b", "/etc/passwd", ".", "..", "main/", "a//b")
for revision in (*PATHS, "", "a\\0b", "a b", "a" * 201, "é"):
    for ask in (
        lambda: hub.download("owner/tiny", 10**9, print, revision),
        lambda: hub.inspect("owner/tiny", 10**9, revision),
        lambda: hub.weight_headers("owner/tiny", revision),
        lambda: hub.has_snapshot("owner/tiny", revision),
        lambda: hub.licence("owner/tiny", revision),
        lambda: hub.small_files("owner/tiny", revision, Path("small")),
        lambda: hub.dataset_rows("owner/rows", None, "train", 1, revision=revision),
    ):
        try:
            print("TAKEN", revision, ask())
        except VisitorError as error:
            assert "is not a revision" in str(error), error
    assert not check(recipe.format(revision)).ok, revision
    if revision:
        assert hub_reader.read_model("owner/tiny", revision).status == "missing", revision
print("ASKED")
for revision in ("main", "v1.0", "refs/pr/3", "0123456789abcdef0123456789abcdef01234567"):
    print(hub.inspect("owner/tiny", 10**9, revision)[0])
"""


def test_a_revision_is_no_path(tiny_files, tmp_path):
    """The Hub's client writes the commit of a branch into a file of the branch's name."""
    hub = HubServer({"owner/tiny": Repo(tiny_files, parameters=800_000), "datasets/owner/rows": Repo()})
    script = "import sys\nsys.path.insert(0, 'spaces/merging')\n" + REVISIONS
    try:
        said = run_against(hub, tmp_path / "home", script)
    finally:
        hub.stop()
    assert "TAKEN" not in said and said.splitlines()[-4:] == [Repo().sha] * 4
    assert not list(tmp_path.rglob("*outside*"))


def test_a_download_takes_what_is_named_and_no_more(tiny_files, tmp_path):
    """A repository holds whatever its owner likes: other formats, logs of gigabytes, checkpoints."""
    stray = {
        "consolidated.safetensors": b"x" * 9_000_000,
        "log.json": b"{}",
        "data.txt": b"x",
        "checkpoint-1/model.safetensors": b"x",
        "notes.model": b"x",
    }
    shards = {f"model-{number:05}-of-00500.safetensors": b"x" for number in range(500)}
    swollen = {**tiny_files, "merges.txt": b"x" * 100_000_001}
    server = HubServer(
        {
            "tiny/llama": Repo({**tiny_files, **stray}, parameters=800_000),
            "tiny/swollen": Repo(swollen, parameters=800_000),
            "tiny/shards": Repo(tiny_files | shards, parameters=800_000),
        }
    )
    script = (
        f"small = {str(tmp_path / 'small')!r}"
        + """
from pathlib import Path
from shared import hub, limits
from shared.errors import VisitorError
folder, _ = hub.download("tiny/llama", 10**7, print)
print(sorted(path.name for path in folder.rglob("*")))
for name in ("tiny/swollen", "tiny/shards"):
    try:
        hub.download(name, 10**7, print)
    except VisitorError as error:
        print(error)
assert hub.weight_headers("tiny/llama")
limits.MAX_TENSORS = 3
try:
    hub.weight_headers("tiny/llama")
except VisitorError as error:
    print(error)
hub.small_files("tiny/llama", None, Path(small))
print(sorted(path.name for path in Path(small).iterdir() if path.name[0] != "."))
"""
    )
    try:
        said, found, refused, many, deep, small = run_against(server, tmp_path, script).splitlines()
    finally:
        server.stop()
    assert "tiny/shards has 501 files of weights" in many and "more than 3 tensors" in deep
    assert "tiny/llama, 2 million parameters" in said
    assert "model.safetensors" in found and "tokenizer.json" in found
    assert not any(name in found + small for name in stray if "/" not in name) and "checkpoint" not in found
    assert "tokenizer.json" in small and "model.safetensors" not in small
    assert "104 MB of files beside its weights" in refused


def test_a_space_keeps_models_within_a_size_and_a_laptop_keeps_what_it_has(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(limits, "MAX_MODELS_ON_DISK_BYTES", 3_500_000)
    for days, name in enumerate(("new--one", "old--one", "older--one", "oldest--one")):
        blob = tmp_path / f"models--{name}/blobs/x"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"x" * 10**6)
        for path in (blob, blob.parent, blob.parents[1]):
            os.utime(path, (time.time() - 86_400 * (days + 1),) * 2)

    def kept() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir())

    everything = kept()
    hub.make_room("a/b", 2 * 10**6)
    assert kept() == everything
    monkeypatch.setenv("SPACE_ID", "someone/decoding")
    hub.make_room("a/b", 2 * 10**6)
    assert kept() == ["models--new--one"]
    with pytest.raises(VisitorError, match="of the disk are free"):
        hub.make_room("a/b", 10**18)


ABSOLUTE = """
from shared import hub
for name in {names!r}:
    for split in ("train", "nothing"):
        try:
            print(hub.dataset_rows(name, None, split, 5))
        except hub.VisitorError as error:
            print(error)
"""


def test_a_card_that_names_files_elsewhere_reads_none_and_asks_nobody(tmp_path):
    """Neither this machine's files nor a neighbour on its network."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        url = f"http://127.0.0.1:{neighbour.getsockname()[1]}"
        places = {
            "evil": f"data_files: {secret}",
            "gone": "data_files: /nowhere/secret.jsonl",
            "wide": f"data_files: ../../../..{secret}",
            "file": f"data_files: file://{secret}",
            "web": f"data_files: {url}/rows.jsonl",
            "archive": f"data_files: zip://rows.txt::{url}/rows.zip",
            "chained": f"data_files: a_b::{url}/rows.txt",
            "cached": f"data_files: simplecache::{url}/rows.txt",
            "listed": f"data_files: reference://rows.txt::{secret}",
            "folder": f"data_dir: {tmp_path}",
            "site": f"data_dir: {url}",
        }
        repos = {}
        for name, place in places.items():
            key, value = place.split(": ", 1)
            card = f"---\nconfigs:\n- config_name: default\n  {key}: '{value}'\n---\n"
            repos[f"datasets/me/{name}"] = Repo({"README.md": card.encode(), "rows.txt": b"a\nb\n"})
        hub = HubServer(repos)
        try:
            names = [f"me/{name}" for name in places]
            said = run_against(hub, tmp_path, ABSOLUTE.format(names=names)).splitlines()
        finally:
            hub.stop()
        neighbour.settimeout(0.1)
        with pytest.raises(TimeoutError):
            neighbour.accept()
    assert len(said) == 2 * len(places)
    for line in said:
        assert line.startswith("The dataset me/") and line.endswith("Check its config and split."), line
        assert len(line) < 300 and str(tmp_path) not in line and str(Path.cwd()) not in line, line
    assert sum("its card names files that lie elsewhere" in line for line in said) >= 18, said


@pytest.mark.parametrize(
    ("head", "stated"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": "other", "license_name": " Qwen-Research "}, "other: Qwen-Research"),
        ({"license": "other", "license_name": 3}, "other"),
        ({"license": ["mit"]}, ""),
        ({}, ""),
    ],
)
def test_a_licence_has_its_name(monkeypatch, head, stated):
    monkeypatch.setattr(hub, "card", lambda *_: head)
    assert hub.licence("owner/name") == stated
