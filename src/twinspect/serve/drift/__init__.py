"""Drift: whether current images and scores still look like those of the calibration."""
