"""What is said of a published edit: against edits that are made here with a known direction, kernel and
strength, numpy's SVD, models of every shape, and differences that are no abliteration.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from abliteration import bake, difference, heretic, record, tensors
from abliteration.architecture import inspect
from abliteration.curve import shape_of
from abliteration.edit import Edit
from abliteration.forensics import curves_of, examine, part_of
from abliteration.kernel import Kernel, falloff
from abliteration.verdict import verdict
from shared.errors import VisitorError
from tests import zoo
from tests.abliteration.conftest import returned
from tests.abliteration.test_zoo import EDITED

WIDTH, INNER = 48, 80


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrix(seed: int, rows: int = WIDTH, columns: int = INNER) -> torch.Tensor:
    """Random, with rows of different lengths as a trained matrix has."""
    made = torch.randn(rows, columns, generator=generator(seed), dtype=torch.float64) * 0.05
    return made * torch.linspace(0.6, 1.6, rows, dtype=torch.float64)[:, None]


def unit(seed: int, width: int = WIDTH) -> torch.Tensor:
    row = torch.randn(width, generator=generator(100 + seed), dtype=torch.float64)
    return row / row.norm()


def edited(before: torch.Tensor, u: torch.Tensor, alpha: float, form: str, kept: str = "") -> torch.Tensor:
    """W − α·p·qᵀW, written out."""
    rows = before.norm(dim=1)
    p, q = {"plain": (u, u), "rows": (rows * u, u / rows)}[form]
    after = before - alpha * torch.outer(p, q @ before)
    if kept == "columns":
        after = after * (before.norm(dim=0) / after.norm(dim=0))
    if kept == "rows":
        after = after * (rows / after.norm(dim=1))[:, None]
    return after


def judged(before: torch.Tensor, after: torch.Tensor, dtype: str = "float64"):
    found = difference.spectrum(after - before, difference.edge_of(after, dtype))
    return found, difference.projection(before, after, dtype, found)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_steps_of_a_dtype_are_torchs(dtype):
    kind = getattr(torch, dtype)
    values = (torch.randn(500, generator=generator(), dtype=torch.float64) * 3).to(kind)
    away = torch.nextafter(values, torch.sign(values) * math.inf).double() - values.double()
    assert torch.equal(difference.steps(values.double(), dtype), away.abs())


@pytest.mark.parametrize(
    ("form", "kept"), [("plain", ""), ("plain", "columns"), ("rows", ""), ("rows", "rows")]
)
@pytest.mark.parametrize("alpha", [1.0, 0.35, 1.7])
def test_a_projection_is_found_with_its_strength_and_direction(form, kept, alpha):
    before, u = matrix(1), unit(1)
    found, taken = judged(before, edited(before, u, alpha, form, kept))
    assert taken is not None and (taken.form, taken.kept) == (form, kept)
    assert taken.strength == pytest.approx(alpha, abs=1e-6)
    rows = before.norm(dim=1)
    p = u if form == "plain" else rows * u / (rows * u).norm()
    assert abs(float(taken.left @ p)) == pytest.approx(1, abs=1e-9)
    assert taken.match > 0.97 and taken.null < 0.8 and taken.explained > 0.999_999
    if not kept:
        assert found.rank == 1 and taken.match > 1 - 1e-9


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_heretics_default_is_known_by_its_rows(dtype):
    """Rows normalized, projected, brought to their old lengths; of that the three largest singular values."""
    kind = getattr(torch, dtype)
    before = matrix(20, 128, 192).to(kind).double()
    wanted = edited(before, unit(20, 128), 0.8, "rows", "rows")
    left, values, right = torch.linalg.svd(wanted - before, full_matrices=False)
    change = left[:, :3] @ torch.diag(values[:3]) @ right[:3]
    after = (before + change).to(kind).double()
    found, taken = judged(before, after, dtype)
    assert taken is not None and taken.form == "rows"
    assert taken.strength == pytest.approx(0.8, abs=0.01) and taken.explained > 0.98
    if dtype == "float32":
        assert found.rank == 3


def test_a_folded_gain_is_seen():
    """An edit before a norm with gain g takes r̂/g from what the matrix writes."""
    before, row = matrix(21), unit(21)
    gain = torch.rand(WIDTH, generator=generator(21), dtype=torch.float64) + 0.3
    u, v = gain * row / (gain * row).norm(), row / gain
    after = before - 0.7 * torch.outer(v / (u @ v), u @ before)
    found = difference.spectrum(after - before, difference.edge_of(after, "float64"))
    taken = difference.projection(before, after, "float64", found, gain)
    assert taken is not None and taken.form == "norm" and taken.strength == pytest.approx(0.7, abs=1e-6)
    assert abs(float(taken.left * gain @ row) / float((taken.left * gain).norm())) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(48, 80), (80, 48), (1_100, 1_200)])
def test_singular_values_are_numpys(shape):
    low = matrix(2, shape[0], 6) @ matrix(3, 6, shape[1])
    found = difference.spectrum(low, 1e-9)
    values = np.linalg.svd(low.numpy(), compute_uv=False)
    assert found.values[:6].tolist() == pytest.approx(values[:6].tolist(), rel=1e-8)
    assert found.rank == 6 and found.total == pytest.approx(float(np.linalg.norm(low.numpy())))
    assert found.complete == (min(shape) <= difference.EXACT)


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_rounding_hides_neither_rank_nor_strength(dtype, alpha):
    """A rank-1 edit of a matrix in bfloat16 differs by full rank: only the first value is above the edge, or
    what is above it lies within the steps.
    """
    kind = getattr(torch, dtype)
    before = matrix(4, 96, 128).to(kind).double()
    after = edited(before, unit(4, 96), alpha, "plain").to(kind).double()
    _, taken = judged(before, after, dtype)
    exact = np.linalg.matrix_rank((after - before).numpy())
    assert exact > 40, "rounding must have made it of full rank"
    assert taken is not None and taken.directions == 1
    error = {"bfloat16": 3e-3, "float16": 3e-4, "float32": 1e-6}[dtype]
    assert taken.strength == pytest.approx(alpha, abs=error)
    assert taken.explained > 0.999 and taken.equal > 0.85
    assert abs(float(taken.left @ unit(4, 96))) > 0.99


def test_rounding_alone_has_no_rank():
    """The edge lies above the largest singular value that rounding makes, nearly always."""
    over = 0
    for seed in range(60):
        before = matrix(seed, 64, 96)
        after = before.to(torch.bfloat16).double()
        over += difference.spectrum(after - before, difference.edge_of(after, "bfloat16")).rank > 0
    assert over == 0


def unrelated(kind: str, before: torch.Tensor, seed: int) -> torch.Tensor:
    """A matrix that was changed by something that is no projection."""
    rows, columns = before.shape
    draw = generator(1_000 + seed)
    noise = lambda *shape: torch.randn(*shape, generator=draw, dtype=torch.float64)  # noqa: E731
    size = 0.05 * float(before.norm())
    if kind.startswith("rank"):
        rank = int(kind[4:])
        change = noise(rows, rank) @ noise(rank, columns)
        return before + size * change / change.norm()
    if kind == "fine-tune":
        change = noise(rows, columns)
        return before + size * change / change.norm()
    if kind == "merge":
        one, other = (before + 0.2 * float(before.std()) * noise(rows, columns) for _ in range(2))
        return 0.5 * (one + other)
    if kind == "quantized":
        scale = before.abs().amax(1, keepdim=True) / 7
        return (before / scale).round() * scale
    return before * 0.98  # weight decay


NULLS = ("rank1", "rank8", "fine-tune", "merge", "quantized", "decay")
SIMULATED = 100


@pytest.mark.parametrize("kind", NULLS)
def test_what_is_no_projection_is_never_called_one(kind):
    """600 matrices in all and no false alarm: at 95 % the rate is below 3 in 600, one in two hundred."""
    alarms = 0
    for seed in range(SIMULATED):
        before = matrix(seed)
        _, taken = judged(before, unrelated(kind, before, seed), "float64")
        alarms += taken is not None
    assert alarms == 0 and SIMULATED * len(NULLS) == difference.SIMULATED


def test_a_matrix_of_one_direction_gives_no_claim():
    """Where W itself has nearly one direction, any difference matches: the random directions say so."""
    column, row = unit(5), unit(6, INNER)
    before = torch.outer(column, row) + 1e-6 * matrix(7)
    after = before + 0.1 * torch.outer(unit(8), row)
    _, taken = judged(before, after)
    assert taken is None


def test_two_directions_are_counted():
    before, u, other = matrix(9), unit(9), unit(10)
    other = other - (other @ u) * u
    after = edited(edited(before, u, 1, "plain"), other / other.norm(), 1, "plain")
    found, taken = judged(before, after)
    assert found.rank == 2 and taken is not None and taken.directions == 2


@pytest.mark.parametrize(
    ("strengths", "kind"),
    [
        ([0.0] * 8, "none"),
        ([0.7] * 8, "constant"),
        ([0, 0, 0.7, 0.7, 0.7, 0, 0, 0], "constant"),
        (falloff(30, 1.2, 17.4, 9.3, 0.2), "falloff"),
        ([0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.2, 0.9], "free"),
    ],
)
def test_the_kernel_is_the_simplest_that_fits(strengths, kind):
    shape = shape_of(strengths)
    assert shape.kind == kind
    if kind == "falloff":
        assert shape.position == pytest.approx(17.4, abs=0.02) and shape.height == pytest.approx(
            1.2, abs=2e-3
        )
        low, high = shape.distance
        assert low <= 9.3 <= high and shape.slope == pytest.approx(-1 / 9.3, abs=1e-3)
    if kind in ("constant", "falloff"):
        assert [shape.at(layer) for layer in range(len(strengths))] == pytest.approx(strengths, abs=6e-3)


# Whole models


def kernel_of(layers: int, embedding: float = 0.0) -> Kernel:
    attention = tuple(round(0.4 + 0.2 * layer, 3) for layer in range(layers))
    return Kernel(embedding, attention, (0.9,) * layers, (0.0,) * layers)


def edit_of(name: str, method: str = "ablate", embedding: float = 0.0) -> Edit:
    anatomy = inspect(zoo.opened(name).model)
    row = unit(11, anatomy.width).float()
    return Edit(method, row.expand(anatomy.layers, -1), kernel_of(anatomy.layers, embedding))


def weights(name: str) -> tensors.Weights:
    return tensors.of_folder(zoo.folder(name), name, "zoo", "zoo")


def found_in(name: str, folder, scope: str = "all"):
    edited_weights = tensors.of_folder(folder, "edited", "here", "here")
    return returned(examine(tensors.paired(weights(name), edited_weights), scope))


def baked_folder(name: str, edit: Edit, folder, dtype: str = ""):
    loaded = zoo.opened(name)
    baked = bake.bake(loaded.model, inspect(loaded.model), edit)
    bake.save(bake.rounded(baked, loaded.model, dtype or loaded.stored), None, folder, dtype or loaded.stored)
    return folder


def loaded_experts(name: str) -> int:
    config = zoo.opened(name).model.config
    return getattr(config, "num_local_experts", None) or config.num_experts


@pytest.mark.parametrize("name", EDITED)
def test_an_edit_of_every_family_is_found_in_its_file(name, tmp_path):
    edit = edit_of(name, embedding=1.0)
    found = found_in(name, baked_folder(name, edit, tmp_path / "edited"))
    data = verdict(found)
    assert data["kind"] == "projection", (data, [row.piece.name for row in found.others])
    anatomy = inspect(zoo.opened(name).model)
    inner = [write for write in anatomy.writes if write.part in ("attention", "mlp")]
    matrices = sum(loaded_experts(name) if write.stack else 1 for write in inner)
    assert len([row for row in found.projected if row.part in ("attention", "mlp")]) == matrices
    assert any(row.part == "embedding" for row in found.projected)
    assert found.one > 0.99 and abs(float(found.shared.float() @ edit.directions[0])) > 0.995
    for curve in curves_of(found):
        wanted = edit.kernel.attention if curve["part"] == "attention" else edit.kernel.mlp
        assert curve["strengths"] == pytest.approx(wanted, abs=0.02)
    assert all(row.taken.explained > 0.97 for row in found.projected)


@pytest.mark.parametrize("name", ["qwen2", "gpt2"])
def test_kept_lengths_are_seen(name, tmp_path):
    found = found_in(name, baked_folder(name, edit_of(name, "norm_preserving"), tmp_path / "e", "float32"))
    assert verdict(found)["kind"] == "projection"
    assert {row.taken.kept for row in found.projected} == {"columns"}
    assert [row.taken.strength for row in found.projected if row.part == "mlp"] == pytest.approx(
        [0.9] * 3, abs=1e-3
    )


@pytest.mark.parametrize("name", ["qwen2", "gpt2"])
def test_an_adapter_is_read_as_it_is(name, tmp_path):
    loaded = zoo.opened(name)
    edit = edit_of(name)
    bake.save_lora(loaded.model, inspect(loaded.model), edit, tmp_path / "lora", name)
    found = found_in(name, tmp_path / "lora")
    assert verdict(found)["kind"] == "projection"
    assert curves_of(found)[0]["strengths"] == pytest.approx(edit.kernel.attention, abs=1e-4)
    assert {row.rank for row in found.projected} == {1}


def changed_folder(name: str, folder, change):
    """A copy of an animal with `change(name, tensor)` in every weight file."""
    shutil.copytree(zoo.folder(name), folder)
    for path in folder.glob("*.safetensors"):
        values = load_file(path)
        save_file(
            {key: change(key, value).contiguous() for key, value in values.items()}, path, {"format": "pt"}
        )
    return folder


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe"])
def test_experts_are_edited_matrix_by_matrix(name, tmp_path):
    width = zoo.opened(name).model.config.hidden_size
    u = unit(12, width).float()

    def project(key: str, value: torch.Tensor) -> torch.Tensor:
        if part_of(key) not in ("attention", "mlp") or value.dim() < 2:
            return value
        exact = value.float()
        left = exact - 0.6 * torch.einsum("d,...n->...dn", u, torch.einsum("d,...dn->...n", u, exact))
        return left.to(value.dtype)

    found = found_in(name, changed_folder(name, tmp_path / "edited", project))
    assert verdict(found)["kind"] == "projection" and found.one > 0.99
    experts = [row for row in found.projected if row.part == "mlp"]
    assert len(experts) >= 9 and [row.taken.strength for row in experts] == pytest.approx(
        [0.6] * len(experts), abs=0.02
    )


def noisy(key: str, value: torch.Tensor, rank: int | None) -> torch.Tensor:
    if value.dim() != 2:
        return value
    draw = generator(len(key))
    change = torch.randn(value.shape, generator=draw)
    if rank:
        change = torch.randn(value.shape[0], rank, generator=draw) @ torch.randn(
            rank, value.shape[1], generator=draw
        )
    return (value.float() + 0.1 * float(value.float().norm()) * change / change.norm()).to(value.dtype)


@pytest.mark.parametrize(("rank", "words"), [(None, "full rank"), (2, "rank 2")])
@pytest.mark.parametrize("name", ["qwen2", "gpt2", "mixtral"])
def test_a_fine_tune_is_no_abliteration(name, rank, words, tmp_path):
    folder = changed_folder(name, tmp_path / "tuned", lambda key, value: noisy(key, value.float(), rank))
    found = found_in(name, folder)
    data = verdict(found)
    assert (
        data["kind"] == "other"
        and data["words"].startswith("This is no abliteration")
        and words in data["words"]
    )


def test_the_same_weights_and_another_dtype_are_told_apart(tmp_path):
    assert verdict(found_in("qwen2", zoo.folder("qwen2")))["kind"] == "same"
    wide = changed_folder("qwen2", tmp_path / "wide", lambda _, value: value.float())
    data = verdict(found_in("qwen2", wide))
    assert data["kind"] == "recast" and "another dtype" in data["words"]


def test_an_edit_beneath_a_fine_tune_is_both(tmp_path):
    edit = edit_of("qwen2")
    folder = baked_folder("qwen2", edit, tmp_path / "edited", "float32")
    path = folder / "model.safetensors"
    values = load_file(path)
    for key, value in values.items():
        if "q_proj.weight" in key:
            values[key] = noisy(key, value, None)
    save_file(values, path, {"format": "pt"})
    data = verdict(found_in("qwen2", folder))
    assert data["kind"] == "mixed" and "3 matrices differ by updates of full rank" in data["words"]


def test_the_writing_matrices_alone_give_the_same(tmp_path):
    folder = baked_folder("qwen2", edit_of("qwen2"), tmp_path / "edited")
    some, whole = found_in("qwen2", folder, "writes"), found_in("qwen2", folder)
    assert some.looked < whole.looked and [row.taken.strength for row in some.projected] == [
        row.taken.strength for row in whole.projected
    ]


def test_models_that_are_none_of_each_other_are_refused(tmp_path):
    with pytest.raises(VisitorError, match="no tensor of the same name"):
        tensors.paired(weights("gpt2"), weights("llama3"))
    bad = changed_folder("qwen2", tmp_path / "nan", lambda _, value: value * float("nan"))
    with pytest.raises(VisitorError, match="not finite"):
        found_in("qwen2", bad)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VisitorError, match="0 safetensors"):
        tensors.of_folder(tmp_path / "empty", "empty", "", "")
    (tmp_path / "empty" / "model.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(VisitorError, match="not a safetensors file"):
        tensors.of_folder(tmp_path / "empty", "empty", "", "")


# Records


def written(name: str, edit: Edit, dtype: str) -> str:
    loaded = zoo.opened(name)
    baked = bake.rounded(bake.bake(loaded.model, inspect(loaded.model), edit), loaded.model, dtype)
    request = {"model": name, "layer": 1}
    settings = {"name": name, "revision": "r", "dtype": dtype, "linear": False, "request": request}
    return record.written(edit, baked, loaded.model, files={}, measures={"kl": 0.5}, **settings)


@pytest.mark.parametrize("method", ["ablate", "norm_preserving"])  # for "fitted" see `test_fitting`
@pytest.mark.parametrize("name", ["qwen2", "gpt2", "gemma2"])
def test_a_record_makes_the_same_edit_again(name, method, tmp_path):
    loaded = zoo.opened(name)
    text = written(name, edit_of(name, method, 1.0), loaded.stored)
    stated = record.read(text)
    again = record.replayed(stated, loaded.model, inspect(loaded.model))
    same, different = record.compared(stated, record.hashes(again, loaded.model, stated.dtype))
    assert not different and same == len(stated.tensors) > 5 and stated.measures == {"kl": 0.5}
    # the hashes are those of the tensors in the file
    bake.save(again, None, tmp_path / "again", stated.dtype)
    file = load_file(tmp_path / "again" / "model.safetensors")
    key = next(key for key in file if key.endswith(next(iter(stated.tensors)).split("model.")[-1]))
    digest = hashlib.sha256(file[key].contiguous().view(torch.uint8).numpy().tobytes())
    assert digest.hexdigest() in stated.tensors.values()
    other = json.loads(text)
    other["edit"]["kernel"]["mlp"][1] = 0.89
    other = record.read(json.dumps(other))
    changed = record.hashes(
        record.replayed(other, loaded.model, inspect(loaded.model)), loaded.model, other.dtype
    )
    assert len(record.compared(other, changed)[1]) in (1, 2)  # a matrix, and its bias


@pytest.mark.parametrize(
    "break_it",
    [
        lambda value: value.pop("edit"),
        lambda value: value["edit"]["directions"].update(float32="AAAA"),
        lambda value: value["edit"].update(method="add"),
        lambda value: value["edit"]["kernel"].update(attention=["x"]),
        lambda value: value.update(kind="recipe"),
        lambda value: value.update(version=9),
    ],
)
def test_a_damaged_record_is_refused_in_two_sentences(break_it):
    value = json.loads(written("qwen2", edit_of("qwen2"), "bfloat16"))
    break_it(value)
    with pytest.raises(VisitorError) as caught:
        record.read(json.dumps(value))
    assert caught.value.remedy
    with pytest.raises(VisitorError, match="layers of width"):
        loaded = zoo.opened("llama3")
        record.replayed(
            record.read(written("qwen2", edit_of("qwen2"), "bfloat16")), loaded.model, inspect(loaded.model)
        )


REPRODUCE = {
    "version": "3",
    "environment": {"heretic": {"version": "1.5.0"}},
    "settings": {
        "model": "owner/name",
        "model_commit": "abc",
        "row_normalization": "full",
        "orthogonalize_direction": True,
    },
    "parameters": {
        "direction_index": 17.4,
        "abliteration_parameters": {
            "attn.o_proj": {
                "max_weight": 1.2,
                "max_weight_position": 17.4,
                "min_weight": 0.2,
                "min_weight_distance": 9.3,
            }
        },
    },
    "hashes": {"model.safetensors": "00"},
}


def test_heretics_record_is_read():
    told = heretic.read(json.dumps(REPRODUCE))
    assert (told.model, told.commit, told.normalization, told.index) == ("owner/name", "abc", "full", 17.4)
    assert told.curve("attention", 30) == list(falloff(30, 1.2, 17.4, 9.3, 0.2)) and not any(
        told.curve("mlp", 30)
    )
    assert "layer 17.4" in " ".join(told.facts) and "lengths kept" in " ".join(told.facts)
    for value in (
        {},
        [],
        {**REPRODUCE, "parameters": {}},
        {**REPRODUCE, "parameters": {"direction_index": "x"}},
    ):
        with pytest.raises(VisitorError, match="no reproduce"):
            heretic.read(json.dumps(value))


def test_every_part_of_a_model_has_its_name():
    assert part_of("layers.0.self_attn.o_proj.weight") == "attention"
    assert part_of("h.0.mlp.c_proj.weight") == part_of("layers.1.mlp.experts.down_proj[3]") == "mlp"
    assert part_of("layers.0.self_attn.q_proj.weight") == part_of("h.0.attn.c_attn.weight") == "reads"
    assert part_of("layers.0.input_layernorm.weight") == part_of("norm.weight") == "norm"
