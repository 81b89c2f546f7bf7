"""Published protocols, run over tasks, methods and seeds by any number of processes, and their tables."""
