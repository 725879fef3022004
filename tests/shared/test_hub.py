"""The Hub: what visitors may read and write there, and with whose token."""

from __future__ import annotations

from pathlib import Path

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


ABSOLUTE = """
from shared import hub
for name in ("me/evil", "me/gone", "me/wide"):
    for split in ("train", "nothing"):
        try:
            print(hub.dataset_rows(name, None, split, 5))
        except hub.VisitorError as error:
            print(error)
"""


def test_a_card_that_names_files_of_this_machine_reads_none_and_learns_no_path(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    places = {"evil": str(secret), "gone": "/nowhere/secret.jsonl", "wide": f"../../../..{secret}"}
    repos = {}
    for name, place in places.items():
        card = f"---\nconfigs:\n- config_name: default\n  data_files: {place}\n---\n"
        repos[f"datasets/me/{name}"] = Repo({"README.md": card.encode(), "rows.txt": b"a\nb\n"})
    hub = HubServer(repos)
    try:
        said = run_against(hub, tmp_path, ABSOLUTE).splitlines()
    finally:
        hub.stop()
    assert len(said) == 6
    for line in said:
        assert line.startswith("The dataset me/") and line.endswith("Check its config and split."), line
        assert len(line) < 300 and str(tmp_path) not in line and str(Path.cwd()) not in line, line
