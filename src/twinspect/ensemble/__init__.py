"""Several detectors as one: their scores joined by Noisy-OR."""
