"""The zones of the upstream and the questions of the load, generated once under build/bench.

NSD serves cluster.local as a Kubernetes cluster does, and `bench`, where every name exists:

    *.any.svc.cluster.local     A; as many new names as a run asks for
    svcN.nsM.svc.cluster.local  A and SRV, for N below 100 and M below 200
    *.big.svc.cluster.local     100 A, as of a headless service
    *.bench                     A; zN.bench are the zones of servers without renaming
"""
import os

SERVICES, NAMESPACES = 100, 200
HEADLESS = 100
HEAD = '''$ORIGIN {zone}.
$TTL 30
@ SOA ns.dns hostmaster 1 7200 1800 86400 5
@ NS ns.dns
ns.dns A 10.96.0.10
'''


def once(path, lines):
    """Writes the file unless it is there."""
    if not os.path.exists(path):
        with open(path + '.new', 'w', encoding='ascii') as out:
            out.writelines(line + '\n' for line in lines())
        os.rename(path + '.new', path)
    return path


def cluster_zone():
    yield HEAD.format(zone='cluster.local')
    yield '*.any.svc A 10.96.7.7'
    for i in range(HEADLESS):
        yield f'*.big.svc A 10.244.0.{i + 1}'
    for namespace in range(NAMESPACES):
        for service in range(SERVICES):
            name = f'svc{service}.ns{namespace}.svc'
            yield f'{name} A 10.96.{namespace}.{service + 1}'
            yield f'{name} SRV 0 100 80 {name}'


def bench_zone():
    yield HEAD.format(zone='bench')
    yield '* A 192.0.2.7'


def new_names(zone, count, kind='any'):
    return lambda: (f'a{i:07d}.{kind}.svc.{zone} A' for i in range(count))


def spread_names(zone_of, zones, count):
    """Questions over all zones, in an order that no cache of the processor foresees."""
    def lines():
        at = 1
        for i in range(count):
            at = (at * 1103515245 + 12345) & 0x7fffffff
            yield f'a{i:07d}.any.svc.{zone_of(at // 7 % zones)} A'
    return lines


def each_zone(zone_of, zones, count):
    """Questions over all zones, each zone as often as any other."""
    def lines():
        for i in range(max(count, zones)):
            yield f'a{i:07d}.any.svc.{zone_of(i * 2654435761 % zones)} A'
    return lines


def mixed_names(zone, count):
    """What resolv.conf with ndots:5 makes of a service's name: five NXDOMAIN from the search
    list, A and AAAA by turns, before each answer; every fifth question is SRV."""
    def lines():
        asked = 0
        for i in range(count):
            service = f'svc{i % SERVICES}.ns{i // SERVICES % NAMESPACES}.svc.{zone}'
            misses = [f'{service}.{tail}{zone}' for tail in ('web.svc.', 'svc.', '')]
            for name in (misses + misses[:2] + [service]):
                asked += 1
                yield f'{name} {"SRV" if asked % 5 == 0 else "AAAA" if asked % 2 else "A"}'
    return lines
