#!/usr/bin/env python3
"""Figures that are ratios within one run: ticks against their own Redis commands replayed raw, and, where an earlier build is
given, before against after. Prints the tables of docs/performance.md; fails nothing.

    benches/ratios.py target/release/kdcube-metrics [--before an/earlier/build] [--quick]
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

TENANT, PROJECT = "acme", "chat"
PREFIX = f"{TENANT}:{PROJECT}:kdcube"
MILLION = 1_000_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def encoded(command):
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Redis:
    """A redis-server of its own."""

    def __init__(self):
        self.folder, self.port = tempfile.mkdtemp(), free_port()
        arguments = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        wait(lambda: self.ask("PING") == b"+PONG")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def ask(self, *command):
        """The first line of the reply."""
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendall(encoded(command))
            return connection.recv(1 << 20).split(b"\r\n")[0]
        return None

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def wait(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the servers did not become ready")
        time.sleep(0.02)


class Server:
    """The program, serving."""

    def __init__(self, program, redis, interval):
        self.port = free_port()
        environment = {
            "REDIS_URL": redis.url,
            "METRICS_PORT": str(self.port),
            "METRICS_BIND": "127.0.0.1",
            "GATEWAY_CONFIG_JSON": json.dumps({"tenant": TENANT, "project": PROJECT}),
            "METRICS_SAMPLE_INTERVAL_SEC": str(interval),
        }
        self.process = subprocess.Popen([program, "serve"], env=environment, stderr=subprocess.DEVNULL)
        wait(lambda: self.get("/readyz")[0] == 200)

    def get(self, path):
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
                reply = b"".join(iter(lambda: connection.recv(65536), b""))
                return int(reply.split(b" ", 2)[1]), reply
        except (OSError, IndexError):
            return 0, b""

    def value(self, name):
        found = re.search(rb"^%s (\S+)" % name.encode(), self.get("/metrics")[1], re.MULTILINE)
        return float(found.group(1)) if found else float("nan")

    def ticks(self):
        return [self.value(f"kdcube_metrics_tick_duration_seconds_{part}") for part in ("count", "sum")]

    def tick_mean(self, seconds):
        """The mean of the ticks of the next seconds, in milliseconds, and the CPU that the process took for each."""
        (count, total), cpu = self.ticks(), self.cpu()
        time.sleep(seconds)
        (later, more), spent = self.ticks(), self.cpu() - cpu
        return (more - total) / (later - count) * 1000, spent / (later - count) * 1000

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1000

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def deployment(program, processes, samples=1000):
    """A Redis with a simulated deployment that writes."""
    redis, half = Redis(), str(processes // 2)
    arguments = ["simulate", "--redis-url", redis.url, "--tenant", TENANT, "--project", PROJECT]
    size = ["--ingress", half, "--proc", half, "--history", str(samples)]
    simulator = subprocess.Popen([program, *arguments, *size], env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    simulator.stdout.read(1)
    try:
        yield redis
    finally:
        simulator.kill()
        simulator.wait()
        redis.stop()


@contextlib.contextmanager
def serving(program, redis, interval):
    server = Server(program, redis, interval)
    try:
        yield server
    finally:
        server.stop()


class Monitor:
    """What Redis is asked, by MONITOR."""

    def __init__(self, redis, seconds):
        connection, found, end = redis.connect(), b"", time.monotonic() + seconds
        connection.sendall(encoded(["MONITOR"]))
        connection.settimeout(0.1)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                found += connection.recv(1 << 20)
        connection.close()
        self.lines = found.split(b"\r\n")[1:-1]

    def of_server(self):
        """The commands of the client that asks for its node's role, as the program does in every tick."""
        source = next(re.search(rb"\[\d+ (\S+)\]", line).group(1) for line in self.lines if b'"INFO" "replication"' in line)
        own = [line for line in self.lines if b" " + source + b"]" in line]
        return [[unquoted(word) for word in re.findall(rb'"((?:[^"\\]|\\.)*)"', line)] for line in own]


def unquoted(word):
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda found: escape(found.group(1)), word, flags=re.DOTALL)


def escape(code):
    if code.startswith(b"x") and len(code) == 3:
        return bytes([int(code[1:], 16)])
    return {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}.get(code, code)


def one_tick(commands):
    """The commands from one reading of the role to the next: a tick's, though not from its first on."""
    ends = [place for place, command in enumerate(commands) if command[0].upper() == b"INFO"]
    return commands[ends[0] + 1 : ends[1] + 1]


def replay(redis, commands):
    """The shortest time that one write and reading all replies take, in milliseconds, and the mean."""
    marker = b"the-end-of-the-replies"
    sent = b"".join(map(encoded, commands)) + encoded(["ECHO", marker])
    times = []
    with redis.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(100):
            began, tail = time.perf_counter(), b""
            writer = threading.Thread(target=connection.sendall, args=(sent,)) if len(sent) > 100_000 else None
            if writer:
                writer.start()
            else:
                connection.sendall(sent)
            while not tail.endswith(marker + b"\r\n"):
                tail = (tail + connection.recv(1 << 20))[-64:]
            times.append((time.perf_counter() - began) * 1000)
            if writer:
                writer.join()
    return statistics.mean(times)


def raw(program, processes, seconds):
    with deployment(program, processes) as redis:
        with serving(program, redis, 0.25 if processes <= 2000 else 1) as server:
            time.sleep(2)
            mean, cpu = server.tick_mean(seconds)
            commands = one_tick(Monitor(redis, 1.2 if processes <= 2000 else 4).of_server())
            resident = server.resident()
        bare = replay(redis, commands)
    return [mean, cpu, bare, mean / bare, len(commands), resident]


def commands_a_minute(program, seconds):
    with deployment(program, 20) as redis, serving(program, redis, 5) as server:
        time.sleep(70)
        found = Monitor(redis, seconds).of_server()
        names = {}
        for command in found:
            names[command[0].decode().upper()] = names.get(command[0].decode().upper(), 0) + 1
        return len(found) * 60 / seconds, names


def throttling(program, events, seconds):
    """A day of events, each of a session of its own."""
    redis = Redis()
    now, rng = time.time(), random.Random(1)
    with redis.connect() as connection:
        reader = threading.Thread(target=lambda: [None for _ in iter(lambda: connection.recv(65536), b"")], daemon=True)
        reader.start()
        for first in range(0, events, 10_000):
            batch = [b"ZADD", f"{PREFIX}:throttling:events"]
            for number in range(first, min(first + 10_000, events)):
                at = now - 86_000 + number * 85_900 / events
                event = {"timestamp": at, "event_id": f"e{number}", "reason": "hourly_rate_limit", "http_status": 429,
                         "session_id": f"{rng.getrandbits(128):032x}", "user_type": "anonymous", "fingerprint": "f",
                         "endpoint": "/", "retry_after": 60}
                batch += [repr(at), json.dumps(event)]
            connection.sendall(encoded(batch))
        wait(lambda: redis.ask("ZCARD", f"{PREFIX}:throttling:events") == b":%d" % events, 300)
        connection.shutdown(socket.SHUT_RDWR)
    try:
        with serving(program, redis, 1) as server:
            time.sleep(3)
            mean, cpu = server.tick_mean(seconds)
            return [mean, cpu, server.resident()]
    finally:
        redis.stop()


def health(program, processes, seconds):
    """How long probes take while ticks compute: the 99th percentile and the longest, in milliseconds."""
    with deployment(program, processes) as redis, serving(program, redis, 0.25) as server:
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            server.get("/livez" if len(times) % 2 else "/readyz")
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)
        times.sort()
        return [times[len(times) * 99 // 100], times[-1]]


def scrapes(program, connections, seconds):
    with deployment(program, 20) as redis, serving(program, redis, 5) as server:
        arguments = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", f"http://127.0.0.1:{server.port}/metrics"]
        found = re.search(r"Requests/sec:\s+(\S+)", subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
        return float(found.group(1))


def print_table(title, columns, rows):
    print(f"\n## {title}\n")
    print("| " + " | ".join(["", *columns]) + " |")
    print("|---|" + "---:|" * len(columns))
    for name, values in rows:
        print(f"| {name} | " + " | ".join(f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in values) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--before", help="an earlier build, measured in the same run")
    parser.add_argument("--quick", action="store_true", help="shorter, and rougher")
    parser.add_argument("--only", nargs="*", help="some of: raw, commands, throttling, health, scrapes")
    options = parser.parse_args()
    builds = ([("before", options.before)] if options.before else []) + [("now", options.program)]
    seconds = 4 if options.quick else 10
    wanted = lambda name: not options.only or name in options.only
    if wanted("raw"):
        columns = ["tick, mean ms", "CPU a tick, ms", "its commands raw, ms", "ratio", "commands", "RSS MB"]
        sizes = [20, 2000] + ([] if options.quick else [20_000])
        rows = [(f"{size} processes, {name}", raw(build, size, seconds)) for size in sizes for name, build in builds]
        print_table("A tick and its own commands replayed raw", columns, rows)
    if wanted("commands"):
        rows = [(name, commands_a_minute(build, 60)) for name, build in builds]
        print_table("Commands a minute, 20 processes", ["commands"], [(name, [total]) for name, (total, _) in rows])
        for name, (_, names) in rows:
            print(f"\n{name}: " + ", ".join(f"{command} {count}" for command, count in sorted(names.items())))
    if wanted("throttling"):
        events = MILLION // 10 if options.quick else MILLION
        columns = ["tick, mean ms", "CPU a tick, ms", "RSS MB"]
        rows = [(f"{events:,} events, {name}", throttling(build, events, seconds)) for name, build in builds]
        print_table("Throttling events of distinct sessions", columns, rows)
    if wanted("health"):
        size = 2000 if options.quick else 20_000
        rows = [(f"{size} processes, {name}", health(build, size, seconds)) for name, build in builds]
        print_table("Health while ticks compute", ["p99, ms", "longest, ms"], rows)
    if wanted("scrapes"):
        rows = [(f"{size} connections, {name}", [scrapes(build, size, seconds)]) for size in (1, 8, 64) for name, build in builds]
        print_table("Scrapes", ["`/metrics` a second"], rows)


if __name__ == "__main__":
    main()
