"""The real client pointed at a Hub on loopback."""

from __future__ import annotations

import pytest

from tests.merging.tree.hub import FamilyHub


@pytest.fixture
def serve(monkeypatch):
    """A function that starts a Hub with models and points huggingface_hub at it."""
    from huggingface_hub import constants

    from merging.tree import hubread
    from shared import hub as shared_hub

    running: list[FamilyHub] = []

    def start(models, **settings):
        server = FamilyHub(models, **settings)
        running.append(server)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(shared_hub, "_reachable", None)
        monkeypatch.setattr(shared_hub, "reachable", lambda: True)
        hubread.forget()
        return server

    yield start
    for server in running:
        server.stop()
    hubread.forget()
