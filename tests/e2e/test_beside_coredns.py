#!/usr/bin/env python3
"""kubeadm's Corefile, its `kubernetes` block replaced by a forward to the cluster's names, served by CoreDNS and by us
side by side: the same questions as pods ask them, and the differences counted. Runs where COREDNS names a CoreDNS
binary; QUESTIONS says how many (2000).
"""
import collections
import os
import random

import dns.flags
import dns.rcode
import dns.rdatatype

import coredns
import harness
import peers
import world
from harness import check, exchange_tcp, exchange_udp, free_port, loopback_net, make_query

# As kubeadm writes it, but for ports and the two places that name the cluster.
COREFILE = '''.:@PORT@ {{
    errors
    health 127.0.0.1:{health} {{
       lameduck 5s
    }}
    ready 127.0.0.1:{ready}
    forward cluster.local {cluster}
    forward in-addr.arpa {cluster}
    prometheus 127.0.0.1:{metrics}
    forward . {internet} {{
       max_concurrent 1000
    }}
    cache 30 {{
       disable success cluster.local
       disable denial cluster.local
    }}
    loop
    reload
    loadbalance
}}
'''
SEARCH = ('', '.web.svc.cluster.local', '.svc.cluster.local', '.cluster.local', '.example.com')
NAMES = ('app.web.svc.cluster.local', 'dual.web.svc.cluster.local', 'db.web.svc.cluster.local', 'many.web.svc.cluster.local',
         'db-0.db.web.svc.cluster.local', 'ext.web.svc.cluster.local', 'alias.web.svc.cluster.local', 'web.svc.cluster.local',
         'dns-version.cluster.local', '_pg._tcp.db.web.svc.cluster.local', '_http._tcp.app.web.svc.cluster.local',
         'nosuch.web.svc.cluster.local', 'cluster.local', 'svc.cluster.local', 'www.example.com', 'nosuch.example.com',
         '21.7.101.10.in-addr.arpa', '10.1.51.10.in-addr.arpa', '1.0.0.10.in-addr.arpa', 'app', 'app.web', 'db.web.svc', '.')
TYPES = ('A', 'A', 'A', 'AAAA', 'AAAA', 'SRV', 'PTR', 'TXT', 'SOA', 'NS', 'MX', 'CNAME', 'HTTPS', 'ANY')


def question(draw):
    """One as pods ask them: search lists, letter case, EDNS of all sizes, TCP now and then."""
    name = draw.choice(NAMES)
    if name in ('app', 'app.web', 'db.web.svc'):
        name += draw.choice(SEARCH)
    if draw.random() < 0.1:
        name = ''.join(draw.choice((c.lower(), c.upper())) for c in name)
    edns = draw.choice((None, 512, 1232, 1232, 4096))
    octets = make_query(name, draw.choice(TYPES), edns=edns, do=edns is not None and draw.random() < 0.2,
                        rd=draw.random() < 0.95, cd=draw.random() < 0.05, ad=draw.random() < 0.2, ident=draw.randrange(65536))
    return octets, draw.random() < 0.05


def rows(section):
    return sorted(f'{rrset.name.to_text().lower()} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text().lower()}'
                  for rrset in section for rdata in rrset)


def view(octets):
    """What a client makes of an answer; TTLs run."""
    if octets is None:
        return {'rcode': 'none'}
    reply = harness.Reply(octets, 0)
    message = reply.message
    parts = {'rcode': dns.rcode.to_text(message.rcode()), 'flags': dns.flags.to_text(message.flags),
             'question': [q.to_text() for q in message.question], 'edns': message.edns,
             'answer': rows(message.answer), 'authority': rows(message.authority), 'additional': rows(message.additional)}
    if message.flags & dns.flags.TC:
        for part in ('answer', 'authority', 'additional'):
            parts[part] = 'cut'
    return parts


def test_the_same_questions_have_the_same_answers():
    coredns.needed()
    net = loopback_net()
    cluster = world.standard_b(domain='cluster.local')
    inside = peers.Nsd(cluster.zones(), [f'{net}.10'], free_port())
    outside = peers.Nsd(world.internet(), [f'{net}.11'], free_port())

    def corefile():
        return COREFILE.format(health=free_port(), ready=free_port(), metrics=free_port(),
                               cluster=f'{inside.address}:{inside.port}', internet=f'{outside.address}:{outside.port}')
    theirs, ours = coredns.CoreDNS(corefile()), harness.Isthmus(corefile())
    draw, other, same = random.Random(7), [], collections.Counter()
    for _ in range(int(os.environ.get('QUESTIONS', '2000'))):
        octets, tcp = question(draw)
        exchange = exchange_tcp if tcp else exchange_udp
        a, b = view(exchange(theirs, octets)), view(exchange(ours, octets))
        if a == b:
            same[a['rcode']] += 1
        else:
            other.append({part: (a.get(part), b.get(part)) for part in a if a.get(part) != b.get(part)} | {'asked': a.get('question')})
    print(f'{sum(same.values())} the same {dict(same)}, {len(other)} different')
    check(not other, 'no differences', str(other[:5])[:3000])
    check(same['NOERROR'] > 0 and same['NXDOMAIN'] > 0 and same['none'] == 0, 'answers of both kinds', same)


if __name__ == '__main__':
    harness.main()
