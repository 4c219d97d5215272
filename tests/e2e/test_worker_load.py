#!/usr/bin/env python3
"""Worker apps under strain: recycling, killing, more apps than room, bodies larger than memory.

Each case is bounded to seconds; WORKER_LOAD=50 does fifty times as much, for a long run by hand.
"""

import os
import resource
import signal
import socket
import threading

import harness
from servers import pattern

TIMES = int(os.environ.get("WORKER_LOAD", "1"))
PERSISTENT = "ttl: 1h\ntimeout: 20s\n"


def pid_of(gateway, app="app"):
    return int(gateway.get(f"/{app}/about").body.split()[1])


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as f:
        return f.read().strip()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


class Strain(harness.Case):
    def run_clients(self, gateway, count, requests, ask):
        """`ask(client, n)` for each of `requests` numbers, by `count` clients; what went wrong."""
        wrong = []

        def work(first):
            try:
                with gateway.connect() as client:
                    for number in range(first, requests, count):
                        if (trouble := ask(client, number)):
                            wrong.append(trouble)
            except Exception as error:
                wrong.append(repr(error))

        workers = [threading.Thread(target=work, args=(first,)) for first in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return wrong

    def test_recycling_costs_no_request_and_leaks_nothing(self):
        self.packages.app("app", "app.so", PERSISTENT + "maxRequests: 5\nworkers: 2\n")
        gateway = self.start()

        def ask(client, _):
            status = client.ask("GET", "/app/about").status
            return None if status == 200 else status

        self.assertEqual(self.run_clients(gateway, 4, 400, ask), [])
        before = descriptors(gateway.pid), threads_of(gateway.pid)
        memory = resident_kb(gateway.pid)
        self.assertEqual(self.run_clients(gateway, 4, 1600 * TIMES, ask), [])
        harness.wait_until(lambda: descriptors(gateway.pid) <= before[0] + 16, "descriptors stay")
        harness.wait_until(lambda: threads_of(gateway.pid) == before[1], "threads stay")
        self.assertLess(resident_kb(gateway.pid), memory + 16 * 1024)

    def test_workers_that_are_killed_all_the_time(self):
        self.packages.app("app", "app.so", PERSISTENT + "workers: 2\n")
        self.packages.app("other", "app.so", PERSISTENT)
        gateway = self.start()
        seen, ended = set(), threading.Event()

        def kill():
            for _ in range(10 * TIMES):
                with gateway.connect() as client:
                    answer = client.ask("GET", "/app/about")
                if answer.status != 200:
                    continue
                try:
                    os.kill(int(answer.body.split()[1]), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            ended.set()

        def ask(client, number):
            if ended.is_set():
                return None
            app = ("app", "other")[number % 2]
            status = client.ask("GET", f"/{app}/about").status
            seen.add((app, status))
            return None if status == 200 or (app == "app" and status == 502) else (app, status)

        killer = threading.Thread(target=kill)
        killer.start()
        self.assertEqual(self.run_clients(gateway, 4, 100_000 * TIMES, ask), [])
        killer.join()
        self.assertIn(("other", 200), seen)
        harness.wait_until(lambda: gateway.get("/app/about").status == 200, "it serves again")

    def test_more_apps_than_the_pool_has_room_for(self):
        count, room = (500, 50) if TIMES > 1 else (24, 4)
        for number in range(count):
            self.packages.app(f"a{number}", "app.so", "ttl: 0\n" if number % 3 else PERSISTENT)
        gateway = self.start({"RUNTIME_POOL_SIZE": str(room)})
        for number in [*range(count), *range(0, count, 7)]:
            answer = gateway.get(f"/a{number}/about")
            self.assertEqual(answer.status, 200, number)
            workers = [p for p in harness.descendants(gateway.pid)
                       if "worker:" in harness.command_line(p)]
            self.assertLessEqual(len(workers), room)


class Bodies(harness.Case):
    SIZE = 64 * 2 ** 20 * (32 if TIMES > 1 else 1)  # 64 MiB, or 2 GiB.

    def setUp(self):
        super().setUp()
        self.packages.app("app", "app.so", "ttl: 1h\ntimeout: 5m\nmaxBodySize: 4gb\n")
        self.gateway = self.start()
        self.worker = pid_of(self.gateway)

    def peak_growth_kb(self, work):
        """How much the gateway and the worker have grown in between, at their largest."""
        before = {pid: resident_kb(pid) for pid in (self.gateway.pid, self.worker)}
        work()
        growth = []
        for pid, kb in before.items():
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                peak = next(line for line in f if line.startswith("VmHWM"))
            growth.append(int(peak.split()[1]) - kb)
        return max(growth)

    def test_an_upload_larger_than_memory(self):
        def upload():
            with self.gateway.connect() as client:
                block = b"u" * 65536
                client.send("POST /app/count HTTP/1.1\r\nHost: x\r\n"
                            f"Content-Length: {self.SIZE}\r\n\r\n".encode())
                for _ in range(self.SIZE // len(block)):
                    client.send(block)
                self.assertEqual(client.read_response().body, str(self.SIZE).encode())

        self.assertLess(self.peak_growth_kb(upload), 24 * 1024)

    def test_a_download_larger_than_memory(self):
        def download():
            with socket.create_connection(("127.0.0.1", self.gateway.port), 60) as client:
                client.sendall(f"GET /app/b/{self.SIZE} HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n".encode())
                total, buffer = 0, bytearray(1 << 20)
                while (count := client.recv_into(buffer)):
                    total += count
            self.assertGreater(total, self.SIZE)
            self.assertLess(total, self.SIZE + 4096)

        self.assertLess(self.peak_growth_kb(download), 24 * 1024)


class Streams(harness.Case):
    SLOW = 1000

    def test_slow_readers_of_events_stall_only_themselves(self):
        self.packages.app("events", "ticker", PERSISTENT + f"concurrency: {self.SLOW + 100}\n"
                          "workersMax: 1\n")
        gateway = self.start()
        with gateway.connect() as quick:
            quick.request("GET", "/events/")
            self.assertEqual(quick.read_head().status, 200)
            quick.read_chunk()
            worker = next(p for p in harness.descendants(gateway.pid) if name_of(p) == "ticker")
            memory = {pid: resident_kb(pid) for pid in (gateway.pid, worker)}
            slow = [self.slow_reader(gateway.port) for _ in range(self.SLOW)]
            for client in slow:  # It is answered: from here on nobody reads.
                self.assertEqual(client.recv(12), b"HTTP/1.1 200")
            for _ in range(100):
                self.assertTrue(quick.read_chunk())
            growth = {pid: resident_kb(pid) - kb for pid, kb in memory.items()}
            self.assertLess(growth[gateway.pid], 40 * self.SLOW, "what each holds: 40 KiB")
            self.assertLess(growth[worker], 16 * 1024)
            with gateway.connect() as late:
                late.request("GET", "/events/")
                self.assertEqual(late.read_head().status, 200)
                self.assertTrue(late.read_chunk())
            for client in slow:
                client.close()
            self.assertTrue(quick.read_chunk())
            # All their places are free again.
            slow = [self.slow_reader(gateway.port) for _ in range(self.SLOW)]
            for client in slow:
                self.assertEqual(client.recv(12), b"HTTP/1.1 200")
                client.close()

    @staticmethod
    def slow_reader(port):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(harness.DEADLINE)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /events/ HTTP/1.1\r\nHost: x\r\n\r\n")
        return client


class Scarcity(harness.Case):
    """What a machine runs out of costs answers, never the gateway, and comes back by itself."""

    def test_no_process_can_be_started(self):
        controller = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else \
            "/sys/fs/cgroup"
        group = f"{controller}/ringtime-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError as error:
            self.skipTest(f"no control group to limit processes with: {error}")
        self.addCleanup(harness.wait_until, lambda: self.dissolve(group), "the group is empty")
        if not os.path.exists(f"{group}/pids.max"):
            self.skipTest("control groups here do not count processes")
        self.packages.app("app", "app.so", PERSISTENT + "workersMax: 1\n")
        self.packages.app("brief", "app.so", "ttl: 0\n")
        gateway = self.start()
        for pid in [gateway.pid, *harness.descendants(gateway.pid)]:
            self.write(f"{group}/cgroup.procs", pid)
        self.write(f"{group}/pids.max", 1)
        os.kill(pid_of(gateway), signal.SIGKILL)
        harness.wait_until(lambda: gateway.get("/app/about").status == 503, "the app is given up")
        harness.wait_until(lambda: gateway.get("/brief/about").status == 503, "so is the other")
        self.assertEqual(gateway.get("/health").status, 200)
        self.assertIn("cannot fork", gateway.log())
        self.write(f"{group}/pids.max", "max")
        for app in ("app", "brief"):
            harness.wait_until(lambda: gateway.get(f"/{app}/about").status == 200, "serves")

    @staticmethod
    def write(path, value):
        with open(path, "w", encoding="ascii") as f:
            f.write(str(value))

    def dissolve(self, group):
        with open(f"{group}/cgroup.procs", encoding="ascii") as f:
            for pid in f.read().split():
                try:
                    self.write(f"{os.path.dirname(group)}/cgroup.procs", pid)
                except ProcessLookupError:
                    pass
        try:
            os.rmdir(group)
        except OSError:
            return False
        return True

    def test_no_descriptor_is_left(self):
        self.packages.app("app", "app.so", PERSISTENT + "workersMax: 1\n")
        self.packages.app("brief", "app.so", "ttl: 0\n")
        gateway = self.start()
        victim = pid_of(gateway)
        before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
        with gateway.connect() as client:
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE,
                             (descriptors(gateway.pid), before[1]))
            os.kill(victim, signal.SIGKILL)
            # What was open goes on, though no worker can be given its memory.
            status = client.ask("GET", "/app/about").status
            self.assertIn(status, (200, 502, 503))
            self.assertEqual(client.ask("GET", "/health").status, 200)
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)
            for app in ("app", "brief"):
                harness.wait_until(lambda: client.ask("GET", f"/{app}/about").status == 200,
                                   "serves")

    def test_the_zygote_is_killed(self):
        self.packages.app("app", "app.so", PERSISTENT + "workers: 2\n")
        self.packages.app("brief", "app.so", "ttl: 0\n")
        gateway = self.start()
        below = harness.descendants(gateway.pid)
        zygote = next(p for p in below if name_of(p) == "ringtime-zygote")
        os.kill(zygote, signal.SIGKILL)
        harness.wait_until(lambda: not any(map(alive, below)), "its workers end with it")
        for app in ("app", "brief"):
            harness.wait_until(lambda: gateway.get(f"/{app}/about").status == 200, "serves")


class Limits(harness.Case):
    def test_a_worker_that_takes_too_much_memory_hurts_itself(self):
        self.packages.app("greedy", "app.so", PERSISTENT + "sandbox: {memory: 64mb}\n")
        self.packages.app("app", "app.so", PERSISTENT)
        gateway = self.start()
        self.assertEqual(gateway.get("/greedy/eat/8").status, 200)
        # Killed by its group's limit, or refused by its own: never more.
        self.assertIn(gateway.post("/greedy/eat/200").status, (500, 502))
        self.assertEqual(gateway.get("/app/eat/200").status, 200)
        harness.wait_until(lambda: gateway.get("/greedy/about").status == 200, "it serves again")
        # Bodies pass through it that are larger than its limit.
        body = pattern(8 * 2 ** 20)
        self.assertEqual(gateway.post("/greedy/count", body).body, str(len(body)).encode())

    def test_limits_that_cannot_be_had_are_told(self):
        self.packages.app("app", "app.so", PERSISTENT + "sandbox: {cpu: 0.5, memory: 64mb}\n")
        gateway = self.start()
        self.assertEqual(gateway.get("/app/about").status, 200)
        if not os.access("/sys/fs/cgroup/cgroup.subtree_control", os.W_OK):
            self.assertIn("sandbox.cpu has no effect", gateway.log())

    def test_what_the_manifest_opens_is_open_and_no_more(self):
        shared = self.packages.write("shared/file", "content\n")
        self.packages.app("app", "app.so", PERSISTENT + "sandbox:\n"
                          f"  read: [{os.path.dirname(shared)}]\n")
        gateway = self.start()
        self.assertEqual(gateway.get("/app/read?" + shared).body, b"content\n")
        secret = self.packages.write("secret", "x")
        self.assertEqual(gateway.get("/app/read?" + secret).status, 403)

    def test_another_user(self):
        if os.getuid() != 0:
            self.skipTest("only root can give a worker another user")
        os.chmod(self.packages.root, 0o755)
        self.packages.app("app", "app.so", PERSISTENT + "sandbox: {uid: 12345}\n")
        gateway = self.start()
        with open(f"/proc/{pid_of(gateway)}/status", encoding="ascii") as f:
            uids = next(line for line in f if line.startswith("Uid")).split()[1:]
        self.assertEqual(set(uids), {"12345"})


if __name__ == "__main__":
    harness.main()
