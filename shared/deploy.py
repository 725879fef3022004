"""Put a staged Space on the Hub.

`python -m shared.deploy decoding me` stages the Space, creates or updates `me/decoding`, removes files that
are no longer part of it and gives it the hardware that its card suggests; `gallery` is the article, a static
Space, which needs none. `--dry-run` says what would be done and asks nobody.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import article
from shared.bundle import SUITE, stage
from shared.catalogue import ROOT

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

PLAIN = "cpu-basic"
"""What a card without `suggested_hardware` means; a Gradio Space on it needs a paid plan."""

GALLERY = "gallery"
"""The article."""

NONE = "none"
"""What a static Space runs on."""

ZERO = "zero-a10g"
"""ZeroGPU, where a free account may host two Spaces."""


def plan(name: str, namespace: str) -> tuple[Path, str, str, list[tuple[str, int]]]:
    """Stage a Space and give its card a thumbnail: its folder, the repository, the hardware that its card
    suggests, and every file with its bytes.
    """
    import yaml

    names = {SUITE: "llm-course", GALLERY: article.REPOSITORY}
    repository = f"{namespace}/{names.get(name, name)}"
    if name == GALLERY:
        folder = ROOT / "build" / GALLERY
        article.stage(folder, namespace)
    else:
        folder = stage(name)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    head: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    if picture := head.get("course", {}).get("thumbnail"):  # the Hub wants an address, which names the owner
        address = f"https://huggingface.co/spaces/{repository}/resolve/main/{picture}"
        card.write_text(text.replace("---\n", f"---\nthumbnail: {address}\n", 1), encoding="utf-8")
    files = sorted(
        (str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file()
    )
    return (
        folder,
        repository,
        NONE if head["sdk"] == "static" else str(head.get("suggested_hardware", PLAIN)),
        files,
    )


def deploy(name: str, namespace: str, *, dry_run: bool = False) -> str:
    """Create or update a Space with the token that `hf auth login` keeps (or `HF_TOKEN`), which is never
    printed.

    Args:
        name: a Space's folder name, `suite` or `gallery`.
        namespace: user or organisation.
        dry_run: only say what would be done.

    Returns:
        The Space's URL, "" in a dry run.

    Raises:
        SystemExit: no token, or the Hub refused; in one sentence what happened and one what to do.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    from shared.errors import VisitorError
    from shared.hub import check_id

    folder, repository, hardware, files = plan(name, namespace)
    try:
        check_id(repository)
    except VisitorError as error:
        raise SystemExit(str(error)) from None
    size = sum(count for _, count in files)
    print(f"{repository}: {len(files)} files, {size / 1e6:.1f} MB, hardware {hardware}")
    if dry_run:
        print("\n".join(f"  {path} ({count:,} bytes)" for path, count in files))
        return ""
    token = get_token()
    if not token:
        raise SystemExit(
            "There is no Hub token on this machine. Run `.venv/bin/hf auth login`, or set HF_TOKEN."
        )
    api = HfApi(token=token)
    try:
        # The hardware comes with the repository: without it the Hub means a plain CPU, which it gives to paid
        # plans only.
        api.create_repo(
            repository,
            repo_type="space",
            space_sdk="static" if hardware == NONE else "gradio",
            space_hardware=None if hardware == NONE else hardware,  # type: ignore[arg-type]
            exist_ok=True,
        )
        api.upload_folder(
            repo_id=repository,
            repo_type="space",
            folder_path=folder,
            delete_patterns=["*"],
            commit_message=f"Deploy {name}",
        )
        if hardware == NONE:
            return f"{api.endpoint}/spaces/{repository}"
        runtime = api.get_space_runtime(repository)
        if hardware not in (runtime.hardware, runtime.requested_hardware):  # the Space was there already
            api.request_space_hardware(repository, hardware)  # type: ignore[arg-type]
    except HfHubHTTPError as error:
        raise SystemExit(_refusal(error, repository, hardware)) from None
    except OSError as error:
        raise SystemExit(
            f"The Hub cannot be reached ({type(error).__name__}). Try again with a connection."
        ) from None
    return f"{api.endpoint}/spaces/{repository}"


def _refusal(error: HfHubHTTPError, repository: str, hardware: str) -> str:
    """Why the Hub refused, in its own words where it says so, and what to do."""
    status = error.response.status_code if error.response is not None else 0
    said = " ".join((error.server_message or "").split())[:300]
    words = f" The Hub says: “{said}”." if said else ""
    if status == 402:
        needs = f"A Space on {hardware} needs a paid plan or credits for {repository.split('/')[0]}.{words} "
        if hardware == ZERO:
            return needs + "Delete or pause another ZeroGPU Space, or subscribe to PRO."
        return needs + f"Subscribe to PRO, or set suggested_hardware to {ZERO} in the Space's card."
    if status == 401:
        return f"The Hub does not know this token.{words} Make a new one with `.venv/bin/hf auth login`."
    if status == 403:
        return (
            f"The Hub refused to write to {repository} on {hardware}.{words} Use a token that may write "
            f"there; a free account older than 30 days with a confirmed e-mail hosts two Spaces on {ZERO}."
        )
    return f"The Hub did not accept the Space (status {status}).{words} Try again in a minute."


def main(*arguments: str) -> None:
    """Deploy from the command line."""
    dry_run = "--dry-run" in arguments
    names = [argument for argument in arguments if argument != "--dry-run" and argument]
    if len(names) != 2:
        raise SystemExit(
            "Name a Space and where to: make deploy SPACE=decoding NAMESPACE=me; DRY_RUN=1 looks first."
        )
    if url := deploy(*names, dry_run=dry_run):
        print(f"Deployed to {url}")


if __name__ == "__main__":
    main(*sys.argv[1:])
