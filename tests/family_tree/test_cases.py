"""What was misread in other people's trees: answers that failed once, recipes in cards, folders as parents,
names in another case, licences against licences.
"""

from __future__ import annotations

import pytest

from family_tree import hub_reader, licence
from family_tree.request import TreeRequest
from shared.errors import VisitorError
from tests.family_tree.hub import Model
from tests.family_tree.test_grow import RECIPE, edges, nodes, tree

PARENTS = {"acme/one": Model(), "acme/two": Model(), "acme/words": Model()}


def flaky(hub, file: str, status: int = 503) -> list[int]:
    """Let a Hub refuse a file as long as the list that it returns holds an answer."""
    left, reply = [status], hub.reply

    def answer(address: str):
        if address.endswith(f"/{file}") and left:
            return left.pop(), {"error": "busy"}, {}
        return reply(address)

    hub.reply = answer
    return left


def test_a_recipe_that_could_not_be_read_is_said_and_asked_for_again(serve):
    hub = serve(PARENTS | {"acme/merged": Model(["acme/one"], "merge", {"mergekit_config.yml": RECIPE})})
    flaky(hub, "mergekit_config.yml")
    first = tree("acme/merged", descendants=0)
    assert (
        "mergekit_config.yml could not be read: the Hub answered 503." in nodes(first)["acme/merged"]["notes"]
    )
    assert edges(first)["acme/one", "acme/merged"]["part"] == (0, 1), "nothing is claimed without the recipe"
    second = tree("acme/merged", descendants=0)
    assert edges(second)["acme/one", "acme/merged"]["part"] == (0.75, 0.75)
    assert not any("could not be read" in note for note in nodes(second)["acme/merged"]["notes"])


def test_a_file_that_is_missing_is_no_failure(serve):
    hub = serve(PARENTS | {"acme/merged": Model(["acme/one"], "finetune", {"mergekit_config.yml": ""})})
    del hub.models["acme/merged"].files["mergekit_config.yml"]
    hub.models["acme/merged"].raw = {"siblings": [{"rfilename": "mergekit_config.yml"}]}
    found = tree("acme/merged", descendants=0)
    assert nodes(found)["acme/merged"]["notes"] == []
    assert edges(found)["acme/one", "acme/merged"]["part"] == (1, 1)


def test_a_model_that_could_not_be_read_is_asked_for_again_and_has_no_licence_to_speak_of(serve):
    hub = serve({"acme/base": Model(answer="broken"), "acme/child": Model(["acme/base"])})
    first = tree("acme/child", descendants=0)
    assert nodes(first)["acme/base"]["status"] == "unread"
    (unknown,) = first["licences"]["unknown"]
    assert unknown["from"] == "acme/base" and "could not be read" in unknown["unread"]
    hub.models["acme/base"].answer = "ok"
    assert nodes(tree("acme/child", descendants=0))["acme/base"]["status"] == "ok"


def test_a_model_without_a_licence_is_another_thing_than_one_that_could_not_be_read(serve):
    serve({"acme/base": Model(card={"license": None}), "acme/child": Model(["acme/base"])})
    (unknown,) = tree("acme/child", descendants=0)["licences"]["unknown"]
    assert unknown == {"from": "acme/base", "licence": "", "path": ["acme/child", "acme/base"]}


def test_the_hubs_own_header_says_how_long_to_wait(serve):
    hub = serve({"acme/one": Model()})
    reply = hub.reply
    hub.reply = lambda address: (
        (429, {"error": "Too many"}, {"RateLimit": '"api";r=0;t=240'})
        if address.startswith("/api/models/")
        else reply(address)
    )
    found = tree("acme/one", descendants=0)
    assert found["warnings"] == [
        "The Hub's limit for visitors is reached; the rest of the tree can be read in 4 min."
    ]


FENCES = {
    "yaml": f"```yaml\n{RECIPE}```\n",
    "yml with words": f"```yml title=config\n{RECIPE}```\n",
    "upper case": f"```YAML\n{RECIPE}```\n",
    "none": f"```\n{RECIPE}```\n",
    "tildes": f"~~~yaml\n{RECIPE}~~~\n",
    "four": f"````yaml\n{RECIPE}````\n",
    "in a list": "- so:\n\n" + "".join(f"  {line}\n" for line in f"```yaml\n{RECIPE}```".splitlines()),
    "indented": "The recipe:\n\n" + "".join(f"    {line}\n" for line in RECIPE.splitlines()),
    "windows": f"```yaml\n{RECIPE}```\n".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("fence", FENCES.values(), ids=FENCES)
def test_any_fence_of_a_card(serve, fence):
    card = Model([], "merge", {"README.md": f"# Hi\n\n{fence}\nbye\n"}, raw={"tags": ["merge"]})
    serve(PARENTS | {"acme/carded": card})
    assert edges(tree("acme/carded", descendants=0))["acme/one", "acme/carded"]["part"] == (0.75, 0.75)


@pytest.mark.parametrize("order", [0, 1])
def test_of_several_recipes_the_one_counts_that_agrees_with_the_rest(serve, order):
    other = RECIPE.replace("acme/one", "acme/old").replace("acme/two", "acme/older")
    texts = [f"```yaml\n{text}```\n" for text in ([RECIPE, other] if order else [other, RECIPE])]
    model = Model(["acme/one", "acme/two"], "merge", {"README.md": "\n".join(texts)}, raw={"tags": ["merge"]})
    serve(PARENTS | {"acme/old": Model(), "acme/older": Model(), "acme/carded": model})
    found = tree("acme/carded", descendants=0)
    assert edges(found)["acme/one", "acme/carded"]["part"] == (0.75, 0.75)
    assert "acme/old" not in nodes(found)
    (note,) = [note for note in nodes(found)["acme/carded"]["notes"] if "2 recipes" in note]
    assert f"number {1 if order else 2}" in note


def test_a_folder_as_a_parent_is_a_ghost_with_its_share(serve):
    text = "merge_method: linear\nmodels:\n- {model: acme/one, parameters: {weight: 1}}\n"
    text += "- {model: ./merged/step1, parameters: {weight: 1}}\n"
    serve(
        PARENTS
        | {
            "acme/mid": Model(["acme/one"], "merge", {"mergekit_config.yml": text}),
            "acme/top": Model(
                ["acme/mid"], "merge", {"mergekit_config.yml": text.replace("acme/one", "acme/mid")}
            ),
        }
    )
    found = tree("acme/top", descendants=0)
    ghosts = {name: node for name, node in nodes(found).items() if node["status"] == "local"}
    assert {name: node["share"] for name, node in ghosts.items()} == {
        "./merged/step1 of acme/top": (0.5, 0.5),
        "./merged/step1 of acme/mid": (0.25, 0.25),
    }, "the same path of two authors is two folders"
    assert "a folder on its author's machine" in ghosts["./merged/step1 of acme/top"]["reason"]
    roots = [nodes(found)[name]["share"] for name in found["roots"]]
    assert sum(low for low, _ in roots) == pytest.approx(1) == sum(high for _, high in roots)
    assert not any("does not name" in note for note in nodes(found)["acme/mid"]["notes"])


@pytest.mark.parametrize("path", ["/home/me/x", "../x", "C:\\models\\x", "~/x", "./a b/ü", "merged"])
def test_paths_of_every_kind(serve, path):
    text = "merge_method: linear\nmodels:\n- {model: acme/one, parameters: {weight: 1}}\n"
    text += f"- model: '{path}'\n  parameters: {{weight: 3}}\n"
    serve(PARENTS | {"acme/m": Model([], "merge", {"mergekit_config.yml": text})})
    found = tree("acme/m", descendants=0)
    (ghost,) = [node for name, node in nodes(found).items() if name not in ("acme/one", "acme/m")]
    assert ghost["share"] == (0.75, 0.75) and ghost["status"] in ("local", "missing")


@pytest.mark.parametrize("path", ["/no/folder", "./no", "../no", "~/no"])
def test_a_path_that_is_no_folder_is_no_model_of_the_hub(path):
    """Without its slash it would be somebody's."""
    with pytest.raises(VisitorError, match="There is no folder"):
        TreeRequest.parse(model=path)


def test_names_in_another_case_are_the_same_model(serve):
    hub = serve(
        PARENTS
        | {"acme/merged": Model([], "merge", {"mergekit_config.yml": RECIPE}, {"base_model": ["Acme/One"]})}
    )
    hub.renamed = {"Acme/One": "acme/one"}
    found = tree("acme/merged", descendants=0)
    assert "Acme/One" not in nodes(found) and found["warnings"] == []
    notes = " ".join(nodes(found)["acme/merged"]["notes"])
    assert "names Acme/One" not in notes and "acme/one, " not in notes


def conflicts(own: str, *others: str) -> str:
    licences = {"me": own, **{f"p{index}": name for index, name in enumerate(others)}}
    found = licence.inherited("me", licences, {"me": list(licences)[1:]})
    return " ".join(item["message"] for item in found["conflicts"])


@pytest.mark.parametrize(
    ("own", "others"),
    [
        ("agpl-3.0", ["agpl-3.0", "cc-by-sa-4.0"]),
        ("gpl-2.0", ["gpl-2.0", "apache-2.0"]),
        ("gpl-3.0", ["gpl-2.0", "gpl-3.0"]),
        ("gpl-3.0", ["agpl-3.0"]),
        ("cc-by-nc-sa-4.0", ["cc-by-nc-sa-4.0", "cc-by-sa-4.0"]),
        ("cc-by-sa-3.0", ["cc-by-sa-4.0"]),
        ("gpl-3.0", ["gpl-3.0", "gemma"]),
        ("mit", ["mpl-2.0"]),
        ("apache-2.0", ["cc-by-nc-3.0"]),
        ("apache-2.0", ["qwen-research"]),
    ],
)
def test_licences_that_cannot_be_met(own, others):
    assert conflicts(own, *others)


@pytest.mark.parametrize(
    ("own", "others"),
    [
        ("gpl-3.0", ["gpl-3.0", "apache-2.0"]),
        ("gpl-3.0", ["lgpl-2.1", "mpl-2.0", "mit"]),
        ("gpl-2.0", ["lgpl-2.1", "mpl-2.0"]),
        ("agpl-3.0", ["gpl-3.0", "agpl-3.0"]),
        ("gpl-3.0", ["cc-by-sa-4.0"]),
        ("cc-by-sa-4.0", ["cc-by-sa-3.0", "cc-by-4.0"]),
        ("mit", ["apache-2.0", "bsl-1.0", "cdla-permissive-2.0", "odc-by", "cc-by-2.0"]),
        ("llama3.1", ["llama3.1", "gemma", "apache-2.0"]),
    ],
)
def test_licences_that_can(own, others):
    assert conflicts(own, *others) == ""


def test_all_pairs_are_named():
    text = conflicts("agpl-3.0", "agpl-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0")
    assert "agpl-3.0) and" in text and text.count("cannot both be met") == 3


def test_a_parent_that_states_less_than_its_base_is_pointed_out():
    licences = {"me": "cc-by-nc-4.0", "tuned": "apache-2.0", "base": "cc-by-nc-4.0"}
    found = licence.inherited("me", licences, {"me": ["tuned"], "tuned": ["base"]})
    assert found["conflicts"] == []
    (lax,) = found["laxer"]
    assert "tuned states apache-2.0, though its parent base (cc-by-nc-4.0)" in lax["message"]


def test_a_licence_by_name_and_link(serve):
    card = {"license": "other", "license_name": "Qwen-Research", "license_link": "https://x.test/LICENSE"}
    own = {"license": "other", "license_name": "my-terms", "license_link": "https://x.test/MINE"}
    evil = {"license": "other", "license_name": "x", "license_link": "javascript:alert(1)"}
    serve(
        {
            "acme/base": Model(card=card),
            "acme/mine": Model(["acme/base"], card=own),
            "acme/evil": Model(["acme/mine"], card=evil),
        }
    )
    found = nodes(tree("acme/evil", descendants=0))
    assert (
        found["acme/base"]["licence"] == "qwen-research" and "no commercial use" in found["acme/base"]["asks"]
    )
    assert found["acme/mine"]["licence"] == "my-terms"
    assert found["acme/mine"]["licence_url"] == "https://x.test/MINE"
    assert found["acme/evil"]["licence"] == "x" and found["acme/evil"]["licence_url"] == ""


def test_a_failed_file_is_never_kept(serve):
    hub = serve(PARENTS | {"acme/merged": Model([], "merge", {"mergekit_config.yml": RECIPE})})
    flaky(hub, "mergekit_config.yml", 500)
    with pytest.raises(hub_reader.Unread, match="answered 500"):
        hub_reader.read_file("acme/merged", "", "mergekit_config.yml")
    assert hub_reader.read_file("acme/merged", "", "mergekit_config.yml") == RECIPE
