/** Cells that the tables share. Small numbers are shown with their doubt, not as wild percentages. */

import { h } from "../dom";
import { interval, netInterval, percent, points } from "../format";
import type { Label, Mood, Trust } from "../types";

/** A share; the stronger the share, the stronger the tint. With few mentions it is dimmed, its interval in the title. */
export function shareCell(mood: Mood, label: Label): HTMLTableCellElement {
  const share = mood[`${label}_share`];
  if (!share) return h("td", { class: "number soft" }, "\u2013");
  const level = mood.few ? 0 : Math.min(5, Math.floor(share.share * 6.5));
  const title = `${mood[label]} of ${mood.judged}${mood.unsure ? " judged" : ""}; 95% interval ${interval(share)}`;
  return h("td", { class: `number tint-${label}-${level}${mood.few ? " few" : ""}`, title }, `${mood.few ? "~" : ""}${percent(share.share)}`);
}

export function netCell(mood: Mood): HTMLTableCellElement {
  if (mood.net === null) return h("td", { class: "number soft" }, "\u2013");
  const title = `95% interval ${netInterval(mood)}`;
  if (mood.few) {
    return h("td", { class: "number few", title }, netInterval(mood).replace(" to ", "\u2026"));
  }
  return h("td", { class: "number net", title }, points(mood.net));
}

/** Share of mentions without a label; the column is there only where there are some. */
export function unsureCell(mood: Mood): HTMLTableCellElement {
  if (mood.mentions === 0) return h("td", { class: "number soft" }, "\u2013");
  const title = `${mood.unsure} of ${mood.mentions} are unsure and in no share; ${mood.judged} are judged`;
  return h("td", { class: `number unsure-cell${mood.mentions < 30 ? " few" : ""}`, title }, percent(mood.unsure / mood.mentions));
}

export function sureCell(value: number | null): HTMLTableCellElement {
  return h("td", { class: "number" }, value === null ? "\u2013" : percent(value));
}

export const TRUST_HEAD: [string, string] = [
  "Trust",
  "How far the labels of the language can be trusted: three bars high, two fair, one low; full where it was measured, hollow where it is estimated",
];

const BARS = { high: 3, fair: 2, low: 1, unknown: 0 };

/** Bars as of a signal; the number, its interval and what it means are in the title. */
export function trustCell(trust: Trust): HTMLTableCellElement {
  const score = trust.macro_f1;
  const number = score ? `; ${trust.source}: macro-F1 ${whole(score.value)} (${whole(score.low)} to ${whole(score.high)})` : "";
  const title = `Trust ${trust.level}${number}; ${trust.in_words}`;
  return h("td", { class: "trust-cell", title }, bars(trust.level, trust.source, { role: "img", "aria-label": title }));
}

/** What full and hollow bars mean, where no pointer can ask for a title. */
export function trustLegend(): HTMLElement {
  return h("span", { class: "legend" }, "Trust:",
    h("span", { class: "legend-item" }, bars("fair", "measured", { "aria-hidden": "true" }), " measured (full bars)"),
    h("span", { class: "legend-item" }, bars("fair", "estimated", { "aria-hidden": "true" }), " estimated (hollow)"));
}

function bars(level: Trust["level"], source: Trust["source"], attributes: Record<string, string>): HTMLElement {
  const found = [1, 2, 3].map((bar) => h("i", { class: bar <= BARS[level] ? "on" : "" }));
  return h("span", { class: `trust ${level} ${source}`, ...attributes }, ...found);
}

const whole = (share: number): string => String(Math.round(share * 100));

export const UNSURE_HEAD: [string, string, string] = ["? Uns", "Share of mentions without a label, because it would be wrong too often; in no other share", "number unsure-head"];

/** Show or hide the column of `unsureCell` in the head that `headRow` made. */
export function showUnsure(table: HTMLElement, shown: boolean): void {
  for (const head of table.querySelectorAll<HTMLElement>("th.unsure-head")) head.hidden = !shown;
}

export function headRow(cells: [string, string, string?][]): HTMLTableSectionElement {
  return h("thead", {}, h("tr", {}, ...cells.map(([text, title, kind]) =>
    h("th", { scope: "col", class: kind ?? "number", title }, text))));
}
