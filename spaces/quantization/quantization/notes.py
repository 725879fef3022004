"""What a reader of a row should know, as far as the comparison can tell."""

from __future__ import annotations

from quantization import formats, modules
from quantization.calibration import FEW
from quantization.comparison import Comparison
from quantization.kinds import KINDS
from quantization.record import QuantizedModel


def _learnt(run: Comparison, form: formats.Format, calibration: formats.Calibration) -> str:
    """From how many tokens a format learnt, and whether they are few."""
    if form.kind:
        return f"Learnt from a short text of the kind {KINDS[form.kind]}, another than that measured on."
    if form.engine == "gguf" and (given := calibration.given):
        of = f" of {', '.join(given.datasets)[:120]}" if any(given.datasets) else ""
        chunks = f", {given.chunks:,} chunks" if given.chunks else ""
        return f"Learnt from the importance matrix {given.file[:80]}{of}{chunks}."
    tokens = calibration.windows.numel()
    model = run.loaded.model
    widest = max((modules.weight_of(model, name).shape[1] for name in modules.linear_names(model)), default=0)
    note = f"Learnt from {tokens:,} tokens of the calibration text"
    if formats.needs_products(form) and tokens < FEW * widest:
        return (
            f"{note}: few for inputs of up to {widest:,} numbers, where {FEW * widest:,} would be enough; "
            "write a longer calibration text."
        )
    return f"{note}."


def notes_of(
    run: Comparison, form: formats.Format, quantized: QuantizedModel, calibration: formats.Calibration
) -> list[str]:
    """All that a reader of a row should know.

    Args:
        run: the comparison.
        form: of the row.
        quantized: its model.
        calibration: what it learnt from.
    """
    notes = []
    error = sum(tensor.squared_error for tensor in quantized.tensors)
    flattered = modules.on_grid(run.loaded) and not run.request.rotated
    if error == 0:
        notes.append("Lossless here: every weight already lies on this format's grid.")
    elif flattered and 4 <= quantized.bits_quantized < 6:
        notes.append("Flattered: the copy's weights come from a 4-bit grid.")
    if not quantized.format.startswith("gguf:") and (experts := modules.expert_share(run.loaded.model)):
        notes.append(
            f"A mixture of experts: {100 * experts:.0f} % of the weights are experts, which only GGUF "
            "formats quantize here; they stay as they are."
        )
    if formats.is_calibrated(form) and form.engine != "autoround":
        notes.append(_learnt(run, form, calibration))
    by_text = form.engine == "gguf" and formats.is_calibrated(form) and (form.kind or not calibration.given)
    if by_text and modules.expert_share(run.loaded.model):
        notes.append("Experts are made without an importance matrix: a text gives none of them here.")
    reasons = [tensor.reason for tensor in quantized.tensors if tensor.reason]
    if reasons:
        why = "; ".join(sorted(set(reasons)))
        notes.append(
            f"{len(reasons)} of {len(quantized.tensors)} tensors hold another type than the format's: {why}"
        )
    return notes
