#!/usr/bin/env python3
# e2e: tsan
"""dnstap: what is written can be read by the tools of others (fstrm_capture, dnstap-read), over every kind of
socket and in both directions; a reader that is slow, gone or never there costs no answer.
"""
import contextlib
import functools
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading

import harness
import peers
import world
from harness import ask, check, equal, folder, free_port, isthmus, loopback_net, namespace, need, wait_until

CONTENT = b'protobuf:dnstap.Dnstap'
ACCEPT, START, STOP, READY, FINISH = range(1, 6)


@functools.cache
def upstream():
    return peers.Nsd(world.internet(), [f'{loopback_net()}.10'], free_port())


def tapped(lines, more=''):
    up = upstream()
    return isthmus(f'    {lines}\n    {more}\n    forward . {up.address}:{up.port}')


# ---- readers ----

class Capture(harness.Process):
    """fstrm_capture: a socket that we connect to, and a file of what came."""

    def __init__(self, *where):
        need('fstrm_capture')
        self.file = os.path.join(folder('capture'), 'taps')
        super().__init__(['fstrm_capture', '-t', CONTENT.decode(), '-w', self.file, *where], 'fstrm_capture')

    def read(self):
        """Ends it, which completes the file."""
        self.stop()
        return dnstap_read(self.file)


class Sink:
    """A reader that we speak to: one side of Frame Streams, whichever end connects."""

    def __init__(self, sock, reads=True):
        self.sock, self.frames, self.ended = sock, [], False
        self.sock.settimeout(10)
        kind, _ = self._control()
        equal(kind, READY, 'the stream begins with READY')
        self._send(ACCEPT)
        equal(self._control()[0], START, 'then START')
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def _exactly(self, n):
        octets = b''
        while len(octets) < n:
            part = self.sock.recv(n - len(octets))
            if not part:
                raise EOFError
            octets += part
        return octets

    def _control(self):
        escape, length = struct.unpack('>II', self._exactly(8))
        equal(escape, 0, 'a control frame')
        octets = self._exactly(length)
        return struct.unpack('>I', octets[:4])[0], octets[4:]

    def _send(self, kind):
        content = struct.pack('>II', 1, len(CONTENT)) + CONTENT if kind == ACCEPT else b''
        self.sock.sendall(struct.pack('>III', 0, 4 + len(content), kind) + content)

    def _read(self):
        try:
            while True:
                length = struct.unpack('>I', self._exactly(4))[0]
                if length > 0:
                    self.frames.append(self._exactly(length))
                    continue
                kind = struct.unpack('>I', self._exactly(struct.unpack('>I', self._exactly(4))[0])[:4])[0]
                if kind == STOP:
                    self._send(FINISH)
                    break
        except (OSError, EOFError):
            pass
        self.ended = True

    def read(self, count):
        """The first frames, as dnstap-read tells them."""
        wait_until(lambda: len(self.frames) >= count, what=f'{count} messages')
        path = os.path.join(folder('sink'), 'taps')
        start = struct.pack('>III', START, 1, len(CONTENT)) + CONTENT
        with open(path, 'wb') as file:
            file.write(struct.pack('>II', 0, len(start)) + start)
            for frame in self.frames[:count]:
                file.write(struct.pack('>I', len(frame)) + frame)
            file.write(struct.pack('>III', 0, 4, STOP))
        return dnstap_read(path)


def dnstap_read(path):
    """One dictionary a message: 'key: value' lines of its YAML, the message itself as 'dns'."""
    need('dnstap-read')
    text = subprocess.run(['dnstap-read', '-y', path], capture_output=True, text=True, timeout=20, check=True).stdout
    messages = []
    for part in text.split('---\n'):
        found = dict(reversed(re.findall(r'^ *(\w+): "?(.+?)"?$', part, re.M)))
        if found:
            found['dns'] = part
            messages.append(found)
    return messages


def certificate():
    path = os.path.join(folder('tls'), 'pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                    '-keyout', path + '.key', '-out', path + '.cert', '-days', '2', '-subj', '/CN=tap.test',
                    '-addext', 'subjectAltName=IP:127.0.0.1'], capture_output=True, timeout=20, check=True)
    return path + '.cert', path + '.key'


# ---- we connect ----

def test_a_tool_of_others_reads_what_a_question_leads_to():
    path = os.path.join(folder('tap'), 'd.sock')
    capture = Capture('-u', path)
    wait_until(lambda: os.path.exists(path), what='the socket')
    server = tapped(f'dnstap {path} full {{\n identity me\n version v7\n extra "{{type}} {{name}}"\n}}')
    equal(ask(server, 'www.example.com').rcode, 'NOERROR', 'an answer')
    server.stop()
    messages = capture.read()
    equal([re.findall(r'^  type: (\w+)$', m['dns'], re.M) for m in messages],
          [['CLIENT_QUERY'], ['FORWARDER_QUERY'], ['FORWARDER_RESPONSE'], ['CLIENT_RESPONSE']], 'what happened, in order')
    for message in messages:
        equal((message['identity'], message['version']), ('me', 'v7'), 'who says it')
        check('www.example.com' in message['dns'], 'the message itself', message['dns'][:300])
    equal(messages[0]['query_address'], '127.0.0.1', 'whose question it is')
    equal(messages[1]['response_address'], upstream().address, 'who was asked')
    check('192.0.2.80' in messages[3]['dns'], 'what was answered', messages[3]['dns'][-600:])


def test_tcp_and_several_lines():
    first, second = free_port(), free_port()
    captures = [Capture('-a', '127.0.0.1', '-p', str(port)) for port in (first, second)]
    for port in (first, second):
        wait_until(lambda: any(p == port for _, p in harness.sockets('tcp')), what='fstrm_capture')
    server = tapped(f'dnstap tcp://127.0.0.1:{first} full\n dnstap tcp://127.0.0.1:{second}')
    ask(server, 'www.example.com', tcp=True)
    server.stop()
    full, short = (capture.read() for capture in captures)
    equal((len(full), len(short)), (4, 4), 'each gets all')
    check('www.example.com' in full[0]['dns'] and 'www.example.com' not in short[0]['dns'], 'one with messages, one without')
    check('socket_protocol: TCP' in full[0]['dns'], 'over TCP', full[0]['dns'])


def accepted(listener, wrap=None):
    listener.settimeout(15)
    sock = listener.accept()[0]
    return Sink(wrap(sock) if wrap else sock)


def test_tls_is_verified_unless_it_is_not_wanted():
    cert, key = certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
        server = tapped(f'dnstap tls://127.0.0.1:{port} full {{\n skipverify\n}}')
        sink = accepted(listener, lambda sock: context.wrap_socket(sock, server_side=True))
        ask(server, 'www.example.com')
        equal(len(sink.read(4)), 4, 'over TLS')
        server.stop()
        wait_until(lambda: sink.ended, what='the end of the stream')
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
        server = tapped(f'dnstap tls://127.0.0.1:{port} full')
        listener.settimeout(15)
        try:
            context.wrap_socket(listener.accept()[0], server_side=True).recv(1)
        except OSError:
            pass
        wait_until(lambda: 'No connection to dnstap endpoint' in server.log(), what='a complaint')
        equal(ask(server, 'www.example.com').rcode, 'NOERROR', 'answers go on')


def test_a_reader_that_comes_back_is_found_again():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        server = tapped(f'dnstap tcp://127.0.0.1:{listener.getsockname()[1]}')
        first = accepted(listener)
        ask(server, 'www.example.com')
        first.read(4)
        first.sock.close()
        later = []
        waiter = threading.Thread(target=lambda: later.append(accepted(listener)))
        waiter.start()
        wait_until(lambda: ask(server, 'www.example.com') and later, what='a new connection')
        waiter.join()
        check(later[0].read(4)[0]['dns'] != '', 'messages on it')


# ---- others connect ----

def connected(address):
    kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(kind)
    sock.connect(address)
    return sock


def test_whoever_connects_gets_what_comes():
    path, port = os.path.join(folder('listen'), 'l.sock'), free_port()
    server = tapped(f'dnstap listen {path} full\n dnstap listen tcp://127.0.0.1:{port}')
    sinks = [Sink(connected(path)), Sink(connected(path)), Sink(connected(('127.0.0.1', port)))]
    with connected(path):  # one who only connects
        wait_until(lambda: ask(server, 'www.example.com') and all(len(s.frames) >= 4 for s in sinks), what='messages for all')
    check('www.example.com' in sinks[0].read(1)[0]['dns'], 'with messages')
    sinks[1].sock.close()
    count = len(sinks[0].frames)
    wait_until(lambda: ask(server, 'www.example.com') and len(sinks[0].frames) >= count + 40, what='more for those who stay')
    server.stop()
    check(not os.path.exists(path), 'the socket is removed')


def test_who_only_connects_keeps_nobody_out():
    """More of them than there are places, each of whom would be waited for 4 s."""
    port = free_port()
    cert, key = certificate()
    for kind, line in (('tcp', f'dnstap listen tcp://127.0.0.1:{port} full'),
                       ('tls', f'dnstap listen tls://127.0.0.1:{port} full {{\n tls {cert} {key}\n}}')):
        server = tapped(line)
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(socket.create_connection(('127.0.0.1', port), 10)) for _ in range(40)]
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', port), 10))
            if kind == 'tls':
                context = ssl.create_default_context(cafile=cert)
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname='127.0.0.1'))
            sink = Sink(sock)
            equal(ask(server, 'www.example.com').rcode, 'NOERROR', f'{kind}: an answer')
            sink.read(4)
            silent[0].settimeout(10)
            with contextlib.suppress(OSError):
                while silent[0].recv(100):
                    pass
            check('made room for others' in server.output(), f'{kind}: the first of them was sent away, and told of')
            server.stop()


def test_who_takes_nothing_holds_up_nobody_else():
    """Readers that shake hands and then stop: if each were waited for, the last one would get nothing for minutes."""
    path = os.path.join(folder('stuck'), 'l.sock')
    server = tapped(f'dnstap listen {path} full {{\n extra {"x" * 4000}\n}}')
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            Sink(stack.enter_context(connected(path)), reads=False)
        sink = Sink(stack.enter_context(connected(path)))
        wait_until(lambda: ask(server, 'www.example.com') and len(sink.frames) >= 500, 20, 'messages for who takes them')
        wait_until(lambda: 'a reader that took no more messages was closed' in server.log(), 20, 'the others are sent away')
        count = len(sink.frames)
        wait_until(lambda: ask(server, 'www.example.com') and len(sink.frames) > count, what='who takes them stays')


def test_listening_with_tls_asks_for_certificates():
    cert, key = certificate()
    port = free_port()
    server = tapped(f'dnstap listen tls://127.0.0.1:{port} {{\n tls {cert} {key} {cert}\n}}')
    context = ssl.create_default_context(cafile=cert)
    context.load_cert_chain(cert, key)
    sink = Sink(context.wrap_socket(connected(('127.0.0.1', port)), server_hostname='127.0.0.1'))
    wait_until(lambda: ask(server, 'www.example.com') and len(sink.frames) >= 4, what='messages')
    nobody = ssl.create_default_context(cafile=cert)
    try:
        with nobody.wrap_socket(connected(('127.0.0.1', port)), server_hostname='127.0.0.1') as sock:
            sock.settimeout(10)
            check(sock.recv(100) == b'', 'without a certificate')
    except ssl.SSLError as error:
        check('certificate required' in str(error).lower() or 'alert' in str(error).lower(), 'without a certificate', error)


def test_a_reload_keeps_or_replaces_the_socket():
    path = os.path.join(folder('reload'), 'l.sock')
    server = tapped(f'dnstap listen {path}')
    sink = Sink(connected(path))
    with open(server.corefile, encoding='utf-8') as file:
        text = file.read()
    for change, kept in (('    log\n    dnstap', True), (f'    dnstap listen {path} full 1 2\n#', False)):
        count = server.log().count('Reloading complete')
        harness.write(server.corefile, text.replace('    dnstap', change, 1))
        server.popen.send_signal(signal.SIGUSR1)
        wait_until(lambda: server.log().count('Reloading complete') > count, what='the reload')
        if kept:
            ask(server, 'www.example.com')
            wait_until(lambda: len(sink.frames) >= 4, what='messages on the same connection')
    wait_until(lambda: ask(server, 'www.example.com') and sink.ended, what='the old stream ends')
    new = Sink(connected(path))
    wait_until(lambda: ask(server, 'www.example.com') and len(new.frames) >= 4, what='messages on the new one')


# ---- nobody reads ----

def test_without_a_reader_answers_go_on_and_losses_are_told():
    server = tapped(f'dnstap {folder("nobody")}/d.sock full')
    wait_until(lambda: 'No connection to dnstap endpoint' in server.log(), what='a complaint')
    for _ in range(50):
        equal(ask(server, 'www.example.com').rcode, 'NOERROR', 'an answer')


def test_who_goes_on_slowly_does_not_hold_up_the_end():
    port = free_port()
    server = tapped(f'dnstap listen tcp://127.0.0.1:{port}')
    with connected(('127.0.0.1', port)) as sock:
        sent = []

        def greet():
            with contextlib.suppress(OSError):
                for octet in struct.pack('>III', 0, 412, READY) + struct.pack('>II', 1, 400) + bytes(400):
                    sent.append(sock.send(bytes([octet])))
                    threading.Event().wait(0.1 if len(sent) < 4 else 3)
        threading.Thread(target=greet, daemon=True).start()
        wait_until(lambda: len(sent) > 3, what='the greeting is under way')
        server.signal(signal.SIGTERM)
        wait_until(lambda: not server.alive, 5, 'the end')


@namespace('192.0.2.53')
def test_a_look_up_without_an_end_does_not_hold_up_that_of_the_program():
    """Neither of the name of a reader of dnstap nor of a source over HTTP: it could go on for 300 s."""
    home, asked = folder('mute'), set()
    resolv = harness.write(f'{home}/resolv.conf', 'nameserver 192.0.2.53\noptions timeout:30 attempts:5\n')
    corefile = harness.write(f'{home}/Corefile', f'.:{free_port()} {{\n    bind 127.0.0.1\n    dnstap tcp://collector.test:6000\n'
                             '    inventory http://clusters.test/ {\n        zone {name}.lan\n    }\n    whoami\n}\n')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(('192.0.2.53', 53))
        mute.settimeout(1)
        command = f'mount --bind {resolv} /etc/resolv.conf || exit 77; exec {harness.ISTHMUS} -conf {corefile}'
        server = harness.Process(['unshare', '-m', 'sh', '-c', command], 'mute')

        def names_asked():
            with contextlib.suppress(TimeoutError):
                asked.add(mute.recv(512)[13:].split(b'\x04test')[0])
            return not server.alive or asked >= {b'collector', b'clusters'}
        wait_until(names_asked, 30, 'both names are looked up')
        if not server.alive and server.popen.returncode == 77:
            raise harness.Skip('no mount namespace here')
        wait_until(lambda: 'isthmus-' in server.output(), 30, 'the banner')
        server.signal(signal.SIGTERM)
        equal(server.wait(), 0, 'it ends, and well')


def test_a_path_of_another_program_is_not_taken():
    path = os.path.join(folder('another'), 'l.sock')
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        server = tapped(f'dnstap listen {path}')
        check('no stream to' in server.log() and 'Address already in use' in server.log(), 'an error', server.log())
        equal(ask(server, 'www.example.com').rcode, 'NOERROR', 'an answer')
        server.stop()
        check(os.path.exists(path), 'it stays')


if __name__ == '__main__':
    harness.main()
