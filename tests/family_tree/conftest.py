"""The real client pointed at a Hub on loopback."""

from __future__ import annotations

import pytest

from tests.family_tree.hub import FamilyHub
from tests.merging.conftest import family, quick  # noqa: F401  the tiny models of the merges


@pytest.fixture
def serve(monkeypatch):
    """A function that starts a Hub with models and points huggingface_hub at it."""
    from huggingface_hub import constants

    from family_tree import hub_reader
    from shared import hub as shared_hub

    running: list[FamilyHub] = []

    def start(models, **settings):
        server = FamilyHub(models, **settings)
        running.append(server)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(shared_hub, "_reachable", None)
        monkeypatch.setattr(shared_hub, "reachable", lambda: True)
        hub_reader.forget()
        return server

    yield start
    for server in running:
        server.stop()
    hub_reader.forget()
