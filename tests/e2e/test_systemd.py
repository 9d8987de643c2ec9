#!/usr/bin/env python3
"""What systemd is told and gives: readiness, reloads, status line, watchdog, sockets; and the unit
of examples/ as far as it can be tried without systemd: its score, and the program under its user,
capability and filters."""
import contextlib
import ctypes
import ctypes.util
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import harness
from harness import ISTHMUS, ROOT, Process, ask, check, equal, folder, free_port, isthmus, namespace, need, skip, wait_until, write

BLOCK = '.:@PORT@ {\n    bind 127.0.0.1\n    errors\n    whoami\n}\n'


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, abstract=False):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            self.path = f'@isthmus-test-{os.getpid()}-{time.monotonic_ns()}'
            self.sock.bind('\0' + self.path[1:])
        else:
            self.path = os.path.join(folder('notify'), 'socket')
            self.sock.bind(self.path)
        self.sock.setblocking(False)
        self.told = []

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.told.append(dict(line.split('=', 1) for line in self.sock.recv(4096).decode().split('\n')))
        return self.told

    def wait(self, key, value='1', after=0):
        """The first message from number `after` on that says so."""
        def found():
            return next((m for m in self.read()[after:] if m.get(key) == value), None)
        return wait_until(found, 10, f'{key}={value} in {self.told}')

    def count(self, key):
        return sum(key in message for message in self.read())


def test_ready_reload_and_end():
    for abstract in (False, True):
        manager = Manager(abstract)
        server = isthmus('    cluster b.lan {\n        dns 127.0.0.1:1\n    }', env={'NOTIFY_SOCKET': manager.path})
        ready = manager.wait('READY')
        equal(ready['STATUS'], '1 cluster', 'ready, with the status line')
        seen, before_us = len(manager.read()), time.monotonic_ns() // 1000
        server.signal(signal.SIGHUP)
        reloading = manager.wait('RELOADING', after=seen)
        check(int(reloading['MONOTONIC_USEC']) >= before_us, 'when the reload began', reloading)
        manager.wait('READY', after=manager.told.index(reloading))
        seen = len(manager.read())
        with open(server.corefile, 'a', encoding='ascii') as file:
            file.write('nonsense {\n')
        server.signal(signal.SIGHUP)
        refused = manager.wait('READY', after=seen)
        check('configuration was refused' in refused['STATUS'], 'a refused file is told', refused)
        for name in 'abc':
            ask(server, f'{name}.b.lan')
        wait_until(lambda m=manager: any('1 cluster, 1 down (b.lan)' in x.get('STATUS', '') for x in m.read()), 20, 'a cluster that is down')
        server.signal(signal.SIGTERM)
        manager.wait('STOPPING')
        equal(server.wait(), 0, 'the end')
        equal(manager.count('WATCHDOG'), 0, 'no watchdog was asked for')
        server.stop()


def test_nothing_is_told_before_it_serves():
    manager = Manager()
    home = folder('early')
    corefile = write(os.path.join(home, 'Corefile'), '.:x {\n}\n')
    failed = Process([ISTHMUS, '-conf', corefile], 'isthmus', cwd=home, env={'NOTIFY_SOCKET': manager.path})
    equal((failed.wait(), manager.read()), (1, []), 'a start that fails')
    odd = isthmus('    whoami', env={'NOTIFY_SOCKET': 'relative/path', 'WATCHDOG_USEC': '-1'})
    check('NOTIFY_SOCKET relative/path is not understood' in odd.output(), 'a wrong variable', odd.output())
    equal(ask(odd, 'x.test').rcode, 'NOERROR', 'does no harm')


# ---- the watchdog ----

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
WALL = 0x40000000  # __WALL: threads too


def ptrace(request, thread):
    return LIBC.ptrace(request, thread, None, None)


def thread_of(server, name):
    for path in glob.glob(f'/proc/{server.popen.pid}/task/*/comm'):
        with open(path, encoding='ascii') as file:
            if file.read().strip() == name:
                return int(path.split('/')[4])
    raise AssertionError(f'no thread {name}')


def test_watchdog():
    manager = Manager()
    server = isthmus('    multisocket 2\n    whoami', env={'NOTIFY_SOCKET': manager.path, 'WATCHDOG_USEC': '200000'})
    wait_until(lambda: manager.count('WATCHDOG') >= 5, 10, 'the watchdog is fed')
    thread = thread_of(server, 'worker-1')
    if ptrace(PTRACE_SEIZE, thread) != 0:
        skip('no thread may be stopped here')
    ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        wait_until(lambda: 'worker 1 does not go round' in server.output(), 10, 'the line')
        fed = manager.count('WATCHDOG')
        wait_until(lambda end=time.monotonic() + 0.6: time.monotonic() > end, 10, 'three times its period')
        equal(manager.count('WATCHDOG'), fed, 'not while a worker hangs')
    finally:
        ptrace(PTRACE_DETACH, thread)
    wait_until(lambda: manager.count('WATCHDOG') > fed + 2, 10, 'fed again')
    server.stop()
    other = isthmus('    whoami', env={'NOTIFY_SOCKET': manager.path, 'WATCHDOG_USEC': '200000', 'WATCHDOG_PID': '1'})
    fed = manager.count('WATCHDOG')
    ask(other, 'x.test')
    equal(manager.count('WATCHDOG'), fed, 'that of another process is not ours to feed')


# ---- sockets ----

def opened(kind, address, port):
    sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, kind)
    if ':' in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


HAND_OVER = '''
import fcntl, os, sys
numbers = [int(n) for n in sys.argv[2].split(',')]
for i, number in enumerate([fcntl.fcntl(n, fcntl.F_DUPFD, 200) for n in numbers]):
    os.dup2(number, 3 + i)
    os.close(number)
os.environ.update(LISTEN_PID=sys.argv[1] or str(os.getpid()), LISTEN_FDS=str(len(numbers)))
os.execv(sys.argv[3], sys.argv[3:])
'''


@contextlib.contextmanager
def handing_over(sockets, pid=''):
    """What is started meanwhile gets the sockets, as from systemd."""
    for sock in sockets:
        os.set_inheritable(sock.fileno(), True)
    numbers = ','.join(str(sock.fileno()) for sock in sockets)
    popen = subprocess.Popen
    try:
        subprocess.Popen = lambda argv, **more: popen([sys.executable, '-c', HAND_OVER, pid, numbers, *argv], close_fds=False, **more)
        yield
    finally:
        subprocess.Popen = popen
        for sock in sockets:
            sock.close()


def activated(corefile, sockets, port, address='127.0.0.1'):
    with handing_over(sockets):
        return harness.Isthmus(corefile, address=address, port=port)


def both(address, port):
    return [opened(kind, address, port) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]


def answers(server, what):
    for tcp in (False, True):
        for n in range(20):
            if ask(server, f'x{n}.test', tcp=tcp).rcode != 'NOERROR':
                check(False, f'{what}: question {n} by {"tcp" if tcp else "udp"}')
                return
    check(True, what)


def test_sockets_are_taken_over():
    port = free_port()
    sockets = both('127.0.0.1', port)
    server = activated(BLOCK.replace('whoami', 'whoami\n    multisocket 2'), sockets, port)
    answers(server, 'two workers share them')
    for n in range(2):
        with open(server.corefile, 'a', encoding='ascii') as file:
            file.write(f'# {n}\n')
        count = server.output().count('Reloading complete')
        server.signal(signal.SIGHUP)
        wait_until(lambda c=count: server.output().count('Reloading complete') > c, 10, 'a reload')
        answers(server, 'over a reload')
    with open(server.corefile, encoding='ascii') as file:
        text = file.read()
    other = free_port()
    for new in (text.replace(str(port), str(other)), text):
        count = server.output().count('Reloading complete')
        write(server.corefile, new)
        server.signal(signal.SIGHUP)
        wait_until(lambda c=count: server.output().count('Reloading complete') > c, 10, 'a reload')
    answers(server, 'named again after a reload without them')
    check('LISTEN_FDS' not in server.output(), 'nothing is told', server.output())


def test_sockets_that_do_not_fit():
    port, other = free_port(), free_port()
    pair = socket.socketpair()
    plain = socket.socket()
    plain.bind(('127.0.0.1', 0))
    sockets = [opened(socket.SOCK_DGRAM, '127.0.0.1', port), opened(socket.SOCK_DGRAM, '127.0.0.1', other), pair[0], plain]
    server = activated(BLOCK, sockets, port)
    answers(server, 'TCP is opened where there is only UDP')
    for line in (f'socket udp 127.0.0.1:{other} of LISTEN_FDS: no server block listens there',
                 'socket 3 of LISTEN_FDS is not used: no socket of the Internet',
                 'socket 4 of LISTEN_FDS is not used: neither UDP nor TCP that listens'):
        check(line in server.output(), line, server.output())
    server.stop()
    port = free_port()
    home = folder('other')
    corefile = write(os.path.join(home, 'Corefile'), BLOCK.replace('@PORT@', str(port)))
    with handing_over(both('127.0.0.1', port), pid='1'):
        other = Process([ISTHMUS, '-conf', corefile], 'isthmus', cwd=home)
    equal(other.wait(), 1, 'those of another process are not taken')
    check('bind: Address already in use' in other.errors(), 'but stand in the way', other.errors())


@namespace('10.0.0.53', 'fd00::53')
def test_sockets_on_every_address():
    for address in ('::', '0.0.0.0'):
        port = free_port()
        server = activated(BLOCK.replace('    bind 127.0.0.1\n', ''), both(address, port), port, '10.0.0.53')
        answers(server, f'{address}: a block without bind')
        if address == '::':
            server.address = 'fd00::53'
            answers(server, 'IPv6 too')
        server.stop()


# ---- the unit ----

def unit():
    """Section -> key -> the values, in order."""
    found, section = {}, ''
    with open(f'{ROOT}/examples/isthmus.service', encoding='ascii') as file:
        for line in file:
            if line.startswith('['):
                section = line.strip('[]\n')
            elif '=' in line and not line.startswith('#'):
                key, _, value = line.strip().partition('=')
                found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


def test_score():
    tool = need('systemd-analyze')
    done = subprocess.run([tool, 'security', '--offline=true', f'{ROOT}/examples/isthmus.service'], capture_output=True, text=True, check=False)
    score = re.search(r'Overall exposure level for isthmus.service: ([\d.]+)', done.stdout)
    if score is None:
        skip(f'systemd-analyze does not say: {done.stderr}')
    check(float(score[1]) <= 1.6, 'the exposure of the unit', score[1])


def calls_of(group):
    """The system calls of a group of systemd's."""
    if not group.startswith('@'):
        return {group}
    done = subprocess.run(['systemd-analyze', 'syscall-filter', group], capture_output=True, text=True, check=True)
    names = [line.strip() for line in done.stdout.split('\n')[1:] if line.strip() and not line.strip().startswith('#')]
    return {group} if not names else set().union(*(calls_of(name) for name in names))


def allowed_calls():
    calls = set()
    for value in unit()['Service']['SystemCallFilter']:
        named = set().union(*(calls_of(word) for word in value.lstrip('~').split()))
        calls = calls - named if value.startswith('~') else calls | named
    return calls | {'execve', 'exit', 'exit_group', 'rt_sigreturn', 'brk', 'mmap', 'munmap'}


FILTER = '''
import ctypes, os, sys
class Compare(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int), ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]
lib = ctypes.CDLL('libseccomp.so.2')
lib.seccomp_init.restype = ctypes.c_void_p
lib.seccomp_init.argtypes = [ctypes.c_uint32]
lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Compare)]
lib.seccomp_load.argtypes = [ctypes.c_void_p]
KILL, ALLOW, EPERM, EAFNOSUPPORT = 0x80000000, 0x7fff0000, 0x50001, 0x50061
NE, LE, EQ, MASKED = 1, 3, 4, 7
ctx = lib.seccomp_init(KILL)
def rule(action, name, *compare):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        array = (Compare * max(1, len(compare)))(*compare)
        rc = lib.seccomp_rule_add_array(ctx, action, number, len(compare), array)
        assert rc == 0, (name, rc)
families = [int(f) for f in sys.argv[2].split(',')]
special = {'socket', 'mmap', 'mprotect'}
for name in sys.argv[1].split(','):
    if name not in special:
        rule(ALLOW, name)
for family in range(0, 64):
    rule(ALLOW if family in families else EAFNOSUPPORT, 'socket', Compare(0, EQ, family, 0))
for protection in range(0, 8):
    exec_, write = protection & 4, protection & 2
    rule(EPERM if exec_ and write else ALLOW, 'mmap', Compare(2, EQ, protection, 0))
    rule(EPERM if exec_ else ALLOW, 'mprotect', Compare(2, EQ, protection, 0))
assert lib.seccomp_load(ctx) == 0
os.execv(sys.argv[3], sys.argv[3:])
'''


def in_reach(path):
    """A copy that any user may run."""
    os.chmod(harness.FOLDER, 0o711)
    home = folder('reach')
    os.chmod(home, 0o755)
    copy = shutil.copy(path, home)
    os.chmod(copy, 0o755)
    return copy


@namespace('10.0.0.53')
def test_program_under_the_rights_of_the_unit():
    need('systemd-analyze')
    setpriv = need('setpriv')
    if harness.SLOW > 1:
        skip('a sanitizer makes calls of its own')
    if ctypes.util.find_library('seccomp') is None and not glob.glob('/lib/*/libseccomp.so.2'):
        skip('libseccomp is not there')
    service = unit()['Service']
    equal((service['DynamicUser'], service['CapabilityBoundingSet'], service['NoNewPrivileges'], service['MemoryDenyWriteExecute']),
          (['yes'], ['CAP_NET_BIND_SERVICE'], ['yes'], ['yes']), 'what this test tries')
    families = [str(int(getattr(socket, name))) for name in service['RestrictAddressFamilies'][0].split()]
    program, home = in_reach(ISTHMUS), folder('unit')
    for name in ('run', 'state'):
        os.mkdir(os.path.join(home, name))
        os.chown(os.path.join(home, name), 65534, 65534)
    os.chmod(home, 0o755)
    corefile = write(os.path.join(home, 'Corefile'), '''.:53 {
    bind lo
    errors
    cache
    prometheus 127.0.0.1:9153
    reload
    rewrite name regex (.*)\\.old\\.test {1}.b.lan
    cluster b.lan {
        dns 127.0.0.1:1
    }
    hosts {
        192.0.2.1 x.test
        fallthrough
    }
    forward . 127.0.0.1:2
}
''')
    manager = Manager()
    os.chmod(manager.path, 0o666)
    os.chmod(os.path.dirname(manager.path), 0o755)
    server = Process(
        [setpriv, '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all,+net_bind_service', '--inh-caps=-all,+net_bind_service',
         '--ambient-caps=-all,+net_bind_service', '--no-new-privs', sys.executable, '-c', FILTER, ','.join(sorted(allowed_calls())),
         ','.join(families), program, '-conf', corefile], 'unit', cwd=home,
        env={'NOTIFY_SOCKET': manager.path, 'WATCHDOG_USEC': '400000', 'RUNTIME_DIRECTORY': f'{home}/run', 'STATE_DIRECTORY': f'{home}/state'})
    wait_until(lambda: not server.alive or any('READY' in m for m in manager.read()), 20, 'ready')
    if not check(server.alive, 'the program starts', (server.popen.returncode, server.errors()[-500:], server.output()[-500:])):
        return
    server.address, server.port = '10.0.0.53', 53
    equal([ask(server, 'x.test').data, ask(server, 'x.test', tcp=True).data], [['192.0.2.1']] * 2, 'answers')
    equal([ask(server, 'y.b.lan').rcode, ask(server, 'a.old.test').rcode, ask(server, 'y.test').rcode], ['SERVFAIL'] * 3, 'asks')
    for words in (('status',), ('explain', 'x.test'), ('drain', 'b.lan'), ('flush', '.'), ('log-level', 'info'), ('reload',)):
        done = subprocess.run([ISTHMUS, *words, '--control', f'{home}/run/control'], capture_output=True, text=True, check=False)
        equal((done.returncode, done.stderr), (0, ''), words[0])
    check(os.path.exists(f'{home}/state/drained'), 'the drain is kept')
    seen = len(manager.read())
    server.signal(signal.SIGHUP)
    manager.wait('READY', after=seen)
    wait_until(lambda: manager.count('WATCHDOG') > 1, 10, 'the watchdog is fed')
    with contextlib.closing(socket.create_connection(('127.0.0.1', 9153), 10)) as page:
        page.sendall(b'GET /clusters HTTP/1.0\r\n\r\n')
        check(b' 200 ' in page.recv(100), 'the page of the clusters')
    server.popen.terminate()
    equal(server.wait(), 0, 'ends well')


if __name__ == '__main__':
    harness.main()
