"""Whether today's images and scores still look like those that the model was calibrated on."""
