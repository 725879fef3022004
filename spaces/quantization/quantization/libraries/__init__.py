"""Quantization libraries behind one function each: `<name>_engine.quantize_model(loaded, spec, windows,
report)`.
"""
