#!/usr/bin/env python3
"""ExternalName (rows R4, R5): a CNAME that leads out of the cluster and comes without addresses is
resolved through the listener, which may mean another cluster, and the addresses are appended;
where nothing answers the bare CNAME goes out. Depth is one, within the question's own time.
"""
import functools

import badup
import harness
import peers
import wire
import world
from harness import ask, check, equal, free_port, isthmus, loopback_net, within


def clusters():
    a, b = world.standard_a(), world.standard_b()
    a.external('back.web', 'app.web.svc.cluster-b.local.')
    a.external('ping.web', 'pong.web.svc.cluster-b.local.')
    a.external('out.web', 'www.example.com.')
    b.external('pong.web', 'ping.web.svc.cluster-a.local.')
    b.external('self.web', 'self.web.svc.cluster-b.local.')
    b.external('twice.web', 'out.web.svc.cluster-a.local.')
    b.external('chain.web', 'chain.example.com.')
    b.external('gone.web', 'nosuch.example.com.')
    b.external('nodata.web', 'example.com.')
    b.external('dead.web', 'x.dead.example.')
    b.external('hang.web', 'x.hang.example.')
    b.external('hop.web', 'ext.web.svc')
    b.external('upper.web', 'WWW.Example.COM.')
    b.external('ownpublic.web', 'app.web.svc.cluster-b.local.')
    return a, b


@functools.cache
def bench():
    net, port = loopback_net(), free_port()
    a, b = clusters()
    dns_a, dns_b = peers.Knot(a.zones(), [f'{net}.10'], port), peers.Nsd(b.zones(), [f'{net}.11'], port)
    internet = peers.Bind(world.internet(), ['127.0.0.1'], free_port())
    hang = badup.Upstream(f'{net}.12', port, 'silent')
    server = isthmus(f'''
    cluster cluster-a.local {{
        dns {dns_a.address}:{port}
    }}
    cluster cluster-b.local {{
        dns {dns_b.address}:{port}
    }}
    forward dead.example {net}.13:{port}
    forward hang.example {hang.address}:{port}
    forward . 127.0.0.1:{internet.port}''')
    return server, internet


def external(name):
    return f'{name}.web.svc.cluster-b.local'


def chased(name, answer, rdtype='A', what=''):
    for tcp in (False, True):
        reply = ask(bench()[0], external(name), rdtype, tcp=tcp)
        equal(reply.rcode, 'NOERROR', f'{what}: rcode')
        equal(sorted(text.lower() for text in reply.answer), sorted(answer), what)
        cnames = [r.rdtype for r in reply.parsed.records if r.section == 'answer']
        equal(cnames[:1], [5] if rdtype != 'X' else [], f'{what}: the CNAME comes first')
    return reply


def test_inside_the_cluster():
    chased('alias', ['alias.web.svc.cluster-b.local. cname app.web.svc.cluster-b.local.',
                     'app.web.svc.cluster-b.local. a 10.101.7.21'], what='an alias inside')


def test_outside():
    first = f'{external("ext")}. cname www.example.com.'
    chased('ext', [first, 'www.example.com. a 192.0.2.80'], what='A')
    chased('ext', [first, 'www.example.com. aaaa 2001:db8::80'], 'AAAA', what='AAAA')
    chased('chain', [f'{external("chain")}. cname chain.example.com.', 'chain.example.com. cname www.example.com.',
                     'www.example.com. a 192.0.2.80'], what='a chain outside')
    chased('hop', [f'{external("hop")}. cname {external("ext")}.', first, 'www.example.com. a 192.0.2.80'],
           what='an alias inside that leads outside')
    chased('upper', [f'{external("upper")}. cname www.example.com.', 'www.example.com. a 192.0.2.80'], what='in capitals')


def test_in_another_cluster():
    chased('toa', [f'{external("toa")}. cname app.web.svc.cluster-a.local.', 'app.web.svc.cluster-a.local. a 10.100.7.21'],
           what='a Service of the other cluster')
    reply = ask(bench()[0], 'back.web.svc.cluster-a.local')
    equal(reply.data, ['10.101.7.21', 'app.web.svc.cluster-b.local.'], 'and the other way')
    chased('ownpublic', [f'{external("ownpublic")}. cname app.web.svc.cluster-b.local.',
                         'app.web.svc.cluster-b.local. a 10.101.7.21'], what='its own Service by its outer name')


def test_the_question_decides():
    reply = ask(bench()[0], external('ext'), 'CNAME')
    equal(reply.data, ['www.example.com.'], 'CNAME is answered by the CNAME alone')
    reply = ask(bench()[0], external('ext'), 'ANY')
    check('192.0.2.80' not in reply.data, 'so is ANY', reply.data)
    reply = ask(bench()[0], external('ext'), 'TXT')
    equal((reply.rcode, reply.data), ('NOERROR', ['www.example.com.']), 'a type the target has not: the CNAME')


def test_nothing_there():
    for name in ('gone', 'nodata'):
        reply = ask(bench()[0], external(name))
        check(len(reply.answer) == 1 and ' CNAME ' in reply.answer[0], f'{name}: the bare CNAME', reply.short())
        wanted = ('NXDOMAIN', 'NOERROR') if name == 'gone' else ('NOERROR',)
        check(reply.rcode in wanted, f'{name}: rcode', reply.rcode)


def test_nobody_answers():
    for name in ('dead', 'hang'):
        for _ in range(3):
            reply = ask(bench()[0], external(name))
            equal((reply.rcode, reply.data), ('NOERROR', [f'x.{name}.example.']), f'{name}: the bare CNAME')
            within(reply.ms, 2500, f'{name}: in the time of one question')


def test_circles_end():
    internet = bench()[1]
    for name in ('pong', 'self', 'twice'):
        before = len(internet.questions())
        for tcp in (False, True):
            reply = ask(bench()[0], external(name), tcp=tcp)
            check(reply.rcode in ('NOERROR', 'SERVFAIL'), f'{name}: ends', reply.short())
            check(1 <= len(reply.answer) <= 4, f'{name}: with a short chain', reply.answer)
            within(reply.ms, 1000, f'{name}: soon')
        check(len(internet.questions()) - before <= 4, f'{name}: few questions', len(internet.questions()) - before)


def test_who_asks_whom():
    """The target is asked once, with RD, as its own question; with the addresses there, not at all."""
    net, port = loopback_net(), free_port()
    cluster, up = badup.Upstream(f'{net}.10', port), badup.Upstream(f'{net}.11', port)
    server = isthmus(f'''
    cluster c.lan {{
        dns {cluster.address}:{port}
    }}
    forward . {up.address}:{port}''')

    def cname(asked):
        parsed = wire.parse(asked)
        if parsed.qname.lower() != wire.name('e.cluster.local'):
            return None
        answers = [wire.record(b'\xc0\x0c', 'CNAME', wire.name('Target.Example'))]
        if parsed.qtype == 28:
            answers.append(wire.record('target.example', 'AAAA', bytes(15) + b'\1'))
        return badup.reply(asked, wire.AA, answers)
    cluster.custom = cname
    equal(ask(server, 'e.c.lan', 'A', rd=False).data, ['Target.Example.'], 'a client that wants no recursion gets the CNAME')
    reply = ask(server, 'e.c.lan', 'A', edns=None)
    equal(reply.data, ['192.0.2.7', 'Target.Example.'], 'the address is appended')
    seen = [s for s in up.asked() if s.parsed.qtype == 1]
    equal([s.name.lower() for s in seen], ['target.example'], 'the target is asked once')
    check(seen and seen[0].parsed.flags & wire.RD, 'with RD')
    up.forget()
    reply = ask(server, 'e.c.lan', 'AAAA')
    equal((reply.data, up.asked()), (['::1', 'Target.Example.'], []), 'addresses that come along are not asked for')


def test_cluster_and_target_share_one_deadline():
    net, port = loopback_net(), free_port()
    up = badup.Upstream(f'{net}.10', port)
    up.custom = lambda asked: badup.reply(asked, wire.AA, [
        wire.record(b'\xc0\x0c', 'CNAME', wire.name('silent.example'))]) if b'cluster' in asked else None
    server = isthmus(f'''
    cluster c.lan {{
        dns {up.address}:{port}
    }}
    forward . {up.address}:{port}''')
    reply = ask(server, 'slow-1200.c.lan')
    equal((reply.rcode, reply.data), ('NOERROR', ['silent.example.']), 'the bare CNAME')
    within(reply.ms, 2300, 'in the time of one question')


def test_signatures_and_sizes_of_what_is_appended():
    net, port = loopback_net(), free_port()
    b = world.standard_b()
    b.external('crowd.web', 'many.example.com.')
    dns = peers.Nsd(b.zones(), [f'{net}.10'], port)
    records = [('many', 'A', f'192.0.2.{i}') for i in range(1, 120)]
    up = peers.Nsd({'example.com': world.zone('example.com', records)}, [f'{net}.11'], port)
    server = isthmus(f'''
    cluster cluster-b.local {{
        dns {dns.address}:{port}
    }}
    forward . {up.address}:{port}''')
    reply = ask(server, external('crowd'), tcp=True)
    equal(len(reply.data), 120, '119 addresses and the CNAME by TCP')
    reply = ask(server, external('crowd'))
    check(reply.tc and len(reply.wire) <= 1232, 'TC by UDP', (reply.tc, len(reply.wire)))


if __name__ == '__main__':
    harness.main()
