"""The edit in the weights: its certificate, and its files with a card of what was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from abliteration import bake, data, given, record, shards, vector_programs, vectors
from abliteration.card import model_card
from abliteration.certificate import certify
from abliteration.numbers import short
from abliteration.outcome.forensics import stated_measures
from abliteration.outcome.measure import measurements
from abliteration.outcome.run import Editing, complete, editing, head, waiting
from abliteration.request import Request
from abliteration.study import stored
from shared import experts, models
from shared.errors import VisitorError
from shared.files import written_whole
from shared.models import Loaded, twin

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

FORMS: tuple[data.Form, ...] = ("safetensors", "lora")
VECTORS = "vectors"
"""The direction alone, see `vectors_of`."""
SAME = 1e-3
"""Files give the edited model's logits when none differs by more than this many of their standard
deviations.
"""


def certificate(request: Request, loaded: Loaded | None = None) -> Iterator[data.Certificate | data.Waiting]:
    """What every matrix still writes along the direction, and how far weights and run-time edit differ."""
    started = time.monotonic()
    work = yield from editing("certificate", request, loaded)
    yield waiting("certificate", "Editing the weights")
    model, anatomy = work.known.loaded.model, work.known.anatomy
    baked = bake.bake(model, anatomy, work.edit)
    figure: data.Certificate = {
        **head(work.known, request),
        "kind": "certificate",
        "edit": work.to_json(),
        "certificate": certify(model, anatomy, work.edit, baked, work.probes).to_json(),
        "programs": vector_programs.programs(work.known.loaded.id, anatomy, work.edit),
    }
    yield complete(figure, started)


def vectors_of(
    request: Request, folder: Path, loaded: Loaded | None = None
) -> Iterator[data.Certificate | data.Waiting]:
    """Write the differences of means as vector files, see `vectors.write`; the edit's certificate with them.

    Args:
        request: of the edit.
        folder: that the files are written to; it appears when it is complete.
        loaded: the model.

    Raises:
        VisitorError: an edit that has no form as weights, or a full disk.
    """
    work = yield from editing("certificate", request, loaded)
    known = work.known
    facts = {
        "model": known.loaded.id,
        "type": str(known.loaded.model.config.model_type),
        "layer": str(work.layer),
        "position": str(request.position),
        "read": "from a vector file"
        if request.vector
        else f"at layer {work.layer}, position {request.position}, by the {request.projection} difference"
        if request.projection != "causal"
        else "at every layer, as the gradient of the behaviour's score",
    }
    if request.vector:  # its own vectors go on, in the other format too
        file = given.opened(request.vector, known.layers, known.anatomy.width)
        found = {layer: file.raw(layer) for layer in file.has(known.layers)}
    else:
        found = vectors.differences(known.directions, request.position)
    bake.check_bakeable(work.edit)
    vectors.write(found, work.edit, known.anatomy, facts, folder)
    yield from certificate(work.asked_again, known.loaded)


def check_form(form: str) -> data.Form:
    """One of `FORMS`.

    Raises:
        VisitorError: it is another.
    """
    for known in FORMS:
        if form == known:
            return known
    raise VisitorError(
        f"There is no export “{str(form)[:40]}”.", f"Choose one of {', '.join((*FORMS, VECTORS))}."
    )


def export(
    request: Request, folder: Path, form: data.Form = "safetensors", loaded: Loaded | None = None
) -> Iterator[data.Export | data.Waiting]:
    """Write the edited model, or the edit as a LoRA of rank 1; open the files again as their configuration
    says, compare them with the edited model in memory, and state in a card what was measured of them. An
    edit.json beside them makes the same edit again, and a program makes it in files, shard by shard.

    Args:
        request: of the edit.
        folder: that the files are written to; it appears when it is complete.
        form: one of `FORMS`.
        loaded: the model.

    Raises:
        VisitorError: an edit that has no such form, a full disk, or files that do not give the edited model.
    """
    started = time.monotonic()
    work = yield from editing("export", request, loaded)
    bake.check_bakeable(work.edit)
    known = work.known
    model, anatomy = known.loaded.model, known.anatomy
    yield waiting("export", "Writing the files")
    dtype = stored(known.loaded) if form == "safetensors" else "float32"
    baked = bake.bake(model, anatomy, work.edit, linear=form == "lora")
    wanted = logits(bake.rounded(baked, model, dtype), work.probes)
    with written_whole(folder, "the edited model") as part:
        part.mkdir(parents=True)
        facts = _write(work, baked, form, dtype, part)
        yield waiting("export", "Opening them again")
        files = reopened(part, form, known.loaded)
        facts["reopened"] = compared(wanted, logits(files, work.probes))
        measures: data.Measures = {"behaviour": {}, "first_token": {}, "along": {}}
        for measures, progress in measurements(work, files):  # noqa: B007  the last ones are stated
            yield waiting("export", *progress)
        figure: data.Export = {
            **head(known, request),
            "kind": "export",
            "form": form,
            "edit": work.to_json(),
            "measures": measures,
            "certificate": certify(model, anatomy, work.edit, baked, work.probes, files).to_json(),
            **facts,  # type: ignore[typeddict-item]  # its keys are those of an export
        }
        if known.loaded.id not in experts.NAMES:  # an expert's weights are in no file
            program = shards.program(model, anatomy, work.edit, linear=form == "lora")
            (part / shards.NAME).write_text(program, encoding="utf-8")
        figure["card"] = model_card(figure)
        (part / "README.md").write_text(figure["card"], encoding="utf-8")
        (part / record.NAME).write_text(
            record.written(
                work.edit,
                baked,
                model,
                name=known.loaded.id,
                revision=known.loaded.revision,
                dtype=dtype,
                linear=form == "lora",
                request={**work.asked_again.to_json(), "vector": ""},  # a name that opens for nobody else
                files={path.name: record.file_hash(path) for path in sorted(part.glob("*.safetensors"))},
                measures=stated_measures(measures),
            ),
            encoding="utf-8",
        )
    figure["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    yield complete(figure, started)


def base_of(loaded: Loaded) -> str:
    """The name of the model that an adapter is for: an expert is an adapter itself, of the embedded model."""
    return models.EMBEDDED_MODEL if loaded.id in experts.NAMES else loaded.id


def _write(
    work: Editing, baked: PreTrainedModel, form: data.Form, dtype: str, folder: Path
) -> data.ExportFacts:
    """Write the files; what an export says of them."""
    loaded = work.known.loaded
    if form == "safetensors":
        bake.save(baked, loaded.tokenizer, folder, dtype)
        return {"dtype": dtype}
    base = base_of(loaded)
    own = experts.folder(loaded.id) if loaded.id in experts.NAMES else None
    adapter = bake.save_lora(loaded.model, work.known.anatomy, work.edit, folder, base, own)
    return {
        "dtype": dtype,
        "left_out": list(adapter.left_out),
        "modules": adapter.modules,
        "rank": adapter.rank,
        "base": base,
    }


def reopened(folder: Path, form: data.Form, loaded: Loaded) -> PreTrainedModel:
    """The model that files give whoever opens them as their own configuration says, in float32.

    Args:
        folder: of the files.
        form: of them.
        loaded: the model that was edited.

    Raises:
        VisitorError: they cannot be opened, or there is no memory for the model.
    """
    if form == "safetensors":
        again = models.open_folder(folder, loaded.id, loaded.revision, loaded.source, exact=True)
        return models.on_device(again, keep=False).model
    from peft import PeftModel

    name = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    base = loaded if name == loaded.id else models.on_device(models.load(name, exact=True))
    adapted = PeftModel.from_pretrained(twin(base.model), folder).eval()
    inner: PreTrainedModel = adapted.base_model.model  # with the signature of the model itself
    return inner


def logits(model: PreTrainedModel, prompts: list[list[int]]) -> list[Tensor]:
    """Of every token of some prompts, float32 (tokens, vocabulary) each, on the CPU."""
    import torch

    with torch.inference_mode():
        return [
            model(torch.tensor([ids], device=model.device), use_cache=False).logits[0].float().cpu()
            for ids in prompts
        ]


def compared(wanted: list[Tensor], found: list[Tensor]) -> float:
    """Largest difference of two models' logits.

    Raises:
        VisitorError: it is more than rounding.
    """
    gap = max(float((one - other).abs().max()) for one, other in zip(wanted, found, strict=True))
    scale = max(float(row.std()) for row in wanted)
    if not gap <= SAME * scale:
        raise VisitorError(
            f"The written files give other logits than the edited model: they differ by {gap:.3g}, where "
            f"{SAME * scale:.2g} would be rounding.",
            "Nothing was exported. Export in the other form, or choose another model.",
        )
    return short(gap, 3)
