"""Beyond one machine: work cut into shards that any number of processes do, each exactly once."""
