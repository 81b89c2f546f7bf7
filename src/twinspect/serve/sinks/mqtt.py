"""A message for each result to an MQTT broker, which also knows whether the server is there."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import in_one_line, optional
from twinspect.serve.sinks.base import UnreachableError
from twinspect.serve.sinks.targets import tls_context

if TYPE_CHECKING:
    from twinspect.serve.sinks.base import Outgoing
    from twinspect.serve.sinks.targets import MqttTarget

KEEP_ALIVE: Final = 30
"""Seconds of silence after which client and broker ask each other; after 1.5 times that, the broker says offline."""
_AT_LEAST_ONCE: Final = 1
_RESERVED: Final = str.maketrans("/+#\0", "____")
"""Letters that have a meaning in topics."""


class Mqtt:
    """Publishes each result with quality of service 1: the broker confirms each.

    Args:
        target: the broker and the topics.
        product: whose results they are.

    Raises:
        MissingExtraError: paho-mqtt is not installed.
    """

    def __init__(self, target: MqttTarget, product: str) -> None:
        self._mqtt: Any = optional("paho.mqtt.client", "line")
        self._target, self._product = target, product
        self._status_topic = _fill(target.status_topic, product=product)
        self._client: Any = None
        self._answered = threading.Event()
        self._refusal = ""

    def open(self) -> None:
        """Connect unless connected, and say that the server is there.

        Raises:
            UnreachableError: the broker does not answer, is not who is asked for, or refuses the user.
        """
        if self._client is not None and self._client.is_connected():
            return
        self._drop()
        self._client = self._new_client()
        self._answered.clear()
        self._refusal = f"the broker does not answer within {self._target.timeout:g} s"
        try:
            self._client.connect(self._target.host, self._target.port, keepalive=KEEP_ALIVE)
        except (OSError, ValueError) as error:
            self._drop()
            raise UnreachableError(in_one_line(str(error) or type(error).__name__, 300)) from error
        self._client.loop_start()
        self._answered.wait(self._target.timeout)
        if self._refusal:
            self._drop()
            raise UnreachableError(self._refusal)

    def send(self, outgoing: Outgoing) -> None:
        """Publish a result, and wait until the broker confirms it.

        Raises:
            UnreachableError: it does not.
        """
        record = outgoing.record
        fields = {name: str(record[name]) for name in ("product", "verdict", "category")}
        self._publish(
            _fill(self._target.topic, **fields),
            json.dumps(record, allow_nan=False),
            retain=self._target.retain,
        )

    def close(self) -> None:
        """Say that the server is gone, and disconnect."""
        if self._client is not None and self._client.is_connected() and self._status_topic:
            with suppress(UnreachableError):
                self._publish(self._status_topic, "offline", retain=True)
        self._drop()

    def _new_client(self) -> Any:
        version = self._mqtt.CallbackAPIVersion.VERSION2
        # A name of its own each time: of two clients of one name, the broker throws the first one out.
        client = self._mqtt.Client(
            version, client_id=f"twinspect-{os.urandom(6).hex()}", reconnect_on_failure=False
        )
        client.connect_timeout = self._target.timeout
        client.on_connect = self._on_connect
        if self._target.user:
            client.username_pw_set(self._target.user, self._target.password)
        if self._target.tls:
            client.tls_set_context(tls_context(self._target.ca_certificate))
        if self._status_topic:
            client.will_set(self._status_topic, "offline", qos=_AT_LEAST_ONCE, retain=True)
        return client

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._refusal = f"the broker refuses: {reason}" if reason.is_failure else ""
        if self._status_topic and not reason.is_failure:
            client.publish(self._status_topic, "online", qos=_AT_LEAST_ONCE, retain=True)
        self._answered.set()

    def _publish(self, topic: str, message: str, *, retain: bool) -> None:
        try:
            sent = self._client.publish(topic, message, qos=_AT_LEAST_ONCE, retain=retain)
            sent.wait_for_publish(self._target.timeout)
        except (OSError, ValueError, RuntimeError) as error:
            self._drop()
            raise UnreachableError(in_one_line(error, 300)) from error
        if not sent.is_published():
            self._drop()
            raise UnreachableError(f"the broker did not confirm within {self._target.timeout:g} s")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _fill(topic: str, **fields: str) -> str:
    """Fill a topic's fields in; what has a meaning in topics has none in a field."""
    known = {name: fields.get(name, "").translate(_RESERVED) for name in ("product", "verdict", "category")}
    return topic.format(**known)
