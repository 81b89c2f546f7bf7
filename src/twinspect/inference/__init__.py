"""From image files to scores and decisions: one pipeline, and an engine for each runtime.

An engine is the trained networks under torch, or an exported graph; scoring an export needs no torch.
"""
