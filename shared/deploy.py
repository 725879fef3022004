"""Put a staged Space on the Hub.

`python -m shared.deploy decoding me` stages the Space, creates or updates `me/decoding`, removes files that
are no longer part of it and asks for the hardware that its card suggests. `--dry-run` says what would be done
and asks nobody.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from shared.bundle import SUITE, stage

FREE = "cpu-basic"


def plan(name: str, namespace: str) -> tuple[Path, str, str, list[tuple[str, int]]]:
    """Stage a Space: its folder, the repository, the hardware that its card suggests, and every file with its
    bytes.
    """
    import yaml

    folder = stage(name)
    head: dict[str, Any] = yaml.safe_load(
        (folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    )
    files = sorted(
        (str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file()
    )
    return (
        folder,
        f"{namespace}/{'llm-course' if name == SUITE else name}",
        str(head.get("suggested_hardware", FREE)),
        files,
    )


def deploy(name: str, namespace: str, *, dry_run: bool = False) -> str:
    """Create or update a Space with the token that `hf auth login` keeps (or `HF_TOKEN`), which is never
    printed.

    Args:
        name: a Space's folder name, or `suite`.
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
        api.create_repo(repository, repo_type="space", space_sdk="gradio", exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="space",
            folder_path=folder,
            delete_patterns=["*"],
            commit_message=f"Deploy {name}",
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        why = (
            f"The Hub refused to write to {repository}"
            if status in (401, 403)
            else f"The Hub did not take the files (status {status})"
        )
        raise SystemExit(f"{why}. Use a token that may write there, and try again.") from None
    except OSError as error:
        raise SystemExit(
            f"The Hub cannot be reached ({type(error).__name__}). Try again with a connection."
        ) from None
    if hardware != FREE:
        try:
            api.request_space_hardware(repository, hardware)  # type: ignore[arg-type]
        except HfHubHTTPError:
            print(f"The Hub did not give {hardware}: choose the hardware in the Space's settings.")
    return f"{api.endpoint}/spaces/{repository}"


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
