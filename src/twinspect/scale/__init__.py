"""Beyond one machine: work cut into shards or models that any number of processes share, each done exactly once."""
