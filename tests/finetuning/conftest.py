"""What several tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared import models
from tests import zoo


@pytest.fixture
def animals(monkeypatch):
    """Animals of the zoo are opened once."""
    load = models.load

    def opened(name, *args, **kwargs):
        animal = Path(name).name
        return zoo.opened(animal) if animal in zoo.ANIMALS else load(name, *args, **kwargs)

    monkeypatch.setattr(models, "load", opened)
