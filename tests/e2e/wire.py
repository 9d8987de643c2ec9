"""DNS messages as octets: what tests send that no library would, and a strict reader.

The reader is an oracle beside dnspython: it follows pointers, refuses what RFC 1035 forbids,
and remembers where every record stands, so that a test can say `this name is compressed`
or `these octets are unchanged`.
"""
import struct
from dataclasses import dataclass, field

TYPES = {
    'A': 1, 'NS': 2, 'CNAME': 5, 'SOA': 6, 'MB': 7, 'MG': 8, 'MR': 9, 'WKS': 11, 'PTR': 12, 'HINFO': 13,
    'MINFO': 14, 'MX': 15, 'TXT': 16, 'RP': 17, 'AFSDB': 18, 'RT': 21, 'PX': 26, 'AAAA': 28, 'LOC': 29,
    'SRV': 33, 'NAPTR': 35, 'KX': 36, 'DNAME': 39, 'OPT': 41, 'DS': 43, 'SSHFP': 44, 'RRSIG': 46, 'NSEC': 47,
    'DNSKEY': 48, 'NSEC3': 50, 'NSEC3PARAM': 51, 'SVCB': 64, 'HTTPS': 65, 'LP': 107, 'AXFR': 252,
    'ANY': 255, 'CAA': 257,
}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010


def type_number(text):
    """65400 for `TYPE65400`, 1 for `A`."""
    if isinstance(text, int):
        return text
    return TYPES[text] if text in TYPES else int(text.removeprefix('TYPE'))


def name(text):
    """A name as octets. `text` is dotted, or a list of labels (bytes) for odd ones."""
    if isinstance(text, str):
        text = [label.encode('latin-1') for label in text.split('.') if label]
    return b''.join(bytes([len(label)]) + label for label in text) + b'\0'


def question(owner, rdtype='A', rdclass=1):
    return name(owner) + struct.pack('>HH', type_number(rdtype), rdclass)


def record(owner, rdtype, rdata, ttl=30, rdclass=1):
    """One record; `owner` as for name(), or octets that are taken as they are."""
    head = owner if isinstance(owner, bytes) else name(owner)
    return head + struct.pack('>HHIH', type_number(rdtype), rdclass, ttl, len(rdata)) + rdata


def option(code, data=b''):
    return struct.pack('>HH', code, len(data)) + data


def opt(size=1232, options=b'', version=0, flags=0, rcode=0, owner=b'\0'):
    return owner + struct.pack('>HHBBHH', 41, size, rcode, version, flags, len(options)) + options


def message(ident=0x2b1d, flags=RD, questions=(), answers=(), authority=(), additional=(), counts=None,
            tail=b''):
    """A message of parts that are octets; `counts` overrides the four counts of the header."""
    if counts is None:
        counts = (len(questions), len(answers), len(authority), len(additional))
    parts = b''.join([*questions, *answers, *authority, *additional])
    return struct.pack('>HHHHHH', ident, flags, *counts) + parts + tail


def query(owner, rdtype='A', ident=0x2b1d, flags=RD, edns=None, rdclass=1):
    """An ordinary question; `edns` is an OPT record as octets."""
    return message(ident, flags, [question(owner, rdtype, rdclass)], additional=[edns] if edns else [])


def labels(octets):
    """The labels of a name without pointers, without the root's."""
    found, at = [], 0
    while octets[at]:
        found.append(octets[at + 1:at + 1 + octets[at]])
        at += 1 + octets[at]
    return found


class Malformed(Exception):
    """What a strict reader does not accept."""


@dataclass
class Record:
    section: str
    owner: bytes  # without pointers, letter case as it came
    at: int  # where the owner begins
    rdtype: int
    rdclass: int
    ttl: int
    data_at: int
    data: bytes  # as it stands in the message, pointers and all


@dataclass
class Parsed:
    wire: bytes
    ident: int
    flags: int
    counts: tuple
    question: bytes = b''  # the octets of all questions
    qname: bytes = b''
    qtype: int = 0
    qclass: int = 0
    records: list = field(default_factory=list)

    @property
    def opcode(self):
        return self.flags >> 11 & 15

    @property
    def opt(self):
        """The OPT record, or None."""
        found = [r for r in self.records if r.rdtype == 41]
        if len(found) > 1:
            raise Malformed('two OPT records')
        return found[0] if found else None

    @property
    def rcode(self):
        return self.flags & 15 | (self.opt.ttl >> 24 << 4 if self.opt else 0)

    @property
    def options(self):
        """(code, data) of every EDNS option."""
        found, at, data = [], 0, self.opt.data if self.opt else b''
        while at < len(data):
            code, length = struct.unpack_from('>HH', data, at)
            if at + 4 + length > len(data):
                raise Malformed('option runs over its record')
            found.append((code, data[at + 4:at + 4 + length]))
            at += 4 + length
        return found

    def data_records(self):
        return [r for r in self.records if r.rdtype != 41]


def read_name(wire, at):
    """(name without pointers, offset behind it); pointers must go strictly backwards."""
    out, end, lowest = b'', 0, at
    while True:
        if at >= len(wire):
            raise Malformed('name runs out of the message')
        length = wire[at]
        if length >= 0xc0:
            if at + 2 > len(wire):
                raise Malformed('half a pointer')
            target = (length & 0x3f) << 8 | wire[at + 1]
            end = end or at + 2
            if target >= lowest:
                raise Malformed(f'pointer at {at} to {target} does not go backwards')
            at = lowest = target
        elif length > 63:
            raise Malformed(f'label type {length >> 6}')
        else:
            if at + 1 + length > len(wire):
                raise Malformed('label runs out of the message')
            out += wire[at:at + 1 + length]
            at += 1 + length
            if len(out) > 255:
                raise Malformed('name over 255 octets')
            if length == 0:
                return out, end or at


def _read_record(wire, at, section):
    owner, behind = read_name(wire, at)
    if behind + 10 > len(wire):
        raise Malformed('record runs out of the message')
    rdtype, rdclass, ttl, length = struct.unpack_from('>HHIH', wire, behind)
    data_at = behind + 10
    if data_at + length > len(wire):
        raise Malformed('data runs out of the message')
    return Record(section, owner, at, rdtype, rdclass, ttl, data_at, wire[data_at:data_at + length])


def parse(wire):
    """The whole message; Malformed unless every octet is accounted for."""
    if len(wire) < 12:
        raise Malformed(f'{len(wire)} octets')
    ident, flags, *counts = struct.unpack_from('>HHHHHH', wire)
    parsed, at = Parsed(wire, ident, flags, tuple(counts)), 12
    for _ in range(counts[0]):
        parsed.qname, at = read_name(wire, at)
        if at + 4 > len(wire):
            raise Malformed('question runs out of the message')
        parsed.qtype, parsed.qclass = struct.unpack_from('>HH', wire, at)
        at += 4
    parsed.question = wire[12:at]
    for section, count in zip(('answer', 'authority', 'additional'), counts[1:]):
        for _ in range(count):
            record_ = _read_record(wire, at, section)
            parsed.records.append(record_)
            at = record_.data_at + len(record_.data)
    if at != len(wire):
        raise Malformed(f'{len(wire) - at} octets left over')
    return parsed


def expand(parsed, record_, layout):
    """RDATA without pointers. `layout` is a string: a number for octets, `n` a name, `s` a
    character string, `*` the rest."""
    at, out = record_.data_at, b''
    for item in layout.split():
        if item == 'n':
            part, at = read_name(parsed.wire, at)
            out += part
        else:
            end = record_.data_at + len(record_.data)
            length = {'s': parsed.wire[at] + 1 if item == 's' else 0, '*': end - at}.get(item)
            length = int(item) if length is None else length
            out += parsed.wire[at:at + length]
            at += length
    if at != record_.data_at + len(record_.data):
        raise Malformed(f'data of type {record_.rdtype} does not fit its layout')
    return out
