#!/usr/bin/env python3
"""Draws a stretch of a timeline written by `ticklab run --timeline FILE.json` as SVG, for documents.

usage: draw_timeline.py FILE.json FROM_US TO_US > picture.svg
"""
import json
import sys
from html import escape

COLOURS = {"idle": "#e4e9ef", "irq": "#e07a5f", "lock": "#f2cc8f", "scenario": "#81b29a", "timer": "#3d6fb4",
           "sched": "#c9b6d8", "hw": "#9aa5b1", "oracle": "#d00000"}
WIDTH, LEFT, ROW, LEVEL = 1180, 90, 30, 20


def main(path, start, end):
    trace = json.load(open(path, encoding="utf-8"))
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e.get("name") == "thread_name"}
    scale = (WIDTH - LEFT - 20) / (end - start)

    def x(ts):
        return LEFT + (min(max(ts, start), end) - start) * scale

    tracks = {}
    for e in trace["traceEvents"]:
        if e["ph"] == "X" and e["ts"] < end and e["ts"] + e["dur"] > start:
            tracks.setdefault((e["pid"], e["tid"]), []).append(e)
    out, y = [], 34
    for key in sorted(tracks):
        open_until, depth_max, placed = [], 0, []
        for e in sorted(tracks[key], key=lambda e: (e["ts"], -e["dur"])):
            while open_until and open_until[-1] <= e["ts"]:
                open_until.pop()
            placed.append((len(open_until), e))
            depth_max = max(depth_max, len(open_until))
            open_until.append(e["ts"] + e["dur"])
        out.append(f'<text x="8" y="{y + 14}" class="track">{escape(names.get(key, str(key)))}</text>')
        for depth, e in placed:
            left, right = x(e["ts"]), x(e["ts"] + e["dur"])
            width = max(right - left, 0.8)
            out.append(f'<rect x="{left:.1f}" y="{y + depth * LEVEL}" width="{width:.1f}" height="{LEVEL - 2}" '
                       f'fill="{COLOURS.get(e.get("cat"), "#9aa5b1")}"><title>{escape(e["name"])}</title></rect>')
            if width > 7 * len(e["name"]):
                out.append(f'<text x="{left + 4:.1f}" y="{y + depth * LEVEL + 13}">{escape(e["name"])}</text>')
        y += depth_max * LEVEL + ROW
    step = 10 ** (len(str(int((end - start) / 5))) - 1)
    while (end - start) / step > 10:
        step *= 2
    marks = []
    t = -(-start // step) * step
    while t <= end:
        marks.append(f'<line x1="{x(t):.1f}" y1="26" x2="{x(t):.1f}" y2="{y}" stroke="#d5dbe1"/>'
                     f'<text x="{x(t) + 3:.1f}" y="20" class="time">{t / 1000:g} ms</text>')
        t += step
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 6}" font-family="sans-serif" '
          f'font-size="11"><style>.track{{font-weight:bold}}.time{{fill:#667}}</style>'
          f'<rect width="100%" height="100%" fill="white"/>')
    print("\n".join(marks + out))
    print("</svg>")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
