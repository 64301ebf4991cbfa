"""The main job on one machine: simulated systems, a broker, all roles, a scene, and a live picture of it."""

from streams.demo.play import Kafka, play

__all__ = ["Kafka", "play"]
