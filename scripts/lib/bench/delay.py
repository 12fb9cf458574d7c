"""A proxy that makes a far place of a near one, as TCP on Linux makes it out.

    python3 delay.py PORT UPSTREAM_PORT ROUND_TRIP_MS

For kernels without netem. Each byte arrives half a round trip later, in both directions; nothing of a
new connection arrives before the round trip that a handshake takes; and a connection has no more on
its way than its window, which begins with ten segments, grows by what is acknowledged, and ends at
what Linux gives a receiver by default. There is no other limit but the speed of this process."""

import asyncio
import collections
import socket
import sys
import time

HOST = "127.0.0.1"
#: What is read at once; large, so that few turns of the loop move much.
CHUNK = 1 << 18
#: Chunks that wait for a receiver that does not take them.
WAITING = 32
FIRST_WINDOW, LAST_WINDOW = 10 * 1448, 6 << 20


class Window:
    """How much of one direction of a connection may be on its way."""

    def __init__(self, round_trip):
        self.round_trip, self.size, self.sent = round_trip, FIRST_WINDOW, 0
        self.unacknowledged = collections.deque()

    async def room(self):
        """Waits until a good deal may be sent; how much."""
        while True:
            now = time.monotonic()
            while self.unacknowledged and self.unacknowledged[0][0] <= now:
                _, length = self.unacknowledged.popleft()
                self.sent -= length
                self.size = min(self.size + length, LAST_WINDOW)
            room = self.size - self.sent
            if room >= min(CHUNK, self.size // 4):
                return min(room, CHUNK)
            await asyncio.sleep(self.unacknowledged[0][0] - now)

    def take(self, length, leaves_at):
        """Notes what is sent."""
        self.sent += length
        self.unacknowledged.append((leaves_at + self.round_trip, length))


async def read(source, way, delay, not_before):
    """Puts what comes onto the way, with the moment it is due at the other end."""
    loop, window = asyncio.get_running_loop(), Window(2 * delay)
    try:
        while True:
            data = await loop.sock_recv(source, await window.room())
            leaves_at = max(time.monotonic(), not_before)
            window.take(len(data), leaves_at)
            await way.put((leaves_at + delay, data))
            if not data:
                return
    except OSError:
        await way.put((time.monotonic() + delay, b""))


async def write(way, sink):
    """Hands over what is on the way when it is due."""
    loop = asyncio.get_running_loop()
    while True:
        due, data = await way.get()
        rest = due - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)
        if not data:
            break
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def carry(source, sink, delay, not_before):
    """One direction of a connection, until its end."""
    way = asyncio.Queue(WAITING)
    reading = asyncio.ensure_future(read(source, way, delay, not_before))
    try:
        await write(way, sink)
    except OSError:
        # Whoever was to have it is gone: let the other side know.
        for end in (source, sink):
            shut(end)
    finally:
        reading.cancel()


def shut(end):
    """Ends a connection for both directions."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def prepared(end):
    """A socket for the loop, which sends at once."""
    end.setblocking(False)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return end


async def serve_one(client, upstream, delay):
    """A connection from its beginning to its end."""
    stands_at = time.monotonic() + 2 * delay
    server = prepared(socket.socket())
    with client, server:
        try:
            await asyncio.get_running_loop().sock_connect(server, (HOST, upstream))
        except OSError:
            return
        await asyncio.gather(
            carry(client, server, delay, stands_at), carry(server, client, delay, stands_at)
        )


async def serve(port, upstream, delay):
    """Takes connections until this process ends."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server((HOST, port), backlog=128)
    listener.setblocking(False)
    running = set()
    while True:
        client, _ = await loop.sock_accept(listener)
        task = asyncio.ensure_future(serve_one(prepared(client), upstream, delay))
        # The loop itself holds no task fast.
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 2000))
