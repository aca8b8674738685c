"""The side that asks the model: `python -m bench.naive.worker`."""

import asyncio
import os

import aio_pika
import msgspec
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from openai import AsyncOpenAI

PREFETCH = 1000


async def main() -> None:
    openai = AsyncOpenAI()  # OPENAI_API_KEY and OPENAI_BASE_URL
    connection = await aio_pika.connect_robust(os.environ["RABBIT_MQ"])
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(PREFETCH)
        jobs = await channel.declare_queue(os.environ["NAIVE_PREFIX"] + "jobs", auto_delete=True)

        async def generate(message: AbstractIncomingMessage) -> None:
            async with message.process():
                job = msgspec.json.decode(message.body)
                answer = await openai.chat.completions.create(
                    model=job["model"], messages=[{"role": "user", "content": job["message"]}], stream=True
                )
                async for chunk in answer:
                    if chunk.choices and (text := chunk.choices[0].delta.content):
                        await send({"chunk": text}, job["queue"])
                await send({"type": "done"}, job["queue"])

        async def send(event: dict[str, str], queue: str) -> None:
            await channel.default_exchange.publish(aio_pika.Message(msgspec.json.encode(event)), queue)

        await jobs.consume(generate)
        print("ready", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main())
