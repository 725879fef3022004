"""What a careful visitor should know of a run."""

from __future__ import annotations

from dedup.engine import Result
from dedup.meaning import HOW_SURE
from dedup.outcome import Outcome
from dedup.read import Dataset
from dedup.reading import MAX_TOKENS
from dedup.several import lacking, named_row
from dedup.units import signs


def warnings(result: Result, outcome: Outcome) -> list[str]:
    """What a careful visitor should know."""
    lines = []
    if result.request.by_vectors:
        lines += of_vectors(result)
    if result.dataset.cut != 0:
        count = "Rows" if result.dataset.cut is None else f"{result.dataset.cut:,} rows"
        lines.append(
            f"{count} past the limit of {result.request.limit:,} were not read; they are not in the kept "
            "file."
        )
    for part in result.dataset.parts:
        lines += [f"{part.name}: {line}" for line in file_warnings(part)]
    if not result.dataset.parts:
        lines += file_warnings(result.dataset)
    lines += lacking(result.dataset, result.compared.columns)
    if mixed := result.compared.mixed:
        name, row, value = mixed
        place = named_row(result.dataset, row)
        lines.append(
            f"“{name}” holds text, and in {place} {value}: what is no text is compared as it is written."
        )
    if result.without_text:
        rows = "row has" if result.without_text == 1 else "rows have"
        lines.append(f"{result.without_text:,} {rows} nothing to compare; all are kept.")
    if result.compared.unseen:
        rows = "row holds" if result.compared.unseen == 1 else "rows hold"
        lines.append(
            f"{result.compared.unseen:,} {rows} an image or the like that is not in the file and cannot be "
            "compared; all are kept."
        )
    words = result.request.unit == "word"  # under the other units signs count already
    if words and (other := _other_signs(result, outcome)):
        rows = "removed row has" if other == 1 else "removed rows have"
        lines.append(
            f"{other:,} {rows} the words of the row that stays and other signs, such as + and −. With the "
            "unit “symbol” signs count."
        )
    if result.thinned:
        lines.append(
            f"{result.thinned:,} buckets were too large to compare every pair in them; each of their rows "
            "was compared with the first and with a few that follow it."
        )
    if outcome.chains:
        groups = "cluster holds" if outcome.chains == 1 else "clusters hold"
        lines.append(
            f"{outcome.chains:,} {groups} rows that are like a common neighbour but not like each other "
            "(A ~ B ~ C, A ≁ C)."
        )
    return lines


def of_vectors(result: Result) -> list[str]:
    """What a careful visitor should know of a comparison by vectors."""
    if result.vectors is None or result.vectors.judged is None:
        return [
            "Cosine of static vectors is a hint, not a proof: it is blind to word order and to “not”. Look "
            "at the pairs before you remove any."
        ]
    judged = result.vectors.judged
    lines = [HOW_SURE]
    gone = [f"{sum(judged.vetoed.values()):,} differ in a fact"] if judged.vetoed else []
    gone += [f"{judged.denied:,} do not say the same to the model"] if judged.denied else []
    if gone:
        lines.append(f"Of {result.candidates:,} candidates {' and '.join(gone)}: they are no pairs.")
    if judged.unread:
        lines.append(
            f"{judged.unread:,} candidates are too long to be read (more than {MAX_TOKENS} tokens) or too "
            "many for one run, and are no pairs here. A higher threshold leaves fewer."
        )
    return lines


def file_warnings(dataset: Dataset) -> list[str]:
    """What a careful visitor should know of how a file was read."""
    lines = []
    if dataset.encoding not in ("utf-8", "utf-8-sig"):
        lines.append(f"The file was read as {dataset.encoding.upper()}, and so are the kept rows written.")
    if apart := dataset.apart:
        lines.append(
            f"{len(apart):,} {'line fits' if len(apart) == 1 else 'lines fit'} no row and "
            f"{'is' if len(apart) == 1 else 'are'} kept apart: {listed([line for line, _ in apart])}."
        )
    if dataset.packed:
        lines.append(f"{dataset.packed} was unpacked; the kept rows are written as they lay in it.")
    if dataset.paragraphs:
        lines.append(
            "Rows are paragraphs, which blank lines part. Where each line is a row, remove the blank lines."
        )
    if dataset.format == "json" and dataset.closing.strip() != b"]":
        lines.append("Rows are the file's first list of objects; what stands around it is written as it is.")
    if not dataset.form.header:
        lines.append("The file has no header: its first line was read as a row.")
    if sheet := dataset.sheet:
        line = f"Rows are those of the sheet “{sheet.name}”"
        if sheet.others:
            names = ", ".join(f"“{name}”" for name in sheet.others[:4])
            was, stays = ("was", "stays") if len(sheet.others) == 1 else ("were", "stay")
            line += f"; {names} {was} not read and {stays} in the kept file"
        lines.append(
            f"{line}. Cells keep their formats; links, comments and merged cells of that sheet are left out"
            f"{', and formulas become the values that they had' if sheet.formulas else ''}."
        )
    return lines


def _other_signs(result: Result, outcome: Outcome) -> int:
    """Removed rows with the words of their keeper and other signs that carry meaning."""
    texts = result.compared.texts
    pairs = [(texts[item.row], texts[item.keeper]) for item in outcome.removed if item.same_words]
    return sum(signs(one) != signs(other) for one, other in pairs)


def listed(numbers: list[int]) -> str:
    """The first line numbers."""
    return ", ".join(f"{number:,}" for number in numbers[:8]) + (", …" if len(numbers) > 8 else "")
