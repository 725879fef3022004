"""Reports on published merges: what is true reproduces, and every lie is found where it stands."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from family_tree import differences, model_report, replayed, sample
from family_tree.published_recipe import aligned, parents, stated_coefficients
from family_tree.report_card import svg
from family_tree.report_request import ReportRequest
from merging import recipe as recipes
from merging.check import check
from merging.request import Request
from merging.run import finished, merge, merge_tensors
from merging.tensors import Weights, read_headers
from shared.errors import VisitorError
from shared.steps import last
from tests.family_tree.published import changed, hub_with, publish, recipe, repository  # noqa: F401
from tests.merging.conftest import tensors

UP = "model.layers.2.mlp.up_proj.weight"


def report(model: Path | str, **settings):
    return last(model_report.report(ReportRequest.parse(model=str(model), **settings)))


def verdicts(found) -> dict[str, str]:
    return {line["chapter"]: line["verdict"] for line in found["lines"]}


def said(found, chapter: str) -> str:
    return next(line["says"] for line in found["lines"] if line["chapter"] == chapter)


def linear(family, **weights: float) -> str:
    named = {family[name]: {"weight": weight} for name, weight in weights.items()}
    return recipe("linear", named, dtype="float32")


def based(family, **weights: float) -> str:
    """The same as task arithmetic, where the weights sum to 1."""
    text = linear(family, **weights).replace("linear", "task_arithmetic")
    return f"{text}base_model: {family['base']}\n"


@pytest.fixture(scope="module")
def honest(family, tmp_path_factory) -> Path:
    """A linear merge of 0.6 a and 0.4 b with its own recipe; the tests leave it as it is."""
    return publish(linear(family, a=0.6, b=0.4), tmp_path_factory.mktemp("honest") / "model")


def test_what_is_true_reproduces(honest, quick):
    found = report(honest)
    replay = found["replay"]
    headers = read_headers(honest)
    assert replay["how"] == "all" and replay["counts"] == {"same": len(headers)}
    assert replay["compared_weights"] == replay["weights"] == sum(w.numel() for w in tensors(honest).values())
    assert "byte for byte" in said(found, "replay")
    assert [(one["declared"], one["agrees"]) for one in found["fitted"]] == [(0.4, True)]
    assert {root["share"] for root in found["roots"]} == {(0.6, 0.6), (0.4, 0.4)} and found["total"] == (1, 1)
    assert verdicts(found)["replay"] == verdicts(found)["parents"] == "good"
    assert found["badge"]["message"] == "reproduces, byte for byte" and found["badge"]["verdict"] == "good"
    assert str(honest.parent) not in found["card"], "a card names no folder of this machine"
    assert json.loads(json.dumps(found)) and found["done"]
    assert (
        found["replay"]["map"]["layers"][2][found["replay"]["map"]["modules"].index("mlp.up_proj")] == "same"
    )


def test_headers_alone_tell_names_and_shapes(honest, tmp_path):
    found = report(honest, weights="none")
    assert found["replay"]["counts"] == {"open": len(read_headers(honest))}
    assert verdicts(found)["replay"] == "open" and "names and shapes that the recipe gives" in said(
        found, "replay"
    )
    less = tmp_path / "less"
    shutil.copytree(honest, less)
    weights = {name: value for name, value in tensors(honest).items() if name != UP}
    weights["extra.weight"] = torch.ones(2)
    save_file(weights, less / "model.safetensors")
    found = report(less, weights="none")
    assert found["replay"]["counts"]["missing"] == found["replay"]["counts"]["extra"] == 1
    assert verdicts(found)["replay"] == "bad" and "1 missing in the model" in said(found, "replay")


LIES = {
    "weight": (lambda f: linear(f, a=0.5, b=0.5), "states 0.5 of"),
    "parent": (lambda f: linear(f, a=0.6, c=0.4), "one is wrong or not declared"),
    "traceless": (lambda f: based(f, a=0.6, c=0.4), "left no trace"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_recipe_that_lies_is_told_by_the_weights(lie, honest, family, tmp_path, quick):
    make, sentence = LIES[lie]
    model = tmp_path / "model"
    model.mkdir()
    for path in honest.iterdir():
        (model / path.name).symlink_to(path)
    (model / "mergekit_config.yml").unlink()
    (model / "mergekit_config.yml").write_text(make(family))
    found = report(model)
    assert verdicts(found)["replay"] == verdicts(found)["parents"] == "bad"
    assert sentence in said(found, "parents")
    assert found["replay"]["counts"]["different"] == len(read_headers(honest))
    assert found["badge"]["verdict"] == "bad" and "parents differ" in found["badge"]["message"]


def test_another_dtype_than_the_recipe_says(family, tmp_path, quick):
    true = linear(family, a=0.6, b=0.4)
    lies = true.replace("float32", "bfloat16")
    found = report(publish(true, tmp_path / "longer", says=lies))
    assert verdicts(found)["replay"] == "bad"
    assert any("stored as F32 and the recipe gives BF16" in limit for limit in found["replay"]["limits"])
    saved = publish(f"{true}out_dtype: bfloat16\n", tmp_path / "shorter", says=true)
    found = report(saved)
    assert verdicts(found)["replay"] == "mixed" and set(found["replay"]["counts"]) == {"rounded"}
    assert "BF16 where the recipe gives F32" in said(found, "replay")


def test_a_tensor_that_was_changed_after_the_merge(honest, tmp_path, quick):
    found = report(changed(honest, tmp_path / "touched", UP, 5))
    (one,) = found["replay"]["differing"]
    assert (one["name"], one["different"]) == (UP, 5) and one["largest"] == pytest.approx(0.5, abs=1e-6)
    assert one["entries"] == tensors(honest)[UP].numel()
    assert found["badge"]["message"].startswith(f"differs in 1 of {len(read_headers(honest))} tensors")
    assert UP in found["card"]


def test_the_seed_decides_what_is_drawn(family, tmp_path, quick):
    own = {family[name]: {"weight": 0.5, "density": 0.5} for name in "ab"}
    text = recipe("dare_ties", own, base_model=family["base"], dtype="float32")
    card = "# A merge\n```sh\nmergekit-yaml recipe.yml child --random-seed 7\n```\n"
    stated = publish(text, tmp_path / "stated", seed=7, card=card)
    found = report(stated)
    assert verdicts(found)["replay"] == "good" and found["recipe"]["seed_from"] == "the card"
    other = report(stated, seed=3)
    assert verdicts(other)["replay"] == "bad" and verdicts(other)["parents"] == "good"
    assert any("seed 3 was taken, as you said" in limit for limit in other["replay"]["limits"])
    (stated / "README.md").write_text("# A merge\n")
    silent = report(stated)
    assert any("since the card states none" in limit for limit in silent["replay"]["limits"])
    assert "a sample cannot tell" in said(report(stated, weights="sample"), "replay")


METHODS = ("linear", "slerp", "ties", "karcher", "model_stock", "breadcrumbs")


@pytest.mark.parametrize("method", METHODS)
def test_tensors_that_are_merged_alone_are_those_of_the_whole_merge(method, family, tmp_path, quick):
    from tests.merging.test_run import recipe_for

    text = recipe_for(method, family)
    found = check(text)
    whole = Weights(finished(merge(Request(text), tmp_path)).folder)
    names = sample.sampled(
        found.plan.inputs,
        {name: one.tensors for name, one in found.sources.items()},
        {name: ("F32", whole.shape(name)) for name in whole.names},
        60_000,
    )
    assert 5 < len(names) < len(whole.names)
    alone = tmp_path / "alone"
    alone.mkdir()
    some = finished(merge_tensors(recipes.parse(text), 0, found.sources, names, alone)).folder
    told = list(differences.differences(Weights(some), whole, names))
    assert {one["state"] for one in told} == {"same"} and sorted(Weights(some).names) == sorted(names)


def test_layers_that_are_stacked(family, tmp_path, quick):
    slices = [
        {"sources": [{"model": family["a"], "layer_range": [0, 3]}]},
        {"sources": [{"model": family["b"], "layer_range": [1, 4]}]},
    ]
    import yaml

    text = yaml.safe_dump({"merge_method": "passthrough", "slices": slices, "dtype": "float32"})
    found = report(publish(text, tmp_path / "deep"))
    assert verdicts(found)["replay"] == verdicts(found)["parents"] == "good"
    assert "not made of those of the same name" in found["untested"], "no coefficient is claimed"


def test_a_mixture_of_experts(tmp_path, quick):
    import yaml

    from tests import zoo
    from tests.merging.test_mixture import tuned

    base = zoo.folder("mistral")
    experts = [{"source_model": tuned(base, tmp_path / name, ord(name))} for name in "ab"]
    text = yaml.safe_dump(
        {"base_model": str(base), "gate_mode": "random", "experts": experts, "dtype": "float32"}
    )
    model = publish(text, tmp_path / "mixture", seed=5, card="# It\n`mergekit-moe x y --random-seed 5`\n")
    found = report(model)
    assert verdicts(found)["replay"] == verdicts(found)["parents"] == "good"
    assert found["recipe"]["method"] == "mixture of experts" and found["recipe"]["seed"] == 5
    other = report(model, seed=6)
    wrong = {one["name"].split(".")[-2] for one in other["replay"]["differing"]}
    assert wrong == {"gate"} and other["replay"]["counts"]["different"] == 3, "the gates alone are drawn"


def test_parents_that_are_mixtures_and_files_that_keep_experts_apart(tmp_path, quick):
    """A merge of two mixtures reproduces, as mergekit writes it today and with its experts apart."""
    from tests import zoo
    from tests.merging.conftest import relative

    base, tuned = str(zoo.folder("mixtral")), str(relative("mixtral", tmp_path / "tuned"))
    text = recipe("linear", {base: {"weight": 0.5}, tuned: {"weight": 0.5}}, dtype="float32")
    model = publish(text, tmp_path / "model")
    assert verdicts(report(model))["replay"] == "good"
    weights, apart = tensors(model), {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".mlp.")
        older = f"{layer}.block_sparse_moe."
        for number in range(3):
            if kind == "experts.gate_up_proj":
                w1, w3 = value[number].chunk(2)
                apart |= {f"{older}experts.{number}.w1.weight": w1, f"{older}experts.{number}.w3.weight": w3}
            elif kind == "experts.down_proj":
                apart[f"{older}experts.{number}.w2.weight"] = value[number]
            else:
                apart[f"{older}{kind}" if kind else name] = value
    (model / "model.safetensors").unlink()
    save_file({name: value.contiguous() for name, value in apart.items()}, model / "model.safetensors")
    found = report(model)
    assert verdicts(found)["replay"] == "good" and found["replay"]["counts"] == {"same": len(weights)}
    apart["model.layers.1.block_sparse_moe.experts.2.w2.weight"] += 0.5
    save_file({name: value.contiguous() for name, value in apart.items()}, model / "model.safetensors")
    assert [one["name"] for one in report(model)["replay"]["differing"]] == [
        "model.layers.1.mlp.experts.down_proj"
    ]


def test_a_difference_is_counted_as_it_is():
    one = torch.tensor([1.0, -0.0, 3.0, float("nan")])
    same = differences.difference("x", one, one.clone())
    assert same["state"] == "same", "the same bytes, whatever they stand for"
    assert differences.difference("x", torch.tensor([0.0]), torch.tensor([-0.0]))["state"] == "rounded"
    assert (
        differences.difference("x", torch.tensor([1.1]), torch.tensor([1.1]).bfloat16())["state"] == "rounded"
    )
    told = differences.difference("x", torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]))
    assert (told["state"], told["different"], told["largest"]) == ("different", 1, 0.5)
    told = differences.difference("x", torch.ones(2), torch.tensor([1.0, float("inf")]))
    assert told["largest"] is None and told["different"] == 1
    assert differences.difference("x", torch.ones(2), torch.ones(3))["state"] == "shape"


def test_a_sample_is_spread_and_keeps_to_its_bytes():
    inputs = {
        f"model.layers.{n}.{m}.weight": [("a", f"model.layers.{n}.{m}.weight")]
        for n in range(32)
        for m in ("q", "k", "norm")
    } | {"lm_head.weight": [("a", "lm_head.weight")]}
    sizes = {"q": (64, 64), "k": (16, 64), "norm": (64,)}
    headers = {name: ("BF16", sizes.get(name.split(".")[-2], (1000, 64))) for name in inputs}
    most = 200_000
    names = sample.sampled(inputs, {"a": headers}, headers, most)
    cost = sum(2 * 2 * torch.Size(headers[name][1]).numel() for name in names)
    assert cost <= most and names == sample.sampled(inputs, {"a": headers}, headers, most)
    layers = {kind: sorted(int(n.split(".")[2]) for n in names if f".{kind}." in n) for kind in sizes}
    assert all(len(found) > 4 and found[0] < 10 and found[-1] > 20 for found in layers.values()), layers
    assert "lm_head.weight" not in names, "it alone is larger than all"


def test_which_recipes_keep_a_tensor_in_its_place():
    def at(*spans):
        return {"slices": [{"sources": [{"model": "a", "layer_range": list(span)}] * 2} for span in spans]}

    assert aligned({"models": []}) and aligned(at([0, 4])) and aligned(at([0, 2], [2, 4]))
    assert not aligned(at([0, 3], [1, 4])) and not aligned({"experts": []}) and not aligned(at([1, 4]))
    text = recipe("linear", {"o/a": {"weight": 3}, "o/b": {"weight": [1, 2]}})
    assert stated_coefficients(recipes.parse(text)) == {}, "it changes over the layers"
    plain = recipes.parse(recipe("task_arithmetic", {"o/a": {"weight": 0.7}}, base_model="o/base"))
    assert stated_coefficients(plain)["o/a"] == 0.7 and parents(plain) == ("o/base", ["o/a"])


# On the Hub


@pytest.fixture
def shelf(family):
    """Repositories of the base and of a, b and c, tuned from it."""
    tuned = {"base_model": "acme/base"}
    return {"acme/base": repository(Path(family["base"]))} | {
        f"acme/{name}": repository(Path(family[name]), cardData=tuned) for name in "abc"
    }


def on_the_hub(folder: Path, family, names: str = "abc") -> Path:
    """A published folder whose recipe names the Hub's models."""
    path = folder / "mergekit_config.yml"
    text = path.read_text()
    for name in ("base", *names):
        text = text.replace(f"{family[name]}\n", f"acme/{name}\n")
    path.write_text(text)
    return folder


@pytest.fixture
def merged(honest, family, tmp_path):
    return on_the_hub(Path(shutil.copytree(honest, tmp_path / "merged")), family)


def test_a_sample_by_ranges_and_all_by_download(shelf, merged, hub_with, quick):  # noqa: F811
    hub = hub_with(shelf | {"acme/merged": repository(merged)})
    found = report("acme/merged", weights="sample")
    replay = found["replay"]
    assert replay["how"] == "sample" and 0 < replay["compared"] <= replay["tensors"]
    assert replay["counts"]["same"] == replay["compared"]
    assert "sample" in replay["limits"][0] and "pins no revision of acme/a" in " ".join(replay["limits"])
    assert all(part for file, part in hub.pieces if file.endswith(".safetensors")), "no file was sent whole"
    assert verdicts(found)["parents"] == "good"
    assert [root["id"] for root in found["roots"]] == ["acme/base"] and found["total"] == (1, 1)
    assert found["badge"]["markdown"].startswith("[![merge report: ")
    assert "{this demo}?room=report&report=acme%2Fmerged&weights=sample)" in found["badge"]["markdown"]
    whole = report("acme/merged")
    assert whole["replay"]["how"] == "all" and verdicts(whole)["replay"] == "good"
    assert "acme/a" in whole["card"] and "{this demo}?room=report&report=acme%2Fmerged)" in whole["card"]
    assert found["sha"] == hub.repos["acme/merged"].sha


def test_a_change_is_seen_in_a_sample_that_meets_it(shelf, merged, tmp_path, hub_with, quick):  # noqa: F811
    hub_with(shelf | {"acme/merged": repository(changed(merged, tmp_path / "x", UP, 3))})
    found = report("acme/merged", weights="sample")
    assert [one["name"] for one in found["replay"]["differing"]] == [UP]
    assert verdicts(found)["replay"] == "bad" and verdicts(found)["parents"] == "good"


@pytest.mark.parametrize("fault", ["missing", "gated"])
def test_a_parent_that_cannot_be_had(fault, shelf, merged, hub_with, quick):  # noqa: F811
    shelf = dict(shelf)
    if fault == "missing":
        del shelf["acme/b"]
    else:
        shelf["acme/b"].refuse = (403, "GatedRepo")
    hub_with(shelf | {"acme/merged": repository(merged)})
    found = report("acme/merged")
    assert verdicts(found)["replay"] == "open" and found["badge"]["message"] == "not replayed"
    reasons = {one["what"]: one["reason"] for one in found["unread"]}
    assert ("no public model" if fault == "missing" else "accepted") in reasons["acme/b"]
    (finding,) = [one for one in found["findings"] if one["level"] == "error"]
    assert finding["where"] == "models[1].model" and finding["fix"]
    ghost = next(root for root in found["roots"] if root["id"] == "acme/b")
    assert ghost["share"] == (0.4, 0.4) and found["total"] == (1, 1)


def test_several_stages_and_a_licence_on_the_way(shelf, merged, family, tmp_path, hub_with, quick):  # noqa: F811
    """A merge of a merge: shares multiply, and what a grandparent asks reaches the child."""
    shelf["acme/b"].metadata["cardData"] = {"license": "cc-by-nc-4.0", "base_model": "acme/base"}
    text = recipe("linear", {str(merged): {"weight": 1}, family["c"]: {"weight": 3}}, dtype="float32")
    top = on_the_hub(publish(text, tmp_path / "top"), family)
    path = top / "mergekit_config.yml"
    path.write_text(path.read_text().replace(str(merged), "acme/merged"))
    hub_with(shelf | {"acme/merged": repository(merged), "acme/top": repository(top)})
    found = report("acme/top")
    assert verdicts(found)["replay"] == "good" and [one["found"] for one in found["fitted"]] == [
        pytest.approx(0.75, abs=1e-3)
    ]
    assert verdicts(found)["licences"] == "bad" and "no commercial use" in said(found, "licences")
    way = next(one["path"] for one in found["licences"]["obligations"] if one["asks"] == "no commercial use")
    assert way == ["acme/top", "acme/merged", "acme/b"]
    assert "acme/top ← acme/merged ← acme/b" in found["card"]
    assert found["badge"]["message"] == "reproduces, byte for byte, 1 licence conflict"


def test_a_card_that_shows_another_recipe(shelf, merged, hub_with, quick):  # noqa: F811
    shown = (merged / "mergekit_config.yml").read_text().replace("0.6", "0.9")
    (merged / "README.md").write_text(f"# Hi\n```yaml\n{shown}```\n")
    hub_with(shelf | {"acme/merged": repository(merged)})
    found = report("acme/merged", weights="none")
    (told,) = [
        one for one in found["findings"] if one["level"] == "warning" and "another recipe" in one["message"]
    ]
    assert told["where"] == "models[0].parameters.weight" and "“0.9” where that has “0.6”" in told["message"]
    assert verdicts(found)["recipe"] == "mixed" and said(found, "replay").startswith(
        "No weights were read, as you chose."
    )


def test_a_card_with_several_recipes(shelf, merged, hub_with, quick):  # noqa: F811
    """Two merges that went before, one of them with lines of --- in its block, and the model's own."""
    config = merged / "mergekit_config.yml"
    own = config.read_text()
    config.unlink()
    before = own.replace("0.6", "0.9").replace("linear", "task_arithmetic") + "base_model: acme/base\n"
    other = recipe("passthrough", {"acme/c": {}})
    blocks = f"```yaml\n{before}---\n{other}```\nThen:\n```yaml\n{own}```\nAgain:\n```\n{own}```\n"
    (merged / "README.md").write_text(f"# Hi\n{blocks}")
    stated = {"base_model": ["acme/a", "acme/b"]}
    hub_with(shelf | {"acme/merged": repository(merged, cardData=stated, tags=["merge"])})
    found = report("acme/merged")
    assert [(one["number"], one["method"]) for one in found["recipe"]["choices"]] == [
        (1, "task_arithmetic"),
        (2, "passthrough"),
        (3, "linear"),
    ]
    assert found["recipe"]["number"] == 3 and verdicts(found)["replay"] == "good"
    assert "Recipe 3 of the 3" in said(found, "recipe")
    assert any("number 3, which agrees best" in one["message"] for one in found["findings"])
    lied = report("acme/merged", which=1)
    assert lied["recipe"]["text"].strip() == before.strip() and verdicts(lied)["replay"] == "bad"
    assert any("number 1, which you chose" in one["message"] for one in lied["findings"])
    assert "&which=1)" in lied["badge"]["markdown"] and lied["request"]["which"] == 1
    third = report("acme/merged", which="2", weights="none")
    assert third["recipe"]["method"] == "passthrough"
    unused = "Its card names acme/a, acme/b, which its recipe does not use."
    assert unused in [one["message"] for one in third["findings"]], "the tree goes by the chosen recipe"
    with pytest.raises(VisitorError, match="publishes 3 recipes that can be read; there is no number 4"):
        report("acme/merged", which=4)
    with pytest.raises(VisitorError, match="which is 0"):
        report("acme/merged", which=0)


EVIL = "<img src=x onerror=alert(1)>|`](javascript:x)\u202e"
HOSTILE = {
    "bomb": "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 3 + "merge_method: linear\n",
    "deep": "models: " + "[" * 4000,
    "tag": "merge_method: !!python/object/apply:os.system [id]\n",
    "path": recipe("linear", {"../../../etc": {"weight": 1}, "/etc": {"weight": 1}}),
    "markup": recipe("linear", {EVIL: {"weight": 1}, "acme/a": {"weight": EVIL}}),
    "huge": "merge_method: linear\nmodels:\n" + "- model: acme/a\n" * 4000,
    "stages": "merge_method: linear\nmodels: []\n---\nmerge_method: linear\nmodels: []\n",
    "numbers": recipe("linear", {"acme/a": {"weight": 1e308}, "acme/b": {"weight": 1e308}}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_cards_end_in_a_report(kind, shelf, merged, hub_with, quick):  # noqa: F811
    (merged / "mergekit_config.yml").write_text(HOSTILE[kind])
    (merged / "README.md").write_text(f"---\nlicense: {EVIL!r}\n---\n{EVIL}\n```yaml\n{HOSTILE[kind]}\n```\n")
    hub_with(
        shelf
        | {"acme/merged": repository(merged, cardData={"license": EVIL, "base_model": [EVIL, "acme/a"]})}
    )
    found = report("acme/merged", weights="none")
    assert verdicts(found)["recipe"] in ("bad", "open") and found["done"]
    assert "<img" not in found["card"] and "](javascript:" not in re.sub(r"\\.", "", found["card"])
    assert all(
        len(one["message"]) < 400 and one["fix"] for one in found["findings"] if one["level"] == "error"
    )


def test_a_badge_holds_no_markup():
    text = svg("merge report", EVIL, "#000")
    assert "<img" not in text and text.count("<text") == 2
    import xml.dom.minidom

    xml.dom.minidom.parseString(text)


def test_a_folder_is_its_owners(honest, monkeypatch):
    from shared import owner

    monkeypatch.setattr(owner, "is_here", lambda: False)
    with pytest.raises(VisitorError, match=r"is a path\. Name a model of the Hub"):
        report(honest)
    assert ReportRequest(model=str(honest)).to_query() is None, "nobody else has it"


def test_what_is_no_model_is_refused(hub_with, shelf):  # noqa: F811
    hub_with(shelf)
    with pytest.raises(VisitorError, match="could not be read: The Hub has no public model"):
        report("acme/none")
    with pytest.raises(VisitorError, match="is not a model id"):
        report("<b>")
    found = report("acme/a")
    assert found["recipe"] is None and verdicts(found)["recipe"] == verdicts(found)["replay"] == "open"
    assert found["badge"]["message"] == "not replayed"


def test_what_is_too_large_is_sampled(merged, shelf, hub_with, monkeypatch, quick):  # noqa: F811
    hub_with(shelf | {"acme/merged": repository(merged)})
    monkeypatch.setattr(replayed, "MOST_DOWNLOAD", 10)
    assert report("acme/merged")["replay"]["how"] == "sample"
    from shared import models

    monkeypatch.setattr(models, "largest_model", lambda **_: 100)
    found = report("acme/merged", weights="all")
    assert "The replay broke off." in said(found, "replay") and "the limit here is" in said(found, "replay")
    assert report("acme/merged")["replay"]["how"] == "sample"
    assert verdicts(report("acme/merged"))["recipe"] == "mixed", (
        "a warning: what cannot be done here is no mistake"
    )
