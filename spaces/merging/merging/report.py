"""What a merge tells while it runs, and when it is finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merging import data
from merging.finding import Finding
from merging.sources import Source


@dataclass(frozen=True)
class Progress:
    """How far a merge is.

    Args:
        label: the step that is under way.
        done: tensors saved.
        total: tensors to save; 0 where that is not known.
    """

    label: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Report:
    """A finished merge.

    Args:
        kind: "merge", "mixture", "extract" or "sample".
        folder: the child's files.
        files: their names and bytes.
        sha256: of each weight file.
        seed: of the draws.
        seconds: the process took, its start included.
        peak: bytes of memory at the process's peak.
        recipe: as written.
        sources: the parents.
        findings: of the check, warnings and notes.
        versions: of the libraries.
    """

    kind: data.Job
    folder: Path
    files: dict[str, int]
    sha256: dict[str, str]
    seed: int
    seconds: float
    peak: int
    recipe: str
    sources: Mapping[str, Source]
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> data.Report:
        """The report as the API returns it."""
        return {
            "kind": self.kind,
            "files": self.files,
            "sha256": self.sha256,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "peak_memory": self.peak,
            "recipe": self.recipe,
            "findings": [finding.to_json() for finding in self.findings],
            "versions": self.versions,
            "models": [
                {"name": name, "revision": source.revision, "licence": source.licence}
                for name, source in self.sources.items()
            ],
        }
