/** The key numbers, each with how sure it is and how it was before. */

import { byId, h, setText } from "../dom";
import { age, count, duration, interval, netInterval, percent, points, rate, SIGN } from "../format";
import type { AnyLabel, Label, Summary } from "../types";

interface Tile { value: HTMLElement; detail: HTMLElement; root: HTMLElement }

function tile(name: string, sign: AnyLabel | "" = ""): Tile {
  const value = h("dd", { class: "kpi-value" }, "\u2013");
  const detail = h("dd", { class: "kpi-detail" });
  const root = h(
    "dl",
    { class: `kpi ${sign}` },
    h("dt", {}, sign ? h("span", { class: `sign ${sign}`, "aria-hidden": "true" }, SIGN[sign]) : null, name),
    value,
    detail,
  );
  return { value, detail, root };
}

export class Kpis {
  private readonly mentions = tile("Mentions");
  private readonly net = tile("Net sentiment");
  private readonly shares: Record<Label, Tile> = {
    negative: tile("Negative", "negative"), neutral: tile("Neutral", "neutral"), positive: tile("Positive", "positive"),
  };
  private readonly unsure = tile("Unsure", "unsure");
  private readonly sure = tile("Model sure");
  private readonly dead = tile("Dead letters");
  private announced = 0;

  constructor() {
    const { negative, neutral, positive } = this.shares;
    const tiles = [this.mentions, this.net, negative, neutral, positive, this.unsure, this.sure, this.dead];
    byId("kpis").append(...tiles.map((one) => one.root));
    this.net.root.title = "Share of positive minus share of negative mentions, in points; in brackets the 95% interval";
    this.sure.root.title = "Mean probability that the model gives to the label it chose";
    this.dead.root.title = "Messages that could not be processed; `babelwatch dead list` shows them";
    this.unsure.root.hidden = true;
    this.unsure.value.id = "kpi-unsure";
    this.mentions.value.id = "kpi-mentions";
    this.net.value.id = "kpi-net";
    this.dead.value.id = "kpi-dead";
  }

  update(summary: Summary): void {
    const { mood, previous } = summary;
    const window = duration(summary.period.window_s);
    setText(this.mentions.value, count(mood.mentions));
    setText(this.mentions.detail, `${rate(summary.per_minute)}/min${mood.few || previous.few ? "" : change(summary.per_minute, summary.previous_per_minute)}`);
    this.mentions.detail.title = `Against ${rate(summary.previous_per_minute)}/min in the ${window} before`;
    setText(this.net.value, mood.net === null ? "\u2013" : points(mood.net));
    const moved = summary.net_change === null || previous.few ? "" : `, was ${points(previous.net ?? 0)}`;
    setText(this.net.detail, mood.net === null ? (mood.mentions ? "none judged" : "no mentions") : `(${netInterval(mood)})${moved}`);
    for (const label of ["negative", "neutral", "positive"] as const) {
      const share = mood[`${label}_share`];
      setText(this.shares[label].value, share ? percent(share.share) : "\u2013");
      setText(this.shares[label].detail, share ? `${count(mood[label])} (${interval(share)})` : "");
    }
    // a tile only where an error is accepted
    const anyUnsure = mood.unsure > 0 || previous.unsure > 0;
    this.unsure.root.hidden = !anyUnsure;
    byId("kpis").classList.toggle("with-unsure", anyUnsure);
    setText(this.unsure.value, mood.coverage === null ? "\u2013" : percent(1 - mood.coverage));
    setText(this.unsure.detail, mood.coverage === null ? "" : `${percent(mood.coverage)} judged`);
    this.unsure.root.title =
      `${count(mood.unsure)} of ${count(mood.mentions)} mentions are without a label, because it would be wrong too often: in no share, not in net sentiment`;
    setText(this.sure.value, mood.confidence === null ? "\u2013" : percent(mood.confidence));
    setText(this.sure.detail, mood.language_confidence === null ? "" : `language ${percent(mood.language_confidence)}`);
    const dead = summary.dead_letters;
    setText(this.dead.value, count(dead.window));
    setText(this.dead.detail, `${count(dead.total)} ever`);
    this.dead.root.classList.toggle("warn", dead.window > 0);
    const reasons = Object.entries(dead.reasons).map(([reason, n]) => `${reason}: ${n}`);
    this.dead.root.title = ["Messages that could not be processed; `babelwatch dead list` shows them", ...reasons].join("\n");
    for (const one of [this.net, ...Object.values(this.shares), this.sure]) one.root.classList.toggle("few", mood.few);
    this.announce(summary);
  }

  /** Screen readers hear the key numbers twice a minute, not every second. */
  private announce(summary: Summary): void {
    const now = performance.now();
    if (this.announced && now - this.announced < 30_000) return;
    this.announced = now;
    const { mood } = summary;
    const fresh = summary.newest_stored_age_s === null ? "" : ` Newest mention stored ${age(summary.newest_stored_age_s)} ago.`;
    const net = mood.net === null ? "" : ` Net sentiment ${points(mood.net)}.`;
    setText(byId("announcer"), `${count(mood.mentions)} mentions in ${duration(summary.period.window_s)}.${net}${fresh}`);
  }
}

function change(now: number, before: number): string {
  if (before <= 0 || now <= 0) return "";
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.01) return ", steady";
  return ratio > 9 ? ", more than tenfold" : `, ${ratio > 0 ? "+" : "\u2212"}${Math.round(Math.abs(ratio) * 100)}%`;
}
