"""Trees read by the real huggingface_hub client from a Hub on loopback: every source of parents, ghosts,
limits, bad answers.
"""

from __future__ import annotations

import pytest

from family_tree import hub_reader
from family_tree.grow import grow
from family_tree.request import MERGED_HERE, TreeRequest
from shared import models as shared_models
from shared.errors import VisitorError
from shared.steps import last
from tests.family_tree.hub import Model

RECIPE = """merge_method: linear
models:
- model: acme/one
  parameters: {weight: 3}
- model: acme/two@abc123
  parameters: {weight: 1}
tokenizer_source: acme/words
"""


def tree(model: str, **settings):
    return last(grow(TreeRequest.parse(model=model, **settings)))


def nodes(found) -> dict:
    return {node["id"]: node for node in found["nodes"]}


def edges(found) -> dict:
    return {(edge["source"], edge["target"]): edge for edge in found["edges"]}


def test_all_six_sources_are_read_and_named(serve):
    serve(
        {
            "acme/one": Model(),
            "acme/two": Model(),
            "acme/words": Model(),
            "acme/base": Model(),
            "acme/merged": Model(
                ["acme/one"],
                "merge",
                {
                    "mergekit_config.yml": RECIPE,
                    "adapter_config.json": '{"base_model_name_or_path": "acme/base"}',
                },
            ),
        }
    )
    found = tree("acme/merged", descendants=0)
    told = edges(found)
    assert {item["source"] for item in told["acme/one", "acme/merged"]["evidence"]} == {
        "recipe",
        "card",
        "Hub",
        "tag",
    }
    assert (
        told["acme/one", "acme/merged"]["part"] == (0.75, 0.75)
        and told["acme/one", "acme/merged"]["weight"] == 3
    )
    two = told["acme/two", "acme/merged"]
    assert two["revision"] == "abc123" and two["pinned"] and not told["acme/one", "acme/merged"]["pinned"]
    assert told["acme/words", "acme/merged"]["role"] == "tokenizer" and told["acme/words", "acme/merged"][
        "part"
    ] == (0, 0)
    assert [item["source"] for item in told["acme/base", "acme/merged"]["evidence"]] == ["adapter"]
    assert any(
        "acme/two, acme/words, which its card does not name" in note
        for note in nodes(found)["acme/merged"]["notes"]
    )
    assert nodes(found)["acme/merged"]["recipe"] == RECIPE


def test_a_recipe_in_the_card_is_read_through_resolve_at_the_sha(serve):
    hub = serve(
        {
            "acme/one": Model(),
            "acme/two": Model(),
            "acme/words": Model(),
            "acme/carded": Model(
                [],
                "merge",
                {"README.md": f"# Hi\n```yaml\n{RECIPE}```\n"},
                raw={"tags": ["merge", "mergekit"]},
            ),
        }
    )
    found = tree("acme/carded", descendants=0)
    assert edges(found)["acme/one", "acme/carded"]["evidence"][0]["source"] == "card recipe"
    assert f"/acme/carded/resolve/{hub.sha('acme/carded')}/README.md" in hub.asked and not any(
        "/blob/" in path for path in hub.asked
    )


def test_an_adapter_in_a_recipe_is_a_parent_whose_licence_follows(serve):
    text = "merge_method: passthrough\nmodels:\n- model: acme/one+acme/lora\n"
    serve(
        {
            "acme/one": Model(),
            "acme/lora": Model(card={"license": "cc-by-nc-4.0"}),
            "acme/merged": Model([], "merge", {"mergekit_config.yml": text}),
        }
    )
    found = tree("acme/merged", descendants=0)
    told = edges(found)["acme/lora", "acme/merged"]
    assert (
        told["role"] == "adapter"
        and told["part"] == (0, 0)
        and edges(found)["acme/one", "acme/merged"]["part"] == (1, 1)
    )
    assert found["licences"]["obligations"][0] == {
        "asks": "no commercial use",
        "from": "acme/lora",
        "licence": "cc-by-nc-4.0",
        "path": ["acme/merged", "acme/lora"],
        "url": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    }


def test_a_file_that_is_too_long_is_not_read_to_its_end(serve, monkeypatch):
    import httpx

    read = []
    pieces = httpx.Response.iter_bytes

    def counted(self, *values):
        for piece in pieces(self, *values):
            read.append(len(piece))
            yield piece

    monkeypatch.setattr(httpx.Response, "iter_bytes", counted)
    hub = serve({"acme/long": Model(files={"README.md": "x" * 20_000_000, "mergekit_config.yml": RECIPE})})
    with pytest.raises(hub_reader.Unread, match="more than 200 kB"):
        hub_reader.read_file("acme/long", hub.sha("acme/long"), "README.md")
    assert sum(read) < 2 * hub_reader.MAX_FILE
    assert hub_reader.read_file("acme/long", hub.sha("acme/long"), "mergekit_config.yml") == RECIPE
    assert hub_reader.read_file("acme/long", hub.sha("acme/long"), "none.yml") is None


@pytest.mark.parametrize("shape", [["acme/one"], {"relation": "finetune", "models": [{"id": "acme/one"}]}])
def test_both_shapes_of_base_models(serve, shape):
    serve({"acme/one": Model(), "acme/child": Model(raw={"baseModels": shape, "tags": [], "cardData": {}})})
    assert set(edges(tree("acme/child", descendants=0))) == {("acme/one", "acme/child")}


def test_duplicates_and_self_loops_are_dropped(serve):
    serve(
        {
            "acme/one": Model(),
            "acme/child": Model(card={"base_model": ["acme/one", "acme/one", "acme/child"]}),
        }
    )
    found = tree("acme/child", descendants=0)
    assert set(edges(found)) == {("acme/one", "acme/child")}
    assert any("names itself" in note for note in nodes(found)["acme/child"]["notes"])


def test_a_cycle_is_one_node(serve):
    serve(
        {
            "acme/a": Model(["acme/b"]),
            "acme/b": Model(["acme/a", "acme/root"]),
            "acme/root": Model(),
            "acme/child": Model(["acme/a"]),
        }
    )
    found = tree("acme/child", descendants=0)
    assert set(nodes(found)) == {"acme/child", "acme/a", "acme/root"}
    assert (
        nodes(found)["acme/a"]["members"] == ["acme/a", "acme/b"]
        and "name each other" in nodes(found)["acme/a"]["notes"][0]
    )
    assert set(edges(found)) == {("acme/a", "acme/child"), ("acme/root", "acme/a")}


def test_ghosts_say_why(serve):
    parents = ["acme/gated", "acme/missing", "acme/disabled", "acme/private", "acme/broken", "acme/listed"]
    serve(
        {
            "acme/gated": Model(answer="gated"),
            "acme/disabled": Model(answer="disabled"),
            "acme/private": Model(raw={"private": True}),
            "acme/broken": Model(answer="broken"),
            "acme/child": Model(parents, "merge"),
            "acme/listed": Model(["acme/x"], raw={"gated": "auto"}),
        }
    )
    found = nodes(tree("acme/child", descendants=0))
    assert {name.split("/")[1]: node["status"] for name, node in found.items()} == {
        "child": "ok",
        "gated": "gated",
        "missing": "missing",
        "disabled": "disabled",
        "private": "private",
        "broken": "unread",
        "listed": "gated",
        "x": "missing",
    }
    assert all(found[name]["reason"] for name in parents)


def test_a_slow_answer_leaves_a_ghost_and_the_rest(serve, monkeypatch):
    monkeypatch.setattr(hub_reader, "TIMEOUT", 0.4)
    serve(
        {
            "acme/slow": Model(answer="slow"),
            "acme/quick": Model(),
            "acme/child": Model(["acme/slow", "acme/quick"], "merge"),
        }
    )
    found = nodes(tree("acme/child", descendants=0))
    assert (
        found["acme/quick"]["status"] == "ok"
        and found["acme/slow"]["status"] == "unread"
        and "Timeout" in found["acme/slow"]["reason"]
    )


def test_renames_are_followed(serve):
    serve(
        {"new/name": Model(["acme/one"]), "acme/one": Model(), "acme/child": Model(["old/name"])},
        renamed={"old/name": "new/name"},
    )
    found = tree("acme/child", descendants=0)
    assert set(nodes(found)) == {"acme/child", "new/name", "acme/one"}
    assert ("new/name", "acme/child") in edges(found) and "old/name is now called new/name." in found[
        "warnings"
    ]
    start = tree("old/name", descendants=0)
    assert start["start"] == "new/name" and nodes(start)["new/name"]["share"] == (1, 1)


def test_children_by_relation_with_what_is_left(serve):
    family = {"acme/base": Model()}
    family |= {f"kid/q{index}": Model(["acme/base"], "quantized") for index in range(30)}
    family |= {f"kid/m{index}": Model(["acme/base", "x/y"], "merge") for index in range(3)}
    serve(family)
    found = tree("acme/base")
    base = nodes(found)["acme/base"]
    assert base["children"] == {"quantized": 30, "merge": 3} and base["more"] == {"quantized": 18}
    assert sum(edge["relation"] == "quantized" for edge in found["edges"]) == 12
    assert nodes(found)["kid/m0"]["depth"] == -1


def test_parts_are_opened_on_wish(serve):
    family = {"acme/base": Model(), "acme/mid": Model(["acme/base"]), "acme/top": Model(["acme/mid"])}
    family |= {f"kid/q{index:02}": Model(["acme/base"], "quantized") for index in range(30)}
    serve(family)
    assert set(nodes(tree("acme/top", ancestors=1, descendants=0))) == {"acme/top", "acme/mid"}
    opened = tree(
        "acme/top",
        ancestors=1,
        descendants=0,
        expand=["parents:acme/mid", "quantized:acme/base", "quantized:acme/base"],
    )
    assert len(nodes(opened)) == 3 + 24 and nodes(opened)["acme/base"]["more"] == {
        "finetune": 1,
        "quantized": 6,
    }
    with pytest.raises(VisitorError, match="cannot be shown"):
        TreeRequest.parse(model="acme/top", expand=["evil:x"])
    request = TreeRequest.parse(model="acme/top", expand=["parents:acme/mid"])
    assert TreeRequest.from_query(request.to_query()) == request


def test_ten_thousand_children_stay_within_the_limit(serve):
    row = {"id": "", "tags": [], "cardData": {}}

    class Many(dict):
        def items(self):
            return [*super().items(), *((f"kid/c{index}", Model(["acme/base"])) for index in range(10_000))]

        def __getitem__(self, name):
            return super().__getitem__(name) if name in self else Model(["acme/base"], raw=row | {"id": name})

    family = Many({"acme/base": Model(raw={"childrenModelCount": {"finetune": 10_000}})})
    serve(family)
    found = tree("acme/base", limit=10)
    assert (
        len(found["nodes"]) == 10
        and found["cut"] == 3
        and nodes(found)["acme/base"]["more"]["finetune"] == 10_000 - 9
    )


def test_a_merge_of_sixty_and_the_caps(serve):
    parents = [f"acme/p{index}" for index in range(60)]
    serve({**{name: Model() for name in parents}, "acme/child": Model(parents, "merge")})
    assert len(tree("acme/child", descendants=0)["nodes"]) == 61
    capped = tree("acme/child", descendants=0, limit=20)
    assert len(capped["nodes"]) == 20 and capped["cut"] == 41
    chain = {f"acme/g{index}": Model([f"acme/g{index + 1}"]) for index in range(20)}
    serve(chain)
    assert len(tree("acme/g0", ancestors=3, descendants=0)["nodes"]) == 4


def test_a_storm_of_429_is_waited_out(serve):
    hub = serve({"acme/one": Model(), "acme/child": Model(["acme/one"])})
    hub.storm = 2
    found = tree("acme/child", descendants=0)
    assert set(nodes(found)) == {"acme/one", "acme/child"} and found["warnings"] == []


def test_a_long_wait_shows_what_is_there(serve):
    hub = serve({"acme/one": Model(["acme/two"]), "acme/two": Model(), "acme/child": Model(["acme/one"])})
    tree("acme/one", ancestors=0, descendants=0)
    hub.storm, hub.retry_after = 100, "250"
    hub_reader._known.pop(("model", "acme/two", ""), None)
    found = tree("acme/one", descendants=0)
    assert nodes(found)["acme/two"]["status"] == "unread" and "limit for visitors" in found["warnings"][0]
    assert len([path for path in hub.asked if path.endswith("acme/two")]) == 1, "it did not ask again"
    alone = tree("acme/child", descendants=0)
    assert nodes(alone)["acme/child"]["status"] == "unread"


def test_the_anonymous_limit_is_never_passed(serve, monkeypatch):
    monkeypatch.setattr(hub_reader, "API_CALLS", 5)
    parents = [f"acme/p{index}" for index in range(20)]
    hub = serve({**{name: Model() for name in parents}, "acme/child": Model(parents, "merge")})
    found = tree("acme/child", descendants=0)
    assert sum(path.startswith("/api/") for path in hub.asked) <= 5
    assert "limit for visitors" in found["warnings"][0] and len(found["nodes"]) > 5


def test_metadata_of_the_wrong_type_and_bombs(serve):
    bomb = "a: &a [x,x]\nb: &b [*a,*a]\nmodels: [*b,*b]\nmerge_method: linear\n"
    odd = {
        "cardData": [1],
        "tags": {"a": 1},
        "baseModels": 7,
        "childrenModelCount": "many",
        "siblings": "x",
        "safetensors": [2],
        "sha": 5,
        "downloads": "9",
    }
    serve(
        {
            "acme/bomb": Model([], "merge", {"mergekit_config.yml": bomb}),
            "acme/odd": Model(raw=odd),
            "acme/names": Model(
                raw={
                    "cardData": {
                        "base_model": ["<img src=x>", {"a": 1}, "../etc", "acme/ok"],
                        "license": ["mit"],
                    },
                    "tags": [],
                }
            ),
            "acme/ok": Model(),
            "acme/child": Model(["acme/bomb", "acme/odd", "acme/names"], "merge"),
        }
    )
    found = tree("acme/child", descendants=0)
    assert set(nodes(found)) == {"acme/child", "acme/bomb", "acme/odd", "acme/names", "acme/ok"}
    assert "not a recipe that can be read" in nodes(found)["acme/bomb"]["notes"][0]
    assert nodes(found)["acme/odd"]["downloads"] is None and nodes(found)["acme/names"]["licence"] == ""
    assert any("not a model id" in note for note in nodes(found)["acme/names"]["notes"])


def test_a_second_look_asks_nothing(serve):
    hub = serve(
        {
            "acme/one": Model(),
            "acme/two": Model(),
            "acme/words": Model(),
            "acme/m": Model([], "merge", {"mergekit_config.yml": RECIPE}),
        }
    )
    first = tree("acme/m", descendants=1)
    asked = len(hub.asked)
    again = tree("acme/m", descendants=1)
    assert len(hub.asked) == asked
    same = ("nodes", "edges", "licences", "roots")
    assert {key: first[key] for key in same} == {key: again[key] for key in same}


def test_it_grows_and_ends_once(serve):
    chain = {f"acme/g{index}": Model([f"acme/g{index + 1}"]) for index in range(8)}
    serve(chain, delay=0.15)
    steps = list(grow(TreeRequest.parse(model="acme/g0", descendants=0)))
    assert [step["done"] for step in steps] == [False] * (len(steps) - 1) + [True] and len(steps) > 2
    counts = [len(step["nodes"]) for step in steps]
    assert counts == sorted(counts) and counts[0] < counts[-1]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("<b>x</b>", "not a model id"),
        ("a b", "not a model id"),
        (" ", "No model"),
        ("datasets/a/b", "not a model"),
        ("../x", "There is no folder"),
    ],
)
def test_bad_ids(model, sentence):
    with pytest.raises(VisitorError, match=sentence):
        TreeRequest.parse(model=model)


def test_a_dataset_is_named_as_one(serve):
    serve({})
    with pytest.raises(VisitorError, match="owner/data is a dataset"):
        tree("owner/data")
    assert nodes(tree("owner/nothing"))["owner/nothing"]["status"] == "missing"


@pytest.mark.parametrize("values", [{"ancestors": 99}, {"limit": 0}, {"descendants": "x"}, {"limit": True}])
def test_bad_numbers(values):
    with pytest.raises(VisitorError, match="whole number"):
        TreeRequest.parse(model="pirate", **values)


def test_a_link_brings_the_request_back():
    request = TreeRequest("acme/one", 3, 0, 50)
    assert TreeRequest.from_query(request.to_query()) == request
    assert request.to_query() == "tree=acme%2Fone&ancestors=3&descendants=0&limit=50"
    mine = TreeRequest.parse(recipe=RECIPE)
    assert mine.model == MERGED_HERE and TreeRequest.from_query(mine.to_query()) == mine
    assert TreeRequest.parse(model="acme/one", recipe=RECIPE).recipe == "", "a model of the Hub has its own"
    assert TreeRequest.from_query("tree=") == TreeRequest(), "the entrance of the landing page"


def test_the_suites_own_models_need_no_hub():
    found = tree("pirate")
    assert {(edge["source"], edge["target"]): edge["relation"] for edge in found["edges"]} == {
        (shared_models.EMBEDDED_MODEL, "pirate"): "adapter",
        ("HuggingFaceTB/SmolLM2-135M", shared_models.EMBEDDED_MODEL): "finetune",
    }
    assert (
        found["roots"] == ["HuggingFaceTB/SmolLM2-135M"]
        and nodes(found)["HuggingFaceTB/SmolLM2-135M"]["status"] == "unread"
    )


def test_a_merge_made_here_has_its_tree():
    found = last(grow(TreeRequest()))
    share = {node["id"]: node["share"] for node in found["nodes"]}
    assert share == {
        MERGED_HERE: (1, 1),
        "pirate": (0.8, 0.8),
        "cautious": (0.7, 0.7),
        shared_models.EMBEDDED_MODEL: (1, 1),
        "HuggingFaceTB/SmolLM2-135M": (1, 1),
    }
