"""APIs of Kubernetes for tests: kmock, installed by its name into build/kmock, keeps the objects and tells
watchers; in front of it stands Api, which asks for credentials, counts, and can be faulty:

    api = Api(token='secret')
    api.create('/api/v1/namespaces/kube-system/services', {...})
    api.fault = 'cut'                  # from now on, until it is None again

kmock has no versions of objects and no bookmarks: Api gives lists a version and adds what is asked for."""
import base64
import contextlib
import fcntl
import functools
import http.client
import http.server
import itertools
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import harness
from harness import Process, free_port, skip, wait_until

HOME = os.path.join(harness.ROOT, 'build/kmock')
DNS = '/api/v1/namespaces/kube-system/services'
CIDRS = '/apis/networking.k8s.io/v1/servicecidrs'
CONFIGMAPS = '/api/v1/namespaces/kube-system/configmaps'
OPENSHIFT = '/apis/operator.openshift.io/v1/dnses'


@functools.cache
def interpreter():
    """The Python that has kmock."""
    python = os.path.join(HOME, 'bin/python')
    if sys.version_info < (3, 11):
        skip('kmock needs Python 3.11')
    os.makedirs(HOME, exist_ok=True)
    with open(HOME + '.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if subprocess.run([python, '-c', 'import kmock'], check=False, capture_output=True).returncode != 0 \
                if os.path.exists(python) else True:
            for words in ([sys.executable, '-m', 'venv', HOME],
                          [python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'kmock==0.8']):
                done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=180)
                if done.returncode != 0:
                    skip('kmock cannot be installed: ' + (done.stderr or done.stdout).strip().split('\n')[-1])
    return python


def end_with(client, upstream):
    """A watch whose client has gone ends at kmock, too."""
    with contextlib.suppress(OSError, ValueError):
        select.select([client], [], [])
        upstream.shutdown(socket.SHUT_RDWR)


def identity(item):
    return item.get('metadata', {}).get('namespace'), item.get('metadata', {}).get('name')


class Handler(http.server.BaseHTTPRequestHandler):
    """One request: judged, perhaps spoilt, passed on."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def reply(self, status, body=b'', **headers):
        self.close_connection = True
        self.send_response(status)
        for name, value in {'Content-Type': 'application/json', 'Content-Length': str(len(body)), 'Connection': 'close',
                            **headers}.items():
            self.send_header(name.replace('_', '-'), value)
        with contextlib.suppress(OSError):  # the client may have gone
            self.end_headers()
            self.wfile.write(body)

    def do_GET(self):
        api = self.server.api
        api.asked.append((self.path, self.headers.get('Host', '')))
        if api.token is not None and self.headers.get('Authorization') != f'Bearer {api.token}':
            self.reply(401)
        elif any(part in self.path for part in api.forbidden):
            self.reply(403, b'{"kind":"Status","code":403}')
        elif any(part in self.path for part in api.absent):
            self.reply(404, b'{"kind":"Status","code":404}')
        elif api.fault in ('401', '403', '404', '410', '429', '500'):
            self.reply(int(api.fault), b'{"kind":"Status"}', **({'Retry_After': '1'} if api.fault == '429' else {}))
        elif api.fault in ('same page', 'new pages') and 'watch=true' not in self.path:
            token = 'x' if api.fault == 'same page' else f'{len(api.asked)}'
            self.reply(200, json.dumps({'metadata': {'resourceVersion': '1', 'continue': token}, 'items': []}).encode())
        elif api.fault == 'endless' and 'watch=true' not in self.path:
            self.reply(200, b'{"metadata":{"continue":"%d"},"items":[%s]}' % (len(api.asked), b','.join([b'{}'] * 300000)))
        elif api.fault == 'slow':
            api.hold.wait(30)
            self.close_connection = True
        elif 'watch=true' in self.path:
            with contextlib.suppress(OSError):
                self.watch()
        else:
            with contextlib.suppress(OSError):
                self.list()

    def is_selected(self, item):
        """fieldSelector=metadata.name%3DNAME and labelSelector=LABEL%3DVALUE."""
        query = urllib.parse.parse_qs(self.path.partition('?')[2])
        meta = item.get('metadata', {})
        name = query.get('fieldSelector', ['='])[0].partition('=')[2]
        label, _, value = query.get('labelSelector', [''])[0].partition('=')
        return name in ('', meta.get('name')) and (label == '' or meta.get('labels', {}).get(label) == value)

    def list(self):
        api = self.server.api
        status, body = api.pass_on('GET', self.path.split('?')[0])
        if status == 200 and b'"items"' in body:
            value = json.loads(body)
            items = [item for item in value['items'] if self.is_selected(item)] if api.fault != 'empty' else []
            value['metadata']['resourceVersion'] = api.version({identity(item): item for item in items})
            limit = int(api.page or 0)
            if limit and len(items) > 0:
                at = int(self.path.split('continue=')[1].split('&')[0]) if 'continue=' in self.path else 0
                if at + limit < len(items):
                    value['metadata']['continue'] = str(at + limit)
                items = items[at:at + limit]
            value['items'] = items
            body = json.dumps(value).encode()
        if api.fault == 'html':
            body = b'<html>Please log in</html>'
        elif api.fault == 'wrong':
            body = b'{"items": {"a": 1}, "spec": [], "data": 7}'
        elif api.fault == 'huge':
            body = b'{"items": ["' + b'x' * (70 * 1024 * 1024) + b'"]}'
        if api.fault == 'cut':
            self.send_response(200)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
            return
        self.reply(status, body)

    def watch(self):
        """kmock tells first what is there: what is in the list whose version is given is left out, as a real API
        has it. Of what was changed between the two the client is told."""
        api = self.server.api
        known = dict(api.lists.get(urllib.parse.unquote(self.path.split('resourceVersion=')[-1].split('&')[0]), {}))
        upstream = http.client.HTTPConnection('127.0.0.1', api.store)
        upstream.request('GET', self.path.split('?')[0] + '?watch=true')
        answer = upstream.getresponse()
        self.send_response(200)
        self.send_header('Connection', 'close')
        self.end_headers()
        self.close_connection = True
        gone = threading.Event()
        mine = (self, upstream, gone)
        threading.Thread(target=end_with, args=(self.connection, upstream.sock), daemon=True).start()
        api.watches.append(mine)
        try:
            _, body = api.pass_on('GET', self.path.split('?')[0])
            there = {identity(item) for item in json.loads(body).get('items', [])}
            for gone_item in [known.pop(key) for key in set(known) - there]:
                self.wfile.write(json.dumps({'type': 'DELETED', 'object': gone_item}).encode() + b'\n')
                self.wfile.flush()
            while True:
                line = answer.readline()
                if not line or gone.is_set():
                    break
                if not line.strip():
                    continue
                event = json.loads(line)
                if not self.is_selected(event['object']):
                    continue
                if event['type'] == 'ADDED' and known.pop(identity(event['object']), None) == event['object']:
                    continue
                event['object'].setdefault('metadata', {})['resourceVersion'] = api.version()
                text = json.dumps(event).encode() + b'\n'
                if api.fault == 'cut line':
                    self.wfile.write(text[:len(text) // 2])
                    break
                self.wfile.write(text)
                self.wfile.flush()
        finally:
            api.watches.remove(mine)
            upstream.close()


class Api:
    """An API at `url`. With `ca` and `identity` over TLS; `clients`: of these authorities alone."""

    def __init__(self, token=None, identity=None, clients=None):
        self.store = free_port()
        self.kmock = Process([interpreter(), os.path.join(os.path.dirname(__file__), 'kmock_server.py'), str(self.store)],
                             'kmock')
        wait_until(lambda: 'ready' in self.kmock.output(), 20, 'kmock is ready')
        self.token, self.fault, self.forbidden, self.absent, self.page = token, None, (), (), None
        self.asked, self.watches, self.hold = [], [], threading.Event()
        self.versions, self.lists = itertools.count(100), {}
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.server.api = self
        self.port = self.server.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}'
        if identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.cert, identity.key)
            if clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients.cert)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f'https://127.0.0.1:{self.port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        for path in (DNS, CIDRS, CONFIGMAPS):  # what every API has, be it empty
            self.create(path, {'metadata': {'name': 'none'}})
            self.delete(f'{path}/none')

    def version(self, items=None):
        """The next one, and what a list of that version has."""
        version = str(next(self.versions))
        if items is not None:
            self.lists[version] = items
        return version

    def pass_on(self, method, path, value=None):
        upstream = http.client.HTTPConnection('127.0.0.1', self.store, timeout=20)
        upstream.request(method, path, None if value is None else json.dumps(value), {'Content-Type': 'application/json'})
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        return answer.status, body

    def create(self, path, value):
        return self.pass_on('POST', path, value)

    def change(self, path, value):
        return self.pass_on('PATCH', path, value)

    def delete(self, path):
        return self.pass_on('DELETE', path)

    def tell(self, event):
        """An event of our own to all watchers."""
        for handler, _, _ in self.live():
            with contextlib.suppress(OSError, ValueError):
                handler.wfile.write(json.dumps(event).encode() + b'\n')
                handler.wfile.flush()

    def live(self):
        """The watches whose client is still there."""
        def is_there(watch):
            try:
                return watch[0].connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b''
            except BlockingIOError:
                return True
            except OSError:
                return False
        return [watch for watch in list(self.watches) if is_there(watch)]

    def end_watches(self):
        for handler, _, gone in self.live():
            gone.set()
            with contextlib.suppress(OSError):
                handler.connection.shutdown(2)

    def asks(self, part=''):
        return sum(part in path for path, _ in self.asked)


class Tunnel(http.server.BaseHTTPRequestHandler):
    """CONNECT, and nothing else."""

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(':')
        self.server.asked.append(self.path)
        with socket.create_connection((host, int(port))) as far:
            self.wfile.write(b'HTTP/1.1 200 Yes\r\n\r\n')
            back = threading.Thread(target=pump, args=(far, self.connection), daemon=True)
            back.start()
            pump(self.connection, far)
            back.join()
        self.close_connection = True


def pump(source, sink):
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            sink.sendall(octets)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def proxy():
    """An HTTP proxy for what is encrypted: .url, and what it was asked for in .asked."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Tunnel)
    server.daemon_threads = True
    server.asked, server.url = [], f'http://127.0.0.1:{server.server_address[1]}'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def dns_service(*addresses, name='kube-dns', uid=None, port=53):
    return {'metadata': {'name': name, 'namespace': 'kube-system', 'uid': uid or f'uid-{addresses[0]}',
                         'labels': {'k8s-app': 'kube-dns'}, 'managedFields': [{'f': {'g': {'h': {'i': {'j': {'k': {}}}}}}}]},
            'spec': {'clusterIP': addresses[0], 'clusterIPs': list(addresses),
                     'ports': [{'name': 'dns', 'port': port, 'protocol': 'UDP'}, {'name': 'dns-tcp', 'port': port, 'protocol': 'TCP'}]}}


def service_cidr(name, *cidrs, ready='True'):
    return {'metadata': {'name': name}, 'spec': {'cidrs': list(cidrs)}, 'status': {'conditions': [{'type': 'Ready', 'status': ready}]}}


def kubeadm(services, pods, domain='cluster.local'):
    text = f'clusterName: kubernetes\nnetworking:\n  dnsDomain: {domain}\n  podSubnet: {pods}\n  serviceSubnet: {services}\n'
    return {'metadata': {'name': 'kubeadm-config', 'namespace': 'kube-system'}, 'data': {'ClusterConfiguration': text}}


def kubeconfig(clusters, users, current=None):
    """As YAML: `clusters` and `users` are objects by the name of their context."""
    out = {'apiVersion': 'v1', 'kind': 'Config', 'current-context': current or next(iter(clusters)),
           'contexts': [{'name': n, 'context': {'cluster': n, 'user': n}} for n in clusters],
           'clusters': [{'name': n, 'cluster': c} for n, c in clusters.items()],
           'users': [{'name': n, 'user': users.get(n, {})} for n in clusters]}
    return json.dumps(out, indent=1)


def data(path):
    """A file in base64, as kubeconfigs have it."""
    with open(path, 'rb') as file:
        return base64.b64encode(file.read()).decode()


def now_ms():
    return time.monotonic() * 1000
