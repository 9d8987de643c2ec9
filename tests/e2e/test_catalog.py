#!/usr/bin/env python3
"""`secondary { catalog }`: Knot makes a catalog, BIND and NSD serve one, and their zones are served here
as they are added, removed and changed. A broken catalog, and one that is gone, take nothing away."""
import os
import re
import signal
import time

import harness
import peers
from harness import ask, check, equal, free_port, isthmus, wait_until, write

TIMES = '1 1 3600 0'  # refresh, retry, expire, minimum
ZONES = ('a.test', 'b.test', 'sub.b.test', 'c.test')


def catalog(serial, members, version='2', more=''):
    """`members`: zone to label."""
    lines = more + ''.join(f'{label}.zones PTR {zone}.\n' for zone, label in members.items())
    return f'$TTL 0\n@ SOA invalid. invalid. {serial} {TIMES}\n@ NS invalid.\nversion TXT "{version}"\n{lines}'


def zone(serial):
    return f'$TTL 60\n@ SOA ns h {serial} {TIMES}\n@ NS ns\nns A 127.0.0.1\nwww A 10.0.0.{serial}\n'


class Producer:
    """Mixed into a primary of peers: the zones above, and a catalog of some of them."""
    files = 0

    def __init__(self, members, told, name='cat.test', serial=1):
        self.members, self.told, self.cat, self.serial = dict(members), told, name, 1
        zones = {zone_: zone(serial) for zone_ in ZONES} | {name: catalog(1, self.members)}
        super().__init__(zones, ['127.0.0.1'], free_port())

    def put(self, members, version='2', more=''):
        self.members, self.serial = dict(members), self.serial + 1
        self.load(self.cat, catalog(self.serial, self.members, version, more))

    def load(self, name, text):
        """Servers look at the time of a file, some by the second."""
        path = write(self.zone_file(name), text)
        self.files += 1
        os.utime(path, (time.time() + 2 * self.files,) * 2)
        self.signal(signal.SIGHUP)


class BindProducer(Producer, peers.Bind):
    def options(self):
        return super().options() + f' allow-transfer {{ any; }}; notify explicit; also-notify {{ 127.0.0.1 port {self.told}; }};'


class NsdProducer(Producer, peers.Nsd):
    def configuration(self, **_):
        out = f'  provide-xfr: 127.0.0.1 NOKEY\n  notify: 127.0.0.1@{self.told} NOKEY\n'
        return super().configuration().replace('zone:\n  name', f'zone:\n{out}  name')


class KnotProducer(Producer, peers.Knot):
    """It writes the catalog by itself: all its zones are members."""

    def configuration(self, **_):
        zones = ''.join(f'  - domain: "{name}."\n    file: "{self.zone_file(name)}"\n    acl: out\n    notify: told\n'
                        '    catalog-role: member\n    catalog-zone: cat.test.\n' for name in self.members)
        return self.head() + f'''remote:
  - id: told
    address: 127.0.0.1@{self.told}
acl:
  - id: out
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: "{self.home}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
  - domain: cat.test.
    catalog-role: generate
    acl: out
    notify: told
{zones}'''

    def put(self, members, version='2', more=''):
        self.members = dict(members)
        write(self.config, self.configuration())
        # Serials are seconds, and two of one second are one.
        serial = int(ask(self, 'cat.test', 'SOA', tcp=True).data[0].split()[2])
        wait_until(lambda: time.time() > serial + 2, 10, 'another second')
        self.signal(signal.SIGHUP)


def consumer(primary, port, names='', extra=''):
    return isthmus(f'''    secondary cat.test {{
        transfer from 127.0.0.1:{primary.port}
        catalog {names}
    }}
{extra}''', port=port)


def www(server, name):
    reply = ask(server, f'www.{name}')
    return reply.data[0] if reply.data else reply.rcode


def test_members_of_real_producers():
    for kind in (KnotProducer, BindProducer, NsdProducer):
        port = free_port()
        primary = kind({'a.test': 'm1', 'b.test': 'm2'}, port)
        server = consumer(primary, port, extra='    transfer {\n        to *\n    }\n')
        for name in ('a.test', 'b.test'):
            wait_until(lambda: www(server, name) == '10.0.0.1', 20, f'{kind.__name__}: {name} is here')  # pylint: disable=cell-var-from-loop
        equal(www(server, 'c.test'), 'REFUSED', f'{kind.__name__}: no member')
        equal(ask(server, 'www.sub.b.test').rcode, 'NXDOMAIN', f'{kind.__name__}: a name of b.test')
        equal(ask(server, 'version.cat.test', 'TXT').data, ['"2"'], f'{kind.__name__}: the catalog is a zone as well')
        equal(ask(server, 'a.test', 'AXFR', tcp=True).rcode, 'NOERROR', f'{kind.__name__}: members go on')
        primary.put({'a.test': 'm1', 'sub.b.test': 'm3', 'c.test': 'm4'})
        for name in ('sub.b.test', 'c.test'):
            wait_until(lambda: www(server, name) == '10.0.0.1', 20, f'{kind.__name__}: {name} is added')  # pylint: disable=cell-var-from-loop
        wait_until(lambda: www(server, 'b.test') == 'REFUSED', 20, f'{kind.__name__}: b.test is removed')
        check('Reset' not in server.output() and server.output().count('member zone a.test.') == 1, f'{kind.__name__}: a.test stays',
              server.output()[-800:])
        primary.load('a.test', zone(2))
        wait_until(lambda: www(server, 'a.test') == '10.0.0.2', 20, f'{kind.__name__}: a.test is changed')
        primary.stop()
        server.popen.send_signal(signal.SIGUSR1)
        wait_until(lambda: 'Reloading complete' in server.output(), 20, 'reloaded')
        wait_until(lambda: 'Failed to transfer `' in server.output(), 20, 'the primary is gone')
        equal([www(server, name) for name in ('a.test', 'b.test', 'c.test')], ['10.0.0.2', 'REFUSED', '10.0.0.1'],
              f'{kind.__name__}: the members stay')
        server.stop()


def test_broken_catalogs_change_nothing():
    port = free_port()
    primary = BindProducer({'a.test': 'm1', 'b.test': 'm2'}, port)
    server = consumer(primary, port)
    wait_until(lambda: [www(server, name) for name in ('a.test', 'b.test')] == ['10.0.0.1'] * 2, 20, 'members are here')
    for members, version, why in (({}, '1', 'a version that is not "2"'),
                                  ({'a.test': 'm1', 'a.TEST': 'm2'}, '2', 'catalog member zone a.test. is listed twice'),
                                  ({'b.test': 'm1', 'a.test': 'm1'}, '2', 'must have exactly one PTR record')):
        primary.put(members, version)
        wait_until(lambda: why in server.output(), 20, why)  # pylint: disable=cell-var-from-loop
        equal([www(server, name) for name in ('a.test', 'b.test')], ['10.0.0.1'] * 2, f'{why}: members stay')
        equal(ask(server, 'version.cat.test', 'TXT').data, ['"2"'], f'{why}: and the catalog of before')
    primary.put({'a.test': 'other'})
    wait_until(lambda: www(server, 'b.test') == 'REFUSED', 20, 'b.test is removed')
    wait_until(lambda: 'Reset catalog member zone a.test.' in server.output(), 20, 'another label: another zone')
    wait_until(lambda: www(server, 'a.test') == '10.0.0.1', 20, 'a.test is here again')


def test_only_what_may_be_a_member():
    port = free_port()
    primary = BindProducer({name: f'm{i}' for i, name in enumerate(ZONES)}, port)
    server = consumer(primary, port, 'b.test', '    whoami\n')
    for name in ('b.test', 'sub.b.test'):
        wait_until(lambda: www(server, name) == '10.0.0.1', 20, f'{name} is here')  # pylint: disable=cell-var-from-loop
    check('Skipped 2 member zones from catalog cat.test.: outside configured member zones' in server.output(), 'told', server.output()[-800:])
    equal([www(server, name) for name in ('a.test', 'c.test')], ['NOERROR', 'NOERROR'], 'the rest is for others')


def test_members_that_nobody_has_do_not_flood_the_log():
    """Each is told once, ten a second at most; what the Corefile names is told among them."""
    port, began = free_port(), time.monotonic()
    primary = NsdProducer({'': 'm'} | {f'm{i}.test': f'm{i}' for i in range(60)}, port)
    server = consumer(primary, port, extra=f'    secondary gone.test {{\n        transfer from 127.0.0.1:{primary.port}\n    }}\n    whoami\n')
    told = lambda: re.findall(r"Failed to transfer `(\S+)'", server.output())
    wait_until(lambda: len(told()) >= 61, 60, 'all are told')
    equal(sorted(told()), sorted(set(told())), 'each once')
    check('gone.test.' in told(), 'that of the Corefile as well')
    check('more like this)' in server.output(), 'with a sum of what was held back', server.output()[-800:])
    lines = len(told())
    check(lines <= 20 * (time.monotonic() - began + 2), 'at a bounded rate', lines)
    primary.stop()
    wait_until(lambda: any('refused' in line for line in server.output().splitlines() if "`gone.test.'" in line), 30, 'another reason is told')
    equal((www(server, 'example'), www(server, 'm1.test')), ('NOERROR', 'SERVFAIL'), 'the member `.` takes nothing')


def test_a_member_is_handed_over():
    port = free_port()
    old, new = BindProducer({'a.test': 'm1', 'b.test': 'm2'}, port), BindProducer({'a.test': 'm1'}, port, 'other.test', 7)
    server = isthmus(''.join(f'    secondary {one.cat} {{\n        transfer from 127.0.0.1:{one.port}\n        catalog\n    }}\n'
                             for one in (old, new)), port=port)
    for name in ('a.test', 'b.test'):
        wait_until(lambda: www(server, name) in ('10.0.0.1', '10.0.0.7'), 20, f'{name} is here')  # pylint: disable=cell-var-from-loop
    owner = 'cat.test' if www(server, 'a.test') == '10.0.0.1' else 'other.test'  # whose catalog came first
    wait_until(lambda: 'Skipping catalog member zone a.test.' in server.output(), 20, 'the other one may not have it')
    if owner == 'cat.test':
        old.put({'a.test': 'm1', 'b.test': 'm2'}, more='coo.m1.zones PTR other.test.\n')
    else:
        new.put({'a.test': 'm1'}, more='coo.m1.zones PTR cat.test.\n')
    theirs = '10.0.0.7' if owner == 'cat.test' else '10.0.0.1'
    wait_until(lambda: www(server, 'a.test') == theirs, 20, 'now it has it')
    check('preserving state' in server.output(), 'and nothing was denied meanwhile', server.output()[-800:])


if __name__ == '__main__':
    harness.main()
