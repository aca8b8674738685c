from tests.integration.conftest import broker  # noqa: F401 - the same check that a RabbitMQ answers
