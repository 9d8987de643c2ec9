"""Sources of inventories that change: one cluster of theirs moves between two DNS addresses.

    with SOURCES['etcd'](places) as source:
        source.lines        # of the Corefile's inventory: where it is, and options
        source.move(1)      # from now on the cluster is at places.nets[1]

The servers are those of the end-to-end tests: a real etcd, and the mock of the APIs of Kubernetes.
"""
import contextlib
import hashlib
import http.server
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

import machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
E2E = os.path.join(ROOT, 'tests', 'e2e')
NAME = 'moving'
ZONE = f'{NAME}.changes'  # {name}.changes
PREFIX = '/changes/'
FLEET = '/apis/cluster.x-k8s.io/v1beta1/namespaces/fleet/clusters'
INTERVAL_S = 0.1  # the shortest that `interval` takes
LOST_S, NEVER_S = 1.0, 30.0


@dataclass
class Places:
    """Two networks whose tenth addresses are the DNS, at one port."""
    port: int
    nets: tuple = ('127.2.1', '127.2.2')

    def address(self, at):
        return f'{self.nets[at]}.10'

    def cluster(self, at):
        return {'name': NAME, 'dns': [f'{self.address(at)}:{self.port}']}


@dataclass
class Source:
    """`pause_s`: the next change comes at any moment of so long, so that it meets every state of who looks
    from time to time."""
    lines: list
    move: object
    pause_s: float = 0.02


def e2e(name):
    """A module of the end-to-end tests, loaded where it is wanted: they need dnspython."""
    if E2E not in sys.path:
        sys.path.append(E2E)
    return __import__(name)


def replace(path, value):
    with open(path + '.new', 'w', encoding='ascii') as out:
        json.dump(value, out)
    os.rename(path + '.new', path)


# ---- files ----

@contextlib.contextmanager
def directory(places):
    with tempfile.TemporaryDirectory(prefix='isthmus-bench-') as folder:
        yield Source([folder], lambda at: replace(f'{folder}/{NAME}.json', places.cluster(at)))


@contextlib.contextmanager
def serf(places):
    """What `serf members -format=json` prints."""
    def members(at):
        tags = {'cluster': NAME, 'dns': f'{places.address(at)}:{places.port}'}
        return {'members': [{'name': 'gateway', 'addr': '127.0.0.1:7946', 'port': 7946, 'tags': tags,
                             'status': 'alive', 'protocol': {'max': 5, 'min': 2, 'version': 4}}]}

    with tempfile.TemporaryDirectory(prefix='isthmus-bench-') as folder:
        path = f'{folder}/members.json'
        yield Source([path], lambda at: replace(path, members(at)))


# ---- a URL ----

class Page(http.server.BaseHTTPRequestHandler):
    """The text of the server, with an ETag; who has it is told so."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        text = self.server.text
        etag = f'"{hashlib.sha256(text).hexdigest()}"'
        known = self.headers.get('If-None-Match') == etag
        self.send_response(304 if known else 200)
        self.send_header('ETag', etag)
        if not known:
            self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        if not known:
            self.wfile.write(text)


@contextlib.contextmanager
def url(places):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def move(at):
        server.text = json.dumps(places.cluster(at)).encode()
    lines = [f'http://127.0.0.1:{server.server_address[1]}/clusters.json', f'interval {INTERVAL_S * 1000:.0f}ms']
    try:
        yield Source(lines, move, 2 * INTERVAL_S)
    finally:
        server.shutdown()
        server.server_close()


# ---- etcd and APIs of Kubernetes ----

@contextlib.contextmanager
def etcd(places):
    server = e2e('keys').Etcd(PREFIX)
    try:
        yield Source([f'etcd:{PREFIX}', f'endpoint {server.url}'],
                     lambda at: server.put(NAME, places.cluster(at)))
    finally:
        server.process.stop()


@contextlib.contextmanager
def api():
    """An API that is empty, and the option that tells how it is reached."""
    kubeapi = e2e('kubeapi')
    server = kubeapi.Api()
    with tempfile.TemporaryDirectory(prefix='isthmus-bench-') as folder:
        path = f'{folder}/kubeconfig'
        with open(path, 'w', encoding='ascii') as out:
            out.write(kubeapi.kubeconfig({NAME: {'server': server.url}}, {}))
        try:
            yield server, f'kubeconfig {path}'
        finally:
            server.server.shutdown()
            server.server.server_close()
            server.kmock.stop()


def follow(server, path, name, objects):
    """Makes objects[0]; returns what changes it into another."""
    server.create(path, objects[0])

    def move(at):
        status, body = server.change(f'{path}/{name}', objects[at])
        if status >= 300:
            raise machine.BenchError(f'the API: {path}/{name}: status {status}: {body[:200]}')
    return move


@contextlib.contextmanager
def kubernetes(places):
    kubeapi = e2e('kubeapi')
    services = [kubeapi.dns_service(places.address(at), uid='uid', port=places.port) for at in (0, 1)]
    with api() as (server, kubeconfig):
        server.create(kubeapi.CIDRS, kubeapi.service_cidr('kubernetes', '127.2.0.0/16'))
        yield Source([f'kubernetes:{NAME}', kubeconfig], follow(server, kubeapi.DNS, 'kube-dns', services),
                     0.5)  # after what a watch tells of the DNS the API is left alone for 250 ms


@contextlib.contextmanager
def capi(places):
    clusters = [{'metadata': {'name': NAME, 'namespace': 'fleet'}, 'spec': {'clusterNetwork': {
        'services': {'cidrBlocks': [f'{net}.0/26']}, 'serviceDomain': 'cluster.local'}}} for net in places.nets]
    with api() as (server, kubeconfig):
        yield Source([f'capi:{NAME}', kubeconfig, f'port {places.port}'], follow(server, FLEET, NAME, clusters))


SOURCES = {'directory': directory, "serf's file": serf, 'URL': url, 'etcd': etcd, 'capi': capi,
           'kubernetes': kubernetes}


@contextlib.contextmanager
def source_of(kind, places):
    """The source, its cluster at the first place; what cannot run here is told."""
    try:
        harness = e2e('harness')
    except ImportError as why:
        raise machine.BenchError(f'{why}: python3-dnspython is wanted') from why
    try:
        with SOURCES[kind](places) as source:
            source.move(0)
            yield source
    except (harness.Skip, AssertionError, OSError) as why:
        raise machine.BenchError(f'{kind}: {why}') from why


# ---- who asks ----

class Asker:
    """Asks for a name of the cluster, one question after another, and counts. The DNS at each place
    answers with the address it was asked at (tests/bench/upstream.c)."""

    def __init__(self, port):
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.settimeout(LOST_S)
        self.udp.connect(('127.0.0.1', port))
        self.asked = self.lost = self.wrong = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.udp.close()

    def ask(self):
        """The address that is answered; '' for another answer, None for none."""
        self.asked += 1
        ident = (self.asked & 0xffff).to_bytes(2, 'big')
        self.udp.send(ident + machine.question(f'app.web.svc.{ZONE}')[2:])
        with contextlib.suppress(TimeoutError):
            while (answer := self.udp.recv(4096))[:2] != ident:
                pass
            good = answer[3] & 15 == 0 and answer[7] == 1
            return socket.inet_ntoa(answer[-4:]) if good else ''
        self.lost += 1
        return None

    def until(self, new, old):
        """Seconds until the new place answers; meanwhile the old one may."""
        start = time.monotonic()
        while (got := self.ask()) != new:
            time.sleep(0.0001)
            self.wrong += got not in (old, None)
            if time.monotonic() > start + NEVER_S:
                raise machine.BenchError(f'no answer of {new} in {NEVER_S:.0f} s, but {got!r}')
        return time.monotonic() - start

    def stays(self, new, pause_s):
        """For so long, nobody but the new place may answer."""
        end = time.monotonic() + pause_s
        while time.monotonic() < end:
            self.wrong += self.ask() not in (new, None)
            time.sleep(0.001)


def measure(asker, source, places, limits):
    """Moves the cluster up to limits = (changes, seconds). Of each change: seconds until the source had
    taken it (a rename, an answer of the API), and from then to the first answer of the new place."""
    chance, taken, times, end = random.Random(1), [], [], time.monotonic() + limits[1]
    while len(times) < limits[0] and time.monotonic() < end:
        old, new = len(times) % 2, (len(times) + 1) % 2
        start = time.monotonic()
        source.move(new)
        taken.append(time.monotonic() - start)
        times.append(asker.until(places.address(new), places.address(old)))
        asker.stays(places.address(new), chance.uniform(0, source.pause_s))
    return sorted(taken), sorted(times)
