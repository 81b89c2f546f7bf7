"""Networks that learn: cloners and decoders, each derived from the teacher it imitates."""
