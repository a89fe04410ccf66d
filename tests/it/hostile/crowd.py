"""Holds many connections to a port: crowd.py PORT COUNT BYTES_IN_HEX. Says so, and lets go when its input ends."""

import resource
import socket
import sys

port, count, first = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, max(most, count + 100)))

held = []
for _ in range(count):
    # Another client than the one that asks for health.
    connection = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=("127.0.0.2", 0))
    try:
        connection.sendall(first)
    except OSError:
        pass  # it made room already
    held.append(connection)
print("held", len(held), flush=True)
sys.stdin.read()
