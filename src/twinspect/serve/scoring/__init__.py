"""Models in memory, and the queue of images that wait for them."""
