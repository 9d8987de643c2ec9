#!/usr/bin/env python3
# e2e: tsan
"""The plugin `etcd` against a real etcd: what SkyDNS keeps there, what becomes of it, and answers beside CoreDNS's
where COREDNS names a binary of it."""
import http.server
import json
import os
import re
import threading

import dns.rdatatype

import coredns
import harness
from harness import ISTHMUS, Isthmus, ask, check, equal, exchange_udp, folder, make_query, run, wait_until, write
from keys import Etcd, code
from pki import Identity

SECRET = 'password-that-nobody-may-see'
ZONE = 'ext.test. 60 IN SOA ns h 1 2 3 4 5\nwww 60 IN A 192.0.2.80\nwww 60 IN AAAA 2001:db8::80\nalias 60 IN CNAME www\n' \
       'text 60 IN TXT "from outside"\n'
LONG = 'x' * 300

# Below /skydns/test/sky, the zone sky.test.
RECORDS = {
    'web/a': {'host': '192.0.2.1', 'port': 8080}, 'web/b': {'host': '192.0.2.2', 'port': 8081, 'priority': 20, 'weight': 10},
    'web/c': {'host': '192.0.2.3', 'port': 8080, 'weight': 50, 'ttl': 77}, 'web/six': {'host': '2001:db8::1', 'port': 80},
    'web/deep/er': {'host': '192.0.2.4', 'port': 1}, 'web/mapped': {'host': '::ffff:192.0.2.9'},
    'same/1': {'host': '192.0.2.5', 'port': 53}, 'same/2': {'host': '192.0.2.5', 'port': 53},
    'plain': {'host': '192.0.2.6', 'ttl': 5}, 'plains': {'host': '192.0.2.7'},
    'both': {'host': '192.0.2.8'}, 'both/below': {'host': '192.0.2.10'},
    'slash/': {'host': '192.0.2.11', 'port': 5},
    'in': {'host': 'web.sky.test', 'port': 1}, 'in2': {'host': 'in.sky.test.'}, 'into/nothing': {'host': 'nowhere.sky.test', 'port': 5},
    'loop1': {'host': 'loop2.sky.test'}, 'loop2': {'host': 'loop1.sky.test'}, 'self': {'host': 'self.sky.test'},
    'under': {'host': 'a.under.sky.test'},
    'out': {'host': 'www.ext.test', 'port': 443}, 'outalias/x': {'host': 'alias.ext.test', 'port': 443},
    'outmany/1': {'host': 'www.ext.test', 'port': 1}, 'outmany/2': {'host': '192.0.2.12', 'port': 2},
    'outmany/3': {'host': 'in2.sky.test', 'port': 3}, 'outmany/4': {'host': 'nx.ext.test', 'port': 4},
    'outtext': {'host': 'text.ext.test'},
    'text/1': {'text': 'one'}, 'text/2': {'text': 'two', 'host': '192.0.2.13'}, 'text/3': {'text': 'three', 'host': 'name.sky.test'},
    'text/4': {'text': 'one'}, 'text/5': {'text': LONG}, 'text/6': {'host': 'text2.sky.test'}, 'text2': {'text': 'by alias'},
    'mx/1': {'host': 'mail.ext.test', 'mail': True, 'priority': 5}, 'mx/2': {'host': 'www.ext.test', 'mail': True},
    'mx/3': {'host': '192.0.2.14', 'mail': True}, 'mx/4': {'host': 'plain.sky.test', 'mail': True, 'port': 25},
    'mx/5': {'host': '192.0.2.15'},
    'srv/1': {'host': 'plain.sky.test', 'port': 1, 'weight': 3}, 'srv/2': {'host': 'www.ext.test', 'port': 2, 'weight': 3},
    'srv/3': {'host': 'plain.sky.test', 'port': 3, 'weight': 1}, 'srv/4': {'host': '192.0.2.16', 'port': -1},
    'strip/one/a': {'host': '192.0.2.17', 'port': 9, 'targetstrip': 1}, 'strip/one/b': {'host': '192.0.2.18', 'port': 9, 'targetstrip': 1},
    'strip/two': {'host': 'a.b.ext.test', 'port': 9, 'targetstrip': 2}, 'strip/all': {'host': 'a.b', 'port': 9, 'targetstrip': 2},
    'group/a': {'host': '192.0.2.20', 'port': 7, 'group': 'g1'}, 'group/b': {'host': '192.0.2.21', 'port': 7},
    'group/sub/c': {'host': '192.0.2.22', 'port': 7, 'group': 'g2'}, 'group/sub/d': {'host': '192.0.2.23', 'port': 7, 'group': 'g1'},
    'apart/a': {'host': '192.0.2.24', 'group': 'g1'}, 'apart/b': {'host': '192.0.2.25', 'group': 'g2'},
    'mixed/x/y': {'host': '192.0.2.26', 'group': 'g1'}, 'mixed/z': {'host': '192.0.2.27'},
    'east/prod/web/1': {'host': '192.0.2.28', 'port': 1}, 'east/test/web/1': {'host': '192.0.2.29', 'port': 2},
    'west/prod/web/1': {'host': '192.0.2.30', 'port': 3}, 'west/prod/db/1': {'host': '192.0.2.31', 'port': 4},
    'odd_name-1/_x': {'host': '192.0.2.32', 'port': 4}, 'Capital/Key': {'host': '192.0.2.33', 'port': 4},
    'dns/ns/a': {'host': '192.0.2.34'}, 'dns/ns/b': {'host': '2001:db8::34'},
    'dns/apex/1': {'host': '192.0.2.35', 'port': 99}, 'dns/apex/2': {'host': '2001:db8::35', 'text': 'apex'},
    'chain/0': {'host': 'link1.sky.test'}, **{f'link{n}': {'host': f'link{n + 1}.sky.test'} for n in range(1, 14)}, 'link14': {'host': '192.0.2.36'},
    'fields': '{"HOST": "192.0.2.37", "Port": 12, "unknown": [{}], "priority": null, "ttl": 9}', 'nothing': '{}', 'null': 'null',
    'zero': {'host': '192.0.2.38', 'port': 0, 'weight': 0, 'priority': 0, 'ttl': 0},
}
REVERSE = {'1': {'host': 'web.sky.test'}, '2': {'host': 'two.sky.test.'}, '2/x': {'host': 'below.sky.test'}, '3': {'host': '192.0.2.3'},
           '4': {'host': 'with.sky.test', 'text': 'and a text'}}
NAMES = sorted({key.rstrip('/').split('/')[0] for key in RECORDS}) + [
    'a.web', 'deep.web', 'er.deep.web', 'x.web', 'ns.dns', 'a.ns.dns', 'apex.dns', 'nowhere', 'one.strip', 'two.strip', 'all.strip', '1.outmany', '3.outmany',
    '4.outmany', '1.mx', '2.text', '3.text', 'sub.group', '*', '*.web', 'any.web', 'web.*.east', 'web.prod.*', '*.prod.any', 'db.*', 'x.*.nowhere', '1.web.prod.west',
    'WEB', 'a.WeB', 'key.capital', 'we', 'plain.plain', '_x.odd_name-1']
TYPES = ('A', 'AAAA', 'TXT', 'CNAME', 'SRV', 'MX', 'PTR', 'NS', 'SOA', 'HTTPS', 'ANY')


def corefile(etcd, options='', more='', zones='sky.test 2.0.192.in-addr.arpa', endpoint=None):
    path = write(os.path.join(folder('zone'), 'db.ext.test'), '$ORIGIN ext.test.\n' + ZONE)
    return f'''.:@PORT@ {{
    errors
    etcd {zones} {{
        endpoint {endpoint or etcd.url}
        {options}
    }}
    file {path} ext.test
    {more}
}}
'''


def start(etcd, *arguments, **more):
    return Isthmus(corefile(etcd, *arguments, **more))


def filled():
    etcd = Etcd('/skydns/')
    etcd.put_all({f'test/sky/{key}': value for key, value in RECORDS.items()})
    etcd.put_all({f'arpa/in-addr/192/0/2/{key}': value for key, value in REVERSE.items()})
    return etcd


def answer(server, name, rdtype='A'):
    reply = ask(server, name, rdtype)
    return sorted(reply.data) if reply.data else reply.rcode


def comes(server, name, want, rdtype='A'):
    wait_until(lambda: answer(server, name, rdtype) == want, 20, f'{name} is {want}')


# ---- beside CoreDNS ----

def rows(section, ttl=True):
    return sorted(f'{rrset.name.to_text()} {rrset.ttl if ttl else ""} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}'
                  for rrset in section for rdata in rrset)


def seen(server, name, rdtype):
    octets = exchange_udp(server, make_query(name, rdtype, edns=4096))
    if octets is None:
        return 'none'
    message = harness.Reply(octets, 0).message
    authority = [re.sub(r'hostmaster\S* \d+', 'hostmaster SERIAL', row) for row in rows(message.authority)]
    answers = [re.sub(r'hostmaster\S* \d+', 'hostmaster SERIAL', row) for row in rows(message.answer)]
    return [dns.rcode.to_text(message.rcode()), dns.flags.to_text(message.flags), answers, authority, rows(message.additional)]


# docs/coredns-differences.md has the reasons.
def is_known(name, rdtype, theirs, ours):
    a_code, a_flags, a_answer, a_authority, a_additional = ([low.lower() for low in part] if isinstance(part, list) else part for part in theirs)
    b_code, b_flags, b_answer, b_authority, b_additional = ([low.lower() for low in part] if isinstance(part, list) else part for part in ours)
    soa = [row for row in a_answer + a_authority if ' soa ' in row]
    if b_code == 'SERVFAIL':  # of a CNAME whose end nobody knows
        return a_code == 'NOERROR' and not a_authority and {row.split()[2] for row in a_answer} == {'cname'}
    if rdtype == 'SOA' and name != 'sky.test':  # of a name that is no zone
        return b_answer == [] and b_authority == soa == a_answer
    if name == 'sky.test' and a_code == 'NXDOMAIN':  # of the zone's own name
        return (b_code, b_answer, b_authority) == ('NOERROR', [], a_authority)
    cut = 'TC' in a_flags  # for the additional section alone
    more, along = set(b_answer) - set(a_answer), set(b_additional) - set(a_additional)
    return ((a_code, a_flags.replace(' TC', '')) == (b_code, b_flags.replace(' TC', '')) and are_there(a_answer, b_answer) and
            all(name.startswith('*') and ' cname ' in row for row in more) and len(b_answer) <= len(a_answer) + len(more) and a_authority == b_authority and
            (cut or are_there(a_additional, b_additional) and all(' aaaa ' in row for row in along)))


def are_there(some, others):
    """All of them; of records that differ in their TTL alone one."""
    def without_ttl(row):
        owner, _, data = row.split(' ', 2)
        return owner, data
    return {without_ttl(row) for row in some} <= {without_ttl(row) for row in others}


def test_the_same_as_coredns():
    coredns.needed()
    etcd = filled()
    theirs, ours = coredns.CoreDNS(corefile(etcd)), start(etcd)
    asked = [(f'{name}.sky.test', rdtype) for name in NAMES for rdtype in TYPES] + [('sky.test', rdtype) for rdtype in TYPES] + [
        (f'{n}.2.0.192.in-addr.arpa', rdtype) for n in '12345' for rdtype in ('PTR', 'A', 'CNAME')] + [('2.0.192.in-addr.arpa', 'A')]
    same, other = 0, []
    for name, rdtype in asked:
        a, b = seen(theirs, name, rdtype), seen(ours, name, rdtype)
        if a == b:
            same += 1
        elif not is_known(name, rdtype, a, b):
            other.append((name, rdtype, a, b))
    print(f'    etcd beside CoreDNS: {same} of {len(asked)} the same, {len(asked) - same - len(other)} known to differ, {len(other)} others')
    check(not other, 'only known differences', str(other[:3])[:3000])


# ---- alone ----

def test_answers():
    server = start(filled())
    web = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.9']
    for name, rdtype, want in (
            ('web', 'A', web), ('web', 'AAAA', ['2001:db8::1']), ('in', 'A', sorted(['web.sky.test.', *web])),
            ('out', 'A', ['192.0.2.80', 'www.ext.test.']), ('outalias', 'AAAA', ['2001:db8::80', 'alias.ext.test.', 'www.ext.test.']),
            ('outtext', 'TXT', ['"from outside"', 'text.ext.test.']), ('loop1', 'A', 'NOERROR'), ('nx', 'A', 'NXDOMAIN'),
            ('srv', 'SRV', ['10 1 3 plain.sky.test.', '10 2 1 plain.sky.test.', '10 2 2 www.ext.test.']),
            ('strip', 'SRV', ['10 25 9 a.b.', '10 25 9 ext.test.', '10 25 9 one.strip.sky.test.']),
            ('web.*.west', 'A', ['192.0.2.30']), ('web.prod.any', 'A', ['192.0.2.28', '192.0.2.30'])):
        equal(answer(server, f'{name}.sky.test', rdtype), want, f'{name} {rdtype}')
    equal(answer(server, '1.2.0.192.in-addr.arpa', 'PTR'), ['web.sky.test.'], 'a reverse name')
    equal(answer(server, 'www.ext.test'), ['192.0.2.80'], 'the next plugin')
    reply = ask(server, 'srv.sky.test', 'SRV')
    check('plain.sky.test. A 192.0.2.6' in reply.additional and 'www.ext.test. A 192.0.2.80' in reply.additional, 'addresses come along', reply.text)
    said = run([ISTHMUS, 'explain', 'plain.sky.test', '--conf', server.corefile])[1]
    check('NOERROR' in said and '192.0.2.6' in said, 'explained without a server', said)
    away = write(server.corefile + '.away', corefile(None, endpoint='http://127.0.0.1:1').replace('@PORT@', '53'))
    said = ''.join(run([ISTHMUS, 'check', away])[1:])
    check('/skydns/ has not been read yet' in said, 'check says that etcd is away', said)


def test_keys_come_change_and_go():
    etcd = Etcd('/skydns/test/sky/')
    etcd.put_all({f'many/{n:05}': {'host': f'10.{n >> 16}.{n >> 8 & 255}.{n & 255}'} for n in range(5000)})
    etcd.put('bad', '{"host": ')
    etcd.put('mixed/1', {'host': '192.0.2.1'})
    etcd.put('mixed/2', 'no JSON')
    etcd.call('/v3/kv/put', {'key': code('/skydns2/x'), 'value': code('other keys')})
    server = start(etcd, endpoint=f'http://127.0.0.1:1 {etcd.url}/')
    comes(server, '04999.many.sky.test', ['10.0.19.135'])
    lost = [n for n in range(0, 5000, 50) if answer(server, f'{n:05}.many.sky.test') != [f'10.0.{n >> 8 & 255}.{n & 255}']]
    equal(lost, [], 'keys of many pages')
    equal(answer(server, 'mixed.sky.test'), ['192.0.2.1'], 'beside a value that is none')
    equal(answer(server, 'bad.sky.test'), 'SERVFAIL', 'a value that is none')
    check('/skydns/test/sky/bad: value not used: no JSON' in server.log() and 'skydns2' not in server.log(), 'and is told', server.log()[-2000:])
    etcd.put('new/a', {'host': '192.0.2.1'})
    comes(server, 'new.sky.test', ['192.0.2.1'])
    for n in range(200):
        etcd.put('new/a', {'host': f'192.0.2.{n}'})
    comes(server, 'new.sky.test', ['192.0.2.199'])
    etcd.put('bad', {'host': '192.0.2.2'})
    comes(server, 'bad.sky.test', ['192.0.2.2'])
    etcd.delete('new/a')
    comes(server, 'new.sky.test', 'NXDOMAIN')
    etcd.delete('many/', '/skydns/test/sky/many/02500')
    comes(server, '02499.many.sky.test', 'NXDOMAIN')
    equal(answer(server, '02500.many.sky.test'), ['10.0.9.196'], 'what was not deleted')
    etcd.put_all({f'many/{n:05}': {'text': f'number {n}'} for n in range(2000)})
    comes(server, '01999.many.sky.test', ['"number 1999"'], 'TXT')


def test_no_failure_takes_a_name_away():
    etcd = Etcd('/skydns/test/sky/')
    etcd.put('web/a', {'host': '192.0.2.1'})
    etcd.process.kill()
    server = start(etcd, 'fallthrough')
    equal(answer(server, 'web.sky.test'), 'SERVFAIL', 'nothing is known')
    check('nothing is known yet' in server.log(), 'which is told', server.log())
    equal(answer(server, 'www.ext.test'), ['192.0.2.80'], 'while others are served')
    etcd.start()
    comes(server, 'web.sky.test', ['192.0.2.1'])
    etcd.process.kill()
    wait_until(lambda: 'what was known stays (1 keys)' in server.log(), 20, 'etcd is away')
    equal(answer(server, 'web.sky.test'), ['192.0.2.1'], 'what was known is served')
    reloads = server.log().count('Reloading complete')
    write(server.corefile, open(server.corefile, encoding='utf-8').read().replace('errors\n', 'errors\n    nsid x\n', 1))
    server.signal(10)
    wait_until(lambda: server.log().count('Reloading complete') > reloads, 20, 'a reload')
    equal(answer(server, 'web.sky.test'), ['192.0.2.1'], 'also after a reload')
    etcd.start()
    for n in range(2, 9):
        etcd.put('web/a', {'host': f'192.0.2.{n}'})
    etcd.call('/v3/kv/compaction', {'revision': '6', 'physical': True})
    comes(server, 'web.sky.test', ['192.0.2.8'])
    etcd.process.freeze()
    equal(answer(server, 'web.sky.test'), ['192.0.2.8'], 'etcd is silent')
    etcd.process.thaw()
    etcd.put('web/a', {'host': '192.0.2.9'})
    comes(server, 'web.sky.test', ['192.0.2.9'])
    etcd.process.kill()
    os.rename(f'{etcd.home}/data', f'{etcd.home}/lost')
    etcd.start()
    comes(server, 'web.sky.test', 'SERVFAIL')  # nothing there any more: the next plugin has no such zone


def ttl(server, name):
    return ask(server, name).message.answer[0].ttl


def test_leases():
    etcd = Etcd('/skydns/test/sky/')
    leases = {seconds: etcd.grant(seconds) for seconds in (200, 1000, 100000)}
    for seconds, lease in leases.items():
        etcd.put(f'l{seconds}', {'host': '192.0.2.1'}, lease)
    etcd.put('less', {'host': '192.0.2.1', 'ttl': 50}, leases[1000])
    server = start(etcd, 'min-lease-ttl 250s')
    comes(server, 'l200.sky.test', ['192.0.2.1'])
    wait_until(lambda: ttl(server, 'l100000.sky.test') == 86400, 20, 'at most a day')
    equal(ttl(server, 'l200.sky.test'), 250, 'at least what is said')
    equal(ttl(server, 'less.sky.test'), 50, 'the less of two')
    check(500 < ttl(server, 'l1000.sky.test') <= 1000, 'and what the lease has left', ttl(server, 'l1000.sky.test'))
    later = etcd.grant(3000)
    etcd.put('later', {'host': '192.0.2.1'}, later)
    comes(server, 'later.sky.test', ['192.0.2.1'])
    wait_until(lambda: 2000 < ttl(server, 'later.sky.test') <= 3000, 20, 'a lease that comes later')
    etcd.said('/v3/lease/revoke', {'ID': later})
    comes(server, 'later.sky.test', 'NXDOMAIN')


class Gateway:
    """Says what it is told to: `lists` in turn, and of `watches` the lines; the last again and again. A watch that is an Event is silent until
    that is set. `others`: for a path what makes status and text of a body."""

    def __init__(self, lists, watches, others=None):
        self.lists, self.watches, self.others = lists, watches, others or {}
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                if self.path in gateway.others:
                    status, text = gateway.others[self.path](body)
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(text.encode())
                    return
                watch = self.path == '/v3/watch'
                said = gateway.watches if watch else gateway.lists
                text = said.pop(0) if len(said) > 1 else said[0]
                self.send_response(200)
                self.end_headers()
                if isinstance(text, str):
                    self.wfile.write(text.encode())
                else:
                    self.wfile.flush()
                    text.wait()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.watches[-1].set()
        self.server.shutdown()


def kv(key, value, **more):
    return {'key': code(f'/skydns/test/sky/{key}'), 'value': code(json.dumps(value)), **more}


def listed(*kvs, **more):
    return json.dumps({'header': {'revision': '7'}, 'kvs': list(kvs), **more})


def test_what_is_no_etcd():
    def told(*events):
        return json.dumps({'result': {'header': {'revision': '8'}, 'events': list(events)}}) + '\n'
    one, two = kv('one', {'host': '192.0.2.1'}), kv('two', {'host': '192.0.2.2'})
    odd = [{'key': code('/elsewhere'), 'value': code('{}')}, {'key': '!', 'value': code('{}')}, {'value': code('{}')}, {}, 7]
    whole = listed(*odd, one, {**two, 'value': '!'}, kv('zero\0key', {'host': '192.0.2.3'}, lease='-9223372036854775808'))
    go = threading.Event()
    gateway = Gateway(['<html>', listed(two, one), whole, whole, whole, whole, whole, listed(two)], [
        go, '{"result":{"canceled":true,"compact_revision":"9"}}\n', '{"error":{"message":"no"}}\n', 'no JSON\n',
        told({'type': 'DELETE'}, {'type': 'DELETE', 'kv': {'key': '!'}}, {}, 7, {'kv': odd[0]}, {'type': 'DELETE', 'kv': {'key': code('/skydns/none')}},
             {'kv': two}, {'type': 'DELETE', 'kv': one}) + '{"result":', threading.Event()])
    server = start(gateway)
    comes(server, 'one.sky.test', ['192.0.2.1'])
    equal(answer(server, 'two.sky.test'), 'SERVFAIL', 'a value that is no base64')
    go.set()
    comes(server, 'two.sky.test', ['192.0.2.2'])
    comes(server, 'one.sky.test', 'NXDOMAIN')
    log = server.log()
    for why in ('no answer of etcd', 'keys that are not in order', 'a revision that is no more', 'the watch has failed', 'no base64'):
        check(why in log, f'told: {why}', log)
    gateway.end()


def test_pages_that_do_not_go_on():
    one = kv('one', {'host': '192.0.2.1'})
    for pages in ([listed(one, more=True)], [listed(more=True)], [listed({**one, 'key': code('/skydnt')}, more=True)]):
        gateway = Gateway(pages, [threading.Event()])
        server = start(gateway)
        wait_until(lambda: 'pages of keys that do not go on' in server.log(), 20, 'it is given up')
        gateway.lists.append(listed(one))
        comes(server, 'one.sky.test', ['192.0.2.1'])
        gateway.end()
        server.stop()


def test_a_lease_without_end():
    lease = {'header': {}, 'TTL': '9223372036854775807', 'grantedTTL': '9223372036854775807'}
    gateway = Gateway([listed(kv('one', {'host': '192.0.2.1'}, lease='7'))], [threading.Event()], {'/v3/lease/timetolive': lambda _: (200, json.dumps(lease))})
    server = start(gateway)
    comes(server, 'one.sky.test', ['192.0.2.1'])
    equal(ttl(server, 'one.sky.test'), 86400, 'as long as a TTL may be')
    gateway.end()


def test_nobody_repeats_a_password():
    said = [lambda body: (400, body), lambda body: (400, json.dumps({'error': f'what is {SECRET}?'})), lambda body: (400, json.dumps({'error': f'bad: {body}'})),
            lambda body: (401, json.dumps({'error': 'invalid user ID or password'}))]
    for number, say in enumerate(said):
        gateway = Gateway(['{}'], [threading.Event()], {'/v3/auth/authenticate': say})
        server = start(gateway, f'credentials root {SECRET}')
        wait_until(lambda: 'nothing is known yet' in server.log(), 20, 'it is told')
        check(SECRET not in server.log() and f'HTTP status 40{number // 3} of /v3/auth/authenticate' in server.log(), f'{number}: without the password', server.log())
        equal('invalid user ID' in server.log(), number == 3, f'{number}: in the words of etcd')
        gateway.end()
        server.stop()


def test_tls():
    ca = Identity('ca')
    etcd = Etcd('/skydns/test/sky/', tls=(ca, Identity('etcd', ca, 'IP:127.0.0.1', 'serverAuth,clientAuth')), client=(client := Identity('client', ca, usage='clientAuth')))
    etcd.put('web', {'host': '192.0.2.1'})
    files = f'tls {client.cert} {client.key} {ca.cert}'
    server = start(etcd, files, endpoint=etcd.url.split('://')[1])
    comes(server, 'web.sky.test', ['192.0.2.1'])
    for options in (f'tls {ca.cert}', 'tls', f'tls {Identity("other").cert}'):
        stranger = start(etcd, options)
        equal(answer(stranger, 'web.sky.test'), 'SERVFAIL', f'{options}: not let in')
        stranger.stop()


def test_a_user():
    ca = Identity('ca')
    etcd = Etcd('/skydns/test/sky/', tls=(ca, Identity('etcd', ca, 'IP:127.0.0.1', 'serverAuth,clientAuth')))
    etcd.put('web', {'host': '192.0.2.1'})
    etcd.demand_user('root', SECRET)
    etcd.log_in('root', SECRET)
    server = start(etcd, f'tls {ca.cert}\ncredentials root {SECRET}')
    comes(server, 'web.sky.test', ['192.0.2.1'])
    etcd.put('more', {'host': '192.0.2.2'}, etcd.grant(1000))
    comes(server, 'more.sky.test', ['192.0.2.2'])
    wait_until(lambda: ttl(server, 'more.sky.test') > 50, 20, 'leases are asked as the user')
    for options, why in (('credentials root wrong', 'invalid user ID or password'), ('', 'user name is empty')):
        refused = start(etcd, f'tls {ca.cert}\n{options}')
        equal(answer(refused, 'web.sky.test'), 'SERVFAIL', f'{options}: not let in')
        check(why in refused.log(), f'{options}: is told', refused.log())
        refused.stop()
    check(SECRET not in server.log() and etcd.token not in server.log(), 'no secret in the log')


if __name__ == '__main__':
    harness.main()
