"""HTTPS by itself: the same requests and answers as the gateway's, and nothing in between.

``python -m bench.bare_https CERTIFICATE KEY PORT ANSWER``: ANSWER is a file with the headers
(JSON) on its first line and the body after it, as the gateway gave them.
"""

import json
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from bench import child
from broker.gateway.requests import MAX_BODY_BYTES
from broker.gateway.tls import server_context


async def main(certificate: Path, key: Path, port: int, answer: bytes) -> None:
    """Serve until standard input closes."""
    first, _, body = answer.partition(b"\n")
    headers: dict[str, str] = json.loads(first)

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, status=202, headers=headers)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/messages", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_context(certificate, key))
    await site.start()
    try:
        await child.serve({"collect": child.usage})
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    certificate, key, answer = (Path(sys.argv[place]) for place in (1, 2, 4))
    uvloop.run(main(certificate, key, int(sys.argv[3]), answer.read_bytes()))
