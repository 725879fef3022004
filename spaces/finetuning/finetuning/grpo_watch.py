"""What is measured of a model that learns from rewards, on prompts and texts that it is not trained on: the
reward, and what it may cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from finetuning import rewards
from finetuning.data import Asked, Change, Grpo, GrpoMark
from finetuning.grpo_request import GrpoRequest
from finetuning.lora import Net
from finetuning.pairs import Rows, Text
from finetuning.questions import Question, Questions
from finetuning.rewards import Written
from finetuning.watch import Watch, elsewhere_texts, plain_windows, spread_of
from shared.estimates import Share, estimate, interval
from shared.talk import Answer, answer_all

if TYPE_CHECKING:
    from torch import Tensor

    from shared.models import Loaded

RUN = 3
"""Tokens of a run that may be repeated."""
NOT_YET = "Before the first step"
WORSE = {"text": 0.1, "elsewhere": 0.1, "repeated": 0.1, "ended": 0.25}
"""From what change on something counts as worse: nats a token, or shares."""


def repeated(ids: Sequence[int]) -> float:
    """Share of an answer's runs of three tokens that stood in it before; 0 for shorter ones."""
    runs = [tuple(ids[at : at + RUN]) for at in range(len(ids) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def likelihoods(net: Net, texts: Sequence[Text]) -> list[Tensor]:
    """Ln p of each answer's tokens under the model before training, nats."""
    import torch

    with torch.no_grad(), net.untrained():
        return [row.cpu() for row in net.token_logs(texts)]


@dataclass
class GrpoWatch:
    """What is followed.

    Args:
        watch: of a plain text and of questions that the prompts are not about.
        asked: held-out prompts.
        longest: tokens of an answer.
    """

    watch: Watch
    asked: Sequence[Question]
    longest: int

    def mark(
        self, net: Net, loaded: Loaded, step: int, request: GrpoRequest
    ) -> Iterator[str | tuple[GrpoMark, dict[str, list[float]]]]:
        """What is known after so many steps: sentences of what goes on; at the end the mark, and the values
        that its means are of.
        """
        prompts = [one.ids for one in self.asked]
        yield f"Answering {len(prompts)} held-out prompts"
        *_, said = answer_all(net.adapter.model, loaded.tokenizer, prompts, self.longest)
        assert isinstance(said, list)
        asked = self._paid(net, loaded, said, request)
        yield "Reading other texts"
        self.watch.remember(net)
        moved = self.watch.elsewhere_of(net)
        values = {
            "reward": [one["reward"] for one in asked],
            "repeated": [one["repeated"] for one in asked],
            "ended": [float(one["ended"]) for one in asked],
            "text": moved.losses,
            "elsewhere": moved.others,
        }
        yield (
            {
                "step": step,
                "asked": asked,
                "reward": _spread(values["reward"]),
                "repeated": _spread(values["repeated"], least=0),
                "ended": Share(sum(one["ended"] for one in asked), len(asked)).to_json(),
                "text": moved.text,
                "kl": moved.kl,
                "elsewhere": moved.elsewhere,
            },
            values,
        )

    def _paid(self, net: Net, loaded: Loaded, said: Sequence[Answer], request: GrpoRequest) -> list[Asked]:
        parts = request.parts
        likely = [0.0] * len(said)
        if any(part.kind == "likelihood" for part in parts):
            texts = [answer_text(one.ids, answer) for one, answer in zip(self.asked, said, strict=True)]
            likely = [float(row.mean()) for row in likelihoods(net, texts)]
            net.forget(texts)
        written = [
            Written(answer.text(loaded.tokenizer), answer.ended, len(answer.ids), one.answer, value)
            for one, answer, value in zip(self.asked, said, likely, strict=True)
        ]
        paid = rewards.paid(parts, written)
        return [
            {
                "prompt": one.words,
                "text": text.text[:600],
                "ended": text.ended,
                "parts": [_short(value) for value in row],
                "reward": _short(rewards.total(parts, row)),
                "repeated": _short(repeated(answer.ids)),
            }
            for one, answer, text, row in zip(self.asked, said, written, paid, strict=True)
        ]


def answer_text(prompt: Sequence[int], answer: Answer) -> Text:
    """A prompt with its answer, the token that ends it included."""
    end = () if answer.end is None else (answer.end,)
    return Text((*prompt, *answer.ids, *end), len(prompt))


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _spread(values: Sequence[float], **least: float) -> Any:
    import torch

    return spread_of(list(torch.tensor(values, dtype=torch.float64)[:, None]), **least)


def watching(request: GrpoRequest, loaded: Loaded, questions: Questions) -> GrpoWatch:
    """What is followed of a run.

    Raises:
        VisitorError: the model has no token of a text.
    """
    rows = Rows((), (), questions.source)
    watch = Watch(rows, plain_windows(loaded), elsewhere_texts("pirate", loaded), (), {}, 0)
    return GrpoWatch(watch, questions.held[: request.answers], request.tokens)


NAMES: dict[str, tuple[str, str]] = {
    "reward": ("reward of held-out prompts", ""),
    "text": ("loss of a plain text", "nats a token"),
    "elsewhere": ("KL on other questions", "nats a token"),
    "repeated": ("repeated runs of three tokens", "share"),
    "ended": ("answers that the model ends", "share"),
}
"""What changes are told of, by what they are called, and their units."""


def changes(first: Mapping[str, list[float]], last: Mapping[str, list[float]]) -> list[Change]:
    """Every measure before and after, with the paired difference's interval.

    The reward counts as better or worse where its interval leaves 0 out; what else moved is worse from
    `WORSE` on, whatever the reward does.
    """
    import torch

    found: list[Change] = []
    for name, (words, unit) in NAMES.items():
        if not first[name]:
            continue
        before, after = (torch.tensor(one[name], dtype=torch.float64) for one in (first, last))
        value = estimate(after - before)
        low, high = interval(value) if value.sigma is not None else (None, None)
        verdict: Literal["better", "worse", "same", "unsure"] = "same"
        if name == "reward":
            bound = "where the interval leaves 0 out"
            sure = low is not None and high is not None and (low > 0 or high < 0)
            if value.mean:
                verdict = "unsure" if not sure else "better" if value.mean > 0 else "worse"
        else:
            bound = f"from {WORSE[name]:g} on"
            grew = -value.mean if name == "ended" else value.mean
            verdict = "worse" if grew >= WORSE[name] else "same"
        found.append(
            {
                "name": words,
                "unit": unit,
                "before": _short(float(before.mean())),
                "after": _short(float(after.mean())),
                "low": None if low is None else _short(low),
                "high": None if high is None else _short(high),
                "verdict": verdict,
                "bound": bound,
            }
        )
    return found


def verdict(data: Grpo) -> str:
    """What became of reward and model, in a sentence or two."""
    if data["stopped"]:
        return data["stopped"]
    if not data["changes"]:
        known = [one["reward"] for one in data["rounds"] if one["reward"]]
        return f"Mean reward of sampled answers {_told(known[-1]['mean'])}" if known else NOT_YET
    reward, *others = data["changes"]
    paid = [
        f"{one['name']} {_told(one['before'])} → {_told(one['after'])}"
        for one in others
        if one["verdict"] == "worse"
    ]
    told = f"Held-out reward {_told(reward['before'], 2)} → {_told(reward['after'], 2)}"
    if reward["low"] is not None and reward["high"] is not None and reward["verdict"] != "same":
        asked = len(data["marks"][-1]["asked"])
        told += f" (by {_told(reward['low'], 2)} to {_told(reward['high'], 2)}, n = {asked})"
    if reward["verdict"] == "unsure":
        told += ", which chance may explain"
    if not paid:
        return f"{told}; nothing that is measured beside it got worse"
    joined = "and the model pays for it" if reward["verdict"] == "better" else "and the rest got worse"
    return f"{told}, {joined}: {'; '.join(paid)}"


def _told(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}".replace("-", "−")
