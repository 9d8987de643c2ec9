"""Tables and the plot of what was measured: Markdown and SVG, made by hand.

Rounds are interleaved, so each ratio is taken between neighbours of one round; what is shown
is the median of the rounds, and the smallest and largest.
"""
import os
import platform
import statistics
from xml.sax.saxutils import escape

HEADS = {'cpu_us': 'CPU µs/answer', 'ratio': 'ratio', 'busy': 'core busy', 'qps': 'answers/s',
         'p50_us': 'p50 µs', 'p99_us': 'p99 µs', 'p999_us': 'p99.9 µs',
         'first_answer_s': 'first answer s', 'rss_mb': 'RSS MB', 'rss_loaded_mb': 'after load',
         'reload_s': 'reload s', 'lost': 'lost', 'sent': 'of',
         'user': 'instructions/answer', 'kernel': 'in the kernel', 'ns': 'ns/question',
         'octets': 'octets in flight each', 'idle': 'octets a connection', 'hits': 'hits',
         'changes': 'changes', 'taken_ms': 'taken ms', 'p50_ms': 'p50 ms', 'p99_ms': 'p99 ms', 'worst_ms': 'worst ms',
         'wrong': 'wrong'}
FORMATS = {'cpu_us': '{:.2f}', 'busy': '{:.0f} %', 'qps': '{:,.0f}', 'p50_us': '{:.0f}',
           'p99_us': '{:.0f}', 'p999_us': '{:.0f}', 'first_answer_s': '{:.3f}', 'rss_mb': '{:.1f}',
           'rss_loaded_mb': '{:.1f}', 'reload_s': '{:.3f}', 'lost': '{:,.0f}', 'sent': '{:,.0f}',
           'user': '{:,.0f}', 'kernel': '{:,.0f}', 'ns': '{:,.0f}', 'octets': '{:,.0f}', 'idle': '{:,.0f}', 'hits': '{:.1f} %',
           'changes': '{:,.0f}', 'taken_ms': '{:.1f}', 'p50_ms': '{:.1f}', 'p99_ms': '{:.1f}', 'worst_ms': '{:.1f}',
           'wrong': '{:,.0f}'}


def ratios(rounds, contestant, metric):
    """The contestant's figure over its base's, of each round that has both."""
    return [one[contestant.name][metric] / one[contestant.base][metric] for one in rounds
            if contestant.name in one and contestant.base in one]


def spread(values):
    return f'{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})' if values else '-'


def cell(column, rounds, contestant, metric):
    if column == 'ratio':
        text = spread(ratios(rounds, contestant, metric))
        return text if contestant.name != contestant.base else '1'
    values = [one[contestant.name][column] for one in rounds if contestant.name in one]
    return FORMATS[column].format(statistics.median(values))


def table(result):
    """The Markdown of one scenario: {'scenario', 'rounds', 'failures'}."""
    scenario, rounds = result['scenario'], result['rounds']
    heads = [HEADS[column] for column in scenario.columns]
    lines = ['| | ' + ' | '.join(heads) + ' | to |', '|---' * (len(heads) + 2) + '|']
    for c in scenario.contestants:
        if not any(c.name in one for one in rounds):
            lines.append(f'| {c.name} | failed: {result["failures"].get(c.name, "not run")} |')
            continue
        cells = [cell(column, rounds, c, scenario.columns[0]) for column in scenario.columns]
        base = c.base if 'ratio' in scenario.columns and c.base != c.name else ''
        lines.append(f'| {c.name} | ' + ' | '.join(cells) + f' | {base} |')
    return '\n'.join(lines)


def machine_kind():
    with open('/proc/cpuinfo', encoding='utf-8') as info:
        model = next((line.split(':')[1].strip() for line in info if line.startswith('model name')), '?')
    return f'{model}, {os.cpu_count()} cores, Linux {platform.release()}'


def markdown(results, how):
    parts = ['# Bench\n', f'{how}\nMachine: {machine_kind()}.\n']
    for name, result in results.items():
        parts.append(f'## {name}: {result["scenario"].title}\n\n{table(result)}\n')
    return '\n'.join(parts)


# ---- the plot: a bar a contestant, as long as its ratio, with the range of the rounds ----

BAR, GAP, LEFT, WIDTH = 16, 6, 190, 900


def bars(results):
    """(scenario, contestant, ratios) of all that have a base other than themselves."""
    for name, result in results.items():
        scenario = result['scenario']
        for c in scenario.contestants:
            values = ratios(result['rounds'], c, scenario.columns[0])
            if values and c.base != c.name and 'ratio' in scenario.columns:
                yield name, c, values


def scaled(value, widest):
    return LEFT + (WIDTH - LEFT - 130) * min(value, widest) / widest


def bar(y, c, values, widest):
    middle = statistics.median(values)
    end = scaled(middle, widest)
    low, high = scaled(min(values), widest), scaled(max(values), widest)
    colour = '#2a6f97' if c.server == 'isthmus' else '#a9b4bd'
    cut = ' (cut)' if middle > widest else ''
    return (f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(c.name)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{colour}"/>'
            f'<path d="M{low:.1f} {y + BAR / 2}H{high:.1f}" stroke="#222"/>'
            f'<text x="{max(end, high) + 6:.1f}" y="{y + 12}">{middle:.2f} x {escape(c.base)}{cut}</text>')


def svg(results):
    """Bars longer than six times the base are cut: they would hide the others."""
    widest, parts, y, last = 6.0, [], 10, None
    for name, c, values in bars(results):
        if name != last:
            y += 26
            parts.append(f'<text x="8" y="{y}" font-weight="bold">'
                         f'{escape(results[name]["scenario"].title)}</text>')
            y += 8
            last = name
        parts.append(bar(y, c, values, widest))
        y += BAR + GAP
    one = scaled(1, widest)
    parts.append(f'<path d="M{one:.1f} 20V{y}" stroke="#c33" stroke-dasharray="3 3"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 20}" '
            f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')
