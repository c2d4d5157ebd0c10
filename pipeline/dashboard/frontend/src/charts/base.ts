/** Apache ECharts with only the parts that the page uses. Tooltips are drawn, never markup. */

import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { AriaComponent, AxisPointerComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

import { colour } from "../theme";

use([BarChart, LineChart, CustomChart, GridComponent, TooltipComponent, AxisPointerComponent, AriaComponent, CanvasRenderer]);

export type Chart = EChartsType;

export function createChart(element: HTMLElement): Chart {
  const chart = init(element, null, { renderer: "canvas" });
  new ResizeObserver(() => chart.resize()).observe(element);
  return chart;
}

export interface Palette {
  negative: string; neutral: string; positive: string; unsure: string; ink: string; soft: string; line: string; panel: string;
  net: string; hatch: string; unsureHatch: string;
}

export function palette(): Palette {
  return {
    negative: colour("negative"), neutral: colour("neutral"), positive: colour("positive"), unsure: colour("unsure"),
    ink: colour("ink"), soft: colour("soft"), line: colour("line"), panel: colour("panel"), net: colour("net"),
    hatch: colour("hatch"), unsureHatch: colour("unsure-hatch"),
  };
}

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif';

/** Tooltip that both charts share. */
export function tooltip(p: Palette): Record<string, unknown> {
  return {
    trigger: "axis",
    renderMode: "richText",
    confine: true,
    transitionDuration: 0,
    backgroundColor: p.panel,
    borderColor: p.line,
    borderWidth: 1,
    padding: [8, 10],
    textStyle: { color: p.ink, fontSize: 12, fontFamily: FONT, lineHeight: 18 },
  };
}

/** Negative is also hatched, faintly: the colours are not the only difference. */
export const hatch = (p: Palette): Record<string, unknown> => ({
  symbol: "rect", dashArrayX: [1, 0], dashArrayY: [1.5, 4.5], rotation: -Math.PI / 4, color: p.hatch,
});

/** Unsure is hatched strongly and the other way: it is no class, and must not pass for neutral. */
export const unsureHatch = (p: Palette): Record<string, unknown> => ({
  symbol: "rect", dashArrayX: [1, 0], dashArrayY: [1.5, 2.5], rotation: Math.PI / 4, color: p.unsureHatch,
});
