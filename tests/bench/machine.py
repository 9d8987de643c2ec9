"""Processes, cores and clocks: what runs where, and what it costs.

The server under test has one core for itself, the last one; load and upstream share the
first (with three cores or more, each has its own). Costs are CPU time of the whole process,
all threads, dead ones too, in nanoseconds: the kernel's process clock, not its ticks.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[-1]
LOAD_CORE = CORES[0]
UPSTREAM_CORE = CORES[1] if len(CORES) > 2 else CORES[0]


class BenchError(Exception):
    """A measurement that could not be made; the text says why."""


class Process:
    """A child on one core, its output in a file. `with` ends it. `job`: what it serves."""

    def __init__(self, argv, core, log, job=None):
        self.log, self.job = log, job
        with open(log, 'wb') as out:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                cwd=os.path.dirname(log),
                preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()

    def cpu_s(self):
        """Seconds of CPU time so far (MAKE_PROCESS_CPUCLOCK of linux/posix-timers.h)."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss_kb(self):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as status:
            return int(re.search(r'^VmRSS:\s+(\d+)', status.read(), re.M)[1])

    def is_dead(self):
        return self.child.poll() is not None

    def said(self):
        with open(self.log, errors='replace', encoding='utf-8') as log:
            return log.read()

    def last_words(self):
        return ' | '.join(self.said().strip().splitlines()[-3:])


def free_port():
    """A port that is free for UDP and TCP on 127.0.0.1."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(('127.0.0.1', 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def question(name, kind=1):
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.'))
    return b'\x5a\x5a\1\0\0\1\0\0\0\0\0\0' + labels + b'\0' + kind.to_bytes(2, 'big') + b'\0\1'


def ask(port, name, wait_s):
    """The RCODE of the answer to NAME, A; None if none comes."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(wait_s)
        udp.connect(('127.0.0.1', port))
        try:
            udp.send(question(name))
            answer = udp.recv(4096)
        except OSError:
            return None
    return answer[3] & 15 if answer[:2] == question(name)[:2] else None


def first_answer_s(process, port, name, limit_s=60.0):
    """Waits until NAME is answered NOERROR; returns how long it took."""
    start = time.monotonic()
    rcode = None
    while time.monotonic() < start + limit_s:
        rcode = ask(port, name, 0.5)
        if rcode == 0:
            return time.monotonic() - start
        if process.is_dead():
            raise BenchError(f'ended at start: {process.last_words()}')
        time.sleep(0.001)
    raise BenchError(f'no answer to {name} in {limit_s:.0f} s (rcode {rcode}): '
                     f'{process.last_words()}')


@contextlib.contextmanager
def connections(port, count, name):
    """So many TCP connections that have had their answer and stay open."""
    asked = question(name)
    with contextlib.ExitStack() as stack:
        for i in range(count):  # no client may have more than a few hundred
            source = f'127.0.1.{1 + i // 500}', 0
            tcp = stack.enter_context(socket.create_connection(('127.0.0.1', port), source_address=source))
            tcp.sendall(len(asked).to_bytes(2, 'big') + asked)
            if not tcp.recv(4096):
                raise BenchError('a connection was closed')
        yield


# ---- instructions ----

EVENTS = ('instructions:u', 'instructions:k')


class Counters:
    """Instructions of a process between start and stop, where the machine lets perf count."""

    def __init__(self, process, events=EVENTS):
        self.perf = subprocess.Popen(['perf', 'stat', '-x', ',', '-e', ','.join(events), '-p',
                                      str(process.pid)], stderr=subprocess.PIPE, text=True)

    def stop(self):
        """The counts, in the order of the events."""
        self.perf.send_signal(signal.SIGINT)
        text = self.perf.communicate()[1]
        return [float(line.split(',')[0]) for line in text.splitlines() if line[:1].isdigit()]


def counts_instructions():
    """Whether this machine has such counters; many virtual ones have not."""
    if not shutil.which('perf'):
        return False
    done = subprocess.run(['perf', 'stat', '-x', ',', '-e', ','.join(EVENTS), 'true'],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0 and '<not' not in done.stderr


# ---- load ----

class Tally:
    """What a load program says it sent and got."""

    def __init__(self, text):
        self.sent = self.number(r'Queries sent:\s+(\d+)', text)
        self.answered = self.number(r'Queries completed:\s+(\d+)', text)
        self.lost = self.number(r'Queries lost:\s+(\d+)', text)
        self.seconds = self.number(r'Run time \(s\):\s+([\d.]+)', text)
        self.rcodes = {code: int(n) for code, n in
                       re.findall(r'([A-Z]+) (\d+) ', self.find(r'Response codes:(.*)', text) + ' ')}

    @staticmethod
    def find(pattern, text):
        found = re.search(pattern, text)
        if not found:
            raise BenchError(f'the load did not run: {text.strip()[-200:]}')
        return found[1]

    @classmethod
    def number(cls, pattern, text):
        return float(cls.find(pattern, text))

    def check(self, accepts=('NOERROR',)):
        """A cost per answer means nothing when answers are lost or errors."""
        good = sum(self.rcodes.get(code, 0) for code in accepts)
        if self.answered == 0 or self.lost > 0.01 * self.sent:
            raise BenchError(f'{self.lost:.0f} of {self.sent:.0f} lost')
        if good < self.answered:
            raise BenchError(f'wrong answers: {self.rcodes}')


def run_load(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}))
    return done.stdout


def dnsperf_argv(port, names, seconds, *more):
    return ['dnsperf', '-s', '127.0.0.1', '-p', str(port), '-d', names, '-l', str(seconds), '-t', '2', *more]


def dnsperf(port, names, seconds, *more):
    return run_load(dnsperf_argv(port, names, seconds, *more))


