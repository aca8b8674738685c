"""What the log dashboard is measured beside: Redis' pub/sub straight to Server-Sent Events, in twenty lines.

uvicorn bench.logs.plain:app
"""

import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

app = FastAPI()


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(_events(), media_type="text/event-stream")


@app.get("/health")
async def health() -> None: ...


async def _events() -> AsyncIterator[str]:
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis, redis.pubsub() as pubsub:
        await pubsub.subscribe("logs", "logs:errors", "logs:metrics", "logs:debug")
        async for message in pubsub.listen():
            if message["type"] == "message":
                yield f"data: {message['data'].decode()}\n\n"
