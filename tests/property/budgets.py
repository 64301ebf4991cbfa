"""How long the machines run: in every test run the same few minutes of the world, in a campaign many new ones."""

from typing import Final

from hypothesis import HealthCheck, settings

EVERY_TIME: Final = settings(
    max_examples=500,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CAMPAIGN: Final = settings(EVERY_TIME, max_examples=4_000, stateful_step_count=60, derandomize=False, print_blob=True)
CAMPAIGN_TIMEOUT_S: Final = 3_600
