"""Harness of the end-to-end tests: checks, processes, ports, namespaces, questions.

A test file is a program. Its functions named test_* run in the order they stand in; each calls
check() or equal() as often as it likes; one that raises has failed once. With arguments only
those whose name contains one of them run. A failing check is a line `FAIL ...`, a test that
cannot run here a line `skip ...` with the reason; the last line is

    N passed, N failed[, N skipped]

Environment: ISTHMUS is the program under test (default build/isthmus); the DNS servers are
looked for in PATH and in build/peers/bin. All traffic stays on loopback addresses, or inside
a network namespace made by @namespace(ADDRESS...): such tests run in a copy of the program
that `unshare` started, where those addresses belong to the loopback interface.

Nothing waits for a fixed time: wait_until() polls a condition. Every process has a group of its
own, dies with this one, and is stopped at the end; a sanitizer's report or an exit status
other than 0 of the program under test is a failed check.
"""
import atexit
import contextlib
import ctypes
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ISTHMUS = os.path.abspath(os.environ.get('ISTHMUS', os.path.join(ROOT, 'build/isthmus')))
os.environ['PATH'] = os.path.join(ROOT, 'build/peers/bin') + os.pathsep + os.environ['PATH']
sys.dont_write_bytecode = True
# Sanitizers make the program several times slower: time limits are as much wider.
SLOW = 4 if re.search(r'/(asan|tsan|oom|debug|cov)/', ISTHMUS) else 1


# ---- checks ----

class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


class Tally:
    passed = failed = skipped = 0
    test = ''


def check(ok, what, detail=''):
    """Counts one check; a failure is told with its detail. Returns ok."""
    if ok:
        Tally.passed += 1
    else:
        Tally.failed += 1
        text = ' | '.join(line.strip() for line in f'{what}: {detail}'.split('\n') if line.strip())
        print(f'FAIL {Tally.test}: {text}', flush=True)
    return bool(ok)


def equal(got, want, what):
    return check(got == want, what, f'got {got!r}, expected {want!r}')


def slack():
    """How much longer than on an idle machine things may take: for time limits only."""
    return SLOW * min(6, max(3, 1.5 * os.getloadavg()[0] / os.cpu_count()))


def within(ms, limit_ms, what):
    """Tells "at once" from "after somebody's timeout": ten times the limit is still the former, and a
    busy machine keeps to it. It is no measurement (tests/bench has those), and under a sanitizer,
    where a scheduler's pause is worth a hundred answers, nothing is said at all."""
    if SLOW > 1:
        return True
    return check(ms <= 10 * limit_ms, what, f'{ms:.0f} ms, expected about {limit_ms:.0f} ms at most')


def mostly_within(times_ms, limit_ms, what):
    """All but one in twenty keep to the limit, and the rest to four times that: a scheduler that
    forgets somebody once is not the program's fault."""
    times_ms = sorted(times_ms)
    within(times_ms[(len(times_ms) - 1) * 19 // 20], limit_ms, f'{what}: nearly all of {len(times_ms)} answers')
    return within(times_ms[-1], 4 * limit_ms, f'{what}: the slowest of {len(times_ms)} answers')


def skip(why):
    raise Skip(why)


def need(program):
    """The path of a program; without it the test is skipped."""
    return shutil.which(program) or skip(f'{program} is not there')


def wait_until(condition, timeout_s=10, what='condition'):
    """Polls until condition() is true, and returns its value. Fails the test after timeout_s."""
    end = time.monotonic() + timeout_s * slack()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'waited {timeout_s} s and more in vain for: {what}')
        time.sleep(0.01)


# ---- running ----

def namespace(*addresses):
    """Decorator: the test runs in a network namespace whose loopback has these addresses."""
    def mark(function):
        function.addresses = addresses
        return function
    return mark


def run_one(name, function):
    Tally.test = name
    try:
        function()
    except Skip as why:
        Tally.skipped += 1
        print(f'skip {name}: {why}', flush=True)
    except Exception as error:  # pylint: disable=broad-except
        frames = [f for f in traceback.extract_tb(error.__traceback__) if 'tests/e2e' in f.filename]
        at = ' < '.join(f'{os.path.basename(f.filename)}:{f.lineno}' for f in reversed(frames))
        check(False, f'{type(error).__name__}: {error}', at)


def unshare_command():
    """How to get a network namespace here, or None."""
    if shutil.which('unshare') is None or shutil.which('ip') is None:
        return None
    for flags in (['-n'], ['-r', '-n']):
        probe = ['unshare', *flags, 'ip', 'link', 'set', 'lo', 'up']
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return ['unshare', *flags]
    return None


def run_in_namespace(tests):
    """Runs this program again inside a namespace, for these tests only, and adds its counts."""
    command = unshare_command()
    if command is None:
        for name, _ in tests:
            Tally.skipped += 1
            print(f'skip {name}: no network namespace may be made here', flush=True)
        return
    arguments = [sys.executable, os.path.abspath(sys.argv[0]), '--inside', *(name for name, _ in tests)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as inner:
        PROCESSES.append(inner)
        last = ''
        for line in inner.stdout:
            if re.match(r'\d+ passed, \d+ failed', line):
                last = line
            else:
                print(line, end='', flush=True)
    PROCESSES.remove(inner)
    counts = [int(n) for n in re.findall(r'\d+', last)] + [0]
    if not last:
        check(False, 'the run inside the namespace ended without a result')
        return
    Tally.passed += counts[0]
    Tally.failed += counts[1]
    Tally.skipped += counts[2]


def enter_namespace(tests):
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for address in sorted({a for _, function in tests for a in function.addresses}):
        length = ['128', 'nodad'] if ':' in address else ['32']
        prefix = f'{address}/{length[0]}'
        subprocess.run(['ip', 'addr', 'add', prefix, 'dev', 'lo', *length[1:]], check=True)


def black_hole(*networks):
    """Inside a namespace: packets to these vanish, as where a route leads to nobody. Skips the test
    where no tunnel device may be made."""
    if not HOLES:
        try:
            HOLES.append(os.open('/dev/net/tun', os.O_RDWR | os.O_CLOEXEC))
            fcntl.ioctl(HOLES[0], 0x400454ca, struct.pack('16sH22x', b'hole', 0x1001))  # TUNSETIFF; no header
        except OSError as error:
            raise Skip(f'no tunnel device: {error}') from None
        subprocess.run(['ip', 'link', 'set', 'hole', 'up'], check=True)
    for network in networks:
        subprocess.run(['ip', 'route', 'replace', network, 'dev', 'hole', 'table', 'local'], check=True)


def main():
    """Runs the tests of the program's own file and ends the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    module = sys.modules['__main__']
    wanted = [a for a in sys.argv[1:] if a != '--inside']
    tests = [(n, f) for n, f in vars(module).items() if n.startswith('test_') and callable(f)]
    tests = [(n, f) for n, f in tests if not wanted or any(w in n for w in wanted)]
    inside = [(n, f) for n, f in tests if hasattr(f, 'addresses')]
    if '--inside' in sys.argv:
        enter_namespace(inside)
        tests = inside
    for name, function in tests:
        if '--inside' in sys.argv or not hasattr(function, 'addresses'):
            run_one(name, function)
    if inside and '--inside' not in sys.argv:
        run_in_namespace(inside)
    stop_all()
    skipped = f', {Tally.skipped} skipped' if Tally.skipped else ''
    print(f'{Tally.passed} passed, {Tally.failed} failed{skipped}', flush=True)
    sys.exit(1 if Tally.failed else 0)


# ---- files, ports, processes ----

FOLDER = tempfile.mkdtemp(prefix='isthmus-e2e-')
atexit.register(shutil.rmtree, FOLDER, True)
# Named before a namespace changes who we seem to be.
LOCKS = os.environ.setdefault('ISTHMUS_E2E_LOCKS', f'{tempfile.gettempdir()}/isthmus-e2e-ports-{os.getuid()}')
PROCESSES = []
NETS = set()
PORT_LOCKS = []
HOLES = []
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def folder(name):
    """A new folder of its own, removed at the end."""
    return tempfile.mkdtemp(prefix=name + '-', dir=FOLDER)


def write(path, text):
    with open(path, 'w', encoding='latin-1') as file:
        file.write(text)
    return path


def is_free(address, port):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True


def free_port():
    """A port below the ephemeral range, free on every IPv4 address, ours until we end: other
    runs of these tests respect the lock."""
    os.makedirs(LOCKS, exist_ok=True)
    for _ in range(1000):
        port = random.randrange(20000, 32000)
        lock = os.open(os.path.join(LOCKS, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        if is_free('0.0.0.0', port):
            PORT_LOCKS.append(lock)
            return port
        os.close(lock)
    raise AssertionError('no free port')


def loopback_net():
    """The first three numbers of a /24 of loopback addresses for this process, another each time: `127.34.9`."""
    while (net := f'127.{random.randrange(16, 200)}.{random.randrange(1, 250)}') in NETS:
        pass
    NETS.add(net)
    return net


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program in a process group of its own; its output goes to two files."""

    def __init__(self, argv, name, stdin=None, env=None, cwd=None):
        self.name = name
        self.folder = cwd or folder(name)
        self.out_path = os.path.join(self.folder, 'stdout')
        self.err_path = os.path.join(self.folder, 'stderr')
        with open(self.out_path, 'ab') as out, open(self.err_path, 'ab') as err:
            self.popen = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                argv, stdout=out, stderr=err, cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                env={**os.environ, **(env or {})}, preexec_fn=die_with_parent)
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError), self.popen.stdin as pipe:
                pipe.write(stdin.encode())
        PROCESSES.append(self)

    @property
    def alive(self):
        return self.popen.poll() is None

    def output(self):
        with open(self.out_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def errors(self):
        with open(self.err_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def wait(self, timeout_s=10):
        """The exit status."""
        return self.popen.wait(timeout_s * slack())

    def stop(self):
        self.thaw()
        if self.alive:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(8 * slack())  # the program itself is patient for 5 s
        self.signal(signal.SIGKILL)
        self.popen.wait()
        if self in PROCESSES:
            PROCESSES.remove(self)


def stop_all():
    for process in list(reversed(PROCESSES)):
        if isinstance(process, Process):
            process.stop()
        else:
            process.kill()


atexit.register(stop_all)


def sockets(kind):
    """(address, port) of every UDP socket, or TCP listener, of this network namespace."""
    found = []
    for table, family in ((kind, socket.AF_INET), (kind + '6', socket.AF_INET6)):
        with contextlib.suppress(OSError), open(f'/proc/self/net/{table}', encoding='ascii') as file:
            for line in file.readlines()[1:]:
                words = line.split()
                address, _, port = words[1].partition(':')
                packed = struct.pack(f'={len(address) // 8}I', *struct.unpack(f'>{len(address) // 8}I', bytes.fromhex(address)))
                if kind == 'udp' or words[3] == '0A':
                    found.append((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def is_served(port, address=None):
    """Whether UDP and TCP of this port are open, on that address or on all."""
    wanted = None if address is None else {address, '0.0.0.0', '::'}
    return all(any(p == port and (wanted is None or a in wanted) for a, p in sockets(kind)) for kind in ('udp', 'tcp'))


class StartFailed(Exception):
    """The program under test ended at once; the text is what it said."""


class Isthmus(Process):
    """The program under test, ready to be asked when the constructor returns.

    In `corefile` @PORT@ is the port it gets. `address` is where the tests ask."""

    def __init__(self, corefile, arguments=(), address='127.0.0.1', port=None, env=None):
        self.address, self.port = address, port or free_port()
        home = folder('isthmus')
        self.corefile = write(os.path.join(home, 'Corefile'), corefile.replace('@PORT@', str(self.port)))
        super().__init__([ISTHMUS, '-conf', self.corefile, *arguments], 'isthmus', env=env, cwd=home)
        wait_until(self._listens, 10, f'isthmus listens on {self.port}')

    def _listens(self):
        if not self.alive:
            super().stop()
            raise StartFailed(self.errors() or self.output())
        # The banner comes last: pages and the control socket are open by then, too.
        told = '-quiet' in self.popen.args or re.search(r'^isthmus-\d', self.output(), re.M) is not None
        return told and is_served(self.port, self.address)

    def log(self):
        return self.output() + self.errors()

    def stop(self):
        if self not in PROCESSES:
            return
        died = self.popen.poll()
        super().stop()
        status = self.popen.returncode
        if status != -signal.SIGKILL or died is None:
            check(status == 0, 'isthmus ends with status 0', f'status {status}; {self.errors()[-600:]}')
        report = re.search(r'(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*', self.errors())
        check(report is None, 'no report of a sanitizer', report and self.errors()[report.start():][:2500])


def isthmus(directives, arguments=(), keys='.', **more):
    """Isthmus with one server block on 127.0.0.1: `keys` without ports, `directives` as text."""
    head = ' '.join(f'{key}:@PORT@' for key in keys.split())
    return Isthmus(f'{head} {{\n    bind 127.0.0.1\n    errors\n{directives}\n}}\n', arguments, **more)


# ---- questions ----

class Reply:
    """An answer: its octets, a strict reading of them, dnspython's reading, and the time."""

    def __init__(self, octets, ms):
        self.wire, self.ms = octets, ms
        self.parsed = wire.parse(octets)
        self.message = dns.message.from_wire(octets, one_rr_per_rrset=True)

    rcode = property(lambda self: dns.rcode.to_text(self.message.rcode()))
    tc = property(lambda self: bool(self.parsed.flags & wire.TC))
    aa = property(lambda self: bool(self.parsed.flags & wire.AA))
    ad = property(lambda self: bool(self.parsed.flags & wire.AD))
    answer = property(lambda self: records_of(self.message.answer))
    authority = property(lambda self: records_of(self.message.authority))
    additional = property(lambda self: records_of(self.message.additional))

    @property
    def text(self):
        return self.message.to_text()

    @property
    def data(self):
        """The RDATA texts of the answer section, sorted."""
        return sorted(rdata.to_text() for rrset in self.message.answer for rdata in rrset)

    @property
    def ede(self):
        """(code, text) of every extended error."""
        return [(int.from_bytes(data[:2], 'big'), data[2:].decode('utf-8', 'replace'))
                for code, data in self.parsed.options if code == 15]

    def short(self):
        """For messages: one line."""
        return f'{self.rcode} {self.answer} {self.authority} ede={self.ede}'


def records_of(section):
    """`owner TYPE rdata` of each record, sorted; names as they are spelled, no TTL."""
    return sorted(f'{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}'
                  for rrset in section for rdata in rrset)


def exchange_udp(server, octets, timeout_s=5, ident_matters=True):
    """Sends octets, returns those of the answer, or None."""
    family = socket.AF_INET6 if ':' in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((server.address, server.port))
        sock.send(octets)
        end = time.monotonic() + timeout_s
        while True:
            sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                answer = sock.recv(65535)
            except OSError:
                return None
            if not ident_matters or answer[:2] == octets[:2]:
                return answer


class TcpClient:
    """One connection; sends and receives framed messages."""

    def __init__(self, server, timeout_s=10):
        self.sock = socket.create_connection((server.address, server.port), timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *messages):
        """All in one segment."""
        self.sock.sendall(b''.join(struct.pack('>H', len(m)) + m for m in messages))

    def _exactly(self, count):
        octets = b''
        while len(octets) < count:
            part = self.sock.recv(count - len(octets))
            if not part:
                return None
            octets += part
        return octets

    def receive(self, timeout_s=10):
        """One message, or None when the server closed or nothing came in time."""
        self.sock.settimeout(timeout_s)
        try:
            head = self._exactly(2)
            return head and self._exactly(struct.unpack('>H', head)[0])
        except OSError:
            return None

    def closed_within(self, timeout_s):
        """How many seconds until the server closed the connection; None: it did not."""
        began = time.monotonic()
        self.sock.settimeout(timeout_s)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return None
        except OSError:
            pass
        return time.monotonic() - began


def exchange_tcp(server, octets, timeout_s=10):
    with TcpClient(server, timeout_s) as client:
        client.send(octets)
        return client.receive(timeout_s)


def make_query(name, rdtype='A', edns=1232, do=False, cd=False, ad=False, rd=True, options=b'', ident=None):
    """Octets of a question. `name` is text or a list of labels; `edns` None: no OPT."""
    flags = (rd and wire.RD) | (cd and wire.CD) | (ad and wire.AD)
    record = None if edns is None else wire.opt(edns, options, flags=0x8000 if do else 0)
    return wire.query(name, rdtype, random.getrandbits(16) if ident is None else ident, flags, record)


def ask(server, name, rdtype='A', tcp=False, timeout_s=6, **more):
    """Asks and returns a Reply; raises where nothing comes, or what comes is malformed."""
    octets = make_query(name, rdtype, **more)
    began = time.monotonic()
    answer = (exchange_tcp if tcp else exchange_udp)(server, octets, timeout_s)
    ms = (time.monotonic() - began) * 1000
    if answer is None:
        raise AssertionError(f'no answer for {name} {rdtype} {"TCP" if tcp else "UDP"} in {timeout_s} s')
    return Reply(answer, ms)


def run(argv, timeout_s=20, stdin=''):
    """(status, standard output, standard error) of a program that ends by itself."""
    done = subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=timeout_s * slack(), check=False)
    return done.returncode, done.stdout, done.stderr


def dig(server, *words):
    """Standard output of dig."""
    words = [need('dig'), f'@{server.address}', '-p', str(server.port), '+nocookie', *words]
    return run([*words])[1]
