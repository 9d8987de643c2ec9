"""Places: the machines, nodes and pods of the lab.

    vm = Place('vm')                                # a network namespace, and its own /etc/resolv.conf
    vm.resolver('10.0.53.53')
    link(vm, 'eth0', router, 'vm')                  # a cable between two interfaces
    vm.ip('addr add 10.0.0.21/24 dev eth0', 'link set eth0 up')
    vm.run('curl', '-s', 'http://...')              # (status, output)
    vm.start('bird', 'bird', '-f', ...)             # a program that runs on

All of it lives in namespaces that enter() makes for this program alone. The last one, of process
IDs, has this program as its first process: when that ends, however it ends, the kernel ends all
others, and with them networks, mounts and files go. There is nothing to clean up.
"""
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
RUN = '/run/lab'  # in memory, seen by the lab only
CANNOT = 77  # exit status: no such lab can be made here

# Nothing of the user's reaches the commands of the lab: no proxy, no language.
ENVIRONMENT = {
    'PATH': f'{ROOT}/build/peers/bin:{os.environ["PATH"]}:/usr/sbin:/sbin',
    'HOME': '/', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb', 'PYTHONDONTWRITEBYTECODE': '1',
    **{name: os.environ[name] for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS') if name in os.environ},
}


class Failed(Exception):
    """Something the story rests on did not come about."""


def cannot(why):
    print(f'The lab cannot be built here: {why}', flush=True)
    sys.exit(CANNOT)


def need(*programs):
    missing = [p for p in programs if shutil.which(p, path=ENVIRONMENT['PATH']) is None]
    if missing:
        cannot(f'no {", ".join(missing)} (on Debian, `make lab` fetches them)')


# ---- the lab as a whole ----

def enter():
    """Goes into namespaces of our own. Returns when this program runs there."""
    if os.environ.get('LAB_INSIDE'):
        del os.environ['LAB_INSIDE']
        os.environ['PATH'] = ENVIRONMENT['PATH']
        command('mount', '-t', 'tmpfs', 'lab', '/run')
        for folder in (RUN, '/run/netns', '/run/wireguard'):
            os.mkdir(folder)
        signal.signal(signal.SIGTERM, interrupted)
        signal.signal(signal.SIGHUP, interrupted)
        return
    need('unshare', 'nsenter', 'ip', 'mount')
    flags = ['--net', '--mount', '--pid', '--fork', '--kill-child']
    if os.getuid() != 0:
        flags += ['--user', '--map-root-user']
    probe = subprocess.run(['unshare', *flags, 'mount', '-t', 'tmpfs', 'lab', '/run'], capture_output=True, text=True)
    if probe.returncode:
        cannot(f'no namespaces may be made: {probe.stderr.strip()}')
    os.execvpe('unshare', ['unshare', *flags, sys.executable, *sys.argv], {**os.environ, 'LAB_INSIDE': '1'})


def interrupted(number, _):
    raise KeyboardInterrupt(signal.Signals(number).name)


def command(*words, stdin=None):
    """Runs one of the lab's own commands, which must succeed, and returns what it prints."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        raise Failed(f'{" ".join(words)}: {(done.stderr or done.stdout).strip()} {stdin or ""}')
    return done.stdout


def wait_until(condition, what, timeout_s=60):
    """Polls condition() until it is true; returns its value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failed(f'waited {timeout_s} s in vain: {what}')
        time.sleep(0.02)
    return value


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)
    return path


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


# ---- one place ----

HOLD = '''
read -r pid rest </proc/self/stat
for file in resolv.conf hosts nsswitch.conf; do mount --bind "$0/$file" "/etc/$file" || exit; done
mount -t tmpfs place /run/netns
mount -t proc proc /proc 2>/dev/null  # ps(1) and sanitizers want to see the lab's own processes
echo "$pid"
exec sleep infinity
'''


class Place:
    """A network namespace by the name of ip-netns(8), held by a sleeping process, with files of
    its own in /etc. `title` says what it plays."""
    all = {}

    def __init__(self, name, title=''):
        self.name, self.title, self.processes = name, title, {}
        self.folder = f'{RUN}/{name}'
        os.mkdir(self.folder)
        write(f'{self.folder}/hosts', '127.0.0.1 localhost\n')
        write(f'{self.folder}/nsswitch.conf', 'hosts: files dns\n')  # nobody but DNS is asked for .local
        self.resolver(None)
        words = ['unshare', '--net', '--mount', 'sh', '-c', HOLD, self.folder]
        self.holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
        Place.all[name] = self

    def settle(self):
        """To be called once after a number of places were made, so that they are made at once.
        The process ID is the one the world outside the lab sees: /proc is the world's."""
        self.pid = self.holder.stdout.readline().strip()
        if not self.pid:
            raise Failed(f'{self.name}: no network or mount namespace')
        command('ip', 'netns', 'attach', self.name, self.pid)
        self.sysctl('net.ipv6.conf.default.accept_dad=0', 'net.ipv4.conf.default.rp_filter=0',
                    'net.ipv4.conf.all.rp_filter=0')
        self.ip('link set lo up')

    def resolver(self, address, *more):
        lines = [f'nameserver {address}' if address else '# nobody to ask', *more]
        write(f'{self.folder}/resolv.conf', '\n'.join(lines) + '\n')

    def sysctl(self, *settings):
        """Each as for sysctl(8)."""
        pairs = [setting.split('=') for setting in settings]
        self.must('sh', '-ec', ''.join(f'echo {value} >/proc/sys/{name.replace(".", "/")}\n' for name, value in pairs))

    def router(self):
        self.sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.default.send_redirects=0',
                    'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.fib_multipath_hash_policy=1',
                    'net.ipv6.fib_multipath_hash_policy=1')

    def ip(self, *lines):
        """Lines as for `ip -batch`."""
        command('ip', '-n', self.name, '-batch', '-', stdin='\n'.join(lines) + '\n')

    def inside(self, *words):
        return ['nsenter', '-t', self.pid, '-n', '-m', '--', *words]

    def must(self, *words, stdin=None):
        return command(*self.inside(*words), stdin=stdin)

    def run(self, *words, timeout_s=20):
        """(exit status, what it printed)."""
        try:
            done = subprocess.run(self.inside(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=timeout_s, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return 124, f'no end in {timeout_s} s'
        return done.returncode, done.stdout

    def start(self, name, *words, env=None):
        """A program that runs on; what it says is in log(name)."""
        with open(self.log_path(name), 'ab') as log:
            process = subprocess.Popen(self.inside(*words), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       start_new_session=True, env={**ENVIRONMENT, **(env or {})})
        self.processes[name] = process
        return process

    def expect(self, name):
        """Fails if a program that was to run on has ended."""
        if self.processes[name].poll() is not None:
            raise Failed(f'{name} on {self.name} ended: {self.log(name)[-600:]}')

    def signal(self, name, number):
        """To the program and all it started."""
        os.killpg(self.processes[name].pid, number)

    def kill(self, name):
        """All of it is gone, and its sockets, when this returns."""
        process = self.processes[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        try:
            while True:
                os.waitpid(-process.pid, 0)  # orphans are the first process's, which we are
        except ChildProcessError:
            pass

    def log_path(self, name):
        return f'{self.folder}/{name}.log'

    def log(self, name):
        return read(self.log_path(name))


def places(titles):
    """{name: title} -> the places, made together."""
    made = [Place(name, title) for name, title in titles.items()]
    for place in made:
        place.settle()
    return made


def cables(*ends):
    """Each a tuple (place, interface, place, interface): a veth pair, both ends up."""
    lines, up = [], {}
    for one, here, other, there in ends:
        lines.append(f'link add {here} netns {one.name} type veth peer name {there} netns {other.name}')
        up.setdefault(one, []).append(f'link set {here} up')
        up.setdefault(other, []).append(f'link set {there} up')
    command('ip', '-batch', '-', stdin='\n'.join(lines) + '\n')
    for place, commands in up.items():
        place.ip(*commands)
