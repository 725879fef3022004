"""A comparison under way, and the data that its figure draws."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantization import answers, data, formats, metrics
from quantization.memory import memory_of
from quantization.modules import published_dtype
from quantization.request import Request
from shared import measure, paired
from shared.data import Failure
from shared.errors import VisitorError
from shared.models import Loaded
from shared.numbers import counted
from shared.tokens import Texts

if TYPE_CHECKING:
    from torch import Tensor

    from quantization.flips import Questions
    from quantization.kinds import Kinds
    from quantization.published_check import Expected
    from quantization.published_model import Published
    from quantization.sensitivity import Budget, Sensitivity

SHOWN_TOKENS = 256
"""Scored tokens that the token microscope shows; the numbers of a row are of all."""


@dataclass
class Row:
    """One format: what it is, how far it came, and what was measured.

    Args:
        form: the format.
        status: "waiting", "running", "done" or "failed".
        facts: once it is done.
        scores: likewise.
        answer: likewise, where there is a prompt.
        error: why it failed.
        files: of the format's own, where they were written.
        published: the file that the row is, once its header was read.
        base: what such a file is held against.
    """

    form: formats.Format
    status: str = "waiting"
    facts: data.Facts | None = None
    scores: metrics.Scores | None = None
    answer: answers.Answer | None = None
    error: VisitorError | None = None
    files: list[Path] = field(default_factory=list)
    published: Published | None = None
    base: Expected | None = None

    @property
    def called(self) -> str:
        """The row's name in a sentence."""
        return self.form.label if self.published else self.form.name


@dataclass
class Comparison:
    """A comparison under way; `to_json` is what the API returns and the figure draws.

    Args:
        request: what is compared.
        loaded: the base model.
        rows: in the order of the request, the mix last.
        run_id: tells runs apart.
        folder: where each row's own files are written, or None.
        apart: whether a row of several files has a folder of its own there.
        base: its pass, once done.
        base_facts: its numbers, once it has answered too.
        base_answer: its answer, where there is a prompt.
        sensitivity: of every unit, once measured.
        budget: every mix, once planned.
        floor: how far the base is from itself, once measured.
        kinds: the base's pass over texts of several kinds, once done.
        questions: that all are asked, where any are.
        warnings: what a reader should know about all rows.
        progress: what is done now, how far it is, and where the end is.
        seconds: that the whole took.
        done: whether it is complete.
    """

    request: Request
    loaded: Loaded
    rows: list[Row]
    run_id: str
    folder: Path | None = None
    apart: bool = False
    base: metrics.Base | None = None
    base_facts: data.Base | None = None
    base_answer: answers.Answer | None = None
    sensitivity: Sensitivity | None = None
    budget: Budget | None = None
    floor: data.Floor | None = None
    kinds: Kinds | None = None
    questions: Questions | None = None
    warnings: list[str] = field(default_factory=list)
    progress: tuple[str, float, float] = ("Starting", 0, 1)
    seconds: float = 0.0
    done: bool = False

    def to_json(self) -> data.Compare:
        """The state of the comparison as plain JSON."""
        figure: data.Compare = {
            "kind": "compare",
            "run_id": self.run_id,
            "drawable": True,
            "title": f"{self.loaded.id.split('/')[-1]}: {counted(len(self.rows), 'format')}",
            "done": self.done,
            "warnings": self.warnings,
            "request": self.request.to_json(),
            "model": self.model(),
            "base": self.base_facts,
            "rows": self.listed(),
            "tokens": self._tokens(),
            "microscope": self._microscope(),
            "answers": self._answers(),
            "sensitivity": self.sensitivity.to_json() if self.sensitivity else None,
            "budget": self.budget.to_json() if self.budget else None,
            "floor": self.floor,
            "kinds": self.kinds.to_json() if self.kinds else None,
            "questions": self.questions.to_json() if self.questions and self.questions.base else None,
            "memory": memory_of(self.loaded.model.config),
            "provenance": self.provenance(),
        }
        if not self.done:
            label, value, most = self.progress
            figure["progress"] = {"label": label, "value": value, "max": most}
        return figure

    def model(self) -> data.ComparedModel:
        """The model and how much of the text it reads."""
        windows = self.base.windows if self.base else None
        return {
            "id": self.loaded.id,
            "source": self.loaded.source,
            "parameters": sum(parameter.numel() for parameter in self.loaded.model.parameters()),
            "windows": len(windows) if windows else 0,
            "context": self.request.context,
            "scored": windows.targets.numel() if windows else 0,
            "lead": list(windows.lead) if windows else [],
        }

    def listed(self) -> list[data.AnyRow]:
        """Every row, with its rank among those that are measured."""
        done = [row for row in self.rows if row.facts and row.scores]
        kls = {row.form.name: row.scores.kl.numpy() for row in done if row.scores}
        points = [(row.facts["file_bytes"], row.facts["kld"]["mean"]) for row in done if row.facts]
        ranked = metrics.ranks(kls)
        fronts = dict(zip(kls, metrics.pareto(points), strict=True))
        flips = _corrected(self.rows)
        rows: list[data.AnyRow] = []
        for row in self.rows:
            if row.facts is not None:
                rank, tied = ranked[row.form.name]
                listed: data.Row = {
                    **_name(row),
                    **row.facts,
                    "status": "done",
                    "rank": rank,
                    "tied": tied,
                    "front": fronts[row.form.name],
                }
                if row.form.name in flips:
                    listed["flips"] = flips[row.form.name]
                rows.append(listed)
            elif row.error is not None:
                failure: Failure = {"what": row.error.what, "remedy": row.error.remedy}
                rows.append({**_name(row), "status": "failed", "error": failure})
            else:
                rows.append({**_name(row), "status": "running" if row.status == "running" else "waiting"})
        return rows

    def _in_microscope(self, base: metrics.Base) -> int:
        """Windows that the microscope shows."""
        each = len(measure.scored_positions(self.request.context))
        return max(1, min(len(base.windows), SHOWN_TOKENS // each))

    def _tokens(self) -> data.Tokens | None:
        if self.base is None:
            return None
        count, places = self._in_microscope(self.base), measure.scored_positions(self.request.context)
        windows = self.base.windows.ids[:count].tolist()
        return {
            "pieces": [piece for window in windows for piece in answers.pieces(self.loaded, window)],
            "window": [number for number, window in enumerate(windows) for _ in window],
            "scored": [place - 1 in places for window in windows for place in range(len(window))],
        }

    def _microscope(self) -> data.Microscope | None:
        if self.base is None:
            return None
        count = self._in_microscope(self.base)
        decode = Texts(self.loaded.tokenizer).joined
        texts: dict[int, str] = {}

        def text(token: int) -> str:
            if token not in texts:
                texts[token] = decode([token])
            return texts[token]

        def top(scores: metrics.Scores) -> list[list[data.TokenChance]]:
            ids = scores.top_ids[:count].flatten(0, 1).tolist()
            chances = scores.top_p[:count].flatten(0, 1).tolist()
            return [
                [(text(token), _brief(chance)) for token, chance in zip(*pair, strict=True)]
                for pair in zip(ids, chances, strict=True)
            ]

        def true(scores: metrics.Scores) -> list[float]:
            return _listed((-scores.loss[:count]).exp())

        return {
            "base": top(self.base.scores),
            "base_p": true(self.base.scores),
            "rows": {
                row.form.name: {
                    "kld": _listed(row.scores.kl[:count]),
                    "p": true(row.scores),
                    "top": top(row.scores),
                }
                for row in self.rows
                if row.scores is not None
            },
        }

    def _answers(self) -> data.Answers | None:
        if self.base_answer is None:
            return None
        items: list[data.Answer] = [
            {"format": "base", "pieces": list(self.base_answer.pieces), "parts_at": None}
        ]
        for row in self.rows:
            if row.answer is not None:
                at = answers.parts_at(row.answer.token_ids, self.base_answer.token_ids)
                items.append({"format": row.form.name, "pieces": list(row.answer.pieces), "parts_at": at})
        return {
            "prompt": self.request.prompt,
            "seed": self.request.seed,
            "sampled": self.request.do_sample,
            "items": items,
        }

    def provenance(self) -> data.Provenance:
        """What pins the comparison's numbers."""
        import torch
        import transformers

        return {
            **self.loaded.origin,
            "stored": published_dtype(self.loaded),
            "device": self.loaded.device,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "text": "the visitor's" if self.request.text else "sample",
            "calibration": ("the visitor's" if self.request.calibration else "sample")
            + (f"; importance matrix {Path(self.request.imatrix).name}" if self.request.imatrix else ""),
            "seed": self.request.seed,
            "seconds": round(self.seconds, 1),
        }


def _name(row: Row) -> data.RowName:
    return {"format": row.form.name, "engine": row.form.engine, "label": row.form.label}


def _corrected(rows: Sequence[Row]) -> dict[str, data.Flips]:
    """The flips of all rows that have them, their p-values corrected for how many these are."""
    found = {row.form.name: row.facts["flips"] for row in rows if row.facts and "flips" in row.facts}
    ps = paired.holm([one["p"] for one in found.values()])
    return {name: {**one, "p_corrected": p} for (name, one), p in zip(found.items(), ps, strict=True)}


def _brief(value: float) -> float:
    return float(f"{value:.3g}")


def _listed(values: Tensor) -> list[float]:
    numbers: list[Any] = values.flatten().tolist()
    return [_brief(number) for number in numbers]
