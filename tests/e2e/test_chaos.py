#!/usr/bin/env python3
# e2e: tsan
"""Everything at once, for a few seconds: upstreams that change their habits, clients that go away in the
middle, Corefiles and clusters that come and go. Every name says its own address, so that whoever gets
what another asked is seen; a sanitizer sees the rest."""
import json
import os
import random
import signal
import struct
import threading
import time

import badup
import harness
import wire
from harness import Isthmus, TcpClient, check, equal, exchange_udp, folder, free_port, loopback_net, make_query, write

SECONDS = 6
CLIENTS = 6
ZONES = ('svc.c1.lan', 'svc.c2.lan', 'svc.c3.lan', 'old.lan', 'out.test')
# Of forgeries those that no stream, and no other question in flight, could make true.
UP_HABITS = ('good', 'good', 'good', 'slow-30', 'slow-900', 'silent', 'udp-silent', 'garbage', 'cut', 'short', 'tc', 'tc-closed',
             'tc-hang', 'servfail', 'refused', 'wrong-name', 'wrong-type', 'not-reply', 'no-question', 'header')
BLOCKS = (
    '    cache {\n        serve_stale 1h verify 20ms\n        prefetch 1 1m 50%\n    }\n'
    '    rewrite name suffix .old.lan .svc.c1.lan answer auto\n    loop\n',
    '    cache 5\n    dns64 {\n        allow_ipv4\n        translate_all\n    }\n'
    '    rewrite name suffix .old.lan .svc.c2.lan answer auto\n    loadbalance\n',
    '    rewrite name suffix .old.lan .svc.c3.lan answer auto\n    minimal\n    log\n',
)


def its_address(asked):
    """n17.svc.c1.lan, whatever it is called by then, has 10.0.0.17."""
    labels = wire.labels(wire.parse(asked).qname)
    label = labels[0] if labels else b''
    if label[:1] != b'n' or not label[1:].isdigit() or wire.parse(asked).qtype != 1:
        return None
    data = bytes([10, 0, 0, int(label[1:])])
    return badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', 'A', data, ttl=random.choice((0, 1, 60)))])


class Client(threading.Thread):
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.answers, self.wrong = server, False, 0, []

    def judge(self, number, octets):
        parsed = wire.parse(octets)
        self.answers += 1
        for record in parsed.records:
            if record.section == 'answer' and record.rdtype == 1 and record.data != bytes([10, 0, 0, number]):
                self.wrong.append((parsed.qname, record.data))

    def one(self):
        number, zone = random.randrange(1, 60), random.choice(ZONES)
        name = f'n{number}.{zone}'
        kind = random.choice(('udp', 'udp', 'udp', 'gone', 'stream', 'cut'))
        if kind in ('udp', 'gone'):
            answer = exchange_udp(self.server, make_query(name), 3 if kind == 'udp' else 0.001)
            if answer is not None:
                self.judge(number, answer)
            return
        with TcpClient(self.server, 3) as client:
            asked = [make_query(name, ident=i) for i in range(20)]
            if kind == 'cut':
                client.send(*asked[:10])
                client.sock.sendall(struct.pack('>H', 400) + os.urandom(30))
                return
            client.send(*asked)
            for _ in asked:
                answer = client.receive(3)
                if answer is None:
                    return
                self.judge(number, answer)

    def run(self):
        while not self.over:
            try:
                self.one()
            except OSError:
                pass


def clusters(path, net, port):
    chosen = [{'name': f'c{i}', 'zone': f'c{i}.lan', 'domain': random.choice(('cluster.local', 'corp.test')),
               'dns': [f'{net}.{j}:{port}' for j in random.sample((10, 11, 12), random.randint(1, 3))]}
              for i in (1, 2, 3) if i == 1 or random.random() < 0.9]
    write(path + '.new', json.dumps(chosen))
    os.rename(path + '.new', path)


def test_nobody_gets_what_another_asked():
    net, port, inventory = loopback_net(), free_port(), f'{folder("chaos")}/clusters.json'
    ups = [badup.Upstream(f'{net}.{i}', port) for i in (10, 11, 12)]
    for up in ups:
        up.custom = its_address
    rest = f'    reload\n    inventory {inventory} {{\n        timeout 700ms\n    }}\n    forward . {net}.10:{port} {net}.11:{port}\n'
    clusters(inventory, net, port)
    texts = [f'.:@PORT@ {{\n    bind 127.0.0.1\n    errors\n{block}{rest}}}\n' for block in BLOCKS]
    server = Isthmus(texts[0])
    clients = [Client(server) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.alive:
        time.sleep(random.random() / 5)
        random.choice(ups).habit = random.choice(UP_HABITS)
        clusters(inventory, net, port)
        if random.random() < 0.4:
            write(server.corefile + '.new', random.choice(texts).replace('@PORT@', str(server.port)))
            os.rename(server.corefile + '.new', server.corefile)
            server.signal(signal.SIGUSR1)
    for client in clients:
        client.over = True
    for client in clients:
        client.join(60)
    check(server.alive, 'the program lives')
    equal([wrong for client in clients for wrong in client.wrong], [], 'each has its own address')
    check(sum(client.answers for client in clients) > 0, 'there are answers')
    server.stop()
    for up in ups:
        up.close()


if __name__ == '__main__':
    harness.main()
