"""A model with an adapter: LoRA by peft in a twin of the model, run in whole, or from the adapted blocks on.

The blocks below the first adapter do not change, so that what they make of a row is computed once and kept
(cached activations). Where a model adds something between its embeddings and its first block, as Gemma does,
the shortened model is not the model: that is tried on a row before anything is trained, and the whole model
runs then.

It is long because the whole model and the shortened one must give the same, and stand side by side.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from finetuning import nf4
from finetuning.pairs import Text
from finetuning.train_request import TARGETS
from shared import card, models
from shared.errors import VisitorError
from shared.measure import BATCH_TOKENS

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from shared.models import Loaded

MAX_PARAMETERS = 20_000_000
"""Of one adapter."""
EXACT = 1e-4
"""Largest difference of logits, of their largest size, by which the shortened model counts as the model."""


class Settings(Protocol):
    """A request that says what adapter to make."""

    @property
    def rank(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def targets(self) -> str: ...
    @property
    def layers(self) -> int: ...
    @property
    def seed(self) -> int: ...


class _Captured(Exception):
    """The hidden state before the first adapted block, thrown from inside the model."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


def blocks(model: PreTrainedModel) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that holds the blocks, the attribute, and they.

    Raises:
        VisitorError: the model has no list of as many blocks as its config says.
    """
    import torch

    count = getattr(model.config.get_text_config(), "num_hidden_layers", 0)
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ModuleList) and len(child) == count:
                return module, name, child
    raise VisitorError("The model's blocks were not found.", "Choose another model.")


def is_linear(module: Any) -> bool:
    """Whether LoRA takes a module here: torch's Linear, or GPT-2's own."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, Conv1D))


def adapted_layers(count: int, layers: int) -> range:
    """Which blocks get adapters: so many from the top, 0 for all."""
    return range(max(0, count - layers) if layers else 0, count)


@dataclass
class Adapter:
    """An adapter in a twin of a model.

    Args:
        model: the twin, whole, with the adapter in it.
        peft: peft's view of it, for files.
        config: peft's.
        first: the lowest block with an adapter.
        names: of the adapted modules, by block and by the end of their name.
    """

    model: PreTrainedModel
    peft: Any
    config: Any
    first: int
    modules: dict[tuple[int, str], Any]

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What is trained, by name in the files."""
        return {name: value for name, value in self.model.named_parameters() if ".lora_" in name}

    def tensors(self) -> dict[str, Tensor]:
        """The adapter as peft's file holds it, on the CPU."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.peft)
        return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}

    def settings(self, model_id: str) -> str:
        """adapter_config.json."""
        return settings_json(self.config, model_id)

    def norms(self) -> dict[tuple[int, str], tuple[float, float]]:
        """‖ΔW‖ and ‖W‖ (Frobenius) of every adapted module, by ‖s·B·A‖² = s² tr(BᵀB·AAᵀ)."""
        import torch

        found = {}
        with torch.no_grad():
            for key, module in self.modules.items():
                a, b = module.lora_A["default"].weight.double(), module.lora_B["default"].weight.double()
                squared = float(((b.T @ b) * (a @ a.T)).sum())
                size = float(module.get_base_layer().weight.double().norm())
                found[key] = (module.scaling["default"] * math.sqrt(max(0.0, squared)), size)
        return found


def settings_json(config: Any, model_id: str) -> str:
    """A LoraConfig as adapter_config.json, with the model's name."""
    stated = config.to_dict()
    stated["base_model_name_or_path"] = card.public_name(model_id)  # no path of this machine
    stated["inference_mode"] = True
    plain = {
        name: sorted(value) if isinstance(value, set) else getattr(value, "value", value)
        for name, value in stated.items()
    }
    return json.dumps(plain, indent=1, sort_keys=True, default=str) + "\n"


def targets_of(model: PreTrainedModel, request: Settings) -> tuple[list[str], list[int] | None]:
    """The ends of the names of the layers that get adapters, and in which blocks; None for all.

    Raises:
        VisitorError: there are none.
    """
    _, _, found = blocks(model)
    chosen = adapted_layers(len(found), request.layers)
    wanted = TARGETS[request.targets]
    ends = {
        name.rpartition(".")[2]
        for at in chosen
        for name, module in found[at].named_modules()
        if is_linear(module)
    }
    ends = {end for end in ends if not wanted or end in wanted}
    if not ends:
        raise VisitorError(
            f"The model has no layer called {request.targets}.", "Choose all-linear as targets."
        )
    return sorted(ends), None if len(chosen) == len(found) else list(chosen)


def round_blocks(model: PreTrainedModel) -> None:
    """Put weights rounded to NF4 in the place of those of the blocks' linear layers, which stay as they are:
    what bitsandbytes replaces, in float32 here, so that it saves no memory.

    Raises:
        VisitorError: there are none.
    """
    import torch

    _, _, found = blocks(model)
    linear = [one for one in found.modules() if isinstance(one, torch.nn.Linear)]
    if not linear:
        raise VisitorError(
            "The model's blocks have no linear layers that bitsandbytes takes.", "Switch QLoRA off."
        )
    for module in linear:
        module.weight = torch.nn.Parameter(nf4.rounded(module.weight), requires_grad=False)


def adapted(loaded: Loaded, request: Settings, *, qlora: bool = False) -> Adapter:
    """A twin of a model with a fresh adapter: A by Kaiming from the seed, B zero: nothing changes yet.

    The seed feeds a generator of its own: no other random number moves, and none moves these.

    Args:
        loaded: the model.
        request: says what adapter.
        qlora: whether the weights below it are rounded to NF4 first.

    Raises:
        VisitorError: peft cannot adapt the model, or the adapter has too many parameters.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    model = models.twin(loaded.model)
    own: dict[int, Any] = {}
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        # the shared ones keep their flags: others may want their gradients
        known = own.setdefault(id(parameter), torch.nn.Parameter(parameter.detach(), requires_grad=False))
        _replace(model, name, known)
    if qlora:
        round_blocks(model)
    ends, chosen = targets_of(model, request)
    config = LoraConfig(
        r=request.rank,
        lora_alpha=int(request.alpha) if request.alpha.is_integer() else request.alpha,  # type: ignore[arg-type]
        target_modules=ends,
        layers_to_transform=chosen,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        peft = get_peft_model(model, config)
    except ValueError as error:
        raise VisitorError(
            f"peft cannot adapt this model ({str(error).splitlines()[0][:120]}).", "Choose another model."
        ) from error
    _, _, found = blocks(model)
    modules: dict[tuple[int, str], Any] = {}
    for at, block in enumerate(found):
        for name, module in block.named_modules():
            if hasattr(module, "lora_A"):
                modules[at, name] = module
    adapter = Adapter(model, peft, peft.peft_config["default"], min(at for at, _ in modules), modules)
    size = sum(value.numel() for value in adapter.parameters.values())
    if size > MAX_PARAMETERS:
        raise VisitorError(
            f"The adapter would have {size / 1e6:.0f} million parameters; the limit here is "
            f"{MAX_PARAMETERS // 1_000_000} million.",
            "Lower the rank, or adapt fewer layers.",
        )
    start(adapter, request.seed)
    model.eval()  # no dropout: what is trained is what answers
    return adapter


def _replace(model: Any, name: str, value: Any) -> None:
    holder, _, own = name.rpartition(".")
    setattr(model.get_submodule(holder), own, value)


def start(adapter: Adapter, seed: int) -> None:
    """Draw A from a seed, in the order of the names, and set B to zero."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in adapter.parameters.items():
            if ".lora_A." in name:
                drawn = torch.empty(value.shape, dtype=torch.float32)
                torch.nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
                value.copy_(drawn)
            else:
                value.zero_()


@dataclass
class Cache:
    """What the blocks below the adapters make of rows: hidden states, by row."""

    first: int
    hidden: dict[Text, Tensor] = field(default_factory=dict)


class Net:
    """A model with its adapter, asked for log-probabilities of rows.

    Args:
        adapter: in its twin.
        cache: shared between runs whose adapters begin at the same block; None to run the whole model.
        like: a row to try on whether the shortened model is the model.
    """

    def __init__(self, adapter: Adapter, cache: Cache | None, like: Text | None = None) -> None:
        self.adapter = adapter
        self.cache = cache if adapter.first else None
        self.device = adapter.model.get_input_embeddings().weight.device
        self.upper: Any = _upper(adapter) if self.cache is not None else None
        if self.cache is not None and like is not None and not self._is_exact(like):
            self.cache = self.upper = None

    @property
    def exact(self) -> bool:
        """Whether rows come from cached activations."""
        return self.cache is not None

    def _is_exact(self, like: Text) -> bool:
        import torch

        with torch.no_grad():
            try:
                short = self.logits([like], 1)
            except Exception:  # noqa: BLE001  a model of its own kind: it then runs whole
                return False
            whole = self._whole([like], 1)
        return float((short - whole).abs().max()) <= EXACT * float(whole.abs().max())

    def logits(self, texts: Sequence[Text], start: int) -> Tensor:
        """Logits that predict the tokens from index `start` to the end of the longest row, (rows, tokens,
        vocabulary); behind a shorter row's end they mean nothing.
        """
        import torch

        if self.cache is None:
            return self._whole(texts, start)
        self._fill(texts)
        width = max(len(text.ids) for text in texts)
        rows = [self.cache.hidden[text] for text in texts]
        hidden = torch.stack([torch.nn.functional.pad(row, (0, 0, 0, width - len(row))) for row in rows]).to(
            self.device
        )
        return self._run(self.upper, {"inputs_embeds": hidden}, texts, start)

    def _whole(self, texts: Sequence[Text], start: int) -> Tensor:
        return self._run(self.adapter.model, {"input_ids": _padded(texts).to(self.device)}, texts, start)

    def _run(self, model: Any, inputs: dict[str, Any], texts: Sequence[Text], start: int) -> Tensor:
        import inspect

        width = max(len(text.ids) for text in texts)
        keep = width - start + 1
        known = "logits_to_keep" in inspect.signature(model.forward).parameters
        more = {"logits_to_keep": keep} if known else {}
        mask = _mask(texts).to(self.device)
        logits = model(**inputs, attention_mask=mask, use_cache=False, **more).logits
        kept: Tensor = logits[:, -keep:-1]
        return kept

    def _fill(self, texts: Sequence[Text]) -> None:
        """Compute what is missing of the cache, rows together."""
        import torch

        assert self.cache is not None
        missing = [text for text in dict.fromkeys(texts) if text not in self.cache.hidden]
        missing.sort(key=lambda text: len(text.ids))
        while missing:
            longest = len(missing[-1].ids)
            batch = [missing.pop() for _ in range(min(len(missing), max(1, BATCH_TOKENS // longest)))]
            model = self.adapter.model
            _, _, found = blocks(model)
            hook = found[self.adapter.first].register_forward_pre_hook(_capture, with_kwargs=True)
            try:
                with torch.no_grad():
                    model(
                        input_ids=_padded(batch).to(self.device),
                        attention_mask=_mask(batch).to(self.device),
                        use_cache=False,
                    )
            except _Captured as captured:
                for text, row in zip(batch, captured.hidden, strict=True):
                    self.cache.hidden[text] = row[: len(text.ids)].clone()
            finally:
                hook.remove()

    def forget(self, texts: Sequence[Text]) -> None:
        """Drop what is kept of rows that will not come again."""
        if self.cache is not None:
            for text in texts:
                self.cache.hidden.pop(text, None)

    @contextmanager
    def untrained(self) -> Iterator[None]:
        """The model before training, inside: without its adapter."""
        modules = [one for model in (self.adapter.model, self.upper) if model for one in model.modules()]
        layers = [one for one in modules if hasattr(one, "lora_A")]
        for layer in layers:
            layer._disable_adapters = True  # its `enable_adapters` would change what is trained, too
        try:
            yield
        finally:
            for layer in layers:
                layer._disable_adapters = False

    def scores(self, texts: Sequence[Text]) -> list[Tensor]:
        """Logits that predict each row's trained tokens, float32 (trained, vocabulary), with gradients."""
        first = min(text.start for text in texts)
        logits = self.logits(texts, first)
        return [
            scores[text.start - first : len(text.ids) - first].float()
            for text, scores in zip(texts, logits, strict=True)
        ]

    def token_logs(self, texts: Sequence[Text]) -> list[Tensor]:
        """Log-probabilities of every trained token of each row, float32 (trained,), nats; with gradients."""
        return [log_of(scores, text) for scores, text in zip(self.scores(texts), texts, strict=True)]

    def all_logits(self, texts: Sequence[Text]) -> list[Tensor]:
        """Logits that predict each row's trained tokens, float32 (trained, vocabulary), without gradients."""
        import torch

        with torch.no_grad():
            return self.scores(texts)


def log_of(scores: Tensor, text: Text) -> Tensor:
    """Log-probabilities of a row's trained tokens, (trained,), nats, of the logits that predict them."""
    import torch

    targets = torch.tensor(text.ids[text.start :], device=scores.device)
    return -torch.nn.functional.cross_entropy(scores, targets, reduction="none")


def _capture(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    raise _Captured(args[0] if args else kwargs["hidden_states"])


def _padded(texts: Sequence[Text]) -> Tensor:
    import torch

    width = max(len(text.ids) for text in texts)
    return torch.tensor([[*text.ids, *[0] * (width - len(text.ids))] for text in texts])


def _mask(texts: Sequence[Text]) -> Tensor:
    import torch

    width = max(len(text.ids) for text in texts)
    return torch.tensor([[1] * len(text.ids) + [0] * (width - len(text.ids)) for text in texts])


def _upper(adapter: Adapter) -> Any:
    """A second twin that begins with the first adapted block, with the same parameters, the adapter's too."""
    import torch

    model = models.twin(adapter.model)
    holder, name, found = blocks(model)
    setattr(holder, name, torch.nn.ModuleList(list(found)[adapter.first :]))
    for config in {id(one): one for one in (model.config, model.config.get_text_config())}.values():
        config.num_hidden_layers = len(found) - adapter.first
        if getattr(config, "layer_types", None):
            config.layer_types = list(config.layer_types)[adapter.first :]
    inner_config = getattr(holder, "config", None)
    if inner_config is not None and inner_config is not model.config:
        inner_config.num_hidden_layers = len(found) - adapter.first
        if getattr(inner_config, "layer_types", None) and len(inner_config.layer_types) == len(found):
            inner_config.layer_types = list(inner_config.layer_types)[adapter.first :]
    return model
