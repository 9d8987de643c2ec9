"""How each server is told to do the same job.

A recipe takes a Job, writes its files into job.dir and returns the command. Each server runs
with the settings of its manual for one worker; where a default would lose the race for no
reason of the server's own (socket buffers, tables of questions in flight), it is raised.
"""
import os
import subprocess
from dataclasses import dataclass

PEERS = os.path.join('build', 'peers', 'bin')
USUAL = ('errors', 'health', 'ready', 'prometheus', 'loop', 'reload', 'loadbalance')


@dataclass
class Job:
    """What a server shall do. `zones`: 0 sends everything up; else that many zones are named.
    `renamed`: the zones are clusters whose own domain is cluster.local."""
    port: int
    upstream: int
    dir: str = ''
    cache: bool = False
    zones: int = 0
    blocks: int = 0
    renamed: bool = False
    usual: bool = False
    capacity: int = 0  # of the cache; 0: as it is
    addresses: bool = False  # each cluster has DNS of its own, on a loopback address of its own
    workers: int = 0  # 0: as it is
    inventory: tuple = ()  # of clusters, too: where it is, and options

    def zone(self, number):
        """Of clusters, cluster-b.local is the first; of other zones, z0.bench."""
        if not self.renamed:
            return f'z{number}.bench' if self.zones or self.blocks else 'cluster.local'
        return f'c{number}.local' if self.zones > 1 else 'cluster-b.local'

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w', encoding='ascii') as out:
            out.write(text)
        return path


def plugins_of(binary):
    """The names that `BINARY -plugins` prints, without what stands before the last dot."""
    text = subprocess.run([binary, '-plugins'], capture_output=True, text=True, check=False).stdout
    return {line.split('.')[-1] for line in text.split()}


# ---- the floor and the upstream ----

def echo(job, binary):
    return [binary, 'echo', f'127.0.0.1:{job.port}']


def relay(job, binary):
    return [binary, 'relay', f'127.0.0.1:{job.port}', f'127.0.0.1:{job.upstream}']


def nsd(job, binary, zones):
    text = f'''server:
    ip-address: 127.0.0.1@{job.port}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{job.dir}"
    database: ""
    pidfile: "{job.dir}/nsd.pid"
    xfrdfile: "{job.dir}/xfrd.state"
    zonelistfile: "{job.dir}/zone.list"
    xfrdir: "{job.dir}"
    hide-version: yes
    minimal-responses: yes
    ipv4-edns-size: 4096
    receive-buffer-size: 4194304
    send-buffer-size: 4194304
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    tcp-count: 1000
    tcp-query-count: 0
remote-control:
    control-enable: no
'''
    for zone, path in zones.items():
        text += f'zone:\n    name: {zone}\n    zonefile: "{path}"\n'
    return [binary, '-d', '-c', job.write('nsd.conf', text)]


# ---- Corefiles ----

def block(job, keys, plugins, inside):
    lines = [f'{keys} {{', '    bind 127.0.0.1', *(f'    {line}' for line in inside)]
    if job.usual:
        lines += [f'    {line}' for line in usual_lines(plugins)]
    if job.workers:
        lines.append(f'    multisocket {job.workers}')
    if job.cache and 'cache' in plugins:
        lines.append('    cache 300' if not job.capacity else
                     f'    cache 3600 {{\n        success {job.capacity}\n    }}')
    return '\n'.join([*lines, f'    forward . 127.0.0.1:{job.upstream}', '}', ''])


def usual_lines(plugins):
    """The Corefile that kubeadm writes, as far as the server has the plugins; what listens
    elsewhere is told to take any port."""
    where = {'health': ' 127.0.0.1:0', 'prometheus': ' 127.0.0.1:0', 'ready': ' 127.0.0.1:0'}
    return [name + where.get(name, '') for name in USUAL if name in plugins]


def blocks_of(job, plugins):
    return ''.join(block(job, f'{job.zone(i)}:{job.port}', plugins, []) for i in range(job.blocks))


def isthmus(job, binary):
    plugins = plugins_of(binary)
    clusters = [f'cluster {job.zone(i)} {subnet(i)} {{\n        dns {dns_of(job, i)}\n    }}'
                for i in range(job.zones)]
    if job.inventory:
        clusters.append(f'inventory {job.inventory[0]} {{\n        ' + '\n        '.join(job.inventory[1:]) + '\n    }')
    text = blocks_of(job, plugins) or block(job, f'.:{job.port}', plugins, clusters)
    return [binary, '-conf', job.write('Corefile', text)]


def dns_of(job, number):
    at = (127 << 24) + 1 + (number if job.addresses else 0)
    return '.'.join(str(at >> shift & 255) for shift in (24, 16, 8, 0)) + f':{job.upstream}'


def subnet(number):
    """Service subnets that do not overlap: /26 after /26 from 10.0.0.0."""
    at = (10 << 24) + (number << 6)
    return '.'.join(str(at >> shift & 255) for shift in (24, 16, 8, 0)) + '/26'


def coredns(job, binary):
    plugins = plugins_of(binary)
    rewrite = ['rewrite name suffix .cluster-b.local .cluster.local answer auto'] * job.renamed
    if job.zones and not job.renamed:
        job = Job(**{**vars(job), 'blocks': job.zones})
    text = blocks_of(job, plugins) or block(job, f'.:{job.port}', plugins, rewrite)
    return [binary, '-conf', job.write('Corefile', text)]


# ---- Debian's forwarders ----

def dnsdist(job, binary):
    lines = [f'setLocal("127.0.0.1:{job.port}", {{reusePort=false}})', 'setACL("127.0.0.0/8")',
             f'newServer({{address="127.0.0.1:{job.upstream}", pool={{"", "up"}}}}):setUp()',
             'setSecurityPollSuffix("")']
    if job.cache:
        lines.append('getPool(""):setCache(newPacketCache(100000))')
    lines += [f'addAction({{"{job.zone(i)}."}}, PoolAction("up"))' for i in range(job.zones)]
    return [binary, '--supervised', '--disable-syslog', '-C',
            job.write('dnsdist.conf', '\n'.join(lines) + '\n')]


def unbound(job, binary):
    text = f'''server:
    interface: 127.0.0.1@{job.port}
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    directory: "{job.dir}"
    use-syslog: no
    verbosity: 0
    num-threads: 1
    module-config: "iterator"
    do-not-query-localhost: no
    qname-minimisation: no
    minimal-responses: yes
    so-rcvbuf: 4m
    so-sndbuf: 4m
    outgoing-range: 4096
    num-queries-per-thread: 4096
    local-zone: "local." nodefault
remote-control:
    control-enable: no
'''
    for zone in [job.zone(i) for i in range(job.zones)] or ['.']:
        text += f'forward-zone:\n    name: "{zone}"\n    forward-addr: 127.0.0.1@{job.upstream}\n'
    return [binary, '-d', '-c', job.write('unbound.conf', text)]


def dnsmasq(job, binary):
    zones = [f'/{job.zone(i)}/' for i in range(job.zones)] or ['']
    text = ''.join(f'server={zone}127.0.0.1#{job.upstream}\n' for zone in zones) + f'''port={job.port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=
pid-file=
cache-size={10000 if job.cache else 0}
dns-forward-max=10000
'''
    return [binary, '-k', '-C', job.write('dnsmasq.conf', text)]


def bind(job, binary):
    forward = f'forward only; forwarders {{ 127.0.0.1 port {job.upstream}; }};'
    text = f'''options {{
    directory "{job.dir}";
    pid-file none;
    session-keyfile none;
    lock-file none;
    listen-on port {job.port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-query {{ 127.0.0.0/8; }};
    dnssec-validation no;
    empty-zones-enable no;
    minimal-responses yes;
    recursive-clients 10000;
    {forward if not job.zones else ''}
}};
controls {{ }};
'''
    for i in range(job.zones):
        text += f'zone "{job.zone(i)}" {{ type forward; {forward} }};\n'
    return [binary, '-g', '-n', '1', '-c', job.write('named.conf', text)]


def kresd(job, binary):
    lines = [f"net.listen('127.0.0.1', {job.port}, {{ kind = 'dns' }})", "cache.size = 100 * MB",
             "trust_anchors.remove('.')",
             f"policy.add(policy.all(policy.STUB('127.0.0.1@{job.upstream}')))"]
    return [binary, '-n', '-c', job.write('kresd.conf', '\n'.join(lines) + '\n'), job.dir]


RECIPES = {'dnsdist': dnsdist, 'unbound': unbound, 'dnsmasq': dnsmasq, 'bind': bind, 'kresd': kresd,
           'coredns': coredns, 'isthmus': isthmus, 'before': isthmus, 'echo': echo, 'relay': relay}
PROGRAMS = {'dnsdist': 'dnsdist', 'unbound': 'unbound', 'dnsmasq': 'dnsmasq', 'bind': 'named',
            'kresd': 'kresd'}


def peers_found():
    """Server -> program, of what is under build/peers."""
    paths = {server: os.path.abspath(os.path.join(PEERS, program))
             for server, program in PROGRAMS.items()}
    return {server: path for server, path in paths.items() if os.access(path, os.X_OK)}
