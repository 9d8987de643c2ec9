#!/usr/bin/env python3
"""Each check of lint.py finds its fault in a small tree made for it, and nothing in a clean one."""
import os
import subprocess
import sys
import tempfile

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lint.py')
CLEAN = {'base/a.h': '#ifndef A\n#define A\nint a_one(void);\n#endif\n',
         'base/a.c': '#include "base/a.h"\n\nint a_one(void)\n{\n    return 1;\n}\n'}


def nested(depth):
    return 'void f(int i)\n{\n' + 'if (i) {\n' * depth + 'i = 0;\n' + '}\n' * depth + '}\n'


def long(lines):
    return 'void f(void)\n{\n' + ';\n' * (lines - 3) + '}\n'


# rule, file, its text, what the output must have (None: no finding of another kind than format)
CASES = [
    ('a layer includes upwards', 'base/b.c', '#include "config/key.h"\n', 'base/b.c:1: base/ includes config/key.h'),
    ('a layer includes downwards', 'server/b.c', '#include "base/a.h"\n', None),
    ('an include is written from the top', 'base/b.c', '#include "a.h"\n', 'from its own folder'),
    ('libuv stays in server/', 'resolver/b.c', '#include <uv.h>\n', 'resolver/b.c:1: <uv.h>'),
    ('libuv in server/', 'server/b.c', '#include <uv.h>\n', None),
    ('ldns stays in its two modules', 'resolver/b.c', '\n#include <ldns/ldns.h>\n', 'resolver/b.c:2: <ldns/ldns.h>'),
    ('ldns in rdata.c', 'resolver/rdata.c', '#include <ldns/ldns.h>\n', None),
    ('a plugin includes no other', 'resolver/plugins/b.c', '#include "resolver/plugins/c.h"\n', 'a plugin includes'),
    ('a plugin includes its own part', 'resolver/plugins/b.c', '#include "resolver/plugins/b_map.h"\n', None),
    ('banned call', 'base/b.c', 'void f(char *a)\n{\n    strcpy (a, "");\n}\n', 'base/b.c:3: strcpy()'),
    ('banned name in a comment or string', 'base/b.c', '/* strcpy(a) */\nchar *s = "system(x)"; // gets()\n', None),
    ('exit outside main.c', 'base/b.c', 'void f(void)\n{\n    exit(1);\n}\n', 'exit()'),
    ('exit in main.c', 'server/main.c', 'int main(void)\n{\n    exit(1);\n}\n', None),
    ('a clock in resolver/', 'resolver/b.c', 'void f(void)\n{\n    time(0);\n}\n', 'time()'),
    ('a member with the name of a call', 'resolver/b.c', 'void f(void)\n{\n    io->random(x);\n}\n', None),
    ('80 lines', 'base/b.c', long(80), None),
    ('81 lines', 'base/b.c', long(81), 'f has 81 lines'),
    ('700 lines in a file', 'base/b.c', ';\n' * 700, None),
    ('701 lines in a file', 'base/b.c', ';\n' * 701, '701 lines'),
    ('three levels', 'base/b.c', nested(3), None),
    ('four levels', 'base/b.c', nested(4), 'nests 4 deep'),
    ('an initializer is no level', 'base/b.c',
     'void f(void)\n{\n if (a) {\n for (;;) {\n if (b(c)) {\n d((struct e){1});\n }\n }\n }\n}\n', None),
    ('five parameters', 'base/b.c', 'void f(int a, int b, int c, int d, int (*e)(int, int))\n{\n}\n', None),
    ('six parameters', 'base/b.c', 'void f(int a, int b, int c, int d,\n       int e, int g)\n{\n}\n', '6 parameters'),
    ('15 decisions', 'base/b.c', 'void f(void)\n{\n' + '    if (a) b();\n' * 14 + '}\n', None),
    ('17 decisions', 'base/b.c', 'void f(void)\n{\n' + '    if (a && b) c();\n' * 7 + '    while (a ? b : c) d();\n}\n', '17 decisions'),
    ('cases are one', 'base/b.c', 'void f(void)\n{\n    switch (a) {\n' + '    case 1:\n        break;\n' * 20 + '    }\n}\n', None),
    ('open word', 'README.md', 'a\nTO' + 'DO: b\n', 'README.md:2: TO' + 'DO left'),
    ('place of work', 'README.md', 'see /wo' + 'rk/main\n', 'README.md:1: names'),
    ('package host', 'Makefile', 'a:\n\tcurl pypi.' + 'org\n', 'Makefile:2: names'),
    ('a link', 'README.md', '# A b: c\n[a](base/a.h) [b](#a-b-c) [c](https://a.example/x)\n', None),
    ('a link to no file', 'README.md', '\n[a](docs/none.md)\n', 'README.md:2: leads to docs/none.md'),
    ('a link to no heading', 'README.md', '# A\n[a](#b)\n', 'README.md:2: leads to #b'),
    ('generated file', 'base/b.o', 'x', 'base/b.o:1: a generated file'),
    ('a header that needs another', 'base/b.h', 'size_t f(void);\n', 'base/b.h:1: does not compile alone'),
    ('a header without guard', 'base/b.h', 'struct s {\n    int a;\n};\n', 'does not compile alone'),
]


def lint(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), 'w') as f:
                f.write(text)
        run = subprocess.run([sys.executable, LINT, '--root', root], text=True, capture_output=True,
                             env={**os.environ, 'GIT_CEILING_DIRECTORIES': os.path.dirname(root)})
        return run.returncode, run.stdout + run.stderr


def findings(output):
    return [l for l in output.split('\n') if ': ' in l and not l.startswith('functions:') and 'clang-format' not in l]


def main():
    passed = failed = 0
    for rule, path, text, expected in [('clean tree', 'base/a.h', CLEAN['base/a.h'], None), *CASES]:
        code, output = lint({**CLEAN, path: text})
        good = not findings(output) if expected is None else code == 1 and expected in output
        passed += good
        failed += not good
        if not good:
            print(f'FAIL {rule}: expected {expected or "no finding"!r}\n{output}')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
