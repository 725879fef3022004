"""The Hugging Face Hub: what can be learnt of a model before its download, the download, datasets, pushing.

It is long because whose token reads and writes has to be seen in one place.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import files, limits, made_rows, owner, shelf
from shared.errors import VisitorError, reason

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling
    from pyarrow import Table

_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}(/[\w.\-]{1,96})?")
_REVISION = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)*", re.ASCII)
_WEIGHTS = re.compile(r"(adapter_|pytorch_)?model(-\d{5}-of-\d{5})?\.safetensors")
_SMALL_FILES = {
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "model.safetensors.index.json",
    "pytorch_model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "sentencepiece.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "dict.txt",
    "bpe.codes",
    "entity_vocab.json",
    "byte_maps.json",
}
"""Configuration, and every name that transformers gives a tokenizer's files. A repository holds whatever its
owner likes beside them: checkpoints, other formats, data.
"""


_OF_WEIGHTS = (".safetensors", ".index.json")


_SMALLER = "Choose a smaller model, or run the demo on a larger machine."


CATALOGUE = (
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "HuggingFaceTB/SmolLM2-360M-Instruct",
    "Qwen/Qwen3-0.6B",
    "EleutherAI/pythia-160m",
    "openai-community/gpt2",
)
"""Models that a page offers: everyone may read them."""


def unlock_after_fork(lock: Any) -> None:
    """Free a lock in every process that is forked from this one.

    ZeroGPU forks a worker while other threads run: a lock that one of them holds at that moment would stay
    locked in the worker for ever, since the thread is not there to free it.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lock._at_fork_reinit)


_reachable: tuple[float, bool] | None = None
_reachable_lock = threading.Lock()
unlock_after_fork(_reachable_lock)


def local_token() -> str | None:
    """The token of this machine (`hf auth login`, or HF_TOKEN) where its owner asks; None for visitors, who
    have what they sign in with.
    """
    from huggingface_hub import get_token

    return get_token() if owner.is_here() else None


def token_for(token: str | None = None) -> str | bool:
    """What huggingface_hub gets as `token`: a visitor's own, else the owner's where the owner asks, else
    False, which means none at all.
    """
    return token or local_token() or False


def _api(token: str | None = None) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(token=token_for(token))


READ = "read-repos"
"""The scope of a sign-in that reads its visitor's private repositories; a card grants it in
`hf_oauth_scopes`. With `contribute-repos` an app sees those alone that it created itself.
"""


def signs_in_to_read() -> bool:
    """Whether visitors may let this Space read their private repositories."""
    return owner.is_space() and READ in os.environ.get("OAUTH_SCOPES", "").split()


def _sign_in() -> str:
    if owner.is_here():
        return "Check the spelling, or run `hf auth login` if it is yours."
    if signs_in_to_read():
        return "Check the spelling, or open it under “A private repository of yours”."
    return "This page reads what is public."


def is_local_path(model_id: str) -> bool:
    """Whether the name is a folder of this machine, which only its owner may read, or one of the shelf's."""
    return shelf.is_made(model_id) or (
        owner.is_here()
        and model_id.startswith(("/", "./", "../", "~"))
        and Path(model_id).expanduser().is_dir()
    )


def local_folder(model_id: str) -> Path:
    """The folder that a local path, or a name of the shelf, stands for.

    Raises:
        VisitorError: it holds no safetensors file, or as `shelf.folder_of`.
    """
    if shelf.is_made(model_id):
        return shelf.folder_of(model_id)
    folder = Path(model_id).expanduser().resolve()
    if not any(folder.glob("*.safetensors")):
        raise VisitorError(
            f"The folder {folder.name} holds no safetensors file.", "Save the model as safetensors first."
        )
    return folder


def reachable() -> bool:
    """Whether the Hub answers within `limits.HUB_TIMEOUT` seconds; asked at most once a minute."""
    global _reachable
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return False
    with _reachable_lock:
        if _reachable is None or time.monotonic() - _reachable[0] > 60:
            _reachable = (time.monotonic(), _answers(constants.ENDPOINT))
        return _reachable[1]


def _answers(endpoint: str) -> bool:
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=limits.HUB_TIMEOUT)
    except Exception:  # noqa: BLE001  whatever the transport raises, the Hub did not answer
        return False
    return True


def has_snapshot(model_id: str, revision: str | None = None) -> bool:
    """Whether the model's weights lie in the Hub's cache folder already."""
    from huggingface_hub import try_to_load_from_cache

    check_revision(revision)
    return any(
        isinstance(try_to_load_from_cache(model_id, name, revision=revision), str)
        for name in ("model.safetensors", "model.safetensors.index.json")
    )


def check_id(repository: str, kind: str = "model") -> None:
    """Raise a VisitorError unless the text has the form of a Hub id; `kind` is "model" or "dataset".

    A dataset needs its owner: the datasets library takes a name without one, such as "text", for a reader of
        local files.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repository)
        well_formed = bool(_ID.fullmatch(repository)) and (kind == "model" or "/" in repository)
    except HFValidationError:
        well_formed = False
    if not well_formed:
        shown = repository if len(repository) <= 60 else repository[:57] + "…"
        example = {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "dataset": "stanfordnlp/imdb"}[kind]
        raise VisitorError(
            f"“{shown}” is not a {kind} id.", f"Write it as owner/name, for example {example}."
        )


def check_revision(revision: str | None) -> None:
    """Raise a VisitorError unless the text has the form of a branch, tag or commit, or there is none.

    The Hub's client makes a path of it: one with `..` would be written outside its folder.
    """
    if revision is not None and not (
        len(revision) <= 200 and ".." not in revision and _REVISION.fullmatch(revision)
    ):
        shown = revision if len(revision) <= 60 else revision[:57] + "…"
        raise VisitorError(f"“{shown}” is not a revision.", "Name a branch, a tag or a commit, such as main.")


def download(
    model_id: str,
    max_parameters: int,
    report: Callable[[str], None],
    revision: str | None = None,
    max_bytes: float = math.inf,
) -> tuple[Path, str]:
    """Check a model's metadata, then download its safetensors and tokenizer.

    Args:
        model_id: Hub id `owner/name`.
        max_parameters: the largest parameter count to accept.
        report: called with a sentence before a long step.
        revision: a branch, tag or commit; the main branch by default.
        max_bytes: the largest weights to accept, as they are stored.

    Returns:
        The folder and the commit sha.

    Raises:
        VisitorError: malformed id, missing or private, gated, pickle-only, too large, or the Hub did not
            answer.
    """
    from huggingface_hub import snapshot_download

    check_id(model_id)
    check_revision(revision)
    if not reachable():
        # without the Hub nobody can say which of the owner's models are private
        open_to_all = owner.is_here() or owner.is_space() or model_id in CATALOGUE
        if not open_to_all or not has_snapshot(model_id, revision):
            raise VisitorError(
                f"{model_id} is not on this machine and the Hub cannot be reached.",
                "Choose the embedded SmolLM2-135M-Instruct, or try again with a connection.",
            )
        folder = Path(snapshot_download(model_id, revision=revision, local_files_only=True))
        return folder, folder.name
    info, parameters, size = _inspected(model_id, max_parameters, revision, max_bytes)
    names = [file.rfilename for file in _needed(info)]
    if not has_snapshot(model_id, info.sha):
        report(f"Downloading {model_id}, {parameters / 1e6:,.0f} million parameters, {size / 1e6:,.0f} MB …")
        make_room(model_id, size)
    try:
        folder = Path(
            snapshot_download(
                model_id,
                revision=revision,
                allow_patterns=names,
                token=token_for(),
            )
        )
    except OSError as error:
        raise VisitorError(
            f"The download of {model_id} broke off ({reason(error)}).", "Try again, or choose another model."
        ) from error
    with suppress(OSError):
        os.utime(_kept_at(model_id))  # it was used now
    return folder, folder.name


def _needed(info: ModelInfo) -> list[RepoSibling]:
    """A repository's files that are downloaded: weights by their usual names, configuration, tokenizer."""
    return [
        file
        for file in info.siblings or []
        if file.rfilename in _SMALL_FILES or _WEIGHTS.fullmatch(file.rfilename)
    ]


def _kept_at(model_id: str) -> Path:
    """Where the Hub's cache keeps a model."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{model_id.replace('/', '--')}"


def make_room(model_id: str, size: int) -> None:
    """See to it that a model of so many bytes fits on the disk.

    On a Space the models that nobody has used for longest go, down to `limits.MAX_MODELS_ON_DISK_BYTES`; on
    any other machine the cache is its user's, and nothing in it is touched.

    Raises:
        VisitorError: the disk has no room.
    """
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    if owner.is_space():
        others = [path for path in cache.glob("models--*") if path != _kept_at(model_id)]
        files.trim(others, math.inf, limits.MAX_MODELS_ON_DISK_BYTES - size)
    check_disk(f"{model_id} has", size)


def check_disk(what: str, size: int) -> None:
    """Raise a VisitorError unless so many bytes can still be downloaded; `what` begins its sentence."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    above = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(above).free
    if size > free:
        raise VisitorError(
            f"{what} {size / 1e6:,.0f} MB; {free / 1e6:,.0f} MB of the disk are free.",
            "Choose a smaller model, or free some space where the demo is yours.",
        )


def inspect(model_id: str, max_parameters: int, revision: str | None = None) -> tuple[str, int, int]:
    """A model's commit sha, parameter count and weights in bytes, from its metadata alone.

    Raises:
        VisitorError: as `download`.
    """
    info, parameters, size = _inspected(model_id, max_parameters, revision)
    return info.sha or "main", parameters, size


def _metadata(model_id: str, revision: str | None = None, token: str | None = None) -> ModelInfo:
    """What the Hub says of a model and its files, to a visitor's token where one is given.

    Raises:
        VisitorError: there is no such model or revision, it is gated, or the Hub did not answer.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return _api(token).model_info(
            model_id, revision=revision, files_metadata=True, timeout=limits.HUB_TIMEOUT
        )
    except RevisionNotFoundError:
        raise VisitorError(
            f"{model_id} has no revision {str(revision)[:40]}.", "Name a branch, a tag or a commit of it."
        ) from None
    except GatedRepoError:
        raise _gated(model_id) from None
    except RepositoryNotFoundError as error:
        if token:
            raise _not_read(model_id, error) from None
        raise VisitorError(f"The Hub has no public model {model_id}.", _sign_in()) from None
    except (HfHubHTTPError, OSError) as error:
        raise VisitorError(
            f"The Hub did not answer for {model_id} ({type(error).__name__}).", "Try again in a minute."
        ) from error


def _inspected(
    model_id: str,
    max_parameters: int,
    revision: str | None,
    max_bytes: float = math.inf,
    token: str | None = None,
) -> tuple[ModelInfo, int, int]:
    check_revision(revision)
    info = _metadata(model_id, revision, token)
    if info.gated:
        _check_access(model_id, token)
    needed = _needed(info)
    weights = [file for file in needed if _WEIGHTS.fullmatch(file.rfilename)]
    if not weights:
        raise VisitorError(
            f"{model_id} has no safetensors weights.",
            "Choose one that has them: pickled weights can run code and are not loaded.",
        )
    if len(weights) > limits.MAX_WEIGHT_FILES:
        raise VisitorError(f"{model_id} has {len(weights):,} files of weights.", "Choose another model.")
    size = sum(file.size or 0 for file in weights)
    stated = info.safetensors.total if info.safetensors else size // 2
    parameters = max(stated, size // 4)  # a repository may hold more than the model that it states
    if parameters > max_parameters:
        raise VisitorError(
            f"{model_id} has {parameters / 1e9:.1f} billion parameters; the limit here is "
            f"{max_parameters / 1e9:.1f} billion.",
            _SMALLER,
        )
    if size > max_bytes:
        raise VisitorError(
            f"{model_id} has {size / 1e9:.1f} GB of weights; the limit here is {max_bytes / 1e9:.1f} GB.",
            _SMALLER,
        )
    _check_small(model_id, [file for file in needed if file not in weights])
    return info, parameters, size


def _check_small(model_id: str, small: Sequence[RepoSibling]) -> None:
    if (size := sum(file.size or 0 for file in small)) > limits.MAX_SMALL_FILES_BYTES:
        raise VisitorError(
            f"{model_id} has {size / 1e6:,.0f} MB of files beside its weights.", "Choose another model."
        )


def weight_headers(
    model_id: str, revision: str | None = None
) -> dict[str, dict[str, tuple[str, list[int], int]]]:
    """Every tensor's dtype, shape and bytes by weight file, read from the safetensors headers without the
    weights.

    Raises:
        VisitorError: no safetensors, more than `limits.MAX_TENSORS`, a weight file is missing, or the Hub did
            not answer.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        NotASafetensorsRepoError,
        SafetensorsParsingError,
    )

    check_revision(revision)
    api, count = _api(), itertools.count()
    read = api.parse_safetensors_file_metadata

    def counted(*names: Any, **settings: Any) -> Any:
        try:
            parsed = read(*names, **settings)
        except EntryNotFoundError:
            file = str(settings["filename"] if "filename" in settings else names[-1])[:90]
            raise VisitorError(
                f"The index of {model_id} names {file}, which is not there.",
                "Choose a model with whole weights.",
            ) from None
        if any(next(count) >= limits.MAX_TENSORS for _ in parsed.tensors):
            raise VisitorError(f"{model_id} has more than {limits.MAX_TENSORS:,} tensors.", _SMALLER)
        return parsed

    api.parse_safetensors_file_metadata = counted  # type: ignore[method-assign]
    try:
        found = api.get_safetensors_metadata(model_id, revision=revision)
    except (NotASafetensorsRepoError, SafetensorsParsingError):
        raise VisitorError(
            f"{model_id} has no safetensors weights.",
            "Choose one that has them: pickled weights can run code and are not loaded.",
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise VisitorError(
            f"The Hub did not answer for {model_id} ({type(error).__name__}).", "Try again in a minute."
        ) from error
    return {
        file: {
            name: (info.dtype, list(info.shape), info.data_offsets[1] - info.data_offsets[0])
            for name, info in parsed.tensors.items()
        }
        for file, parsed in found.files_metadata.items()
    }


def card(model_id: str, revision: str | None = None) -> dict[str, Any]:
    """What the head of a model's card states, nothing where it has none or the Hub cannot be asked."""
    from huggingface_hub.errors import HfHubHTTPError

    check_revision(revision)
    if not reachable():
        return {}
    try:
        stated = _api().model_info(model_id, revision=revision, timeout=limits.HUB_TIMEOUT).card_data
    except (HfHubHTTPError, OSError):
        return {}
    return dict(stated.to_dict()) if stated else {}


def licence(model_id: str, revision: str | None = None) -> str:
    """The licence that a model's card states, "other: name" for one that is not on the Hub's list; "" where
    it states none or the Hub cannot be asked. What is on the shelf keeps that of its parents.
    """
    if shelf.is_made(model_id):
        return shelf.made_of(model_id).licence
    head = card(model_id, revision)
    stated, name = head.get("license"), head.get("license_name")
    if stated == "other" and isinstance(name, str) and name.strip():
        return f"other: {name.strip()[:80]}"
    return stated if isinstance(stated, str) else ""


def model_size(model_id: str, names: Collection[str]) -> int:
    """Bytes of those files of a model that bear one of these names, from its metadata.

    Raises:
        VisitorError: malformed id, missing, private or gated, or the Hub did not answer.
    """
    check_id(model_id)
    if not reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Choose what is on this machine.")
    siblings = _metadata(model_id).siblings or []
    return sum(file.size or 0 for file in siblings if file.rfilename in names)


def small_files(model_id: str, revision: str | None, folder: Path) -> dict[str, int]:
    """Download a model's configuration and tokenizer files, but no weights, into a folder.

    Returns:
        Bytes of all files of the repository by name, as the Hub lists them.

    Raises:
        VisitorError: they are larger than such files are, or the Hub did not answer.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    check_revision(revision)
    try:
        info = _api().model_info(model_id, revision=revision, files_metadata=True, timeout=limits.HUB_TIMEOUT)
        small = [file for file in _needed(info) if not file.rfilename.endswith(_OF_WEIGHTS)]
        _check_small(model_id, small)
        snapshot_download(
            model_id,
            revision=revision,
            local_dir=folder,
            allow_patterns=[file.rfilename for file in small],
            token=token_for(),
        )
    except (HfHubHTTPError, OSError) as error:
        raise VisitorError(
            f"The Hub did not answer for {model_id} ({type(error).__name__}).", "Try again in a minute."
        ) from error
    return {file.rfilename: file.size for file in info.siblings or [] if file.size is not None}


def dataset_rows(
    name: str,
    config: str | None,
    split: str,
    limit: int,
    token: str | None = None,
    revision: str | None = None,
) -> tuple[Table, bool]:
    """Stream the first rows of a dataset of the Hub, or read those of a name of the shelf; no other file of
    this machine is read.

    Args:
        name: owner/name, or `made/…`, which has no config and no splits.
        config: of the dataset, its default where None.
        split: of the config.
        limit: rows at most.
        token: the visitor's.
        revision: a branch, tag or commit; the main branch by default.

    Returns:
        The rows, and whether the split has more of them.

    Raises:
        VisitorError: unknown, gated, without that config or split, more than `limits.MAX_FILE_BYTES`, or the
            Hub cannot be reached; or as `made_rows.table_of`.
    """
    if shelf.is_made(name):
        return made_rows.table_of(name, limit)
    import pyarrow as pa
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    check_id(name, "dataset")
    check_revision(revision)
    if not reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Upload the file instead.")
    tables: list[Table] = []
    size = 0
    _keep_to_the_hub()
    try:
        # A bare name would be looked for among the folders of this machine first.
        stream = load_dataset(
            f"hf://datasets/{name}",
            name=config or None,
            split=split,
            streaming=True,
            token=token_for(token),
            revision=revision,
        )
        for batch in stream.take(limit + 1).with_format("arrow").iter(batch_size=100):
            tables.append(batch)
            size += batch.nbytes
            if size > limits.MAX_FILE_BYTES:
                raise VisitorError(
                    f"The first {sum(map(len, tables)):,} rows of {name} hold more than "
                    f"{limits.MAX_FILE_BYTES / 1e6:,.0f} MB.",
                    "Lower the limit of rows.",
                )
    except GatedRepoError as error:
        raise VisitorError(
            f"The dataset {name} is gated.", "Choose another, or accept its terms and upload a file of it."
        ) from error
    except DatasetNotFoundError as error:
        gated = "gated" in str(error).lower()
        what = (
            f"The dataset {name} is gated." if gated else f"The Hub has no dataset {name}, or it is private."
        )
        raise VisitorError(what, _sign_in()) from error
    except (ValueError, HfHubHTTPError, OSError, RuntimeError) as error:
        raise VisitorError(
            f"The dataset {name} could not be read ({reason(error)}).", "Check its config and split."
        ) from error
    if not sum(map(len, tables)):
        raise VisitorError(f"The split {split} of {name} has no rows.", "Choose another split.")
    table = pa.concat_tables(tables, promote_options="default")
    return table.slice(0, limit), len(table) > limit


def _keep_to_the_hub() -> None:
    """Let the datasets library look for files in a dataset's repository alone: where the card names others,
    it would ask any address and look into this machine's folders before it refuses what is there.
    """
    from datasets import data_files

    resolve = data_files.resolve_pattern
    if hasattr(resolve, "__wrapped__"):
        return

    @wraps(resolve)
    def own(pattern: str, base_path: str, *more: Any, **settings: Any) -> list[str]:
        plain = "://" not in pattern and not pattern.startswith("/")
        within = base_path.startswith("hf://datasets/") and "::" not in base_path + pattern
        if not within or not (plain or pattern.startswith("hf://datasets/")):
            raise ValueError("its card names files that lie elsewhere")
        return resolve(pattern, base_path, *more, **settings)

    data_files.resolve_pattern = own


def dataset_revision(name: str) -> str:
    """The commit that a dataset's main branch stands at; what is on the shelf has none.

    Raises:
        VisitorError: unknown, gated, private, or the Hub cannot be reached; or as `shelf.made_of`.
    """
    if shelf.is_made(name):
        return f"on the shelf: {shelf.made_of(name).sentence}"
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    check_id(name, "dataset")
    if not reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Upload a file, or write the prompts.")
    try:
        return str(_api().dataset_info(name, timeout=limits.HUB_TIMEOUT).sha)
    except RepositoryNotFoundError as error:
        raise VisitorError(f"The Hub has no dataset {name}, or it is private.", _sign_in()) from error
    except (HfHubHTTPError, OSError) as error:
        raise VisitorError(
            f"The dataset {name} could not be read ({reason(error)}).", "Try again."
        ) from error


def _gated(model_id: str) -> VisitorError:
    remedy = (
        "Accept it on the model's page, then run `hf auth login`."
        if owner.is_here()
        else "Choose another model, or run this demo locally."
    )
    return VisitorError(f"{model_id} is gated: its owner asks for a licence to be accepted.", remedy)


def _check_access(model_id: str, token: str | None = None) -> None:
    from huggingface_hub import auth_check
    from huggingface_hub.errors import GatedRepoError

    try:
        auth_check(model_id, token=token_for(token))
    except GatedRepoError:
        raise _gated(model_id) from None


def bring(
    repository: str, kind: str, token: str | None, max_parameters: int, folder: Path, file: str = ""
) -> tuple[list[str], str]:
    """Download a visitor's repository with their own sign-in, checked as `download` checks a public one.

    Args:
        repository: owner/name.
        kind: "model" or "dataset".
        token: the visitor's; it goes to the Hub alone.
        max_parameters: the largest parameter count of a model to accept.
        folder: that the files go to; the Hub's cache, which is everyone's, has no part in it.
        file: of a dataset, the one to take; it may be left out where it is the only one with rows.

    Returns:
        The files' names, and the licence that its card states.

    Raises:
        VisitorError: nobody is signed in, the sign-in may not read it, no dataset's file of that name, or as
            `download`.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    check_id(repository, kind)
    if not token:
        raise VisitorError("You are not signed in to the Hub.", "Sign in beside this button, then open it.")
    if not reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Try again in a minute.")
    sha: str | None
    about: Any  # what its card states
    try:
        if kind == "model":
            model, _, size = _inspected(repository, max_parameters, None, limits.MAX_SESSION_BYTES, token)
            names = [one.rfilename for one in _needed(model)]
            sha, about = model.sha, model.card_data
        else:
            rows = HfApi(token=token).dataset_info(
                repository, files_metadata=True, timeout=limits.HUB_TIMEOUT
            )
            name, size = _rows_in(rows.siblings or [], repository, file)
            names, sha, about = [name], rows.sha, rows.card_data
        check_disk(f"{repository} has", size)
        snapshot_download(
            repository,
            repo_type=kind,
            revision=sha,
            local_dir=folder,
            allow_patterns=names,
            token=token,
        )
    except (HfHubHTTPError, OSError) as error:
        raise _not_read(repository, error) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    stated = about.to_dict().get("license") if about else ""
    return names, stated if isinstance(stated, str) else ""


def _rows_in(siblings: Sequence[RepoSibling], repository: str, file: str) -> tuple[str, int]:
    """Name and bytes of a dataset's file of rows."""
    found = {one.rfilename: one.size or 0 for one in siblings if made_rows.reads(one.rfilename)}
    if (file and file not in found) or not found:
        raise VisitorError(
            f"{repository} has no such file of rows.", "Name a file of JSON, JSON Lines, CSV or Parquet."
        )
    if not file and len(found) > 1:
        raise VisitorError(
            f"{repository} has {len(found):,} files of rows.",
            f"Name one, for example datasets/{repository}/{next(iter(found))[:60]}.",
        )
    name = file or next(iter(found))
    if found[name] > limits.MAX_FILE_BYTES:
        raise VisitorError(f"{name[-60:]} has {found[name] / 1e6:,.0f} MB.", "Choose a smaller file.")
    return name, found[name]


def _not_read(repository: str, error: OSError) -> VisitorError:
    """What to say where the Hub gave a visitor's sign-in no files."""
    from huggingface_hub.errors import HfHubHTTPError

    answer = error.response if isinstance(error, HfHubHTTPError) else None
    status = answer.status_code if answer is not None else 0
    if status in (401, 403, 404):
        return VisitorError(
            f"The Hub shows your sign-in no repository {repository}.",
            "Check the spelling, and that it is yours; datasets begin with datasets/.",
        )
    return VisitorError(f"The download broke off ({type(error).__name__}).", "Try again in a minute.")


MOST_NAMED = 8
"""Files whose names stand in a commit's message."""


def push(
    repository: str, kind: str, files: dict[str, Path], card: str, token: str | None, *, private: bool = False
) -> str:
    """Create a repository where it does not exist and commit files to it, all in one commit.

    Args:
        repository: owner/name.
        kind: "model", "dataset" or "space".
        files: path in the repository and file on this machine.
        card: the README's text.
        token: the visitor's; it goes to the Hub alone.
        private: whether the repository must be seen by its owner alone.

    Returns:
        The repository's URL.

    Raises:
        VisitorError: malformed name, no token, no permission, files that are gone, a public repository where
            a private one is meant, or the Hub did not answer.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    _may_write(repository, token)
    if not all(path.is_file() for path in files.values()):
        raise VisitorError(
            "The files are no longer here: results are kept for two hours at most.",
            "Make them again, then push.",
        )
    operations = [
        CommitOperationAdd("README.md", card.encode("utf-8")),
        *(CommitOperationAdd(name, path) for name, path in files.items()),
    ]
    api = HfApi(token=token)
    try:
        api.create_repo(repository, repo_type=kind, exist_ok=True, private=private or None)
        if private and not api.repo_info(repository, repo_type=kind).private:
            raise VisitorError(
                f"{repository} exists already, and everyone can see it.", "Choose another name."
            )
        named = ", ".join(files) if len(files) <= MOST_NAMED else f"{len(files)} files"
        api.create_commit(repository, operations, commit_message=f"Add {named}", repo_type=kind)
    except (HfHubHTTPError, OSError) as error:
        raise _not_written(repository, error) from None
    return f"{api.endpoint}/{'' if kind == 'model' else kind + 's/'}{repository}"


def _may_write(repository: str, token: str | None) -> None:
    """Raise a VisitorError unless a name is whole, somebody is signed in and the Hub answers."""
    check_id(repository)
    if "/" not in repository:
        raise VisitorError(f"“{repository}” has no owner.", "Write it as owner/name.")
    if not token:
        if not (owner.is_here() or owner.is_space()):
            raise VisitorError(
                "Only the owner of this demo can push from it.", "Download the files, or run it yourself."
            )
        raise VisitorError(
            "You are not signed in to the Hub.", "Sign in, or run `hf auth login` where the demo runs."
        )
    if not reachable():
        raise VisitorError("The Hub cannot be reached from here.", "Download the files instead.")


def _not_written(repository: str, error: OSError) -> VisitorError:
    """What to say where the Hub took no files."""
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError):
        return VisitorError(f"The upload broke off ({type(error).__name__}).", "Try again in a minute.")
    status = error.response.status_code if error.response is not None else 0
    if status in (401, 403):
        return VisitorError(f"The Hub refused to write to {repository}.", "Use a token that may write there.")
    if status == 404:
        return VisitorError(f"There is no repository {repository}.", "Look at its name.")
    return VisitorError(f"The Hub did not accept the files (status {status}).", "Try again in a minute.")


def propose(
    repository: str, make: Callable[[str], Mapping[str, str]], title: str, words: str, token: str | None
) -> str:
    """Open a pull request in a model's repository; nothing of the repository itself is changed.

    Args:
        repository: owner/name.
        make: from the text of its README.md, "" where there is none, the files of the request by their paths.
        title: of the request.
        words: below the title.
        token: the visitor's; it goes to the Hub alone.

    Returns:
        The request's URL.

    Raises:
        VisitorError: as `push`, there is no such repository, or what `make` raises.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    _may_write(repository, token)
    try:
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = hf_hub_download(repository, "README.md", token=token, local_dir=folder)
                card = Path(file).read_text(encoding="utf-8")
            except EntryNotFoundError:
                card = ""
        files = make(card)
        made = HfApi(token=token).create_commit(
            repository,
            [CommitOperationAdd(name, text.encode("utf-8")) for name, text in files.items()],
            commit_message=title,
            commit_description=words,
            create_pr=True,
        )
    except UnicodeDecodeError:
        raise VisitorError("The repository's README.md is no UTF-8.", "Save it as UTF-8.") from None
    except (HfHubHTTPError, OSError) as error:
        raise _not_written(repository, error) from None
    return str(made.pr_url)
