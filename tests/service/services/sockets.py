"""A mounted application that talks over web sockets, well and badly."""

from __future__ import annotations

from typing import Any

import bentoml
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from opentelemetry import trace
from switch import maybe_observe

tracer = trace.get_tracer("sockets")
app = FastAPI()


@app.websocket("/rooms/{room}")
async def talk(socket: WebSocket, room: str) -> None:
    """Echoes in capitals; closes with the code it is told."""
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            if text == "fail":
                raise ValueError("no more")
            if text.startswith("close "):
                await socket.close(int(text.removeprefix("close ")))
                return
            with tracer.start_as_current_span("answer"):
                await socket.send_text(f"{room}: {text.upper()}")
    except WebSocketDisconnect:
        pass


@app.websocket("/refused")
async def refuse(socket: WebSocket) -> None:
    await socket.close()


@app.websocket("/asks")
async def asks(socket: WebSocket) -> None:
    """Calls the service's API from within."""
    await socket.accept()
    service: Any = bentoml.get_current_service()
    async for text in socket.iter_text():
        await socket.send_text(await service.turn.local(text))


@maybe_observe
@bentoml.asgi_app(app, path="/chat")
@bentoml.service
class Sockets:
    @bentoml.api
    async def turn(self, text: str) -> str:
        return text[::-1]
