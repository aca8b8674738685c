"""The HTTP side: `uvicorn bench.naive.api:app`."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import msgspec
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Chat(BaseModel):
    message: str
    model: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.connection = await aio_pika.connect_robust(os.environ["RABBIT_MQ"])
    app.state.channel = await app.state.connection.channel()
    async with app.state.connection:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/chat", status_code=202)
async def chat(body: Chat) -> dict[str, str]:
    queue = os.environ["NAIVE_PREFIX"] + secrets.token_hex(8)
    await app.state.channel.declare_queue(queue, durable=True, arguments={"x-expires": 600_000})
    job = msgspec.json.encode({"queue": queue, "message": body.message, "model": body.model})
    await app.state.channel.default_exchange.publish(aio_pika.Message(job), os.environ["NAIVE_PREFIX"] + "jobs")
    return {"stream_url": f"/stream/{queue}"}


@app.get("/stream/{queue}")
async def stream(queue: str) -> StreamingResponse:
    return StreamingResponse(_events(queue), media_type="text/event-stream")


async def _events(name: str) -> AsyncIterator[bytes]:
    async with app.state.connection.channel() as channel:
        queue = await channel.get_queue(name)
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    yield b"data: " + message.body + b"\n\n"
                if b'"done"' in message.body[:16]:
                    break
        await queue.delete()
