"""The edit in the weights: its certificate, and its files with a card of what was measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from abliteration import bake, data
from abliteration.card import model_card
from abliteration.certificate import certify
from abliteration.outcome.measure import measurements
from abliteration.outcome.run import Editing, complete, editing, head, step, waiting
from abliteration.request import Request
from shared import experts, models
from shared.errors import VisitorError
from shared.files import written_whole
from shared.models import Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMS: tuple[data.Form, ...] = ("safetensors", "lora")


def certificate(request: Request, loaded: Loaded | None = None) -> Iterator[data.Certificate | data.Waiting]:
    """What every matrix still writes along the direction, and how far weights and run-time edit differ."""
    started = time.monotonic()
    work = yield from editing("certificate", request, loaded)
    yield waiting("certificate", "Editing the weights")
    figure: data.Certificate = {
        **head(work.known, request),
        "kind": "certificate",
        "edit": work.to_json(),
        "certificate": _certified(work)[1],
    }
    yield complete(figure, started)


def _certified(work: Editing) -> tuple[PreTrainedModel, data.CertificateData]:
    """The edited model and its certificate."""
    model, anatomy = work.known.loaded.model, work.known.anatomy
    baked = bake.bake(model, anatomy, work.edit)
    return baked, certify(model, anatomy, work.edit, baked, work.probes).to_json()


def check_form(form: str) -> data.Form:
    """One of `FORMS`.

    Raises:
        VisitorError: it is another.
    """
    for known in FORMS:
        if form == known:
            return known
    raise VisitorError(f"There is no export “{str(form)[:40]}”.", f"Choose one of {', '.join(FORMS)}.")


def export(
    request: Request, folder: Path, form: data.Form = "safetensors", loaded: Loaded | None = None
) -> Iterator[data.Export | data.Waiting]:
    """Write the edited model, or the edit as a LoRA of rank 1, with a card of what was measured of it.

    Args:
        request: of the edit.
        folder: that the files are written to; it appears when it is complete.
        form: one of `FORMS`.
        loaded: the model.

    Raises:
        VisitorError: an edit that has no such form, or a full disk.
    """
    started = time.monotonic()
    work = yield from editing("export", request, loaded)
    bake.check_bakeable(work.edit)
    measures: data.Measures = {"behaviour": {}, "first_token": {}, "along": {}}
    for measures, progress in measurements(work):  # noqa: B007  the last ones are stated
        yield waiting("export", *progress)
    baked, proof = _certified(work)
    figure: data.Export = {
        **head(work.known, request),
        "kind": "export",
        "form": form,
        "edit": work.to_json(),
        "measures": measures,
        "certificate": proof,
    }
    yield step(figure, "Writing the files", 0, 1)
    with written_whole(folder, "the edited model") as part:
        part.mkdir(parents=True)
        _write(work, baked, form, figure, part)
        figure["card"] = model_card(figure)
        (part / "README.md").write_text(figure["card"], encoding="utf-8")
    figure["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    yield complete(figure, started)


def _write(work: Editing, baked: PreTrainedModel, form: data.Form, figure: data.Export, folder: Path) -> None:
    loaded = work.known.loaded
    if form == "safetensors":
        bake.save(baked, loaded.tokenizer, folder)
        return
    base = models.EMBEDDED_MODEL if loaded.id in experts.NAMES else loaded.id
    adapter = bake.save_lora(loaded.model, work.known.anatomy, work.edit, folder, base)
    figure["left_out"], figure["modules"] = list(adapter.left_out), adapter.modules
