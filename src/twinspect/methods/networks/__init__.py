"""Trained networks: cloners and decoders, each derived from the teacher it imitates."""
