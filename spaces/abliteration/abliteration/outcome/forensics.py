"""What was done to a published model: the comparison, a record beside it, and both models on the bench.

It is long because two models, an edit.json and heretic's record all end in one figure.
"""

from __future__ import annotations

import copy
import platform
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abliteration import bake, data, heretic, record, sets, tensors
from abliteration.activations import first_tokens
from abliteration.answers import judgement, share
from abliteration.architecture import inspect
from abliteration.difference import DRAWS, MATCH
from abliteration.encode import Format, encode
from abliteration.forensics import Findings, curves_of, examine
from abliteration.forensics_request import EXAMPLE, ForensicsRequest
from abliteration.measure import average, sample_windows
from abliteration.numbers import short
from abliteration.outcome.run import waiting
from abliteration.request import Request
from abliteration.scale import said
from abliteration.study import SIDES
from abliteration.verdict import verdict
from shared import models
from shared.errors import VisitorError
from shared.files import written_whole
from shared.measure import kl_divergence, window_losses
from shared.models import Loaded
from shared.rules import LIKELIER, verdicts
from shared.steps import last
from shared.talk import answer_all

STORED = Path(__file__).parents[2] / "examples" / record.NAME
MOST_BYTES = 40_000_000_000
"""Of both models together, in the scope that was chosen."""
MOST_ROWS = 600
"""Rows that a figure shows."""
KL, REFUSED = "first-token KL on other prompts, nats", "share of the positive prompts that show it"
"""Measures that a record states."""
Steps = Generator[data.Waiting, None, data.Forensics]


@dataclass(frozen=True)
class Case:
    """Two models that are about to be compared.

    Args:
        pair: of their tensors.
        record: the edit.json that the edited one was made from, if any.
        replayed: folder of that one.
        reproduce: heretic's record, if any.
        checks: of the hashes that a record states.
    """

    pair: tensors.Pair
    record: record.Record | None = None
    replayed: Path | None = None
    reproduce: heretic.Reproduce | None = None
    checks: tuple[data.HashCheck, ...] = ()


def compare(request: ForensicsRequest, folder: Path) -> Iterator[data.Forensics | data.Waiting]:
    """Compare two models tensor by tensor; needs no GPU.

    Args:
        request: what to compare.
        folder: where an edit.json's model is made, which is not there yet.

    Raises:
        VisitorError: a model cannot be read or is none of the other, or the record is none of the model.
    """
    started = time.monotonic()
    case = yield from _opened(request, folder)
    asked = sum(_bytes(case.pair, piece) for piece in case.pair.pieces)
    if asked > MOST_BYTES:
        raise VisitorError(
            f"The two models have {asked / 1e9:.0f} GB of weights; at most {MOST_BYTES / 1e9:.0f} are read.",
            "Compare the matrices that write alone, or choose smaller models.",
        )
    steps = examine(case.pair, request.scope)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            found: Findings = end.value
            break
        yield waiting("forensics", *progress)
    figure = _figure(request, case, found)
    figure["seconds"] = round(time.monotonic() - started, 1)
    figure["done"] = not request.measured
    yield copy.copy(figure)


def _bytes(pair: tensors.Pair, piece: tensors.Piece) -> int:
    size = 1
    for side in piece.shape:
        size *= side
    return size * sum(
        tensors.FLOATS.get(weights.entries[name].dtype, ("", 0))[1]
        for weights, name in ((pair.base, piece.base), (pair.edited, piece.edited))
    )


def _opened(request: ForensicsRequest, folder: Path) -> Generator[data.Waiting, None, Case]:
    text = request.record
    if not text and request.edited == EXAMPLE:
        text = STORED.read_text(encoding="utf-8")
    yield waiting("forensics", f"Opening {request.base}")
    if text and not heretic.is_reproduce(text):
        return (yield from _replayed(request, record.read(text), folder))
    stated = heretic.read(text) if text else None
    base, edited = tensors.opened(request.base), tensors.opened(request.edited)
    if stated is None:
        stated = _own_record(edited)
    return Case(tensors.paired(base, edited), reproduce=stated)


def _own_record(edited: tensors.Weights) -> heretic.Reproduce | None:
    """The reproduce.json that lies beside a model, if any that can be read."""
    for path in heretic.PATHS:
        if content := edited.texts(path):
            try:
                return heretic.read(content.decode("utf-8", "replace"))
            except VisitorError:
                return None
    return None


def _replayed(
    request: ForensicsRequest, stated: record.Record, folder: Path
) -> Generator[data.Waiting, None, Case]:
    """An edit.json made again, as files."""
    if stated.model != request.base:
        raise VisitorError(
            f"The edit.json is of {stated.model[:80]}, the base is {request.base[:80]}.",
            f"Name {stated.model[:80]} as the base.",
        )
    yield waiting("forensics", f"Making the edit of {stated.model} again")
    loaded = models.load(stated.model, exact=True)
    cpu = loaded.model
    baked = record.replayed(stated, cpu, inspect(cpu))
    found = record.hashes(baked, cpu, stated.dtype)
    same, different = record.compared(stated, found)
    with written_whole(folder, "the edited model") as part:
        part.mkdir(parents=True)
        bake.save(baked, loaded.tokenizer, part, stated.dtype)
    checks: list[data.HashCheck] = [
        {"what": "tensors", "same": same, "different": different[:50], "unknown": []}
    ]
    base = tensors.opened(request.base)
    edited = tensors.of_folder(folder, record.NAME, stated.revision, "made again from its edit.json")
    return Case(tensors.paired(base, edited), stated, folder, checks=tuple(checks))


def _compared(weights: tensors.Weights) -> data.Compared:
    return {
        "id": weights.id,
        "revision": weights.revision,
        "source": weights.source,
        "dtype": weights.dtype,
        "bytes": weights.bytes,
        "tensors": len(weights.entries),
    }


def _figure(request: ForensicsRequest, case: Case, found: Findings) -> data.Forensics:
    import safetensors
    import torch

    rows = sorted(found.rows, key=lambda row: (row.taken is None, row.layer, row.part))
    shown = rows[:MOST_ROWS]
    stated: Any = request.to_json()
    pair = case.pair
    figure: data.Forensics = {
        "kind": "forensics",
        "run_id": str(time.time_ns()),
        "drawable": True,
        "title": f"{pair.edited.id.split('/')[-1]} against {pair.base.id.split('/')[-1]}",
        "done": True,
        "request": stated,
        "base": _compared(pair.base),
        "edited": _compared(pair.edited),
        "layers": found.layers,
        "width": tensors.width_of(pair.base),
        "looked": found.looked,
        "unmatched": list(pair.unmatched[:50]),
        "rows": [row.to_json(found.shared) for row in shown],
        "left_out": len(rows) - len(shown),
        "agreement": short(found.one, 6),
        "direction": [] if found.shared is None else [short(value, 7) for value in found.shared.tolist()],
        "curves": curves_of(found),
        "verdict": verdict(found),
        "provenance": {
            "machine": platform.machine(),
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
            "draws": DRAWS,
            "match": MATCH,
        },
        "progress": None,
    }
    if claims := _claims(case, found):
        figure["claims"] = claims
    return figure


def _claims(case: Case, found: Findings) -> data.Claims | None:
    """What a record says beside what was found."""
    if stated := case.record:
        kernel = stated.edit.kernel
        return {
            "by": record.NAME,
            "model": stated.model,
            "revision": stated.revision,
            "facts": [f"Method {stated.edit.method}, numbers in {stated.dtype}."],
            "curves": [
                {"part": "attention", "strengths": list(kernel.attention)},
                {"part": "mlp", "strengths": list(kernel.mlp)},
            ],
            "hashes": list(case.checks),
            "measures": [],
        }
    if told := case.reproduce:
        return {
            "by": "heretic's reproduce.json",
            "model": told.model,
            "revision": told.commit,
            "facts": told.facts,
            "curves": [
                {"part": part, "strengths": told.curve(part, found.layers)} for part in ("attention", "mlp")
            ],
            "hashes": [_files_checked(told, case.pair.edited)],
            "measures": [],
        }
    return None


def _files_checked(told: heretic.Reproduce, edited: tensors.Weights) -> data.HashCheck:
    """The hashes of weight files that a record states, where the files lie on this machine."""
    same, different, unknown = 0, [], []
    for name, digest in sorted(told.hashes.items())[:100]:
        path = edited.paths.get(name)
        if path is None:
            unknown.append(name)
        elif record.file_hash(path) == digest:
            same += 1
        else:
            different.append(name)
    return {"what": "files", "same": same, "different": different, "unknown": unknown}


# Both models on the bench


def prepare(request: ForensicsRequest, folder: Path) -> None:
    """Load what `measured` needs, before a GPU is asked for.

    Raises:
        VisitorError: a model cannot be loaded, or is an adapter.
    """
    models.load(request.base)
    if not folder.is_dir():
        models.load(request.edited)


def measured(
    figure: data.Forensics, request: ForensicsRequest, folder: Path
) -> Iterator[data.Forensics | data.Waiting]:
    """Let both models answer, and measure what went and what else moved.

    Args:
        figure: of `compare`.
        request: the same.
        folder: the same.

    Yields:
        The figure with growing measures, the complete one last.
    """
    started = time.monotonic()
    base = models.on_device(models.load(request.base))
    if folder.is_dir():
        again = models.open_folder(folder, record.NAME, base.revision, "made again from its edit.json")
        edited = models.on_device(again, keep=False)
    else:
        edited = models.on_device(models.load(request.edited))
    bench, stated = _bench(request), _stated(request)
    for measures, progress in measure_pair(bench, base, edited):
        figure["measures"] = measures
        label, value, most = progress
        figure["progress"] = {"label": label, "value": value, "max": most}
        yield copy.copy(figure)
    if stated and "claims" in figure:
        figure["claims"] = {**figure["claims"], "measures": _checked(stated, figure["measures"])}
    figure["done"], figure["progress"] = True, None
    figure["seconds"] = round(figure.get("seconds", 0.0) + time.monotonic() - started, 1)
    yield copy.copy(figure)


def _stated(request: ForensicsRequest) -> record.Record | None:
    text = request.record
    if not text and request.edited == EXAMPLE:
        text = STORED.read_text(encoding="utf-8")
    return record.read(text) if text and not heretic.is_reproduce(text) else None


def _bench(request: ForensicsRequest) -> Request:
    """The prompts, their split and their format: a record's own, else those of a stored pair."""
    if stated := _stated(request):
        known = {name: value for name, value in stated.request.items() if name in Request.declared()}
        return Request.parse(**known)
    return Request.parse(contrast=request.contrast)


def measure_pair(
    request: Request, base: Loaded, edited: Loaded
) -> Iterator[tuple[data.PairMeasures, tuple[str, int, int]]]:
    """What one model shows and another does not, on the report prompts of a split; both read the base's
    tokens.

    Args:
        request: its sets, seed, format, rule and length of an answer count.
        base: the model as it was.
        edited: what was made of it.
    """
    pair, _ = sets.resolved(request.pair())
    split, rule = sets.split(pair, request.seed), request.judged
    plain = getattr(base.tokenizer, "chat_template", None) is None
    how = Format("plain") if plain else request.how
    measures: data.PairMeasures = {"contrast": request.contrast, "behaviour": {}, "first_token": {}}
    done, most = 0, 7
    ids = {side: encode(base, split.side("report", side), how, request.answer_tokens) for side in SIDES}
    for side in SIDES:
        judged: data.Judgements = {}
        measures["behaviour"][side] = judged
        for name, loaded in (("base", base), ("edited", edited)):
            yield measures, (f"The {name} model answers the {side} prompts", done, most)
            replies = last(answer_all(loaded.model, base.tokenizer, ids[side], request.answer_tokens))
            assert not isinstance(replies, int)
            one = judgement(base, replies, request.answer_tokens, request.refusal_markers).to_json()
            if rule.kind not in ("refuses", LIKELIER):
                shown = verdicts(rule, said(base, replies))
                one["shows"] = share(shown)
                for answer, hit in zip(one["answers"], shown, strict=True):
                    answer["shows"] = hit
            if name == "base":
                judged["base"] = one
            else:
                judged["edited"] = one
            done += 1
    for side in SIDES:
        yield measures, (f"First tokens of the {side} prompts", done, most)
        before, after = (first_tokens(loaded.model, ids[side])[0] for loaded in (base, edited))
        measures["first_token"][side] = average(kl_divergence(before, after))
        done += 1
    yield measures, ("The sample text", done, most)
    windows = sample_windows(base)
    before, after = (window_losses(loaded.model, windows) for loaded in (base, edited))
    measures["text"] = {"base": average(before), "edited": average(after), "delta": average(after - before)}
    yield measures, ("Measured", most, most)


def stated_measures(measures: data.Measures) -> dict[str, float]:
    """The numbers of an export that an edit.json states, so that whoever makes it again can compare them."""
    judged = measures["behaviour"].get("positive", {}).get("edited")
    token = measures["first_token"].get("negative")
    numbers: dict[str, float] = {}
    if token:
        numbers[KL] = token["kl"]["mean"]
    if judged:
        seen = judged.get("shows") or judged["refused"]
        numbers[REFUSED] = seen["count"] / seen["of"]
    return numbers


def _checked(stated: record.Record, measures: data.PairMeasures) -> list[data.StatedMeasure]:
    judged = measures["behaviour"]["positive"]["edited"]
    seen = judged.get("shows") or judged["refused"]
    now = {KL: measures["first_token"]["negative"]["mean"], REFUSED: seen["count"] / seen["of"]}
    return [
        {
            "name": name,
            "stated": value,
            "now": now[name],
            "same": abs(value - now[name]) <= 2e-3 * max(abs(value), 1e-2),
        }
        for name, value in stated.measures.items()
        if name in now
    ]


def forensics(request: ForensicsRequest, folder: Path) -> Iterator[data.Forensics | data.Waiting]:
    """`compare`, and `measured` where that is asked for, as one run."""
    figure: Any = None
    for step in compare(request, folder):
        figure = step
        yield step
    if request.measured:
        prepare(request, folder)
        yield from measured(figure, request, folder)
