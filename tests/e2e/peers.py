"""Real DNS servers for the tests: NSD, BIND and Knot as authoritative servers, Unbound and BIND
as resolvers that forward to the program under test.

    nsd = Nsd(cluster.zones(), ['127.9.1.10'], port)     # answers when the constructor returns
    bind.questions()                                     # what BIND was asked, in order
"""
import glob
import os
import re
import shutil
from collections import namedtuple

import wire
from harness import Process, exchange_tcp, exchange_udp, folder, free_port, is_free, need, wait_until, write

Asked = namedtuple('Asked', 'name rdtype flags port')
PEERS_ROOT = os.path.dirname(os.path.dirname(shutil.which('nsd') or '/x/x')) + '/root'


class Server(Process):
    """What all have in common: zone files, addresses, and being asked until they answer."""
    program = ''

    def __init__(self, zones, addresses, port, **more):
        path = need(self.program)
        self.addresses, self.port, self.zones = list(addresses), port, zones
        self.address = self.addresses[0]
        self.home = folder(self.program)
        for name, text in zones.items():
            write(self.zone_file(name), text)
        self.config = write(f'{self.home}/{self.program}.conf', self.configuration(**more))
        super().__init__([path, *self.arguments()], self.program, cwd=self.home)
        try:
            wait_until(self.answers, 20, f'{self.program} answers on {self.address}')
        except AssertionError:
            if 'already in use' not in self.output() + self.errors():
                raise
            # Whoever had one of the ports for a moment is not ours: once more, when it is free.
            self.stop()
            wait_until(lambda: all(is_free(a, port) for a in self.addresses if ':' not in a), 10, 'free ports')
            super().__init__([path, *self.arguments()], self.program, cwd=self.home)
            wait_until(self.answers, 20, f'{self.program} answers on {self.address}')

    def zone_file(self, name):
        return f'{self.home}/{name or "root"}.zone'

    def answers(self):
        if not self.alive:
            raise AssertionError(f'{self.program} ended: {self.output()[-800:]}{self.errors()[-800:]}')
        name = next(iter(self.zones), '')
        answer = exchange_udp(self, wire.query(name, 'SOA'), 0.2)
        return answer is not None and answer[3] & 15 == 0

    def configuration(self, **more):
        raise NotImplementedError

    def arguments(self):
        raise NotImplementedError


class Nsd(Server):
    """With minimal=True positive answers have an answer section only; `extra` are lines of its
    `server:` section."""
    program = 'nsd'

    def arguments(self):
        return ['-d', '-c', self.config]

    def configuration(self, minimal=False, extra='', **_):
        listen = ''.join(f'  ip-address: {a}@{self.port}\n' for a in self.addresses)
        zones = ''.join(f'zone:\n  name: "{z or "."}"\n  zonefile: "{self.zone_file(z)}"\n' for z in self.zones)
        return f'''server:
{listen}  username: ""
  chroot: ""
  database: ""
{extra}  server-count: 1
  minimal-responses: {"yes" if minimal else "no"}
  rrl-ratelimit: 0
  zonesdir: "{self.home}"
  pidfile: "{self.home}/pid"
  xfrdfile: "{self.home}/xfrd"
  zonelistfile: "{self.home}/zonelist"
remote-control:
  control-enable: no
{zones}'''


class Knot(Server):
    """With sign='nsec', 'nsec3' or 'opt-out' (of NSEC3) the first zone is signed by the server."""
    program = 'knotd'

    def arguments(self):
        return ['-c', self.config]

    def head(self):
        """What the configuration of each has; a folder of its own keeps all."""
        listen = ', '.join(f'{a}@{self.port}' for a in self.addresses)
        return f'''server:
    rundir: "{self.home}"
    listen: [ {listen} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{self.home}"
log:
  - target: stderr
    any: info
'''

    def configuration(self, sign=None, **_):
        first = next(iter(self.zones))
        zones = ''.join(
            f'  - domain: "{z}."\n    file: "{self.zone_file(z)}"\n'
            + ('    dnssec-signing: on\n    dnssec-policy: e2e\n' if sign and z == first else '')
            for z in self.zones)
        policy = f'policy:\n  - id: e2e\n    single-type-signing: on\n    nsec3: {"off" if sign == "nsec" else "on"}\n'
        policy += '    nsec3-opt-out: on\n    nsec3-iterations: 3\n' if sign == 'opt-out' else ''
        return self.head() + f'''{policy if sign else ""}template:
  - id: default
    storage: "{self.home}"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
{zones}'''


class Bind(Server):
    """Keeps the letter case of names, and logs each question; sign=True signs the first zone.
    It listens on addresses that an interface has, no others: mostly 127.0.0.1."""
    program = 'named'

    def arguments(self):
        return ['-f', '-c', self.config, '-n', '1']

    def log_path(self):
        return f'{self.home}/queries.log'

    def questions(self, name=None):
        """What it was asked so far, of that name if given; the harness's own SOA questions too."""
        found = []
        with open(self.log_path(), encoding='latin-1') as file:
            for line in file:
                match = re.search(r'#(\d+) \(.*\): query: (\S+) IN (\S+) (\S+)', line)
                if match:
                    found.append(Asked(match[2], match[3], match[4], int(match[1])))
        return [q for q in found if name is None or q.name == name]

    def options(self):
        return 'recursion no; minimal-responses no;'

    def zone_options(self, sign):
        return ''.join(
            f'zone "{z or "."}" {{ type primary; file "{self.zone_file(z)}"; check-names ignore;'
            + (' dnssec-policy default; inline-signing yes;' if sign and i == 0 else '') + ' };\n'
            for i, z in enumerate(self.zones))

    def configuration(self, sign=False, extra='', **_):
        return f'''options {{
    directory "{self.home}";
    listen-on port {self.port} {{ {" ".join(a + ";" for a in self.addresses)} }};
    listen-on-v6 {{ none; }};
    pid-file "{self.home}/pid";
    session-keyfile "{self.home}/session.key";
    managed-keys-directory "{self.home}";
    dnssec-validation no;
    empty-zones-enable no;
    allow-query {{ any; }};
    querylog yes;
    {self.options()}
}};
controls {{ }};
logging {{
    channel questions {{ file "{self.log_path()}"; }};
    category queries {{ questions; }};
    channel rest {{ file "{self.home}/rest.log"; severity info; }};
    category default {{ rest; }};
}};
{self.zone_options(sign)}{extra}'''

    def complaints(self):
        """The lines in which BIND says that an answer was no good."""
        with open(f'{self.home}/rest.log', encoding='latin-1') as file:
            bad = re.compile(r'lame|FORMERR|unexpected|broken trust|SERVFAIL|timed out|insecurity|DNS format error')
            return [line.strip() for line in file if bad.search(line)]


class BindResolver(Bind):
    """BIND as a client: forwards `zones` (names) to the program under test; also a cluster's own
    DNS when it has zones of its own."""

    def __init__(self, forwards, upstream, addresses, port, own=None):
        self.forwards, self.upstream = forwards, upstream
        super().__init__(own or {}, addresses, port)

    def options(self):
        return 'recursion yes; allow-recursion { any; }; qname-minimization off;'

    def zone_options(self, sign):
        target = f'{self.upstream.address} port {self.upstream.port};'
        return super().zone_options(sign) + ''.join(
            f'zone "{name}" {{ type forward; forward only; forwarders {{ {target} }}; }};\n' for name in self.forwards)

    def answers(self):
        answer = exchange_udp(self, wire.query('version.bind', 'TXT', rdclass=3), 0.2)
        return super().answers() if self.zones else answer is not None


class Unbound(Server):
    """A client of the program under test: forwards everything to it."""
    program = 'unbound'

    def __init__(self, upstream, address, port, extra=''):
        self.upstream = upstream
        super().__init__({}, [address], port, extra=extra)

    def arguments(self):
        return ['-d', '-c', self.config]

    def answers(self):
        if not self.alive:
            raise AssertionError(f'unbound ended: {self.errors()[-800:]}')
        return exchange_udp(self, wire.query('version.bind', 'TXT', rdclass=3), 0.2) is not None

    def configuration(self, extra='', **_):
        return f'''server:
    interface: {self.address}@{self.port}
    username: ""
    chroot: ""
    directory: "{self.home}"
    pidfile: "{self.home}/pid"
    use-syslog: no
    logfile: ""
    verbosity: 2
    log-servfail: yes
    num-threads: 1
    do-not-query-localhost: no
    do-daemonize: no
    unblock-lan-zones: yes
    insecure-lan-zones: yes
    module-config: "iterator"
    access-control: 127.0.0.0/8 allow
    trust-anchor-signaling: no
{extra}
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {self.upstream.address}@{self.upstream.port}
'''

    def complaints(self):
        bad = re.compile(r'lame|bogus|SERVFAIL|servfail|sanitize|removing|malformed|dropped|THROWAWAY', re.I)
        return [line for line in self.errors().splitlines() if bad.search(line)]


class UnboundTcp(Server):
    """A cluster's DNS that answers over TCP only: Unbound with what `records` say, each a line
    `name TYPE data`."""
    program = 'unbound'

    def __init__(self, records, addresses, port):
        self.records = records
        super().__init__({}, addresses, port)

    def arguments(self):
        return ['-d', '-c', self.config]

    def answers(self):
        if not self.alive:
            raise AssertionError(f'unbound ended: {self.errors()[-800:]}')
        try:
            return exchange_tcp(self, wire.query(self.records[0].split()[0], 'TXT'), 1) is not None
        except OSError:
            return False

    def configuration(self, **_):
        listen = ''.join(f'    interface: {a}@{self.port}\n' for a in self.addresses)
        data = ''.join(f"    local-data: '{r}'\n" for r in self.records)
        return f'''server:
{listen}    username: ""
    chroot: ""
    directory: "{self.home}"
    pidfile: "{self.home}/pid"
    use-syslog: no
    logfile: ""
    num-threads: 1
    do-daemonize: no
    do-udp: no
    access-control: 0.0.0.0/0 allow
    module-config: "iterator"
    local-zone: "local." static
    local-zone: "10.in-addr.arpa." static
{data}
remote-control:
    control-enable: no
'''


class BindDoh(Bind):
    """BIND that is asked over HTTPS as well, on `https_port`."""

    def __init__(self, zones, identity, https_port):
        self.identity, self.https_port = identity, https_port
        super().__init__(zones, ['127.0.0.1'], free_port())

    def options(self):
        return f'{super().options()} listen-on port {self.https_port} tls e2e http e2e {{ 127.0.0.1; }};'

    def configuration(self, **_):
        return super().configuration(extra=f'''tls e2e {{ cert-file "{self.identity.cert}"; key-file "{self.identity.key}"; }};
http e2e {{ endpoints {{ "/dns-query"; }}; }};
''')


class UnboundDoh(UnboundTcp):
    """Unbound that is asked over HTTPS as well, on `https_port`, with what `records` say."""

    def __init__(self, records, identity, https_port):
        self.identity, self.https_port = identity, https_port
        super().__init__(records, ['127.0.0.1'], free_port())

    def configuration(self, **_):
        return super().configuration().replace('remote-control:', f'''    interface: 127.0.0.1@{self.https_port}
    https-port: {self.https_port}
    tls-service-pem: "{self.identity.cert}"
    tls-service-key: "{self.identity.key}"
    http-endpoint: "/dns-query"
remote-control:''')


def peer_tool(name):
    """A program of the unpacked packages that has no wrapper, as a command with environment."""
    found = shutil.which(name) or next(iter(glob.glob(f'{PEERS_ROOT}/usr/*bin/{name}')), None)
    return found
