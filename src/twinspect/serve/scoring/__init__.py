"""Models in memory, and the queues of images that wait for them."""
