#!/usr/bin/env python3
"""Checks what the compiler does not: layers, sizes, banned words, links, headers alone, format.

    tests/lint/lint.py [--root DIR] [PATH...]     default: all folders

Prints a finding a line, `FILE:LINE: what was found, how to mend it`, then how long functions
are, then how many checks passed. Exit status 1 if there was a finding. Needs Python 3.9 and
git; a compiler for the headers and clang-format for the format, where they are there.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple

LAYERS = ['base', 'config', 'resolver', 'server']  # each sees itself and those before it
FILE_LINES, FUNCTION_LINES, P90_LINES, NESTING, PARAMETERS, DECISIONS = 700, 80, 40, 3, 5, 15

# Functions whose parameters a library dictates.
DICTATED = {('server/admin.c', 'on_request'), ('server/tls.c', 'on_alpn'),
            ('server/doh.c', 'on_field'), ('server/doh.c', 'on_data'), ('server/doh.c', 'on_body'),
            ('server/doh_client.c', 'on_field'), ('server/doh_client.c', 'on_data'), ('server/doh_client.c', 'on_body')}

# A header, and the only places that may include it (a test beside its module may too).
HEADERS = [
    (r'uv\.h|sys/epoll\.h|linux/(?:udp|errqueue)\.h', ['server/', 'config/discovery/', 'tests/']),
    (r'sys/socket\.h|netdb\.h|netinet/(?:tcp|udp)\.h', ['server/', 'config/discovery/', 'tests/', 'base/addr.']),
    (r'ldns/.*', ['resolver/rdata.', 'resolver/zonefile', 'resolver/tsig_test.', 'tests/']),
    (r'dlfcn\.h', ['base/library.']),
    (r'curl/.*', ['config/discovery/http.']),
    (r'cjson/.*', ['base/tree.']),
    (r'yaml\.h', ['config/yaml.']),
    (r'pcre2\.h', ['resolver/pattern.']),
    (r'microhttpd\.h', ['server/admin.']),
    (r'fstrm\.h', ['server/tap_sink.']),
    (r'.*\.pb-c\.h|protobuf-c/.*', ['resolver/dnstap.']),
    (r'nghttp2/.*', ['server/http2.', 'tests/']),
    (r'openssl/.*', ['resolver/tsig.', 'server/tls.', 'server/tls_context.', 'server/tls_test.', 'tests/']),
]
# Calls that must not be in a file of the given folders: name, folders, what to use.
CALLS = [
    (r'strcpy|strcat|sprintf|vsprintf|strncpy|strncat|stpcpy', '', 'use snprintf or memcpy with a length'),
    (r'strtok|strtok_r', '', 'use text_cut'),
    (r'atoi|atol|atoll|atof', '', 'use text_u32 or strtoul with its checks'),
    (r'gets|alloca|system|popen', '', 'there is no safe use'),
    (r'exit|_exit|quick_exit', '', 'only main.c ends the process: return an error'),
    (r'socket|bind|connect|sendmsg|recvmsg|sendmmsg|recvmmsg|sendto|recvfrom',
     'base config resolver', 'sockets belong to server/'),
    (r'time|gettimeofday|clock_gettime|uv_now|uv_hrtime', 'config resolver', 'time comes in with resolver_tick'),
    (r'getrandom|random|rand|srand|arc4random', 'config resolver', 'randomness comes from io->random'),
    (r'fopen|open|openat', 'resolver', 'resolver/ opens nothing: config/ and server/ read files'),
]
CALL_EXCEPT = {
    'exit': ['server/main.c', '_test.c', 'tests/'],
    '_exit': ['_test.c', 'tests/'],
    'time': ['config/discovery/'],
    'clock_gettime': ['config/discovery/'],
    'open': ['resolver/zonefile', '_test.c'],
    'fopen': ['resolver/zonefile', '_test.c'],
}
OPEN_WORDS = re.compile(r'\b(' + '|'.join(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK']) + r')\b')
# Places that must not be named: what belongs to a workplace, and where packages come from.
PLACES = re.compile(r'(?<![\w.])/' + r'work/(?:main|shared)|deb\.debian\.' + r'org|pypi\.' + r'org|npmjs\.' + r'org|crates\.'
                    + r'io|proxy\.golang|\bdocker\.' + r'io|\bghcr\.' + r'io|\bquay\.' + r'io')
GENERATED = re.compile(r'\.(?:o|a|so|d|gcda|gcno|gcov|pyc|log|pid|orig|rej)$|(?:^|/)build/|__pycache__|(?:^|/)tags$')

Function = namedtuple('Function', 'path line name lines parameters depth decisions')
findings = {}  # check -> how many


def find(check, path, line, what, mend):
    findings[check] = findings.get(check, 0) + 1
    print(f'{path}:{line}: {what}, {mend}')


# ---- reading C ----

TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.M)


def blank(match):
    """White space instead of the match, with its line ends."""
    return re.sub(r'[^\n]', ' ', match.group(0))


def code_of(text):
    """The C text without comments, literals and directives, every character at its place."""
    return DIRECTIVE.sub(blank, TOKENS.sub(blank, text))


def opens_statement(before):
    """Whether a brace after this text is that of an if or a loop, and not of an initializer."""
    if not before.endswith(')'):
        return before.endswith(('else', 'do'))
    at, depth = len(before) - 1, 1
    while depth and at > 0:
        at -= 1
        depth += {')': 1, '(': -1}.get(before[at], 0)
    return re.search(r'\b(?:if|for|while|switch|\w+_each\w*)\s*$', before[:at]) is not None


def end_of_block(code, at):
    """The offset of the brace that closes the one at `at`, and how deep statements nest."""
    depth = deepest = 0
    kinds = []
    for m in re.compile(r'[{}]').finditer(code, at):
        if m.group(0) == '{':
            control = bool(kinds) and opens_statement(code[at:m.start()].rstrip())
            kinds.append(control)
            depth += control
            deepest = max(deepest, depth)
        else:
            depth -= kinds.pop()
            if not kinds:
                return m.start(), deepest
    return len(code) - 1, deepest


def functions_of(path, text):
    """Every function defined in the text. One ends in `name(parameters) {` at the outermost level."""
    code, at = code_of(text), 0
    while (brace := code.find('{', at)) >= 0:
        start = max(code.rfind(';', at, brace), code.rfind('}', at, brace), at - 1) + 1
        head = code[start:brace]
        end, depth = end_of_block(code, brace)
        at = end + 1
        head = re.sub(r'__attribute__\s*\(\(.*?\)\)', blank, head, flags=re.S)
        m = re.search(r'(\w+)\s*\(', head)
        if m is None or '=' in head or not head.rstrip().endswith(')'):
            continue
        line = code.count('\n', 0, start + m.start(1)) + 1
        inside = re.sub(r'\([^()]*\)', '', head[m.end():head.rstrip().rfind(')')])
        parameters = 0 if inside.strip() in ('', 'void') else inside.count(',') + 1
        # The cases of a switch are one decision, which the eye takes in as a table.
        decisions = len(re.findall(r'\b(?:if|for|while|switch)\b|&&|\|\||\?', code[brace:end])) + 1
        yield Function(path, line, m.group(1), code.count('\n', 0, end) + 2 - line, parameters, depth, decisions)


# ---- the checks ----

def may(path, places):
    return any(p in path if p.startswith('_') else path.startswith(p) for p in places)


def check_includes(path, text):
    layer = path.split('/')[0]
    above = LAYERS[LAYERS.index(layer) + 1:] if layer in LAYERS else []
    for number, line in enumerate(text.split('\n'), 1):
        m = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if m is None:
            continue
        name = m.group(1)
        if line.count('"') == 2 and '/' not in name:
            find('layers', path, number, f'"{name}" is written from its own folder', 'write the path from the top')
        if name.split('/')[0] in above:
            find('layers', path, number, f'{layer}/ includes {name}',
                 f'go the other way: {layer}/ must not know {name.split("/")[0]}/')
        if path.startswith('resolver/plugins/') and name.startswith('resolver/plugins/') \
                and not own_family(path, name):
            find('layers', path, number, f'a plugin includes {name}', 'plugins meet only in resolver/plugin.h')
        for pattern, places in HEADERS:
            if re.fullmatch(pattern, name) and not may(path, places) and layer in LAYERS:
                find('layers', path, number, f'<{name}> here', 'it belongs to ' + ' '.join(places))


def own_family(path, name):
    """cluster.c may include cluster_map.h: they are one plugin."""
    stem = os.path.basename(path).split('.')[0].split('_')[0]
    return os.path.basename(name).split('.')[0].split('_')[0] == stem


def check_calls(path, text):
    code = code_of(text)
    layer = path.split('/')[0]
    for names, folders, mend in CALLS:
        if folders and (layer not in folders.split() or path.endswith('_test.c')):
            continue
        for m in re.finditer(r'(?<![\w.>])(' + names + r')\s*\(', code):
            if not may(path, CALL_EXCEPT.get(m.group(1), [])):
                find('banned', path, code.count('\n', 0, m.start()) + 1, f'{m.group(1)}()', mend)


def check_sizes(path, text, functions):
    lines = text.count('\n')
    if lines > FILE_LINES:
        find('sizes', path, lines, f'{lines} lines in the file', f'split it: {FILE_LINES} at most')
    for f in functions:
        if f.lines > FUNCTION_LINES:
            find('sizes', path, f.line, f'{f.name} has {f.lines} lines', f'split it: {FUNCTION_LINES} at most')
        if f.depth > NESTING:
            find('sizes', path, f.line, f'{f.name} nests {f.depth} deep', f'return early or split it: {NESTING} at most')
        if f.decisions > DECISIONS:
            find('sizes', path, f.line, f'{f.name} takes {f.decisions} decisions', f'split it: {DECISIONS} at most')
        if f.parameters > PARAMETERS and (f.path, f.name) not in DICTATED:
            find('sizes', path, f.line, f'{f.name} has {f.parameters} parameters',
                 f'make them a struct: {PARAMETERS} at most')


def check_words(path, text):
    for number, line in enumerate(text.split('\n'), 1):
        if m := OPEN_WORDS.search(line):
            find('words', path, number, f'{m.group(1)} left', 'do it, or write "OPEN:" with an issue number')
        if m := PLACES.search(line):
            find('words', path, number, f'names {m.group(0)}', 'the repository knows no workplace and no package host')


def anchors_of(text):
    """What a page's headings are called in links to them."""
    return {re.sub(r'[^\w -]', '', m.lower()).replace(' ', '-') for m in re.findall(r'^#+ (.*)$', text, re.M)}


def check_links(path, text):
    """Links of a page inside the repository lead somewhere."""
    for number, line in enumerate(text.split('\n'), 1):
        for to in re.findall(r'\]\(([^)\s]+)\)', line):
            if re.match(r'\w+:', to):
                continue
            file, _, heading = to.partition('#')
            place = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not os.path.exists(place):
                find('links', path, number, f'leads to {to}, which is not there', 'name what is there')
            elif heading and heading not in anchors_of(read(place) or ''):
                find('links', path, number, f'leads to {to}, a heading that is not there', 'name one that is')


def check_tracked(paths):
    for path in paths:
        if GENERATED.search(path):
            find('generated', path, 1, 'a generated file is tracked', 'git rm --cached it')


def check_headers(headers):
    """Each header compiles alone, and twice."""
    compiler = shutil.which('gcc') or shutil.which('clang')
    if compiler is None:
        print('skipped: headers alone: no gcc')
        return
    command = [compiler, '-std=c11', '-D_GNU_SOURCE', '-I.', '-Wall', '-Werror', '-fsyntax-only', '-xc', '-']
    for path in headers:
        run = subprocess.run(command, input=f'#include "{path}"\n#include "{path}"\n', text=True, capture_output=True)
        if run.returncode:
            error = next((l for l in run.stderr.split('\n') if 'error:' in l), run.stderr.strip())
            find('headers', path, 1, 'does not compile alone', 'include what it uses: ' + error)


def check_format(paths):
    if shutil.which('clang-format') is None:
        print('skipped: format: no clang-format')
        return
    if not paths:
        return
    run = subprocess.run(['clang-format', '--dry-run', '-Werror', *paths], text=True, capture_output=True)
    wrong = {}
    for m in re.finditer(r'^([^\s:]+):(\d+):\d+: error: code should be clang-formatted', run.stderr, re.M):
        wrong.setdefault(m.group(1), m.group(2))
    for path, line in wrong.items():
        find('format', path, line, 'not as .clang-format has it', f'clang-format -i {path}')
    if run.returncode and not wrong:
        find('format', '.clang-format', 1, 'clang-format failed: ' + run.stderr.strip()[:200], 'mend it')


# ---- all of it ----

def tracked():
    """What git tracks, and what it would track: a new file is checked before its first commit."""
    run = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                         text=True, capture_output=True)
    if run.returncode == 0:
        return sorted(p for p in set(run.stdout.split('\0')) if p and os.path.exists(p))
    return sorted(os.path.relpath(os.path.join(d, f)) for d, _, names in os.walk('.') for f in names
                  if not os.path.relpath(d).startswith(('build', '.git')))


def read(path):
    with open(path, 'rb') as f:
        octets = f.read()
    return None if b'\0' in octets else octets.decode('utf-8', 'replace')


def report_lengths(functions):
    lengths = sorted(f.lines for f in functions)
    if not lengths:
        return
    p90 = lengths[(len(lengths) - 1) * 9 // 10]
    longest = max(functions, key=lambda f: f.lines)
    print(f'functions: {len(lengths)}, median {lengths[len(lengths) // 2]}, p90 {p90}, '
          f'longest {longest.lines} ({longest.name} in {longest.path})')
    if p90 > P90_LINES:
        find('sizes', longest.path, longest.line, f'nine of ten functions have up to {p90} lines',
             f'split the long ones: {P90_LINES}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--root', default=os.path.join(os.path.dirname(__file__), '..', '..'))
    parser.add_argument('paths', nargs='*', help='only files whose path begins so')
    args = parser.parse_args()
    os.chdir(args.root)

    paths = [p for p in tracked() if not args.paths or p.startswith(tuple(args.paths))]
    c_files = [p for p in paths if p.endswith(('.c', '.h'))]
    ours = []
    check_tracked(paths)
    for path in paths:
        text = read(path)
        if text is None:
            continue
        check_words(path, text)
        if path.endswith('.md'):
            check_links(path, text)
        if path in c_files:
            functions = list(functions_of(path, text))
            check_includes(path, text)
            check_calls(path, text)
            check_sizes(path, text, functions)
            if not path.endswith('_test.c') and path.split('/')[0] in LAYERS:
                ours += functions
    check_headers([p for p in c_files if p.endswith('.h')])
    check_format(c_files)
    report_lengths(ours)
    checks = ['layers', 'banned', 'sizes', 'words', 'links', 'generated', 'headers', 'format']
    print(f'{sum(c not in findings for c in checks)} passed, {sum(c in findings for c in checks)} failed')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
