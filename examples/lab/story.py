"""The steps of the story: what is done, what is seen, whether it is what should be.

A step is a function of STEPS. It calls story.step(WHAT, SEEN, OK) for each thing it shows: a line
on the screen. Commands go through story.run(PLACE, WORD...), which also writes the transcript.
"""
import concurrent.futures
import os
import re
import signal
import sys
import time
import traceback

from dns_servers import ANYCAST
from places import HERE, ROOT, RUN, Failed, Place, read, wait_until, write

APP = 'app.web.svc.cluster-b.local'
STEPS = []


def step(function):
    STEPS.append(function)
    return function


class Story:
    def __init__(self, lab):
        self.lab, self.passed, self.failed = lab, 0, 0
        self.corefile = read(f'{HERE}/isthmus.Corefile')  # as it is in force
        self.transcript = open(f'{ROOT}/build/lab.transcript', 'w', encoding='utf-8')

    # ---- telling ----

    def line(self, text):
        print(text, flush=True)
        self.transcript.write(f'{text}\n\n')
        self.transcript.flush()

    def step(self, what, seen, ok):
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        self.line(f'{"ok    " if ok else "NOT OK"} {what}: {" ".join(str(seen).split())}')
        return ok

    def play(self, function):
        self.line(f'\n{function.__doc__}')
        try:
            function(self.lab, self)
        except Failed as why:
            self.step(function.__doc__, why, False)
        except Exception as error:  # a mistake of the story: told, and the lab comes down as always
            self.step(function.__doc__, f'{type(error).__name__}: {error}', False)
            self.transcript.write(traceback.format_exc())

    def built(self, seconds):
        lab = self.lab
        self.line(f'Built in {seconds:.0f} s: {len(Place.all)} places, '
                  f'{lab.site.speaker.established()} BGP sessions of the router, DNS: {lab.dns_of_a} in cluster-a, '
                  f'NSD in cluster-b, Knot in cluster-c.\nThe laptop\'s tunnel: {lab.site.tunnel.kind}.')

    def summary(self, seconds):
        self.keep_logs()
        self.line(f'\n{self.passed} ok, {self.failed} not ok, {seconds:.0f} s; '
                  'what each command printed is in build/lab.transcript')

    def keep_logs(self):
        """What the programs said last, into the transcript, if anything failed: it goes with them."""
        for place in Place.all.values() if self.failed else ():
            for name in place.processes:
                self.transcript.write(f'---- {place.name}: {name}\n{place.log(name)[-2000:]}\n')

    # ---- doing ----

    def run(self, place, *words, timeout_s=20):
        """What a command printed in a place."""
        status, out = place.run(*words, timeout_s=timeout_s)
        self.transcript.write(f'{place.name}$ {" ".join(words)}\n{out}{"" if status == 0 else f"[{status}]"}\n')
        return out.strip()

    def curl(self, place, url, *options):
        return self.run(place, 'curl', '-sS', '--connect-timeout', '3', *options, url)

    def dig(self, place, name, rdtype='A', *options):
        return Answer(self.run(place, 'dig', *options, name, rdtype))

    def reverse(self, place, address):
        return self.run(place, 'dig', '+short', '-x', str(address))


class Answer:
    """What dig printed: its RCODE, `NAME TYPE DATA` of each answer, and the extended error."""

    def __init__(self, text):
        self.text = text
        found = re.search(r'status: (\w+)', text)
        self.rcode = found[1] if found else 'no answer'
        section = text.partition(';; ANSWER SECTION:\n')[2].partition('\n\n')[0]
        rows = [line.split(None, 4) for line in section.split('\n') if line]
        self.records = sorted(f'{row[0]} {row[3]} {row[4]}' for row in rows)
        self.data = sorted(row[4] for row in rows)
        found = re.search(r'; EDE: (\d+)[^:\n]*(?:: \((.*)\))?', text)
        self.ede, self.why = (int(found[1]), found[2] or '') if found else (None, '')
        found = re.search(r'Query time: (\d+) msec', text)
        self.ms = int(found[1]) if found else None
        found = re.search(r'NSID:.*\("(.*)"\)', text)
        self.server = found[1] if found else None


def slack():
    """How much longer than on an idle machine things may take, for time limits only: sanitizers
    make isthmus slow, and others may keep the machine busy."""
    mode = 4 if re.search(r'/(asan|tsan|debug)/', os.environ.get('ISTHMUS', '')) else 1
    return mode * min(6, max(1, 1.5 * os.getloadavg()[0] / os.cpu_count()))


# ---- one hop ----

@step
def shared_routes(lab, story):
    """Routes are shared"""
    address = str(lab.b.app.addresses[0])
    story.run(lab.site.router, 'birdc', '-s', lab.site.speaker.socket, 'show', 'route', 'for', address)
    text = story.run(lab.site.router, 'ip', 'route', 'show', address)
    ways = re.findall(r'via (\S+)', text)
    story.step(f'the router has a way to {address} for each node with a ready pod', ', '.join(ways),
               sorted(ways) == [str(n.addresses[0]) for n in lab.b.nodes])
    links = ''.join(story.run(n.place, 'ip', '-br', 'address') for n in lab.b.nodes)
    story.step('it is an address of no interface', 'a route to the nodes, and a rule of nftables there', address not in links)


@step
def one_hop(lab, story):
    """One hop to a Service of another cluster, by name"""
    client, vm, laptop = lab.a.clients[0].place, lab.site.vm, lab.site.laptop
    for place, source, who in ((vm, '10.0.0.21', 'the VM'), (client, '10.50.1.99', "a pod of cluster-a, through its cluster's DNS"),
                               (laptop, '10.8.0.2', 'the laptop, through the tunnel')):
        page = story.curl(place, f'http://{APP}')
        story.step(f'curl http://{APP} from {who}', page, page.startswith('cluster-b ') and page.endswith(f'asked by {source}'))
    nodes = {p for _ in range(16) if (p := story.curl(vm, f'http://{APP}')[10:].partition(',')[0])}
    story.step('sixteen times: ECMP spreads them over both nodes', ', '.join(sorted(nodes)), len(nodes) == 2)
    page = story.curl(vm, 'http://app.web.svc.cluster-c.local', '-6')
    story.step('cluster-c is dual-stack: curl -6 from the VM', page, page.startswith('cluster-c ') and page.endswith('fd00::21'))


def hops(story, place, name, port):
    out = story.run(place, 'traceroute', '-T', '-p', port, '-q', '1', '-w', '2', name)
    return re.findall(r'^ *\d+ +(\S+)', out, re.M)


@step
def no_proxy(lab, story):
    """Nothing stands between: routers and the node, no proxy"""
    pod = 'app-0.peers.web.svc.cluster-b.local'
    for place, routers in ((lab.site.vm, ['router.lab']), (lab.a.clients[0].place, ['a1.lab', 'router.lab']),
                           (lab.site.laptop, ['router.lab'])):
        seen = hops(story, place, pod, '8080')
        story.step(f'traceroute from {place.name} to a pod', ' -> '.join(seen), seen == [*routers, 'b1.lab', pod])
        seen = hops(story, place, APP, '80')
        story.step('and to the Service (the node answers in its name already)', ' -> '.join(seen), seen == [*routers, APP, APP])


# ---- names ----

@step
def every_kind_of_name(lab, story):
    """Every kind of name of the Kubernetes DNS specification"""
    for cluster in lab.clusters:
        names_of(story, lab.site.vm, cluster)
    answer = story.dig(lab.site.vm, f'_http._tcp.peers.web.svc.{lab.b.label}.local', 'SRV')
    story.step('SRV of the headless Service in cluster-b', '; '.join(answer.data),
               answer.data == [f'0 50 8080 app-{i}.peers.web.svc.cluster-b.local.' for i in (0, 1)])
    page = story.curl(lab.site.vm, f'http://app-1.peers.web.svc.{lab.b.label}.local:8080')
    story.step('and its second pod, straight', page, page.startswith('cluster-b app-1'))
    answer = story.dig(lab.site.vm, 'friend.web.svc.cluster-b.local')
    story.step('ExternalName of cluster-b into cluster-c', '; '.join(answer.records), answer.records == [
        f'app.web.svc.cluster-c.local. A {lab.c.app.addresses[0]}',
        'friend.web.svc.cluster-b.local. CNAME app.web.svc.cluster-c.local.'])


def names_of(story, place, cluster):
    """All kinds for one cluster, checked in one line: where something differs it is shown."""
    zone, app, pod = f'{cluster.label}.local', str(cluster.app.addresses[0]), str(cluster.apps[0].addresses[0])
    wanted = {
        (f'app.web.svc.{zone}', 'A'): [app],
        (f'_http._tcp.app.web.svc.{zone}', 'SRV'): [f'0 100 80 app.web.svc.{zone}.'],
        (f'peers.web.svc.{zone}', 'A'): sorted(str(p.addresses[0]) for p in cluster.apps),
        (f'app-0.peers.web.svc.{zone}', 'A'): [pod],
        (f'_http._tcp.peers.web.svc.{zone}', 'SRV'): [f'0 50 8080 {p.name}.peers.web.svc.{zone}.' for p in cluster.apps],
        (f'alias.web.svc.{zone}', 'A'): sorted([app, f'app.web.svc.{zone}.']),
        (f'{pod.replace(".", "-")}.web.pod.{zone}', 'A'): [pod],
        (f'dns-version.{zone}', 'TXT'): ['"1.1.0"'],
        (f'nobody.web.svc.{zone}', 'A'): [],
    }
    if len(cluster.services) > 1:
        wanted[f'app.web.svc.{zone}', 'AAAA'] = [str(cluster.app.addresses[1])]
        wanted[f'peers.web.svc.{zone}', 'AAAA'] = sorted(str(p.addresses[1]) for p in cluster.apps)
    wrong = []
    for (name, rdtype), data in wanted.items():
        answer = story.dig(place, name, rdtype)
        rcode = 'NXDOMAIN' if name.startswith('nobody') else 'NOERROR'
        if answer.data != data or answer.rcode != rcode or '.cluster.local.' in answer.text:
            wrong.append(f'{name} {rdtype} {answer.rcode} {answer.data}')
    seen = '; '.join(wrong) or 'ClusterIP, headless, SRV, ExternalName, pod, dns-version, NXDOMAIN'
    story.step(f'{len(wanted)} questions about {zone}', seen, not wrong)


@step
def stub(lab, story):
    """The stub in cluster-a: its pods use both kinds of names"""
    client, app = lab.a.clients[0].place, str(lab.a.app.addresses[0])
    own, world = story.dig(client, 'app.web.svc.cluster.local'), story.dig(client, 'app.web.svc.cluster-a.local')
    story.step("the cluster's own name, and its name in the world", f'{own.data} and {world.data}', own.data == world.data == [app])
    answer = story.dig(client, '_http._tcp.app.web.svc.cluster-c.local', 'SRV')
    story.step(f'SRV of cluster-c, asked of {lab.dns_of_a}', '; '.join(answer.data),
               answer.data == ['0 100 80 app.web.svc.cluster-c.local.'])
    page = story.curl(client, 'http://app')
    story.step('short names stay at home: curl http://app', page, page.startswith('cluster-a '))


@step
def reverse(lab, story):
    """The reverse name of every address on the path"""
    for cluster in lab.clusters:
        zone, node = f'{cluster.label}.local.', cluster.nodes[0]
        wanted = [('10.0.0.21', 'vm.lab.'), (cluster.node_subnets[0][1], 'router.lab.'), (node.addresses[0], f'{node.name}.lab.'),
                  *((a, f'app.web.svc.{zone}') for a in cluster.app.addresses),
                  *((a, f'app-0.peers.web.svc.{zone}') for a in cluster.apps[0].addresses)]
        seen = [story.reverse(lab.site.vm, address) for address, _ in wanted]
        story.step(f'from the VM to {cluster.label}', ' '.join(seen), seen == [name for _, name in wanted])
    client, last = lab.a.clients[0].place, lab.b.services[0][-2]
    seen = story.reverse(client, lab.b.app.addresses[0])
    story.step("asked of cluster-a's DNS by a pod", seen, seen == f'{APP}.')
    answer = Answer(story.run(lab.site.vm, 'dig', '-x', str(last)))
    story.step(f'{last}, the far end of the /13, is nobody', answer.rcode, answer.rcode == 'NXDOMAIN')


@step
def checked(lab, story):
    """isthmus check, on the host of isthmus: a line a cluster"""
    status, text = check(lab, story)
    story.step(f'exit status {status}', '; '.join(line.split('  domain')[0] for line in text),
               status == 0 and len(text) == len(lab.clusters) and all('  ok  ' in line for line in text))


def check(lab, story):
    """(exit status, the lines about clusters)."""
    program = [lab.program, 'check', '--conf', lab.first.corefile]
    story.transcript.write(f'dns1$ {" ".join(program)}\n')
    status, out = lab.site.dns1.run('env', 'PLACE=dns1', *program)
    story.transcript.write(f'{out}\n')
    return status, [line for line in out.split('\n') if line.startswith('cluster-')]


# ---- what fails ----

class Asking:
    """asker.py at work in the VM, while the story goes on."""

    def __init__(self, story, rate, clusters):
        self.place, self.path = story.lab.site.vm, f'{RUN}/asked'
        zones = [f'{c.label}.local' for c in clusters]
        story.transcript.write(f'vm$ python3 asker.py {rate} names/s of each of {", ".join(zones)}\n')
        self.process = self.place.start('asker', sys.executable, '-SE', f'{HERE}/asker.py', self.path, str(rate), *zones)
        self.began = time.monotonic()
        self.wait(1)

    def wait(self, seconds):
        """Until that long after the start: how long something goes on is what is wanted here."""
        time.sleep(max(0, self.began + seconds - time.monotonic()))
        if self.process.poll() is not None:
            raise Failed(f'asker.py ended: {self.place.log("asker")}')

    def stop(self):
        self.place.signal('asker', signal.SIGTERM)
        self.process.wait()

    def questions(self, cluster, since, until):
        """Those of one cluster that were sent in that time."""
        rows = [line.split() for line in read(self.path).split('\n')[:-1]]
        return Questions([row for row in rows if row[1] == f'{cluster.label}.local' and since <= float(row[0]) < until])


class Questions:
    """Rows of asker.py."""

    def __init__(self, rows):
        self.rows = rows
        self.times = sorted(float(row[2]) for row in rows)
        self.lost = sum(row[3] == 'lost' for row in rows)
        self.failed = sum(row[3] not in ('0', 'lost') for row in rows)
        self.stale = sum(row[4] == '3' for row in rows)
        self.fresh = len(rows) > 0 and all(row[3:] == ['0', '-'] for row in rows)

    def __len__(self):
        return len(self.rows)

    def percentile(self, percent):
        return self.times[(len(self.times) - 1) * percent // 100] if self.times else float('inf')

    def __str__(self):
        return (f'{len(self)} questions, {self.lost} lost, {self.failed} failed, p50 {self.percentile(50):.1f} ms, '
                f'p99 {self.percentile(99):.1f} ms, slowest {self.percentile(100):.0f} ms')


@step
def pod_not_ready(lab, story):
    """A node without a ready pod withdraws its route"""
    address, (gone, stays) = str(lab.b.app.addresses[0]), lab.b.apps
    lab.b.set_ready(lab.b.app, gone, False)
    wait_until(lambda: len(lab.site.route(address)) != 2, 'the route is withdrawn')
    text = story.run(lab.site.router, 'ip', 'route', 'show', address)
    story.step(f'{gone.name} is not ready', text, f'via {stays.node.addresses[0]} ' in text)
    pages = {story.curl(lab.site.vm, f'http://{APP}') for _ in range(8)}
    story.step('eight pages', ', '.join(sorted(pages)), all(p.startswith(f'cluster-b {stays.name} ') for p in pages))
    lab.b.set_ready(lab.b.app, gone, True)
    wait_until(lambda: len(lab.site.route(address)) == 2, 'the route is back')


@step
def node_dies(lab, story):
    """A node dies without a word: ECMP carries on"""
    address, node, vm = str(lab.b.app.addresses[0]), lab.b.nodes[0], lab.site.vm
    asking = Asking(story, 200, [lab.b])
    story.transcript.write(f'(the cable of {node.name} is cut behind the switch)\n')
    lab.site.router.ip(f'link set to-{node.name} down')
    died = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        noticed = pool.submit(lambda: wait_until(lambda: len(lab.site.route(address)) == 1 and time.monotonic(), 'BFD notices'))
        pages = [(time.monotonic(), story.curl(vm, f'http://{APP}', '-m', '0.5')) for _ in range(8)]
        noticed = noticed.result()
    pages += [(time.monotonic(), story.curl(vm, f'http://{APP}', '-m', '2')) for _ in range(12)]
    bad = [at for at, page in pages if not page.startswith('cluster-b app-1')]
    story.step(f'{len(pages)} pages from then on', f'{len(bad)} missed in the {noticed - died:.1f} s until BFD told the router, '
               f'{sum(at > noticed for at in bad)} later', not any(at > noticed for at in bad))
    asking.wait(3 + noticed - died)
    asking.stop()
    asked = asking.questions(lab.b, died, time.monotonic())
    story.step("names of cluster-b, whose DNS was on both nodes, at 200/s", asked, not asked.lost and not asked.failed)
    lab.site.router.ip(f'link set to-{node.name} up')
    wait_until(lambda: len(lab.site.route(address)) == 2, f'{node.name} is back in the route', 30)
    story.step(f'{node.name} comes back', story.run(lab.site.router, 'ip', 'route', 'show', address), True)


@step
def dns_half_dies(lab, story):
    """One of the two DNS pods of cluster-b hangs, and nobody has noticed: half of all flows lead to it"""
    asking = Asking(story, 300, [lab.b])
    hung = time.monotonic()
    lab.b.dns_pods[0].place.signal('dns', signal.SIGSTOP)
    asking.wait(4)
    thawed = time.monotonic()
    lab.b.dns_pods[0].place.signal('dns', signal.SIGCONT)
    asking.stop()
    asked = asking.questions(lab.b, hung, thawed)
    story.step('names of cluster-b, at 300/s', asked, not asked.lost and not asked.failed and not asked.stale)


@step
def dns_dies(lab, story):
    """The DNS of cluster-b dies, while 500 names/s are asked of each cluster"""
    vm = lab.site.vm
    asking = Asking(story, 500, lab.clusters)
    asking.wait(8)  # once round all names, and 2 s
    dead = time.monotonic()
    story.transcript.write('(both DNS pods of cluster-b are stopped: packets reach them, and nothing comes back)\n')
    for pod in lab.b.dns_pods:
        pod.place.signal('dns', signal.SIGSTOP)
    story.dig(vm, 'first.web.svc.cluster-b.local')  # waits until it is known, or helps to
    answers = [story.dig(vm, f'unknown-{i}.web.svc.cluster-b.local') for i in range(20)]
    slowest, limit = max(9999 if a.ms is None else a.ms for a in answers), 50 * slack()
    last = answers[-1]
    story.step('names that nobody asked before', f'20 x {last.rcode} in {slowest} ms at most, "EDE {last.ede}: {last.why}"',
               all(a.rcode == 'SERVFAIL' and a.ede in (22, 23) and 'cluster-b' in a.why for a in answers) and slowest <= limit)
    status, text = check(lab, story)
    story.step(f'isthmus check: exit status {status}', '; '.join(line for line in text if '  ok  ' not in line),
               status > 0 and [line.split('.')[0] for line in text if '  ok  ' not in line] == ['cluster-b'])
    asking.wait(14)
    for pod in lab.b.dns_pods:
        pod.place.kill('dns')
    back = time.monotonic()
    lab.b.start_dns()
    limit = 6 * slack()
    wait_until(lambda: asking.questions(lab.b, time.monotonic() - 1, time.monotonic()).fresh, 'all is fresh', limit + 1.5)
    asking.stop()
    end = time.monotonic()
    tell_of_dead_dns(lab, story, asking, (dead, back, end, limit))


def tell_of_dead_dns(lab, story, asking, times):
    dead, back, end, limit = times
    for cluster in (lab.a, lab.c):
        before, during = asking.questions(cluster, dead - 2, dead), asking.questions(cluster, dead, back)
        story.step(f'{cluster.label} meanwhile', f'{during} (before: p50 {before.percentile(50):.1f} ms, p99 {before.percentile(99):.1f} ms)',
                   not during.lost and not during.failed and not during.stale
                   and during.percentile(90) <= 2 * before.percentile(90) + 5 * slack()
                   and during.percentile(99) <= 4 * before.percentile(99) + 50 * slack())
    rows = asking.questions(lab.b, dead, back).rows
    known = max((float(row[0]) for row in rows if float(row[2]) > 50 * slack()), default=dead)
    asked = asking.questions(lab.b, dead, known)
    story.step(f'cluster-b, for the {known - dead:.1f} s until it was known to be dead', asked, not asked.lost and not asked.failed)
    asked = asking.questions(lab.b, known + 0.001, back)
    story.step('then: what was asked before goes on', f'{asked}; {asked.stale} of them with EDE 3 (Stale Answer)',
               asked.stale == len(asked) > 0 and not asked.lost)
    asked = asking.questions(lab.b, back, end)
    last = max((float(row[0]) for row in asked.rows if row[4] != '-' or row[3] != '0'), default=back)
    story.step('its DNS is started again', f'all is fresh after {last - back:.1f} s', last - back <= limit and not asked.lost)


# ---- what changes ----

@step
def fourth_cluster(lab, story):
    """A fourth cluster joins by an edit and a reload"""
    asking = Asking(story, 500, lab.clusters)
    lab.join_fourth()
    line = f'    cluster cluster-d.local {lab.d.services[0]} {{\n        pods {lab.d.pods[0]}\n    }}\n'
    before = story.dig(lab.site.vm, 'app.web.svc.cluster-d.local')
    corefile = story.corefile.replace('    cache {\n', line + '    cache {\n')
    began = time.monotonic()
    lab.first.reload(corefile)
    wait_until(lambda: story.dig(lab.site.vm, 'app.web.svc.cluster-d.local').data, 'cluster-d is known')
    took = time.monotonic() - began
    page = story.curl(lab.site.vm, 'http://app.web.svc.cluster-d.local')
    story.step(f'before {before.rcode}; after the edit and SIGUSR1', f'{page} ({took:.1f} s later)', page.startswith('cluster-d app-0'))
    time.sleep(1)
    asking.stop()
    for cluster in lab.clusters[:3]:
        asked = asking.questions(cluster, 0, time.monotonic())
        story.step(f'{cluster.label}, at 500/s all the while', asked, not asked.lost and not asked.failed)
    story.corefile = corefile


@step
def overlap(lab, story):
    """Overlapping Service subnets are refused, with the mend"""
    line = '    cluster cluster-e.local 10.110.0.0/16\n'
    said = lab.first.reload(story.corefile.replace('    cache {\n', line + '    cache {\n'))
    wait_until(lambda: 'tell them apart' in said(), 'the refusal')
    story.transcript.write(said() + '\n')
    text = next(line for line in said().split('\n') if 'tell them apart' in line)
    story.step('a cluster-e with 10.110.0.0/16, which is inside the /13 of cluster-b', text,
               'cluster-b' in text and 'cluster-e' in text)
    page = story.curl(lab.site.vm, f'http://{APP}')
    story.step('the old configuration serves on', page, page.startswith('cluster-b'))
    lab.first.reload(story.corefile)


@step
def anycast(lab, story):
    """Anycast: two isthmus, one address; one is killed"""
    write(lab.second.corefile, story.corefile)
    lab.second.start()
    wait_until(lambda: len(lab.site.route(ANYCAST)) == 2, 'the second is announced')
    asked = lambda: story.dig(lab.site.vm, APP, 'A', '+nsid')
    servers = [asked().server for _ in range(12)]
    story.step(f'{ANYCAST} is on both hosts, by BGP', ', '.join(f'{servers.count(s)} answers of {s}' for s in sorted(set(servers), key=str)),
               set(servers) == {'dns1', 'dns2'})
    lab.first.kill(signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: len(lab.site.route(ANYCAST)) == 1, 'the route is withdrawn')
    took = (time.monotonic() - killed) * 1000
    answers = [asked() for _ in range(12)]
    story.step(f"the first is killed, its route gone {took:.0f} ms later: the VM's next question, and eleven more",
               f'{answers[0].data} of {answers[0].server} in {answers[0].ms} ms; {sum(bool(a.data) for a in answers)} of 12 answered',
               all(a.data == [str(lab.b.app.addresses[0])] and a.server == 'dns2' for a in answers))
    text = story.run(lab.site.router, 'ip', 'route', 'show', ANYCAST)
    story.step('the router', text, 'via 10.0.0.12' in text and 'via 10.0.0.11' not in text)


@step
def drain(lab, story):
    """One isthmus is taken out of service: first the route, then the program"""
    lab.first.start()
    wait_until(lambda: len(lab.site.route(ANYCAST)) == 2, 'the first is announced again')
    asking = Asking(story, 500, lab.clusters[:3])
    status = lab.second.drain()
    asking.wait(3)
    asking.stop()
    asked = Questions([row for c in lab.clusters[:3] for row in asking.questions(c, 0, time.monotonic()).rows])
    story.step(f'the second is stopped and ends with status {status}, while 1,500 names/s are asked of both', asked,
               status == 0 and not asked.lost and not asked.failed)
    lab.second.start()
