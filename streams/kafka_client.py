"""`[kafka]` in the words of each Kafka client that we use."""

import ssl
from typing import Any

from confluent_kafka import KafkaException

from streams.settings import KafkaSettings


def security(kafka: KafkaSettings) -> dict[str, str]:
    """Protocol, log-in and files as the engine names them; only what is needed."""
    found = {"security_protocol": ("SASL_" if kafka.sasl else "") + ("SSL" if kafka.tls else "PLAINTEXT")}
    if kafka.sasl:
        found["sasl_mechanism"] = kafka.sasl.mechanism
        found["sasl_username"] = kafka.sasl.username
        found["sasl_password"] = kafka.sasl.password.reveal()
    if kafka.tls:
        files = {"ssl_cafile": kafka.tls.ca_file, "ssl_certfile": kafka.tls.certificate_file, "ssl_keyfile": kafka.tls.key_file}
        found |= {name: file for name, file in files.items() if file}
    return found


LIBRDKAFKA = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
}


def confluent(kafka: KafkaSettings) -> dict[str, str | int | float | bool]:
    """The same for confluent-kafka's clients (librdkafka), with the bootstrap address; errors are raised, not logged."""
    return {"bootstrap.servers": kafka.bootstrap, "log_level": 0, **{LIBRDKAFKA[name]: value for name, value in security(kafka).items()}}


def no_answer(bootstrap: object, error: KafkaException) -> str:
    """What a person is told when such a client gets no answer from there."""
    return f"Kafka at {bootstrap} does not answer ({error.args[0].str()}); is it running, is the address right?"


def aiokafka(kafka: KafkaSettings) -> dict[str, Any]:
    """The same for aiokafka's clients, with the bootstrap address. Raises OSError for a file of `[kafka.tls]` that cannot be read."""
    options: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap, "security_protocol": security(kafka)["security_protocol"]}
    if kafka.sasl:
        options["sasl_mechanism"] = kafka.sasl.mechanism
        options["sasl_plain_username"] = kafka.sasl.username
        options["sasl_plain_password"] = kafka.sasl.password.reveal()
    if kafka.tls:
        context = ssl.create_default_context(cafile=kafka.tls.ca_file)
        if kafka.tls.certificate_file:
            context.load_cert_chain(kafka.tls.certificate_file, kafka.tls.key_file)
        options["ssl_context"] = context
    return options
