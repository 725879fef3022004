"""Files larger than memory: the same rows as in memory, within a bound."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dedup import deduplicate, streamed
from dedup.__main__ import main
from shared.errors import VisitorError
from tests.conftest import ROOT
from tests.dedup.corpus import documents


def _lines(texts):
    return "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts))


def test_the_kept_rows_are_those_of_the_run_in_memory(tmp_path, monkeypatch, capsys):
    texts = list(documents(1_500, seed=5))
    texts[::5] = [f"{text} indeed" for text in texts[1::5]]
    texts[40] = texts[1_200] = ""
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(_lines(texts[:900]).replace("\n", "\n\n", 3), encoding="utf-8")
    two.write_text(_lines(texts[900:]).rstrip("\n"), encoding="utf-8")
    expected = deduplicate([one, two], threshold=0.7, unit="word")
    monkeypatch.setattr(streamed, "PART_BYTES", 40_000)
    monkeypatch.setattr(streamed, "PAIRS_AT_ONCE", 100)
    monkeypatch.setattr(streamed, "HASHES_AT_ONCE", 5_000)
    plan = expected.result.plan
    monkeypatch.setattr(streamed, "make_plan", lambda *_: plan)
    out = tmp_path / "out"
    settings = ["--threshold", "0.7", "--unit", "word", "--output", str(out)]
    arguments = [str(one), str(two), "--from-disk", *settings]
    assert main(arguments) == 0
    kept = (out / "one-deduplicated.jsonl").read_text() + (out / "two-deduplicated.jsonl").read_text()
    rows = [*one.read_text().replace("\n\n", "\n").splitlines(), *two.read_text().splitlines()]
    assert kept.splitlines() == [rows[row] for row in expected.kept]
    removed = [json.loads(line) for line in (out / "removed_rows.jsonl").read_text().splitlines()]
    assert removed == [
        {"row": item["row"], "keeper": item["keeper"], "jaccard": item["jaccard"]}
        for item in expected.report["removed_rows"]
    ]
    assert len(removed) > 100
    report = json.loads((out / "report.json").read_text())
    assert report["kept"] == len(expected.kept) and report["exact_copies"] == expected.report["exact_copies"]
    assert f"{len(expected.kept):,} of 1,500 rows kept" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        "one-deduplicated.jsonl",
        "two-deduplicated.jsonl",
        "removed_rows.jsonl",
        "report.json",
    }


def test_what_cannot_be_done_from_disk_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("text\nx\n")
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\nbroken\n')
    (tmp_path / "b.jsonl").write_text("\n")
    for name, settings, words in (
        ("a.csv", {}, "no JSONL file"),
        ("a.jsonl", {}, "Line 2 is not JSON"),
        ("a.jsonl", {"keep": "longest"}, "choose one of first, last, central"),
        ("a.jsonl", {"measure": "cosine"}, "by words"),
        ("b.jsonl", {}, "no rows"),
        ("c.jsonl", {}, "no file"),
    ):
        with pytest.raises(VisitorError, match=words):
            streamed.deduplicate([tmp_path / name], tmp_path / "out", **settings)


BOUNDED = """
import resource, sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/dedup"]
from dedup import deduplicate, streamed, warming
from pathlib import Path
warming.warm().join()
import scipy.sparse.csgraph, scipy.stats
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + {more}, held + {more}))
streamed.PART_BYTES = 4_000_000
if sys.argv[1] == "disk":
    print(streamed.deduplicate([Path(sys.argv[2])], Path(sys.argv[3]), threshold=0.8)["kept"])
else:
    print(len(deduplicate(sys.argv[2], threshold=0.8).kept))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux bounds memory by RLIMIT_DATA")
def test_a_file_larger_than_the_memory_it_may_take(tmp_path):
    """With 70 MB beside what the loops take, a file of 56 MB: from disk it is read, in memory it is not."""
    words = [f"w{number:05}" for number in range(20_000)]
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for row in range(8_000):  # another stride, other runs of three words
            text = " ".join([words[(7 * row + place * (row + 1)) % 20_000] for place in range(900)])
            file.write(json.dumps({"text": text}) + "\n")
            if row % 10 == 0:
                file.write(json.dumps({"text": f"{text} again"}) + "\n")
    script = BOUNDED.format(root=str(ROOT), more=70_000_000)

    def run(how):
        command = [sys.executable, "-c", script, how, str(path), str(tmp_path / "out")]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    done = run("disk")
    assert done.returncode == 0, done.stderr[-2_000:]
    assert 7_990 <= int(done.stdout) <= 8_000
    assert run("memory").returncode != 0
