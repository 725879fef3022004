"""From a request to everything that a room shows: generators that yield the growing JSON of a figure, `done`
last.

Every number that a visitor might publish is of the report split, which neither the direction nor the kernel
has seen.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abliteration import answers, bake, directions, encode, features, measure, optimise, select, sets
from abliteration.ablate import Edit, live
from abliteration.activations import first_tokens
from abliteration.architecture import inspect
from abliteration.request import Request, validate
from abliteration.study import SIDES, Study, check, edit_of, spread, study
from shared import embedded_model, hub, models, texts
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shared.models import Loaded

MARK = "edited model"
"""What every output of an edited model carries."""
ALONG = 8
"""Report prompts of a side along whose base answers KL is measured."""
PROBES = 3
"""Prompts that hook and weights are compared on, and that the re-emergence curve averages over."""
Json = dict[str, Any]


def _begin(kind: str, request: Request) -> Json:
    return {
        "kind": kind,
        "run_id": str(time.time_ns()),
        "drawable": False,
        "title": "",
        "done": False,
        "request": request.to_json(),
        "mark": MARK,
    }


def prepared(room: str, asked: Json, folder: Path) -> Iterator[Json]:
    """What a room needs and no GPU is needed for; yields the figure with its progress.

    A run on ZeroGPU is a forked process: what it loads is lost with it, and takes seconds of the GPU. So it
        must find model, datasets
    and libraries in memory, and what can be refused is refused before.

    Args:
        room: as the figure's kind.
        asked: the request's JSON.
        folder: as for `explained` and `feature_edit`.

    Raises:
        VisitorError: model, datasets or autoencoder cannot be had, the model cannot be edited, or the request
            does not fit it.
    """
    request = validate(**asked)
    data = _begin(room, request)
    yield {**data, "progress": _progress(f"Loading {request.model}", 0, 1)}
    loaded = models.load(request.model)
    anatomy = inspect(loaded.model)
    check(request, anatomy)
    if any(map(sets.is_reference, (request.positive, request.negative))):
        yield {**data, "progress": _progress("Reading the datasets", 0, 1)}
        sets.resolved(request.pair())
    if room in ("features", "feature"):
        yield {**data, "progress": _progress("Loading sae-lens", 0, 1)}
        features.import_sae_lens()
        if request.sae:
            features.load(source_of(request, folder), loaded.model, anatomy, request.sae_layer)


def _opened(data: Json, request: Request, loaded: Loaded | None) -> Generator[Json, None, Study]:
    """Yields the figure with its progress, returns the study."""
    for step in study(request, loaded):
        if isinstance(step, Study):
            data |= _about(step, request)
            return step
        yield {**data, "progress": _progress(*step)}
    raise AssertionError("a study ends with itself")


def _progress(label: str, value: float, most: float) -> Json:
    return {"label": label, "value": value, "max": most}


def _about(known: Study, request: Request) -> Json:
    positive, negative = known.base.scores()
    return {
        "title": f"{known.loaded.id.split('/')[-1]}: {request.contrast}",
        "model": {
            "id": known.loaded.id,
            "source": known.loaded.source,
            "revision": known.loaded.revision,
            **known.anatomy.to_json(),
        },
        "split": known.split.to_json(),
        "positions": list(known.found.positions),
        "refusal": {
            "tokens": [known.loaded.tokenizer.decode([token]) for token in known.base.tokens],
            "ids": known.base.tokens,
            "from": known.tokens_from,
            "positive": round(positive, 4),
            "negative": round(negative, 4),
        },
        "provenance": provenance(known, request),
    }


def provenance(known: Study, request: Request) -> Json:
    """What pins the numbers."""
    import torch
    import transformers

    loaded = known.loaded
    return {
        "model": loaded.id,
        "revision": loaded.revision,
        "source": loaded.source,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seed": request.seed,
        "rule": answers.RULE,
        "datasets": list(known.sources),
    }


def _ended(data: Json, started: float) -> Json:
    return {**data, "done": True, "progress": None, "seconds": round(time.monotonic() - started, 1)}


def find(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """Where the two sets part, layer by layer, and which layer's direction to take."""
    request, started = validate(**asked), time.monotonic()
    data = _begin("find", request)
    known = yield from _opened(data, request, loaded)
    place = request.position
    at = lambda part: tuple(known.streams[part, side][:, :, place] for side in SIDES)  # noqa: E731
    found = directions.separation(at("fit"), at("select"), request.seed)  # type: ignore[arg-type]
    places = directions.places(known.found, *(known.streams["select", side] for side in SIDES))
    data |= {
        "drawable": True,
        "layers": found.layers(),
        "places": places,
        "position": place,
        "limits": {"kl": select.MAX_KL, "induce": select.MIN_INDUCE, "deepest": select.DEEPEST},
        "choice": None,
    }
    yield {**data, "progress": _progress("Trying candidates", 0, 1)}
    tried: list[select.Candidate] = []
    for candidate, count in _tried(known, request):
        tried.append(candidate)
        data["layers"][candidate.layer]["candidate"] = candidate.to_json()
        yield {**data, "progress": _progress(f"Tried layer {candidate.layer}", len(tried), count)}
    data["choice"] = _choice(tried, known, request).to_json()
    yield _ended(data, started)


def _tried(known: Study, request: Request) -> Iterator[tuple[select.Candidate, int]]:
    layers = sorted(
        {*spread(known.layers, request.candidates), *([] if request.layer is None else [request.layer])}
    )
    places = [(layer, request.position) for layer in layers]
    positive, negative = known.side("select", "positive"), known.side("select", "negative")
    for candidate in select.candidates(
        known.loaded.model, known.anatomy, known.found, known.base, positive, negative, places
    ):
        yield candidate, len(places)


def _choice(tried: list[select.Candidate], known: Study, request: Request) -> select.Choice:
    if not tried:
        raise VisitorError(
            "The two sets part at none of the layers that were tried.",
            "Choose another position, or other sets.",
        )
    if request.layer is not None:
        for candidate in tried:
            if candidate.layer == request.layer:
                return select.Choice(candidate, "hand")
        raise VisitorError(f"The two sets do not part at layer {request.layer}.", "Choose a later layer.")
    return select.choose(tried, known.layers, request.rule)


def _layer(known: Study, request: Request, data: Json) -> Generator[Json, None, int]:
    """The request's layer, or the rule's choice."""
    if request.layer is not None:
        return request.layer
    tried = []
    for candidate, count in _tried(known, request):
        tried.append(candidate)
        yield {
            **data,
            "progress": _progress(f"Choosing the layer: tried {candidate.layer}", len(tried), count),
        }
    return _choice(tried, known, request).candidate.layer


def _edited(
    data: Json, request: Request, loaded: Loaded | None
) -> Generator[Json, None, tuple[Study, Edit, int]]:
    """Yields the figure with its progress, returns study, edit and layer."""
    known = yield from _opened(data, request, loaded)
    layer = yield from _layer(known, request, data)
    edit = edit_of(request, known, layer)
    data["edit"] = describe(request, edit, layer)
    return known, edit, layer


def describe(request: Request, edit: Edit, layer: int) -> Json:
    """An edit as the page and the card state it."""
    return {
        "method": edit.method,
        "projection": request.projection,
        "layer": layer,
        "position": request.position,
        "strength": request.strength,
        "kernel": edit.kernel.to_json(),
        "bakeable": bake.bakeable(edit),
    }


def ablate(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """Base and edited answers side by side as they grow, then the X-ray, KL per token and the re-emergence
    curve.
    """
    request, started = validate(**asked), time.monotonic()
    data = _begin("ablate", request)
    known, edit, layer = yield from _edited(data, request, loaded)
    model, edited = known.loaded.model, live(known.loaded.model, known.anatomy, edit)
    prompts = list(request.prompts) or [*known.split.report.positive[:2], *known.split.report.negative[:2]]
    ids = encode.encode(known.loaded, prompts, request.format)
    said: list[list[list[int]]] = [[[] for _ in ids], [[] for _ in ids]]
    stops = encode.ends(known.loaded)
    both = (answers.stream(one, ids, request.answer_tokens, stops) for one in (model, edited))
    for number, pair in enumerate(zip_longest(*both)):
        said = [new or old for new, old in zip(pair, said, strict=True)]
        data |= {"pairs": _pairs(known.loaded, prompts, said), "drawable": True}
        yield {**data, "progress": _progress("Answering", number + 1, request.answer_tokens)}
    for place, (prompt, base, other) in enumerate(zip(ids, *said, strict=True)):
        data["pairs"][place] |= _inside(known, edit, model, edited, prompt, base, other)
        yield {**data, "progress": _progress("Looking inside", place + 1, len(ids))}
    data["re_emergence"] = []
    if edit.method != "add":
        tried = sorted({*spread(known.layers, 5), layer})
        probes = known.side("report", "positive")[:PROBES]
        for curve in measure.re_emergence(model, known.anatomy, edit.directions[layer], probes, tried):
            data["re_emergence"].append(curve)
            yield {
                **data,
                "progress": _progress("Does it come back?", len(data["re_emergence"]), len(tried) + 1),
            }
    yield _ended(data, started)


def _pairs(loaded: Loaded, prompts: list[str], said: list[list[list[int]]]) -> list[Json]:
    return [
        {"prompt": prompt, "base": _answer(loaded, base), "edited": _answer(loaded, other)}
        for prompt, base, other in zip(prompts, *said, strict=True)
    ]


def _answer(loaded: Loaded, ids: list[int]) -> Json:
    text = answers.text_of(loaded, ids)
    return {"text": text, "grade": answers.grade(text), "marker": answers.by_markers(text)}


def _inside(
    known: Study,
    edit: Edit,
    model: PreTrainedModel,
    edited: PreTrainedModel,
    prompt: list[int],
    base: list[int],
    other: list[int],
) -> Json:
    """KL at each token of the base's answer, and the direction's component at each token and layer of both
    answers.
    """
    pieces = lambda row: [known.loaded.tokenizer.decode([token]) for token in row]  # noqa: E731
    found = measure.kl_along(model, edited, prompt, base) if base else None
    rays = {
        name: {
            "tokens": pieces(prompt + said),
            "prompt": len(prompt),
            "layers": _short(measure.xray(one, known.anatomy, edit.directions, prompt + said)),
        }
        for name, one, said in (("base", model, base), ("edited", edited, other))
    }
    return {"kl": [] if found is None else _short(found), "kl_tokens": pieces(base), "xray": rays}


def _short(values: Tensor) -> Any:
    """A tensor as nested lists of four digits."""
    return _digits(values.tolist())


def _digits(value: Any) -> Any:
    return [_digits(item) for item in value] if isinstance(value, list) else float(f"{value:.4g}")


def measured(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """What the edit removed and what it damaged, on the report split, beside two controls."""
    request, started = validate(**asked), time.monotonic()
    data = _begin("measure", request)
    known, edit, layer = yield from _edited(data, request, loaded)
    for part in _measurements(known, edit, layer, request):
        data |= {"measures": part[0], "drawable": "edited" in part[0]["behaviour"].get("positive", {})}
        yield {**data, "progress": _progress(*part[1])}
    yield _ended(data, started)


def ablate_and_measure(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """`ablate` and then `measured` as one run, which ZeroGPU lends a GPU for once; both in the last
    figure.
    """
    pairs: Json = {}
    for pairs in ablate(asked, loaded):
        if not pairs["done"]:
            yield pairs
    for data in measured(asked, loaded):
        seconds = pairs["seconds"] + data.get("seconds", 0)
        yield {
            **pairs,
            "measures": data.get("measures"),
            "progress": data["progress"],
            "seconds": seconds,
            "done": data["done"],
        }


def _measurements(
    known: Study, edit: Edit, layer: int, request: Request
) -> Iterator[tuple[Json, tuple[str, int, int]]]:
    """Growing measures and the progress, one measure after the other."""
    loaded, model = known.loaded, known.loaded.model
    edited = live(model, known.anatomy, edit)
    pair = {"base": model, "edited": edited}
    found: Json = {"behaviour": {}, "first_token": {}, "along": {}}
    steps, done = 8, 0

    def progress(label: str) -> tuple[str, int, int]:
        return (label, done, steps)

    base_answers: dict[str, list[list[int]]] = {}
    for side in SIDES:
        found["behaviour"][side] = {}
        for name, one in pair.items():
            yield found, progress(f"{name.capitalize()} model answers the {side} prompts")
            *_, said = answers.answer(one, loaded, known.side("report", side), request.answer_tokens)
            assert not isinstance(said, int)
            found["behaviour"][side][name] = measure.judge(loaded, said).to_json()
            if name == "base":
                base_answers[side] = said
            done += 1
    for side in SIDES:
        before, after = (first_tokens(one, known.side("report", side))[0] for one in pair.values())
        values, kept = measure.kl(before, after), answers.spared(before, known.base.tokens)
        found["first_token"][side] = {
            "kl": measure.mean(values).to_json(),
            "kl_answered": measure.mean(
                values[kept]
            ).to_json(),  # without prompts that the base is about to refuse
            "refusals": {
                name: _refusals(known, log_p) for name, log_p in (("base", before), ("edited", after))
            },
        }
    done += 1
    yield found, progress("KL along the base's answers")
    for side in SIDES:
        rows = zip(known.side("report", side)[:ALONG], base_answers[side][:ALONG], strict=True)
        values = [measure.kl_along(model, edited, prompt, said) for prompt, said in rows if said]
        found["along"][side] = measure.mean(_joined(values)).to_json() if values else None
    done += 1
    yield found, progress("Text and facts")
    windows = measure.windows_of(loaded.tokenizer)
    before, after = measure.surprise(model, windows), measure.surprise(edited, windows)
    found["text"] = {
        "base": measure.mean(before).to_json(),
        "edited": measure.mean(after).to_json(),
        "delta": measure.mean(after - before).to_json(),
    }
    found["capability"] = measure.paired(
        measure.capability(model, loaded), measure.capability(edited, loaded)
    )
    if request.contrast != "alarming":
        done += 1
        yield found, progress("Over-refusal")
        found["over_refusal"] = {name: _over_refusal(known, one, request) for name, one in pair.items()}
    yield found, progress("Controls")
    found["controls"] = controls(known, edit, layer, request)
    yield found, (("Measured", steps, steps))


def _refusals(known: Study, log_p: Tensor) -> Json:
    """Prompts whose next token opens a refusal more likely than not, with their interval."""
    score = answers.refusal_score(log_p, known.base.tokens)
    return measure.wilson(int((score > 0).sum()), len(score))


def _joined(values: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(values)


def _over_refusal(known: Study, model: PreTrainedModel, request: Request) -> Json:
    """Harmless questions in alarming words: how many are refused."""
    ids = encode.encode(known.loaded, sets.ALARMING[::2], request.format)
    *_, said = answers.answer(model, known.loaded, ids, request.answer_tokens)
    assert not isinstance(said, int)
    return measure.judge(known.loaded, said).to_json()


def controls(known: Study, edit: Edit, layer: int, request: Request) -> list[Json]:
    """The same edit with a direction fitted with permuted labels, and with a random one: first-token
    decisions on the report split.
    """
    import torch

    if edit.method == "add":
        return []
    generator = torch.Generator().manual_seed(request.seed)
    both = torch.cat([known.streams["fit", side][layer, :, request.position] for side in SIDES])
    mixed = both[torch.randperm(len(both), generator=generator)]
    half = len(known.streams["fit", "positive"][0])
    permuted = directions.unit(mixed[:half].mean(0) - mixed[half:].mean(0))
    random = directions.unit(torch.randn(known.anatomy.width, generator=generator))
    found = []
    for name, row in (("permuted labels", permuted), ("random direction", random)):
        # means belong to the direction that they were measured along: a control is the plain ablation
        method = "ablate" if edit.method == "affine" else edit.method
        made = live(
            known.loaded.model, known.anatomy, Edit(method, row.expand(known.layers, -1), edit.kernel)
        )
        sides = {side: known.side("report", side) for side in SIDES}
        after = {side: first_tokens(made, ids)[0] for side, ids in sides.items()}
        before = first_tokens(known.loaded.model, sides["negative"])[0]
        found.append(
            {
                "name": name,
                "refusals": {side: _refusals(known, after[side]) for side in SIDES},
                "kl": measure.mean(measure.kl(before, after["negative"])).to_json(),
            }
        )
    return found


def optimised(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """Search a kernel on the select split, then measure the best one on the report split.

    The layer is one of the things that are searched: the request's is left aside, so that the best of one
    search does not bind the next.
    """
    request, started = validate(**asked), time.monotonic()
    data = _begin("optimise", request)
    known = yield from _opened(data, request, loaded)
    layers = _upper(known, request.position)
    data |= {"trials": [], "front": [], "best": None, "enough": optimise.ENOUGH}
    tried: list[optimise.Trial] = []
    positive, negative = known.side("select", "positive"), known.side("select", "negative")
    for trial in optimise.search(
        known.loaded.model,
        known.anatomy,
        known.found,
        known.base,
        positive,
        negative,
        layers,
        request.position,
        request.trials,
        request.seed,
    ):
        tried.append(trial)
        data |= {
            "drawable": True,
            "trials": [one.to_json() for one in tried],
            "front": optimise.front(tried),
            "best": optimise.best(tried).number,
        }
        yield {**data, "progress": _progress(f"Tried kernel {len(tried)}", len(tried), request.trials)}
    best = optimise.best(tried)
    chosen = validate(
        **{
            **request.to_json(),
            "layer": best.layer,
            "projection": best.projection,
            "kernel": best.kernel,
            "method": "ablate",
            "strength": 1.0,
        }
    )
    edit = edit_of(chosen, known, best.layer)
    data |= {
        "chosen": chosen.to_json(),
        "query": chosen.to_query(),
        "edit": describe(chosen, edit, best.layer),
    }
    for part in _measurements(known, edit, best.layer, chosen):
        data["measures"] = part[0]
        yield {**data, "progress": _progress(*part[1])}
    yield _ended(data, started)


def _upper(known: Study, position: int) -> list[int]:
    """The layers of the upper half: directions of the lower half are about the prompts' words."""
    upper = [layer for layer in range(known.layers // 2, known.layers) if known.found.parts(layer, position)]
    if not upper:
        raise VisitorError(
            "The two sets part at no layer of the upper half.", "Choose another position, or other sets."
        )
    return upper


def explained(asked: Json, folder: Path, loaded: Loaded | None = None) -> Iterator[Json]:
    """What a direction is made of: an autoencoder is trained into a folder, or loaded, and the direction
    pursued in its dictionary.

    Args:
        asked: the request's JSON; its `sae` names an autoencoder to load instead.
        folder: of this session, for the trained autoencoder.
        loaded: the model.
    """
    request, started = validate(**asked), time.monotonic()
    data = _begin("features", request)
    known = yield from _opened(data, request, loaded)
    if request.sae:
        yield {**data, "progress": _progress("Loading the autoencoder", 0, 1)}
        sae, layer = features.load(
            source_of(request, folder), known.loaded.model, known.anatomy, request.sae_layer
        )
    else:
        wanted = [value for value in (request.sae_layer, request.layer) if value is not None]
        layer = wanted[0] if wanted else known.layers * 2 // 3
    features.check_layer(known.anatomy, layer)
    yield {**data, "progress": _progress("Reading texts", 0, 1)}
    tokens = features.collect(known.loaded.model, known.anatomy, corpus(known), layer)
    if not request.sae:
        for state in features.train(
            tokens,
            layer,
            known.loaded.id,
            folder,
            request.features,
            request.k,
            request.steps,
            seed=request.seed,
            device=known.loaded.device,
        ):
            data["training"] = state.to_json()
            yield {**data, "progress": _progress("Training the autoencoder", state.step, state.steps)}
        sae, explained_share, dead = state.sae, state.explained, state.dead
    else:
        explained_share, dead = features.quality(sae, tokens)
    direction = known.found.direction(layer, request.position, request.projection)[layer]
    pursuit = features.pursue(direction, sae.W_dec, seed=request.seed)
    named = [atom["feature"] for atom in pursuit.atoms]
    prompts = list(request.prompts) or [known.split.report.positive[0], known.split.report.negative[0]]
    data |= {
        "drawable": True,
        "sae": {
            "source": request.sae,
            "layer": layer,
            "features": int(sae.cfg.d_sae),
            "architecture": str(sae.cfg.architecture()),
            "explained": explained_share,
            "dead": dead,
            "tokens": len(tokens.owner),
        },
        "pursuit": pursuit.to_json(),
        "tops": features.top_tokens(sae, tokens, known.loaded, named),
        "prompts": [
            {
                "prompt": prompt,
                "tokens": features.of_prompt(
                    sae, known.loaded.model, known.anatomy, known.loaded, ids, layer
                ),
            }
            for prompt, ids in zip(prompts, encode.encode(known.loaded, prompts, request.format), strict=True)
        ],
    }
    yield _ended(data, started)


def source_of(request: Request, folder: Path) -> Path | str:
    """The autoencoder of a request, for `features.load`: a local folder, a name of the registry, or the one
    trained into `folder`.
    """
    if not request.sae:
        return folder
    return Path(request.sae).expanduser() if hub.is_local_path(request.sae) else request.sae


def corpus(known: Study) -> list[list[int]]:
    """What an autoencoder learns from: the fit and select prompts as the model reads them, and the sample
    text in pieces.
    """
    text = known.loaded.tokenizer(texts.sample("calibration"), add_special_tokens=False)["input_ids"]
    pieces = [text[start : start + 128] for start in range(0, len(text) - 16, 128)]
    return [ids for part in ("fit", "select") for side in SIDES for ids in known.side(part, side)] + pieces


def feature_edit(
    asked: Json, folder: Path, feature: int, amount: float | None = None, loaded: Loaded | None = None
) -> Iterator[Json]:
    """Base and edited answers with one feature removed, or held at an amount.

    Args:
        asked: the request's JSON; its prompts are answered.
        folder: where `explained` has trained the autoencoder, unless the request names another.
        feature: its number.
        amount: None to remove it.
    """
    request, started = validate(**asked), time.monotonic()
    data = _begin("feature", request) | {"feature": feature, "amount": amount}
    known = yield from _opened(data, request, loaded)
    sae, layer = features.load(
        source_of(request, folder), known.loaded.model, known.anatomy, request.sae_layer
    )
    model = known.loaded.model
    edited = features.edited(model, known.anatomy, sae, layer, feature, amount)
    prompts = list(request.prompts) or [*known.split.report.positive[:2], *known.split.report.negative[:2]]
    ids = encode.encode(known.loaded, prompts, request.format)
    said: list[list[list[int]]] = [[[] for _ in ids], [[] for _ in ids]]
    both = (
        answers.stream(one, ids, request.answer_tokens, encode.ends(known.loaded)) for one in (model, edited)
    )
    for number, pair in enumerate(zip_longest(*both)):
        said = [new or old for new, old in zip(pair, said, strict=True)]
        data |= {"pairs": _pairs(known.loaded, prompts, said), "drawable": True}
        yield {**data, "progress": _progress("Answering", number + 1, request.answer_tokens)}
    for place, (prompt, base) in enumerate(zip(ids, said[0], strict=True)):
        data["pairs"][place]["kl"] = _short(measure.kl_along(model, edited, prompt, base)) if base else []
        data["pairs"][place]["kl_tokens"] = [known.loaded.tokenizer.decode([token]) for token in base]
    yield _ended(data, started)


def certified(asked: Json, loaded: Loaded | None = None) -> Iterator[Json]:
    """The certificate of an edit in the weights."""
    request, started = validate(**asked), time.monotonic()
    data = _begin("certificate", request)
    known, edit, _ = yield from _edited(data, request, loaded)
    yield {**data, "progress": _progress("Editing the weights", 0, 1)}
    made = bake.bake(known.loaded.model, known.anatomy, edit)
    probes = [*known.side("report", "positive")[:PROBES], *known.side("report", "negative")[:PROBES]]
    certificate = bake.certify(known.loaded.model, known.anatomy, edit, made, probes)
    data |= {"certificate": certificate.to_json(), "drawable": True}
    yield _ended(data, started)


FORMS = ("safetensors", "lora")


def exported(
    asked: Json, folder: Path, form: str = "safetensors", loaded: Loaded | None = None
) -> Iterator[Json]:
    """Write the edited model, or the edit as a LoRA of rank 1, with a card of what was measured of it; yields
    progress, files last.

    Raises:
        VisitorError: unknown form, an edit that has no such form, or a full disk.
    """
    from abliteration.card import model_card

    if form not in FORMS:
        raise VisitorError(f"There is no export “{form[:40]}”.", f"Choose one of {', '.join(FORMS)}.")
    request, started = validate(**asked), time.monotonic()
    data = _begin("export", request) | {"form": form}
    known, edit, layer = yield from _edited(data, request, loaded)
    bake.check_bakeable(edit)
    for part in _measurements(known, edit, layer, request):
        data["measures"] = part[0]
        yield {**data, "progress": _progress(*part[1])}
    made = bake.bake(known.loaded.model, known.anatomy, edit)
    probes = [*known.side("report", "positive")[:PROBES], *known.side("report", "negative")[:PROBES]]
    certificate = bake.certify(known.loaded.model, known.anatomy, edit, made, probes)
    data |= {"certificate": certificate.to_json(), "drawable": True}
    base = models.EMBEDDED_MODEL if known.loaded.id in models.experts.NAMES else known.loaded.id
    try:
        with embedded_model.disk_errors():
            if form == "lora":
                adapter = bake.save_lora(known.loaded.model, known.anatomy, edit, folder, base)
                data |= {"left_out": list(adapter.left_out), "modules": adapter.modules}
            else:
                bake.save(made, known.loaded.tokenizer, folder)
            data["card"] = model_card(data)
            (folder / "README.md").write_text(data["card"], encoding="utf-8")
    except OSError as error:
        for path in folder.iterdir():  # half a model is worse than none
            path.unlink()
        raise VisitorError(
            f"The files could not be written ({error.strerror or error}).",
            "Free some disk space and try again.",
        ) from error
    data["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    yield _ended(data, started)
