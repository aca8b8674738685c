"""Takes back what a stack with a prefix of its own declared on a broker that others use as well."""

import aio_pika

QUEUES = ("llm.jobs", "llm.jobs.dead")
EXCHANGES = ("llm.sessions", "llm.events", "llm.jobs", "celeryev", "celery.pidbox")


async def forget(broker: str, prefix: str) -> None:
    """Deleting what is not there is no error in RabbitMQ."""
    connection = await aio_pika.connect(broker, timeout=10)
    async with connection:
        channel = await connection.channel()
        for queue in QUEUES:
            await channel.queue_delete(f"{prefix}{queue}")
        for exchange in (*EXCHANGES, f"reply.{prefix}celery.pidbox"):
            name = exchange if exchange.startswith("reply.") else f"{prefix}{exchange}"
            await channel.exchange_delete(name)
