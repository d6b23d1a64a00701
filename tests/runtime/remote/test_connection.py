"""A connection belongs to one event loop, and may be ended from any thread."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.connection import TIMING, Connection, LostError


def test_another_thread_may_end_it():
    """asyncio's transports are not made for that: with `debug` the loop raises where it is called from elsewhere."""

    async def ended():
        accepted: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            accepted.set_result(Connection(reader, writer, TIMING))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        near, far = Connection(reader, writer, TIMING), await accepted
        exchanges = [
            asyncio.create_task(each.exchange(Channel("one"), 0, lambda number, body: None)) for each in (near, far)
        ]
        await asyncio.sleep(0)
        await asyncio.to_thread(near.close)
        for exchange in exchanges:
            with pytest.raises(LostError):
                await exchange
        far.close()
        for each in (writer, far._writer):  # noqa: SLF001
            with suppress(OSError):
                await each.wait_closed()
        server.close()
        return near

    connection = asyncio.run(ended(), debug=True)
    connection.close()  # also when the loop has ended
