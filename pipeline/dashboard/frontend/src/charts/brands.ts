/** The brands side by side: shares of negative, neutral and positive, diverging from the middle of neutral. */

import { brandName, count, interval, netInterval, percent, points, SIGN } from "../format";
import type { BrandRow, Label } from "../types";
import { createChart, FONT, hatch, palette, tooltip, type Chart } from "./base";

const MOST = 8;

export class BrandsChart {
  private readonly chart: Chart;
  private rows: BrandRow[] = [];

  constructor(private readonly element: HTMLElement, onPick: (brand: string) => void) {
    this.chart = createChart(element);
    this.chart.on("click", (event) => {
      const row = typeof event.dataIndex === "number" ? this.rows[event.dataIndex] : undefined;
      if (row) onPick(row.brand);
    });
  }

  update(rows: BrandRow[]): void {
    this.rows = rows.filter((row) => row.mentions > 0).slice(0, MOST);
    this.draw();
  }

  draw(): void {
    const p = palette();
    const { rows } = this;
    this.element.style.height = `${Math.max(1, rows.length) * 24 + 26}px`;
    this.chart.resize();
    const share = (row: BrandRow, label: Label): number => row.mood[label] / Math.max(1, row.mood.judged);
    const bar = (label: Label, stack: string, data: number[], extra: Record<string, unknown> = {}): Record<string, unknown> => ({
      name: label, type: "bar", stack, barWidth: 13, cursor: "pointer",
      // a brand of few mentions is pale: its shares may be chance
      data: data.map((value, i) => (rows[i]?.mood.few ? { value, itemStyle: { opacity: 0.4 } } : value)),
      itemStyle: { color: p[label], ...(label === "negative" ? { decal: hatch(p) } : {}) },
      emphasis: { disabled: true },
      ...extra,
    });
    this.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: FONT },
        grid: { left: 78, right: 14, top: 4, bottom: 20 },
        xAxis: {
          type: "value", min: -100, max: 100, interval: 50,
          axisLabel: { color: p.soft, fontSize: 11, formatter: (n: number) => `${Math.abs(n)}%` },
          splitLine: { lineStyle: { color: p.line } },
        },
        yAxis: {
          type: "category", inverse: true, data: rows.map((row) => brandName(row.brand)),
          axisTick: { show: false }, axisLine: { show: false },
          axisLabel: { color: p.ink, fontSize: 12, width: 70, overflow: "truncate" },
        },
        tooltip: {
          ...tooltip(p),
          axisPointer: { type: "shadow", shadowStyle: { opacity: 0.15 } },
          formatter: (items: { dataIndex: number }[]) => {
            const row = rows[items[0]?.dataIndex ?? 0];
            if (!row) return "";
            const { mood } = row;
            const lines = (["positive", "neutral", "negative"] as const).map((l) => {
              const s = mood[`${l}_share`];
              return `${SIGN[l]} ${l}  ${count(mood[l])}` + (s ? `  ${percent(s.share)}  (${interval(s)})` : "");
            });
            const net = mood.net === null ? "" : `net ${points(mood.net)}  (${netInterval(mood)})`;
            const unsure = mood.unsure ? `, ${count(mood.unsure)} unsure` : "";
            return [`${brandName(row.brand)}: ${count(row.mentions)} mentions${unsure}`, ...lines, net].join("\n");
          },
        },
        series: [
          bar("neutral", "left", rows.map((r) => -share(r, "neutral") * 50)),
          bar("negative", "left", rows.map((r) => -share(r, "negative") * 100)),
          bar("neutral", "left", rows.map((r) => share(r, "neutral") * 50), { name: "neutral " }),
          bar("positive", "left", rows.map((r) => share(r, "positive") * 100)),
        ],
      },
      { replaceMerge: ["yAxis"] },
    );
    this.element.setAttribute("role", "img");
    this.element.setAttribute(
      "aria-label",
      rows.length === 0
        ? "No brand was mentioned in this window."
        : `Shares by brand. ${rows.map((r) => `${brandName(r.brand)}: ${percent(share(r, "negative"))} negative, ${percent(share(r, "positive"))} positive`).join("; ")}.`,
    );
  }
}
