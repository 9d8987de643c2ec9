#!/usr/bin/env python3
# e2e: tsan
"""A hand on the running server: status, explain, flush, drain, log-level and reload over the control
socket, hostile clients of it, and many at a time while questions are answered and Corefiles
change."""
import functools
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import badup
import harness
import peers
import world
from harness import (ISTHMUS, Process, ask, check, equal, folder, free_port, isthmus, loopback_net, namespace, wait_until,
                     within, write)
from pages import get


def control_path():
    return os.path.join(folder('control'), 'socket')


def served(directives, path=None, **more):
    """The program with a control socket; .path is where."""
    path = path or control_path()
    server = isthmus(directives, ('-control', path), **more)
    server.path = path
    wait_until(lambda: os.path.exists(path), 5, 'the socket')
    return server


def run(*words, path=None, env=None):
    """(exit status, standard output, standard error) of a command."""
    more = ('--control', path) if path else ()
    done = subprocess.run([ISTHMUS, *words, *more], capture_output=True, text=True, timeout=60 * harness.SLOW, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def said(server, *words):
    status, out, err = run(*words, path=server.path)
    equal((status, err), (0, ''), ' '.join(words))
    return out


def told(server, *words):
    return json.loads(said(server, *words, '--json'))


class Line:
    """One connection to the socket, without our own client."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.file = self.sock.makefile('rb')

    def say(self, octets):
        self.sock.sendall(octets)
        line = self.file.readline()
        return json.loads(line) if line else None

    def close(self):
        self.file.close()
        self.sock.close()


# ---- story 10 ----

STORY = ('10.0.0.53', '10.100.0.10', '10.101.0.10', '10.8.0.5')


@functools.cache
def story():
    peers.Nsd(world.standard_a().zones(), ['10.100.0.10'], 53)
    peers.Nsd(world.standard_b().zones(), ['10.101.0.10'], 53)
    path = control_path()
    server = harness.Isthmus('''.:53 {
    bind 10.0.0.53
    acl {
        allow net 10.8.0.0/16 10.0.0.0/24
        block
    }
    errors
    cache 30
    cluster cluster-a.local 10.100.0.0/19 {
        pods 10.50.0.0/16
    }
    cluster cluster-b.local 10.101.0.0/19 {
        pods 10.51.0.0/16
    }
}
''', ('-control', path), address='10.0.0.53', port=53)
    server.path = path
    return server


def as_lines(patterns, text, what):
    """Each pattern is a whole line, in order; further lines may stand between."""
    lines = text.split('\n')
    at = 0
    for pattern in patterns:
        while at < len(lines) and not re.fullmatch(pattern, lines[at]):
            at += 1
        check(at < len(lines), f'{what}: {pattern}', text)
    return at


@namespace(*STORY)
def test_it_does_not_work_find_out_why():
    server = story()
    corefile = re.escape(server.corefile)
    text = said(server, 'explain', 'app.web.svc.cluster-b.local', '--from', '10.8.0.5')
    as_lines([
        r'question   app\.web\.svc\.cluster-b\.local A from 10\.8\.0\.5 \(allowed by acl\)',
        rf'block      \.   {corefile}:1',
        r'plugins    acl → cache → cluster',
        rf'zone       cluster-b\.local → cluster "cluster-b\.local" \(domain cluster\.local\)   {corefile}:12',
        r'asks       app\.web\.svc\.cluster\.local A  @10\.101\.0\.10:53 udp  \d+\.\d ms  NOERROR  1 answer',
        r'rewrites   answer\[0\] owner app\.web\.svc\.cluster\.local → app\.web\.svc\.cluster-b\.local',
        r'result     NOERROR  10\.101\.7\.21  ttl 30  \(cache: miss, stored 30 s\)',
        r'address    10\.101\.7\.21 is inside cluster-b\.local Services 10\.101\.0\.0/19'], text, 'the transcript')
    text = said(server, 'explain', 'app.web.svc.cluster-b.local', '--from', '10.8.0.5')
    as_lines([r'plugins    acl → cache \(answers\)', r'result     NOERROR  10\.101\.7\.21  ttl \d+  \(cache: hit, \d+ s left\)'],
             text, 'the second time')
    check('asks' not in text, 'nobody is asked then', text)
    text = said(server, 'explain', '_pg._tcp.db.web.svc.cluster-b.local', 'SRV', '--from', '10.8.0.5')
    check(re.search(r'rewrites +answer\[0\] SRV 0 50 5432 db-\d\.db\.web\.svc\.cluster\.local → 0 50 5432 db-\d\.db\.web\.svc\.cluster-b\.local', text),
          'a name in the data', text)
    text = said(server, 'explain', '10.101.7.21', '--from', '10.8.0.5')
    check(text.startswith('question   21.7.101.10.in-addr.arpa PTR from 10.8.0.5'), 'an address is asked for backwards', text)
    check('its subnet has the address' in text and 'app.web.svc.cluster-b.local' in text, 'a reverse name', text)
    text = said(server, 'explain', 'app.web.svc.cluster-b.local', '--from', '192.168.1.1')
    as_lines([r'question .* from 192\.168\.1\.1 \(stopped by acl\)', rf'denied     by acl   {corefile}:5', r'result     REFUSED', r'reason     .*\(extended error \d+\)'],
             text, 'a client that may not ask')
    equal(ask(server, 'app.web.svc.cluster-b.local').rcode, 'NOERROR', 'others are answered as ever')


@namespace(*STORY)
def test_a_name_under_no_cluster():
    server = story()
    for name, near in (('app.web.svc.clustr-b.local', 'cluster-b.local'), ('app.web.svc.cluster-a', 'cluster-a.local'), ('www.example.test', None)):
        text = said(server, 'explain', name, '--from', '10.8.0.5')
        equal(re.findall(r'\nzone       no cluster has this zone; near: (.*)\n', text), [near] if near else [], name)


@namespace(*STORY)
def test_explain_without_a_server():
    server = story()
    status, out, err = run('explain', 'app.web.svc.cluster-b.local', '--from', '10.8.0.5', '--conf', server.corefile)
    equal((status, err), (0, ''), 'it needs none')
    live = said(server, 'flush', '.') and said(server, 'explain', 'app.web.svc.cluster-b.local', '--from', '10.8.0.5')
    same = [re.sub(r'\d+\.\d ms', 'T', text) for text in (out, live)]
    equal(same[0], same[1], 'the same is told')
    home = folder('inventory')
    where = write(os.path.join(home, 'b.json'), '{"name": "b", "zone": "b.lan", "services": ["10.101.0.0/19"]}')
    corefile = write(os.path.join(folder('inventory'), 'Corefile'), f'.:53 {{\n    bind 10.0.0.53\n    inventory {home}\n}}\n')
    status, out, err = run('explain', 'app.web.svc.b.lan', '--conf', corefile)
    as_lines([rf'zone       b\.lan → cluster ".*" \(domain cluster\.local\)   {re.escape(where)}:1', r'asks       .* NOERROR  1 answer',
              r'rewrites   answer\[0\] owner app\.web\.svc\.cluster\.local → app\.web\.svc\.b\.lan', r'result     NOERROR  10\.101\.7\.21  ttl \d+'],
             out, 'a cluster of an inventory')
    status, out, err = run('explain', 'a.b', '--conf', write(os.path.join(folder('bad'), 'Corefile'), '. {\n nonsense\n}\n'))
    check(status == 1 and ':2 - ' in err and out == '', 'a Corefile that does not load', (status, out, err))
    status, out, err = run('explain', 'x', 'NOTYPE', '--conf', server.corefile)
    check(status == 1 and "'NOTYPE' is no record type" in err, 'a wrong type', err)


def test_nothing_is_opened_to_look():
    """Streams of dnstap are the server's, not of who only reads its Corefile."""
    taken = os.path.join(folder('tap'), 'socket')
    corefile = write(os.path.join(folder('tap'), 'Corefile'), f'.:53 {{\n    bind 127.0.0.1\n    dnstap {taken}\n    dnstap tls://127.0.0.1:1\n    whoami\n}}\n')
    for words in (('check', '--offline'), ('explain', 'x.test')):
        status, _, err = run(*words, '--conf', corefile)
        equal((status, err), (0, ''), words[0])


def test_silence_is_explained():
    good, silent = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good'), badup.Upstream(f'{loopback_net()}.11', free_port(), 'silent')
    server = served(f'    cluster b.lan {{\n        dns {silent.address}:{silent.port} {good.address}:{good.port}\n    }}\n'
                    f'    rewrite name old.test www.b.lan')
    text = said(server, 'explain', 'old.test')
    as_lines([r'changed    question by rewrite: www\.b\.lan A', r'zone       b\.lan → .*',
              rf'asks       www\.cluster\.local A  @{re.escape(good.address)}:\d+ udp .* NOERROR  1 answer'], text, 'hedged')
    steps = told(server, 'explain', 'other.b.lan')['steps']
    kinds = [s['step'] for s in steps]
    check(kinds.count('asks') == 2 and 'answer' in kinds, 'both were asked', kinds)
    good.close()
    silent.close()


# ---- status ----

def loads_json(server):
    with open(f'/proc/{server.popen.pid}/maps', encoding='ascii') as file:
        return 'libcjson' in file.read()


def test_status():
    up, page = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good'), free_port()
    server = served(f'    prometheus 127.0.0.1:{page}\n    cache\n    cluster b.lan b2.lan 10.97.0.0/16 {{\n        dns {up.address}:{up.port}\n    }}\n'
                    f'    cluster c.lan {{\n        dns 127.0.0.1:1\n    }}\n    forward . {up.address}:{up.port}')
    check(not loads_json(server), 'no JSON, no library for it')
    equal([c['state'] for c in json.loads(get(page, '/clusters')[1])['clusters']], ['not asked yet'] * 2, 'nothing is known yet')
    check('\nisthmus_cluster_up{cluster="c.lan"} 1\n' in get(page, '/metrics')[1], 'an alert keeps still')
    check('cluster    c.lan  not asked yet  domain' in said(server, 'status', 'c.lan'), 'in words')
    ask(server, 'www.test')
    for name in ('www.b.lan', 'nxdomain.b.lan', 'x.c.lan', 'y.c.lan', 'z.c.lan'):
        ask(server, name)
    found = told(server, 'status')
    clusters = {c['name']: c for c in found['clusters']}
    equal((found['pid'], found['workers'] > 0, found['state'], found['config']['file']),
          (server.popen.pid, True, 'serving', server.corefile), 'the process')
    equal([clusters['b.lan'][k] for k in ('state', 'zones', 'domain', 'services', 'dns', 'drained')],
          ['up', ['b.lan', 'b2.lan'], 'cluster.local', ['10.97.0.0/16'], [f'{up.address}:{up.port}'], False], 'a cluster that is up')
    check(clusters['b.lan']['servers'][0]['rtt_us'] > 0, 'with its time', clusters['b.lan'])
    check(not loads_json(server), 'nor for what it says itself')
    equal([(f['zone'], f['dns'], f['servers'][0]['state']) for f in found['forwards']], [('.', [f'{up.address}:{up.port}'], 'up')], 'forward')
    equal((clusters['c.lan']['state'], clusters['c.lan']['servers'][0]['error']), ('down', 'connection refused'), 'one that is down')
    equal([found['caches'][0][k] for k in ('success', 'denial')][0], 2, 'what is cached')
    one = told(server, 'status', 'b.lan')
    equal([list(one), one['clusters'][0]['name'], len(one['clusters'])], [['clusters'], 'b.lan', 1], 'a cluster by itself')
    check(said(server, 'status', 'b.lan').startswith('cluster    b.lan  '), 'in words')
    status, _, err = run('status', 'nope.lan', path=server.path)
    check(status == 1 and 'no cluster nope.lan: there is ' in err, 'one that is not there', err)
    text = said(server, 'status')
    as_lines([r'isthmus    .*, pid \d+, serving for \d+ s, \d+ workers, log level info', r'config     .*Corefile, loaded \d+ s ago',
              r'cache      \.: 2 answers, .*', r'forward    \.   .*Corefile:\d+', r' +127\S+ +up  \d+\.\d ms', r'cluster    b\.lan  up  domain cluster\.local  10\.97\.0\.0/16', r' +127\S+ +up  \d+\.\d ms',
              r'cluster    c\.lan  down .*', r' +127\.0\.0\.1:1 +down for \d+ s: connection refused'], text, 'in words')
    status, body = get(page, '/clusters')
    equal((status, [c['name'] for c in json.loads(body)['clusters']]), (200, ['b.lan', 'c.lan']), 'the page')
    equal(get(page, '/cluster')[0], 404, 'and no other')
    with open(server.corefile, 'a', encoding='ascii') as file:
        file.write('broken\n{\n')
    server.signal(signal.SIGHUP)
    refused = wait_until(lambda: told(server, 'status')['config'].get('refused'), 10, 'the refusal')
    check(any('Corefile:' in line for line in refused), 'why the file was refused', refused)
    check('REFUSED' in said(server, 'status'), 'in words too')
    up.close()


# ---- flush ----

def test_flush():
    up = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good')
    server = served(f'    cache 300\n    cluster b.lan 10.97.0.0/16 {{\n        dns {up.address}:{up.port}\n    }}\n    forward . {up.address}:{up.port}')

    def fill():
        for name, rdtype in (('www.b.lan', 'A'), ('www.b.lan', 'AAAA'), ('x.www.b.lan', 'A'), ('1.0.97.10.in-addr.arpa', 'PTR'), ('www.test', 'A')):
            ask(server, name, rdtype)
        return told(server, 'status')['caches'][0]

    def kept():
        counts = told(server, 'status')['caches'][0]
        return counts['success'] + counts['denial']
    counts = fill()
    all_n = counts['success'] + counts['denial']
    equal(told(server, 'flush', 'b.lan', 'WWW.b.lan'), {'name': 'www.b.lan.', 'flushed': 2}, 'one name, every type')
    fill()
    equal(told(server, 'flush', 'b.lan', 'x.www')['flushed'], 1, 'a name without the zone')
    fill()
    equal(said(server, 'flush', 'B.lan'), f'b.lan.: {all_n - 1} answers flushed\n', 'a cluster, its reverse names too')
    equal(kept(), 1, 'others stay')
    asked = len(up.seen)
    ask(server, 'www.b.lan')
    check(len(up.seen) > asked, 'and is asked anew')
    equal(told(server, 'flush', '.')['flushed'] > 0, True, 'everything')
    equal(kept(), 0, 'nothing is left')
    home = folder('inventory')
    write(os.path.join(home, 'c.json'), '{"name": "c000", "zone": "c.example", "dns": ["127.0.0.1:1"]}')
    named = served(f'    cache\n    inventory {home}')
    wait_until(lambda: told(named, 'status')['clusters'], 10, 'the cluster of the inventory')
    for zone in ('c000', 'c.exmaple'):
        equal(said(named, 'flush', zone), f'{zone}.: 0 answers flushed\nno cluster {zone}, did you mean c.example?\n', zone)
        check(f'no cluster {zone}, did you mean c.example?' in run('drain', zone, path=named.path)[2], 'drain says the same')
    for zone in ('web.svc.c.example', 'x.test', '.'):
        check('near' not in told(named, 'flush', zone), zone)
    status, _, err = run('flush', 'b.lan', 'www.other.test.', path=server.path)
    check(status == 1 and 'no name under' in err, 'a name of another zone', err)
    up.close()


# ---- drain ----

def test_drain_an_address():
    ups = [badup.Upstream(f'{loopback_net()}.{n}', free_port(), 'good') for n in (10, 11)]
    words = ' '.join(f'{up.address}:{up.port}' for up in ups)
    server = served(f'    cluster b.lan {{\n        dns {words}\n    }}')

    def asked_of(name):
        return [s['to'] for s in told(server, 'explain', name)['steps'] if s['step'] == 'answer']
    first, second = (f'{up.address}:{up.port}' for up in ups)
    equal(asked_of('a.b.lan'), [first], 'the first is asked')
    equal(said(server, 'drain', 'b.lan', first), f'b.lan {first}: drained until it is undrained or the server ends\n', 'drained')
    equal(asked_of('b.b.lan'), [second], 'then the other')
    as_lines([rf'drained    {first} of b\.lan is asked only when the others are down or fail'], said(server, 'explain', 'b2.b.lan'), 'explain says so')
    count = server.output().count('Reloading complete')
    with open(server.corefile, 'a', encoding='ascii') as file:
        file.write(f'x.test:{server.port} {{\n    bind 127.0.0.1\n    whoami\n}}\n')
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.output().count('Reloading complete') > count, 10, 'the reload')
    equal(asked_of('c.b.lan'), [second], 'over a reload')
    ups[1].close()
    equal(ask(server, 'd.b.lan').rcode, 'NOERROR', 'it is asked when the other fails')
    equal(told(server, 'undrain', 'b.lan')['whole'], False, 'put back')
    equal(asked_of('e.b.lan'), [first], 'and asked first again')
    for words, reason in ((('drain', 'b.lan', '192.0.2.1'), 'is no DNS address of b.lan'), (('drain', 'other.test'), 'no cluster other.test: there is b.lan'),
                          (('drain', 'b'), 'no cluster b, did you mean b.lan?'), (('drain', 'b.lan', 'x'), 'is no address')):
        status, _, err = run(*words, path=server.path)
        check(status == 1 and reason in err, reason, err)
    ups[0].close()


def test_drain_a_cluster():
    up = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good')
    state = folder('state')
    directives = f'    cache 1\n    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}'
    server = served(directives, env={'STATE_DIRECTORY': state})
    equal(ask(server, 'www.b.lan').rcode, 'NOERROR', 'an answer to keep')
    equal(said(server, 'drain', 'b.lan'), 'b.lan: drained\n', 'drained')
    equal(told(server, 'status')['clusters'][0]['state'], 'drained', 'as status says')
    for name in ('www.b.lan', 'other.b.lan'):
        as_lines([r'drained    b\.lan is asked only what the cache does not have .*', r'result     NOERROR .*'], said(server, 'explain', name), 'explain says so')
    stale = wait_until(lambda: (r := ask(server, 'www.b.lan', edns=1232)).ede and r, 10, 'an answer that has expired')
    equal((stale.rcode, stale.ede), ('NOERROR', [(3, 'drained')]), 'is given as it is')
    within(stale.ms, 50, 'at once')
    equal(ask(server, 'new.b.lan').rcode, 'NOERROR', 'what is not there is asked for')
    server.stop()
    again = served(directives, server.path, env={'STATE_DIRECTORY': state})
    equal(told(again, 'status')['clusters'][0]['drained'], True, 'over a restart')
    said(again, 'undrain', 'b.lan')
    equal(told(again, 'explain', 'www.b.lan')['drained'], [], 'nothing is drained')
    equal(told(again, 'status')['clusters'][0]['drained'], False, 'until it is put back')
    again.stop()
    up.close()


# ---- log-level ----

def test_log_level():
    server = served('    whoami')
    said(server, 'log-level', 'error')
    server.signal(signal.SIGHUP)
    wait_until(lambda: not told(server, 'status')['config']['reloading'], 10, 'a reload')
    said(server, 'log-level', 'debug')
    equal(told(server, 'status')['log'], {'level': 'debug', 'lost': 0}, 'the level')
    said(server, 'log-level', 'default')
    equal(told(server, 'status')['log']['level'], 'info', 'as the Corefile says')
    check('SIGHUP' not in server.output(), 'lines below it are left out', server.output())
    status, out, err = run('log-level', 'loud', path=server.path)
    check(status == 2 and out == '' and 'loud' in err, 'a wrong word', (status, err))


# ---- reload ----

def test_reload():
    server = served('    whoami')
    with open(server.corefile, encoding='ascii') as file:
        good = file.read()
    equal(said(server, 'reload'), f'{server.corefile}: reloaded\n', 'a good file')
    write(server.corefile, good.replace('whoami', 'template ANY ANY {\n        rcode NXDOMAIN\n    }'))
    equal(told(server, 'reload'), {'file': server.corefile, 'reloaded': True}, 'a changed one')
    equal(ask(server, 'x.test').rcode, 'NXDOMAIN', 'is in use at once')
    write(server.corefile, good.replace('whoami', 'nonsense') + 'x.test {\n    nothing\n}\n')
    status, out, err = run('reload', path=server.path)
    equal((status, out), (1, ''), 'a bad one')
    check(err.count('Corefile:') == 2 and 'nonsense' in err and 'the old configuration stays in use' in err, 'every error with its line', err)
    status, out, err = run('reload', '--json', path=server.path)
    check((status, err) == (1, '') and len(json.loads(out)['refused']) == 2, 'as JSON', (out, err))
    equal(ask(server, 'x.test').rcode, 'NXDOMAIN', 'the old serves on')
    write(server.corefile, good)
    lines = [Line(server.path) for _ in range(4)]
    for line in lines:
        line.sock.sendall(b'reload\nreload\n')
    equal([json.loads(line.file.readline())['reloaded'] for line in lines * 2], [True] * 8, 'many at a time')
    for line in lines:
        line.close()
    equal(run('reload', path=server.path + 'x')[0], 1, 'no server')


# ---- the socket ----

def test_file():
    server = served('    whoami')
    equal(stat.S_IMODE(os.stat(server.path).st_mode), 0o660, 'for the user and the group')
    home = folder('second')
    corefile = write(os.path.join(home, 'Corefile'), f'.:{free_port()} {{\n    bind 127.0.0.1\n    whoami\n}}\n')
    second = Process([ISTHMUS, '-conf', corefile, '-control', server.path], 'isthmus', cwd=home)
    equal(second.wait(), 1, 'the socket of one that lives')
    check('another server listens there' in second.errors(), 'is refused', second.errors())
    equal(run('status', path=server.path)[0], 0, 'and stays whole')
    server.kill()
    status, _, err = run('status', path=server.path)
    check(status == 1 and 'no server listens there' in err, 'nobody is there', err)
    after = served('    whoami', server.path)
    equal(told(after, 'status')['pid'], after.popen.pid, 'that of one that has died is replaced')
    after.stop()
    check(not os.path.exists(server.path), 'and removed at the end')
    other = write(control_path(), 'a file')
    third = Process([ISTHMUS, '-conf', corefile, '-control', other], 'isthmus', cwd=home)
    equal((third.wait(), os.path.getsize(other)), (1, 6), 'what is no socket is left alone')


def test_default_places():
    runtime = folder('runtime')
    server = isthmus('    whoami', env={'RUNTIME_DIRECTORY': runtime})
    path = os.path.join(runtime, 'control')
    wait_until(lambda: os.path.exists(path), 5, 'the socket in $RUNTIME_DIRECTORY')
    equal(run('status', env={'ISTHMUS_CONTROL': path})[0], 0, 'named by the environment')
    server.stop()
    odd = isthmus('    whoami', env={'RUNTIME_DIRECTORY': os.path.join(runtime, 'nowhere')})
    wait_until(lambda: '[WARNING] control socket' in odd.output(), 10, 'the line of one that cannot be made')
    equal(ask(odd, 'x.test').rcode, 'NOERROR', 'and served without')


def test_hostile_clients():
    server = served('    cache\n    whoami')
    line = Line(server.path)
    equal(line.say(b'status\n')['pid'], server.popen.pid, 'a command')
    equal(line.say(b'  log-level   info \r\n'), {'level': 'info'}, 'another, oddly spaced')
    for octets, words in ((b'\n', 'unknown command'), (b'nonsense\n', "unknown command 'nonsense'"), (b'flush\n', 'expected flush ZONE'),
                          (b'flush a b c d e f g h i j\n', 'expected flush'), (b'explain ' + b'a' * 70 + b'\n', 'is no domain name'),
                          (b'\xff\x00\xfe\n', 'unknown command'), (b'drain a..b\n', 'is no zone'), (b'explain x A 1.2.3\n', 'is no IP address')):
        answer = line.say(octets)
        check(words in answer['error'], repr(octets), answer)
    line.sock.sendall(b'status\n' * 50)
    equal([json.loads(line.file.readline())['pid'] for _ in range(50)], [server.popen.pid] * 50, 'fifty at once')
    line.close()
    long = Line(server.path)
    check('longer than 4096' in long.say(b'x' * 4096)['error'], 'a line without an end')
    check('unknown command' in long.say(b'x' * 4000 + b'\n')['error'], 'and the next')
    long.close()
    for octets in (b'', b'sta', b'status\n', b'explain x.test\n', b'status\n' * 1000):
        gone = Line(server.path)
        gone.sock.sendall(octets)
        gone.close()
    deaf = Line(server.path)
    deaf.sock.settimeout(2)
    try:
        while True:
            deaf.sock.sendall(b'status\n' * 1000)
    except OSError:
        pass
    equal(ask(server, 'x.test').rcode, 'NOERROR', 'questions go on')
    many = [Line(server.path) for _ in range(15)]
    full = Line(server.path)
    check('too many clients' in json.loads(full.file.readline())['error'], 'one more than may be')
    equal(run('status', path=server.path)[0], 1, 'our own client says so too')
    for one in (*many, full, deaf):
        one.close()
    wait_until(lambda: run('status', path=server.path)[0] == 0, 10, 'room again')


def test_server_ends_while_it_explains():
    silent = badup.Upstream(f'{loopback_net()}.10', free_port(), 'silent')
    for number in (signal.SIGTERM, signal.SIGQUIT):
        server = served(f'    forward . {silent.address}:{silent.port}')
        line = Line(server.path)
        line.sock.sendall(b'explain x.test\n')
        wait_until(lambda: silent.seen, 5, 'the question')
        server.signal(number)
        equal(server.wait(), 0, f'{number.name}: it ends')
        line.close()
        server.stop()
        silent.seen.clear()
    silent.close()


def test_many_hands_at_a_time():
    up = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good')
    server = served(f'    multisocket 2\n    cache\n    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}\n    forward . {up.address}:{up.port}')
    stop, errors = threading.Event(), []

    def hand(words):
        line = Line(server.path)
        while not stop.is_set():
            for word in words:
                answer = line.say(word)
                if answer is None or 'error' in answer:
                    errors.append((word, answer))
        line.close()

    def load():
        n = 0
        while not stop.is_set():
            n += 1
            for zone in ('b.lan', 'test'):
                if ask(server, f'n{n % 50}.{zone}').rcode != 'NOERROR':
                    errors.append((n, zone))
    hands = ([b'status\n', b'flush b.lan\n'], [b'drain b.lan\n', b'undrain b.lan\n', b'flush . \n'],
             [b'explain n1.b.lan\n', b'explain n2.test A 10.0.0.1\n'], [b'explain n3.b.lan\n', b'log-level info\n', b'reload\n', b'status\n'])
    threads = [threading.Thread(target=hand, args=(words,)) for words in hands] + [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    with open(server.corefile, encoding='ascii') as file:
        text = file.read()
    for n in range(6):
        count = server.output().count('Reloading complete')
        os.replace(write(server.corefile + '.new', text + f'# {n}\n'), server.corefile)
        server.signal(signal.SIGHUP)
        wait_until(lambda c=count: server.output().count('Reloading complete') > c, 20, 'a reload')
    stop.set()
    for thread in threads:
        thread.join()
    equal(errors[:3], [], 'every command and every question was answered')
    up.close()


if __name__ == '__main__':
    harness.main()
