"""A stub of the Messages API: scripted answers for the real Claude Code program, streamed as the real ones are.

By hand::

    python -m tests.support.messages_api [PORT]
    ANTHROPIC_BASE_URL=http://host.docker.internal:PORT ANTHROPIC_API_KEY=any prodigy run flow.yml

What it answers is written in the prompt itself, so that parallel agents need no common script. The last line
of the first user message that begins with ``@`` is a JSON list of turns; each turn is one answer:

    @[{"bash": "echo hello > a.txt"}, {"bash": "git add -A && git commit -m hello"}, "Done."]

A text is an answer; ``{"bash": COMMAND}`` has the program run a command; ``{"tool": NAME, "input": {…}}`` any
tool; ``{"status": 429, "retry_after": 1, "times": 2}`` is an error, that many times; ``{"cut": true}`` ends the
stream in the middle; ``{"slow": SECONDS, "text": …}`` waits before each piece. Turns are counted by the tool
results that the conversation holds. Without such a line ``Stub.script`` is taken, which says ``ok``.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 40
"""Characters of one piece of a streamed answer."""


@dataclass
class Seen:
    """What the stub was asked."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    """``path``, ``headers`` (lower case) and ``body`` of each."""
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Stub(ThreadingHTTPServer):
    """The server; ``seen`` holds what it was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        self.seen = Seen()
        self.script: list[Any] = ["ok"]
        """The answers to prompts that hold none."""
        super().__init__(("0.0.0.0", port), Handler)

    @property
    def url(self) -> str:
        """Its address, as a gateway sees it."""
        return f"http://host.docker.internal:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stub

    def do_POST(self) -> None:
        """Answer a request for a message, or for a count of tokens."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(data or b"{}")
        path = self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.seen.lock:
            self.server.seen.requests.append({"path": path, "headers": headers, "body": body})
        if path.endswith("/count_tokens"):
            self._json(200, {"input_tokens": 10})
        elif path.endswith("/v1/messages"):
            self._message(body)
        else:
            self._json(404, {"type": "error", "error": {"type": "not_found_error", "message": path}})

    def _message(self, body: dict[str, Any]) -> None:
        turn = self._turn(body)
        if isinstance(turn, dict) and "status" in turn:
            headers = {"retry-after": str(turn["retry_after"])} if "retry_after" in turn else {}
            kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
            kind = kinds.get(turn["status"], "api_error")
            error = {"type": "error", "error": {"type": kind, "message": f"scripted {turn['status']}"}}
            self._json(turn["status"], error, headers)
            return
        block = _block(turn)
        message = {
            "id": f"msg_{time.monotonic_ns()}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", "stub"),
            "content": [block],
            "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 20},
        }
        if body.get("stream"):
            self._stream(message, turn if isinstance(turn, dict) else {})
        else:
            self._json(200, message)

    def _turn(self, body: dict[str, Any]) -> Any:
        """Choose the answer by how far the conversation is."""
        texts = [text for message in body.get("messages", []) for text in _texts(message)]
        script = next(
            (line[1:] for text in texts for line in reversed(text.splitlines()) if line.startswith("@[")),
            None,
        )
        turns = self.server.script if script is None else json.loads(script)
        done = sum(
            block.get("type") == "tool_result"
            for message in body.get("messages", [])
            if isinstance(message.get("content"), list)
            for block in message["content"]
            if isinstance(block, dict)
        )
        position = 0
        for turn in turns:
            if isinstance(turn, dict) and "status" in turn:
                key = f"{turns} {turns.index(turn)}"
                with self.server.seen.lock:
                    self.server.seen.counts[key] += 1
                    again = self.server.seen.counts[key] <= turn.get("times", 1_000_000)
                if position == done and again:
                    return turn
                continue
            if position == done:
                return turn
            position += 1
        return "The script is over."

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, message: dict[str, Any], turn: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(_events(message)):
            if turn.get("cut") and number == 3:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            time.sleep(turn.get("slow", 0))
            data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "text":
            yield str(block.get("text"))


def _block(turn: Any) -> dict[str, Any]:
    if isinstance(turn, str):
        return {"type": "text", "text": turn}
    if "bash" in turn:
        turn = {"tool": "Bash", "input": {"command": turn["bash"], "description": "Work"}}
    if "tool" in turn:
        return {
            "type": "tool_use",
            "id": f"toolu_{time.monotonic_ns()}",
            "name": turn["tool"],
            "input": turn["input"],
        }
    return {"type": "text", "text": turn.get("text", "a longer answer, so that it comes in several pieces")}


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    (block,) = message["content"]
    usage = {"input_tokens": message["usage"]["input_tokens"], "output_tokens": 1}
    start = {**message, "content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": start}
    is_text = block["type"] == "text"
    empty = {**block, "text": ""} if is_text else {**block, "input": {}}
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    whole = block["text"] if is_text else json.dumps(block["input"])
    for at in range(0, len(whole), PIECE):
        part = whole[at : at + PIECE]
        delta = (
            {"type": "text_delta", "text": part}
            if is_text
            else {"type": "input_json_delta", "partial_json": part}
        )
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}
    yield {"type": "message_stop"}


@contextmanager
def stub() -> Iterator[Stub]:
    """A stub at work, in this process."""
    server = Stub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    by_hand = Stub(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    sys.stdout.write(f"{by_hand.url}\n")
    sys.stdout.flush()
    by_hand.serve_forever()
