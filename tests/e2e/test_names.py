#!/usr/bin/env python3
# e2e: quick tsan
"""Names in questions and answers: every one that lies in the cluster's domain becomes the
zone's, in any section and type, by labels and in any letter case, and nothing else changes.

The rows are those of the feature table: N1-N10 naming, R1-R4, R7-R9, R11 record kinds. The
clusters are real BINDs (which keep letter case), NSDs and Knots; a scripted upstream stands in
where the octets of a question matter or an answer must be odd.
"""
import concurrent.futures
import functools
import struct

import badup
import harness
import peers
import wire
import world
from harness import ask, check, equal, free_port, isthmus, loopback_net

DOMAIN, ZONE = 'cluster.local', 'cluster-b.local'
# Types with names in their data: owner, type, RDATA text, layout for wire.expand.
TYPED = (
    ('ns.kinds', 'NS', 'ns.dns', 'n'),
    ('mx.kinds', 'MX', '10 app.web.svc', '2 n'),
    ('ptr.kinds', 'PTR', 'app.web.svc', 'n'),
    ('srv.kinds', 'SRV', '1 2 3 app.web.svc', '6 n'),
    ('naptr.kinds', 'NAPTR', '1 1 "S" "x" "!a!cluster.local!" app.web.svc', '4 s s s n'),
    ('svcb.kinds', 'SVCB', '1 app.web.svc alpn=h2 port=8443', '2 n *'),
    ('https.kinds', 'HTTPS', '1 app.web.svc alpn=h3,h2 ipv4hint=10.101.7.21', '2 n *'),
    ('alias.kinds', 'HTTPS', '0 app.web.svc', '2 n *'),
    ('rp.kinds', 'RP', 'admin.web.svc info.web.svc', 'n n'),
    ('afsdb.kinds', 'AFSDB', '1 app.web.svc', '2 n'),
    ('rt.kinds', 'RT', '1 app.web.svc', '2 n'),
    ('kx.kinds', 'KX', '1 app.web.svc', '2 n'),
    ('px.kinds', 'PX', '1 app.web.svc mail.web.svc', '2 n n'),
    ('minfo.kinds', 'MINFO', 'app.web.svc mail.web.svc', 'n n'),
    ('mb.kinds', 'MB', 'app.web.svc', 'n'),
    ('mg.kinds', 'MG', 'app.web.svc', 'n'),
    ('mr.kinds', 'MR', 'app.web.svc', 'n'),
    ('lp.kinds', 'LP', '1 app.web.svc', '2 n'),
)
# Data that only looks as if it held a name of the domain: it must not change by an octet.
LOOKALIKE = b'\x03app\x03web\x03svc' + wire.name(DOMAIN)
OPAQUE = (
    ('unknown.kinds', 'TYPE65400', LOOKALIKE),
    ('txt.kinds', 'TXT', b'\x0dcluster.local' + bytes([len(LOOKALIKE)]) + LOOKALIKE),
    ('hinfo.kinds', 'HINFO', b'\x0dcluster.local\x02os'),
    ('caa.kinds', 'CAA', b'\x00\x05issuecluster.local'),
)
# Targets outside the domain, however much they look like it.
OUTSIDE = ('svc.cluster.local.evil.test.', 'notcluster.local.', 'cluster.localx.', 'local.', r'a\.cluster.local.',
           'xcluster.local.', 'cluster-b.local.')


def kinds():
    """A cluster with every kind of record the tests ask for."""
    b = world.standard_b()
    b.add('mail.web.svc', 'A', '10.101.7.30')
    b.add('dn.kinds', 'DNAME', 'web.svc')
    for owner, rdtype, text, _ in TYPED:
        b.add(owner, rdtype, text)
    for owner, rdtype, data in OPAQUE:
        b.add(owner, rdtype, fr'\# {len(data)} {data.hex()}')
    for i, target in enumerate(OUTSIDE):
        b.add(f'out-{i}.kinds', 'CNAME', target)
    b.add('shout.kinds', 'CNAME', 'APP.Web.SVC.Cluster.LOCAL.')
    b.add('ShoutMX.kinds', 'MX', '1 MAIL.Web.svc.CLUSTER.local.')
    return b


@functools.cache
def cluster_dns():
    return peers.Bind(kinds().zones(), ['127.0.0.1'], free_port())


@functools.cache
def recorder():
    """A scripted upstream that remembers questions: the DNS of several clusters, and the rest."""
    return badup.Upstream(f'{loopback_net()}.10', free_port())


@functools.cache
def server():
    dns, up = cluster_dns(), recorder()
    return isthmus(f'''
    cluster {ZONE} b.k8s.lan {{
        dns 127.0.0.1:{dns.port}
        services 10.101.0.0/19
        pods 10.51.0.0/16
    }}
    cluster b.cluster.local {{
        dns 127.0.0.1:{dns.port}
    }}
    cluster recorded.lan {{
        dns {up.address}:{up.port}
    }}
    cluster eu.recorded.lan {{
        dns {up.address}:{up.port}
        domain eu.example
    }}
    cluster own.example {{
        dns 127.0.0.1:{dns.port}
        domain own.example
    }}
    forward . {up.address}:{up.port}''')


def mapped(text):
    return text.replace(DOMAIN, ZONE)


def last_asked(name, rdtype='A', **more):
    """What the recorder was asked last after this question."""
    recorder().forget()
    ask(server(), name, rdtype, **more)
    return recorder().asked()[-1]


# ---- N1, R1-R4, R7, R8: the same answer as the cluster's, renamed ----

def test_every_answer_is_the_clusters_own_renamed():
    names = ['app.web.svc', 'dual.web.svc', 'db.web.svc', 'db-0.db.web.svc', '_pg._tcp.db.web.svc', 'alias.web.svc',
             '_http._tcp.dual.web.svc', '10-51-1-10.web.pod', 'dns-version', 'ns.dns', 'nosuch.web.svc', 'web.svc', '']
    for owner in names:
        inside, outside = f'{owner}.{DOMAIN}'.lstrip('.'), f'{owner}.{ZONE}'.lstrip('.')
        for rdtype in ('A', 'AAAA', 'SRV', 'TXT', 'NS', 'SOA', 'HTTPS', 'MX'):
            want = ask(cluster_dns(), inside, rdtype, tcp=True)
            for tcp in (False, True):
                got = ask(server(), outside, rdtype, tcp=tcp)
                what = f'{outside} {rdtype} {"TCP" if tcp else "UDP"}'
                equal((got.rcode, got.aa), (want.rcode, want.aa), f'{what}: rcode and AA')
                for section in ('answer', 'authority', 'additional'):
                    texts = sorted(mapped(text) for text in getattr(want, section))
                    equal(getattr(got, section), texts, f'{what}: {section}')


def test_ttls_are_the_clusters():
    for name, rdtype in (('app.web.svc', 'A'), ('nosuch.web.svc', 'A'), ('_pg._tcp.db.web.svc', 'SRV')):
        want = ask(cluster_dns(), f'{name}.{DOMAIN}', rdtype)
        got = ask(server(), f'{name}.{ZONE}', rdtype)
        equal([r.ttl for r in got.parsed.data_records()], [r.ttl for r in want.parsed.data_records()], f'{name} {rdtype}')


def test_srv_targets_are_in_additional_and_resolve():
    reply = ask(server(), f'_pg._tcp.db.web.svc.{ZONE}', 'SRV')
    for target in (rdata.target.to_text() for rrset in reply.message.answer for rdata in rrset):
        check(target.endswith(f'.db.web.svc.{ZONE}.'), 'the target lies in the zone', target)
        glue = [text for text in reply.additional if text.startswith(f'{target} A ')]
        equal(len(glue), 1, f'{target} has its address in ADDITIONAL')
        equal([f'{target} A {a}' for a in ask(server(), target).data], glue, f'{target} resolves alike when asked')


def test_dns_version_text_is_unchanged():
    equal(ask(server(), f'dns-version.{ZONE}', 'TXT').answer, [f'dns-version.{ZONE}. TXT "1.1.0"'], 'dns-version')


def test_apex():
    equal(ask(server(), ZONE, 'SOA').answer,
          [f'{ZONE}. SOA ns.dns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 30'], 'SOA')
    reply = ask(server(), ZONE, 'NS')
    equal(reply.answer, [f'{ZONE}. NS ns.dns.{ZONE}.'], 'NS')
    check(f'ns.dns.{ZONE}. A 10.101.0.10' in reply.additional, 'with its address', reply.additional)


# ---- N2: every name in every type ----

def test_names_in_all_types():
    for owner, rdtype, text, layout in TYPED:
        for tcp in (False, True):
            reply = ask(server(), f'{owner}.{ZONE}', rdtype, tcp=tcp)
            found = [r for r in reply.parsed.records if r.rdtype == wire.type_number(rdtype)]
            if not check(len(found) == 1, f'{rdtype} is answered', reply.text):
                continue
            data = wire.expand(reply.parsed, found[0], layout)
            check(wire.name(ZONE) in data and wire.name(DOMAIN) not in data, f'{rdtype} {text} is renamed', data)
            if 'cluster.local!' in text:
                check(b'!a!cluster.local!' in data, 'the character strings of NAPTR are not', data)


def test_names_in_new_types_are_not_compressed():
    for owner, rdtype, _, layout in TYPED:
        if rdtype in ('NS', 'MX', 'PTR', 'MINFO', 'MB', 'MG', 'MR'):
            continue  # those of RFC 1035 may be (RFC 3597, section 4)
        reply = ask(server(), f'{owner}.{ZONE}', rdtype)
        found = next((r for r in reply.parsed.records if r.rdtype == wire.type_number(rdtype)), None)
        if check(found is not None, f'{rdtype} is answered'):
            equal(found.data, wire.expand(reply.parsed, found, layout), f'{rdtype} has no pointers in its data')


def test_data_that_looks_like_a_name_is_unchanged():
    for owner, rdtype, data in OPAQUE:
        reply = ask(server(), f'{owner}.{ZONE}', rdtype)
        found = [r.data for r in reply.parsed.records if r.rdtype == wire.type_number(rdtype)]
        equal(found, [data], f'{rdtype} octet for octet')
        equal(reply.answer[0].split()[0], f'{owner}.{ZONE}.', f'the owner of {rdtype} is renamed')


def test_names_outside_the_domain_are_unchanged():
    for i, target in enumerate(OUTSIDE):
        reply = ask(server(), f'out-{i}.kinds.{ZONE}', 'CNAME')
        equal(reply.answer, [f'out-{i}.kinds.{ZONE}. CNAME {target}'], f'a target {target}')


def test_dname_and_what_it_makes():
    reply = ask(server(), f'app.dn.kinds.{ZONE}')
    equal(reply.answer, [f'app.dn.kinds.{ZONE}. CNAME app.web.svc.{ZONE}.', f'app.web.svc.{ZONE}. A 10.101.7.21',
                         f'dn.kinds.{ZONE}. DNAME web.svc.{ZONE}.'], 'DNAME, its CNAME and the address')


def test_domain_in_any_letter_case_is_renamed():
    reply = ask(server(), f'shout.kinds.{ZONE}', 'CNAME')
    equal(reply.answer[0].lower(), f'shout.kinds.{ZONE}. cname app.web.svc.{ZONE}.', 'CNAME to CLUSTER.LOCAL')
    reply = ask(server(), f'shoutmx.kinds.{ZONE}', 'MX')
    equal(reply.answer[0].lower(), f'shoutmx.kinds.{ZONE}. mx 1 mail.web.svc.{ZONE}.', 'MX in CLUSTER.local')


# ---- N5: by labels ----

def test_only_whole_labels_match():
    for name in ('xcluster-b.local', 'app.web.svc.xcluster-b.local', 'cluster-b.localx', 'local', 'cluster-b.local.evil.test'):
        equal(last_asked(name).name, name, f'{name} goes to the normal upstream as it is')
    for labels in ([b'x.cluster-b', b'local'], [b'app', b'x.cluster-b', b'local'], [b'cluster-b.local']):
        equal(last_asked(labels).parsed.qname, wire.name(labels), f'{labels}: a dot inside a label is no boundary')


def test_odd_octets_in_labels_pass():
    for label in (b'\x00', b'a\x00b', b'\xff\xfe', b'a.b', b' ', b'\\', b'"', b'*', b'_', b'-', b'x' * 63, 'é'.encode()):
        labels = [label, b'web', b'recorded', b'lan']
        seen = last_asked(labels)
        equal(seen.parsed.qname, wire.name([label, b'web', b'cluster', b'local']), f'label {label!r} as it is asked')
        reply = ask(server(), labels)
        equal(reply.parsed.qname, wire.name(labels), f'label {label!r} as it is echoed')


# ---- N6: letter case ----

def test_spelling_is_echoed():
    for name in ('ApP.wEb.SvC.Cluster-B.LOCAL', 'APP.WEB.SVC.CLUSTER-B.LOCAL', 'app.web.svc.cluster-B.locaL'):
        for tcp in (False, True):
            reply = ask(server(), name, tcp=tcp)
            equal(reply.parsed.qname, wire.name(name), f'{name} is echoed octet for octet')
            equal(reply.answer, [f'{name}. A 10.101.7.21'], 'and the owner is spelled like the question')
            reply = ask(server(), 'NoSuch.' + name)
            equal((reply.rcode, reply.parsed.qname), ('NXDOMAIN', wire.name('NoSuch.' + name)), 'also in a negative answer')


def test_letters_beyond_ascii_have_no_case():
    lower, upper = [b'\xe9', b'recorded', b'lan'], [b'\xc9', b'recorded', b'lan']
    equal(last_asked(lower).parsed.qname[1:2], b'\xe9', 'octet E9 stays')
    equal(last_asked(upper).parsed.qname[1:2], b'\xc9', 'octet C9 stays')


# ---- N3: pass-through ----

def test_pass_through_changes_no_name():
    plain = world.zone('own.example', [
        ('WWW', 'CNAME', 'Target.OWN.example.'), ('target', 'A', '10.9.9.9'), ('in', 'CNAME', 'app.cluster.local.'),
        ('mx', 'MX', '1 a.cluster.local.'), ('soa', 'TXT', '"cluster.local"')])
    dns = peers.Bind({'own.example': plain}, ['127.0.0.1'], free_port())
    here = isthmus(f'''
    cluster own.example {{
        dns 127.0.0.1:{dns.port}
        domain Own.Example
    }}''')
    for name, rdtype in (('wwW.own.Example', 'A'), ('in.own.example', 'CNAME'), ('mx.own.example', 'MX'),
                         ('own.example', 'SOA'), ('nosuch.own.example', 'A'), ('soa.own.example', 'TXT')):
        want, got = ask(dns, name, rdtype), ask(here, name, rdtype)
        equal(got.rcode, want.rcode, f'{name} {rdtype}: rcode')
        for section in ('answer', 'authority', 'additional'):
            equal(getattr(got, section), getattr(want, section), f'{name} {rdtype}: {section}')


# ---- N4, N7, N10: domains, nested and several zones ----

def test_a_cluster_may_have_a_domain_of_its_own():
    equal(last_asked('app.eu.recorded.lan').name, 'app.eu.example', 'asked under its own domain')


def test_longest_zone_wins():
    equal(last_asked('app.x.recorded.lan').name, 'app.x.cluster.local', 'the outer zone')
    equal(last_asked('eu.recorded.lan').name, 'eu.example', 'the apex of the inner zone')
    equal(last_asked('xeu.recorded.lan').name, 'xeu.cluster.local', 'a name beside the inner zone')


def test_zone_under_its_domain_is_renamed_once():
    reply = ask(server(), 'app.web.svc.b.cluster.local')
    equal(reply.answer, ['app.web.svc.b.cluster.local. A 10.101.7.21'], 'b.cluster.local for cluster.local')
    reply = ask(server(), '_pg._tcp.db.web.svc.b.cluster.local', 'SRV')
    check(all(text.endswith('.db.web.svc.b.cluster.local.') and '.b.b.' not in text for text in reply.answer),
          'targets, too', reply.answer)
    equal(ask(server(), 'nosuch.b.cluster.local').authority[0].split()[0], 'b.cluster.local.', 'and the SOA')


def test_answers_use_the_zone_that_was_asked():
    for zone in (ZONE, 'b.k8s.lan'):
        reply = ask(server(), f'_http._tcp.app.web.svc.{zone}', 'SRV')
        equal(reply.answer, [f'_http._tcp.app.web.svc.{zone}. SRV 0 100 80 app.web.svc.{zone}.'], zone)
        equal(ask(server(), f'nosuch.{zone}').authority[0].split()[0], f'{zone}.', f'the SOA of {zone}')
    equal(ask(server(), '21.7.101.10.in-addr.arpa', 'PTR').data, [f'app.web.svc.{ZONE}.'], 'PTR uses the first zone')


# ---- R9: negative answers ----

def test_negative_answers_keep_rcode_and_carry_the_zones_soa():
    soa = f'{ZONE}. SOA ns.dns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 30'
    for name, rdtype, rcode in (('nosuch', 'A', 'NXDOMAIN'), ('app.web.svc', 'MX', 'NOERROR'), ('web.svc', 'A', 'NOERROR'),
                                ('app.web.svc', 'HTTPS', 'NOERROR'), ('app.web.svc', 'TYPE65401', 'NOERROR')):
        reply = ask(server(), f'{name}.{ZONE}', rdtype)
        equal((reply.rcode, reply.answer, reply.authority), (rcode, [], [soa]), f'{name} {rdtype}')


# ---- N8: lengths ----

def long_labels(octets, suffix):
    """Labels of a name of that many octets in wire form that ends in `suffix` (a list)."""
    room = octets - len(wire.name(suffix))
    labels = []
    while room > 0:
        size = min(63, room - 1)
        if room - 1 - size == 1:
            size -= 1
        labels.append(b'x' * size)
        room -= 1 + size
    assert len(wire.name(labels + suffix)) == octets
    return labels + suffix


def test_questions_too_long_for_the_domain_are_refused_here():
    up = recorder()
    here = isthmus(f'    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}')
    suffix, grows = [b'b', b'lan'], len(wire.name(DOMAIN)) - len(wire.name('b.lan'))
    for octets, passes in ((255 - grows, True), (255 - grows + 1, False), (254, False), (255, False)):
        for tcp in (False, True):
            up.forget()
            reply = ask(here, long_labels(octets, suffix), tcp=tcp)
            what = f'{octets} octets, {octets + grows} in the domain'
            if passes:
                equal((reply.rcode, len(up.asked())), ('NOERROR', 1), f'{what}: is asked')
                equal(len(up.asked()[-1].parsed.qname), 255, f'{what}: as a name of 255 octets')
                continue
            equal((reply.rcode, len(up.asked())), ('NXDOMAIN', 0), f'{what}: NXDOMAIN, not asked')
            equal([(r.owner, r.rdtype, r.ttl) for r in reply.parsed.data_records()], [(wire.name('b.lan'), 6, 5)],
                  f'{what}: with the SOA of the zone')
            equal(reply.authority[:1], ['b.lan. SOA ns.dns.b.lan. hostmaster.b.lan. 0 7200 1800 86400 5'], f'{what}: its data')
            check(reply.ede, f'{what}: says why in an extended error')


def test_answers_too_long_for_the_zone_are_not_cut():
    up = recorder()
    zone = 'a-zone-of-some-length.clusters.example'
    here = isthmus(f'    cluster {zone} {{\n        dns {up.address}:{up.port}\n    }}')
    grows = len(wire.name(zone)) - len(wire.name(DOMAIN))
    domain = [b'cluster', b'local']
    for octets in (255 - grows, 255 - grows + 1, 255):
        target = wire.name(long_labels(octets, domain))
        for rdtype, data, fill in ((5, target, 'CNAME'), (33, bytes(6) + target, 'SRV'), (65, b'\0\1' + target, 'HTTPS')):
            up.records[(wire.name(f't.{DOMAIN}'), rdtype)] = [data]
            reply = ask(here, f't.{zone}', fill)
            what = f'{fill} to {octets} octets, {octets + grows} in the zone'
            if octets + grows <= 255:
                got = wire.expand(reply.parsed, reply.parsed.records[0], {5: 'n', 33: '6 n', 65: '2 n'}[rdtype])
                equal((reply.rcode, len(got)), ('NOERROR', len(data) + grows), f'{what}: passes')
            else:
                equal((reply.rcode, reply.answer), ('SERVFAIL', []), f'{what}: SERVFAIL')
                check(reply.ede and reply.ede[0][0] == 0 and reply.ede[0][1], f'{what}: EDE 0 with a text', reply.ede)


def test_a_zone_as_long_as_names_can_be():
    up = recorder()
    for octets in (120, 230, 244, 255):
        labels = long_labels(octets, [b'lan'])
        text = '.'.join(label.decode() for label in labels)
        try:
            here = isthmus(f'    cluster {text} {{\n        dns {up.address}:{up.port}\n    }}')
        except harness.StartFailed as why:
            check('Corefile:' in str(why), f'a zone of {octets} octets is refused with a reason', why)
            continue
        for name in (labels, [b'a', *labels[1:]], [b'nxdomain', *labels] if octets < 240 else labels):
            check(ask(here, name).rcode in ('NOERROR', 'NXDOMAIN', 'SERVFAIL'), f'a zone of {octets} octets answers')
        here.stop()


# ---- what is sent to a cluster ----

def test_the_question_towards_a_cluster_is_our_own():
    cookie, subnet, padding = wire.option(10, b'8octets!'), wire.option(8, b'\0\1\x18\0\x0a\1\2'), wire.option(12, bytes(20))
    seen = last_asked('app.recorded.lan', options=cookie + subnet + padding + wire.option(65001, b'x'), edns=4096, ident=4660)
    equal([code for code, _ in seen.parsed.options], [], 'none of the client\'s options')
    equal(seen.parsed.opt.rdclass, 1232, 'our own size')
    equal((seen.parsed.opt.ttl, seen.parsed.counts), (0, (1, 0, 0, 1)), 'no DO, one question and one OPT')
    equal(last_asked('app.recorded.lan', edns=None).parsed.opt.rdclass, 1232, 'also for a client without EDNS')
    for flag in (wire.RD, 0):
        equal(last_asked('app.recorded.lan', rd=bool(flag)).parsed.flags & wire.RD, flag, 'RD is the client\'s')


def test_ids_and_ports_are_hard_to_guess():
    up = recorder()
    up.forget()
    for i in range(200):
        ask(server(), f'guess-{i}.recorded.lan', ident=i)
    seen = up.asked()
    ids = [s.parsed.ident for s in seen]
    check(len(set(ids)) >= 190, 'IDs do not repeat', len(set(ids)))
    check(sum(ident == i for i, ident in enumerate(ids)) <= 2, 'and are not the client\'s')
    steps = {(b - a) & 0xffff for a, b in zip(ids, ids[1:])}
    check(len(steps) > 150, 'nor do they count', len(steps))
    check(len({s.port for s in seen}) >= 3, 'questions leave from several ports', {s.port for s in seen})


def test_opt_is_answered_as_asked():
    for do in (False, True):
        reply = ask(server(), f'app.web.svc.{ZONE}', do=do)
        equal((reply.parsed.opt.ttl & 0x8000 != 0, reply.parsed.opt.ttl & 0x7fff), (do, 0), 'DO is echoed, the rest is zero')
    equal(ask(server(), f'app.web.svc.{ZONE}', edns=None).parsed.opt, None, 'no OPT without EDNS')
    reply = ask(server(), f'app.web.svc.{ZONE}', options=wire.option(65001, b'secret'))
    check(65001 not in [code for code, _ in reply.parsed.options], 'unknown options do not come back')


def test_flags_of_one_client_are_not_anothers():
    """Questions that differ in CD or RD are not the same, also while both are in flight."""
    up = recorder()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda kind: (kind, ask(server(), 'slow-200.recorded.lan', **kind)),
                                ({'cd': True}, {'cd': False}, {'rd': False}, {'edns': None})))
    for kind, reply in replies:
        equal(bool(reply.parsed.flags & wire.CD), kind.get('cd', False), f'CD for {kind}')
        equal(bool(reply.parsed.flags & wire.RD), kind.get('rd', True), f'RD for {kind}')
        equal(reply.parsed.opt is not None, 'edns' not in kind, f'OPT for {kind}')
    up.forget()


def test_an_answer_may_spell_the_question_differently():
    up = recorder()
    up.custom = lambda asked: badup.reply(asked.replace(b'spelled', b'SPELLED'), wire.AA, [
        wire.record(b'\xc0\x0c', 'A', b'\x0a\1\1\1')]) if b'spelled' in asked else None
    reply = ask(server(), 'spelled.recorded.lan')
    up.custom = None
    equal(reply.answer, ['spelled.recorded.lan. A 10.1.1.1'], 'it is taken, and given back as the client spelled it')


def test_zone_in_capitals_with_a_final_dot():
    up = recorder()
    here = isthmus(f'    cluster Shout.LAN. {{\n        dns {up.address}:{up.port}\n        domain Own.EXAMPLE.\n    }}')
    equal(ask(here, 'app.shout.lan').answer, ['app.shout.lan. A 192.0.2.7'], 'a zone in capitals')
    equal(up.asked()[-1].name.lower(), 'app.own.example', 'and a domain in capitals')


def test_over_ipv6():
    try:
        up = badup.Upstream('::1', free_port())
    except OSError:
        harness.skip('no IPv6 loopback here')
    here = harness.Isthmus(f'.:@PORT@ {{\n    bind ::1\n    cluster b.lan {{\n        dns [::1]:{up.port}\n    }}\n}}\n', address='::1')
    for tcp in (False, True):
        equal(ask(here, 'app.b.lan', tcp=tcp).data, ['192.0.2.7'], 'from client to cluster')


def test_transfers_are_not_proxied():
    for name in (ZONE, 'own.example', 'example.org'):
        for rdtype in (251, 252):
            reply = ask(server(), name, f'TYPE{rdtype}', tcp=True)
            check(reply.rcode != 'NOERROR' or len(reply.parsed.records) <= 2, f'{name} type {rdtype} gives no zone', reply.rcode)


def test_many_records_of_one_owner_share_it():
    up = recorder()
    owner = wire.name(f'wide.web.svc.{DOMAIN}')
    up.records[(owner, 1)] = [struct.pack('>I', 0x0a330000 + i) for i in range(600)]
    reply = ask(server(), 'wide.web.svc.recorded.lan', tcp=True)
    equal(len(reply.data), 600, 'six hundred records')
    check(len(reply.wire) <= 12 + 40 + 600 * 16 + 32, 'each costs two octets for its owner', len(reply.wire))


if __name__ == '__main__':
    harness.main()
