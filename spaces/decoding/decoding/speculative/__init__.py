"""Speculative decoding (Leviathan et al. 2023; Chen et al. 2023) with everything that it decides kept: a
draft proposes a few tokens, the model reads them all in one pass, and a rule keeps as many as leave its own
distribution as it is.
"""
