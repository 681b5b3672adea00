"""A small HTTP/1.1 load client on raw sockets: cheap enough that the server, not the client, is measured."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

ANSWER_SECONDS_MAX = 60


async def one_connection(job: dict, requests: list[bytes], *, place: int, begun: float, out: dict) -> None:
    """Send requests one after the other on one kept-alive connection until the time is over.

    At a given rate each has its moment, and its time counts from there: a late answer makes the next one late too.
    """
    reader, writer = await asyncio.open_connection(job["host"], job["port"])
    until = begun + job["seconds"]
    try:
        for number, request in enumerate(requests):
            at = time.perf_counter()
            if job["rate"]:
                at = begun + (number * job["clients"] + place) / job["rate"]
                await asyncio.sleep(max(0, at - time.perf_counter()))
            if max(at, time.perf_counter()) >= until:
                return
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            out["times"].append(time.perf_counter() - at)
            status = int(head[9:12])
            out["status"][status] += 1
            if status >= 400 and len(out["errors"]) < 3:
                out["errors"].append(body[:200].decode(errors="replace"))
        out["ran_out"] = True
    finally:
        writer.close()


async def main() -> None:
    """Read the job from standard input, run it, print the figures as JSON."""
    job = json.load(sys.stdin)
    out: dict = {"times": [], "status": Counter(), "errors": [], "ran_out": False}
    clients = job["clients"]
    made = [build(job, card, number) for number, card in enumerate(job["cards"])]
    begun = time.perf_counter()
    async with asyncio.timeout(job["seconds"] + ANSWER_SECONDS_MAX):
        await asyncio.gather(
            *(one_connection(job, made[i::clients], place=i, begun=begun, out=out) for i in range(clients))
        )
    spent = time.perf_counter() - begun
    times = sorted(out["times"])
    granted = sum(count for status, count in out["status"].items() if status < 300)
    print(
        json.dumps(
            {
                "rate": granted / spent,
                "status": out["status"],
                "answers": len(times),
                "p50_ms": times[len(times) // 2] * 1000,
                "p95_ms": times[int(len(times) * 0.95)] * 1000,
                "p99_ms": times[int(len(times) * 0.99)] * 1000,
                "errors": out["errors"],
                "ran_out": out["ran_out"],
            }
        )
    )


def build(job: dict, card: str, number: int) -> bytes:
    """Return one stamp request as bytes; each has a key of its own, as the pages send."""
    body = json.dumps({"pass_id": card, "staff_pin": job["pin"]}).encode()
    head = (
        f"POST {job['path']} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {job['run']}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(main())
