"""What is measured: for each scenario its contestants, and whom each is compared with.

A scenario takes the Bench (see run) and returns a Scenario. Contestants whose server is not on
this machine, or has not the plugin, are left out.
"""
import time
from dataclasses import dataclass, field

import changes as moves
import machine

COST = ('cpu_us', 'ratio', 'busy', 'qps')
CALLGRIND = ('valgrind', '--tool=callgrind', '--callgrind-out-file=callgrind.out')
LATENCY = ('p50_us', 'ratio', 'p99_us', 'p999_us', 'cpu_us')


@dataclass
class Contestant:
    """`base` names the contestant whose figure is 1.0. `load` and `warm` are files of questions:
    what is measured, and what is asked before, so that nothing is measured cold. `names`: so many
    are asked again and again by tests/bench/inside.c, 0: each once."""
    name: str
    server: str
    base: str
    load: str
    warm: str
    probe: str
    job: dict = field(default_factory=dict)
    accepts: tuple = ('NOERROR',)
    names: int = 0
    in_flight: int = 256
    source: str = ''  # of an inventory


@dataclass
class Scenario:
    title: str
    contestants: list
    columns: tuple = COST
    measure: object = None  # of the Bench and a Contestant: a dict with the columns


# ---- ways to measure ----

def cost(saturate):
    """CPU time per answer while `saturate(bench, port, names, seconds)` asks."""
    def measure(bench, c):
        with bench.serving(c) as process:
            port = process.job.port
            # Each cluster has been asked before, since most have been in a day.
            saturate(bench, port, c.warm, max(bench.seconds / 4, c.job.get('zones', 0) / 25_000))
            counters = machine.Counters(process) if bench.counts else None
            before = process.cpu_s()
            tally = machine.Tally(saturate(bench, port, c.load, bench.seconds))
            spent = process.cpu_s() - before
            instructions = counters.stop() if counters else []
        tally.check(c.accepts)
        figures = {'cpu_us': spent / tally.answered * 1e6, 'busy': spent / tally.seconds * 100,
                   'qps': tally.answered / tally.seconds}
        figures.update(zip(('user', 'kernel'), (n / tally.answered for n in instructions)))
        return figures
    return measure


def instructions_of(bench, c):
    """Instructions outside the kernel for an answer, by callgrind: what 10,000 more questions
    add to a run."""
    few, many = 2000, 12_000
    counts = []
    for count in (few, many):
        with bench.serving(c, CALLGRIND) as process:
            questions = bench.first_of(c.load, count)
            tally = machine.Tally(machine.dnsperf(process.job.port, questions, 300, '-n', '1',
                                                  '-q', '64', '-c', '8'))
            tally.check()
            process.end()
            counts.append(int(machine.Tally.find(r'Collected : (\d+)', process.said())))
    return {'user': (counts[1] - counts[0]) / (many - few)}


def udp(bench, port, names, seconds):
    return bench.saturate(port, names, seconds)


def udp_edns(bench, port, names, seconds):
    return machine.dnsperf(port, names, seconds, '-e', '-c', '8', '-q', '64')


def tcp_pipelined(bench, port, names, seconds):
    return machine.dnsperf(port, names, seconds, '-m', 'tcp', '-c', '10', '-q', '200')


def tcp_once(bench, port, names, seconds):
    return machine.run_load([bench.programs['load_tcp'], str(port), names, '20', str(seconds)])


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def latency(rate):
    def measure(bench, c):
        with bench.serving(c) as process:
            port = process.job.port
            udp(bench, port, c.warm, bench.seconds / 4)
            before = process.cpu_s()
            text = machine.dnsperf(port, c.load, bench.seconds, '-c', '8', '-Q', str(rate), '-v')
            spent = process.cpu_s() - before
        tally = machine.Tally(text)
        tally.check()
        took = sorted(float(line.rsplit(' ', 1)[1]) * 1e6 for line in text.splitlines()
                      if line.startswith('> '))
        return {'p50_us': percentile(took, 0.5), 'p99_us': percentile(took, 0.99),
                'p999_us': percentile(took, 0.999), 'cpu_us': spent / tally.answered * 1e6}
    return measure


def start(bench, c):
    """From exec to the first answer, and the memory held then and after a while of load."""
    with bench.serving(c) as process:
        figures = {'first_answer_s': bench.first_answer_s, 'rss_mb': process.rss_kb() / 1000}
        machine.Tally(udp(bench, process.job.port, c.load, bench.seconds)).check()
        figures['rss_loaded_mb'] = process.rss_kb() / 1000
        return figures


def reload(bench, c):
    """From the signal until a zone that was added answers, at 20,000 questions a second."""
    with bench.serving(c) as process:
        with bench.paced(process.job.port, c.load, 20_000) as load:
            added = bench.add_zone(process, c)
            reload_s = machine.first_answer_s(process, process.job.port, added)
        tally = machine.Tally(load.said())
    return {'reload_s': reload_s, 'lost': tally.lost, 'sent': tally.sent}


# ---- contestants ----

FORWARDERS = ('isthmus', 'before', 'dnsdist', 'unbound', 'dnsmasq', 'kresd', 'bind', 'coredns')
STREAMS = tuple(s for s in FORWARDERS if s != 'dnsmasq')  # it forks: its CPU time is its children's
MANY = 10_000
HOT_NAMES = 1000


def contestant(bench, name, server, base, **job):
    """One that is asked new names of its zones."""
    zones = job.get('zones') or job.get('blocks') or 0
    renamed = job.get('renamed', False)
    load, warm, probe = bench.new_names(renamed, zones)
    return Contestant(name, server, base, load, warm, probe, job)


def each(bench, servers, base, **job):
    return [contestant(bench, server, server, base, **job) for server in bench.there(servers)]


def hit(bench):
    rows = [contestant(bench, 'echo', 'echo', 'echo')]
    rows += each(bench, [s for s in FORWARDERS if bench.caches(s)], 'echo', cache=True)
    for row in rows:
        row.load = row.warm = bench.hot_names(False)
    return Scenario('Cache hits: 1,000 names again and again', rows, COST, cost(udp))


def forward(bench):
    rows = [contestant(bench, 'relay', 'relay', 'relay'), *each(bench, FORWARDERS, 'relay')]
    return Scenario('Forwarding: every name new', rows, COST, cost(udp))


def renaming(bench, cache):
    """Each server that renames beside its own plain forwarding."""
    rows = []
    for server in bench.there(('isthmus', 'before', 'coredns')):
        plain, renamed = f'{server} plain', f'{server} renamed'
        if cache and not bench.caches(server):
            continue
        rows.append(contestant(bench, plain, server, plain, cache=cache))
        rows.append(contestant(bench, renamed, server, plain, cache=cache, zones=1, renamed=True))
    return rows


def renamed(bench):
    rows = [contestant(bench, 'relay', 'relay', 'relay'), *renaming(bench, False)]
    return Scenario('Forwarding, renamed: one cluster, every name new', rows, COST, cost(udp))


def renamed_hit(bench):
    rows = renaming(bench, True)
    for row in rows:
        row.load = row.warm = bench.hot_names(row.job.get('renamed', False))
    return Scenario('Cache hits of renamed names', rows, COST, cost(udp))


def counted(bench, server, word, counts, **job):
    """The same server with 1, 1,000, ... of something; the first is the base."""
    zones = 'blocks' if word == 'blocks' else 'zones'
    base = f'{server} 1 {word[:-1]}'
    return [contestant(bench, base if n == 1 else f'{server} {n:,} {word}', server, base,
                       **{zones: n}, **job) for n in counts if bench.there([server])]


def clusters(bench):
    rows = counted(bench, 'isthmus', 'clusters', (1, 1000, MANY, 100_000), renamed=True)
    return Scenario('Clusters in one block, renamed, questions over all of them', rows, COST,
                    cost(udp))


def blocks(bench):
    rows = [row for server in ('isthmus', 'before', 'coredns')
            for row in counted(bench, server, 'blocks', (1, MANY))]
    return Scenario('Server blocks', rows, COST, cost(udp))


def zones(bench):
    rows = [row for server in ('dnsdist', 'unbound', 'dnsmasq', 'bind')
            for row in counted(bench, server, 'zones', (1, MANY))]
    return Scenario('Zones of servers that do not rename', rows, COST, cost(udp))


def usual(bench):
    rows = []
    for server in bench.there(('isthmus', 'before', 'coredns')):
        plain = f'{server} plain'
        rows.append(contestant(bench, plain, server, plain))
        rows.append(contestant(bench, f'{server} usual', server, plain, usual=True))
    return Scenario('The other plugins of a usual Corefile', rows, COST, cost(udp))


def mix(bench):
    """Each server as it would run: with its cache, where it has one."""
    rows = [contestant(bench, 'relay', 'relay', 'relay'),
            *each(bench, FORWARDERS, 'relay', cache=True)]
    if bench.there(['isthmus']):
        rows.append(contestant(bench, 'isthmus renamed', 'isthmus', 'relay', cache=True, zones=1,
                               renamed=True))
    for row in rows:
        row.load = row.warm = bench.mixed_names(row.job.get('renamed', False))
        row.accepts = ('NOERROR', 'NXDOMAIN')
    return Scenario('Kubernetes mix: ndots:5, five NXDOMAIN for each answer, 20 % SRV', rows, COST,
                    cost(udp))


def headless(bench):
    rows = [contestant(bench, 'relay', 'relay', 'relay'), *each(bench, FORWARDERS, 'relay')]
    if bench.there(['isthmus']):
        rows.append(contestant(bench, 'isthmus renamed', 'isthmus', 'relay', zones=1, renamed=True))
    for row in rows:
        row.load = bench.headless_names(row.job.get('renamed', False))
    return Scenario('Headless services: 100 addresses an answer (EDNS, 1.7 kB)', rows, COST,
                    cost(udp_edns))


def tcp(bench):
    rows = each(bench, STREAMS, 'isthmus' if bench.there(['isthmus']) else 'unbound')
    return Scenario('TCP from clients, pipelined', rows, COST, cost(tcp_pipelined))


def tcp_single(bench):
    rows = each(bench, STREAMS, 'isthmus' if bench.there(['isthmus']) else 'unbound')
    return Scenario('TCP from clients, one question a connection', rows, COST,
                    cost(tcp_once))


def paced(rate):
    def scenario(bench):
        rows = [contestant(bench, 'relay', 'relay', 'relay'), *each(bench, FORWARDERS, 'relay')]
        if bench.there(['isthmus']):
            rows.append(contestant(bench, 'isthmus renamed', 'isthmus', 'relay', zones=1,
                                   renamed=True))
        return Scenario(f'Latency at {rate:,} questions a second, every name new', rows, LATENCY,
                        latency(rate))
    return scenario


def starting(bench):
    rows = counted(bench, 'isthmus', 'clusters', (1, MANY, 100_000), renamed=True)
    rows += [row for server in ('dnsdist', 'unbound', 'dnsmasq', 'bind', 'coredns')
             for row in counted(bench, server, 'zones', (1, MANY))]
    return Scenario('Start to first answer, and memory then', rows,
                    ('first_answer_s', 'rss_mb', 'rss_loaded_mb'), start)


def reloading(bench):
    rows = counted(bench, 'isthmus', 'clusters', (MANY, 100_000), renamed=True)
    rows += counted(bench, 'coredns', 'zones', (MANY,))
    return Scenario('Reload under 20,000 questions a second: signal to first answer of a new zone',
                    rows, ('reload_s', 'lost', 'sent'), reload)


def instructions(bench):
    """Only on request: a server is fifty times slower under callgrind."""
    rows = [contestant(bench, 'echo', 'echo', 'echo')]
    if bench.there(['isthmus']):
        if bench.caches('isthmus'):
            rows.append(contestant(bench, 'isthmus hit', 'isthmus', 'echo', cache=True))
        for row in rows:
            row.load = bench.hot_names(False)
        rows.append(contestant(bench, 'relay', 'relay', 'relay'))
        rows.append(contestant(bench, 'isthmus plain', 'isthmus', 'relay'))
        rows.append(contestant(bench, 'isthmus renamed', 'isthmus', 'relay', zones=1, renamed=True))
    return Scenario('Instructions an answer, outside the kernel', rows, ('user', 'ratio'),
                    instructions_of)


def inside_of(bench, c):
    """Nanoseconds in resolver/, and octets of a question in flight, by tests/bench/inside.c."""
    text = bench.inside(c)
    return {'ns': float(machine.Tally.find(r'(\d+) ns a question', text)),
            'octets': float(machine.Tally.find(r'(\d+) octets a question', text))}


def inside(bench):
    """Only on request: it tells builds apart, and nothing about other servers."""
    rows = []
    if bench.there(['isthmus']):
        rows.append(contestant(bench, 'isthmus plain', 'isthmus', 'isthmus plain'))
        rows.append(contestant(bench, 'isthmus renamed', 'isthmus', 'isthmus plain', zones=1,
                               renamed=True))
        rows.append(contestant(bench, 'isthmus renamed, 10,000 clusters', 'isthmus', 'isthmus plain',
                               zones=MANY, renamed=True))
        hits = [contestant(bench, 'isthmus hit', 'isthmus', 'isthmus hit', cache=True),
                contestant(bench, 'isthmus renamed hit', 'isthmus', 'isthmus hit', cache=True,
                           zones=1, renamed=True)]
        for row in hits:
            row.names = HOT_NAMES
        rows += hits
    return Scenario('The resolver without the kernel: from question to reply', rows, ('ns', 'ratio'),
                    inside_of)


def inside_scale(bench):
    """Only on request: what grows with numbers, without the kernel."""
    rows = []
    if not bench.there(['isthmus']):
        return Scenario('', rows)
    for count in (256, 1000, MANY, 50_000):
        rows.append(contestant(bench, f'{count:,} in flight', 'isthmus', '256 in flight'))
        rows[-1].in_flight = count
    for count in (1000, MANY, 100_000, 1_000_000):
        rows.append(contestant(bench, f'{count:,} names kept', 'isthmus', '1,000 names kept', cache=True,
                               capacity=2_000_000))
        rows[-1].names = count
    for count in (1, 1000, MANY):
        rows.append(contestant(bench, f'{count:,} upstream addresses', 'isthmus', '1 upstream addresses',
                               zones=count, renamed=True, addresses=True))
    return Scenario('Numbers that grow, without the kernel', rows, ('ns', 'ratio', 'octets'), inside_of)


# ---- numbers that grow ----

RATE = 120_000


def in_flight_of(bench, c):
    """An even load to an upstream so slow that the questions in flight are as many as told."""
    with bench.late(c.in_flight * 1000 / RATE), bench.serving(c) as process:
        argv = [bench.programs['load'], str(process.job.port), c.load, '65536', str(3 * bench.seconds + 4),
                str(RATE)]
        with machine.Process(argv, machine.LOAD_CORE, process.log + '.load') as load:
            time.sleep(2 + bench.seconds)  # by now the round trip is known
            before = process.cpu_s(), time.monotonic()
            time.sleep(bench.seconds)
            spent, took = process.cpu_s() - before[0], time.monotonic() - before[1]
            rss_mb = process.rss_kb() / 1000
            load.child.wait()
            tally = machine.Tally(load.said())
    tally.check()
    return {'cpu_us': spent / (RATE * took) * 1e6, 'rss_mb': rss_mb, 'lost': tally.lost, 'sent': tally.sent}


def in_flight(bench):
    rows = []
    for count in (100, 1000, MANY, 50_000):
        if bench.there(['isthmus']):
            rows.append(contestant(bench, f'isthmus {count:,}', 'isthmus', 'isthmus 100', workers=1))
            rows[-1].in_flight = count
    return Scenario(f'Questions in flight, at {RATE:,} a second', rows, ('cpu_us', 'ratio', 'rss_mb', 'lost', 'sent'),
                    in_flight_of)


def kept(bench):
    rows = []
    for count in (1000, 100_000, 1_000_000):
        if bench.there(['isthmus']):
            rows.append(contestant(bench, f'isthmus {count:,} names', 'isthmus', 'isthmus 1,000 names', cache=True,
                                   capacity=2_000_000))
            rows[-1].load = rows[-1].warm = bench.hot_names(False, count)
            rows[-1].names = count
    return Scenario('Cache hits over many names', rows, (*COST, 'rss_mb'), kept_of)


def kept_of(bench, c):
    """All names are asked for once before the load, however long that takes."""
    with bench.serving(c) as process:
        port = process.job.port
        machine.Tally(machine.dnsperf(port, c.warm, 600, '-n', '1', '-c', '8', '-q', '200')).check()
        before = process.cpu_s()
        tally = machine.Tally(udp(bench, port, c.load, bench.seconds))
        spent = process.cpu_s() - before
        tally.check()
        return {'cpu_us': spent / tally.answered * 1e6, 'busy': spent / tally.seconds * 100,
                'qps': tally.answered / tally.seconds, 'rss_mb': process.rss_kb() / 1000}


def upstreams(bench):
    rows = counted(bench, 'isthmus', 'clusters', (1, 100, 1000, MANY), renamed=True, addresses=True)
    measure = cost(udp)

    def with_all_addresses(bench, c):
        with bench.late(0):
            return measure(bench, c)
    return Scenario('Upstream addresses in use: clusters with DNS of their own', rows, COST, with_all_addresses)


IDLE = 5000


def idle_tcp(bench):
    rows = each(bench, ('isthmus',), 'isthmus')
    return Scenario(f'Idle TCP connections: {IDLE:,}, each after one question', rows, ('idle',), idle_of)


def idle_of(bench, c):
    with bench.serving(c) as process:
        before_kb = process.rss_kb()
        with machine.connections(process.job.port, IDLE, c.probe):
            return {'idle': (process.rss_kb() - before_kb) * 1024 / IDLE}


def workers(bench):
    rows = []
    for cache in (True, False):
        what = 'hit' if cache else 'forward'
        for count in (1, 2):
            if bench.there(['isthmus']):
                rows.append(contestant(bench, f'{what}, {count} workers', 'isthmus', f'{what}, 1 workers', cache=cache,
                                       workers=count))
                rows[-1].load = bench.hot_names(False) if cache else rows[-1].load
    return Scenario('Instructions an answer with two workers, outside the kernel', rows, ('user', 'ratio'),
                    instructions_of)


def trace(bench):
    rows = [Contestant(name, 'isthmus', 'random', '', '', '') for name in ('random', 'FIFO', 'LRU', 'SIEVE', 'isthmus')
            if bench.there(['isthmus'])]

    def measure(bench, c):
        return {'hits': float(machine.Tally.find(rf'(?m)^{c.name} ([\d.]+)', bench.trace(c.server)))}
    return Scenario('Hits of a skewed trace beside a flood of names asked for once (10,000 entries)', rows,
                    ('hits', 'ratio'), measure)


CHANGES_RATE, CHANGES_S = 5000, 300


def changes_of(bench, c):
    """One cluster moves between two addresses while another is asked 5,000 questions a second."""
    with bench.late(0):
        places = moves.Places(bench.upstream)
        with moves.source_of(c.source, places) as source:
            c.job['inventory'] = (*source.lines, 'zone {name}.changes')
            with bench.serving(c) as process, moves.Asker(process.job.port) as asker:
                asker.until(places.address(0), '')
                asker.asked = asker.lost = asker.wrong = 0
                with bench.paced(process.job.port, c.load, CHANGES_RATE) as load:
                    taken, times = moves.measure(asker, source, places, (bench.changes, CHANGES_S))
    tally = machine.Tally(load.said())
    ms = {f'{key}_ms': percentile(times, share) * 1000 for key, share in (('p50', 0.5), ('p99', 0.99), ('worst', 1))}
    return {**ms, 'taken_ms': percentile(taken, 0.5) * 1000, 'changes': len(times), 'sent': tally.sent + asker.asked,
            'lost': tally.lost + asker.lost, 'wrong': tally.answered - tally.rcodes.get('NOERROR', 0) + asker.wrong}


def changes(bench):
    rows = []
    for server in bench.there(('isthmus', 'before')):
        for source in moves.SOURCES:
            rows.append(contestant(bench, f'{server} {source}', server, f'{server} {source}', zones=1, renamed=True))
            rows[-1].source = source
    return Scenario(f'Changes of one cluster at {CHANGES_RATE:,} questions a second of another', rows,
                    ('changes', 'taken_ms', 'p50_ms', 'p99_ms', 'worst_ms', 'sent', 'lost', 'wrong'), changes_of)


ON_REQUEST = {'instructions': instructions, 'inside': inside, 'inside-scale': inside_scale, 'workers': workers,
              'trace': trace, 'idle-tcp': idle_tcp, 'in-flight': in_flight, 'kept': kept, 'upstreams': upstreams,
              'changes': changes}
SCENARIOS = {
    'hit': hit, 'forward': forward, 'renamed': renamed, 'renamed-hit': renamed_hit,
    'clusters': clusters, 'blocks': blocks, 'zones': zones, 'usual': usual, 'mix': mix,
    'headless': headless, 'tcp': tcp, 'tcp-single': tcp_single, 'paced-5000': paced(5000),
    'paced-20000': paced(20_000), 'start': starting,
    'reload': reloading,
}
