"""A real etcd, its keys written and read through its JSON gateway."""
import base64
import contextlib
import http.client
import http.server
import json
import ssl
import threading

from harness import Process, equal, folder, free_port, need, wait_until


def code(text):
    return base64.b64encode(text.encode()).decode()


class Endless(http.server.ThreadingHTTPServer):
    """A gateway whose list of keys goes on for ever once `endless` is set: `first`, by name, then many that are no JSON."""

    def __init__(self, prefix, first):
        super().__init__(('127.0.0.1', 0), EndlessHandler)
        self.daemon_threads, self.prefix, self.first, self.endless, self.pages = True, prefix, first, False, 0
        self.junk = ','.join(f'{{"key":"{code(prefix + "z" + str(i))}"}}' for i in range(50000))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    port = property(lambda self: self.server_address[1])


class EndlessHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):
        server, asked = self.server, json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        if 'watch' in self.path:  # it ends at once: all is read again
            return self.reply('{}')
        begin = base64.b64decode(asked['key']).decode().rstrip('\0')
        keys = [f'{{"key":"{code(server.prefix + key)}","value":"{code(json.dumps(value))}"}}' for key, value in server.first.items()]
        if not server.endless:
            return self.reply(f'{{"header":{{"revision":"1"}},"kvs":[{",".join(keys)}]}}')
        server.pages += 1
        last = f'{{"key":"{code(f"{server.prefix}zz{server.pages:09}")}"}}'
        kvs = [*(keys if begin == server.prefix else []), server.junk, last]
        return self.reply(f'{{"header":{{"revision":"1"}},"more":true,"kvs":[{",".join(kvs)}]}}')

    def reply(self, text):
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        with contextlib.suppress(OSError):  # the client may have gone
            self.end_headers()
            self.wfile.write(text.encode())


class Etcd:
    """`tls` = (CA, the server's Identity); with `client`, an Identity, clients must show a certificate of that CA."""

    def __init__(self, prefix='', tls=None, client=None):
        self.home, self.port, self.peer, self.token, self.prefix = folder('etcd'), free_port(), free_port(), None, prefix
        self.tls, self.client = tls, client
        self.url = f'http{"s" if tls else ""}://127.0.0.1:{self.port}'
        self.start()

    def start(self):
        peer, files = f'http://127.0.0.1:{self.peer}', []
        if self.tls:
            files = ['--cert-file', self.tls[1].cert, '--key-file', self.tls[1].key]
        if self.client:
            files += ['--trusted-ca-file', self.tls[0].cert, '--client-cert-auth']
        self.process = Process([need('etcd'), '--data-dir', f'{self.home}/data', '--listen-client-urls', self.url, '--advertise-client-urls', self.url,
                                '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', f'default={peer}', *files], 'etcd')
        wait_until(self.is_up, 20, 'etcd is up')

    def is_up(self):
        try:
            return self.call('/v3/maintenance/status', {})[0] == 200
        except OSError:
            return False

    def connection(self):
        if not self.tls:
            return http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
        context = ssl.create_default_context(cafile=self.tls[0].cert)
        if self.client:
            context.load_cert_chain(self.client.cert, self.client.key)
        return http.client.HTTPSConnection('127.0.0.1', self.port, timeout=10, context=context)

    def call(self, path, value):
        connection = self.connection()
        connection.request('POST', path, json.dumps(value), {'Authorization': self.token} if self.token else {})
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body

    def said(self, path, value):
        status, body = self.call(path, value)
        equal(status, 200, f'etcd: {path}')
        return json.loads(body)

    def put(self, key, value, lease=0):
        text = value if isinstance(value, str) else json.dumps(value)
        self.said('/v3/kv/put', {'key': code(self.prefix + key), 'value': code(text), **({'lease': lease} if lease else {})})

    def put_all(self, records):
        """A dictionary of keys, a hundred at a time."""
        rows = list(records.items())
        for at in range(0, len(rows), 100):
            self.said('/v3/kv/txn', {'success': [{'request_put': {'key': code(self.prefix + key), 'value': code(
                value if isinstance(value, str) else json.dumps(value))}} for key, value in rows[at:at + 100]]})

    def delete(self, key, end=''):
        self.call('/v3/kv/deleterange', {'key': code(self.prefix + key), **({'range_end': code(end)} if end else {})})

    def grant(self, seconds):
        return self.said('/v3/lease/grant', {'TTL': seconds})['ID']

    def demand_user(self, name, password):
        for path, value in (('/v3/auth/user/add', {'name': name, 'password': password}), ('/v3/auth/role/add', {'name': 'root'}),
                            ('/v3/auth/user/grant', {'user': name, 'role': 'root'}), ('/v3/auth/enable', {})):
            self.call(path, value)

    def log_in(self, name, password):
        self.token = self.said('/v3/auth/authenticate', {'name': name, 'password': password})['token']
