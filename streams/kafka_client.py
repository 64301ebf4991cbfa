"""`[kafka]` in the words of each Kafka client that we use."""

from streams.settings import KafkaSettings


def security(kafka: KafkaSettings) -> dict[str, str]:
    """Protocol, log-in and files as aiokafka and the engine name them; only what is needed."""
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
