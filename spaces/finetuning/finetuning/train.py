"""A run: LoRA by SFT, DPO, ORPO or KTO, in a plain loop that gives TRL's losses, and what is seen of it.

Rows come in the order of TRL's trainer for the same seed; for KTO as they stand. Every step is
AdamW (β .9 and .999, ε 10⁻⁸, no decay) on gradients clipped to norm 1, in float32.
"""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetuning import pairs
from finetuning.data import Run, Train
from finetuning.lora import Adapter, Cache, Net, adapted, blocks
from finetuning.one_step import loss_of, seen_step
from finetuning.packing import batches
from finetuning.pairs import Pair, Rows, Text, crossed
from finetuning.snapshot import Snapshot, restore, taken
from finetuning.tokenizer import opened
from finetuning.train_request import TrainRequest, beside
from finetuning.watch import Watch, countable, is_finite, watching
from shared import models
from shared.errors import VisitorError
from shared.estimates import median
from shared.numbers import counted
from shared.talk import context_limit

if TYPE_CHECKING:
    from shared.models import Loaded

CLIP = 1.0
REFERRED = ("dpo", "kto")
"""Objectives that compare with the model before training."""
MAX_STEP_TOKENS = 4_096
"""Tokens of one step, padding included: its logits fill the memory."""
MAX_RUN_TOKENS = 800_000
"""Tokens of all steps of one run."""
SAME = (
    *("model", "data", "rows", "dataset", "config", "split", "limit", "max_length", "objective"),
    *("rank", "alpha", "targets", "layers", "packing", "qlora", "versus", "behaviours", "answers"),
)
"""Settings that a run goes on with as they are."""


@dataclass(frozen=True)
class Since:
    """Where a run goes on from.

    Args:
        data: the figure of the run so far.
        step: steps that are kept.
        snapshots: of each run that had begun, after that step or, where it had not come so far, an earlier
            one; the others start anew.
    """

    data: Mapping[str, Any]
    step: int
    snapshots: Sequence[Snapshot]


def prepared(request: TrainRequest, upload: Any = None, token: str | None = None) -> tuple[Loaded, Rows]:
    """The model and the rows, checked, before a GPU is asked for.

    Raises:
        VisitorError: as `models.load`, `tokenizer.opened`, `pairs.read` and `countable`; or the rows are
            too long for the model or for a step.
    """
    reader = opened(request.model, "")
    rows = pairs.read(request, reader, upload, token)
    loaded = models.load(request.model, exact=True)
    countable(request, loaded, uploaded=bool(upload))
    texts = [text for pair in (*rows.train, *rows.held) for text in pair.texts]
    longest, limit = max(len(text.ids) for text in texts), context_limit(loaded)
    if request.objective == "kto":  # prompts stand before the answers of other rows
        answers = (text.trained + len(pair.rests[0]) for pair in rows.train for text in pair.texts)
        longest = min(request.max_length, max(text.start for text in texts) + max(answers))
    if limit is not None and longest > limit:
        raise VisitorError(
            f"A row has {longest:,} tokens, and {request.model} reads {limit:,}.",
            f"Set max_length to {limit:,} or less.",
        )
    largest = max(max(text.ids) for text in texts)
    size = loaded.model.get_input_embeddings().weight.shape[0]
    if largest >= size:
        raise VisitorError(
            f"The tokenizer writes token {largest:,}, and the model has only {size:,}.",
            "Choose another model.",
        )
    total = 0
    for run in request.runs():
        sides = 1 if run.objective == "sft" else 2
        longest_batch = run.batch
        if run.packing:
            longest_batch = max(map(len, batches(rows.train, run)))
        width = longest_batch * longest * sides
        if width > MAX_STEP_TOKENS:
            raise VisitorError(
                f"A step would read {width:,} tokens ({counted(longest_batch, 'row')}, the longest "
                f"{longest:,}); the limit is {MAX_STEP_TOKENS:,}.",
                "Lower batch or max_length.",
            )
        total += width * run.steps
    if total > MAX_RUN_TOKENS:
        raise VisitorError(
            f"{'The runs' if request.versus else 'The run'} would read up to {total:,} tokens; the limit is "
            f"{MAX_RUN_TOKENS:,}.",
            "Lower steps, batch or max_length.",
        )
    return loaded, rows


def train(
    request: TrainRequest,
    loaded: Loaded,
    rows: Rows,
    since: Since | None = None,
    *,
    uploaded: bool = False,
    cached: bool = True,
) -> Iterator[tuple[Train, Snapshot | None]]:
    """A run as a growing figure, with the adapter and the optimizer as they are after each mark.

    Args:
        request: what is asked for.
        loaded: the model, where it is to run.
        rows: as `prepared` gives them.
        since: a run that goes on.
        uploaded: whether the rows came in a file.
        cached: False to run the whole model in every step.

    Raises:
        VisitorError: peft cannot adapt the model, or a run that goes on has other settings.
    """
    began = time.monotonic()
    if since is not None:
        check_same(request, since)
    data = _started(request, loaded, rows)
    data["resumed"] = since.step if since else None
    if since is not None and data["held_out"] != since.data["held_out"]:
        raise VisitorError(
            "The run that is to go on followed other held-out rows.", "Give its rows again, or start anew."
        )
    watched = watching(request, loaded, rows, uploaded=uploaded)
    watches = {False: watched, True: watched.anew()}  # of another model before training
    caches: dict[tuple[int, bool], Cache] = {}
    asked = request.runs()
    begun = len(since.snapshots) if since else 0
    total = sum(one.steps for one in asked) - sum(one.step for one in (since.snapshots if since else ()))
    done = 0
    for place, one in enumerate(asked):
        adapter = adapted(loaded, one, qlora=one.qlora)
        watch = watches[one.qlora]
        cache = caches.setdefault((adapter.first, one.qlora), Cache(adapter.first)) if cached else None
        like = min((pair.chosen for pair in rows.train), key=lambda text: len(text.ids))
        net = Net(adapter, cache, like)
        if one.objective in REFERRED:
            watch.references(net, [text for pair in rows.held for text in pair.texts])
        seen = _run_of(one, place, request, adapter, net)
        data["runs"].append(seen)
        before = since if place < begun else None
        others = zip(data["runs"][:place], asked, strict=False)
        alike = next((run for run, other in others if other.qlora == one.qlora), None)
        for step in _steps(one, adapter, net, watch, rows, loaded, seen, place, before, alike):
            if isinstance(step, Snapshot):
                yield _now(data, began), step
                continue
            label, value = step
            data["progress"] = {"label": label, "value": done + value, "max": max(1, total)}
            yield _now(data, began), None
        done += one.steps - (before.snapshots[place].step if before else 0)
    data["progress"], data["done"] = None, True
    yield _now(data, began), None


def _now(data: Train, began: float) -> Train:
    """The figure as it is now; what grows later must not change what was sent."""
    runs: list[Run] = [
        {**run, "steps": list(run["steps"]), "marks": [{**mark} for mark in run["marks"]]}  # type: ignore[typeddict-item]
        for run in data["runs"]
    ]
    return {**data, "runs": runs, "seconds": round(time.monotonic() - began, 2)}


def check_same(request: TrainRequest, since: Since) -> None:
    """Raise a VisitorError where a run cannot go on with these settings."""
    before = TrainRequest.parse(**since.data["request"])
    for name in SAME:
        if getattr(before, name) != getattr(request, name):
            was = str(before.to_form()[name])[:40] or "(none)"
            raise VisitorError(
                f"The run that is to go on was made with {name} {was}.",
                "Set it back, or start anew.",
            )
    if not 0 <= since.step <= request.steps:
        raise VisitorError(
            f"The run stands at step {since.step}, and only {request.steps} are asked for.", "Raise steps."
        )


def _started(request: TrainRequest, loaded: Loaded, rows: Rows) -> Train:
    reader = opened(request.model, "")
    texts = [pair.chosen for pair in rows.train]
    whole = request.objective == "orpo"  # its loss counts the prompts too
    return {
        "kind": "train",
        "drawable": True,
        "done": False,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "objective": request.objective,  # type: ignore[typeddict-item]
        "beta": request.beta,
        "runs": [],
        "held_out": [
            {
                "number": pair.number,
                "question": pair.question,
                "tokens": pairs.pieces(reader, pair.chosen),
            }
            for pair in rows.held
            if pair.label
        ],
        "trained": {
            "rows": len(rows.train),
            "tokens": sum(len(text.ids) - 1 if whole else text.trained for text in texts),
            "cut": sum(any(text.cut for text in pair.texts) for pair in rows.train),
            "empty": sum(pair.empty for pair in rows.train),
            "left_out": list(rows.left_out),
            "source": rows.source,
            "more": rows.more,
            "separate": rows.separate,
            "form": rows.form,
            "ignored": list(rows.ignored),
        },
        "provenance": {
            **loaded.origin,
            "device": loaded.device,
            "blocks": len(blocks(loaded.model)[2]),
            "versions": {
                name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")
            },
        },
        "resumed": None,
        "progress": None,
        "seconds": 0.0,
    }


def _run_of(one: TrainRequest, place: int, request: TrainRequest, adapter: Adapter, net: Net) -> Run:
    changed = beside(request.versus)
    keys = changed[place - 1] if place else dict.fromkeys(key for each in changed for key in each)
    differs = {key: getattr(one, key) for key in keys}
    return {
        "name": ", ".join(_setting_words(key, value) for key, value in differs.items()),
        "changes": differs if place else {},
        "rank": one.rank,
        "parameters": sum(value.numel() for value in adapter.parameters.values()),
        "first": adapter.first,
        "cached": net.exact,
        "steps": [],
        "marks": [],
        "stopped": None,
        "seconds": None,
    }


def _setting_words(key: str, value: Any) -> str:
    """A setting in a run's name."""
    if isinstance(value, bool):
        return key if value else f"no {key}"
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"


def _steps(
    one: TrainRequest,
    adapter: Adapter,
    net: Net,
    watch: Watch,
    rows: Rows,
    loaded: Loaded,
    seen: Run,
    place: int,
    since: Since | None,
    alike: Run | None,
) -> Iterator[Snapshot | tuple[str, float]]:
    """The steps of one run, which fill `seen`; yields where it is, and snapshots. `alike` is an earlier run
    of the same model, which answered before its first step.
    """
    import torch

    named = adapter.parameters
    read = batches(rows.train, one)
    used = [text for batch in read for text in _texts_of([rows.train[at] for at in batch], one)]
    optimizer = torch.optim.AdamW(named.values(), lr=one.learning_rate, weight_decay=0.0)
    begin = 0
    if since is not None:
        watch.remember(net)
        begin = since.snapshots[place].step
        before = since.data["runs"][place]
        seen["steps"] = [step for step in before["steps"] if step["step"] <= begin]
        seen["marks"] = [mark for mark in before["marks"] if mark["step"] <= begin]
        if one.objective in REFERRED:
            watch.references(net, used)
        restore(since.snapshots[place], named, optimizer)
        yield taken(place, begin, adapter, optimizer, one.model)
    else:
        first_mark = watch.mark(net, 0, one)
        if not is_finite(first_mark):
            raise VisitorError(
                f"{one.model} gives the held-out rows a loss that is not finite, before any step.",
                "Choose another model.",
            )
        seen["marks"].append(first_mark)
        yield "Before the first step", 0
        watch.remember(net)
        watch.add_elsewhere(net, seen["marks"][0])
        yield "Before the first step", 0
        if alike:  # no adapter has moved anything yet
            first = alike["marks"][0]
            seen["marks"][0]["shares"], seen["marks"][0]["said"] = first["shares"], first["said"]
        else:
            yield from _answered(watch, adapter, loaded, seen, 0)
        if one.objective in REFERRED:
            yield "Reading the rows before training", 0
            watch.references(net, used)
        yield taken(place, 0, adapter, optimizer, one.model)
    marks, rates = one.marks(), one.rates()
    took: list[float] = []
    for step, batch in enumerate(read[begin:], begin):
        clock = time.monotonic()
        some = [rows.train[at] for at in batch]
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        optimizer.zero_grad()
        loss, each, more = loss_of(one, net, watch, some)
        wrong = "" if math.isfinite(float(loss.detach())) else _where(each, some)
        norm = math.nan
        if not wrong:
            loss.backward()
            norm = float(torch.nn.utils.clip_grad_norm_(list(named.values()), CLIP))
            wrong = "" if math.isfinite(norm) else "the gradient is not finite"
        if wrong:
            seen["stopped"] = _ended(step + 1, wrong, seen)
            yield "Stopped", step - begin
            return
        optimizer.step()
        took.append(time.monotonic() - clock)
        seen["steps"].append(seen_step(step + 1, loss, each, rates[step], norm, more))
        seen["seconds"] = round(median(took), 4)
        yield f"Step {step + 1} of {one.steps}", step + 1 - begin
        if step + 1 in marks:
            mark = watch.mark(net, step + 1, one)
            watch.add_elsewhere(net, mark)
            if not is_finite(mark):
                seen["stopped"] = _ended(step + 1, "what is measured after it is not finite", seen)
                yield "Stopped", step + 1 - begin
                return
            seen["marks"].append(mark)
            yield f"Step {step + 1} of {one.steps}", step + 1 - begin
            if step + 1 == marks[-1]:  # answers are the dearest measure
                yield from _answered(watch, adapter, loaded, seen, step + 1 - begin)
            yield taken(place, step + 1, adapter, optimizer, one.model)


def _texts_of(some: Sequence[Pair], one: TrainRequest) -> list[Text]:
    """What a step of DPO or KTO compares with the model before training."""
    own = [text for pair in some for text in pair.texts]
    return own if one.objective == "dpo" else own + crossed(some, one.max_length)


def _answered(
    watch: Watch, adapter: Adapter, loaded: Loaded, seen: Run, value: float
) -> Iterator[tuple[str, float]]:
    for step in watch.answers(adapter, loaded.tokenizer):
        if isinstance(step, int):
            yield f"{step} of {counted(len(watch.asked), 'question')} answered", value
        else:
            seen["marks"][-1]["shares"], seen["marks"][-1]["said"] = step


def _ended(step: int, wrong: str, seen: Run) -> str:
    """Why a run ended at a step, and what is left of it."""
    good = seen["marks"][-1]["step"]
    return (
        f"Step {step}: {wrong}. Training ended there; the adapter of step {good} is kept. "
        "Lower the learning rate."
    )


def _where(each: Sequence[float], some: Sequence[Pair]) -> str:
    """Which rows' loss is no number."""
    bad = [pair.number for pair, value in zip(some, each, strict=True) if not math.isfinite(value)]
    if not bad:
        return "the loss is not finite"
    rows = f"row {bad[0]}" if len(bad) == 1 else f"rows {', '.join(map(str, bad[:4]))}"
    return f"the loss of {rows} is not finite"
