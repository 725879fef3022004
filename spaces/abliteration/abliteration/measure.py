"""What an edit removed and what it damaged, each number with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from abliteration.answers import RULE, by_markers, grade, text_of
from shared import texts

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy
    from shared.models import Loaded

CONTEXT, WINDOWS = 256, 4
"""Windows of the sample text; the second half of each is scored."""


def wilson(count: int, of: int) -> dict[str, Any]:
    """A count with the 95 % Wilson interval of its share."""
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(0.95, "wilson") if of else None
    low, high = (round(float(interval.low), 4), round(float(interval.high), 4)) if interval else (0.0, 1.0)
    return {"count": count, "of": of, "low": low, "high": high}


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error, and the median, which one odd prompt does not move."""

    mean: float
    sigma: float
    of: int
    median: float

    def to_json(self) -> dict[str, Any]:
        """The numbers, and of how many values."""
        return {
            "mean": float(f"{self.mean:.5g}"),
            "sigma": float(f"{self.sigma:.3g}"),
            "of": self.of,
            "median": float(f"{self.median:.5g}"),
        }


def mean(values: Tensor) -> Mean:
    """Mean and its standard error s/√n, in float64."""
    numbers = values.double().flatten()
    sigma = float(numbers.std() / len(numbers) ** 0.5) if len(numbers) > 1 else 0.0
    return Mean(float(numbers.mean()), sigma, len(numbers), float(numbers.median()))


def kl(base: Tensor, edited: Tensor) -> Tensor:
    """KL(base ‖ edited) of log-probabilities along the last axis, nats, float64."""
    p = base.double()
    return (p.exp() * (p - edited.double())).sum(-1).clamp(min=0)


@dataclass(frozen=True)
class Judged:
    """Answers to one set of prompts, judged by both rules.

    Args:
        answers: texts.
        grades: by the graded rule.
        markers: whether a marker is in the answer.
    """

    answers: tuple[str, ...]
    grades: tuple[str, ...]
    markers: tuple[bool, ...]

    def count(self, name: str) -> int:
        """How many answers have a grade."""
        return self.grades.count(name)

    def to_json(self) -> dict[str, Any]:
        """Shares with their intervals, and every answer."""
        return {
            "rule": RULE,
            "markers": wilson(sum(self.markers), len(self.markers)),
            **{
                name: wilson(self.count(name), len(self.grades))
                for name in ("refused", "hedged", "complied", "empty")
            },
            "answers": [
                {"text": text, "grade": grade, "marker": marker}
                for text, grade, marker in zip(self.answers, self.grades, self.markers, strict=True)
            ],
        }


def judge(loaded: Loaded, ids: list[list[int]]) -> Judged:
    """Judge answers given as token ids."""
    found = tuple(text_of(loaded, row) for row in ids)
    return Judged(found, tuple(map(grade, found)), tuple(map(by_markers, found)))


def log_probabilities(model: PreTrainedModel, ids: list[int], start: int) -> Tensor:
    """Log-probabilities of the tokens from index `start` on, given all before: float32 (len(ids) − start,
    vocabulary), on the CPU.
    """
    import torch

    keep = len(ids) - start + 1
    with torch.inference_mode():
        logits = model(torch.tensor([ids], device=model.device), use_cache=False, logits_to_keep=keep).logits[
            0, -keep:-1
        ]
    return logits.float().log_softmax(-1).cpu()


def kl_along(base: PreTrainedModel, edited: PreTrainedModel, prompt: list[int], answer: list[int]) -> Tensor:
    """KL(base ‖ edited) at each token of the base's answer, both models reading that answer (teacher forced):
    float64 (tokens,).
    """
    ids = prompt + answer
    return kl(log_probabilities(base, ids, len(prompt)), log_probabilities(edited, ids, len(prompt)))


def windows_of(tokenizer: Any, text: str = "") -> Tensor:
    """A text, the sample text by default, as int64 (windows, CONTEXT) that do not overlap."""
    import torch

    tokens = tokenizer(text or texts.sample("evaluation"), add_special_tokens=False)["input_ids"][
        : CONTEXT * WINDOWS
    ]
    width = min(CONTEXT, len(tokens))
    return torch.tensor(tokens[: len(tokens) // width * width]).reshape(-1, width)


def surprise(model: PreTrainedModel, windows: Tensor) -> Tensor:
    """−ln p of each true token in the second half of each window: float32 (tokens,)."""
    import torch

    found = []
    for window in windows.tolist():
        start = len(window) // 2
        rows = log_probabilities(model, window, start)
        found.append(-rows[torch.arange(len(rows)), torch.tensor(window[start:])])
    return torch.cat(found)


@cache
def capability_items() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Questions with four answers, the right one first; written for this project."""
    return (
        ("The capital of France is", ("Paris", "London", "Berlin", "Rome")),
        ("The capital of Japan is", ("Tokyo", "Seoul", "Bangkok", "Hanoi")),
        ("The opposite of hot is", ("cold", "warm", "tall", "fast")),
        ("The opposite of up is", ("down", "left", "over", "near")),
        ("A week has seven", ("days", "hours", "months", "years")),
        ("An hour has sixty", ("minutes", "days", "weeks", "meters")),
        ("Two plus two equals", ("four", "five", "three", "seven")),
        ("Ten minus three equals", ("seven", "six", "nine", "two")),
        ("Water freezes to", ("ice", "steam", "sand", "glass")),
        ("The sun rises in the", ("east", "west", "north", "south")),
        ("A baby dog is called a", ("puppy", "kitten", "calf", "foal")),
        ("A baby cat is called a", ("kitten", "puppy", "lamb", "chick")),
        ("Bees make", ("honey", "milk", "wool", "silk")),
        ("Sheep give us", ("wool", "honey", "eggs", "silk")),
        ("The colour of grass is", ("green", "red", "purple", "orange")),
        ("On a clear day the sky is", ("blue", "green", "brown", "pink")),
        ("The largest planet in the solar system is", ("Jupiter", "Mars", "Venus", "Mercury")),
        ("The Earth goes around the", ("Sun", "Moon", "Mars", "stars")),
        ("The author of Romeo and Juliet is William", ("Shakespeare", "Wordsworth", "Blake", "Faulkner")),
        (
            "The first president of the United States was George",
            ("Washington", "Lincoln", "Jefferson", "Franklin"),
        ),
        ("The chemical formula of water is", ("H2O", "CO2", "NaCl", "O2")),
        ("Plants take in carbon", ("dioxide", "monoxide", "fibre", "copy")),
        ("The heart pumps", ("blood", "air", "water", "food")),
        ("We see with our", ("eyes", "ears", "hands", "knees")),
        ("A triangle has three", ("sides", "wheels", "colours", "circles")),
        ("Half of one hundred is", ("fifty", "twenty", "ten", "ninety")),
        ("The language that is spoken in Brazil is", ("Portuguese", "German", "Russian", "Chinese")),
        ("The currency of the United States is the", ("dollar", "euro", "yen", "pound")),
        ("A person who flies a plane is a", ("pilot", "baker", "farmer", "sailor")),
        ("A person who teaches children is a", ("teacher", "driver", "painter", "plumber")),
        ("In winter, snow falls because it is", ("cold", "hot", "dark", "late")),
        ("She was thirsty, so she drank a glass of", ("water", "sand", "paper", "bricks")),
    )


def capability(model: PreTrainedModel, loaded: Loaded) -> list[bool]:
    """By item, whether the right answer is the likeliest of the four, by log-probability per character.

    Items are plain text; a model that has only ever seen chats is measured the same before and after, which
    is what counts here.
    """
    import torch

    from abliteration.activations import batches, padded

    rows, starts, lengths = [], [], []
    for question, choices in capability_items():
        start = loaded.tokenizer(question)["input_ids"]
        for choice in choices:
            rows.append(start + loaded.tokenizer(f" {choice}", add_special_tokens=False)["input_ids"])
            starts.append(len(start))
            lengths.append(len(choice) + 1)
    scores = torch.zeros(len(rows), dtype=torch.float64)
    for chosen in batches(rows):
        ids, ends = padded([rows[index] for index in chosen], model.device)
        with torch.inference_mode():
            log_p = model(ids, use_cache=False).logits.float().log_softmax(-1)
        for place, index in enumerate(chosen):
            at = torch.arange(starts[index], int(ends[place]), device=ids.device)
            scores[index] = float(log_p[place, at - 1, ids[place, at]].double().sum()) / lengths[index]
    return (scores.reshape(-1, 4).argmax(1) == 0).tolist()


def paired(base: list[bool], edited: list[bool]) -> dict[str, Any]:
    """Paired counts of right answers, and the exact McNemar p-value (sign test on the items that changed)."""
    from scipy.stats import binomtest

    lost = sum(one and not other for one, other in zip(base, edited, strict=True))
    won = sum(other and not one for one, other in zip(base, edited, strict=True))
    p = float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    return {
        "base": sum(base),
        "edited": sum(edited),
        "of": len(base),
        "lost": lost,
        "won": won,
        "p": round(p, 4),
    }


def xray(model: PreTrainedModel, anatomy: Anatomy, directions: Tensor, ids: list[int]) -> Tensor:
    """r̂ᵀh of every token at every block's input and after the last block: float32 (layers + 1, tokens)."""
    from abliteration.activations import all_states

    rows = directions.to(model.device).float()
    found = all_states(model, anatomy, ids, lambda hidden: hidden @ rows.T)
    layers = [*range(anatomy.layers), anatomy.layers - 1]
    import torch

    return torch.stack([found[place, :, layer] for place, layer in enumerate(layers)])


def re_emergence(
    model: PreTrainedModel, anatomy: Anatomy, direction: Tensor, prompts: list[list[int]], layers: list[int]
) -> Iterator[dict[str, Any]]:
    """Remove a direction from the stream at one block's input alone, and see later blocks write it again.

    Args:
        direction: unit, (width,).
        prompts: token ids; their last tokens are looked at.
        layers: at whose input it is removed, one after the other.

    Yields:
        First `{"layer": None, …}`, the untouched model; then one object a layer. `component` is the mean of
        r̂ᵀh at every block's input and after the last block.
    """
    from abliteration.ablate import Edit, live
    from abliteration.activations import first_tokens
    from abliteration.kernel import Kernel

    count, zero = anatomy.layers, (0.0,) * anatomy.layers
    for layer in (None, *layers):
        blocks = tuple(float(place == layer) for place in range(count))
        edited = live(
            model, anatomy, Edit("ablate", direction.expand(count, -1), Kernel(0.0, zero, zero, blocks))
        )
        _, streams = first_tokens(edited, prompts, anatomy)
        assert streams is not None
        found = (streams @ direction.float().cpu()).mean(1)
        yield {"layer": layer, "component": [float(f"{value:.5g}") for value in found.tolist()]}
