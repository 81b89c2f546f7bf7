"""Where results go: webhooks, MQTT and folders, from an outbox that loses nothing."""
