/** Volume over time stacked by sentiment, and net sentiment below on the same time axis. */

import { clockTime, count, dayName, MINUS, points, SIGN, slotTime, stepName } from "../format";
import type { AnyLabel, Series } from "../types";
import { createChart, FONT, hatch, palette, tooltip, unsureHatch, type Chart } from "./base";

/** Net sentiment of one slot is mostly chance: it is taken over this many, and left out below so many mentions. */
export const ROLLING = 6;
const ENOUGH = 12;

interface Net { value: number | null; low: number; high: number }

/** Rolling net sentiment in points with its 95% interval (as the API's: one added to each label). */
export function rollingNet(negative: number[], neutral: number[], positive: number[], over: number): Net[] {
  return negative.map((_, i) => {
    let minus = 0, zero = 0, plus = 0;
    for (let j = Math.max(0, i - over + 1); j <= i; j++) {
      minus += negative[j] ?? 0;
      zero += neutral[j] ?? 0;
      plus += positive[j] ?? 0;
    }
    const total = minus + zero + plus;
    if (total < ENOUGH) return { value: null, low: 0, high: 0 };
    const p = (plus + 1) / (total + 3), m = (minus + 1) / (total + 3);
    const half = 1.96 * Math.sqrt(Math.max(0, p + m - (p - m) ** 2) / (total + 3));
    return { value: ((plus - minus) / total) * 100, low: Math.max(-100, (p - m - half) * 100), high: Math.min(100, (p - m + half) * 100) };
  });
}

const LABEL_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800];

export class VolumeChart {
  private readonly chart: Chart;
  private series: Series | null = null;

  constructor(private readonly element: HTMLElement) {
    this.chart = createChart(element);
    new ResizeObserver(() => this.draw()).observe(element);
  }

  update(series: Series): void {
    this.series = series;
    this.draw();
  }

  draw(): void {
    const { series } = this;
    if (!series) return;
    const p = palette();
    const { step_s: step } = series.period;
    const line = series.series[0] ?? { key: "", negative: [], neutral: [], positive: [], unsure: [] };
    const anyUnsure = line.unsure.some((n) => n > 0);
    const net = rollingNet(line.negative, line.neutral, line.positive, ROLLING);
    const span = series.slots.length * step;
    const wanted = Math.max(3, Math.floor(this.element.clientWidth / 90));
    const every = LABEL_STEPS.find((s) => span / s <= wanted) ?? 86400;
    const offset = new Date().getTimezoneOffset() * 60;
    const onTick = (slot: number): boolean => (slot - offset) % every === 0;
    const axis = {
      type: "category" as const,
      data: series.slots.map(String),
      boundaryGap: true,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: p.line } },
      axisPointer: { show: true, type: "line" as const, lineStyle: { color: p.soft, width: 1 }, label: { show: false } },
    };
    const bars = (label: AnyLabel): Record<string, unknown> => ({
      name: label,
      type: "bar",
      stack: "volume",
      data: line[label],
      barCategoryGap: series.slots.length > 100 ? "18%" : "22%",
      itemStyle: { color: p[label], ...(label === "negative" ? { decal: hatch(p) } : label === "unsure" ? { decal: unsureHatch(p) } : {}) },
      emphasis: { disabled: true },
    });
    const reach = Math.max(...net.map((n) => (n.value === null ? 0 : Math.max(Math.abs(n.low), Math.abs(n.high), Math.abs(n.value)))));
    const limit = [25, 50, 100].find((one) => reach <= one) ?? 100;
    const tight = this.element.clientWidth < 520;
    const left = tight ? 40 : 48;
    this.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: FONT },
        aria: { enabled: true, label: { description: this.inWords(series) } },
        grid: [
          { left, right: 12, top: 12, height: "50%" },
          { left, right: 12, top: "64%", bottom: 24 },
        ],
        axisPointer: { link: [{ xAxisIndex: "all" }] },
        xAxis: [
          { ...axis, gridIndex: 0, axisLabel: { show: false } },
          {
            ...axis,
            gridIndex: 1,
            axisLine: { onZero: false, lineStyle: { color: p.line } },
            axisLabel: {
              color: p.soft, fontSize: 11, hideOverlap: true,
              interval: (_: number, value: string) => onTick(Number(value)),
              formatter: (value: string) => (every >= 86400 ? dayName(Number(value)) : clockTime(Number(value))),
            },
          },
        ],
        yAxis: [
          {
            type: "value", gridIndex: 0, minInterval: 1, splitNumber: 3,
            axisLabel: { color: p.soft, fontSize: 11, formatter: (n: number) => count(n) },
            splitLine: { lineStyle: { color: p.line } },
          },
          {
            type: "value", gridIndex: 1, min: -limit, max: limit, interval: limit,
            axisLabel: { color: p.soft, fontSize: 11, formatter: (n: number) => (n > 0 ? `+${n}` : n < 0 ? `${MINUS}${-n}` : "0") },
            splitLine: { lineStyle: { color: p.line } },
          },
        ],
        tooltip: {
          ...tooltip(p),
          formatter: (items: { dataIndex: number }[]) => {
            const i = items[0]?.dataIndex ?? 0;
            const n = net[i];
            const shown: AnyLabel[] = anyUnsure ? ["unsure", "positive", "neutral", "negative"] : ["positive", "neutral", "negative"];
            const rows = shown.map((l) => `${SIGN[l]} ${l}  ${count(line[l][i] ?? 0)}`);
            const nets = n && n.value !== null ? `net ${points(n.value / 100)}  (${points(n.low / 100)} to ${points(n.high / 100)})` : "net: too few mentions";
            const filling = i === series.slots.length - 1 ? ", still filling" : "";
            return [`${slotTime(series.slots[i] ?? 0, step)}  (${stepName(step)}${filling})`, ...rows, nets].join("\n");
          },
        },
        series: [
          bars("negative"),
          bars("neutral"),
          bars("positive"),
          bars("unsure"),
          {
            name: "band-low", type: "line", stack: "band", xAxisIndex: 1, yAxisIndex: 1, symbol: "none", silent: true,
            stackStrategy: "all", lineStyle: { opacity: 0 }, data: net.map((n) => (n.value === null ? null : n.low)),
          },
          {
            name: "band", type: "line", stack: "band", xAxisIndex: 1, yAxisIndex: 1, symbol: "none", silent: true,
            stackStrategy: "all", lineStyle: { opacity: 0 }, areaStyle: { color: p.net, opacity: 0.18 },
            data: net.map((n) => (n.value === null ? null : n.high - n.low)),
          },
          {
            name: "net", type: "line", xAxisIndex: 1, yAxisIndex: 1, symbol: "none",
            lineStyle: { color: p.net, width: 2 }, itemStyle: { color: p.net }, emphasis: { disabled: true },
            data: net.map((n) => n.value),
          },
        ],
      },
      { notMerge: false, lazyUpdate: true },
    );
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", this.inWords(series));
  }

  private inWords(series: Series): string {
    const line = series.series[0];
    if (!line) return "No mentions in this window.";
    const sum = (xs: number[]): number => xs.reduce((a, b) => a + b, 0);
    const unsure = sum(line.unsure);
    return (
      `Mentions per ${stepName(series.period.step_s)}, stacked by sentiment: ${count(sum(line.negative))} negative, ` +
      `${count(sum(line.neutral))} neutral, ${count(sum(line.positive))} positive${unsure ? `, and ${count(unsure)} unsure` : ""} in the window; net sentiment below.`
    );
  }
}
